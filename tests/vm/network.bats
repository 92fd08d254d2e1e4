#!/usr/bin/env bats
# the container's network namespace reaches into its VM: on a bridge of the test's own, with containers and
# the host's side on it.
#
# VRUN_TEST_BULK is how many bytes each TCP stream carries (16 MiB; `make network-soak`: 4 GiB), VRUN_TEST_MTUS over
# which interfaces, VRUN_TEST_WAYS which way: out of a container, into it, between two.

load common

: "${VRUN_TEST_BULK:=16777216}" "${VRUN_TEST_MTUS:=1500 9000}" "${VRUN_TEST_WAYS:=out in between}"
# seconds that one container, or one wait, may take: 2 MB/s is not too much to ask for
limit=$((170 + VRUN_TEST_BULK / 2000000))

# common's own, and before and after it the network.
eval "$(declare -f setup | sed '1s/setup/setup_common/')"
eval "$(declare -f teardown | sed '1s/teardown/teardown_common/')"

nobody_in() { # NAMESPACE
	[ -z "$(ip netns pids "$1")" ]
}

no_passt() {
	[ -z "$(passt_pids)" ]
}

setup() {
	setup_common
	net=vt$$-$BATS_TEST_NUMBER
	peer=$VRUN_TEST_BIN/tests/net-peer
	jobs_started=()
	[ -x "$peer" ]
	# The host's side: a bridge in a namespace of its own, so that the machine's own network stays out of it.
	ip netns add "$net-host"
	ip -n "$net-host" link set lo up
	ip -n "$net-host" link add br0 type bridge
	ip -n "$net-host" link set br0 up
	ip -n "$net-host" addr add 10.77.0.1/24 dev br0
	ip -n "$net-host" addr add fd77::1/64 dev br0 nodad
}

teardown() {
	local bad=0 ns pid
	for pid in ${jobs_started[@]+"${jobs_started[@]}"}; do kill "$pid" 2>/dev/null || true; done
	teardown_common || bad=1
	wait_for no_passt || { echo "left: passt $(passt_pids)"; bad=1; }
	for ns in $(ip netns list | awk '{ print $1 }' | grep "^$net-"); do
		if tc -n "$ns" qdisc show | grep -E 'ingress|clsact' | grep -v foreign; then
			echo "left: the above in network namespace $ns"
			bad=1
		fi
		if ip -n "$ns" -o link show | grep ' vrun[0-9]'; then
			echo "left: the above in network namespace $ns"
			bad=1
		fi
		wait_for nobody_in "$ns" || { echo "left: processes $(ip netns pids "$ns" | tr '\n' ' ')in $ns"; bad=1; }
		ip netns del "$ns"
	done
	return $bad
}

# plug NS N [MTU]: a namespace with eth0, 10.77.0.N and fd77::N, on the bridge.
plug() {
	local ns=$net-$1 n=$2 mtu=${3:-1500}
	ip netns add "$ns"
	ip -n "$ns" link set lo up
	plug_interface "$1" eth0 "$n" "$mtu"
	ip -n "$ns" route add default via 10.77.0.1
	ip -n "$ns" route add default via fd77::1
}

# plug_interface NS NAME N [MTU]
plug_interface() {
	local ns=$net-$1 name=$2 n=$3 mtu=${4:-1500}
	ip -n "$net-host" link add "p$n" mtu "$mtu" type veth peer name "$name" mtu "$mtu" netns "$ns" address "02:00:00:00:00:$(printf %02x "$n")"
	ip -n "$net-host" link set "p$n" master br0 up
	ip -n "$ns" addr add "10.77.0.$n/24" dev "$name"
	ip -n "$ns" link set "$name" up
	ip -n "$ns" addr add "fd77::$n/64" dev "$name" nodad
}

# bundle ID NS COMMAND-LINE: a bundle of that name in that network namespace; "new": one of its own.
bundle() {
	"$repo/hack/mkbundle" "$work/$1" -- sh -c "$3"
	cp "$peer" "$work/$1/rootfs/bin/"
	[ "$2" = new ] || config "$1" --arg path "/run/netns/$net-$2" '(.linux.namespaces[] | select(.type == "network")).path = $path'
	config "$1" --arg engine "$VRUN_TEST_ENGINE" '.annotations["org.vrun.engine"] = $engine'
}

