#!/usr/bin/env bats
# The fields of config.json, one by one: what the container sees of each, and what is refused by name.
# Fields that don't disturb each other share one VM.

load common

# config JQ-FILTER [JQ-OPTION...]: change config.json.
config() {
	local filter=$1
	shift
	jq "$@" "$filter" "$bundle/config.json" >"$work/config.new"
	mv "$work/config.new" "$bundle/config.json"
}

# The script runs as the container; its output is $output.
run_script() {
	printf '%s\n' "$1" >"$bundle/rootfs/script"
	config '.process.args = ["sh", "/script"]'
	run vrun_run
	echo "status $status"
	echo "$output"
}

# has LINE...: each is a whole line of the output.
has() {
	local line
	for line; do
		grep -qxF -- "$line" <<<"$output" || { echo "missing: $line"; return 1; }
	done
}

hasnt() {
	! grep -qxF -- "$1" <<<"$output"
}

# refused TEXT JQ-FILTER: the config with that change is refused with these words, before a VM is started.
refused() {
	cp "$bundle/config.json" "$work/config.keep"
	config "$2"
	run vrun_run
	cp "$work/config.keep" "$bundle/config.json"
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *"$1"* ]] || { echo "does not say: $1"; return 1; }
}

caps_of() { # NAMES...: as JSON
	jq -cn '$ARGS.positional' --args "$@"
}

@test "mounts: options of tmpfs, devpts, mqueue, sysfs, proc and cgroup" {
	mkbundle -- true
	mkdir -p "$bundle/rootfs/moded" "$bundle/rootfs/up" "$bundle/rootfs/upro"
	chmod 711 "$bundle/rootfs/moded"
	echo kept >"$bundle/rootfs/up/file"
	echo kept >"$bundle/rootfs/upro/file"
	ln -s /elsewhere "$bundle/rootfs/linked"
	config '.mounts += [
		{ destination: "/t1", type: "tmpfs", source: "t1", options: ["nosuid", "nodev", "noexec", "size=1m", "mode=1750", "uid=5", "gid=6"] },
		{ destination: "/t2", type: "tmpfs", source: "t2", options: ["ro", "noatime"] },
		{ destination: "/moded", type: "tmpfs", source: "moded" },
		{ destination: "/up", type: "tmpfs", source: "up", options: ["tmpcopyup"] },
		{ destination: "/upro", type: "tmpfs", source: "upro", options: ["tmpcopyup", "ro"] },
		{ destination: "/new/deep/dir", type: "tmpfs", source: "deep", options: ["strictatime"] },
		{ destination: "linked/in", type: "tmpfs", source: "inlink" },
		{ destination: "/dev/shm", type: "tmpfs", source: "shm2", options: ["size=2m", "nr_inodes=77"] }
	]'
	run_script '
		m() { awk -v p="$1" "\$5 == p { o = \$6 \" \" \$(NF-2) \" \" \$NF } END { print p, o }" /proc/self/mountinfo; }
		for p in /t1 /t2 /new/deep/dir /dev/pts /dev/mqueue /sys /proc /sys/fs/cgroup; do m $p; done
		stat -c "t1 %a %u:%g" /t1
		dd if=/dev/zero of=/t1/f bs=64k count=100 2>/dev/null; stat -c "t1 holds %s" /t1/f
		cp /bin/busybox /t1/busybox 2>/dev/null; rm /t1/f; cp /bin/true /t1/x; chmod 755 /t1/x; /t1/x 2>&1 | grep -q denied && echo "t1 noexec"
		touch /t2/f 2>&1 | grep -q "Read-only" && echo "t2 readonly"
		stat -c "moded %a" /moded
		echo "up $(cat /up/file)"; echo x >/up/file
		echo "upro $(cat /upro/file)"; touch /upro/n 2>/dev/null || echo "upro readonly"
		ls -d /elsewhere/in
		df -k /dev/shm | awk "END { print \"shm\", \$2 }"; df -i /dev/shm | awk "END { print \"shm inodes\", \$2 }"
		ls /dev/ptmx -l | sed "s/.*-> /ptmx /"; test -w /dev/pts/ptmx && echo "pts ptmx"
		cat /proc/self/cgroup; ls /sys/fs/cgroup/cgroup.procs
	'
	[ "$status" = 0 ]
	has "t1 1750 5:6" "t1 holds 1048576" "t1 noexec" "t2 readonly" "moded 711" "up kept" "upro kept" "upro readonly"
	has /elsewhere/in "shm 2048" "shm inodes 77" "ptmx pts/ptmx" "pts ptmx" "0::/" /sys/fs/cgroup/cgroup.procs
	grep -q '^/t1 rw,nosuid,nodev,noexec' <<<"$output"
	grep -q '^/t2 ro,noatime' <<<"$output"
	grep -qx '/new/deep/dir rw tmpfs rw.*' <<<"$output"
	grep -q '^/dev/pts rw,nosuid,noexec,relatime devpts rw,gid=5,mode=620,ptmxmode=666' <<<"$output"
	grep -q '^/dev/mqueue rw,nosuid,nodev,noexec' <<<"$output"
	grep -q '^/sys ro,nosuid,nodev,noexec' <<<"$output"
	grep -q '^/sys/fs/cgroup ro,nosuid,nodev,noexec' <<<"$output"
	# the copy was changed, not what it hides
	[ "$(cat "$bundle/rootfs/up/file")" = kept ]
}

