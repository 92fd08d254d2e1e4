# common: what every file in tests/clients loads.
#
# The clients are Debian's: podman, conmon, containerd, docker. Each file has its own storage, sockets,
# cgroup and daemons below $BATS_FILE_TMPDIR, made by setup_file and gone after teardown_file, which fails
# when something is left. VRUN_TEST_BIN says where vrun is. No network is needed: images are made here.

repo=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
: "${VRUN_TEST_BIN:=$repo/build/release}"
vrun=$VRUN_TEST_BIN/vrun
# A client's command that hangs is this test's failure, not the whole run's.
limit=60

# make_rootfs: $BATS_FILE_TMPDIR/rootfs.tar, busybox and an account that is not root.
make_rootfs() {
	local dir=$BATS_FILE_TMPDIR/image
	"$repo/hack/mkbundle" "$dir" >/dev/null
	mkdir -p "$dir/rootfs/srv" "$dir/rootfs/var/lib"
	echo 'root:x:0:0:root:/root:/bin/sh' >"$dir/rootfs/etc/passwd"
	echo 'bob:x:1000:1000:bob:/home:/bin/sh' >>"$dir/rootfs/etc/passwd"
	printf 'root:x:0:\nbob:x:1000:\n' >"$dir/rootfs/etc/group"
	tar -C "$dir/rootfs" -cf "$BATS_FILE_TMPDIR/rootfs.tar" .
	rm -rf "$dir"
}

# wait_until COMMAND...: until it succeeds; 20 s.
wait_until() {
	local i
	for ((i = 0; i < 200; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	echo "never: $*"
	return 1
}

# expect STATUS TEXT: `run` ended with this status and printed this text.
expect() {
	if [ "$status" != "$1" ]; then
		echo "exit status $status, expected $1; output: $output"
		return 1
	fi
	[[ $output == *"$2"* ]] || { echo "not in the output: $2; output: $output"; return 1; }
}

# stop_daemon PID-FILE: and wait for its end.
stop_daemon() {
	local pid
	[ -s "$1" ] || return 0
	pid=$(cat "$1")
	kill "$pid" 2>/dev/null || return 0
	wait_until daemon_gone "$pid" || kill -9 "$pid"
}

daemon_gone() {
	! kill -0 "$1" 2>/dev/null
}

# Fails and tells when a process, mount, cgroup or network device of this file's is left.
leftovers() {
	local bad=0 p f comm
	# What was just removed may still be ending.
	wait_until no_processes || true
	for p in /proc/[0-9]*; do
		is_ours "$p" || continue
		echo "left: process ${p#/proc/}: $(tr '\0' ' ' <"$p/cmdline")"
		bad=1
	done
	if grep -F " $BATS_FILE_TMPDIR/" /proc/self/mountinfo; then
		echo "left: mounts"
		bad=1
	fi
	for f in /sys/fs/cgroup/"$cgroup" /sys/fs/cgroup/*/"$cgroup"; do
		[ -d "$f" ] || continue
		# conmon's is the client's, which leaves it.
		if [ -n "$(find "$f" -mindepth 1 -type d ! -name conmon -print -quit)" ]; then
			echo "left: cgroups: $(find "$f" -mindepth 1 -type d ! -name conmon)"
			bad=1
		fi
		find "$f" -depth -type d -exec rmdir {} \; 2>/dev/null || true
	done
	return $bad
}

# is_ours /proc/PID: a process of the runtime or of a client that belongs to this file.
is_ours() {
	local comm
	{ read -r comm <"$1/comm"; } 2>/dev/null || return 1
	case $comm in
	vrun | vrun-vmm | qemu-system-* | conmon | podman | aardvark-dns | containerd* | dockerd) ;;
	*) return 1 ;;
	esac
	{ tr '\0' ' ' <"$1/cmdline"; readlink "$1"/fd/*; } 2>/dev/null | grep -qF "$BATS_FILE_TMPDIR/"
}

no_processes() {
	local p
	for p in /proc/[0-9]*; do
		! is_ours "$p" || return 1
	done
}

# The cgroup that this file's containers are in.
cgroup=vrun-test-$(basename "$BATS_TEST_FILENAME" .bats)

# start_containerd: with its own root, state and socket; no CRI.
start_containerd() {
	local dir=$BATS_FILE_TMPDIR/containerd
	mkdir -p "$dir"
	# Not bats' descriptors, which it waits for.
	cat >"$dir/config.toml" <<-C
		version = 2
		root = "$dir/root"
		state = "$dir/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri"]
		[grpc]
		address = "$dir/socket"
	C
	setsid containerd --config "$dir/config.toml" >"$dir/log" 2>&1 3>&- 4>&- &
	echo $! >"$dir/pid"
	wait_until ctr --address "$dir/socket" version || { tail -n 20 "$dir/log"; return 1; }
}

stop_containerd() {
	stop_daemon "$BATS_FILE_TMPDIR/containerd/pid"
}
