#!/usr/bin/env bats
# update, events, top: limits that change while the container runs, and what it uses.

load common

setup_container() {
	mkbundle -- sh -c 'echo ready; sleep 1000'
	jq '.linux.resources.memory = { limit: 134217728 } | .annotations = { "org.vrun.engine": $e }' --arg e "$VRUN_TEST_ENGINE" \
		"$bundle/config.json" >"$work/config.new"
	mv "$work/config.new" "$bundle/config.json"
	timeout 120 "$VRUN_TEST_BIN/vrun" --root "$state" run --detach -b "$bundle" "$id" </dev/null >"$work/out" 2>&1
}

# guest FILE...: "FILE VALUE" of the container's own cgroup, as it sees it.
guest() {
	vrun exec "$id" sh -c 'cd /sys/fs/cgroup; for f; do echo "$f $(cat $f)"; done' sh "$@"
}

# host_file NAME-IN-V1 NAME-IN-V2: the value in the container's cgroup on the host.
host_file() {
	local pid line path
	pid=$(vrun state "$id" | jq .pid)
	while IFS=: read -r line _ path; do
		[ -e "/sys/fs/cgroup/${1%%.*}$path/$1" ] && { cat "/sys/fs/cgroup/${1%%.*}$path/$1"; return; }
		[ "$line" = 0 ] && [ -e "/sys/fs/cgroup$path/$2" ] && { cat "/sys/fs/cgroup$path/$2"; return; }
	done <"/proc/$pid/cgroup"
	echo "no $1 or $2"
	return 1
}

fails_with() { # PATTERN COMMAND...
	local pattern=$1
	shift
	run "$@"
	echo "status $status: $output"
	[ "$status" = 1 ]
	# shellcheck disable=SC2053
	[[ "$output" == $pattern ]]
}

