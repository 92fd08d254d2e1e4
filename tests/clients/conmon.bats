#!/usr/bin/env bats
# conmon alone: what podman and CRI-O hold a container with. It runs `vrun create`, keeps the container's
# streams or terminal, and writes the log and the exit status.

load common
bats_require_minimum_version 1.5.0

setup() {
	mkdir -p "$BATS_FILE_TMPDIR/state" "$BATS_TEST_TMPDIR"/{exits,sockets}
	bundle=$BATS_TEST_TMPDIR/bundle
	log=$BATS_TEST_TMPDIR/log
}

teardown() {
	for id in c1 c2 c3; do
		vrun delete --force "$id" >/dev/null 2>&1 || true
	done
}

teardown_file() {
	load common
	leftovers
	[ -z "$(ls -A "$BATS_FILE_TMPDIR/state")" ]
}

vrun() {
	timeout -k 5 $limit "$vrun" --root "$BATS_FILE_TMPDIR/state" "$@"
}

# conmon ID [OPTION...]: it goes into the background by itself; the pid file is there once the container is created.
conmon() {
	timeout -k 5 $limit conmon --api-version 1 --cid "$1" --cuuid "$1" --runtime "$vrun" \
		--runtime-arg "--root=$BATS_FILE_TMPDIR/state" --bundle "$bundle" --log-path "k8s-file:$log" \
		--container-pidfile "$BATS_TEST_TMPDIR/pid" --conmon-pidfile "$BATS_TEST_TMPDIR/conmon.pid" \
		--exit-dir "$BATS_TEST_TMPDIR/exits" --socket-dir-path "$BATS_TEST_TMPDIR/sockets" \
		"${@:2}" 3>&- 4>&-
}

# The log without k8s-file's time and stream tags.
logged() {
	sed -E 's/^[^ ]+ std(out|err) [FP] //' "$log"
}

@test "without a terminal: create, start, both streams in the log, the exit status in its file" {
	"$repo/hack/mkbundle" "$bundle" -- sh -c 'echo out; echo err >&2; read line; exit 6'
	conmon c1
	wait_until test -s "$BATS_TEST_TMPDIR/pid"
	[ "$(cat "/proc/$(cat "$BATS_TEST_TMPDIR/pid")/comm")" = vrun-vmm ]
	# The container is conmon's child, which reaps it.
	[ "$(awk '/^PPid/ { print $2 }' "/proc/$(cat "$BATS_TEST_TMPDIR/pid")/status")" = "$(cat "$BATS_TEST_TMPDIR/conmon.pid")" ]
	[ ! -s "$log" ]
	vrun start c1
	wait_until test -s "$BATS_TEST_TMPDIR/exits/c1"
	[ "$(cat "$BATS_TEST_TMPDIR/exits/c1")" = 6 ]
	grep -q ' stdout F out$' "$log"
	grep -q ' stderr F err$' "$log"
	vrun delete c1
}

@test "with a terminal: its output, the exit status of a signal" {
	"$repo/hack/mkbundle" --terminal "$bundle" -- sh -c 'tty; trap "echo got TERM; kill -9 -1" TERM; sleep 1000 & wait; sleep 1000'
	conmon c2 --terminal
	wait_until test -s "$BATS_TEST_TMPDIR/pid"
	vrun start c2
	wait_until grep -q /dev/pts/0 "$log"
	vrun kill c2 TERM
	wait_until grep -q "got TERM" "$log"
	vrun kill c2 KILL
	wait_until test -s "$BATS_TEST_TMPDIR/exits/c2"
	[ "$(cat "$BATS_TEST_TMPDIR/exits/c2")" = 137 ]
	vrun delete c2
}

@test "what can't be created: conmon tells its caller vrun's words" {
	"$repo/hack/mkbundle" "$bundle" -- nosuch
	# conmon reports to the descriptor that _OCI_SYNCPIPE names, with the runtime's JSON log beside.
	_OCI_SYNCPIPE=8 conmon c3 --runtime-arg --log-format=json --runtime-arg "--log=$BATS_TEST_TMPDIR/oci-log" \
		8>"$BATS_TEST_TMPDIR/sync" || true
	wait_until grep -q . "$BATS_TEST_TMPDIR/oci-log"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/oci-log")" = 1 ]
	[ "$(jq -r .level "$BATS_TEST_TMPDIR/oci-log")" = error ]
	[ "$(jq -r .msg "$BATS_TEST_TMPDIR/oci-log")" = 'unable to start container process: exec: "nosuch": executable file not found in $PATH' ]
	jq -re .time "$BATS_TEST_TMPDIR/oci-log" | grep -qE '^20[0-9-]+T[0-9:.]+(Z|[+-][0-9:]+)$'
	wait_until grep -q executable "$BATS_TEST_TMPDIR/sync"
}