# config ID JQ...: change a bundle's config.json.
config() {
	local file=$work/$1/config.json
	shift
	jq "$@" "$file" >"$file.new"
	mv "$file.new" "$file"
}

# go ID [OPTIONS]: run it in the foreground.
go() {
	local id=$1
	shift
	timeout -k 10 $limit "$VRUN_TEST_BIN/vrun" --root "$state" run --engine "$VRUN_TEST_ENGINE" \
		${guest_options[@]+"${guest_options[@]}"} "$@" "$work/$id" "$id" 3>&-
}

# go_on_host ID [OPTIONS]: the same by a vrun whose own network is the host's side, with $work/resolv.conf. Not by
# `ip netns exec`, which hides the cgroups.
go_on_host() {
	local id=$1
	shift
	unshare --mount sh -c 'mount --bind "$1" /etc/resolv.conf; shift; exec "$@"' sh "$work/resolv.conf" \
		nsenter --net="/run/netns/$net-host" timeout -k 10 $limit "$VRUN_TEST_BIN/vrun" --root "$state" run \
		--engine "$VRUN_TEST_ENGINE" ${guest_options[@]+"${guest_options[@]}"} "$@" "$work/$id" "$id" 3>&-
}

# passt_pids: those in the host's side.
passt_pids() {
	local p ns comm
	ns=$(stat -L -c %i "/run/netns/$net-host")
	for p in /proc/[0-9]*; do
		{ read -r comm <"$p/comm"; } 2>/dev/null || continue
		case $comm in passt*) ;; *) continue ;; esac
		# one that has ended may not have been reaped yet: it has no namespaces any more
		[ "$(readlink "$p/ns/net" 2>/dev/null)" = "net:[$ns]" ] && echo "${p#/proc/}"
	done
	true
}

# wait_for COMMAND...: until it succeeds.
wait_for() {
	local i
	for i in $(seq 600); do
		"$@" && return 0
		sleep 0.1
	done
	return 1
}

# background COMMAND...: goes on beside the test, and ends with it. A program, or a function whose own programs end
# with the container: of a function only the shell around it is known.
background() {
	"$@" 3>&- &
	jobs_started+=($!)
}

on_host() {
	ip netns exec "$net-host" "$@"
}

# wait_output FILE TEXT
wait_output() {
	local until=$((SECONDS + limit))
	while [ $SECONDS -lt $until ]; do
		grep -q "$2" "$1" 2>/dev/null && return 0
		sleep 0.1
	done
	cat "$1"
	return 1
}

untouched() { # NS
	! tc -n "$net-$1" qdisc show | grep -E 'ingress|clsact' && [ -z "$(ip -n "$net-$1" -o link show type tun)" ]
}

