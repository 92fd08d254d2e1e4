#!/usr/bin/env bats
# vrun run: output, exit status, input, signals, size of the VM.

bats_require_minimum_version 1.5.0
load common

@test "the container's output is vrun's output, standard error apart" {
	mkbundle -- sh -c 'echo out; echo err >&2'
	vrun_run >"$work/out" 2>"$work/err"
	[ "$(cat "$work/out")" = out ]
	[ "$(cat "$work/err")" = err ]
}

@test "exit status 0 and 7" {
	run in_vm true
	[ "$status" = 0 ]
	run in_vm 'exit 7'
	[ "$status" = 7 ]
}

@test "a process ended by a signal gives 128 + the signal" {
	# process 1 of a pid namespace can't kill itself: a child is killed and its status passed on
	mkbundle -- sh -c 'sh -c "kill -KILL \$\$"; exit $?'
	run vrun_run
	[ "$status" = 137 ]
}

@test "a command that is not there gives 127 and runc's text" {
	mkbundle -- no-such-command
	run -127 vrun_run
	[ "$status" = 127 ]
	[[ "$output" == *'exec: "no-such-command": executable file not found in $PATH'* ]]
	mkbundle -- /no/such/file
	run -127 vrun_run
	[ "$status" = 127 ]
	[[ "$output" == *"no such file or directory"* ]]
}

@test "a file that is not executable gives 126" {
	mkbundle -- /etc/passwd
	run vrun_run
	[ "$status" = 126 ]
	[[ "$output" == *"permission denied"* ]]
}

@test "the guest has a kernel, boot id and uptime of its own" {
	run in_vm 'cat /proc/sys/kernel/random/boot_id; cut -d. -f1 /proc/uptime; uname -r'
	[ "$status" = 0 ]
	[ "${lines[0]}" != "$(cat /proc/sys/kernel/random/boot_id)" ]
	[ "${lines[1]}" -lt 120 ]
	[ "${lines[2]}" = "$(guest_release)" ]
}

@test "one processor by default, four when asked" {
	run in_vm nproc
	[ "$output" = 1 ]
	run vrun_run --cpus 4
	[ "$output" = 4 ]
}

@test "the guest has the memory that was asked for" {
	mkbundle -- awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo
	run vrun_run --memory 256M
	[ "$status" = 0 ]
	[ "$output" -gt 180 ]
	[ "$output" -le 256 ]
	run vrun_run --memory 1G
	[ "$output" -gt 900 ]
	[ "$output" -le 1024 ]
}

@test "memory on both sides of the 32-bit hole" {
	# the guest writes a pattern over more than what lies below the hole
	mkbundle -- sh -c 'mount -t tmpfs -o size=4g t /tmp 2>/dev/null; awk "/MemTotal/ { print int(\$2 / 1048576) }" /proc/meminfo'
	run vrun_run --memory 5G
	[ "$status" = 0 ]
	[ "$output" = 4 ]
}

@test "standard input reaches the container to its end" {
	mkbundle -- sha256sum
	head -c 3000001 /dev/urandom >"$work/in"
	vrun_run <"$work/in" >"$work/out"
	[ "$(cut -d' ' -f1 "$work/out")" = "$(sha256sum <"$work/in" | cut -d' ' -f1)" ]
}

@test "standard input from a pipe that stays open does not hold the container" {
	mkbundle -- true
	sleep 300 | (
		vrun_run
		echo $? >"$work/status"
	) &
	local i
	for i in $(seq 600); do
		[ -s "$work/status" ] && break
		sleep 0.2
	done
	pkill -P $$ -x sleep || true
	[ "$(cat "$work/status")" = 0 ]
}

@test "32 MiB come out whole, through a slow reader too" {
	mkbundle -- cat /data
	head -c 33554432 /dev/urandom >"$bundle/rootfs/data"
	vrun_run | (
		head -c 1000000
		sleep 1
		cat
	) | cmp - "$bundle/rootfs/data"
}

@test "a reader that goes away does not hang the container" {
	mkbundle -- sh -c 'trap "" PIPE; yes; echo $? >/yes-ended'
	vrun_run | head -n 3
	[ -s "$bundle/rootfs/yes-ended" ]
}

@test "SIGTERM reaches the container, whose exit status comes back" {
	mkbundle -- sh -c 'trap "echo got TERM; exit 42" TERM; echo ready; while :; do sleep 0.1; done'
	"$VRUN_TEST_BIN/vrun" --root "$state" run --engine "$VRUN_TEST_ENGINE" ${guest_options[@]+"${guest_options[@]}"} "$bundle" t14 >"$work/out" 2>"$work/err" &
	local pid=$! i
	for i in $(seq 300); do
		grep -q ready "$work/out" && break
		sleep 0.2
	done
	kill -TERM $pid
	wait $pid && status=0 || status=$?
	[ "$status" = 42 ]
	[ "$(cat "$work/out")" = "$(printf 'ready\ngot TERM')" ]
}

@test "environment, working directory, user and host name" {
	mkbundle -- sh -c 'echo "$FOO $(pwd) $(id -u):$(id -g) $(hostname)"'
	edit_config -e 's|"TERM=xterm"|"TERM=xterm", "FOO=bar"|' -e 's|"cwd": "/"|"cwd": "/tmp"|' \
		-e 's|"uid": 0, "gid": 0|"uid": 1000, "gid": 1001|' -e 's|"hostname": "vrun"|"hostname": "box"|'
	run vrun_run
	[ "$output" = "bar /tmp 1000:1001 box" ]
}

@test "the process is number 1 with the capabilities asked for and no new privileges" {
	run in_vm 'echo $$; grep -E "CapEff|NoNewPrivs|Seccomp:" /proc/self/status'
	[ "${lines[0]}" = 1 ]
	[ "${lines[1]}" = $'CapEff:\t00000000a80425fb' ]
	[ "${lines[2]}" = $'NoNewPrivs:\t1' ]
}

@test "a seccomp profile is compiled on the host and holds in the guest" {
	mkbundle -- sh -c 'mkdir /tmp/a; echo $?; ls -d /tmp'
	edit_config 's|^  "linux": {|&\n    "seccomp": { "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95 }] },|'
	run vrun_run
	[ "$status" = 0 ]
	[[ "${lines[0]}" == *"not supported"* ]]
	[ "${lines[1]}" = 1 ]
}
