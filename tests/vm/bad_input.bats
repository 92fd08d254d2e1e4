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

@test "ids that runc refuses" {
	mkbundle -- true
	fails_with "*a/b*" vrun run "$bundle" a/b
	fails_with "*" vrun run "$bundle" "$(printf 'x%.0s' $(seq 1025))"
}

@test "a kernel that is none, or is not there" {
	mkbundle -- true
	fails_with "*/etc/passwd*" vrun_run --kernel /etc/passwd
	fails_with "*/no/kernel*" vrun_run --kernel /no/kernel
}

@test "too little and too much memory, too many processors" {
	mkbundle -- true
	fails_with "*memory*" vrun_run --memory 1M
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
