#!/usr/bin/env bats
# podman: a person's commands, each with vrun as podman's runtime.
#
# podman's own words are checked where they depend on what vrun says: exit statuses 125, 126, 127 and 137,
# container states, exec sessions.

load common
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	make_rootfs
	iptables -t nat -S >"$BATS_FILE_TMPDIR/nat"
	mkdir -p "$BATS_FILE_TMPDIR"/{state,tmp,networks,volume}
	# podman's clean-up, which conmon starts, would not pass a --runtime-flag on.
	printf '#!/bin/sh\nexec "%s" --root "%s" "$@"\n' "$vrun" "$BATS_FILE_TMPDIR/state" >"$BATS_FILE_TMPDIR/vrun"
	chmod +x "$BATS_FILE_TMPDIR/vrun"
	# The machine may not let anybody raise limits, which podman's default asks for.
	sed "s|^vrun = .*|vrun = [\"$BATS_FILE_TMPDIR/vrun\"]|" "$repo/hack/containers.conf.d/vrun.conf" >"$BATS_FILE_TMPDIR/containers.conf"
	cat >>"$BATS_FILE_TMPDIR/containers.conf" <<-C

		[containers]
		default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
		[network]
		network_backend = "netavark"
		network_config_dir = "$BATS_FILE_TMPDIR/networks"
	C
	sed -i "/^\[engine\]/a cgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\ntmp_dir = \"$BATS_FILE_TMPDIR/tmp\"\nruntime = \"vrun\"" \
		"$BATS_FILE_TMPDIR/containers.conf"
	cat >"$BATS_FILE_TMPDIR/storage.conf" <<-C
		[storage]
		driver = "vfs"
		graphroot = "$BATS_FILE_TMPDIR/graph"
		runroot = "$BATS_FILE_TMPDIR/run"
	C
	export CONTAINERS_CONF=$BATS_FILE_TMPDIR/containers.conf CONTAINERS_STORAGE_CONF=$BATS_FILE_TMPDIR/storage.conf
	pod import "$BATS_FILE_TMPDIR/rootfs.tar" busybox >/dev/null 2>&1
	# One container serves most tests: a VM start is what costs here.
	quiet run -d --name shared -v "$BATS_FILE_TMPDIR/volume:/mnt/deep/volume" -v "$BATS_FILE_TMPDIR/volume:/mnt/ro:ro" \
		--tmpfs /scratch:size=1m --memory 300m --pids-limit 100 \
		--health-cmd 'test -e /healthy' --health-interval disable \
		busybox sh -c 'trap "echo got TERM; exit 7" TERM; echo to stdout; echo to stderr >&2; while :; do sleep 0.1; done'
}

teardown_file() {
	load common
	quiet rm -f -t 0 -a
	drop_netavark
	leftovers
	[ -z "$(ls -A "$BATS_FILE_TMPDIR/state")" ]
}

# netavark's chains of no container in particular stay; away with them unless they were there before.
drop_netavark() {
	local line
	! grep -q NETAVARK "$BATS_FILE_TMPDIR/nat" || return 0
	while read -r line; do
		# shellcheck disable=SC2086
		eval iptables -t nat ${line/#-A/-D}
	done < <(iptables -t nat -S | grep '^-A .*NETAVARK')
	iptables -t nat -S | sed -n 's/^-N \(NETAVARK.*\)/\1/p' | xargs -r -n 1 iptables -t nat -X
}

pod() {
	local more=()
	case $1 in run | create) more=(--cgroup-parent "/$cgroup" --network "${network:-none}") ;; esac
	timeout -k 5 $limit podman "$1" ${more[@]+"${more[@]}"} "${@:2}"
}

# Without podman's id lines.
quiet() {
	pod "$@" >/dev/null
}

# once [-STATUS] ARG...: a container of its own.
once() {
	local flag=()
	case $1 in -[0-9]*) flag=("$1"); shift ;; esac
	run ${flag[@]+"${flag[@]}"} pod run --rm "$@"
}

