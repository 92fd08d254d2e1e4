#!/usr/bin/env bats
# vrun-vmm serve: our devices under a QEMU command line of the user's own.

load common

# Wait for a file or socket.
wait_for() {
	local i
	for i in $(seq 200); do
		[ -e "$1" ] && return 0
		sleep 0.05
	done
	echo "no $1"
	return 1
}

# serve DEVICE OPTIONS...: in the background, ended by stop_servers.
serve() {
	"$VRUN_TEST_BIN/vrun-vmm" serve "$@" 2>>"$work/serve.err" 3>&- &
	servers+=($!)
}

stop_servers() {
	local p
	for p in "${servers[@]}"; do kill "$p" || return 1; done
	for p in "${servers[@]}"; do wait "$p" || return 1; done
	servers=()
}

# make_guest SCRIPT: an initramfs whose init loads the modules and runs it, its output on the console.
make_guest() {
	mkdir -p "$work/guest/bin" "$work/guest/mnt" "$work/guest/proc"
	cp /bin/busybox "$work/guest/bin/"
	[ ! -e "$work/vsock_peer" ] || cp "$work/vsock_peer" "$work/guest/bin/"
	cat >"$work/guest/test-init" <<END
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
while read m; do insmod \$m; done </modules
# the driver learns of its ports by messages: later, on a busy machine
while [ ! -c /dev/hvc0 ]; do usleep 10000; done
exec >/dev/hvc0 2>&1
$1
echo END
reboot -f
END
	chmod +x "$work/guest/test-init"
	{
		cat "$repo/build/guest/initrd.img"
		(cd "$work/guest" && find . -mindepth 1 | cpio -o -H newc --quiet -R 0:0)
	} >"$work/initrd"
}

# What the README shows: QEMU with guest memory that others can map, and a device on a socket.
run_qemu() {
	local accel=tcg
	[ "$VRUN_TEST_ENGINE" = qemu ] || accel=kvm
	timeout -k 5 150 qemu-system-x86_64 -M q35,memory-backend=ram -accel $accel -m 256M \
		-object memory-backend-memfd,id=ram,size=256M,share=on \
		-nodefaults -display none -no-reboot \
		-kernel "$repo/build/guest/vmlinux" -initrd "$work/initrd" \
		-append "console=hvc0 quiet panic=-1 reboot=t rdinit=/test-init" \
		-chardev file,id=con,path="$work/console" -device virtio-serial-pci -device virtconsole,chardev=con \
		"$@" 3>&- || return 1
	tr -d '\r' <"$work/console"
	grep -q '^END' "$work/console"
}

@test "serve fs: a plain QEMU mounts our shares, reads and writes" {
	mkdir -p "$work/a" "$work/b"
	echo from-host >"$work/a/in"
	echo kept >"$work/b/kept"
	make_guest '
		mount -t virtiofs vrun /mnt && ls /mnt
		cat /mnt/a/in
		echo from-guest >/mnt/a/out
		dd if=/dev/zero of=/mnt/a/big bs=1M count=8 2>/dev/null; sync
		echo no >/mnt/b/kept || echo refused
		rm /mnt/b/kept || echo refused too'
	serve fs -s "$work/fs.sock" --share "a=$work/a" --share-readonly "b=$work/b"
	wait_for "$work/fs.sock"
	run run_qemu -chardev socket,id=fs,path="$work/fs.sock" -device vhost-user-fs-pci,chardev=fs,tag=vrun
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *from-host* && $output == *refused*"refused too"* ]]
	[ "$(cat "$work/a/out")" = from-guest ]
	[ "$(stat -c %s "$work/a/big")" = 8388608 ]
	[ "$(cat "$work/b/kept")" = kept ]

	# the next front-end is served by the same process
	rm "$work/a/out"
	run run_qemu -chardev socket,id=fs,path="$work/fs.sock" -device vhost-user-fs-pci,chardev=fs,tag=vrun
	[ "$status" = 0 ]
	[ "$(cat "$work/a/out")" = from-guest ]
	stop_servers
	[ ! -e "$work/fs.sock" ]
	[ ! -s "$work/serve.err" ]
}

@test "serve vsock: a plain QEMU's guest reaches a unix socket of the host" {
	gcc -static -O1 -o "$work/vsock_peer" "$BATS_TEST_DIRNAME/vsock_peer.c"
	mkdir "$work/ports"
	make_guest '
		vsock_peer guest 5000
		vsock_peer guest 5001 || echo refused'
	serve vsock -s "$work/vsock.sock" --cid 77 --connect-dir "$work/ports"
	"$work/vsock_peer" host "$work/ports/5000" >"$work/heard" 3>&- &
	wait_for "$work/vsock.sock"
	wait_for "$work/ports/5000"
	run run_qemu -chardev socket,id=vs,path="$work/vsock.sock" -device vhost-user-vsock-pci,chardev=vs
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *"host says pong"*refused* ]]
	[ "$(cat "$work/heard")" = "guest says ping" ]
	stop_servers
}

@test "serve: a QEMU that is killed takes nothing with it" {
	mkdir -p "$work/a"
	make_guest 'mount -t virtiofs vrun /mnt; echo up >/mnt/a/up; sleep 100'
	serve fs -s "$work/fs.sock" --share "a=$work/a"
	wait_for "$work/fs.sock"
	run_qemu -chardev socket,id=fs,path="$work/fs.sock" -device vhost-user-fs-pci,chardev=fs,tag=vrun >/dev/null &
	local runner=$! qemu i
	for i in $(seq 1400); do
		[ -e "$work/a/up" ] && break
		sleep 0.1
	done
	[ -e "$work/a/up" ]
	qemu=$(grep -l "path=$work/fs.sock" /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3 | while read -r p; do
		[ "$(cat "/proc/$p/comm")" != qemu-system-x86 ] || echo "$p"
	done)
	kill -9 $qemu
	wait $runner || true
	make_guest 'mount -t virtiofs vrun /mnt; echo again >/mnt/a/again'
	run run_qemu -chardev socket,id=fs,path="$work/fs.sock" -device vhost-user-fs-pci,chardev=fs,tag=vrun
	[ "$status" = 0 ]
	[ "$(cat "$work/a/again")" = again ]
	stop_servers
}

@test "serve: what is missing or wrong is said" {
	run "$VRUN_TEST_BIN/vrun-vmm" serve disk -s "$work/s"
	[ "$status" = 1 ]
	[[ $output == *'no device "disk"'* ]]
	run "$VRUN_TEST_BIN/vrun-vmm" serve fs -s "$work/s"
	[[ $status = 1 && $output == *"nothing to share"* ]]
	run "$VRUN_TEST_BIN/vrun-vmm" serve fs --share "a=$work"
	[[ $status = 1 && $output == *"--socket-path is missing"* ]]
	run "$VRUN_TEST_BIN/vrun-vmm" serve fs -s "$work/none/s" --share "a=$work"
	[[ $status = 1 && $output == *"$work/none/s"* ]]
	run "$VRUN_TEST_BIN/vrun-vmm" serve vsock -s "$work/s" --cid 2
	[[ $status = 1 && $output == *"2 can't be a guest's context id"* ]]
	touch "$work/file"
	run "$VRUN_TEST_BIN/vrun-vmm" serve vsock -s "$work/file"
	[[ $status = 1 && $output == *"$work/file"* ]]
	[ -f "$work/file" ]
}