@test "the guest has the namespace's interface: name, addresses, MTU, routes, neighbours, rules" {
	plug a 2 1400
	ip -n "$net-a" route add 192.0.2.0/24 via 10.77.0.9 metric 7
	ip -n "$net-a" route add blackhole 203.0.113.0/24
	ip -n "$net-a" route add 198.51.100.0/24 dev eth0 table 1000
	ip -n "$net-a" rule add from 10.77.0.2 lookup 1000 priority 50
	ip -n "$net-a" neigh add 10.77.0.9 lladdr 02:00:00:00:00:99 dev eth0 nud permanent
	# A kernel before 6.8 takes up to a second to say that there is a carrier, though there is one.
	bundle a a 'until grep -q up /sys/class/net/eth0/operstate; do sleep 0.1; done; ip addr; ip route; ip -6 route; ip route show table 1000; ip rule; ip neigh
		cat /etc/resolv.conf /etc/hosts; hostname; grep virtio /proc/interrupts'
	echo "nameserver 10.77.0.53" >"$work/resolv"
	echo "10.77.0.2 a.example" >"$work/hosts"
	config a --arg work "$work" '.hostname = "host-a" | .mounts += [
		{ "destination": "/etc/resolv.conf", "type": "bind", "source": ($work + "/resolv"), "options": ["bind", "ro"] },
		{ "destination": "/etc/hosts", "type": "bind", "source": ($work + "/hosts"), "options": ["bind", "ro"] }]'
	run go a
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" == *"eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400 "* ]]
	[[ "$output" == *"link/ether 02:00:00:00:00:02 "* ]]
	[[ "$output" == *"inet 10.77.0.2/24 scope global eth0"* ]]
	[[ "$output" == *"inet6 fd77::2/64 scope global"* ]]
	[[ "$output" == *"inet6 fe80::ff:fe00:2/64 scope link"* ]]
	[[ "$output" == *"inet 127.0.0.1/8 scope host lo"* ]]
	[[ "$output" == *"default via 10.77.0.1 dev eth0"* ]]
	[[ "$output" == *"default via fd77::1 dev eth0"* ]]
	[[ "$output" == *"192.0.2.0/24 via 10.77.0.9 dev eth0  metric 7"* ]]
	[[ "$output" == *"blackhole 203.0.113.0/24"* ]]
	[[ "$output" == *"198.51.100.0/24 dev eth0 scope link"* ]]
	[[ "$output" == *"50:	from 10.77.0.2 lookup 1000"* ]]
	[[ "$output" == *"10.77.0.9 dev eth0 lladdr 02:00:00:00:00:99"*"PERMANENT"* ]]
	[ "$(grep -c 'scope link tentative\|flags 40' <<<"$output")" = 0 ]
	[[ "$output" == *"nameserver 10.77.0.53"*"10.77.0.2 a.example"*"host-a"* ]]
	# no interrupt line is shared on our own engine; without KVM, QEMU's network devices have nothing else
	[ "$(grep -c '[0-9]:.*virtio' <<<"$output")" -gt 4 ]
	[ "$VRUN_TEST_ENGINE" != kvm ] || [ "$(grep '[0-9]:.*virtio' <<<"$output" | grep -vc 'PCI-MSI')" = 0 ]
	untouched a
	# and the namespace's own configuration is as it was
	ip -n "$net-a" addr show eth0 | grep -q "10.77.0.2/24"
	ip netns exec "$net-a" busybox ping -c 1 -W 5 10.77.0.1
}

@test "two containers and the host's side reach each other by IPv4 and IPv6" {
	local i
	plug a 2
	plug b 3
	bundle a a 'echo up; sleep 1000'
	bundle b b 'for to in 10.77.0.1 10.77.0.2 fd77::1 fd77::2; do ping -c 2 -W 10 $to || exit 1; done'
	background go a >"$work/a.out" 2>&1
	wait_output "$work/a.out" up
	run go b
	echo "$output"
	[ "$status" = 0 ]
	on_host busybox ping -c 2 -W 10 10.77.0.2
	on_host busybox ping -c 2 -W 10 fd77::2
	vrun events --stats a | jq -c .data.network_interfaces >"$work/counters"
	cat "$work/counters"
	jq -e 'map(select(.Name == "eth0" and .RxPackets >= 8 and .TxPackets >= 8 and .RxBytes > 500)) | length == 1' "$work/counters"
	# state has the device's own, of a paused VM too; a vrun-vmm that does not answer holds nobody up
	vrun pause a
	vrun state a >"$work/state.paused"
	kill -STOP "$(jq .pid "$work/state.paused")"
	vrun state a >"$work/state.mute"
	kill -CONT "$(jq .pid "$work/state.paused")"
	vrun resume a
	vrun exec a ping -c 2 -W 10 10.77.0.1
	vrun state a | tee "$work/state.running"
	for i in paused running; do
		jq -e --arg s $i '.status == $s and .id == "a" and .owner != null and (.network_interfaces
			| length == 1 and (.[0] | .Name == "eth0" and .RxPackets >= 8 and .TxPackets >= 8 and .RxBytes > 500))' "$work/state.$i"
	done
	jq -e '.status == "paused" and (has("network_interfaces") | not)' "$work/state.mute"
	vrun kill a KILL || kill "${jobs_started[0]}"
	wait "${jobs_started[0]}" || true
}