@test "update: every flag, --resources from a file and from standard input, values that are none" {
	id=u1-$$
	setup_container
	vrun update --memory 100m --memory-reservation 50m --memory-swap 150m --pids-limit 77 --cpu-quota 30000 --cpu-period 60000 \
		--cpu-share 2048 --cpuset-cpus 0 --cpuset-mems 0 --blkio-weight 300 --cpu-burst 1000 "$id"
	run guest memory.max memory.low memory.swap.max pids.max cpu.max cpu.weight cpu.max.burst
	[ "$output" = "memory.max 104857600
memory.low 52428800
memory.swap.max 52428800
pids.max 77
cpu.max 30000 60000
cpu.weight 79
cpu.max.burst 1000" ] || { echo "$output"; return 1; }
	host_file cpu.cfs_quota_us cpu.max | grep -qE '^30000( 60000)?$'
	[ "$(host_file cpuset.cpus cpuset.cpus)" = 0 ]
	# one flag leaves the others alone; -1 is no limit
	vrun update --pids-limit -1 "$id"
	[ "$(guest pids.max memory.max)" = $'pids.max max\nmemory.max 104857600' ]
	echo '{ "pids": { "limit": 88 }, "cpu": { "shares": 512 } }' >"$work/r.json"
	# with --resources all other flags are ignored, as by runc
	vrun update --pids-limit 5 --resources "$work/r.json" "$id"
	[ "$(guest pids.max cpu.weight)" = $'pids.max 88\ncpu.weight 20' ]
	echo '{ "memory": { "limit": 94371840 } }' | vrun update -r - "$id"
	[ "$(guest memory.max pids.max)" = $'memory.max 94371840\npids.max 88' ]
	# the limit holds: no more than that many processes
	vrun update --pids-limit 4 "$id"
	run vrun exec "$id" sh -c 'for i in 1 2 3 4 5 6; do sleep 3 & done; wait'
	[[ "$output" == *"Resource temporarily unavailable"* || "$output" == *"can't fork"* ]] || { echo "$output"; return 1; }
	# what came while it was paused counts from then on
	vrun pause "$id"
	vrun update --pids-limit 66 "$id"
	vrun resume "$id"
	[ "$(guest pids.max)" = "pids.max 66" ]
	fails_with '*invalid value for memory: "foo"*' vrun update --memory foo "$id"
	fails_with '*invalid value for cpu-quota: "x"*' vrun update --cpu-quota x "$id"
	fails_with '*invalid value for pids-limit: "1.5"*' vrun update --pids-limit 1.5 "$id"
	fails_with "*134217728 bytes*org.vrun.memory*" vrun update --memory 4g --memory-swap -1 "$id"
	fails_with "*/no/file*" vrun update --resources /no/file "$id"
	echo '{ "pids": { "limit": "many" } }' >"$work/r.json"
	fails_with "*pids.limit*" vrun update --resources "$work/r.json" "$id"
	echo '{ "pids": ' >"$work/r.json"
	fails_with "*r.json*" vrun update --resources "$work/r.json" "$id"
	fails_with "*l3 cache*" vrun update --l3-cache-schema x "$id"
	[ "$(guest pids.max memory.max)" = $'pids.max 66\nmemory.max 94371840' ]
	# an idle group has no weight: refused half-way, and nothing of it is left in the way of the next
	echo '{ "cpu": { "idle": 1 }, "unified": { "cpu.weight": "5" } }' >"$work/r.json"
	fails_with "*cpu.weight*Invalid argument*" vrun update --resources "$work/r.json" "$id"
	vrun update --pids-limit 67 "$id"
	[ "$(guest pids.max cpu.idle cpu.weight)" = $'pids.max 67\ncpu.idle 0\ncpu.weight 20' ]
	vrun delete --force "$id"
}

@test "events: statistics once, at intervals, and a kill for want of memory" {
	id=e1-$$
	setup_container
	vrun update --memory 60m --memory-swap 60m --pids-limit 50 "$id"
	vrun exec "$id" dd if=/dev/zero of=/dev/null bs=1M count=200 2>/dev/null
	vrun events --stats "$id" >"$work/stats"
	[ "$(wc -l <"$work/stats")" = 1 ]
	jq -e --arg id "$id" '.type == "stats" and .id == $id and .data.cpu.usage.total > 0 and .data.memory.usage.limit == 62914560
		and .data.memory.usage.usage > 0 and .data.memory.usage.usage < 62914560 and .data.pids.current >= 1 and .data.pids.limit == 50
		and .data.memory.raw.anon > 0' "$work/stats" >/dev/null || { cat "$work/stats"; return 1; }
	"$VRUN_TEST_BIN/vrun" --root "$state" events --interval 200ms "$id" >"$work/events" 2>"$work/events.err" </dev/null 3>&- &
	local pid=$! i
	for i in $(seq 100); do [ "$(wc -l <"$work/events")" -ge 3 ] && break; sleep 0.1; done
	[ "$(wc -l <"$work/events")" -ge 3 ]
	# awk holds all of it
	run vrun exec "$id" awk 'BEGIN { s = "0123456789abcdef"; while (1) s = s s }'
	[ "$status" = 137 ]
	for i in $(seq 100); do grep -q '"type":"oom"' "$work/events" && break; sleep 0.1; done
	grep -qx '{"type":"oom","id":"'"$id"'"}' "$work/events" || { cat "$work/events"; return 1; }
	[ "$(jq -r 'select(.type == "stats") | .data.pids.limit' "$work/events" | sort -u)" = 50 ]
	# top: one row for each that is there, and then the share of CPU time since the table before
	vrun top --once >"$work/top"
	[ "$(sed -n 1p "$work/top" | tr -s ' ')" = "ID STATUS PID CPUS CPU% MEMORY LIMIT ON HOST PIDS" ]
	grep -qE "^$id +running +[0-9]+ +1 +- +[0-9.]+[KM] +60.0M +[0-9.]+M +1$" "$work/top" || { cat "$work/top"; return 1; }
	"$VRUN_TEST_BIN/vrun" --root "$state" top -i 100ms "$id" >"$work/top" </dev/null 3>&- &
	local top=$!
	for i in $(seq 100); do [ "$(grep -c "^$id " "$work/top")" -ge 2 ] && break; sleep 0.1; done
	kill $top
	wait $top || true
	grep -qE "^$id +running +[0-9]+ +1 +[0-9]+\.[0-9] " "$work/top"
	fails_with "*no-such*container does not exist*" vrun top --once no-such
	fails_with '*--interval: "x"*' vrun top -i x
	vrun pause "$id"
	vrun top -1 "$id" | grep -qE "^$id +paused +[0-9]+ +1 +- +- +- +[0-9.]+M +-$"
	# a pause is a gap in the events, and no error
	sleep 0.5
	i=$(wc -l <"$work/events")
	sleep 0.5
	[ "$(wc -l <"$work/events")" = "$i" ]
	vrun resume "$id"
	for _ in $(seq 100); do [ "$(wc -l <"$work/events")" -gt "$i" ] && break; sleep 0.1; done
	[ "$(wc -l <"$work/events")" -gt "$i" ]
	# the end of the container is the end of its events
	vrun delete --force "$id"
	wait $pid
	[ ! -s "$work/events.err" ] || { cat "$work/events.err"; return 1; }
	fails_with "*container does not exist*" vrun events --stats "$id"
}

# under_systemd COMMAND...: where systemd seems to run, and busctl is ours: it does what systemd does of it.
under_systemd() {
	unshare --mount --propagation private sh -c 'mkdir -p /run/systemd && mount -t tmpfs none /run/systemd && mkdir /run/systemd/system && exec "$@"' sh \
		env PATH="$work/bin:$PATH" BUSCTL_LOG="$work/busctl.log" timeout -k 5 120 "$@"
}

make_busctl() {
	mkdir -p "$work/bin"
	cat >"$work/bin/busctl" <<-'S'
		#!/bin/bash
		printf '%s\n' "$*" >>"$BUSCTL_LOG"
		[ "$1 $2 $3 $4 $5 $6" = "--system --quiet call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager" ] || exit 1
		top=/sys/fs/cgroup
		[ ! -d $top/systemd ] || top=$top/systemd
		case $7 in
		StartTransientUnit)
			case $9 in *refused*) echo "Unit name is refused." >&2; exit 1 ;; esac
			[[ " $* " =~ " Slice s "([^ ]+)" " ]] && slice=${BASH_REMATCH[1]}
			[[ " $* " =~ " PIDs au 1 "([0-9]+)" " ]] && pid=${BASH_REMATCH[1]}
			mkdir -p "$top/$slice/$9"
			echo "$pid" >"$top/$slice/$9/cgroup.procs"
			;;
		StopUnit) find "$top" -maxdepth 2 -name "$9" -exec rmdir {} + 2>/dev/null; true ;;
		esac
	S
	chmod +x "$work/bin/busctl"
}

