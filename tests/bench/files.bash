# files: processors, system calls, and files on a shared root, with each cache mode; also without any container.

prepare_files() {
	local file
	"$helpers/work" write "$rootfs/data/big" 64 >/dev/null
	"$helpers/work" write "$rootfs/data/mapped" 64 >/dev/null
	# a real tree: vrun's own sources, with their history
	for file in $(command -v git) $(ldd "$(command -v git)" | grep -o '/[^ ]*'); do
		mkdir -p "$rootfs$(dirname "$file")"
		cp -L "$file" "$rootfs$file"
	done
	git clone -q --no-hardlinks "$repo" "$rootfs/data/tree" 2>/dev/null
	git -C "$rootfs/data/tree" archive --format=tar -o "$rootfs/data/tree.tar" HEAD
	{
		echo "repeat=$repeat"
		cat <<-'S'
			w=/work
			t() { name=$1; shift; for i in 1 2 3; do echo "$name $($w "$@")"; done; }
			cd /data || exit 1
			t "processor loop" cpu 20000000
			t "100,000 system calls" syscall 100000
			echo "read 64 MiB first $($w read big)"
			t "read 64 MiB again" read big
			echo "mmap 64 MiB first $($w mmap mapped)"
			t "mmap 64 MiB again" mmap mapped
			t "write 64 MiB" write new 64
			for i in 1 2 3; do
				mkdir d
				echo "create 200 files $($w create d 200)"
				echo "stat 200 files again $($w stat d 200)"
				echo "remove 200 files $($w remove d 200)"
				rmdir d
			done
			for i in $(seq $repeat); do mkdir u; echo "untar vrun's sources $($w run tar -C u -xf tree.tar)"; rm -rf u; done
			cd tree && for i in $(seq $repeat); do echo "git status of vrun's sources $($w run git -c safe.directory=* status)"; done
			rm -f /data/new
		S
	} | script
}

# Lines "NAME NS" become rows.
rows_of() { # RUNTIME FILE
	local name
	sed -n 's/\r$//; s/ [0-9][0-9]*$//p' "$2" | awk 'NF && !seen[$0]++' | while IFS= read -r name; do
		# shellcheck disable=SC2046
		row "$name" ms "$1" $(to_ms "$(sed 's/\r$//' "$2" | awk -v name="$name" 'BEGIN { n = length(name) }
			substr($0, 1, n) == name && substr($0, n + 1) ~ /^ [0-9]+$/ { printf "%s ", $NF }')")
	done
}

# One that hangs does not take the others' time.
measure_files() { # RUNTIME LABEL [OPTION...]
	local runtime=$1 label=$2 limit=${BENCH_FILES_SECONDS:-240} status=0
	shift 2
	timeout "$limit" bash -c 'in_runtime "$@"' bash "$runtime" "f$RANDOM" "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
	if [ $status = 124 ]; then
		no_row "all of files after the last row" ms "$label" "past its limit of $limit s"
	elif [ $status != 0 ] || ! grep -q 'git status' "$work/out"; then
		no_row "all of files after the last row" ms "$label" "$(why "$work/out" "$work/err")"
	fi
	rows_of "$label" "$work/out"
}

prepare_files
export_runtime
for runtime in $(chosen native vrun-tuned vrun-stock microvm runc crun); do
	reason=$(missing $runtime)
	if [ -n "$reason" ]; then
		no_row "read 64 MiB again" ms $runtime "$reason"
		continue
	fi
	measure_files $runtime $runtime
done
for cache in none always; do
	sed -i.kept 's/^  "process": {/  "annotations": { "org.vrun.cache": "'$cache'" },\n&/' "$bundle/config.json"
	[ -z "$(chosen vrun-tuned)" ] || [ -n "$(missing vrun-tuned)" ] || measure_files vrun-tuned "vrun-tuned cache=$cache"
	mv "$bundle/config.json.kept" "$bundle/config.json"
	[ -z "$(chosen microvm)" ] || [ -n "$(missing microvm)" ] || {
		if [ -n "${LAB:-}" ] && [ -z "${BENCH_MICROVM_CACHES:-}" ]; then
			no_row "read 64 MiB again" ms "microvm cache=$cache" "an emulated machine takes too long; BENCH_MICROVM_CACHES asks for it"
		else
			measure_files microvm "microvm cache=$cache" -c $cache
		fi
	}
done