@test "mounts: bind options, of a file, recursive attributes, propagation, order" {
	mkbundle -- true
	mkdir -p "$work/dir/sub" "$work/over"
	echo data >"$work/dir/file"
	echo top >"$work/over/file"
	echo one >"$work/one"
	cp /bin/busybox "$work/dir/true"
	chmod 4755 "$work/dir/true"
	# With rbind what the host has mounted below is there, with bind it is not.
	mount -t tmpfs below "$work/dir/sub"
	echo below >"$work/dir/sub/below"
	config '.process.capabilities.bounding += ["CAP_SYS_ADMIN"] | .process.capabilities.effective += ["CAP_SYS_ADMIN"]
	| .process.capabilities.permitted += ["CAP_SYS_ADMIN"]
	| .mounts += [
		{ destination: "/ro", type: "bind", source: $d, options: ["bind", "ro", "nosuid", "nodev", "noexec"] },
		{ destination: "/rw", type: "none", source: $d, options: ["rbind", "rw", "noatime"] },
		{ destination: "/rro", type: "bind", source: $d, options: ["rbind", "rro", "rnosuid"] },
		{ destination: "/file", type: "bind", source: $f, options: ["bind", "ro"] },
		{ destination: "/ro/file", type: "bind", source: $f, options: ["bind"] },
		{ destination: "/shared", type: "bind", source: $d, options: ["bind", "shared"] },
		{ destination: "/slave", type: "bind", source: $d, options: ["bind", "rslave"] },
		{ destination: "/private", type: "bind", source: $d, options: ["bind", "rprivate"] },
		{ destination: "/zero", type: "bind", source: "/dev/zero", options: ["bind"] },
		("null", "full", "random", "urandom", "tty", "net/tun", "fuse" | { destination: "/nodes/\(.)", type: "bind", source: "/dev/\(.)", options: ["bind"] }),
		{ destination: "/unb", type: "bind", source: $d, options: ["bind", "unbindable"] }
	]' --arg d "$work/dir" --arg f "$work/one"
	run_script '
		m() { awk -v p="$1" "\$5 == p { o = \$6; for (i = 7; \$i != \"-\"; i++) o = o \" \" \$i } END { print p, o }" /proc/self/mountinfo | sed "s/:[0-9]*//g"; }
		for p in / /ro /rw /rro /file /shared /slave /private /unb; do m $p; done
		echo "file $(cat /file)"; echo "inner $(cat /ro/file)"; echo changed >/ro/file && echo "inner writable"
		echo x 2>/dev/null >/file || echo "file readonly"
		touch /rro/n 2>/dev/null || echo "rro readonly"
		/ro/true 2>&1 | grep -q denied && echo "ro noexec"
		touch /rw/made && echo "rw writable"
		for p in /ro /rw /rro /shared; do echo "$p/sub has $(ls $p/sub)"; done
		touch /rro/sub/n 2>/dev/null || echo "rro readonly below"
		cd /nodes && stat -c "%n %t,%T" null full random urandom tty net/tun fuse; cd /
		stat -c "zero %F %t,%T" /zero; head -c 3 /zero | wc -c
		mkdir /b && mount --bind /unb /b 2>/dev/null || echo "not bindable"
	'
	umount "$work/dir/sub"
	[ "$status" = 0 ]
	has "/ro/sub has " "/rw/sub has below" "/rro/sub has below" "/shared/sub has " "rro readonly below"
	has "file one" "inner one" "inner writable" "file readonly" "rro readonly" "ro noexec" "rw writable" "not bindable"
	has "zero character special file 1,5" 3 "null 1,3" "full 1,7" "random 1,8" "urandom 1,9" "tty 5,0" "net/tun a,c8" "fuse a,e5"
	has "/ro ro,nosuid,nodev,noexec,relatime" "/rw rw,noatime" "/rro ro,nosuid,relatime" "/shared rw,relatime shared"
	has "/private rw,relatime" "/unb rw,relatime unbindable"
	[ -e "$work/dir/made" ] && [ "$(cat "$work/one")" = changed ] && [ "$(cat "$work/dir/file")" = data ]
}

