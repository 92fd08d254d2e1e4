#!/usr/bin/env bats
# Ways out of the container and its VM that are tried: through shares, by using up what the host has, by crashing.

load common

# bind DESTINATION SOURCE OPTION...
bind() {
	local destination=$1 source=$2
	shift 2
	add_mount "$(jq -nc --arg d "$destination" --arg s "$source" '{ destination: $d, type: "bind", source: $s, options: $ARGS.positional }' \
		--args -- bind "$@")"
}

# all_rights: the container's root may do what a kernel lets root do.
all_rights() {
	jq '(.process.capabilities[]) = ["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_DAC_READ_SEARCH","CAP_FOWNER","CAP_FSETID","CAP_KILL","CAP_SETGID",
		"CAP_SETUID","CAP_SETPCAP","CAP_LINUX_IMMUTABLE","CAP_NET_ADMIN","CAP_NET_RAW","CAP_SYS_CHROOT","CAP_SYS_PTRACE","CAP_SYS_ADMIN",
		"CAP_SYS_BOOT","CAP_SYS_RESOURCE","CAP_MKNOD","CAP_SETFCAP","CAP_SYS_RAWIO"] | .process.noNewPrivileges = false
		| .linux.readonlyPaths = [] | .linux.maskedPaths = []' "$bundle/config.json" >"$work/config.new"
	mv "$work/config.new" "$bundle/config.json"
}

script() {
	cat >"$bundle/rootfs/script"
	chmod 755 "$bundle/rootfs/script"
}

@test "shares: races of symlinks and names, .., descriptors, devices, set-user-ID, read-only" {
	local swapper i
	mkbundle -- sh /script
	mkdir -p "$work/data/real" "$work/outside" "$work/ro" "$work/suid"
	echo inside >"$work/data/real/secret"
	echo OUTSIDE >"$work/outside/secret"
	echo kept >"$work/ro/file"
	ln -s ../outside "$work/data/link"
	# with its libraries; busybox gives the right up by itself
	rm "$bundle/rootfs/bin/id"
	add_programs id
	cp "$bundle/rootfs/bin/id" "$work/suid/"
	chmod 4755 "$work/suid/id"
	bind /data "$work/data" rw
	bind /ro "$work/ro" ro
	bind /suid "$work/suid" rw
	bind /nosuid "$work/suid" rw nosuid
	all_rights
	script <<'S'
		# on the host d is a directory and a symlink to what is outside, in turn
		i=0; seen=0; while [ $i -lt 1500 ]; do
			cat /data/d/secret 2>/dev/null && seen=$((seen + 1)); ls /data/d/../../outside 2>/dev/null; i=$((i + 1))
		done | sort | uniq -c
		# names and descriptors
		cat /data/../outside/secret /data/link/secret /data/d/../../outside/secret 2>/dev/null
		exec 5</data/real
		cat /proc/self/fd/5/../../outside/secret 2>/dev/null
		# what a mount of the guest's says is not what the host does
		mount -o remount,rw,bind /ro && echo "remounted"
		for c in 'echo x >/ro/file' 'echo x >/ro/new' 'rm /ro/file' 'mv /ro/file /ro/g' 'chmod 777 /ro/file' 'chown 1 /ro/file' \
			'ln /ro/file /ro/h' 'ln -s x /ro/s' 'mknod /ro/n c 1 3' 'touch /ro/file' 'truncate -s 0 /ro/file'; do
			sh -c "$c" 2>/dev/null && echo "ro: $c"
		done
		exec 6</ro/file
		echo x 2>/dev/null >/proc/self/fd/6 && echo "ro: by descriptor"
		ln -L /proc/self/fd/6 /data/file 2>/dev/null && echo "ro: linked"
		# a device in a share is the guest's
		mknod /data/mem c 1 1 && mknod /data/null c 1 3 && mknod /data/disk b 254 0 && echo made
		echo text >/data/null && echo "null written"
		cat /data/disk >/dev/null 2>&1 && echo "a disk of the host"
		echo 'user:x:1000:1000::/:/bin/sh' >>/etc/passwd
		echo "uids $(su -s /bin/sh user -c '/suid/id -u; /nosuid/id -u' | tr '\n' ' ')"
		echo over
S
	mkdir "$work/data/d"
	echo inside >"$work/data/d/secret"
	# renameat2(RENAME_EXCHANGE) would be tidier; mv has gaps, in which there is nothing
	(while :; do mv -T "$work/data/d" "$work/data/d.dir" && mv -T "$work/data/link" "$work/data/d"; mv -T "$work/data/d" "$work/data/link" && mv -T "$work/data/d.dir" "$work/data/d"; done) 2>/dev/null 3>&- &
	swapper=$!
	run vrun_run
	kill $swapper
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" == *over* ]]
	# it was read often enough to have met the swaps
	[[ "$output" =~ ([0-9]+)\ inside ]] && [ "${BASH_REMATCH[1]}" -gt 50 ]
	[[ "$output" != *OUTSIDE* ]]
	[[ "$output" == *remounted* ]]
	[[ "$output" != *ro:* ]]
	[ "$(cat "$work/ro/file")" = kept ] && [ "$(ls "$work/ro")" = file ]
	[[ "$output" == *made* && "$output" == *"null written"* && "$output" != *"a disk of the host"* ]]
	[ "$(stat -c %F "$work/data/null")" = "character special file" ]
	[[ "$output" == *"uids 0 1000 "* ]]
}

