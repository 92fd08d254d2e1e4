#!/usr/bin/env bats
# exec: more processes in a running container.

load common

setup_container() {
	mkbundle -- sh -c 'echo ready; sleep 1000'
	edit_config 's|^  "hostname"|  "annotations": { "org.vrun.engine": "'"$VRUN_TEST_ENGINE"'" },\n&|'
	edit_config '/"type": "cgroup"/s|, "ro"||'
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

# refused WORDS COMMAND...: status 1, one line with these words.
refused() {
	local words=$1
	shift
	run "$@"
	echo "$*: status $status: $output"
	[ "$status" = 1 ]
	[ "${#lines[@]}" = 1 ]
	[[ "$output" == *"$words"* ]]
}

says() { # TEXT COMMAND...
	local text=$1
	shift
	run "$@"
	[ "$status" = 0 ] && [ "$output" = "$text" ] || { echo "$*: status $status: $output"; return 1; }
}

@test "exec: every option, and what is wrong with each" {
	setup_container
	says $'5\n0' vrun exec --user 5 c1 sh -c 'id -u; id -g'
	says "uid=5 gid=6 groups=7,8" vrun exec -u 5:6 -g 7 --additional-gids=8 c1 id
	says "c d" vrun exec -e A=b -e A=c --env B=d c1 sh -c 'echo $A $B'
	says "NoNewPrivs: 1" vrun exec --no-new-privs c1 sh -c 'grep NoNew /proc/self/status | tr "\t" " "'
	# as runc: root has it, and it is inherited by nobody
	run vrun exec --cap CAP_SYS_ADMIN -c CAP_NOT_THERE c1 grep Cap /proc/self/status
	[ "$status" = 0 ]
	[[ "$output" == *"ignoring unknown or unavailable capability CAP_NOT_THERE"* ]]
	local set
	for set in Prm Eff Bnd; do grep -qE "Cap$set:.000000..[2-9a-f]......" <<<"$output"; done
	grep -q 'CapInh:.0000000000000000' <<<"$output" && grep -q 'CapAmb:.0000000000000000' <<<"$output"
	# the terminal's other end comes by the socket; nobody listens on this one
	refused "cannot use console socket if vrun will not detach or allocate tty" vrun exec --console-socket /no/socket c1 true
	refused "cannot allocate tty if vrun will detach without setting console socket" vrun exec -t -d c1 true
	refused "console socket /no/socket" vrun exec -t -d --console-socket /no/socket c1 true
	refused "there is no controlling one" setsid -w "$VRUN_TEST_BIN/vrun" --root "$state" exec -t c1 true </dev/null
	# with a log file, what is no error goes there only
	says "vrun: debug: exec: true in container c1" vrun --debug exec c1 true
	says "" vrun --debug --log "$work/log" exec c1 true
	grep -q 'level=debug msg="exec: true in container c1"' "$work/log"
	# any of the standard streams will do
	run script -qec "stty rows 33 cols 77; '$VRUN_TEST_BIN/vrun' --root '$state' exec -t c1 stty size </dev/null" /dev/null </dev/null
	[ "$status" = 0 ] && [[ "$output" == *"33 77"* ]] || { echo "$status: $output"; return 1; }
	refused "--preserve-fds" vrun exec --preserve-fds 1 c1 true
	says "" vrun exec --preserve-fds 0 --apparmor x --process-label y --no-subreaper c1 true
	refused "cgroup version 2" vrun exec --cgroup memory:sub c1 true
	refused ".. is not a sub cgroup path" vrun exec --cgroup .. c1 true
	refused "cgroup sub of the container: No such file or directory" vrun exec --cgroup sub c1 true
	says "" vrun exec c1 mkdir -p /sys/fs/cgroup/sub/two
	says "0::/sub/two" vrun exec --cgroup /sub/two c1 cat /proc/self/cgroup
	says "0::/" vrun exec --cgroup / c1 cat /proc/self/cgroup
	# once the first process has moved down and controllers are handed on, none may stay at the top
	says "" vrun exec --cgroup sub/two c1 sh -c 'cd /sys/fs/cgroup; echo 1 >sub/two/cgroup.procs; echo +memory >cgroup.subtree_control'
	says "0::/sub/two" vrun exec c1 cat /proc/self/cgroup
	refused "cgroup /: Device or resource busy" vrun exec --cgroup / c1 true
	refused '"root" is not UID' vrun exec --user root c1 true
	refused '"5:" is not UID' vrun exec --user 5: c1 true
	refused '"4294967295" is not UID' vrun exec --user 4294967295 c1 true
	refused '"x" is not a group id' vrun exec -g x c1 true
	refused '"FOO" is not NAME=VALUE' vrun exec -e FOO c1 true
	refused '"rel" is not an absolute path' vrun exec --cwd rel c1 true
	refused 'chdir to cwd ("/no/where")' vrun exec --cwd /no/where c1 true
	refused "pid file /no/dir/pid" vrun exec --pid-file /no/dir/pid c1 true
	refused "--envv" vrun exec --envv A=b c1 true
	refused "a command or --process is needed" vrun exec c1
	refused "/no/process" vrun exec --process /no/process c1
	echo '{ "args": ["id"] }' >"$work/p.json"
	refused "process.cwd" vrun exec --process "$work/p.json" c1
	echo '{ "args": ["id"' >"$work/p.json"
	refused "p.json" vrun exec --process "$work/p.json" c1
	# not there and not executable are 127 and 126, with runc's words
	run vrun exec c1 /not/there
	[ "$status" = 127 ] && [[ "$output" == *'exec: "/not/there": stat /not/there: no such file or directory'* ]]
	run vrun exec c1 /etc
	[ "$status" = 126 ] && [[ "$output" == *'exec: "/etc": '* ]]
	# limits and the rest of a process file; options beside it don't count, as with runc
	cat >"$work/p.json" <<'J'
{ "args": ["sh", "-c", "ulimit -n; ulimit -Hn; id -u; id -G; umask; echo $A; grep -c '^NoNewPrivs:.1' /proc/self/status"], "cwd": "/tmp",
  "user": { "uid": 9, "gid": 10, "additionalGids": [11], "umask": 7 }, "env": ["PATH=/bin", "A=file"], "noNewPrivileges": true,
  "rlimits": [{ "type": "RLIMIT_NOFILE", "soft": 20, "hard": 30 }] }
J
	says $'20\n30\n9\n10 11\n0007\nfile\n1' vrun exec --process "$work/p.json" c1
	# nothing of them is left
	[ "$(vrun ps c1 | wc -l)" = 2 ]
	[ "$(vrun ps -f json c1)" = "[$(cat "$work/pid")]" ]
	vrun delete --force c1
}
