# memory: what one container takes of the host, what a tenth adds, and how many fit.

# Start container I of a runtime, idle; its process is in $pid.
start_idle() { # RUNTIME I
	case $1 in
	microvm)
		in_runtime microvm "m$2" -p "$work/pid" >/dev/null 2>&1 &
		for _ in $(seq 200); do [ ! -s "$work/pid" ] || break; sleep 0.1; done
		;;
	*) in_runtime "$1" "m$2" --detach --pid-file "$work/pid" </dev/null >/dev/null 2>"$work/err" || return 1 ;;
	esac
	pid=$(cat "$work/pid")
	rm -f "$work/pid"
}

stop_idle() { # RUNTIME
	local i
	for i in "${!pids[@]}"; do
		case $1 in
		vrun-*) "$vrun" --root "$work/vrun" delete --force "m$i" ;;
		runc | crun) "$1" --root "$work/$1" delete --force "m$i" ;;
		microvm) kill $(cat /proc/"${pids[$i]}"/task/*/children) ;;
		esac
	done 2>/dev/null
	wait 2>/dev/null
}

measure_memory() { # RUNTIME
	local i sums=()
	pids=()
	script <<<'exec sleep 10000'
	for i in $(seq 0 9); do
		if ! start_idle "$1" "$i"; then
			no_row "memory of one container" MiB "$1" "$(why "$work/err")"
			stop_idle "$1"
			return
		fi
		pids+=("$pid")
		case $i in
		0) settle; sums+=("$(pss "${pids[@]}")"); rss=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status") ;;
		8) settle; sums+=("$(pss "${pids[@]}")") ;;
		9) settle; sums+=("$(pss "${pids[@]}")") ;;
		esac
	done
	row "memory of one container" "MiB PSS" "$1" $(to_mib "${sums[0]}")
	row "memory of the tenth" "MiB PSS" "$1" $(to_mib $((sums[2] - sums[1])))
	case $1 in vrun-*) row "peak RSS of vrun-vmm" MiB "$1" $(to_mib "$rss") ;; esac
	row "idle containers in 2 GiB, computed from ten" "" "$1" $((2 * 1048576 * 10 / sums[2]))
	stop_idle "$1"
}

# The guest tells of what it does not use after two seconds.
settle() { sleep 4; }

for runtime in $(chosen vrun-tuned vrun-stock microvm runc crun); do
	reason=$(missing $runtime)
	if [ -n "$reason" ]; then
		no_row "memory of one container" "MiB PSS" $runtime "$reason"
	else
		measure_memory $runtime
	fi
done
