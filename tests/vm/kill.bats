#!/usr/bin/env bats
# kill -9 of vrun, vrun-vmm or the emulator at moments that nobody chose: the caller sees an exit status,
# and `vrun delete --force` clears what is left.

load common

# Where the processes of a test are: a network namespace with an interface, for the tap and the redirection.
make_network() {
	net=vk$$
	ip netns add "$net"
	ip -n "$net" link add eth0 type veth peer name peer
	ip -n "$net" addr add 10.78.0.2/24 dev eth0
	ip -n "$net" link set eth0 up
	ip -n "$net" link set peer up
	network_before=$(network)
}

# The interfaces with their addresses and queueing disciplines; "foreign" are numbers of our processes.
network() {
	ip -n "$net" -o link show | sed 's/ \(state\|mode\|group\|qlen\) [^ ]*//g'
	ip -n "$net" -o addr show | grep -v 'scope link'
	tc -n "$net" qdisc show
}

child() { # PID NAME
	local pid comm
	for pid in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
		{ read -r comm <"/proc/$pid/comm"; } 2>/dev/null || continue
		case $comm in "$2"*) echo "$pid"; return ;; esac
	done
}

# strike WHO VRUN-PID: SIGKILL to it, or to the nearest to it that is there. Says whom.
strike() {
	local vmm qemu
	vmm=$(child "$2" vrun-vmm)
	qemu=${vmm:+$(child "$vmm" qemu-system)}
	case $1 in
	emulator) target=${qemu:-${vmm:-$2}} ;;
	vrun-vmm) target=${vmm:-$2} ;;
	*) target=$2 ;;
	esac
	kill -KILL "$target" 2>/dev/null || target="$target (gone)"
}

# What is left of container $1, but for its state directory, which delete --force is for.
others_left() {
	local bad=0 f
	for f in $(find /sys/fs/cgroup -type d -name "$1" 2>/dev/null); do echo "left: cgroup $f"; bad=1; done
	if [ "$(network)" != "$network_before" ]; then
		diff <(echo "$network_before") <(network) | sed 's/^/left: /'
		bad=1
	fi
	leftovers || bad=1
	return $bad
}

settle() { # ID: whoever lost its other half ends by itself
	local i
	for i in $(seq 150); do
		others_left "$1" >/dev/null && return 0
		sleep 0.1
	done
	others_left "$1"
}

@test "20 random moments of a run" {
	local seed=${VRUN_TEST_SEED:-$((SRANDOM % 32768))} who victims=(vrun vrun-vmm emulator) i begun whole moment status target bad=0
	echo "VRUN_TEST_SEED=$seed"
	RANDOM=$seed
	make_network
	mkbundle -- sh -c 'echo up; sleep 0.2; echo over'
	jq --arg p "/run/netns/$net" '(.linux.namespaces[] | select(.type == "network")).path = $p
		| .linux.cgroupsPath = "/" + $id | .linux.resources.memory = { limit: 100000000 }' --arg id "k$$" "$bundle/config.json" >"$work/c.json"
	mv "$work/c.json" "$bundle/config.json"
	# how long one takes, to know where the moments are
	begun=${EPOCHREALTIME/./}
	vrun_run >"$work/out"
	whole=$((${EPOCHREALTIME/./} - begun))
	[ "$(cat "$work/out")" = $'up\nover' ]
	for i in $(seq 20); do
		who=${victims[i % 3]}
		moment=$((whole * RANDOM / 32768))
		"$VRUN_TEST_BIN/vrun" --root "$state" run --engine "$VRUN_TEST_ENGINE" "$bundle" "k$$" >"$work/out" 2>"$work/err" </dev/null 3>&- &
		target=
		sleep "$((moment / 1000000)).$(printf %06d $((moment % 1000000)))"
		strike "$who" $!
		wait $! && status=0 || status=$?
		echo "$i: $who (pid $target) after $((moment / 1000)) of $((whole / 1000)) ms: status $status: $(tr '\n' '|' <"$work/out") $(head -c 200 "$work/err" | tr '\n' '|')"
		case $status in
		137) ;;
		1) [ "$target" != $! ] && [ -s "$work/err" ] || bad=1 ;; # the emulator was killed, and vrun says so
		0) grep -q over "$work/out" || bad=1 ;; # it was over first
		*) bad=1 ;;
		esac
		timeout 60 "$VRUN_TEST_BIN/vrun" --root "$state" delete --force "k$$" || bad=1
		settle "k$$" || bad=1
		[ $bad = 0 ] || break
	done
	ip netns del "$net"
	[ $bad = 0 ]
}

@test "a vrun-vmm that ends before it can say anything" {
	local end
	mkbundle -- true
	mkdir "$work/bin"
	cp "$VRUN_TEST_BIN/vrun" "$work/bin/"
	for end in "exit 3" 'kill -KILL $$'; do
		printf '#!/bin/sh\n%s\n' "$end" >"$work/bin/vrun-vmm"
		chmod 755 "$work/bin/vrun-vmm"
		for verb in run create; do
			run timeout -k 2 60 "$work/bin/vrun" --root "$state" $verb --engine "$VRUN_TEST_ENGINE" \
				--kernel "$repo/build/guest/vmlinux" --initrd "$repo/build/guest/initrd.img" -b "$bundle" "e$$"
			echo "$verb: $end: status $status: $output"
			[[ "$output" == *"vrun: "*"vrun-vmm ended before the container was there"* ]] || [[ "$output" == *"vrun: launch parameters"* ]]
			[ "$status" != 0 ]
			leftovers
		done
	done
}