@test "--systemd-cgroup: a scope with its limits is asked of systemd, set anew, and stopped" {
	local pid unit=vrun-s1-$$.scope slice=vruntest$$.slice limit
	id=s1-$$
	make_busctl
	mkbundle -- sleep 1000
	jq '.linux.cgroupsPath = $p | .linux.resources.memory = { limit: 134217728 } | .linux.resources.pids = { limit: 50 }
		| .linux.resources.cpu = { quota: 25000, period: 50000 } | .annotations = { "org.vrun.engine": $e }' \
		--arg e "$VRUN_TEST_ENGINE" --arg p "$slice:vrun:s1-$$" "$bundle/config.json" >"$work/config.new"
	mv "$work/config.new" "$bundle/config.json"
	under_systemd "$VRUN_TEST_BIN/vrun" --root "$state" --systemd-cgroup run --detach --pid-file "$work/pid" -b "$bundle" "$id" \
		</dev/null >"$work/out" 2>&1 || { cat "$work/out" "$work/busctl.log"; return 1; }
	pid=$(cat "$work/pid")
	cat "$work/busctl.log" "/proc/$pid/cgroup"
	grep -q "StartTransientUnit ssa(sv)a(sa(sv)) $unit replace [0-9]* Description s vrun container $unit Slice s $slice Delegate b true .* PIDs au 1 $pid .* 0$" \
		"$work/busctl.log"
	grep -q ' TasksMax t 306 ' "$work/busctl.log"
	grep -q ' CPUQuotaPerSecUSec t 500000\b' "$work/busctl.log"
	# systemd's own hierarchy and those that it leaves to others have it in the same place
	! grep -v -e "/$slice/$unit\$" -e '^[0-9]*:\(freezer\|devices\|cpuset\|perf_event\|hugetlb\|net_[a-z,_]*\|rdma\|misc\|blkio\)\?:/' "/proc/$pid/cgroup"
	limit=$(host_file memory.limit_in_bytes memory.max)
	grep -q " Memory\(Limit\|Max\) t $limit " "$work/busctl.log"
	[ "$(guest memory.max)" = "memory.max 134217728" ]

	under_systemd "$VRUN_TEST_BIN/vrun" --root "$state" update --pids-limit 60 "$id"
	tail -n 1 "$work/busctl.log" | grep -q "SetUnitProperties sba(sv) $unit true .* TasksMax t 316"
	[ "$(host_file pids.max pids.max)" = 316 ]

	under_systemd "$VRUN_TEST_BIN/vrun" --root "$state" delete --force "$id"
	grep -q "StopUnit ss $unit replace" "$work/busctl.log"
	grep -q "ResetFailedUnit s $unit" "$work/busctl.log"
	[ -z "$(find /sys/fs/cgroup -name "$unit")" ]

	# what systemd says against it is told, and nothing is left
	jq '.linux.cgroupsPath = $p' --arg p "$slice:vrun:refused$$" "$bundle/config.json" >"$work/config.new"
	mv "$work/config.new" "$bundle/config.json"
	fails_with "*making the container's scope by systemd: Unit name is refused.*" \
		under_systemd "$VRUN_TEST_BIN/vrun" --root "$state" --systemd-cgroup create -b "$bundle" "$id"
	fails_with "*container does not exist*" vrun state "$id"
	jq '.linux.cgroupsPath = "/not/systemds"' "$bundle/config.json" >"$work/config.new"
	mv "$work/config.new" "$bundle/config.json"
	fails_with '*slice:prefix:name*' under_systemd "$VRUN_TEST_BIN/vrun" --root "$state" --systemd-cgroup create -b "$bundle" "$id"
	find /sys/fs/cgroup -maxdepth 2 -name "$slice" -exec rmdir {} + 2>/dev/null || true
}