@test "read-only comes last: /dev, a tmpfs with a mount in it, a root without the working directory or what a symlink names" {
	mkbundle --readonly -- true
	ln -s /no/where "$bundle/rootfs/dangling"
	config '(.mounts[] | select(.destination == "/dev")).options += ["ro"]
	| .mounts += [{ destination: "/t", type: "tmpfs", source: "t", options: ["ro"] },
		{ destination: "/t/in", type: "tmpfs", source: "in" },
		{ destination: "/dangling", type: "tmpfs", source: "d" }]
	| .process.cwd = "/made/for/it"'
	run_script '
		pwd; touch f 2>/dev/null || echo "cwd readonly"
		touch /dev/f 2>/dev/null || echo "dev readonly"
		touch /t/f 2>/dev/null || echo "t readonly"
		touch /t/in/f && echo "in writable"
		echo x >/dev/null && [ -e /dev/pts/ptmx ] && echo "devices there"
		grep -c "^d /no/where tmpfs" /proc/mounts
	'
	[ "$status" = 0 ]
	has /made/for/it "cwd readonly" "dev readonly" "t readonly" "in writable" "devices there" 1
}

@test "process.cwd of which only root or only its owner has the key" {
	mkbundle -- true
	mkdir -p "$bundle/rootfs/own" "$bundle/rootfs/top"
	chown 42 "$bundle/rootfs/own"
	chmod 700 "$bundle/rootfs/own" "$bundle/rootfs/top"
	config 'del(.process.capabilities) | .process.user = { uid: 42, gid: 42 } | .process.cwd = "/top"'
	run_script 'cd /; echo "entered by uid $(id -u)"; ls /top 2>/dev/null || echo "top closed"'
	[ "$status" = 0 ]
	has "entered by uid 42" "top closed"
	config '.process.cwd = "/own" | .process.args = ["sleep", "1000"]'
	vrun run -d --engine "$VRUN_TEST_ENGINE" "${guest_options[@]}" "$bundle" c1 </dev/null >/dev/null 2>&1 3>&-
	[ "$(vrun exec --user 0 c1 sh -c 'id -u')" = 0 ]
	vrun delete --force c1
}

