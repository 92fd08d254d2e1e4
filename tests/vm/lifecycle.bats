#!/usr/bin/env bats
# create, start, state, kill, delete, list, pause, resume: runc's verbs and texts.

load common

# create ID [OPTIONS]: its stdio in files, as a caller without a terminal has it.
create() {
	local id=$1
	shift
	timeout 120 "$VRUN_TEST_BIN/vrun" --root "$state" create --bundle "$bundle" --pid-file "$work/pid" "$@" "$id" \
		</dev/null >"$work/out" 2>"$work/err" || { cat "$work/err"; return 1; }
}

engine_annotation() {
	edit_config 's|^  "hostname"|  "annotations": { "org.vrun.engine": "'"$VRUN_TEST_ENGINE"'" },\n&|'
}

status_of() {
	vrun state "$1" | sed -n 's/.*"status": *"\([a-z]*\)".*/\1/p'
}

wait_status() { # ID STATUS
	local i
	for i in $(seq 300); do
		[ "$(status_of "$1")" = "$2" ] && return 0
		sleep 0.1
	done
	echo "status is $(status_of "$1"), not $2"
	return 1
}

@test "create, start, stop by itself, delete: states and the pid file" {
	mkbundle -- sh -c 'echo hello'
	engine_annotation
	create c1
	[ "$(status_of c1)" = created ]
	local pid
	pid=$(cat "$work/pid")
	[ "$(cat "/proc/$pid/comm")" = vrun-vmm ]
	[ "$(vrun state c1 | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')" = "$pid" ]
	[ ! -s "$work/out" ]
	vrun start c1
	wait_status c1 stopped
	[ "$(cat "$work/out")" = hello ]
	vrun delete c1
	run vrun state c1
	[ "$status" = 1 ]
	[[ "$output" == *"container does not exist"* ]]
}

@test "start twice, create twice, delete while running are refused" {
	mkbundle -- sleep 1000
	engine_annotation
	create c1
	run vrun create --bundle "$bundle" c1
	[ "$status" = 1 ]
	[[ "$output" == *"container with given ID already exists"* ]]
	vrun start c1
	run vrun start c1
	[ "$status" = 1 ]
	[[ "$output" == *"cannot start a container that is not in the created state"* || "$output" == *"cannot start an already running container"* ]]
	run vrun delete c1
	[ "$status" = 1 ]
	[[ "$output" == *"is not stopped"* ]]
	vrun kill c1 KILL
	wait_status c1 stopped
	vrun delete c1
}

@test "kill: by name, by number, of a stopped one, of one that is not there" {
	mkbundle -- sh -c 'trap "echo term; exit 3" TERM; trap "echo usr1" USR1; echo ready; while :; do sleep 0.1; done'
	engine_annotation
	create c1
	vrun start c1
	local i
	for i in $(seq 300); do grep -q ready "$work/out" && break; sleep 0.1; done
	vrun kill c1 SIGUSR1
	vrun kill c1 10
	for i in $(seq 100); do [ "$(grep -c usr1 "$work/out")" = 2 ] && break; sleep 0.1; done
	[ "$(grep -c usr1 "$work/out")" -ge 1 ]
	run vrun kill c1 NOSUCHSIGNAL
	[ "$status" = 1 ]
	vrun kill c1
	wait_status c1 stopped
	grep -q term "$work/out"
	run vrun kill c1 TERM
	[ "$status" = 1 ]
	[[ "$output" == *"container not running"* ]]
	vrun delete c1
	run vrun kill c1 TERM
	[ "$status" = 1 ]
	[[ "$output" == *"container does not exist"* ]]
}

@test "delete --force ends a running one, and is silent about one that is not there" {
	mkbundle -- sleep 1000
	engine_annotation
	create c1
	vrun start c1
	local pid
	pid=$(cat "$work/pid")
	vrun delete --force c1
	[ ! -e "/proc/$pid" ] || [ "$(awk '{ print $3 }' "/proc/$pid/stat")" = Z ]
	vrun delete --force nothere
}

@test "list: table, json, quiet" {
	mkbundle -- sleep 1000
	engine_annotation
	[ "$(vrun list --quiet)" = "" ]
	create c1
	[ "$(vrun list --quiet)" = c1 ]
	vrun list | head -n 1 | grep -qE '^ID +PID +STATUS +BUNDLE +CREATED +OWNER'
	vrun list --format json | grep -q '"id": *"c1"'
	vrun delete --force c1
	[ "$(vrun list --format json)" = "null" ] || [ "$(vrun list --format json)" = "[]" ]
}

