#!/usr/bin/env bats
# Hooks: their order, place, state and time limits, and what a failure of each means.

load common

config() {
	local filter=$1
	shift
	jq "$@" "$filter" "$bundle/config.json" >"$work/config.new"
	mv "$work/config.new" "$bundle/config.json"
}

# make_hook FAILING-KIND: a program that appends "KIND STATUS PROCESS ENV CWD" to $work/log, and
# leaves the state that it was given in $work/state.KIND.
make_hook() {
	cat >"$work/hook" <<E
#!/bin/bash
cat >"$work/state.\$1"
status=\$(jq -r .status "$work/state.\$1")
pid=\$(jq -r .pid "$work/state.\$1")
comm=\$([ "\$pid" = 0 ] || cat /proc/\$pid/comm)
echo "\$1 \$status \$comm \$ONLY \$(pwd)" >>"$work/log"
[ "\$pid" = 0 ] || readlink /proc/\$pid/ns/net /proc/self/ns/net >"$work/net.\$1"
[ "\$1" != "$1" ] || { echo "this hook fails" >&2; echo "it says so"; exit 3; }
E
	chmod 755 "$work/hook"
}

# add_hooks KIND...
add_hooks() {
	local kind
	for kind; do
		config '.hooks[$k] = [{ path: $p, args: ["hook", $k], env: ["ONLY=" + $k, "PATH=" + $path], timeout: 20 }]' \
			--arg k "$kind" --arg p "$work/hook" --arg path "$PATH"
	done
}

@test "all kinds run in their order with the state of their moment" {
	mkbundle -- sh -c 'cat /guest-state; echo; cat /guest-env; echo container'
	make_hook none
	add_hooks prestart createRuntime createContainer poststart poststop
	config '.annotations = { "a.b": "c" } | .hooks.startContainer = [
		{ path: "/bin/sh", args: ["sh", "-c", "cat >/guest-state; env >/guest-env; echo hidden"], env: ["G=1"] }]'
	run vrun_run
	echo "$output"
	cat "$work/log"
	[ "$status" = 0 ]
	local b
	b=$(realpath "$bundle")
	diff "$work/log" - <<E
prestart creating vrun-vmm prestart $b
createRuntime creating vrun-vmm createRuntime $b
createContainer creating vrun-vmm createContainer $b/rootfs
poststart running vrun-vmm poststart $b
poststop stopped  poststop $b
E
	local f
	for f in prestart poststop; do
		[ "$(jq -r '.id + " " + .bundle + " " + .annotations["a.b"] + " " + .ociVersion' "$work/state.$f")" = "t$BATS_SUITE_TEST_NUMBER $b c 1.2.0" ]
	done
	[ "$(jq .pid "$work/state.poststop")" = 0 ]
	# the container's network namespace is that of the pid; createContainer runs in it, createRuntime does not
	local host ns
	host=$(readlink /proc/self/ns/net)
	ns=$(head -n 1 "$work/net.createRuntime")
	[ "$ns" != "$host" ]
	[ "$(cat "$work/net.createRuntime")" = "$ns"$'\n'"$host" ]
	[ "$(cat "$work/net.createContainer")" = "$ns"$'\n'"$ns" ]
	# in the guest, with the container's own pid and without our own annotations
	local guest=$bundle/rootfs/guest-state
	[ "$(jq -r '.id + " " + .bundle + " " + .status + " " + (.pid | tostring) + " " + (.annotations | tostring)' "$guest")" = "t$BATS_SUITE_TEST_NUMBER $b created 1 {\"a.b\":\"c\"}" ]
	grep -qx G=1 "$bundle/rootfs/guest-env"
	[[ "$output" == *container* ]]
	[[ "$output" != *hidden* ]]
}

@test "a hook that names no environment gets that of its command, startContainer the container's" {
	mkbundle -- cat /guest-env
	config '(.hooks.createRuntime, .hooks.poststop) = [{ path: "/bin/sh", args: ["sh", "-c", "echo \"$OF_THE_CALLER\" >>" + $out] }]
	| .hooks.startContainer = [{ path: "/bin/sh", args: ["sh", "-c", "echo \"[$OF_THE_CALLER] [$OF_IT]\" >/guest-env"] }]
	| .process.env += ["OF_IT=yes"]' --arg out "$work/env"
	OF_THE_CALLER="it is" run vrun_run
	echo "$output"
	[ "$status" = 0 ]
	[ "$output" = "[] [yes]" ]
	[ "$(cat "$work/env")" = "it is"$'\n'"it is" ]
}

@test "a hook of create that fails ends it: the message has its output, poststop runs, nothing is left" {
	mkbundle -- echo container
	local kind
	for kind in prestart createRuntime createContainer; do
		rm -f "$work/log"
		make_hook $kind
		config 'del(.hooks)'
		add_hooks $kind poststart poststop
		run vrun_run --pid-file "$work/pid"
		echo "$output"
		[ "$status" = 1 ]
		[[ "$output" == *"error running $kind hook #0: $work/hook: exit status 3, stdout: it says so, stderr: this hook fails"* ]]
		[[ "$output" != *container$'\n'* ]]
		[ "$(cut -d' ' -f1 "$work/log")" = "$kind"$'\n'poststop ]
		[ ! -e "$work/pid" ]
		[ ! -e "$state/t$BATS_SUITE_TEST_NUMBER" ]
		run timeout 100 "$VRUN_TEST_BIN/vrun" --root "$state" create --engine "$VRUN_TEST_ENGINE" -b "$bundle" c1
		[ "$status" = 1 ]
		[ ! -e "$state/c1" ]
	done
}