@test "datagrams of 64 KiB, MTU 1500 and 9000" {
	local mtu n=2
	for mtu in 1500 9000; do
		plug "m$mtu" $n "$mtu"
		background ip netns exec "$net-host" "$peer" echo 5000
		bundle "m$mtu" "m$mtu" "cat /sys/class/net/eth0/mtu
			for to in 10.77.0.1 fd77::1; do
				for size in 1 1472 1473 $((mtu - 28)) 65507; do
					[ \$to:\$size != fd77::1:65507 ] || size=65487
					net-peer datagrams \$to 5000 \$size 5 || exit 1
				done
			done"
		run go "m$mtu"
		echo "$output"
		[ "$status" = 0 ]
		[ "${lines[0]}" = "$mtu" ]
		kill "${jobs_started[-1]}"
		n=$((n + 1))
	done
}

@test "TCP streams arrive whole, both ways, between containers too, MTU 1500 and 9000" {
	local bytes=$VRUN_TEST_BULK mtu n=2 way script begun
	for mtu in $VRUN_TEST_MTUS; do
		plug "a$mtu" $n "$mtu"
		plug "b$mtu" $((n + 1)) "$mtu"
		script=
		for way in $VRUN_TEST_WAYS; do
			case $way in
			out) script+="net-peer source 10.77.0.1 5001 $bytes && echo sent || exit 1;" ;;
			in) script+="net-peer sink 5002 || exit 1;" ;;
			between) script+="net-peer sink 5003 || exit 1;" ;;
			*) false ;;
			esac
		done
		bundle "a$mtu" "a$mtu" "$script echo all"
		background ip netns exec "$net-host" "$peer" sink 5001 >"$work/host.out"
		background go "a$mtu" >"$work/a.out" 2>&1
		for way in $VRUN_TEST_WAYS; do
			begun=$SECONDS
			case $way in
			out)
				wait_output "$work/a.out" sent
				[ "$(cat "$work/host.out")" = "$bytes bytes" ]
				;;
			in) on_host "$peer" source 10.77.0.$n 5002 "$bytes" ;;
			between)
				bundle "b$mtu" "b$mtu" "net-peer source fd77::$n 5003 $bytes"
				go "b$mtu"
				;;
			esac
			echo "# MTU $mtu, $way: $bytes bytes in $((SECONDS - begun)) s" >&3
		done
		wait "${jobs_started[-1]}"
		grep -q all "$work/a.out"
		[ "$(grep -c "^$bytes bytes" "$work/a.out")" = "$(grep -ow 'in\|between' <<<"$VRUN_TEST_WAYS" | wc -l)" ]
		n=$((n + 2))
	done
}

@test "several queues carry a stream, too" {
	plug a 2
	background ip netns exec "$net-host" "$peer" sink 5001 >"$work/host.out"
	bundle a a 'ls -d /sys/class/net/eth0/queues/tx-* | wc -l; net-peer source 10.77.0.1 5001 16777216'
	run go a --cpus 2
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[0]}" = 2 ]
	wait "${jobs_started[0]}"
	[ "$(cat "$work/host.out")" = "16777216 bytes" ]
}

@test "the host's kernel moves the frames on the KVM engine" {
	plug a 2
	bundle a a 'ping -c 3 -W 10 10.77.0.1 && sleep 1000'
	created a
	vrun start a
	wait_output "$work/a.out" "3 packets received"
	local pid queues=0
	pid=$(cat "$work/a.pid")
	ls -l "/proc/$pid/fd" | grep -v eventfd
	[ "$VRUN_TEST_ENGINE" != kvm ] || queues=1
	[ "$(ls -l "/proc/$pid/fd" | grep -c '/vhost-net$')" = $queues ]
	# before Linux 6.4 its worker is a thread of the kernel's own
	[ "$({ pgrep -x "vhost-$pid"; grep -lx "vhost-$pid" "/proc/$pid"/task/*/comm; } | sort -u | wc -l)" = $queues ]
}

@test "a namespace with only loopback, and one of its own, need no device" {
	ip netns add "$net-empty"
	bundle a empty 'ls /sys/class/net; ping -c 1 127.0.0.1 && ping -c 1 ::1'
	run go a
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[0]}" = lo ]
	[[ "$output" != *eth* ]]
	# --net none: whatever else there is
	plug c 2
	bundle c c 'ls /sys/class/net; ping -c 1 127.0.0.1'
	run go c --net none
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[0]}" = lo ]
	[[ "$output" != *eth* ]]
	bundle b new 'ls /sys/class/net; ping -c 1 127.0.0.1'
	no_namespace b
	run go b --net none
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[0]}" = lo ]
}

