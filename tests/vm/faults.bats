#!/usr/bin/env bats
# What befalls a running VM from outside: it is stopped and goes on, the host's clock jumps, the host has no
# memory for it. (Failing calls: tests/faults. kill -9: kill.bats. Full and failing disks: files.bats.)

load common

# clock_shim: where the host's wall clock is $work/offset seconds ahead, for vrun-vmm alone.
clock_shim() {
	cat >"$work/clock.c" <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static const volatile int64_t *offset;
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("VRUN_TEST_CLOCK");
	int fd = path && strcmp(program_invocation_short_name, "vrun-vmm") == 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = fd >= 0 ? mmap(NULL, sizeof(*offset), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

	*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	if (map != MAP_FAILED)
		offset = map;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int r = real(id, ts);

	if (r == 0 && offset && id == CLOCK_REALTIME)
		ts->tv_sec += *offset;
	return r;
}
C
	gcc -O2 -Wall -fPIC -shared -o "$work/clock.so" "$work/clock.c"
	set_offset 0
}

set_offset() { # SECONDS, up to 65535
	printf "\\x$(printf %02x $(($1 & 255)))\\x$(printf %02x $(($1 >> 8)))\\0\\0\\0\\0\\0\\0" |
		dd of="$work/offset" bs=8 conv=notrunc status=none
}

# The guest's clock is the host's and so many seconds, or soon will be.
time_follows() { # SECONDS
	local i before now
	for i in $(seq 50); do
		before=$(date +%s)
		now=$(($(vrun exec c1 date +%s) - $1))
		[ $now -ge $((before - 1)) ] && [ $now -le $(($(date +%s) + 1)) ] && return 0
		sleep 0.1
	done
	echo "$((now - before)) seconds from what it should be"
	return 1
}

lines_grow() { # from what they are now
	local i n
	n=$(wc -l <"$work/out")
	for i in $(seq 300); do [ "$(wc -l <"$work/out")" -gt "$n" ] && return 0; sleep 0.1; done
	return 1
}

state_of() { # PID: of the process, as the kernel sees it
	sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status"
}

stop_all() { # PID...
	local p i
	kill -STOP "$@"
	for p; do
		for i in $(seq 100); do [ "$(state_of "$p")" = T ] && break; sleep 0.1; done
		[ "$(state_of "$p")" = T ]
	done
}

@test "SIGSTOP and SIGCONT, pause, a clock that jumps: the guest goes on, and its time follows" {
	local pids n status
	mkbundle -- sh -c 'i=0; while :; do echo $i; i=$((i + 1)); sleep 0.1; done'
	clock_shim
	LD_PRELOAD=$work/clock.so VRUN_TEST_CLOCK=$work/offset timeout 120 "$VRUN_TEST_BIN/vrun" --root "$state" run \
		--engine "$VRUN_TEST_ENGINE" --detach --pid-file "$work/pid" -b "$bundle" c1 </dev/null >"$work/out" 2>&1
	pids=$(cat "$work/pid")
	[ "$VRUN_TEST_ENGINE" = kvm ] || pids+=" $(pgrep -P "$pids" qemu-system)"
	lines_grow
	time_follows 0
	# nothing runs, and whoever asks does not take it for dead
	stop_all $pids
	n=$(wc -l <"$work/out")
	timeout -k 1 3 "$VRUN_TEST_BIN/vrun" --root "$state" exec c1 true </dev/null >"$work/exec" 2>&1 && status=0 || status=$?
	[ "$status" = 124 ] || [ "$status" = 137 ]
	[ "$(vrun state c1 | jq -r .status)" = running ]
	[ "$(wc -l <"$work/out")" = "$n" ]
	kill -CONT $pids
	lines_grow
	time_follows 0
	vrun pause c1
	sleep 2
	vrun resume c1
	time_follows 0
	# The host's clock is set forward; it is told at a resume (and every five minutes)
	set_offset 3600
	vrun pause c1
	vrun resume c1
	time_follows 3600
	# and back: believed when it is told twice
	set_offset 0
	for n in 1 2; do vrun pause c1; vrun resume c1; done
	time_follows 0
	lines_grow
	# stopped, it can still be removed
	stop_all $pids
	timeout -k 5 60 "$VRUN_TEST_BIN/vrun" --root "$state" delete --force c1
	run vrun state c1
	[ "$status" = 1 ]
}

# limit_memory BYTES-MORE: what the group of $group may use, from what it uses now.
limit_memory() {
	local dir=/sys/fs/cgroup/memory/$group
	if [ -d "$dir" ]; then
		echo $(($(cat "$dir/memory.usage_in_bytes") + $1)) >"$dir/memory.limit_in_bytes"
	else
		dir=/sys/fs/cgroup/$group
		echo $(($(cat "$dir/memory.current") + $1)) >"$dir/memory.max"
	fi
}

@test "the host has no memory left: the VM is ended, its caller told, its neighbour unharmed" {
	local pid status i
	group=vrun-pressure-$$
	mkbundle -- sleep 1000
	timeout 120 "$VRUN_TEST_BIN/vrun" --root "$state" run --engine "$VRUN_TEST_ENGINE" --detach -b "$bundle" neighbour \
		</dev/null >/dev/null 2>&1
	mkbundle -- sh -c 'echo ready; read -r x; awk "BEGIN { s = \"0123456789abcdef\"; while (1) s = s s }"; echo "awk $?"; sleep 1000'
	jq --arg p "/$group/c1" '.linux.cgroupsPath = $p' "$bundle/config.json" >"$work/c.json"
	mv "$work/c.json" "$bundle/config.json"
	mkfifo "$work/in"
	timeout -k 5 170 "$VRUN_TEST_BIN/vrun" --root "$state" run --engine "$VRUN_TEST_ENGINE" --memory 1G "$bundle" c1 \
		<"$work/in" >"$work/out" 2>&1 3>&- &
	pid=$!
	exec 9>"$work/in"
	for i in $(seq 600); do grep -q ready "$work/out" && break; sleep 0.1; done
	grep -q ready "$work/out"
	# above the container, where the host's administrator sets what all of a pod or a service may use
	limit_memory 60000000
	echo >&9
	wait $pid && status=0 || status=$?
	exec 9>&-
	echo "status $status: $(cat "$work/out")"
	[ "$status" = 137 ] || { [ "$status" = 1 ] && grep -q '^vrun: ' "$work/out"; }
	! grep -q '^awk' "$work/out"
	[ "$(vrun exec neighbour echo here)" = here ]
	vrun delete --force neighbour
	# a run that was not killed itself has removed what is its own
	timeout 60 "$VRUN_TEST_BIN/vrun" --root "$state" delete --force c1
	[ -z "$(find /sys/fs/cgroup -path "*/$group/*" -name c1)" ]
	find /sys/fs/cgroup -depth -type d -name "$group" -exec rmdir {} +
}
