#!/usr/bin/env bats
# What goes wrong gives one clear message, exit status 1, and leaves nothing (see teardown).

load common

# fails_with PATTERN COMMAND...: status 1, one line, matching the glob.
fails_with() {
	local pattern=$1
	shift
	run "$@"
	echo "status $status: $output"
	[ "$status" = 1 ]
	[ "${#lines[@]}" = 1 ]
	# shellcheck disable=SC2053
	[[ "$output" == $pattern ]]
}

@test "no bundle, no config.json, malformed config.json" {
	mkdir -p "$bundle"
	fails_with "*config.json*" vrun_run
	echo '{ "ociVersion": ' >"$bundle/config.json"
	fails_with "*config.json*" vrun_run
	mkbundle -- true
	edit_config 's|"cwd": "/"|"cwd": "relative"|'
	fails_with "*process.cwd: must be *absolute*" vrun_run
}

@test "no rootfs" {
	mkbundle -- true
	rm -rf "$bundle/rootfs"
	fails_with "*rootfs*" vrun_run
}

@test "an unknown option suggests the near one" {
	mkbundle -- true
	fails_with "*--memry*--memory*" vrun_run --memry 1G
}

@test "ids that runc refuses, with every verb" {
	mkbundle -- true
	local verb id
	for id in a/b ../x . .. "a b" "$(printf 'x%.0s' $(seq 1025))"; do
		fails_with "*invalid container ID format*" vrun run "$bundle" "$id"
		for verb in "create -b $bundle" start state kill delete "delete --force" pause resume ps "events --stats" "update --pids-limit 5"; do
			fails_with "*invalid container ID format*" vrun $verb "$id"
		done
		fails_with "*invalid container ID format*" vrun exec "$id" true
	done
	fails_with "*container id cannot be empty*" vrun state ""
	# as long as an id may be, but no directory's name may
	fails_with "*" vrun create -b "$bundle" "$(printf 'x%.0s' $(seq 1024))"
	fails_with "*container does not exist*" vrun state "$(printf 'x%.0s' $(seq 1024))"
}

@test "a console socket that is not there, is none, or has nobody; a pid file that can't be written" {
	mkbundle -- true
	fails_with "*cannot use console socket*" vrun create -b "$bundle" --console-socket /no/socket c1
	edit_config 's|"terminal": false|"terminal": true|'
	fails_with "*cannot allocate tty if vrun will detach without setting console socket*" vrun create -b "$bundle" c1
	fails_with "*console socket /no/socket*" vrun create -b "$bundle" --console-socket /no/socket c1
	fails_with "*console socket /etc/passwd*" vrun create -b "$bundle" --console-socket /etc/passwd c1
	fails_with "*there is no controlling one*" setsid -w "$VRUN_TEST_BIN/vrun" --root "$state" run "$bundle" c1 </dev/null
	edit_config 's|"terminal": true|"terminal": false|'
	fails_with "*pid file /no/dir/pid*" vrun create -b "$bundle" --pid-file /no/dir/pid c1
	fails_with "*pid file /no/dir/pid*" vrun_run --pid-file /no/dir/pid
	fails_with "*container does not exist*" vrun state c1
}

@test "a state file of another version, of nobody, or with nonsense; two verbs at once on one id" {
	mkbundle -- sleep 1000
	jq --arg e "$VRUN_TEST_ENGINE" '.annotations = { "org.vrun.engine": $e }' "$bundle/config.json" >"$work/c" && mv "$work/c" "$bundle/config.json"
	vrun create -b "$bundle" --pid-file "$work/pid" c1 </dev/null >"$work/out" 2>&1
	cp "$state/c1/state.json" "$work/state.json"
	local filter words verb i pids=() ok=0
	while IFS='|' read -r filter words; do
		jq -c "$filter" "$work/state.json" >"$state/c1/state.json"
		for verb in state start kill delete pause ps; do fails_with "*state.json*$words*" vrun $verb c1; done
		fails_with "*state.json*$words*" vrun exec c1 true
		# the others are still listed
		run vrun list --quiet
		[ "$status" = 0 ]
		[[ "$output" == *"$words"* ]]
	done <<'F'
.vrun.format = 99|format 99
del(.vrun)|not written by vrun
.pid = "many"|pid
.bundle = 5|bundle
F
	cp "$work/state.json" "$state/c1/state.json"
	# one of them starts it
	for i in 1 2 3 4; do
		vrun start c1 >"$work/start$i" 2>&1 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i" && ok=$((ok + 1)); done
	[ "$ok" = 1 ]
	[ "$(cat "$work"/start? | grep -c 'cannot start an already running container')" = 3 ]
	# both get rid of it, and neither complains
	pids=()
	for i in 1 2; do
		vrun delete --force c1 >"$work/delete$i" 2>&1 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
	[ ! -s "$work/delete1" ] && [ ! -s "$work/delete2" ]
	i=/proc/$(cat "$work/pid")
	[ ! -e "$i" ] || [ "$(awk '{ print $3 }' "$i/stat")" = Z ]
	fails_with "*container does not exist*" vrun state c1
}

