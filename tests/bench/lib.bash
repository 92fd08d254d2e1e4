# lib: what the groups of rows share. Sourced by tests/bench/rows.
#
# A row is a line of tabs: name, unit, runtime, samples (numbers with spaces between), or "!why" in place of
# samples for one that could not run. tests/bench/report makes the table of them.

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
here=$repo/tests/bench
helpers=$repo/build/release/bench
vrun=$repo/build/release/vrun
guest=$repo/build/guest
memory=128M
export LC_ALL=C

# All that a run makes is here, on memory: the disk is no part of what is compared.
work=$(mktemp -d /dev/shm/vrun-bench.XXXXXX)
bundle=$work/bundle
rootfs=$bundle/rootfs

say() { echo "bench: $*" >&2; }

row() { # NAME UNIT RUNTIME SAMPLE...
	local name=$1 unit=$2 runtime=$3
	shift 3
	printf '%s\t%s\t%s\t%s\n' "$name" "$unit" "$runtime" "$*" >>"$rows"
	say "$name, $runtime: $* $unit"
}

# A row that could not run is named as such.
no_row() { # NAME UNIT RUNTIME WHY
	printf '%s\t%s\t%s\t!%s\n' "$1" "$2" "$3" "$4" >>"$rows"
	say "$1, $3: could not run: $4"
}

# The last line that tells why: stopwatch only tells that nothing came.
why() { # FILE...
	cat "$@" 2>/dev/null | tr -d '\r' | grep -v '^stopwatch: ' | grep . | tail -n 1 | cut -c1-200 | grep . || echo "it printed nothing"
}

# Nanoseconds to milliseconds, and to millions.
to_ms() { awk '{ for (i = 1; i <= NF; i++) printf "%s%.3f", (i > 1 ? " " : ""), $i / 1e6; print "" }' <<<"$*"; }
to_mib() { awk '{ for (i = 1; i <= NF; i++) printf "%s%.1f", (i > 1 ? " " : ""), $i / 1024; print "" }' <<<"$*"; }

# Those of the runtimes that BENCH_RUNTIMES has; all without it.
chosen() { # RUNTIME...
	local runtime
	for runtime; do
		[[ " ${BENCH_RUNTIMES:-$runtime} " != *" $runtime "* ]] || echo "$runtime"
	done
}

# Why a runtime can't run here; nothing when it can.
missing() { # RUNTIME
	case $1 in
	vrun-tuned) [ -s "$guest/vmlinux-tuned" ] || echo "no tuned kernel (make kernel)" ;;
	vrun-stock) [ -s "$guest/vmlinux" ] || echo "no stock kernel (make guest)" ;;
	microvm)
		if ! command -v qemu-system-x86_64 >/dev/null; then echo "no qemu-system-x86_64"
		elif [ ! -x "$virtiofsd" ]; then echo "no $virtiofsd (qemu-system-common)"
		elif [ ! -s "$guest/vmlinux-tuned" ]; then echo "no tuned kernel (make kernel)"; fi
		;;
	runc | crun) command -v "$1" >/dev/null || echo "no $1" ;;
	esac
}
virtiofsd=${VIRTIOFSD:-/usr/lib/qemu/virtiofsd}

# The bundle runs /bench.sh of its root; so do the microvm and chroot.
script() { cat >"$rootfs/bench.sh"; }

# in_runtime RUNTIME ID [OPTION...]: the container in the foreground.
in_runtime() {
	local runtime=$1 id=$2
	shift 2
	case $runtime in
	vrun-tuned) "$vrun" --root "$work/vrun" run --engine kvm --memory $memory --kernel "$guest/vmlinux-tuned" \
		--initrd "$guest/initrd-tuned.img" "$@" "$bundle" "$id" ;;
	vrun-stock) "$vrun" --root "$work/vrun" run --engine kvm --memory $memory --kernel "$guest/vmlinux" \
		--initrd "$guest/initrd.img" "$@" "$bundle" "$id" ;;
	runc | crun) "$runtime" --root "$work/$runtime" run "$@" --bundle "$bundle" "$id" ;;
	microvm) "$here/microvm" -k "$guest/vmlinux-tuned" -i "$work/init.img" -m $memory -r "$rootfs" "$@" ;;
	native) chroot "$rootfs" sh /bench.sh ;;
	esac
}

# The same for a program that has to be a program: stopwatch runs it.
export_runtime() {
	export -f in_runtime
	export work bundle rootfs vrun guest memory here
}

# Proportional memory of a process and all below it, in KiB.
pss() { # PID...
	local pid sum=0 key value rest child
	for pid; do
		while read -r key value rest; do
			[ "$key" != Pss: ] || sum=$((sum + value))
		done <"/proc/$pid/smaps_rollup" 2>/dev/null || true
		for child in $(cat /proc/"$pid"/task/*/children 2>/dev/null); do
			sum=$((sum + $(pss "$child")))
		done
	done
	echo $sum
}

make_bundle() {
	"$repo/hack/mkbundle" "$bundle" -- sh /bench.sh
	# crun takes no newer one
	sed -i 's/"ociVersion": "[^"]*"/"ociVersion": "1.0.2"/' "$bundle/config.json"
	cp "$helpers/work" "$rootfs/work"
	mknod -m 666 "$rootfs/dev/null" c 1 3
	mkdir -p "$rootfs/data"
	# the peer's initramfs: its init alone
	mkdir -p "$work/init/dev"
	mknod -m 600 "$work/init/dev/console" c 5 1
	cp "$helpers/init" "$work/init/init"
	(cd "$work/init" && find . | cpio -o -H newc --quiet >"$work/init.img")
}

clean_up() {
	local pid id
	for id in "$work"/vrun/*/; do
		[ -d "$id" ] && "$vrun" --root "$work/vrun" delete --force "$(basename "$id")" 2>/dev/null
	done
	for runtime in runc crun; do
		for id in "$work/$runtime"/*/; do
			[ -d "$id" ] && "$runtime" --root "$work/$runtime" delete --force "$(basename "$id")" 2>/dev/null
		done
	done
	for pid in $(jobs -p); do kill "$pid" 2>/dev/null; done
	rm -rf "$work"
}
