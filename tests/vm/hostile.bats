#!/usr/bin/env bats
# A guest whose process 1 attacks the devices (tests/hostile): its VMM goes on, and its neighbours.
#
# VRUN_HOSTILE_ATTACKS is how many there are (3), of 8 seconds each: a guest does not live much longer.
# VRUN_HOSTILE_SEED: the first one's random numbers (1; `make hostile-soak`: the time of day).

load common

: "${VRUN_HOSTILE_ATTACKS:=3}" "${VRUN_HOSTILE_SEED:=1}"

# attack BIN SEED OPTIONS...: one hostile guest under BIN's vrun. The guest harms itself, too, and QEMU's own devices
# (of 7.2: virtio-serial) do not bear all of it: what has to be is that vrun-vmm lives, and tells how the VM ended.
attack() {
	local bin=$1 seed=$2
	shift 2
	printf '%s\n' "kernel_params = mem=256M hostile.seconds=8 hostile.seed=$seed" "boot_timeout = 60" >"$work/conf"
	rm -f "$work/console"
	ASAN_OPTIONS=detect_leaks=0:symbolize=0 UBSAN_OPTIONS=print_stacktrace=1 \
		timeout -k 5 100 "$bin/vrun" --debug --config "$work/conf" --root "$state" run \
		--engine "$VRUN_TEST_ENGINE" --kernel "$repo/build/guest/vmlinux" --initrd "$repo/build/hostile/initrd.img" \
		--console-log "$work/console" "$@" "$bundle" hostile >"$work/out" 2>&1 && return 1
	status=$?
	if [ "$status" != 1 ] || grep -aq 'Sanitizer\|runtime error\|was ended by its jail\|vrun-vmm ended' "$work/out" ||
		! grep -aq 'before its agent answered\|did not answer within\|kernel panicked\|triple fault\|QEMU was killed by signal\|^vrun: QEMU: ' "$work/out"; then
		echo "seed $seed, status $status:"
		grep -a 'Sanitizer\|runtime error\|^vrun:\|jail' "$work/out" | cut -c1-300
		return 1
	fi
	if grep -aq 'hostile: done' "$work/console"; then
		finished=$((finished + 1))
		echo "# seed $seed, ${bin##*/}: $(grep -ao 'hostile: [0-9]* rounds.*' "$work/console" | tail -n 1)" >&3
	else
		echo "# seed $seed, ${bin##*/}: the VM did not survive it: $(grep -a '^vrun:' "$work/out" | cut -c1-90)" >&3
	fi
}

@test "rings, registers, MSI-X, configuration space, FUSE, vsock and network requests of a hostile guest" {
	local finished=0 i net=(--net passt)
	# the lab has no network, which passt would need
	[ "$VRUN_TEST_ENGINE" = qemu ] || net=()
	# the neighbour
	mkbundle -- sleep 1000
	timeout 120 "$VRUN_TEST_BIN/vrun" --root "$state" run --engine "$VRUN_TEST_ENGINE" --detach -b "$bundle" neighbour \
		</dev/null >/dev/null 2>&1
	touch "$work/untouched"
	chmod 600 "$work/untouched"
	attack "$VRUN_TEST_BIN" "$VRUN_HOSTILE_SEED"
	for i in $(seq 2 "$VRUN_HOSTILE_ATTACKS"); do
		attack "$repo/build/asan" $((VRUN_HOSTILE_SEED + i)) "${net[@]}"
	done
	# most guests live to tell
	[ "$finished" -ge 1 ]
	[ "$(vrun exec neighbour echo here)" = here ]
	vrun delete --force neighbour
	[ "$(stat -c '%s %a' "$work/untouched")" = "0 600" ]
}