@test "a kernel that is none, or is not there" {
	mkbundle -- true
	fails_with "*/etc/passwd*" vrun_run --kernel /etc/passwd
	fails_with "*/no/kernel*" vrun_run --kernel /no/kernel
}

@test "too little and too much memory, too many processors" {
	mkbundle -- true
	fails_with "*memory*" vrun_run --memory 1M
	# more than any VM's least, less than this kernel's
	fails_with "*memory: 64 MiB, but the guest kernel */vmlinux needs at least * MiB" \
		vrun_run --kernel "$repo/build/guest/vmlinux" --memory 64M
	fails_with "*memory*" vrun_run --memory nonsense
	fails_with "*cpus*" vrun_run --cpus 0
	fails_with "*cpus*" vrun_run --cpus 33
}

@test "the host's network can't be had" {
	mkbundle -- true
	edit_config 's|{ "type": "network" }, ||'
	fails_with "*network*" vrun_run
}

@test "a bind mount's source that is not there" {
	mkbundle -- true
	add_mount '{ "destination": "/x", "type": "bind", "source": "/no/such/dir", "options": ["bind"] }'
	fails_with "*mounts*/no/such/dir*" vrun_run
}

@test "a guest that panics: the message has the console's last lines" {
	mkbundle -- true
	# an initramfs without an init
	mkdir -p "$work/empty"
	(cd "$work/empty" && echo x >f && find . | cpio -o -H newc --quiet) >"$work/initrd"
	run vrun_run --initrd "$work/initrd"
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *panic* ]]
	[[ "$output" != *"no such file or directory"* ]]
}

@test "a guest that restarts itself: what happened, and the status of reboot(2) in a container" {
	mkbundle -- sh -c 'echo up; reboot -f; sleep 1000'
	# in the VM's own pid namespace, where it is the machine's
	edit_config -e 's|{ "type": "pid" }, *||' -e 's|"CAP_KILL"|"CAP_KILL", "CAP_SYS_BOOT"|g'
	run vrun_run
	echo "$output"
	[ "$status" = 129 ]
	[[ "${lines[0]}" == up ]]
	[[ "$output" == *"guest restarted itself"* ]]

	# the first thing that runs, before any agent
	mkdir -p "$work/ir"
	cp "$(command -v busybox)" "$work/ir/busybox"
	printf '#!/busybox sh\n/busybox reboot -f\n' >"$work/ir/init"
	chmod +x "$work/ir/init"
	(cd "$work/ir" && find . | cpio -o -H newc --quiet) >"$work/initrd"
	run vrun_run --initrd "$work/initrd"
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *"restarted before its agent answered"* ]]
}

@test "an agent that never answers: a message after the time limit" {
	mkbundle -- true
	# an init that sleeps for ever
	mkdir -p "$work/ir"
	cp "$(command -v busybox)" "$work/ir/busybox"
	printf '#!/busybox sh\n/busybox sleep 1000\n' >"$work/ir/init"
	chmod +x "$work/ir/init"
	(cd "$work/ir" && find . | cpio -o -H newc --quiet) >"$work/initrd"
	edit_config 's|^  "hostname"|  "annotations": { "org.vrun.boot_timeout": "8" },\n&|'
	run vrun_run --initrd "$work/initrd"
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *agent* ]]
}

@test "vrun killed: its VM ends and its state goes" {
	mkbundle -- sh -c 'echo ready; sleep 1000'
	"$VRUN_TEST_BIN/vrun" --root "$state" run --engine "$VRUN_TEST_ENGINE" "$bundle" victim >"$work/out" 2>&1 &
	local pid=$! i
	for i in $(seq 300); do
		grep -q ready "$work/out" && break
		sleep 0.2
	done
	kill -KILL $pid
	wait $pid || true
	for i in $(seq 100); do
		leftovers >/dev/null && break
		sleep 0.2
	done
	leftovers
}
