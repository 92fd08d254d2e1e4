#!/usr/bin/env bats
# What a container's VM takes of the host's memory.

load common

# The container's VM's resident memory in MiB: vrun-vmm, or the emulator that it started.
vm_rss() { # PID
	local p sum=0 key value rest
	for p in "$1" $(cat "/proc/$1"/task/*/children); do
		while read -r key value rest; do
			[ "$key" != VmRSS: ] || sum=$((sum + value))
		done <"/proc/$p/status"
	done
	echo $((sum / 1024))
}

@test "memory that the container freed goes back to the host within seconds" {
	local i full now pid status=0
	mkbundle -- sh -c 'dd if=/dev/zero of=/dev/shm/x bs=1M count=160 2>&1 && echo full; read -r x; rm /dev/shm/x; echo freed; read -r x; exit 7'
	edit_config 's/"mode=1777", "size=65536k"/"mode=1777", "size=192m"/'
	mkfifo "$work/in"
	timeout -k 5 100 "$VRUN_TEST_BIN/vrun" --root "$state" run --engine "$VRUN_TEST_ENGINE" \
		--pid-file "$work/pid" "$bundle" mem <"$work/in" >"$work/out" 2>&1 &
	exec 9>"$work/in"
	for i in $(seq 300); do ! grep -q full "$work/out" || break; sleep 0.1; done
	cat "$work/out"
	grep -q full "$work/out"
	pid=$(cat "$work/pid")
	full=$(vm_rss "$pid")
	echo "full: $full MiB; processes $pid $(cat "/proc/$pid"/task/*/children)"
	[ "$full" -gt 160 ]
	echo >&9
	# the kernel reports after two seconds; what is left is a slow machine's
	for i in $(seq 300); do
		now=$(vm_rss "$pid")
		[ $now -ge $((full - 140)) ] || break
		sleep 0.1
	done
	echo "full: $full MiB, after: $now MiB, in $i tenths of a second" | tee -a /dev/fd/3 >/dev/null
	[ $now -lt $((full - 140)) ]
	exec 9>&-
	wait %1 || status=$?
	[ "$status" = 7 ]
}