@test "pause stops the clock of the container, resume goes on" {
	mkbundle -- sh -c 'i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done'
	engine_annotation
	create c1
	vrun start c1
	local i a b
	for i in $(seq 300); do [ -s "$work/out" ] && break; sleep 0.1; done
	vrun pause c1
	[ "$(status_of c1)" = paused ]
	sleep 0.5
	a=$(wc -l <"$work/out")
	sleep 1
	b=$(wc -l <"$work/out")
	[ "$a" = "$b" ]
	run vrun exec c1 true
	[ "$status" != 0 ]
	[[ "$output" == *paused* ]]
	vrun resume c1
	[ "$(status_of c1)" = running ]
	sleep 2
	[ "$(wc -l <"$work/out")" -gt "$b" ]
	vrun delete --force c1
}

@test "the container's process is a child of create's caller, with its exit status" {
	mkbundle -- sh -c 'exit 9'
	engine_annotation
	cat >"$work/reaper.c" <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
int main(int argc, char **argv)
{
	int st;
	pid_t pid, vmm;
	FILE *f;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (system(argv[1]) != 0)
		return 100;
	f = fopen(argv[2], "r");
	if (!f || fscanf(f, "%d", &vmm) != 1)
		return 101;
	if (system(argv[3]) != 0)
		return 102;
	while ((pid = wait(&st)) > 0)
		if (pid == vmm)
			return WIFEXITED(st) ? WEXITSTATUS(st) : 103;
	return 104;
}
C
	gcc -o "$work/reaper" "$work/reaper.c"
	run "$work/reaper" "$VRUN_TEST_BIN/vrun --root $state create -b $bundle --pid-file $work/pid c1 </dev/null >$work/out 2>&1" \
		"$work/pid" "$VRUN_TEST_BIN/vrun --root $state start c1"
	echo "$output"
	[ "$status" = 9 ]
	vrun delete c1
}

@test "two creates of one id at once: one wins" {
	mkbundle -- sleep 1000
	engine_annotation
	local n=0
	"$VRUN_TEST_BIN/vrun" --root "$state" create -b "$bundle" c1 </dev/null >"$work/o1" 2>&1 &
	local p1=$!
	"$VRUN_TEST_BIN/vrun" --root "$state" create -b "$bundle" c1 </dev/null >"$work/o2" 2>&1 &
	local p2=$!
	wait $p1 && n=$((n + 1))
	wait $p2 && n=$((n + 1))
	cat "$work/o1" "$work/o2"
	[ "$n" = 1 ]
	[ "$(status_of c1)" = created ]
	vrun delete --force c1
}

@test "a state file that was cut short: a clear message, and delete --force clears it" {
	mkbundle -- sleep 1000
	engine_annotation
	create c1
	local pid
	pid=$(cat "$work/pid")
	truncate -s 20 "$state/c1/state.json"
	run vrun state c1
	[ "$status" = 1 ]
	[[ "$output" == *state.json* ]]
	vrun delete --force c1
	[ ! -e "$state/c1" ]
	kill -KILL "$pid" 2>/dev/null || true
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

@test "what each verb says in each state, as runc does" {
	mkbundle -- sleep 1000
	engine_annotation
	refused "JSON specification file config.json not found" vrun create -b "$work" c1
	refused "container does not exist" vrun start c1
	create c1
	refused "container with given ID already exists" vrun create -b "$bundle" c1
	vrun kill c1 0
	refused "container not paused" vrun resume c1
	[ "$(vrun ps c1 | tr -s ' ')" = "UID PID PPID C STIME TTY TIME CMD" ]
	[ "$(vrun ps -f json c1)" = "[$(cat "$work/pid")]" ]
	vrun start c1
	refused "cannot start an already running container" vrun start c1
	refused "cannot delete container c1 that is not stopped: running" vrun delete c1
	refused "container not paused" vrun resume c1
	vrun ps c1 -ef | grep -qE '^root +1 +0 +0 [0-9:]{5} \? +00:00:00 sleep 1000$'
	refused 'ps: "aux"' vrun ps c1 aux
	refused "invalid format option" vrun ps --format yaml c1
	vrun pause c1
	refused "container not running" vrun pause c1
	refused "cannot start a container in the paused state" vrun start c1
	refused "cannot exec in a paused container (use --ignore-paused to override)" vrun exec c1 true
	refused "cannot delete container c1 that is not stopped: paused" vrun delete c1
	vrun kill c1 0
	# a signal for a paused container is there when it goes on; SIGKILL does not wait
	vrun exec --ignore-paused c1 sh -c 'echo went on' >"$work/exec" 2>&1 3>&- &
	local exec=$!
	sleep 0.3
	[ ! -s "$work/exec" ]
	vrun resume c1
	wait $exec
	[ "$(cat "$work/exec")" = "went on" ]
	refused 'unknown signal "99"' vrun kill c1 99
	vrun pause c1
	vrun kill c1 KILL
	wait_status c1 stopped
	local verb
	for verb in kill pause "exec c1 true" "update --pids-limit 5"; do
		case $verb in exec*) refused "container not running" vrun $verb ;; *) refused "container not running" vrun $verb c1 ;; esac
	done
	refused "cannot exec in a stopped container" vrun exec c1 true
	refused "cannot start a container that has stopped" vrun start c1
	refused "container not paused" vrun resume c1
	refused "container with id c1 is not running" vrun events --stats c1
	vrun kill --all c1 KILL
	[ "$(vrun ps c1 | tr -s ' ')" = "UID PID PPID C STIME TTY TIME CMD" ]
	[ "$(vrun ps -f json c1)" = null ]
	[ "$(vrun state c1 | jq .pid)" = 0 ]
	[ "$(vrun list | tail -n 1 | awk '{ print $1, $2, $3 }')" = "c1 0 stopped" ]
	vrun delete c1
	for verb in start state kill delete pause resume ps "events --stats" "update --pids-limit 5"; do
		refused "container does not exist" vrun $verb c1
	done
}

