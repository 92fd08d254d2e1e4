#!/usr/bin/env bats
# vrun console: what the guest's kernel says, and what is typed for it.

load common

# A container that knows the guest's console and its kernel's log.
start_talker() {
	mkbundle -- sh -c 'echo "<1>before" >/dev/kmsg; read -r line </dev/hvc0; echo "<1>got $line" >/dev/kmsg; sleep 1000'
	jq '[{ type: "c", major: 229, minor: 0 }, { type: "c", major: 1, minor: 11 }] as $nodes |
		.linux.devices = [$nodes[0] + { path: "/dev/hvc0" }, $nodes[1] + { path: "/dev/kmsg" }] |
		.linux.resources.devices += [$nodes[] + { allow: true, access: "rwm" }]' \
		"$bundle/config.json" >"$work/c" && mv "$work/c" "$bundle/config.json"
	vrun_run --detach --pid-file "$work/pid" </dev/null >"$work/out" 2>&1
	id=t$BATS_SUITE_TEST_NUMBER
}

stop_talker() {
	local i
	kill -KILL "$(cat "$work/pid")"
	for i in $(seq 100); do [ -e "/proc/$(cat "$work/pid")" ] || break; sleep 0.1; done
	rm -rf "${state:?}/$id"
}

wait_for() { # TEXT
	local i
	for i in $(seq 150); do
		grep -q "$1" "$work/console" && return 0
		sleep 0.1
	done
	cat "$work/console"
	return 1
}

@test "the last lines, what comes, and input; a second one is refused; the container lives on" {
	start_talker
	mkfifo "$work/in"
	timeout 100 "$VRUN_TEST_BIN/vrun" --root "$state" console $id <"$work/in" >"$work/console" 2>"$work/err" &
	local console=$!
	exec 9>"$work/in"
	wait_for before
	run vrun console $id </dev/null
	[ "$status" = 1 ]
	[[ "$output" == *"attached to the guest's console already"* ]]
	echo hello >&9
	wait_for "got hello"
	printf '\035' >&9
	wait $console
	exec 9>&-
	# another time, from the beginning
	timeout 3 "$VRUN_TEST_BIN/vrun" --root "$state" console $id </dev/null >"$work/console" || true
	grep -q before "$work/console"
	grep -q "got hello" "$work/console"
	kill -0 "$(cat "$work/pid")"
	stop_talker
}

@test "it ends with the container; of one that is not there it says so" {
	start_talker
	timeout 100 "$VRUN_TEST_BIN/vrun" --root "$state" console $id </dev/null >"$work/console" &
	local console=$!
	wait_for before
	stop_talker
	wait $console
	run vrun console $id
	[ "$status" = 1 ]
	[[ "$output" == *"container does not exist"* ]]
}
