#!/usr/bin/env bats
# vrun compare: for real, but for its cost part, which takes long: namespaces by runc, a VM on the QEMU engine.

bats_require_minimum_version 1.5.0

setup() {
	repo=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	: "${VRUN_TEST_BIN:=$repo/build/release}"
	bundle=$BATS_TEST_TMPDIR/bundle
	"$repo/hack/mkbundle" "$bundle" -- sh
}

compare() {
	timeout -k 5 170 "$VRUN_TEST_BIN/vrun" compare --engine qemu "$@" "$bundle"
}

get() {
	jq -r "$1" "$BATS_TEST_TMPDIR/report"
}

@test "a panic, a fork bomb and lack of memory stay in the VM; the report says what was not tried" {
	boot=$(cat /proc/sys/kernel/random/boot_id)
	before=$(ls "$bundle" "$bundle/rootfs" "$bundle/rootfs/dev"; cat "$bundle/config.json")
	compare --with runc --only blast --format json --output "$BATS_TEST_TMPDIR/report" 2>"$BATS_TEST_TMPDIR/err"
	[ "$(cat /proc/sys/kernel/random/boot_id)" = "$boot" ]
	[[ "$(get .blast.panic.vm)" == "its VM ended after "*"the host and all else ran on" ]]
	[[ "$(get .blast.panic.namespaces)" == "not tried: "* ]]
	[[ "$(get .blast.bomb.vm)" =~ ^held\ at\ 6[0-9]\ \(EAGAIN\) ]]
	[[ "$(get .blast.bomb.namespaces)" =~ ^(held\ at\ 6[0-9]\ \(EAGAIN\)|not\ tried) ]]
	[[ "$(get '.blast["memory.exhaustion"].vm')" =~ ^killed\ after\ [0-9]+\ MiB\ by\ its\ own\ kernel ]]
	[[ "$(get '.blast["memory.exhaustion"].namespaces')" =~ ^(killed\ after\ [0-9]+\ MiB\ by\ the\ host|not\ tried) ]]
	[ "$(get .blast.mount.vm)" = "refused (EPERM)" ]
	[[ "$(get .blast.everything.vm)" == *"mount: done; clock: done, a day ahead of the host"* ]]
	# progress on standard error, and nothing but the report elsewhere
	[ "$(grep -c '^compare: \[' "$BATS_TEST_TMPDIR/err")" = 10 ]
	[[ "$(tail -n 1 "$BATS_TEST_TMPDIR/err")" == "compare: [10/10] "* ]]
	# the bundle is as it was, nothing of the comparison is left
	[ "$(ls "$bundle" "$bundle/rootfs" "$bundle/rootfs/dev"; cat "$bundle/config.json")" = "$before" ]
	run ! grep vrun-compare /proc/self/mountinfo
	run ! pgrep -f "vrun compare.*$bundle"
}

@test "the attack surface is counted: filters are read back, calls traced" {
	# four calls are refused to the container
	sed -i 's/"maskedPaths"/"seccomp": { "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{ "names": ["reboot", "swapon", "acct", "kexec_load"], "action": "SCMP_ACT_ERRNO" }] },\n    &/' "$bundle/config.json"
	compare --with runc --only surface --format json --output "$BATS_TEST_TMPDIR/report"
	[ "$(get .host_kernel)" = "$(uname -r)" ]
	[ "$(get .guest_kernel)" != "$(uname -r)" ]
	allowed=$(get '.surface["syscalls.allowed"].namespaces')
	printf '#include <seccomp.h>\n#include <stdio.h>\nint main(void) { int n = 0; for (int i = 0; i < 512; i++) n += seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, i) != 0; printf("%%d", n); }' |
		gcc -x c -o "$BATS_TEST_TMPDIR/count" - -lseccomp
	[ "$allowed" = $(($("$BATS_TEST_TMPDIR/count") - 4)) ]
	used=$(get '.surface["syscalls.used"].namespaces')
	[ "$used" -ge 15 ] && [ "$used" -le 60 ]
	[ "$(get '.surface["syscalls.used"].vm')" -ge 15 ]
	[ "$(get '.surface["behind.capabilities"].namespaces')" = 14 ]
	# the jail's: vrun-vmm and the emulator, and not the undertaker beside them
	[ "$(get '.surface["syscalls.allowed"].vm')" -lt "$allowed" ]
	[[ "$(get '.surface["behind.processes"].vm')" =~ ^2,\ of\ [0-9]+\ threads ]]
	[ "$(get '.surface["behind.capabilities"].vm')" -le 9 ]
	[ "$(get '.surface["behind.no_new_privs"].vm')" = no ]
	[ "$(get '.seen')" = null ]
}

@test "what can't be compared is told in one message, before anything runs" {
	run -1 "$VRUN_TEST_BIN/vrun" compare --with podman "$bundle"
	[ "$output" = 'vrun: compare: --with "podman": must be crun or runc' ]
	run -1 "$VRUN_TEST_BIN/vrun" compare --only speed "$bundle"
	[[ "$output" == *'--only "speed": must be seen, surface, blast or cost' ]]
	run -1 "$VRUN_TEST_BIN/vrun" compare --format pdf "$bundle"
	[[ "$output" == *'unknown format "pdf": table, json or html' ]]
	run -1 "$VRUN_TEST_BIN/vrun" compare "$bundle/none"
	[[ "$output" == *"bundle $bundle/none: No such file or directory"* ]]
	run -1 env PATH=/none "$VRUN_TEST_BIN/vrun" compare --engine qemu "$bundle"
	[[ "$output" == *"crun and runc are not installed: apt-get install runc"* ]]
	run -1 env PATH=/none "$VRUN_TEST_BIN/vrun" compare --engine qemu --with crun "$bundle"
	[[ "$output" == *"crun not installed: apt-get install crun"* ]]
	echo '{' >"$bundle/config.json"
	run -1 "$VRUN_TEST_BIN/vrun" compare "$bundle"
	[[ "$output" == *"config.json"* ]]
}
