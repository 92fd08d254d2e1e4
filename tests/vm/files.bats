#!/usr/bin/env bats
# Shares: what the container does to files is what the host sees, and no more.

load common

# Mode, owner, size, times, links and names of every file below a directory, sorted.
listing() {
	# a directory's size is its file system's own matter
	(cd "$1" && find . \( -type d -printf '%p %y %m %U:%G %T@ %n\n' \) -o -printf '%p %y %m %U:%G %s %T@ %n %l\n' | sort)
}

xattrs() {
	(cd "$1" && getfattr -R -h -d -m '^user\.' . 2>/dev/null | sort)
}

@test "a program in the pages that another one had is itself" {
	local n
	mkbundle -- /twins 300
	for n in 1 2; do gcc -static -no-pie -O1 -DTWIN=$n -o "$bundle/rootfs/twin$n" "$BATS_TEST_DIRNAME/twins.c"; done
	cp "$bundle/rootfs/twin1" "$bundle/rootfs/twins"
	run vrun_run
	echo "$output"
	[ "$status" = 0 ]
	[ "$output" = "0 wrong" ]
}

@test "with cache = always all of the memory for what is to be written is the share's" {
	mkbundle -- sh -c 'dd if=/dev/zero of=/big bs=1M count=8 2>/dev/null; cat /sys/class/bdi/*/max_ratio'
	edit_config -e 's|^  "process": {|  "annotations": { "org.vrun.cache": "always" },\n&|'
	run vrun_run
	echo "$output"
	[ "$status" = 0 ] && [ "$output" = 100 ]
	cmp "$bundle/rootfs/big" <(head -c 8388608 /dev/zero)
}

# bats test_tags=slow
@test "a tree unpacked in the container is identical on the host" {
	local src=$work/src
	mkdir -p "$src"
	cp -a /usr/share/doc/[a-l]* /usr/share/zoneinfo "$src/" 2>/dev/null || true
	(
		cd "$src"
		ln -s /etc/passwd absolute
		ln -s ../../../../etc/shadow outside
		ln zoneinfo/UTC hardlink
		mkfifo fifo
		mknod null c 1 3
		mkdir -m 2775 setgid
		mkdir -m 1777 sticky
		echo secret >owned && chown 1234:5678 owned && chmod 4711 owned
		printf 'x%.0s' $(seq 250) | xargs touch
		touch -d '1999-12-31 23:59:59.123456789 UTC' old
		touch "$(printf 'sp ace\n new\\line \xc3\xa9')"
	)
	setfattr -n user.note -v 'kept' "$src/owned" "$src/setgid"
	tar --format=posix --xattrs -C "$src" -cf "$work/tree.tar" .
	echo "$(find "$src" | wc -l) files" >&2
	[ "$(find "$src" | wc -l)" -gt 3000 ]

	mkbundle -- true
	# busybox's tar leaves times of links and directories alone: GNU's
	rm "$bundle/rootfs/bin/tar"
	add_programs tar
	mkbundle -- tar --xattrs --xattrs-include='*' -C /tree -xpf /tree.tar
	mkdir "$bundle/rootfs/tree"
	mv "$work/tree.tar" "$bundle/rootfs/tree.tar"
	vrun_run
	# contents; special files are in the listing below
	(cd "$src" && find . -type f -print0 | sort -z | xargs -0 sha256sum) >"$work/a"
	(cd "$bundle/rootfs/tree" && find . -type f -print0 | sort -z | xargs -0 sha256sum) >"$work/b"
	cmp "$work/a" "$work/b"
	diff <(listing "$src") <(listing "$bundle/rootfs/tree")
	diff <(xattrs "$src") <(xattrs "$bundle/rootfs/tree")
	[ "$(xattrs "$src" | grep -c user.note)" = 2 ]
}

@test "what the guest writes has the guest's owner, times and data" {
	mkbundle -- sh -c 'umask 027; echo data >/f; mkdir /d; ln -s f /l; ln /f /h; mkfifo /p; touch -d "2001-02-03 04:05:06" /old'
	edit_config -e 's|"uid": 0, "gid": 0|"uid": 1000, "gid": 1001|'
	mkdir -p "$bundle/rootfs" && chmod 777 "$bundle/rootfs"
	vrun_run
	cd "$bundle/rootfs"
	[ "$(stat -c '%a %u:%g %h %s' f)" = "640 1000:1001 2 5" ]
	[ "$(stat -c '%a %u:%g %F' d)" = "750 1000:1001 directory" ]
	[ "$(readlink l)" = f ]
	[ "$(stat -c '%F' p)" = fifo ]
	[ "$(stat -c '%i' f)" = "$(stat -c '%i' h)" ]
	[ "$(stat -c '%y' old | cut -c1-19)" = "2001-02-03 04:05:06" ]
}

