#!/usr/bin/env bats
# docker: Debian's dockerd with vrun as an added runtime, over a containerd of the test's own.

load common
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	local dir=$BATS_FILE_TMPDIR/docker
	make_rootfs
	mkdir -p "$dir"
	start_containerd
	echo '{}' >"$dir/config.json"
	# In a network namespace of its own: its bridge and its packet filter are nobody else's.
	setsid unshare --net sh -c 'ip link set lo up; exec "$@"' sh dockerd --config-file "$dir/config.json" --host "unix://$dir/socket" --data-root "$dir/data" --exec-root "$dir/exec" \
		--pidfile "$dir/pid" --containerd "$BATS_FILE_TMPDIR/containerd/socket" --storage-driver vfs \
		--bip 10.231.7.1/24 --exec-opt native.cgroupdriver=cgroupfs \
		--cgroup-parent "/$cgroup" --add-runtime "vrun=$vrun" --default-runtime vrun >"$dir/log" 2>&1 3>&- 4>&- &
	wait_until docker version || { tail -n 20 "$dir/log"; return 1; }
	docker import "$BATS_FILE_TMPDIR/rootfs.tar" busybox >/dev/null
	docker run -d --name shared --network none busybox sh -c \
		'trap "echo got TERM; exit 7" TERM; echo to stdout; echo to stderr >&2; while :; do echo x >>/ticks; sleep 0.1; done'
}