# VRUN_TEST_FILES: so many (4000, of which vrun-vmm may have 300 open; `make soak`: a million, and 4096).
@test "more files than descriptors: all are found, and too many open ones are refused" {
	local n=${VRUN_TEST_FILES:-4000} limit=300
	[ "$n" -le 100000 ] || limit=4096
	mkbundle -- sh -c "find /many -type f | wc -l; find /many -type f -exec stat -c %s {} + | sort | uniq -c; ls /many/d7/f77
		(i=10; while eval \"exec \$i</many/d\$((i / 1000))/f\$((i % 1000))\" && [ \$i -lt $((limit * 3)) ]; do i=\$((i + 1)); echo \$i >/opened; done) 2>/error
		echo \"opened \$(cat /opened)\"; cat /error; cat /many/d2/f12 && echo 'and on'"
	jq '.process.rlimits[0] += { soft: 20000, hard: 20000 }' "$bundle/config.json" >"$work/c.json"
	mv "$work/c.json" "$bundle/config.json"
	mkdir "$work/many"
	mount -t tmpfs -o nr_inodes=0 many "$work/many"
	(cd "$work/many" && for i in $(seq 0 $((n / 1000 - 1))); do mkdir "d$i" && (cd "d$i" && seq -f f%g 0 999 | xargs touch); done; mkdir -p d7 && touch d7/f77)
	n=$(find "$work/many" -type f | wc -l)
	bind /many "$work/many" ro
	# what vrun-vmm may have open, shares, sockets and all
	ulimit -n $limit
	run timeout -k 5 $((170 + n / 1000)) "$VRUN_TEST_BIN/vrun" --root "$state" run --engine "$VRUN_TEST_ENGINE" \
		${guest_options[@]+"${guest_options[@]}"} "$bundle" many
	umount "$work/many"
	echo "$output"
	[ "$status" = 0 ]
	[ "$n" -ge "${VRUN_TEST_FILES:-4000}" ]
	[ "$(sed -n 1p <<<"$output")" = "$n" ]
	[[ "$output" == *"$n 0"* ]]
	[[ "$output" == *"/many/d7/f77"* ]]
	# each open file takes two
	[[ "$output" =~ opened\ ([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -gt $((limit / 4)) ] && [ "${BASH_REMATCH[1]}" -lt $limit ]
	[[ "$output" == *"Too many open files in system"* && "$output" == *"and on"* ]]
}

@test "all memory, a fork bomb, sysrq's crash: the neighbour goes on, the caller is told" {
	local before
	mkbundle -- sleep 1000
	timeout 120 "$VRUN_TEST_BIN/vrun" --root "$state" run --engine "$VRUN_TEST_ENGINE" --detach -b "$bundle" neighbour \
		</dev/null >/dev/null 2>&1
	before=$(ls -d /proc/[0-9]* | wc -l)
	mkbundle -- sh /script
	all_rights
	script <<'S'
		# tmpfs has no limit but the guest's memory
		mount -t tmpfs -o size=100% none /mnt
		dd if=/dev/zero of=/mnt/all bs=1M 2>/dev/null
		rm /mnt/all
		# from here on nothing can be started
		sleep 3 &
		sleeper=$!
		b() { b | b & }
		( b ) 2>/dev/null
		wait $sleeper
		echo c >/proc/sysrq-trigger
		echo still here
S
	mkdir -p "$bundle/rootfs/mnt"
	run vrun_run --memory 128M
	echo "${output:0:600}"
	# the crash, or the kernel that found nobody left to kill
	[ "$status" = 1 ] || [ "$status" = 137 ]
	[[ "$output" != *"still here"* ]]
	[ "$(vrun exec neighbour echo here)" = here ]
	[ "$(ls -d /proc/[0-9]* | wc -l)" -lt $((before + 200)) ]
	vrun delete --force neighbour
}
