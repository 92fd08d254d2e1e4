# start: how long until a container's first output, and until its end; the VM exits of both.

measure_start() { # RUNTIME
	local i first=() total=() line
	export_runtime
	script <<<'echo up'
	# one that is not counted fills the caches
	for i in $(seq 0 "$samples"); do
		if ! line=$("$helpers/stopwatch" -m up bash -c 'in_runtime "$@"' bash "$1" "s$i" 2>"$work/err"); then
			no_row "start to first output" ms "$1" "$(why "$work/err")"
			return
		fi
		[ "$i" = 0 ] || { first+=("${line% *}"); total+=("${line#* }"); }
	done
	# shellcheck disable=SC2046
	row "start to first output" "$time_unit" "$1" $(to_ms "${first[*]}")
	row "start to end" "$time_unit" "$1" $(to_ms "${total[*]}")
}

measure_init() {
	local i first=() line
	for i in $(seq 0 "$samples"); do
		line=$("$helpers/stopwatch" -m init-is-up "$here/microvm" -k "$guest/vmlinux-tuned" -i "$work/init.img" \
			-m $memory 2>"$work/err") || { no_row "start of init alone" "$time_unit" microvm "$(why "$work/err")"; return; }
		[ "$i" = 0 ] || first+=("${line% *}")
	done
	row "start of init alone" "$time_unit" microvm $(to_ms "${first[*]}")
}

trace=/sys/kernel/tracing/events/kvm/kvm_exit/trigger

# All exits of the machine meanwhile: nothing else runs VMs here.
count_exits() { # NAME RUNTIME COMMAND...
	local name=$1 runtime=$2
	shift 2
	if [ ! -w $trace ]; then
		no_row "$name" exits "$runtime" "no $trace (tracefs)"
		return
	fi
	local i counts=() reasons
	for i in $(seq "$samples"); do
		echo 'hist:keys=exit_reason' >$trace
		"$@" "x$i" >/dev/null 2>&1
		counts+=("$(sed -n 's/^ *Hits: //p' "${trace%trigger}hist")")
		reasons=$(sed -n 's/^{ exit_reason: *\([0-9]*\) } hitcount: *\([0-9]*\)/\1:\2/p' "${trace%trigger}hist" | tr '\n' ' ')
		echo '!hist:keys=exit_reason' >$trace
	done
	row "$name" exits "$runtime" "${counts[@]}"
	say "exits by the processor's reason number, $runtime: $reasons"
}

exits_of() { # RUNTIME
	local runtime=$1
	script <<<'exec true'
	in_exits() { in_runtime "$runtime" "$1"; }
	count_exits "VM exits of true" "$runtime" in_exits
}

init_alone() { "$here/microvm" -k "$guest/vmlinux-tuned" -i "$work/init.img" -m $memory; }

for runtime in $(chosen vrun-tuned vrun-stock microvm runc crun); do
	reason=$(missing $runtime)
	if [ -n "$reason" ]; then
		no_row "start to first output" "$time_unit" $runtime "$reason"
		continue
	fi
	measure_start $runtime
	case $runtime in vrun-* | microvm) exits_of $runtime ;; esac
done
if [ -n "$(chosen microvm)" ] && [ -z "$(missing microvm)" ]; then
	measure_init
	count_exits "VM exits of init alone" microvm init_alone
fi
