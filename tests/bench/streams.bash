# streams: a container's standard output as throughput (virtio-vsock under vrun, a pipe under the others).

for runtime in $(chosen vrun-tuned vrun-stock runc crun); do
	reason=$(missing $runtime)
	if [ -n "$reason" ]; then
		no_row "64 MiB to standard output" ms $runtime "$reason"
		continue
	fi
	# the container tells when the first byte goes out by sending it; the start is not counted
	script <<<'echo up; dd if=/dev/zero bs=65536 count=1024 2>/dev/null'
	export_runtime
	times=()
	for i in $(seq 3); do
		if line=$(timeout 120 "$helpers/stopwatch" -m up bash -c 'in_runtime "$@"' bash $runtime "o$i" 2>"$work/err"); then
			times+=($((${line#* } - ${line% *})))
		fi
	done
	if [ ${#times[@]} = 3 ]; then
		row "64 MiB to standard output, and end" ms $runtime $(to_ms "${times[*]}")
	else
		no_row "64 MiB to standard output, and end" ms $runtime "$(why "$work/err")"
	fi
done
