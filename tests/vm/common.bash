# common: what every file in tests/vm loads.
#
# VRUN_TEST_ENGINE says which engine the containers run on (qemu or kvm); VRUN_TEST_BIN where the binaries
# are; VRUN_TEST_KERNEL and VRUN_TEST_INITRD another guest than the one vrun picks. Each test has a state folder and a bundle of its own, and leaves nothing: teardown fails the
# test when a process, a mount or state is left.

: "${VRUN_TEST_ENGINE:=qemu}"
repo=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
: "${VRUN_TEST_BIN:=$repo/build/release}"
export VRUN_TEST_ENGINE VRUN_TEST_BIN
guest_options=(${VRUN_TEST_KERNEL:+--kernel "$repo/$VRUN_TEST_KERNEL"} ${VRUN_TEST_INITRD:+--initrd "$repo/$VRUN_TEST_INITRD"})

setup() {
	work=$BATS_TEST_TMPDIR
	state=$work/state
	bundle=$work/bundle
	mkdir -p "$state"
}

teardown() {
	local left
	# what a failed test left running ends here: servers by pid, containers by id
	[ -z "${servers[*]:-}" ] || kill "${servers[@]}" 2>/dev/null
	for left in "$state"/*/; do
		[ -e "$left" ] && "$VRUN_TEST_BIN/vrun" --root "$state" delete --force "$(basename "$left")" >/dev/null 2>&1
	done
	leftovers
}

# Fails and tells when something of this test is left on the host. A VMM names its container only: it is known by
# the files that it holds. Hardly a process is started for this: in the lab each takes long.
leftovers() {
	local bad=0 p f comm
	for p in /proc/[0-9]*; do
		{ read -r comm <"$p/comm"; } 2>/dev/null || continue
		case $comm in vrun | vrun-vmm | vrun-connector | qemu-system-*) ;; *) continue ;; esac
		if { tr '\0' ' ' <"$p/cmdline"; readlink "$p"/fd/*; } 2>/dev/null | grep -qF "$BATS_TEST_TMPDIR/"; then
			echo "left: process ${p#/proc/}: $(tr '\0' ' ' <"$p/cmdline")"
			bad=1
		fi
	done
	while read -r f; do
		case $f in *" $BATS_TEST_TMPDIR"*) echo "left: mount: $f"; bad=1 ;; esac
	done </proc/self/mountinfo
	for f in "$state"/* "$state"/.[!.]*; do
		[ -e "$f" ] && { echo "left: $f"; bad=1; }
	done
	return $bad
}

# mkbundle [OPTIONS] -- COMMAND...: the test's bundle.
mkbundle() {
	local opts=()
	while [ "$1" != -- ]; do opts+=("$1"); shift; done
	"$repo/hack/mkbundle" ${opts[@]+"${opts[@]}"} "$bundle" "$@"
}

# edit_config JQ-LIKE SED: change config.json with sed expressions.
edit_config() {
	sed -i "$@" "$bundle/config.json"
}

# add_mount JSON: one more entry in mounts.
add_mount() {
	sed -i 's|^  "mounts": \[|&\n    '"$(sed 's/[&|\\]/\\&/g' <<<"$1")"',|' "$bundle/config.json"
}

# add_programs NAME...: programs of the host in the bundle's root, with the libraries they need.
add_programs() {
	local program file
	for program; do
		program=$(command -v "$program")
		cp -L "$program" "$bundle/rootfs/bin/"
		for file in $(ldd "$program" | grep -o '/[^ ]*'); do
			mkdir -p "$bundle/rootfs$(dirname "$file")"
			cp -L "$file" "$bundle/rootfs$file"
		done
	done
}

# guest_release: what uname -r says in the guest that vrun_run starts.
guest_release() {
	local tuned=$repo/build/guest/vmlinux-tuned
	if [ -n "${VRUN_TEST_KERNEL:-}" ]; then cat "$repo/$VRUN_TEST_KERNEL.release"
	elif [ -e "$tuned" ]; then cat "$tuned.release"
	else cat "$repo/build/guest/vmlinux.release"; fi
}

vrun() {
	"$VRUN_TEST_BIN/vrun" --root "$state" "$@"
}

# vrun_run [OPTIONS...]: the test's bundle in the foreground, on the engine under test.
vrun_run() {
	timeout -k 5 170 "$VRUN_TEST_BIN/vrun" --root "$state" run --engine "$VRUN_TEST_ENGINE" ${guest_options[@]+"${guest_options[@]}"} \
		"$@" "$bundle" "t$BATS_SUITE_TEST_NUMBER"
}

# in_vm COMMAND-LINE: run a shell command line in a container.
in_vm() {
	mkbundle -- sh -c "$1"
	vrun_run
}
