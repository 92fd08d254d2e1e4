#!/usr/bin/env bats
# exec: more processes in a running container.

load common

setup_container() {
	mkbundle -- sh -c 'echo ready; sleep 1000'
	edit_config 's|^  "hostname"|  "annotations": { "org.vrun.engine": "'"$VRUN_TEST_ENGINE"'" },\n&|'
	timeout 120 "$VRUN_TEST_BIN/vrun" --root "$state" run --detach --pid-file "$work/pid" -b "$bundle" c1 \
		</dev/null >"$work/out" 2>&1
}

@test "exec: output, input, status, environment, user, directory" {
	setup_container
	run vrun exec c1 sh -c 'echo out; exit 5'
	[ "$status" = 5 ]
	[ "$output" = out ]
	[ "$(echo text | vrun exec c1 cat)" = text ]
	[ "$(vrun exec --env A=b --cwd /tmp --user 1000:1001 c1 sh -c 'echo $A $(pwd) $(id -u) $(id -g)')" = "b /tmp 1000 1001" ]
	# the same pid namespace and the same root as process 1
	vrun exec c1 sh -c 'grep -q sleep /proc/1/cmdline'
	run vrun exec c1 no-such-command
	[ "$status" != 0 ]
	[[ "$output" == *"executable file not found in \$PATH"* ]]
	vrun delete --force c1
	run vrun exec c1 true
	[ "$status" != 0 ]
	[[ "$output" == *"container does not exist"* ]]
}

@test "exec --process and --detach --pid-file" {
	setup_container
	cat >"$work/process.json" <<'J'
{ "user": { "uid": 7, "gid": 8 }, "args": ["sh", "-c", "id -u; id -g; pwd; sleep 2; exit 4"], "env": ["PATH=/bin"], "cwd": "/usr" }
J
	run vrun exec --process "$work/process.json" c1
	[ "$status" = 4 ]
	[ "$output" = $'7\n8\n/usr' ]
	vrun exec --detach --pid-file "$work/exec-pid" c1 sleep 500 </dev/null >/dev/null 2>&1
	local pid i
	pid=$(cat "$work/exec-pid")
	[ -d "/proc/$pid" ]
	vrun exec c1 sh -c 'ps | grep -q "[s]leep 500"'
	# ending the host's process ends the guest's
	kill -KILL "$pid"
	for i in $(seq 50); do
		vrun exec c1 sh -c '! ps | grep -q "[s]leep 500"' && break
		sleep 0.2
	done
	vrun exec c1 sh -c '! ps | grep -q "[s]leep 500"'
	vrun delete --force c1
}

@test "signals sent to exec's process reach the guest's" {
	setup_container
	"$VRUN_TEST_BIN/vrun" --root "$state" exec c1 sh -c 'trap "echo got; exit 6" TERM; echo up; while :; do sleep 0.1; done' >"$work/eo" 2>&1 &
	local pid=$! i
	for i in $(seq 200); do grep -q up "$work/eo" && break; sleep 0.1; done
	kill -TERM $pid
	wait $pid && status=0 || status=$?
	[ "$status" = 6 ]
	grep -q got "$work/eo"
	vrun delete --force c1
}

@test "twenty at once" {
	setup_container
	local i pids=()
	for i in $(seq 20); do
		vrun exec c1 sh -c "echo number $i; exit $i" >"$work/e$i" 2>&1 &
		pids+=($!)
	done
	for i in $(seq 20); do
		wait "${pids[$((i - 1))]}" && status=0 || status=$?
		[ "$status" = "$i" ]
		[ "$(cat "$work/e$i")" = "number $i" ]
	done
	vrun delete --force c1
}

@test "ps lists the container's processes" {
	setup_container
	vrun ps c1 | grep -q 'sleep 1000'
	vrun ps --format json c1 | grep -qE '^\[[0-9]+(,[0-9]+)*\]$'
	vrun delete --force c1
}