@test "mounts: overlay of directories of the host" {
	mkbundle -- true
	mkdir -p "$work/l1" "$work/l2" "$work/o/upper" "$work/o/work"
	echo l1 >"$work/l1/a"
	echo l2 >"$work/l2/a"
	echo l2 >"$work/l2/b"
	config '.mounts += [
		{ destination: "/lower", type: "overlay", source: "overlay", options: ["lowerdir=" + $l] },
		{ destination: "/over", type: "overlay", source: "overlay", options: ["lowerdir=" + $l, "upperdir=" + $o + "/upper", "workdir=" + $o + "/work"] }
	]' --arg l "$work/l1:$work/l2" --arg o "$work/o"
	run_script '
		echo "lower $(cat /lower/a /lower/b | tr "\n" " ")"; touch /lower/x 2>/dev/null || echo "lower readonly"
		echo new >/over/c; echo more >>/over/b; rm /over/a; mkdir /over/d
		ls /over | tr "\n" " "; echo; cat /over/b
	'
	[ "$status" = 0 ]
	has "lower l1 l2 " "lower readonly" "b c d " more
	[ "$(cat "$work/o/upper/c")" = new ]
	[ "$(cat "$work/l2/b")" = l2 ] && [ -e "$work/l1/a" ]
}

@test "process: user, groups, umask, cwd, env, rlimits, oomScoreAdj, ioPriority, scheduler, host and domain name" {
	mkbundle -- true
	mkdir -p "$bundle/rootfs/made"
	chmod 777 "$bundle/rootfs/made"
	config '.process.user = { uid: 1234, gid: 2345, additionalGids: [10, 3456], umask: 63 }
	| .process.cwd = "/not/there" | .process.env += ["EMPTY=", "SPACE=a b", "TWICE=1", "HOME=/other", "TWICES=3", "TWICE=2", "HOME="]
	| .process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 100, hard: 200 }, { type: "RLIMIT_CORE", soft: 1000001, hard: 1000002 },
		{ type: "RLIMIT_NPROC", soft: 300, hard: 400 }, { type: "RLIMIT_STACK", soft: 1048576, hard: 2097152 }]
	| .process.oomScoreAdj = 321 | .process.ioPriority = { class: "IOPRIO_CLASS_BE", priority: 6 }
	| .process.scheduler = { policy: "SCHED_BATCH", nice: 7 }
	| .hostname = "some-host" | .domainname = "some.domain" | .process.noNewPrivileges = false'
	run_script '
		tr "\0" "\n" </proc/$$/environ | grep -E "^(TWICE|HOME)"
		id -u; id -g; echo "groups $(grep ^Groups: /proc/self/status | cut -f2)"
		umask; pwd; echo "empty [$EMPTY] [$SPACE] home [$HOME]"
		grep -E "open files|core file|processes|stack" /proc/self/limits | awk "{ print \$2, \$3, \$(NF-2), \$(NF-1) }"
		touch /made/f; stat -c "%a %u:%g" /made/f
		cat /proc/self/oom_score_adj; ionice -p $$; awk "{ print \"nice\", \$19, \"policy\", \$41 }" /proc/self/stat
		hostname; cat /proc/sys/kernel/domainname; grep NoNewPrivs /proc/self/status | tr "\t" " "
	'
	[ "$status" = 0 ]
	has 1234 2345 "groups 10 3456 " 0077 /not/there "empty [] [a b] home [/]" "600 1234:2345" 321 "nice 7 policy 3"
	# each name once, with its last value
	has TWICE=2 TWICES=3 HOME=/
	hasnt TWICE=1 && hasnt HOME=/other
	has "open files 100 200" "stack size 1048576 2097152" some-host some.domain "NoNewPrivs: 0"
	grep -q 'best-effort: prio 6' <<<"$output"
	has "core file 1000001 1000002" "processes 300 300 400"
	[ "$(stat -c '%u:%g' "$bundle/rootfs/made/f")" = 1234:2345 ]
}