@test "run -d, ps, inspect, logs: a container in the background, with its pid and its output" {
	run pod ps --format '{{.Names}} {{.Status}}'
	expect 0 "shared Up"
	run pod inspect shared --format '{{.OCIRuntime}} {{.State.Status}} {{.State.Pid}}'
	expect 0 "vrun running"
	[ "$(cat "/proc/${output##* }/comm")" = vrun-vmm ]
	wait_until eval 'pod logs shared | grep -q stdout'
	run pod logs shared
	expect 0 "to stdout"
	expect 0 "to stderr"
	[ "$(pod exec shared uname -r)" != "$(uname -r)" ]
}

@test "exec: statuses, user, cwd, environment, stdin, 126 and 127, in the background" {
	run pod exec --user bob -w /tmp -e A=b shared sh -c 'id -un; pwd; echo $A; exit 3'
	expect 3 $'bob\n/tmp\nb'
	[ "$(echo from stdin | pod exec -i shared cat)" = "from stdin" ]
	run -127 pod exec shared nosuch
	expect 127 'executable file not found in $PATH'
	run pod exec shared /etc/passwd
	expect 126 "permission denied"
	run -127 pod exec -w /nowhere shared id
	expect 127 "no such file or directory"
	run pod exec shared sh -c 'kill -9 $$'
	[ "$status" = 137 ]
	quiet exec -d shared sh -c 'echo later >/tmp/later'
	wait_until pod exec shared test -s /tmp/later
}

@test "exec -it: a terminal, with its size, that follows the outer one" {
	tmux() { command tmux -S "$BATS_TEST_TMPDIR/tmux" -f /dev/null "$@"; }
	shows() { tmux capture-pane -p -t 0 | grep -qF -- "$1"; }
	tmux new-session -d -x 71 -y 19 \
		"podman exec -it shared sh -c 'tty; read line; stty size; echo got \$line; read line'; echo status \$?; sleep 60"
	wait_until shows /dev/pts/
	tmux resize-window -t 0 -x 81 -y 25
	sleep 1
	tmux send-keys -t 0 typed Enter
	wait_until shows "got typed"
	shows "25 81"
	# Ctrl-C is for the guest's terminal.
	tmux send-keys -t 0 C-c
	wait_until shows "status 130"
	tmux kill-server
}

@test "stats, top, healthcheck" {
	run pod stats --no-stream --format '{{.Name}} {{.MemUsage}} {{.PIDs}}' shared
	expect 0 "shared"
	[[ $output =~ ([0-9.]+)MB\ / ]] && [ "${BASH_REMATCH[1]%.*}" -ge 30 ]
	run pod top shared -ef
	expect 0 "sleep 0.1"
	run pod healthcheck run shared
	expect 1 unhealthy
	quiet exec shared touch /healthy
	run pod healthcheck run shared
	expect 0 ""
	[ "$(pod inspect shared --format '{{.State.Healthcheck.Status}}')" = healthy ]
}

@test "top: the processes in the VM, by their own numbers and names" {
	local pid
	run pod top shared
	expect 0 "USER"
	[[ $output =~ $'\n'root\ +1\ +0\ +[0-9.]+\ +[0-9a-z.]+\ +\?\ +[0-9a-z.]+\ +sh\ -c\ trap ]]
	quiet exec -d --user bob shared sleep 1234
	wait_until eval 'pod top shared args | grep -qx "sleep 1234 *"'
	run pod top shared pid ppid user group state args
	expect 0 $'\n1 '
	[[ $output =~ $'\n'([0-9]+)\ +0\ +bob\ +bob\ +S\ +sleep\ 1234 ]]
	pid=${BASH_REMATCH[1]}
	[ "$(pod exec shared cat "/proc/$pid/comm")" = sleep ]
	# Seconds since its start, by the guest's clock and the host's.
	run pod top shared pid etime
	expect 0 "ELAPSED"
	[[ $output =~ $'\n'$pid\ +([0-9.]+ms|[0-3]?[0-9](\.[0-9]+)?s) ]]
	# What they are on the host is nothing that it knows.
	run pod top shared hpid huser
	expect 0 "?"
	[[ ! ${lines[1]} =~ [0-9a-z] ]]
	quiet exec shared kill "$pid"
	wait_until eval '! pod top shared args | grep -q "sleep 1234"'
	quiet pause shared
	run pod top shared
	expect 125 "running containers"
	quiet unpause shared
	quiet run -d --name mapped --uidmap 0:100000:5000 busybox sleep 1000
	run pod top mapped user pid args
	expect 0 $'\nroot        1           sleep 1000'
	quiet rm -f -t 0 mapped
}

@test "pause and unpause: nothing runs meanwhile" {
	quiet exec -d shared sh -c 'while :; do echo x >>/tmp/ticks; sleep 0.05; done'
	wait_until pod exec shared test -s /tmp/ticks
	local root before
	root=$(pod mount shared)
	quiet pause shared
	[ "$(pod inspect shared --format '{{.State.Status}}')" = paused ]
	before=$(stat -c %s "$root/tmp/ticks")
	sleep 0.5
	[ "$(stat -c %s "$root/tmp/ticks")" = "$before" ]
	run pod exec shared true
	expect 255 "container state improper"
	quiet unpause shared
	wait_until eval "[ \$(stat -c %s $root/tmp/ticks) -gt $before ]"
	quiet umount shared
}

@test "limits: memory, cpus, pids, capabilities, user, read-only, environment, host name, init" {
	echo FROM_FILE=yes >"$BATS_TEST_TMPDIR/env"
	once --memory 128m --cpus 1 --pids-limit 20 --cap-drop all --user bob --read-only --init \
		--env-file "$BATS_TEST_TMPDIR/env" -e GIVEN=too --hostname named --add-host friend:192.0.2.7 \
		--ulimit nofile=512:512 --security-opt no-new-privileges --tmpfs /scratch:size=2m,mode=1777 busybox sh -c '
		cd /sys/fs/cgroup && cat memory.max cpu.max pids.max
		grep -E "CapEff|CapBnd|NoNewPrivs" /proc/self/status
		id -u; echo $FROM_FILE $GIVEN; hostname; ulimit -n
		grep friend /etc/hosts; tr "\0" " " </proc/1/cmdline; echo
		touch /refused /scratch/taken 2>&1; ls /scratch; df -k /scratch | tail -1'
	expect 0 $'134217728\n100000 100000\n20\n'
	expect 0 $'CapBnd:\t0000000000000000'
	expect 0 $'CapEff:\t0000000000000000'
	expect 0 $'NoNewPrivs:\t1'
	expect 0 $'\n1000\nyes too\nnamed\n512\n'
	expect 0 $'192.0.2.7\tfriend'
	expect 0 "/run/podman-init -- sh"
	expect 0 "/refused: Read-only file system"
	expect 0 $'\ntaken\n'
	[[ $output =~ tmpfs\ +2048\  ]]
	once --pids-limit 10 busybox sh -c 'for i in $(seq 20); do sleep 3 & done; wait'
	expect 2 "can't fork: Resource temporarily unavailable"
}

@test "volumes: read-write, read-only, one file, a socket, named" {
	mkdir "$BATS_TEST_TMPDIR/dir"
	echo ours >"$BATS_TEST_TMPDIR/dir/file"
	echo single >"$BATS_TEST_TMPDIR/single"
	perl -e 'socket(my $s, 1, 1, 0); bind($s, pack("Sa*", 1, $ARGV[0])) or die "$!"; chmod 0640, $ARGV[0]' "$BATS_TEST_TMPDIR/socket"
	once -v "$BATS_TEST_TMPDIR/socket:/run/socket:ro" -v "$BATS_TEST_TMPDIR/dir:/rw" -v "$BATS_TEST_TMPDIR/dir:/ro:ro" \
		-v "$BATS_TEST_TMPDIR/single:/etc/single" -v named:/named busybox sh -c '
		cat /rw/file; echo theirs >/rw/new; cat /ro/new; touch /ro/refused 2>&1
		stat -c "%F %a" /run/socket; cat /etc/single; echo more >>/etc/single; echo kept >/named/data'
	expect 0 $'ours\ntheirs\ntouch: /ro/refused: Read-only file system\nsocket 640\nsingle'
	[ "$(cat "$BATS_TEST_TMPDIR/dir/new")" = theirs ]
	[ "$(cat "$BATS_TEST_TMPDIR/single")" = $'single\nmore' ]
	once -v named:/named:ro busybox cat /named/data
	expect 0 kept
	quiet volume rm named
}

@test "--uidmap: root in the container is somebody else, in the container and on the host" {
	mkdir "$BATS_TEST_TMPDIR/dir"
	chown 100000:100000 "$BATS_TEST_TMPDIR/dir"
	once --uidmap 0:100000:5000 -v "$BATS_TEST_TMPDIR/dir:/dir" busybox sh -c \
		'cat /proc/self/uid_map; id -u; touch /dir/made; chown 1000 /dir/made; stat -c %u /dir/made'
	expect 0 "100000       5000"
	[[ $output == *$'\n0\n1000' ]]
	[ "$(stat -c %u "$BATS_TEST_TMPDIR/dir/made")" = 101000 ]
}

@test "cp: into a running container and out of it, its volumes too; not into what only its VM has" {
	local name=vrun-cp-$$ root where
	echo copied >"$BATS_TEST_TMPDIR/$name"
	quiet cp "$BATS_TEST_TMPDIR/$name" shared:/srv
	quiet cp "$BATS_TEST_TMPDIR/$name" shared:/mnt/deep/volume/renamed
	# podman's /dev/shm is a directory of the host.
	quiet cp "$BATS_TEST_TMPDIR/$name" shared:/dev/shm
	[ "$(pod exec shared cat "/srv/$name" /mnt/ro/renamed "/dev/shm/$name")" = $'copied\ncopied\ncopied' ]
	[ "$(cat "$BATS_FILE_TMPDIR/volume/renamed")" = copied ]
	[ ! -e "/srv/$name" ]

	quiet exec shared sh -c 'mkdir -p /srv/dir/sub; echo made >/srv/dir/sub/file; chown -R 1000:1000 /srv/dir; echo lost >/scratch/made'
	quiet cp shared:/srv/dir "$BATS_TEST_TMPDIR/out"
	[ "$(cat "$BATS_TEST_TMPDIR/out/sub/file")" = made ]
	quiet cp shared:/mnt/ro/renamed "$BATS_TEST_TMPDIR/out/renamed"
	[ "$(cat "$BATS_TEST_TMPDIR/out/renamed")" = copied ]

	# Nothing may seem to be copied and be below what the guest has there.
	for where in /scratch /dev /proc /sys/fs /mnt/ro; do
		run pod cp "$BATS_TEST_TMPDIR/$name" "shared:$where/$name"
		[ "$status" != 0 ] || { echo "copied to $where"; return 1; }
		echo "$where: $output"
	done
	run pod cp shared:/scratch/made "$BATS_TEST_TMPDIR/lost"
	[ "$status" != 0 ]
	run pod cp shared:/scratch "$BATS_TEST_TMPDIR/lost"
	[ "$status" != 0 ]
	[ ! -e "$BATS_TEST_TMPDIR/lost" ]
	root=$(pod mount shared)
	[ -z "$(find "$root" -name "$name" ! -path "$root/srv/*")" ]
	quiet umount shared
}

@test "cp: into a container before it runs, and out of it afterwards" {
	echo copied >"$BATS_TEST_TMPDIR/file"
	quiet create --name copies busybox sh -c 'cat /srv/file; echo made >/made'
	quiet cp "$BATS_TEST_TMPDIR/file" copies:/srv/file
	run pod start -a copies
	expect 0 copied
	quiet cp copies:/made "$BATS_TEST_TMPDIR/made"
	[ "$(cat "$BATS_TEST_TMPDIR/made")" = made ]
	quiet rm copies
}

@test "exit statuses: the container's, 125, 126, 127, 137" {
	once busybox sh -c 'exit 42'
	expect 42 ""
	once --no-such-option busybox true
	expect 125 "unknown flag"
	once -127 busybox nosuch
	expect 127 'exec: "nosuch": executable file not found in $PATH'
	once -127 busybox /nosuch
	expect 127 'no such file or directory'
	once busybox /etc
	expect 126 'exec: "/etc": permission denied'
	quiet run -d --name killed busybox sleep 1000
	quiet kill killed
	[ "$(pod wait killed)" = 137 ]
	quiet rm killed
}

@test "build: RUN steps, in VMs" {
	mkdir "$BATS_TEST_TMPDIR/context"
	echo data >"$BATS_TEST_TMPDIR/context/file"
	cat >"$BATS_TEST_TMPDIR/context/Dockerfile" <<-'D'
		FROM localhost/busybox
		COPY file /copied
		RUN cat /copied >/built && uname -r >/kernel
		USER bob
		RUN test "$(id -un)" = bob
		CMD ["cat", "/built", "/kernel"]
	D
	run pod build --network none -t built "$BATS_TEST_TMPDIR/context"
	expect 0 "Successfully tagged localhost/built"
	once built
	expect 0 data
	[[ $output != *"$(uname -r)"* ]]
	# A step that fails is the build's failure.
	printf 'FROM localhost/busybox\nRUN exit 9\n' >"$BATS_TEST_TMPDIR/context/Dockerfile"
	run pod build --network none "$BATS_TEST_TMPDIR/context"
	[ "$status" = 9 ]
	expect 9 "exit status 9"
}

@test "networks: a published port on the default one, names on one of one's own" {
	local port=$((20000 + RANDOM % 10000)) address
	mkdir "$BATS_TEST_TMPDIR/www"
	echo "a page of $$" >"$BATS_TEST_TMPDIR/www/index.html"
	network=podman quiet run -d --name web -p "$port:80" -v "$BATS_TEST_TMPDIR/www:/www:ro" busybox httpd -f -p 80 -h /www
	[ "$(curl -sS --retry 20 --retry-delay 1 --retry-all-errors -m 40 "http://127.0.0.1:$port/")" = "a page of $$" ]
	address=$(pod inspect web --format '{{.NetworkSettings.IPAddress}}')
	[ "$(curl -sS -m 20 "http://$address/")" = "a page of $$" ]
	quiet rm -f -t 0 web
	! curl -s -m 5 "http://127.0.0.1:$port/"

	quiet network create "$cgroup"
	network=$cgroup quiet run -d --name server -v "$BATS_TEST_TMPDIR/www:/www:ro" busybox httpd -f -p 80 -h /www
	# Not wget: what Debian's static busybox asks of libc's look-ups crashes it.
	network=$cgroup once busybox sh -c '
		address=$(nslookup server | sed -n "/^Name/,\$s/^Address: //p" | head -n 1); echo "server is at $address"
		printf "GET / HTTP/1.0\r\n\r\n" | nc -w 10 "$address" 80'
	expect 0 "a page of $$"
	quiet rm -f -t 0 server
	quiet network rm "$cgroup"
	! ip link show podman0 2>/dev/null
}

@test "stop: SIGTERM arrives; restart; rm -f of a running container" {
	quiet stop shared
	[ "$(pod inspect shared --format '{{.State.Status}} {{.State.ExitCode}}')" = "exited 7" ]
	[[ $(pod logs shared) == *"got TERM" ]]
	quiet start shared
	[ "$(pod exec shared echo again)" = again ]
	quiet rm -f -t 0 shared
	run pod ps -aq
	expect 0 ""
	[ -z "$output" ]
}
