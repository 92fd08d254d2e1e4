# network: iperf3 between the host's side and a container in a network namespace, by TCP both ways, and what that
# costs in VM exits. Each is on the same veth pair; vrun and the microvm have the same tap beside it, redirected by
# tc both ways, with vhost-net and one pair of queues. The server is in the container, so that it is known when to count.

net=bench$$
seconds=${BENCH_NET_SECONDS:-5}

# as what rows leaves at its end: one that is cut off leaves no namespace
trap 'unplug; clean_up' EXIT

host_side() { ip netns exec "$net-h" "$@"; }
container_side() { ip netns exec "$net-c" "$@"; }

plug() {
	ip netns add "$net-h"
	ip netns add "$net-c"
	ip -n "$net-h" link add out type veth peer name eth0 netns "$net-c" address 02:00:00:00:00:02
	for ns in h c; do ip -n "$net-$ns" link set lo up; done
	ip -n "$net-h" addr add 10.66.0.1/24 dev out
	ip -n "$net-h" link set out up
	ip -n "$net-c" addr add 10.66.0.2/24 dev eth0
	ip -n "$net-c" link set eth0 up
}

unplug() {
	ip netns del "$net-h" 2>/dev/null
	ip netns del "$net-c" 2>/dev/null
	rm -rf "$work/bin"
	unset BENCH_QEMU_ARGS
}

# What vrun does by itself; QEMU is given the devices through a wrapper, as the microvm has none.
plug_microvm() {
	local dev
	ip -n "$net-c" tuntap add tap0 mode tap vnet_hdr
	ip -n "$net-c" link set tap0 up
	for dev in "eth0 tap0" "tap0 eth0"; do
		tc -n "$net-c" qdisc add dev "${dev% *}" ingress &&
			tc -n "$net-c" filter add dev "${dev% *}" parent ffff: u32 match u32 0 0 action mirred egress redirect dev "${dev#* }" ||
			return 1
	done
	mkdir -p "$work/bin"
	cat >"$work/bin/qemu-system-x86_64" <<-'END'
		#!/bin/sh
		exec /usr/bin/qemu-system-x86_64 "$@" -netdev tap,id=net,ifname=tap0,script=no,downscript=no,vhost=on \
			-device virtio-net-device,netdev=net,mac=02:00:00:00:00:02
	END
	chmod +x "$work/bin/qemu-system-x86_64"
}

start_side() { # RUNTIME
	case $1 in
	microvm) PATH=$work/bin:$PATH ip netns exec "$net-c" "$here/microvm" -k "$guest/vmlinux-tuned" -i "$work/init.img" \
		-m $memory -r "$rootfs" ;;
	# the mounts are in a mount namespace of its own
	native) ip netns exec "$net-c" sh -c 'mount -t proc proc "$0/proc" && mount --bind /dev "$0/dev" &&
		exec chroot "$0" sh /bench.sh' "$rootfs" ;;
	*) in_runtime "$1" net ;;
	esac >"$work/net.log" 2>&1 </dev/null
}

stop_side() { # RUNTIME
	local pid
	case $1 in
	vrun-*) "$vrun" --root "$work/vrun" delete --force net ;;
	runc | crun) "$1" --root "$work/$1" delete --force net ;;
	*) for pid in $(ip netns pids "$net-c"); do kill "$pid"; done ;;
	esac 2>/dev/null
	wait "$side" 2>/dev/null
}

# All exits of the one VM that runs here; nothing when there is none. The lab has another, which never runs.
vm_exits() { cat /sys/kernel/debug/kvm/*-*/exits 2>/dev/null | awk '{ n += $1 } END { if (n) print n }'; }

frames() { ip -n "$net-h" -j -s link show dev out | jq '.[0].stats64 | .rx.packets + .tx.packets'; }

measure() { # RUNTIME DIRECTION OPTION...
	local runtime=$1 direction=$2 rates=() costs=() i exits packets rate
	shift 2
	for i in 1 2 3; do
		exits=$(vm_exits) packets=$(frames)
		rate=$(host_side timeout 60 iperf3 -c 10.66.0.2 -t "$seconds" -J "$@" | jq -e '.end.sum_received.bits_per_second / 1e6') || {
			no_row "TCP $direction a container" Mbit/s "$runtime" "iperf3: $rate"
			return
		}
		rates+=("$rate")
		[ -z "$exits" ] || costs+=($((($(vm_exits) - exits) * 1000 / ($(frames) - packets))))
	done
	row "TCP $direction a container, more is better" Mbit/s "$runtime" "${rates[@]}"
	[ ${#costs[@]} = 0 ] || row "VM exits per 1,000 frames, TCP $direction a container" '' "$runtime" "${costs[@]}"
}

cp -L "$(command -v iperf3)" "$rootfs/bin/"
for file in $(ldd "$(command -v iperf3)" | grep -o '/[^ ]*'); do
	mkdir -p "$rootfs$(dirname "$file")"
	cp -L "$file" "$rootfs$file"
done
# iperf3 wants /dev/urandom, and a /tmp that can be mapped: the containers have them by their config.json
mkdir -p "$rootfs/tmp" "$rootfs/proc" "$rootfs/dev"
mknod -m 666 "$rootfs/dev/urandom" c 1 9
script <<'END'
grep -q ' /tmp tmpfs' /proc/mounts || mount -t tmpfs none /tmp
ip addr show dev eth0 | grep -q 10.66.0.2 || { ip link set eth0 up; ip addr add 10.66.0.2/24 dev eth0; }
exec iperf3 -s
END
cp "$bundle/config.json" "$work/config.saved"
jq --arg path "/run/netns/$net-c" '(.linux.namespaces[] | select(.type == "network")).path = $path |
	.mounts += [{ "destination": "/tmp", "type": "tmpfs", "source": "tmpfs" }]' "$work/config.saved" >"$bundle/config.json"
modprobe -a vhost_net tun sch_ingress cls_u32 act_mirred 2>/dev/null
for runtime in $(chosen vrun-tuned vrun-stock microvm runc native); do
	why=$(missing $runtime)
	if [ -z "$why" ]; then
		plug
		[ $runtime != microvm ] || plug_microvm || why="tc can't redirect here"
	fi
	if [ -n "$why" ]; then
		no_row "TCP into a container" Mbit/s $runtime "$why"
		unplug
		continue
	fi
	start_side $runtime &
	side=$!
	until=$((SECONDS + 90))
	while [ $SECONDS -lt $until ]; do
		host_side timeout 5 iperf3 -c 10.66.0.2 -n 1M >/dev/null 2>&1 && break
		sleep 0.2
	done
	measure $runtime "into"
	measure $runtime "out of" -R
	stop_side $runtime
	unplug
done
mv "$work/config.saved" "$bundle/config.json"