@test "a hook of create brings the network, by the container's pid" {
	cat >"$work/hook" <<-END
		#!/bin/bash
		set -e
		pid=\$(jq .pid)
		ip -n $net-host link add p9 type veth peer name eth0 netns \$pid address 02:00:00:00:00:09
		ip -n $net-host link set p9 master br0 up
		nsenter -t \$pid -n ip addr add 10.77.0.9/24 dev eth0
		nsenter -t \$pid -n ip link set eth0 up
	END
	chmod +x "$work/hook"
	bundle a new 'ping -c 2 -W 10 10.77.0.1'
	config a --arg hook "$work/hook" '.hooks.createRuntime = [{ "path": $hook }]'
	run go a
	echo "$output"
	[ "$status" = 0 ]
}

# no_namespace ID: the bundle asks for the host's network.
no_namespace() {
	config "$1" '.linux.namespaces |= map(select(.type != "network"))'
}

# created ID: create, as a caller without a terminal does; prints the pid.
created() {
	"$VRUN_TEST_BIN/vrun" --root "$state" create --bundle "$work/$1" --pid-file "$work/$1.pid" "$1" \
		</dev/null >"$work/$1.out" 2>"$work/$1.err" 3>&- || { cat "$work/$1.err"; return 1; }
}

wait_stopped() { # ID
	local i
	for i in $(seq 600); do
		[ "$(vrun state "$1" | jq -r .status)" = stopped ] && return 0
		sleep 0.1
	done
	return 1
}

@test "an interface that comes between create and start is there at start" {
	bundle a new 'ip addr show dev eth0; ping -c 2 -W 10 10.77.0.1'
	created a
	[ "$(vrun state a | jq -r .status)" = created ]
	ip netns attach "$net-late" "$(cat "$work/a.pid")"
	plug_interface late eth0 4
	timeout 170 "$VRUN_TEST_BIN/vrun" --root "$state" start a
	wait_stopped a
	cat "$work/a.out"
	grep -q "10.77.0.4/24" "$work/a.out"
	grep -q "2 packets received" "$work/a.out"
	vrun delete a
	untouched late
}

@test "a created container whose network never comes runs without, and ends as it should" {
	bundle a new 'ls /sys/class/net; exit 7'
	created a
	vrun start a
	wait_stopped a
	[ "$(cat "$work/a.out")" = lo ]
	vrun delete a
	bundle b new 'true'
	created b
	run vrun exec b true
	[ "$status" != 0 ]
	vrun delete --force b
}

@test "an interface that comes too late is refused at start" {
	plug a 2
	bundle a a 'true'
	created a
	plug_interface a eth1 5
	run vrun start a
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *"network interface eth1 came after the container was created; its VM can't be given one any more"* ]]
	vrun delete --force a
	untouched a
}

@test "delete puts back what a killed VM left" {
	plug a 2
	bundle a a 'sleep 1000'
	created a
	vrun start a
	tc -n "$net-a" qdisc show dev eth0 | grep -q ingress
	kill -KILL "$(cat "$work/a.pid")"
	wait_stopped a
	vrun delete a
	untouched a
	# and one that nobody deleted is taken over
	bundle b a 'ping -c 2 -W 10 10.77.0.1'
	run go b
	echo "$output"
	[ "$status" = 0 ]
}

@test "one namespace can't belong to two VMs" {
	plug a 2
	bundle a a 'echo up; sleep 1000'
	bundle b a 'true'
	background go a >"$work/a.out" 2>&1
	wait_output "$work/a.out" up
	run go b
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *"network interface eth0 belongs to another container's VM"* ]]
	on_host busybox ping -c 1 -W 10 10.77.0.2
	vrun kill a KILL || kill "${jobs_started[0]}"
	wait "${jobs_started[0]}" || true
}

# refused ID NS TEXT
refused() {
	bundle "$1" "$2" 'true'
	run go "$1"
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *"$3"* ]]
}