@test "process.capabilities: the five sets, and none without the object" {
	mkbundle -- true
	config '.process.capabilities = { bounding: ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW", "CAP_SETUID", "CAP_SYSLOG"], permitted: ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"],
		effective: ["CAP_CHOWN", "CAP_NET_RAW"], inheritable: ["CAP_KILL", "CAP_NET_RAW"], ambient: ["CAP_NET_RAW"] }
	| .process.user = { uid: 7, gid: 7 }'
	run_script 'grep ^Cap /proc/$$/status | tr "\t" " "'
	[ "$status" = 0 ]
	# the shell is executed by uid 7: permitted and effective are what ambient gives, capabilities(7)
	has "CapBnd: 00000004000020a1" "CapInh: 0000000000002020" "CapAmb: 0000000000002000" "CapPrm: 0000000000002000" \
		"CapEff: 0000000000002000"
	config 'del(.process.capabilities)'
	run_script 'grep ^Cap /proc/self/status | tr "\t" " "; chown 1 /etc/passwd 2>/dev/null || echo "no chown"'
	has "CapBnd: 0000000000000000" "CapEff: 0000000000000000" "no chown"
}

@test "linux: masked and read-only paths, sysctl, devices, personality, rootfsPropagation, seccomp" {
	mkbundle -- true
	mkdir -p "$bundle/rootfs/secret" "$bundle/rootfs/fixed"
	echo s >"$bundle/rootfs/secret/file"
	echo s >"$bundle/rootfs/one"
	echo f >"$bundle/rootfs/fixed/file"
	config '.linux.maskedPaths += ["/secret", "/one", "/not/there"] | .linux.readonlyPaths += ["/fixed", "/neither"]
	| .linux.sysctl = { "kernel.shmmax": "12345678", "net.ipv4.ip_forward": "1", "kernel.msgmax": "9000", "net/ipv4/conf/lo/forwarding": "1" }
	| .linux.devices = [
		{ path: "/dev/tun2", type: "c", major: 10, minor: 200, fileMode: 416, uid: 3, gid: 4 },
		{ path: "/dev/sub/fuse", type: "c", major: 10, minor: 229 },
		{ path: "/dev/pipe", type: "p", fileMode: 384 },
		{ path: "/dev/full", type: "c", major: 1, minor: 3, fileMode: 292 }]
	| .linux.personality = { domain: "LINUX32" } | .linux.rootfsPropagation = "shared"
	| .linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64"], syscalls: [
		{ names: ["rmdir"], action: "SCMP_ACT_ERRNO", errnoRet: 95 },
		{ names: ["link", "linkat"], action: "SCMP_ACT_ERRNO" },
		{ names: ["kill"], action: "SCMP_ACT_ERRNO", errnoRet: 77, args: [{ index: 1, value: 30, op: "SCMP_CMP_EQ" }] }] }'
	run_script '
		ls -A /secret | wc -l; wc -c </one; touch /fixed/n 2>&1 | grep -q "Read-only" && echo "fixed readonly"
		cat /fixed/file
		cat /proc/sys/kernel/shmmax /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax
		echo "lo $(cat /proc/sys/net/ipv4/conf/lo/forwarding)"
		stat -c "%n %F %a %u:%g %t,%T" /dev/tun2 /dev/sub/fuse /dev/pipe /dev/full
		uname -m
		awk "\$5 == \"/\" { print \"root\", \$7 }" /proc/self/mountinfo | sed "s/:.*//"
		mkdir /tmp/d; rmdir /tmp/d 2>&1 | sed "s/.*: /rmdir: /"; ln /one /two 2>&1 | sed "s/.*: /ln: /"
		sleep 5 & kill -30 $! 2>&1 | sed "s/.*: /kill: /"; kill -9 $! && echo killed
		grep Seccomp: /proc/self/status | tr "\t" " "
	'
	[ "$status" = 0 ]
	has 0 "fixed readonly" f 12345678 1 9000 "lo 1" "root shared" killed "Seccomp: 2"
	has "/dev/tun2 character special file 640 3:4 a,c8" "/dev/sub/fuse character special file 666 0:0 a,e5"
	has "/dev/pipe fifo 600 0:0 0,0" "/dev/full character special file 444 0:0 1,3"
	grep -qE '^i[3-6]86$' <<<"$output"
	has "rmdir: Operation not supported" "ln: Operation not permitted" "kill: File descriptor in bad state"
}