teardown_file() {
	load common
	docker ps -aq | xargs -r timeout -k 5 $limit /usr/bin/docker --host "unix://$BATS_FILE_TMPDIR/docker/socket" rm -f >/dev/null
	stop_daemon "$BATS_FILE_TMPDIR/docker/pid"
	stop_containerd
	# What dockerd leaves mounted for itself.
	umount "$BATS_FILE_TMPDIR"/docker/{exec/netns/*,data} 2>/dev/null || true
	leftovers
	[ -z "$(find "$BATS_FILE_TMPDIR/docker/exec" -name state.json)" ]
}

docker() {
	timeout -k 5 $limit /usr/bin/docker --host "unix://$BATS_FILE_TMPDIR/docker/socket" "$@"
}

once() {
	local flag=()
	case $1 in -[0-9]*) flag=("$1"); shift ;; esac
	run ${flag[@]+"${flag[@]}"} docker run --rm --network none "$@"
}

@test "info and run -d: vrun is docker's runtime; the container's pid, logs" {
	run docker info --format '{{.DefaultRuntime}}'
	[ "$output" = vrun ]
	run docker inspect shared --format '{{.HostConfig.Runtime}} {{.State.Status}} {{.State.Pid}}'
	expect 0 "vrun running"
	[ "$(cat "/proc/${output##* }/comm")" = vrun-vmm ]
	wait_until eval 'docker logs shared 2>&1 | grep -q stdout'
	[ "$(docker logs shared 2>/dev/null)" = "to stdout" ]
	[ "$(docker logs shared 2>&1 >/dev/null)" = "to stderr" ]
}

@test "exec: output, statuses, user, stdin, what can't be started" {
	run docker exec --user bob -w /tmp -e A=b shared sh -c 'id -un; pwd; echo $A; exit 3'
	expect 3 $'bob\n/tmp\nb'
	[ "$(echo from stdin | docker exec -i shared cat)" = "from stdin" ]
	# 126 is what docker makes of it with runc, too.
	run docker exec shared nosuch
	expect 126 'exec: "nosuch": executable file not found in $PATH'
	run docker exec shared /etc/passwd
	expect 126 "permission denied"
	run docker exec -w /nowhere shared id
	expect 126 "no such file or directory"
	docker exec -d shared sh -c 'echo later >/tmp/later'
	wait_until docker exec shared test -s /tmp/later
}

@test "exec -it: a terminal" {
	run timeout 30 script -qec "/usr/bin/docker --host unix://$BATS_FILE_TMPDIR/docker/socket exec -it shared sh -c 'tty; exit 5'" /dev/null
	expect 5 /dev/pts/
}

@test "cp, stats, top, pause, update" {
	echo copied >"$BATS_TEST_TMPDIR/file"
	docker cp "$BATS_TEST_TMPDIR/file" shared:/tmp/file
	[ "$(docker exec shared cat /tmp/file)" = copied ]
	docker cp shared:/tmp/file "$BATS_TEST_TMPDIR/back"
	[ "$(cat "$BATS_TEST_TMPDIR/back")" = copied ]
	run docker stats --no-stream --format '{{.Name}} {{.MemUsage}}' shared
	[[ $output =~ ^shared\ ([0-9]+)[.0-9]*MiB ]]
	[ "${BASH_REMATCH[1]}" -ge 30 ]
	run docker top shared
	expect 0 vrun-vmm
	docker pause shared
	run docker exec shared true
	expect 1 "is paused"
	docker unpause shared
	[ "$(docker exec shared echo runs)" = runs ]
	docker update --memory 200m --memory-swap 200m shared
	run docker exec shared cat /sys/fs/cgroup/memory.max
	expect 0 209715200
}

@test "run --rm: user, read-only, tmpfs, volumes, limits, capabilities, init" {
	mkdir "$BATS_TEST_TMPDIR/dir"
	echo ours >"$BATS_TEST_TMPDIR/dir/file"
	once -u bob --read-only --tmpfs /scratch:mode=1777 -v "$BATS_TEST_TMPDIR/dir:/dir:ro" -v named:/named --memory 128m --pids-limit 30 \
		--cap-drop all --init busybox sh -c '
		id -u; cat /dir/file; touch /refused /dir/refused /scratch/taken 2>&1; ls /scratch
		grep CapBnd /proc/self/status; cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max; tr "\0" " " </proc/1/cmdline'
	expect 0 $'1000\nours\n'
	expect 0 "/refused: Read-only file system"
	expect 0 "/dir/refused: Read-only file system"
	expect 0 $'taken\nCapBnd:\t0000000000000000\n134217728\n30\n/sbin/docker-init -- sh'
	docker volume rm named
}

# here COMMAND...: where the daemon is.
here() {
	nsenter --target "$(cat "$BATS_FILE_TMPDIR/docker/pid")" --net "$@"
}

@test "the default bridge: a published port, another container, the way out" {
	local address
	mkdir "$BATS_TEST_TMPDIR/www"
	echo "a page of $$" >"$BATS_TEST_TMPDIR/www/index.html"
	docker run -d --name web -p 127.0.0.1:8080:80 -v "$BATS_TEST_TMPDIR/www:/www:ro" busybox httpd -f -p 80 -h /www
	[ "$(here curl -sS --retry 20 --retry-delay 1 --retry-all-errors -m 40 http://127.0.0.1:8080/)" = "a page of $$" ]
	address=$(docker inspect web --format '{{.NetworkSettings.IPAddress}}')
	[[ $address == 10.231.7.* ]]
	[ "$(here curl -sS -m 20 "http://$address/")" = "a page of $$" ]
	run docker run --rm --hostname other busybox sh -c '
		printf "GET / HTTP/1.0\r\n\r\n" | nc -w 10 '"$address"' 80; ip route; ping -c 1 -W 10 10.231.7.1 | grep "1 packets rec"'
	expect 0 "a page of $$"
	expect 0 "default via 10.231.7.1 dev eth0"
	docker rm -f web
	! here curl -s -m 5 http://127.0.0.1:8080/
}

@test "exit statuses: the container's, 125, 126, 127, 137" {
	once busybox sh -c 'exit 42'
	expect 42 ""
	once --device /dev/null:/dev/x:bad busybox true
	[ "$status" = 125 ]
	once -127 busybox nosuch
	expect 127 'exec: "nosuch": executable file not found in $PATH'
	once busybox /etc
	expect 126 "permission denied"
	docker run -d --name killed --network none busybox sleep 1000
	docker kill killed
	[ "$(docker wait killed)" = 137 ]
	docker rm killed
}

@test "stop: SIGTERM arrives; start again; rm -f" {
	docker stop shared
	[ "$(docker inspect shared --format '{{.State.Status}} {{.State.ExitCode}}')" = "exited 7" ]
	[[ $(docker logs shared 2>/dev/null) == *"got TERM" ]]
	docker start shared
	[ "$(docker exec shared echo again)" = again ]
	docker rm -f shared
	[ -z "$(docker ps -aq)" ]
}