@test "what can't be carried over is refused, and the namespace left as it was" {
	local i
	refused gone nothing "linux.namespaces[network].path: network namespace /run/netns/$net-nothing: "

	plug tc 2
	tc -n "$net-tc" qdisc add dev eth0 clsact
	refused tc tc "network interface eth0: tc is in use on it (a clsact qdisc)"
	tc -n "$net-tc" qdisc show dev eth0 | grep -q clsact
	tc -n "$net-tc" qdisc del dev eth0 clsact

	ip netns add "$net-tun"
	ip -n "$net-tun" tuntap add tun7 mode tun
	ip -n "$net-tun" link set tun7 up
	refused tun tun "network interface tun7: its type, tun, can't be carried over into a VM"
	[ "$(ip -n "$net-tun" -o link show type tun | wc -l)" = 1 ]

	plug mtu 3 65535
	refused mtu mtu "network interface eth0: its MTU is 65535; a VM's can be from 68 to 65521"
	untouched mtu

	ip netns add "$net-many"
	for i in $(seq 20); do ip -n "$net-many" link add "v$i" type veth peer name "w$i" netns "$net-host"; done
	refused many many "the network namespace has 20 interfaces; a VM can have at most 16"
	untouched many

	bundle host new 'true'
	no_namespace host
	run go host
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *"linux.namespaces: there is no network namespace, which means the host's network"* ]]
	[[ "$output" == *"--net passt"* ]]

	plug notun 4
	bundle notun notun true
	run unshare --mount sh -c 'mount -t tmpfs none /dev/net; exec "$@"' sh \
		"$VRUN_TEST_BIN/vrun" --root "$state" run "$work/notun" notun
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *"the host has no /dev/net/tun, which a VM's network needs"* ]]
	untouched notun

	: >"$work/file"
	bundle nofile new true
	config nofile --arg path "$work/file" '(.linux.namespaces[] | select(.type == "network")).path = $path'
	run go nofile
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *"linux.namespaces[network].path: $work/file: not a network namespace"* ]]
}

@test "a CNI plugin set gives the container its address" {
	local conf
	conf=$(jq -n --arg dir "$work/ipam" '{ "cniVersion": "1.0.0", "name": "test", "type": "bridge", "bridge": "cni0",
		"isGateway": true, "hairpinMode": true, "mtu": 1450, "ipam": { "type": "host-local", "dataDir": $dir,
		"routes": [{ "dst": "0.0.0.0/0" }], "ranges": [[{ "subnet": "10.88.0.0/24" }], [{ "subnet": "fd88::/64" }]] } }')
	ip netns add "$net-c"
	ip -n "$net-c" link set lo up
	CNI_COMMAND=ADD CNI_CONTAINERID=c CNI_NETNS=/run/netns/$net-c CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni \
		on_host /usr/lib/cni/bridge <<<"$conf" >"$work/result"
	cat "$work/result"
	bundle c c 'ip addr show dev eth0; ip route; ping -c 2 -W 10 10.88.0.1 && ping -c 2 -W 10 fd88::1'
	run go c
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" == *"mtu 1450"* ]]
	[[ "$output" == *"$(jq -r '.interfaces[] | select(.sandbox != null and .sandbox != "") | .mac' "$work/result")"* ]]
	for address in $(jq -r '.ips[].address' "$work/result"); do [[ "$output" == *" $address "* ]]; done
	[[ "$output" == *"default via 10.88.0.1 dev eth0"* ]]
	untouched c
	CNI_COMMAND=DEL CNI_CONTAINERID=c CNI_NETNS=/run/netns/$net-c CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni \
		on_host /usr/lib/cni/bridge <<<"$conf"
	[ -z "$(ip -n "$net-c" -o link show dev eth0 2>/dev/null)" ]
}

# host_with_way_out: what passt wants to find.
host_with_way_out() {
	ip -n "$net-host" route add default via 10.77.0.254
	ip -n "$net-host" route add default via fd77::fe dev br0
	ip -n "$net-host" link add out type veth peer name far
	ip -n "$net-host" link set far up
	ip -n "$net-host" link set out master br0 up
	on_host sysctl -qw net.ipv4.ping_group_range="0 2147483647"
	printf 'search test.example\nnameserver 127.0.0.1\n' >"$work/resolv.conf"
}