@test "a user namespace with uid and gid maps" {
	mkbundle -- true
	config '.linux.namespaces += [{ type: "user" }] | .linux.uidMappings = [{ containerID: 0, hostID: 100000, size: 5000 }]
	| .linux.gidMappings = [{ containerID: 0, hostID: 200000, size: 5000 }] | .process.user = { uid: 12, gid: 13 }'
	chmod 777 "$bundle/rootfs" "$bundle/rootfs/tmp"
	run_script 'tr -s " " </proc/self/uid_map; tr -s " " </proc/self/gid_map; id -u; id -g; touch /tmp/f && stat -c "%u:%g" /tmp/f; echo x >/dev/null && echo null; ls -l /dev/null | cut -c1-10'
	[ "$status" = 0 ]
	has " 0 100000 5000" " 0 200000 5000" 12 13 12:13 null crw-rw-rw-
	[ "$(stat -c '%u:%g' "$bundle/rootfs/tmp/f")" = 100012:200013 ]
	# maps without root: whoever is there makes the mount points
	config '.linux.uidMappings = [{ containerID: 1000, hostID: 100000, size: 1 }] | .linux.gidMappings = [{ containerID: 1000, hostID: 200000, size: 1 }]
	| .process.user = { uid: 1000, gid: 1000 } | (.mounts[] | select(.type == "devpts").options) -= ["gid=5"]'
	run_script 'tr -s " " </proc/self/uid_map; id -u; id -g; stat -c "%n %u:%g" /dev/shm; echo x >/dev/null && echo null'
	[ "$status" = 0 ]
	has " 1000 100000 1" 1000 "/dev/shm 1000:1000" null
}

@test "a time namespace with offsets" {
	mkbundle -- true
	config '.linux.namespaces += [{ type: "time" }] | .linux.timeOffsets = { monotonic: { secs: 1000 }, boottime: { secs: 86400, nanosecs: 5 } }'
	run_script 'cut -d. -f1 /proc/uptime; tr -s " " </proc/self/timens_offsets'
	[ "$status" = 0 ]
	[ "${lines[0]}" -ge 86400 ] && [ "${lines[0]}" -lt 86600 ]
	has "monotonic 1000 0" "boottime 86400 5"
}

@test "namespaces: without pid, ipc, uts or cgroup of their own they are still the VM's and not the host's" {
	mkbundle -- true
	config '.linux.namespaces = [{ type: "mount" }, { type: "network" }] | del(.hostname)'
	run_script 'echo "pid $$"; ls /proc | grep -c "^[0-9]*$"; cat /proc/1/comm'
	[ "$status" = 0 ]
	hasnt "pid 1"
}

@test "linux.resources: the container sees its limits in the guest" {
	mkbundle -- true
	config '.linux.resources += { memory: { limit: 134217728, reservation: 67108864, swap: 134217728 }, pids: { limit: 55 },
		cpu: { shares: 512, quota: 50000, period: 100000 }, unified: { "memory.high": "100663296" } }'
	run_script 'cd /sys/fs/cgroup; for f in memory.max memory.low memory.swap.max memory.high pids.max cpu.max cpu.weight; do echo "$f $(cat $f)"; done'
	[ "$status" = 0 ]
	has "memory.max 134217728" "memory.low 67108864" "memory.swap.max 0" "memory.high 100663296" "pids.max 55" "cpu.max 50000 100000" \
		"cpu.weight 20"
	config '.linux.resources.unified = { "memory.nothing": "1" }'
	run_script 'echo runs'
	[ "$status" = 1 ]
	[[ "$output" == *"linux.resources.unified: setting memory.nothing to 1: No such file or directory"* ]]
}

