# growth: what does not stay flat, or grow by the line, shows here.

# N containers at once: the time until all have run, divided by N.
at_once() { # RUNTIME N
	local i begun ended failed=0 jobs=()
	script <<<'exec true'
	begun=$(date +%s%N)
	for i in $(seq "$2"); do
		in_runtime "$1" "g$i" >/dev/null 2>"$work/err" &
		jobs+=($!)
	done
	for i in "${jobs[@]}"; do wait "$i" || failed=$((failed + 1)); done
	ended=$(date +%s%N)
	if [ $failed = 0 ]; then
		row "start and end, $2 at once, each" ms "$1" $(to_ms $(((ended - begun) / $2)))
	else
		no_row "start and end, $2 at once, each" ms "$1" "$failed of $2 failed: $(why "$work/err")"
	fi
}

for runtime in $(chosen vrun-tuned runc); do
	[ -n "$(missing $runtime)" ] && { no_row "start and end, 1 at once, each" ms $runtime "$(missing $runtime)"; continue; }
	for n in "${containers_at_once[@]}"; do at_once $runtime "$n"; done
done

if [ -n "${LAB:-}" ]; then
	[ -n "${BENCH_AT_ONCE:-}" ] || no_row "start and end, 50 at once, each" ms vrun-tuned "an emulated machine takes too long; BENCH_AT_ONCE asks for it"
	[ -n "${BENCH_ENTRIES:-}" ] || no_row "create, one of 100000 and 1000000" us vrun-tuned "an emulated machine takes too long; BENCH_ENTRIES asks for it"
fi

# Files in one directory: the time for each.
script <<S
cd /data && mkdir g && cd g || exit 1
for n in ${entries[*]}; do
	mkdir \$n
	echo "create, one of \$n \$(/work create \$n \$n)"
	echo "stat, one of \$n \$(/work stat \$n \$n)"
	echo "remove, one of \$n \$(/work remove \$n \$n)"
done
cd .. && rm -rf g
S
for runtime in $(chosen native vrun-tuned); do
	[ -n "$(missing $runtime)" ] && { no_row "create, one of ${entries[0]}" us $runtime "$(missing $runtime)"; continue; }
	in_runtime $runtime growth >"$work/out" 2>"$work/err" || no_row "create, one of ${entries[0]}" us $runtime "$(why "$work/err")"
	while read -r what one of n ns; do
		row "$what $one $of $n" us $runtime "$(awk -v ns="$ns" -v n="$n" 'BEGIN { printf "%.2f", ns / n / 1000 }')"
	done <"$work/out"
done
