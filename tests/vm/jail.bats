#!/usr/bin/env bats
# The second wall: where vrun-vmm and the emulator are, and what they can't do from there.

load common

# probe_run WHAT OPTIONS...: the container under build/probe's vrun-vmm, which tries to get out (tests/jail/probe.c).
probe_run() {
	local what=$1
	shift
	mkbundle -- true
	VRUN_JAIL_PROBE=$what timeout -k 5 170 "$repo/build/probe/vrun" --root "$state" "$@" \
		run --engine "$VRUN_TEST_ENGINE" "$bundle" probe
}

# result_of WHO WHAT: what came of an attempt.
result_of() {
	sed -n "s|^probe: $1 $2: ||p" "$work/probe"
}

# in_mounts_of PID PERL: run in the mount namespace of a process, as tools of the host do that take it for the container.
in_mounts_of() {
	perl -e 'use Errno; open(my $ns, "<", "/proc/$ARGV[0]/ns/mnt") or die; syscall(308, fileno($ns), 0x20000) == 0 or die "setns: $!";
		sub list { opendir(my $d, $_[0]) or return "$!"; join(" ", sort grep { !/^\.\.?$/ } readdir($d)) }
		sub text { open(my $f, "<", $_[0]) or return "$!"; join("", <$f>) =~ s/\n$//r }
		sub put { open(my $f, ">", $_[0]) or return "$!"; print $f "put\n"; close($f) ? "ok" : "$!" }
		eval $ARGV[1]; die $@ if $@' "$@"
}

@test "from inside vrun-vmm, in each role, the host is out of reach" {
	local role what n default
	probe_run attempts --debug 2>"$work/all"
	grep '^probe:' "$work/all" >"$work/probe"
	# without the jail they would have had it
	for what in "open /etc/passwd" "signal process 1" "an internet socket" open_tree "executable memory"; do
		[ "$(result_of before "$what")" = ESCAPED ] || { echo "before: $what: $(result_of before "$what")"; return 1; }
	done
	n=$(grep -c '^probe: files ' "$work/probe")
	[ "$n" -gt 40 ]
	for role in loop vCPU files; do
		[ "$(grep -c "^probe: $role " "$work/probe")" = "$n" ]
		! grep "^probe: $role .*ESCAPED" "$work/probe" || return 1
		[ "$(result_of "$role" "open /etc/passwd")" = ENOENT ]
		for what in "signal process 1" "signal the parent" "a pidfd of process 1" "read the parent's memory" \
			"ptrace the parent" "an internet socket" "a unix socket" "a netlink socket" mount umount open_tree \
			bpf kexec_load init_module setns "a new user namespace" "a new process" execve \
			"open a file by its handle" "executable memory" "another handler of SIGSYS"; do
			[ "$(result_of $role "$what")" = trapped ] || { echo "$role: $what: $(result_of $role "$what")"; return 1; }
		done
	done
	# files' workers may open files, but there are none
	[ "$(result_of files "make a file in the root")" = EROFS ]
	default=$(jq '[.syscalls[] | select(.action == "SCMP_ACT_ALLOW") | .names[]] | unique | length' /usr/share/containers/seccomp.json)
	sed -n 's/^probe: \([a-zA-Z]*\): \([0-9]*\) system calls$/\1 \2/p' "$work/probe" >"$work/sizes"
	echo "# system calls to the host's kernel: $(tr '\n' ',' <"$work/sizes") podman's and crun's default container: $default" >&3
	[ "$(wc -l <"$work/sizes")" = 3 ]
	while read -r role n; do
		[ "$n" -lt $((default / 4)) ]
	done <"$work/sizes"
}

@test "a system call outside of the list ends the VM, and is told by name" {
	run probe_run violate
	[ "$status" = 159 ]
	[[ "$output" == *"vrun: vrun-vmm was ended by its jail: system call ptrace is not in the list of its loop threads"* ]]
	run vrun state probe
	[ "$status" = 1 ]
}

@test "vrun-vmm and the emulator: namespaces, root, capabilities, limits" {
	local pid t ns p gone processes='1 stat' command='sleep 1000'
	mkbundle -- sleep 1000
	mkdir "$work/ro"
	echo text >"$work/ro/file"
	mkdir "$work/later"
	echo text >"$work/later/file"
	ln -s /opt/deep "$bundle/rootfs/link"
	add_mount '{ "destination": "/run/later", "type": "bind", "source": "'"$work/later"'", "options": ["bind"] }'
	add_mount '{ "destination": "/run/", "type": "tmpfs", "source": "tmpfs" }'
	add_mount '{ "destination": "/link/new", "type": "bind", "source": "/dev/null", "options": ["bind"] }'
	add_mount '{ "destination": "/ro", "type": "bind", "source": "'"$work/ro"'", "options": ["bind", "ro"] }'
	timeout 120 "$VRUN_TEST_BIN/vrun" --root "$state" run --engine "$VRUN_TEST_ENGINE" --detach --pid-file "$work/pid" \
		-b "$bundle" c1 </dev/null >/dev/null 2>&1
	pid=$(cat "$work/pid")
	for ns in mnt ipc uts net; do
		[ "$(readlink /proc/$pid/ns/$ns)" != "$(readlink /proc/self/ns/$ns)" ]
	done
	# all that is mounted: an empty root, and the shares
	awk '{ print $5, $6 }' /proc/$pid/mountinfo | sort >"$work/mounts"
	cat "$work/mounts"
	[ "$(wc -l <"$work/mounts")" = 4 ]
	grep -qx '/ ro,nosuid,nodev,noexec,relatime' "$work/mounts"
	grep -q '^/0 rw,nosuid,nodev,noexec' "$work/mounts"
	grep -q '^/1 ro,nosuid,nodev,noexec' "$work/mounts"
	[ "$(ls -A /proc/$pid/root | tr '\n' ' ')" = "0 1 2 " ]
	for t in /proc/$pid/task/*; do
		# a worker may end meanwhile; the kernel's own workers for KVM and vhost run no code of ours
		{ cat "$t/comm" "$t/status" >"$work/thread"; } 2>/dev/null || continue
		p=$(head -n 1 "$work/thread")
		case $p in kvm-* | vhost-*) continue ;; esac
		echo "$p: $(grep -E '^(Cap|NoNew|Seccomp:)' "$work/thread" | tr '\n\t' '  ')"
		grep -qx 'Seccomp:	2' "$work/thread"
		grep -qx 'NoNewPrivs:	1' "$work/thread"
		grep -qx 'CapBnd:	0000000000000000' "$work/thread"
		case $p in
		# chown, dac_override, fowner, fsetid, setgid, setuid, mknod, setfcap; not dac_read_search, not sys_admin
		files) grep -qx 'CapEff:	00000000880000db' "$work/thread" ;;
		*) grep -qx 'CapEff:	0000000000000000' "$work/thread" ;;
		esac
	done
	# without FUSE what the guest alone has is an empty read-only directory, and there are no processes
	gone='Transport endpoint is not connected'
	perl -e 'open(my $f, "+<", "/dev/fuse") or exit 1' || gone='' processes='' command='No such file or directory'
	# those who take it for the container find the container's files and processes, and nothing else where the guest has its own
	in_mounts_of "$pid" 'for ("/ro/file", "/etc/passwd", "/run/later/file", "/proc/1/cmdline", "/proc/1/environ") {
			print "$_: ", text($_) =~ tr/\0/ /r =~ s/ $//r, "\n" }
		for ("/", "/proc", "/run", "/dev", "/dev/pts", "/dev/shm", "/ro", "/link") { print "$_ has ", list($_), "\n" }
		for ("/made", "/ro/made", "/run/made", "/proc/made", "/dev/made", "/dev/shm/made", "/run/later/made", "/link/new") {
			print "put $_: ", put($_), "\n" }' | tee "$work/seen"
	for t in '/ro/file: text' '/run/later/file: text' "/proc/1/cmdline: $command" '/proc/1/environ: No such file or directory' \
		"/proc has $processes" '/run has later' '/dev has mqueue pts shm' '/dev/pts has ' "/dev/shm has $gone" '/ro has file' '/link has new' \
		'put /made: ok' 'put /ro/made: Read-only file system' 'put /run/made: Read-only file system' \
		'put /proc/made: Read-only file system' 'put /dev/made: Read-only file system' \
		"put /dev/shm/made: ${gone:-Read-only file system}" 'put /run/later/made: ok' 'put /link/new: Read-only file system'; do
		grep -qxF "$t" "$work/seen" || { echo "not seen: $t"; return 1; }
	done
	grep -q '^/ has .*\bbin\b' "$work/seen"
	[ "$(cat "$bundle/rootfs/made")" = put ] && [ "$(cat "$work/later/made")" = put ]
	[ "$(vrun exec c1 cat /made)" = put ]
	grep -Eq '^Max core file size +0 +0 ' /proc/$pid/limits
	[ "$(stat -c %u /proc/$pid/root)" = 0 ]
	if [ "$VRUN_TEST_ENGINE" = qemu ]; then
		p=$(pgrep -P "$pid" qemu-system)
		for ns in mnt ipc uts pid; do
			[ "$(readlink /proc/$p/ns/$ns)" != "$(readlink /proc/self/ns/$ns)" ]
		done
		[ "$(readlink /proc/$p/ns/mnt)" != "$(readlink /proc/$pid/ns/mnt)" ]
		grep -qx 'CapEff:	0000000000000000' /proc/$p/status
		grep -qx 'CapBnd:	0000000000000000' /proc/$p/status
		grep -qx 'NoNewPrivs:	1' /proc/$p/status
		grep -qx 'Seccomp:	2' /proc/$p/status
		# nothing of it can be written, and of /etc there is the dynamic linker's
		[ -z "$(awk '$6 !~ /^ro,/' /proc/$p/mountinfo)" ]
		[ -z "$(ls -A /proc/$p/root/etc | grep -vx 'ld.so.cache\|alternatives')" ]
		for t in proc sys var run root home; do
			# the guest's images are where they are outside
			case $repo/ in "/$t"/*) continue ;; esac
			[ ! -e "/proc/$p/root/$t" ]
		done
	fi
	# and all that commands do still works
	[ "$(vrun exec c1 cat /ro/file)" = text ]
	vrun pause c1
	vrun resume c1
	vrun exec c1 true
	vrun delete --force c1
}

@test "who looks for the container's processes from the host is never kept waiting" {
	local pid p begun
	perl -e 'open(my $f, "+<", "/dev/fuse") or exit 1' || { echo "/dev/fuse can't be opened"; return 1; }
	mkbundle -- sh -c 'sleep 1000 & sleep 1001 & echo >/up; exec sleep 1002'
	timeout 120 "$VRUN_TEST_BIN/vrun" --root "$state" run --engine "$VRUN_TEST_ENGINE" --detach --pid-file "$work/pid" \
		-b "$bundle" c1 </dev/null >/dev/null 2>&1
	pid=$(cat "$work/pid")
	while [ ! -e "$bundle/rootfs/up" ]; do sleep 0.1; done
	[ "$(in_mounts_of "$pid" 'print list("/proc")')" = "1 2 3 stat" ]
	[ "$(in_mounts_of "$pid" 'print list("/proc/2"), " ", readlink("/proc/2/ns/pid")')" = "cmdline ns stat status pid:[0]" ]
	# for root alone
	[ "$(in_mounts_of "$pid" '$> = 65534; print list("/proc")')" = "Permission denied" ]
	# many at a time; what one leaves open is closed when it goes
	in_mounts_of "$pid" 'for (1 .. 40) { next if fork; print list("/proc"), "\n"; for my $f (1 .. 3) { open(my $h, "<", "/proc/$f/status"); push @h, $h }
		kill 9, $$ } 1 while wait > 0' >"$work/many"
	[ "$(in_mounts_of "$pid" 'my @h; for (1 .. 60) { open(my $h, "<", "/proc/stat") or die "$_: $!"; push @h, $h } print scalar @h')" = 60 ]
	[ "$(in_mounts_of "$pid" 'my @h; for (1 .. 70) { open(my $h, "<", "/proc/stat") or last; push @h, $h } print "$!"')" = "Too many open files in system" ]
	vrun pause c1
	[ "$(in_mounts_of "$pid" 'print list("/proc")')" = "Device or resource busy" ]
	vrun resume c1
	[ "$(in_mounts_of "$pid" 'print list("/proc")')" = "1 2 3 stat" ]
	if [ "$VRUN_TEST_ENGINE" = qemu ]; then
		# a guest that hangs
		p=$(pgrep -P "$pid" qemu-system)
		kill -STOP "$p"
		begun=$SECONDS
		[ "$(in_mounts_of "$pid" 'print list("/proc")')" = "Connection timed out" ]
		[ $((SECONDS - begun)) -lt 20 ]
		# its end is that of waiting
		in_mounts_of "$pid" 'print list("/proc")' >"$work/aborted" &
		sleep 0.5
		kill -9 "$pid"
		wait $!
		grep -qx "Software caused connection abort" "$work/aborted"
	fi
	vrun delete --force c1
}

@test "--jail=off: works, with a warning; a container can't ask for it" {
	local pid
	mkbundle -- sh -c 'echo "[$(ls /plain/sub)]"; while [ ! -e /go ]; do sleep 0.1; done; echo out'
	mkdir -p "$work/plain/sub"
	mount -t tmpfs below "$work/plain/sub"
	touch "$work/plain/sub/below"
	add_mount '{ "destination": "/plain", "type": "bind", "source": "'"$work/plain"'", "options": ["bind"] }'
	vrun_run --jail off --pid-file "$work/pid" >"$work/out" 2>&1 3>&- &
	pid=$!
	for _ in $(seq 600); do
		! grep -q '^\[' "$work/out" || break
		sleep 0.2
	done
	# the process has the host's files; who takes it for the container does not get at them
	in_mounts_of "$(cat "$work/pid")" 'print list("/"), "/", put("/made"), "\n"' | tee "$work/seen"
	touch "$bundle/rootfs/go"
	wait $pid
	umount "$work/plain/sub"
	cat "$work/out"
	[ "$(cat "$work/seen")" = "/Read-only file system" ]
	grep -qx '\[\]' "$work/out"
	grep -q "warning: jail=off: vrun-vmm keeps all of vrun's rights" "$work/out"
	grep -qx out "$work/out"
	edit_config 's|"sh", "-c"|"true", "-c"|'
	edit_config 's|^  "hostname"|  "annotations": { "org.vrun.jail": "off" },\n&|'
	run vrun_run
	[ "$status" = 1 ]
	[[ "$output" == *'annotations["org.vrun.jail"]: there is no such setting'* ]]
	run vrun_run --jail maybe
	[ "$status" = 1 ]
	[[ "$output" == *'jail: "maybe" is not one of off or on'* ]]
}

@test "in a chroot, where the root is no mount and pivot_root(2) refuses" {
	mkbundle -- echo inside
	mkdir "$work/host"
	# what / has, below a directory
	cat >"$work/chroot" <<-'S'
		set -e
		mount -t tmpfs tmpfs "$1"
		mkdir "$1/root"
		for d in /*; do
			if [ -L "$d" ]; then
				cp -a "$d" "$1/root/"
			elif [ -d "$d" ]; then
				mkdir "$1/root$d"
				mount --rbind "$d" "$1/root$d"
			fi
		done
		shift
		exec chroot "$@"
	S
	run timeout -k 5 100 unshare --mount --propagation private sh "$work/chroot" "$work/host" "$work/host/root" \
		"$VRUN_TEST_BIN/vrun" --root "$state" run --engine "$VRUN_TEST_ENGINE" "$bundle" c1
	[ "$status" = 0 ]
	[ "$output" = inside ]
}