@test "vm: kernel, initrd, parameters and hwConfig; annotations org.vrun.*" {
	mkbundle -- true
	local guest=$repo/build/guest
	config '.vm = { hypervisor: { path: "" }, kernel: { path: $k, parameters: ["vrun.test=fromvm", "quiet"], initrd: $i }, hwConfig: { vcpus: 2, memory: 402653184 } }
	| del(.vm.hypervisor) | .annotations = { "org.vrun.memory": "1G", "other": "x" }' --arg k "$guest/vmlinux" --arg i "$guest/initrd.img"
	run_script 'cat /proc/cmdline; nproc; awk "/MemTotal/ { print int(\$2 / 1024) }" /proc/meminfo | sed "s/^3[0-9][0-9]$/about 384/"'
	[ "$status" = 0 ]
	has 2 "about 384"
	[[ "$output" == *"vrun.test=fromvm quiet"* ]]
	# without the vm object the annotations count
	config 'del(.vm) | .annotations = { "org.vrun.cpus": "3", "org.vrun.memory": "300M", "org.vrun.kernel_params": "vrun.test=fromannotation" }'
	run_script 'cat /proc/cmdline; nproc; awk "/MemTotal/ { print int(\$2 / 1024) }" /proc/meminfo | sed "s/^2[0-9][0-9]$/about 300/"'
	has 3 "about 300"
	[[ "$output" == *"vrun.test=fromannotation"* ]]
}

@test "what a VM can't honour is refused by its name" {
	mkbundle -- true
	refused 'linux.devices[0]' '.linux.devices = [{ path: "/dev/sda", type: "b", major: 8, minor: 0 }]'
	refused 'linux.intelRdt' '.linux.intelRdt = { closID: "x" }'
	refused 'linux.namespaces[ipc].path' '.linux.namespaces += [{ type: "ipc", path: "/proc/self/ns/ipc" }] | .linux.namespaces |= map(select(.type != "ipc" or .path))'
	refused 'linux.uidMappings' '.linux.namespaces += [{ type: "user" }]'
	refused 'linux.gidMappings' '.linux.namespaces += [{ type: "user" }] | .linux.uidMappings = [{ containerID: 0, hostID: 100000, size: 5 }]'
	refused 'mounts[7].destination' '.mounts += [{ destination: "/./", type: "tmpfs", source: "x" }]'
	refused 'SCMP_ACT_NOTIFY' '.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_NOTIFY" }] }'
	refused 'mounts[7].uidMappings' '.mounts += [{ destination: "/x", type: "bind", source: "/tmp", options: ["bind"], uidMappings: [{ containerID: 0, hostID: 1, size: 1 }], gidMappings: [{ containerID: 0, hostID: 1, size: 1 }] }]'
	refused 'mounts[7]' '.mounts += [{ destination: "/x", type: "bind", source: "/tmp", options: ["bind", "idmap"] }]'
	refused 'is a device of the host' '.mounts += [{ destination: "/x", type: "bind", source: "/dev/kmsg", options: ["bind"] }]'
	refused 'mounts[7].source' '.mounts += [{ destination: "/x", type: "bind", source: "/no/such/dir", options: ["bind"] }]'
	refused 'vm.hypervisor.path' '.vm = { hypervisor: { path: "/usr/bin/other" }, kernel: { path: "/x" } }'
	refused 'vm.hypervisor.parameters' '.vm = { hypervisor: { path: "/usr/bin/qemu-system-x86_64", parameters: ["-foo"] }, kernel: { path: "/x" } }'
	refused 'vm.image' '.vm = { kernel: { path: "/x" }, image: { path: "/x", format: "raw" } }'
	refused 'org.vrun.kernel' '.annotations = { "org.vrun.kernel": "/etc/shadow" }'
	refused 'org.vrun.nothing' '.annotations = { "org.vrun.nothing": "1" }'
	refused 'linux.personality' '.linux.personality = { domain: "OTHER" }'
	refused 'process.rlimits' '.process.rlimits = [{ type: "RLIMIT_NONE", soft: 1, hard: 1 }]'
	refused 'process.scheduler' '.process.scheduler = { policy: "SCHED_NONE" }'
	refused 'process.ioPriority' '.process.ioPriority = { class: "IOPRIO_NONE", priority: 1 }'
	refused 'linux.timeOffsets' '.linux.timeOffsets = { monotonic: { secs: 5 } }'
	refused 'vm.hwConfig.deviceTree' '.vm = { kernel: { path: "/x" }, hwConfig: { deviceTree: "/x" } }'
	refused 'vm.hwConfig' '.vm = { kernel: { path: "/x" }, hwConfig: { irqs: [5] } }'
	refused 'block device /dev/disk of the host' '.linux.devices = [{ path: "/dev/disk", type: "b", major: 7, minor: 0 }]'
	refused 'linux.resources.network.classID' '.linux.resources.network = { classID: 5 }'
	refused 'linux.sysctl: kernel.hostname' '.linux.sysctl = { "kernel.hostname": "x" }'
	refused 'windows' '.windows = {}'
}