@test "extended attributes cross both ways" {
	mkbundle -- true
	add_programs setfattr getfattr
	touch "$bundle/rootfs/f"
	setfattr -n user.host -v 'from the host' "$bundle/rootfs/f"
	mkbundle -- sh -c 'getfattr --absolute-names --only-values -n user.host /f && setfattr -n user.guest -v "from the guest" /f && setfattr -x user.host /f'
	run vrun_run
	[ "$status" = 0 ]
	[ "$output" = "from the host" ]
	[ "$(getfattr --absolute-names --only-values -n user.guest "$bundle/rootfs/f")" = "from the guest" ]
	run getfattr --absolute-names -n user.host "$bundle/rootfs/f"
	[ "$status" != 0 ]
}

@test "a symlink in a share leads nowhere on the host" {
	mkbundle -- sh -c 'cat /outside/host-secret; cat /abs; echo x >/tmpl/new; ls /'
	echo secret >"$work/host-secret"
	ln -s "../../../../../../../../../..$work" "$bundle/rootfs/outside"
	ln -s "$work/host-secret" "$bundle/rootfs/abs"
	ln -s "$work" "$bundle/rootfs/tmpl"
	run vrun_run
	[[ "$output" != *secret\ * ]]
	[[ "$output" != *$'\n'secret$'\n'* ]]
	[ ! -e "$work/new" ]
}

@test "a read-only root refuses writes" {
	mkbundle --readonly -- sh -c 'touch /f; mkdir /d; rm /etc/passwd; chmod 777 /etc; true'
	run vrun_run
	[ "$status" = 0 ]
	[ "$(grep -c 'Read-only file system' <<<"$output")" = 4 ]
	[ ! -e "$bundle/rootfs/f" ] && [ -e "$bundle/rootfs/etc/passwd" ]
}

@test "bind mounts: writable, read-only, of one file, with spaces in the name" {
	mkbundle -- sh -c 'cat /a/in /b/in /one; echo w >/a/out; echo w >/b/out; echo w >>/one; true'
	mkdir -p "$work/a dir" "$work/b"
	echo in-a >"$work/a dir/in"
	echo in-b >"$work/b/in"
	echo one >"$work/one"
	add_mount '{ "destination": "/a", "type": "bind", "source": "'"$work/a dir"'", "options": ["rbind", "rw"] }'
	add_mount '{ "destination": "/b", "type": "bind", "source": "'"$work/b"'", "options": ["bind", "ro"] }'
	add_mount '{ "destination": "/one", "type": "bind", "source": "'"$work/one"'", "options": ["bind", "rw"] }'
	run vrun_run
	[ "$status" = 0 ]
	[[ "$output" == *$'in-a\nin-b\none'* ]]
	[[ "$output" == *"Read-only file system"* ]]
	[ "$(cat "$work/a dir/out")" = w ]
	[ ! -e "$work/b/out" ]
	[ "$(cat "$work/one")" = $'one\nw' ]
}

# failing_disk DIR: a file system on a disk that loses what is written to it and, of "file", what had been written.
failing_disk() {
	local first
	mkdir -p "$work/tiny" "$1"
	mount -t tmpfs -o size=3m tiny "$work/tiny"
	truncate -s 16M "$work/tiny/disk"
	mkfs.ext4 -q -b 4096 -O ^has_journal -E lazy_itable_init=0 "$work/tiny/disk"
	mount -o loop "$work/tiny/disk" "$1"
	echo kept >"$1/other"
	head -c 500000 /dev/zero | tr '\0' x >"$1/file"
	sync -f "$1/file"
	first=$(filefrag -b4096 -v "$1/file" | awk '$1 == "0:" { print $4 + 0 }')
	# what is behind the end of the disk's file can't be read, once the host's cache is without it
	truncate -s $((first * 4096)) "$work/tiny/disk"
	dd of="$1/file" oflag=nocache conv=notrunc,fdatasync count=0 status=none
	head -c 3M /dev/zero 2>/dev/null >"$work/tiny/rest" || true
}

# serve_socket PATH: tell each that connects who it is, and after its end how much came.
serve_socket() {
	perl -e 'unlink $ARGV[0]; socket(my $s, 1, 1, 0) or die; bind($s, pack("Sa*", 1, $ARGV[0])) or die "$!"; chmod 0660, $ARGV[0];
		chown 0, 4321, $ARGV[0]; listen($s, 8) or die; syswrite(STDOUT, "ready\n");
		while (accept(my $c, $s)) {
			my ($pid, $uid, $gid) = unpack("iii", getsockopt($c, 1, 17));
			syswrite($c, "you are $uid:$gid\n");
			my ($n, $sum) = (0, 0);
			while (sysread($c, my $b, 65536)) { $n += length $b; $sum += unpack("%32C*", $b) }
			syswrite($c, "got $n, sum $sum\n" x 20000); close $c;
		}' "$1" >"$work/served" 2>&1 3>&- &
	server=$!
	for _ in $(seq 300); do
		! grep -q . "$work/served" || return 0
		sleep 0.1
	done
	cat "$work/served"
	return 1
}