@test "a startContainer hook that fails: the process does not run, and the message says why" {
	mkbundle -- touch /ran
	# it may do no more than the process
	config '.hooks.startContainer = [{ path: "/bin/sh", args: ["sh", "-c", "rmdir /tmp 2>/dev/null || echo why >&2; exit 4"] }]
	| .linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64"], syscalls: [{ names: ["rmdir"], action: "SCMP_ACT_ERRNO" }] }'
	run vrun_run
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *"startContainer hook #0: /bin/sh: exit status 4, stdout: , stderr: why"* ]]
	[ ! -e "$bundle/rootfs/ran" ]
}

@test "a poststart hook that fails stops the container, in the foreground and detached" {
	mkbundle -- sleep 1000
	make_hook poststart
	add_hooks poststart poststop
	run vrun_run
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *"error running poststart hook #0"*"this hook fails"* ]]
	[ "$(cut -d' ' -f1 "$work/log")" = poststart$'\n'poststop ]
	run vrun_run --detach
	[ "$status" = 1 ]
	[ "$(cut -d' ' -f1 "$work/log")" = poststart$'\n'poststop$'\n'poststart$'\n'poststop ]
	[ ! -e "$state/t$BATS_SUITE_TEST_NUMBER" ]
}

@test "a poststop hook that fails is told, and the others run" {
	mkbundle -- true
	make_hook poststop
	add_hooks poststop
	config '.hooks.poststop += [{ path: "/bin/sh", args: ["sh", "-c", "echo second >>" + $l] }]' --arg l "$work/log"
	run vrun_run
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" == *"error running poststop hook #0"*"this hook fails"* ]]
	[ "$(tail -n 1 "$work/log")" = second ]
}

@test "a hook that hangs is killed with its children at its timeout" {
	mkbundle -- true
	config '.hooks.prestart = [{ path: "/bin/sh", args: ["sh", "-c", "sleep 987 & echo $! >" + $f + "; sleep 987"], timeout: 1 }]' --arg f "$work/child"
	local begun=$SECONDS
	run vrun_run
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *"hook ran past specified timeout of 1 s"* ]]
	[ $((SECONDS - begun)) -lt 20 ]
	local pid
	pid=$(cat "$work/child")
	[ ! -e "/proc/$pid" ] || grep -q '^State:.*Z' "/proc/$pid/status"
	# the same in the guest
	config 'del(.hooks.prestart) | .hooks.startContainer = [{ path: "/bin/sh", args: ["sh", "-c", "sleep 987 & sleep 987"], timeout: 1 }]'
	run vrun_run
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *"hook ran past specified timeout of 1 s"* ]]
}

@test "with create, start and delete: each verb runs its hooks" {
	"$VRUN_TEST_BIN/vrun" --help 2>/dev/null | grep -q '^ *delete' || skip "no delete yet"
	mkbundle -- sleep 1000
	make_hook none
	add_hooks prestart createRuntime createContainer poststart poststop
	config '.annotations = { "org.vrun.engine": $e }' --arg e "$VRUN_TEST_ENGINE"
	vrun create -b "$bundle" c1 </dev/null >"$work/out" 2>&1
	[ "$(cut -d' ' -f1 "$work/log" | tr '\n' ' ')" = "prestart createRuntime createContainer " ]
	# what is in the bundle by now does not count
	config 'del(.hooks)'
	vrun start c1
	[ "$(tail -n 1 "$work/log" | cut -d' ' -f1,2)" = "poststart running" ]
	vrun kill c1 KILL
	local i
	for i in $(seq 100); do [ "$(vrun state c1 | jq -r .status)" = stopped ] && break; sleep 0.1; done
	[ "$(tail -n 1 "$work/log" | cut -d' ' -f1)" = poststart ]
	vrun delete c1
	[ "$(tail -n 1 "$work/log" | cut -d' ' -f1,2)" = "poststop stopped" ]
	[ ! -e "$state/c1" ]
}

@test "with start: a poststart hook that fails stops the container" {
	"$VRUN_TEST_BIN/vrun" --help 2>/dev/null | grep -q '^ *delete' || skip "no delete yet"
	mkbundle -- sleep 1000
	make_hook poststart
	add_hooks poststart poststop
	config '.annotations = { "org.vrun.engine": $e }' --arg e "$VRUN_TEST_ENGINE"
	vrun create -b "$bundle" c1 </dev/null >"$work/out" 2>&1
	run vrun start c1
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *"error running poststart hook #0"* ]]
	[ "$(vrun state c1 | jq -r .status)" = stopped ]
	vrun delete c1
	[ "$(tail -n 1 "$work/log" | cut -d' ' -f1)" = poststop ]
}