@test "what is ignored: policies and affinity with a word in the log, fields of later versions, what runc alone needs" {
	mkbundle -- true
	config '.process.apparmorProfile = "docker-default" | .process.selinuxLabel = "system_u:system_r:container_t:s0" | .linux.mountLabel = "system_u:object_r:container_file_t:s0"
	| .process.execCPUAffinity = { initial: "0", final: "0" } | .linux.netDevices = { eth7: {} } | .linux.memoryPolicy = { mode: "MPOL_BIND", nodes: "0" }
	| .somethingNew = { a: [1] } | .process.args = ["sh", "-c", "echo runs; echo [$NOTIFY_SOCKET$LISTEN_FDS]; ls -A /run"]'
	run env NOTIFY_SOCKET=/no/socket LISTEN_FDS=1 LISTEN_PID=$$ timeout -k 5 170 "$VRUN_TEST_BIN/vrun" --root "$state" --criu /no/criu \
		--debug --log "$work/log" run --engine "$VRUN_TEST_ENGINE" --no-pivot --no-new-keyring --no-subreaper "$bundle" ignored
	echo "$output"
	[ "$status" = 0 ]
	[ "$output" = $'runs\n[]' ]
	local field
	for field in process.apparmorProfile process.selinuxLabel linux.mountLabel process.execCPUAffinity; do
		grep -q "level=info msg=\"$field: ignored" "$work/log" || { cat "$work/log"; return 1; }
	done
}

@test "linux.resources.devices: the guest's kernel keeps to the rules, as runc has them" {
	mkbundle -- true
	config '.linux.devices = [{ path: "/dev/port", type: "c", major: 1, minor: 4 }, { path: "/dev/mine", type: "c", major: 1, minor: 11 }]
	| .linux.resources.devices = [{ allow: false, access: "rwm" }, { allow: true, type: "c", major: 1, minor: 11, access: "r" }]
	| .process.capabilities |= map_values(. + ["CAP_SYSLOG", "CAP_MKNOD"])'
	run_script '
		try() { "$@" 2>&1 >/dev/null | grep -q "not permitted" && echo refused || echo allowed; }
		echo "zero $(head -c 1 /dev/zero | wc -c)"; echo x >/dev/null && echo null
		echo "log read $(try dd if=/dev/mine of=/dev/null count=0)"
		echo "log write $(try dd if=/dev/null of=/dev/mine conv=notrunc count=0)"
		echo "port $(try dd if=/dev/port of=/dev/null count=0)"
		mknod /any c 1 2 && echo made; echo "any $(try dd if=/any of=/dev/null count=0)"
	'
	[ "$status" = 0 ]
	has "zero 1" null "log read allowed" "log write refused" "port refused" made "any refused"
	config '.linux.resources.devices = [{ allow: true, access: "rwm" }]'
	run_script 'dd if=/dev/null of=/dev/mine conv=notrunc count=0 && echo "log write allowed"'
	has "log write allowed"
}