@test "global options: --log in both formats, --rootless, and their bad values" {
	mkbundle -- true
	local verb
	for verb in "state no" "kill no" "start no" "delete no" "exec no true" "ps no" "pause no" "create -b /no no" "run /no no"; do
		rm -f "$work/log"
		run vrun --log "$work/log" --log-format json --rootless=auto $verb
		[ "$status" = 1 ]
		[ "$(wc -l <"$work/log")" = 1 ]
		# the same words at both places
		[ "$output" = "vrun: $(jq -r .msg "$work/log")" ]
		[ "$(jq -r '.level + (.time | fromdate | type)' "$work/log")" = errornumber ]
	done
	run vrun --log "$work/log.text" --log-format text state no
	grep -qE '^time="[^"]*Z" level=error msg="container does not exist"$' "$work/log.text"
	refused 'log-format "yaml"' vrun --log-format yaml list
	refused "/no/dir/log" vrun --log /no/dir/log list
	refused "--rot" vrun --rot /x list
	# not there yet, whatever options runc has for them
	refused "checkpoint: saving a container's state is not supported yet" vrun checkpoint --image-path /x --leave-running c1
	refused "restore: a container from a saved state is not supported yet" vrun restore --bundle /x c1
	vrun features | jq -e '(.hooks | index("startContainer")) and (.mountOptions | index("rro")) and (.linux.namespaces | index("pid"))
		and .linux.seccomp.enabled and (.linux.apparmor.enabled | not)' || { vrun features; return 1; }
	# no error, no line
	vrun --log "$work/log.none" --log-format json list
	[ ! -s "$work/log.none" ]
}

@test "spec: what it writes runs, rootless and with the vm object too" {
	local kind
	mkbundle -- true
	for kind in "" --rootless --vm; do
		rm "$bundle/config.json"
		vrun spec --bundle "$bundle" $kind
		refused "File config.json exists" vrun spec -b "$bundle" $kind
		cp "$bundle/config.json" "$work/config.json"
		[ "$(jq -c '[.process.args, .process.terminal, .root, .process.cwd]' "$work/config.json")" = '[["sh"],true,{"path":"rootfs","readonly":true},"/"]' ]
		jq '.process.terminal = false | .process.args = ["sh", "-c", "id -u; tr -s \" \" </proc/self/uid_map; cat /proc/cmdline; touch /x"]' \
			"$work/config.json" >"$bundle/config.json"
		run vrun_run
		echo "$output"
		[ "$status" = 1 ]
		[ "${lines[0]}" = 0 ]
		[[ "$output" == *"touch: /x: Read-only file system"* ]]
		case $kind in
		--rootless) [ "${lines[1]}" = " 0 $(id -u) 1" ] ;;
		--vm) jq -e '(.vm.kernel.path | startswith("/")) and (.vm.kernel.initrd | startswith("/"))
			and .vm.hwConfig == { vcpus: 1, memory: 536870912 }' "$work/config.json" ;;
		*) [ "${lines[1]}" = " 0 0 4294967295" ] && [ "$(jq .vm "$work/config.json")" = null ] ;;
		esac
	done
	refused "/no/dir" vrun spec -b /no/dir
}