@test "user-mode networking by passt: TCP, UDP and ping go out, DNS to the host's, published ports come in" {
	local bytes=$VRUN_TEST_BULK pid passt
	host_with_way_out
	background ip netns exec "$net-host" "$peer" echo 5000
	background ip netns exec "$net-host" "$peer" echo 53
	background ip netns exec "$net-host" "$peer" sink 5001 >"$work/host.out"
	bundle a new "cat /etc/resolv.conf
		net-peer echo 53 &
		for to in 10.77.0.1 fd77::1; do
			ping -c 1 -W 10 \$to && net-peer datagrams \$to 5000 1400 5 && net-peer datagrams \$to 5000 30000 5 || exit 1
		done
		net-peer datagrams 10.0.2.3 53 100 5 && echo asked
		net-peer source 10.77.0.1 5001 $bytes && echo sent
		net-peer sink 80; sleep 1000"
	no_namespace a
	config a '.annotations["org.vrun.net"] = "passt"'
	background go_on_host a --publish 8080:80 --publish 10.77.0.1:5353:53/udp >"$work/a.out" 2>&1
	wait_output "$work/a.out" sent
	cat "$work/a.out"
	grep -q "search test.example" "$work/a.out"
	grep -q "nameserver 10.0.2.3" "$work/a.out"
	grep -q asked "$work/a.out"
	[ "$(cat "$work/host.out")" = "$bytes bytes" ]
	on_host "$peer" datagrams 10.77.0.1 5353 1000 5
	on_host "$peer" source 10.77.0.1 8080 "$bytes"
	wait_output "$work/a.out" "^$bytes bytes"
	# passt is confined, in the container's cgroup, and ends with the VM however that ends
	passt=$(passt_pids)
	vrun state a >"$work/a.state"
	jq -e --argjson bytes "$bytes" '.network_interfaces[0] | .RxBytes > $bytes and .TxBytes > $bytes' "$work/a.state"
	pid=$(jq .pid "$work/a.state")
	grep -q '^Uid:.65534' "/proc/$passt/status"
	grep -q '^CapEff:.0000000000000000' "/proc/$passt/status"
	grep -q '^Seccomp:.2' "/proc/$passt/status"
	cmp "/proc/$passt/cgroup" "/proc/$pid/cgroup"
	kill -KILL "$pid"
	wait_for no_passt
	wait "${jobs_started[-1]}" || true
	vrun delete --force a || true
}

@test "user-mode networking that can't be had is refused" {
	local bad
	host_with_way_out
	bundle a new true
	refuse_passt() { # TEXT OPTION...
		local text=$1
		shift
		run go_on_host a "$@"
		echo "$output"
		[ "$status" = 1 ]
		[[ "$output" == *"$text"* ]]
	}
	for bad in 80 x:80 80:x 0:80 65536:80 80: :80 1-3:1-2 80:80/sctp 1.2.3:80:80 ::1:80:80 "8080:80,"; do
		refuse_passt "publish: \"" --net passt --publish "$bad"
	done
	refuse_passt "only net = passt has ports to publish" --publish 8080:80
	background ip netns exec "$net-host" "$peer" sink 8080
	wait_for on_host sh -c 'ss -lnt | grep -q :8080'
	refuse_passt "network by passt: publishing TCP port 8080: " --net passt --publish 8080:80
	config a '.annotations["org.vrun.net"] = "passt"'
	refuse_passt 'this one was given a network namespace of its own'
	config a 'del(.annotations["org.vrun.net"])'
	(
		mkdir "$work/bin"
		for program in unshare sh mount nsenter timeout; do ln -s "$(command -v "$program")" "$work/bin/"; done
		PATH=$work/bin refuse_passt "passt is not installed (Debian's package passt)" --net passt
	)
	ip -n "$net-host" route del default
	ip -n "$net-host" -6 route del default
	refuse_passt "the host has no default route" --net passt
	plug b 2
	bundle b b true
	run go_on_host b --net passt
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *"linux.namespaces[network].path: the container has a network already"* ]]
	untouched b
	no_passt
}