@test "a unix socket of the host: its owner and mode, who connects, streams both ways to their end" {
	local server connector
	mkbundle -- true
	add_programs perl
	mkdir "$work/run"
	serve_socket "$work/run/host.sock"
	cat >"$bundle/rootfs/client" <<-'P'
		socket(my $s, 1, 1, 0) or die;
		connect($s, pack("Sa*", 1, $ARGV[0])) or die "connect: $!\n";
		my ($n, $b) = ($ARGV[1], "ab" x 4096);
		print scalar <$s>;
		while ($n) { my $w = syswrite($s, $b, $n < 8192 ? $n : 8192) or die "write: $!\n"; $n -= $w }
		shutdown($s, 1);
		my %lines; $lines{$_}++ while <$s>; print "$lines{$_} of $_" for keys %lines;
	P
	add_mount '{ "destination": "/run/host.sock", "type": "bind", "source": "'"$work/run/host.sock"'", "options": ["rbind", "ro"] }'
	add_mount '{ "destination": "/deep/down/again", "type": "bind", "source": "'"$work/run/host.sock"'", "options": ["bind"] }'
	jq '.process.args = ["sh", "-c", $s] | .process.user = { uid: 1234, gid: 4321 }' --arg s '
		stat -c "%a %u:%g %F" /run/host.sock
		perl /client /run/host.sock 10; perl /client /deep/down/again 3000000
		while [ ! -e /gone ]; do sleep 0.1; done; perl /client /run/host.sock 0; echo "after $?"' "$bundle/config.json" >"$work/config.new"
	mv "$work/config.new" "$bundle/config.json"
	vrun_run --pid-file "$work/pid" >"$work/out" 2>&1 3>&- &
	local pid=$!
	for _ in $(seq 600); do
		! grep -q 'got 3000000' "$work/out" || break
		sleep 0.2
	done
	# outside of the jail, with the sockets and nothing else
	connector=$(pgrep -P "$(cat "$work/pid")" vrun-connector)
	[ "$(ls "/proc/$connector/fd" | wc -l)" = 6 ]
	# dac_override, setgid, setuid
	grep -qx 'CapPrm:	00000000000000c2' "/proc/$connector/status"
	kill $server
	wait $server || true
	touch "$bundle/rootfs/gone"
	wait $pid
	cat "$work/out"
	[ "$(cat "$work/out")" = '660 0:4321 socket
you are 1234:4321
20000 of got 10, sum 975
you are 1234:4321
20000 of got 3000000, sum 292500000
after 0' ]
	# nobody else's group
	edit_config 's|"gid": 4321|"gid": 4322|; s|perl /client /run/host.sock 10;.*done;||'
	run vrun_run
	[[ "$output" == *$'connect: Permission denied\nafter 13'* ]]
}

@test "a full disk reaches the container as ENOSPC, a failing one as EIO" {
	mkbundle -- sh -c 'dd if=/dev/zero of=/small/f bs=64k count=64; echo "dd $?"; ls -l /small/f | awk "{ print \$5 }"
		cat /bad/other; cat /bad/file >/dev/null; echo "cat $?"
		dd if=/dev/zero of=/bad/new bs=64k count=64 conv=fsync; echo "write $?"; echo over'
	mkdir -p "$work/small"
	mount -t tmpfs -o size=1m small "$work/small"
	failing_disk "$work/bad"
	# behind the end of its file Linux 6.1's loop device reads zeros, later ones fail
	local unread=0
	cat "$work/bad/file" >/dev/null 2>&1 || unread=1
	add_mount '{ "destination": "/small", "type": "bind", "source": "'"$work/small"'", "options": ["bind", "rw"] }'
	add_mount '{ "destination": "/bad", "type": "bind", "source": "'"$work/bad"'", "options": ["bind", "rw"] }'
	run vrun_run
	umount "$work/small" "$work/bad" "$work/tiny"
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" == *"No space left on device"* ]]
	[[ "$output" == *"dd 1"* ]]
	# what could not be written is told by fsync()
	[[ "$output" == *"kept"*"cat $unread"*"dd: /bad/new: "*"write 1"*"over"* ]]
	[ $unread = 0 ] || [[ "$output" == *"cat: read error: Input/output error"* ]]
}

@test "the host's changes are seen while the container runs" {
	mkbundle -- sh -c 'echo ready; i=0; while [ ! -e /signal ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i + 1)); done; cat /signal'
	vrun_run >"$work/out" &
	local pid=$! i
	for i in $(seq 300); do
		grep -q ready "$work/out" && break
		sleep 0.2
	done
	echo hello >"$bundle/rootfs/signal"
	wait $pid
	[ "$(tail -n 1 "$work/out")" = hello ]
}

@test "file locks work between processes of the container" {
	mkbundle -- true
	add_programs flock
	mkbundle -- sh -c '(flock 9; echo first; sleep 1; echo first done) 9>/lock & sleep 0.3; (flock 9; echo second) 9>/lock; wait'
	run vrun_run
	[ "$output" = $'first\nfirst done\nsecond' ]
}
