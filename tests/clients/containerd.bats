#!/usr/bin/env bats
# containerd: ctr with vrun in runc's place, io.containerd.runc.v2's shim between.

load common
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	make_rootfs
	make_image
	start_containerd
	ctr image import "$BATS_FILE_TMPDIR/image.tar" >/dev/null
	ctr run -d "${run_options[@]}" --memory-limit 300000000 "$image" shared \
		sh -c 'trap "echo got TERM; exit 9" TERM; while :; do echo tick >>/tmp/ticks; sleep 0.1; done'
}

teardown_file() {
	load common
	ctr tasks kill -s KILL --all shared >/dev/null 2>&1 || true
	wait_until eval "ctr tasks ls | grep -q STOPPED" >/dev/null || true
	ctr tasks rm -f shared >/dev/null 2>&1 || true
	ctr containers rm shared >/dev/null 2>&1 || true
	ctr image rm "$image" >/dev/null 2>&1 || true
	stop_containerd
	leftovers
	[ -z "$(find "$BATS_FILE_TMPDIR/state" -name state.json)" ]
}

image=example.org/busybox:test
run_options=(--runc-binary "$vrun" --runc-root "$BATS_FILE_TMPDIR/state" --snapshotter native --cgroup "/$cgroup/c")

ctr() {
	timeout -k 5 $limit ctr --address "$BATS_FILE_TMPDIR/containerd/socket" "$@"
}

# An OCI image archive of the root, by hand: image-spec, image-layout.md.
make_image() {
	local dir=$BATS_FILE_TMPDIR/layout layer config manifest
	mkdir -p "$dir/blobs/sha256"
	layer=$(put_blob <"$BATS_FILE_TMPDIR/rootfs.tar")
	config=$(put_blob <<-J
		{"architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/bin"]},
		 "rootfs": {"type": "layers", "diff_ids": ["sha256:$layer"]}}
	J
	)
	manifest=$(put_blob <<-J
		{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		 "config": $(descriptor image.config.v1+json "$config"),
		 "layers": [$(descriptor image.layer.v1.tar "$layer")]}
	J
	)
	echo '{"imageLayoutVersion": "1.0.0"}' >"$dir/oci-layout"
	descriptor image.manifest.v1+json "$manifest" |
		jq "{schemaVersion: 2, manifests: [. + {annotations: {\"io.containerd.image.name\": \"$image\"}}]}" >"$dir/index.json"
	tar -C "$dir" -cf "$BATS_FILE_TMPDIR/image.tar" .
	rm -r "$dir"
}

# put_blob <DATA: prints its digest.
put_blob() {
	local dir=$BATS_FILE_TMPDIR/layout/blobs/sha256 digest
	cat >"$dir/new"
	digest=$(sha256sum <"$dir/new")
	digest=${digest%% *}
	mv "$dir/new" "$dir/$digest"
	echo "$digest"
}

descriptor() {
	echo "{\"mediaType\": \"application/vnd.oci.$1\", \"digest\": \"sha256:$2\", \"size\": $(stat -c %s "$BATS_FILE_TMPDIR/layout/blobs/sha256/$2")}"
}

@test "run --rm: output, exit status, environment, a mount, limits" {
	mkdir "$BATS_TEST_TMPDIR/dir"
	echo ours >"$BATS_TEST_TMPDIR/dir/file"
	run ctr run --rm --runc-binary "$vrun" --runc-root "$BATS_FILE_TMPDIR/state" --snapshotter native --env A=B \
		--mount "type=bind,src=$BATS_TEST_TMPDIR/dir,dst=/dir,options=rbind:ro" --memory-limit 134217728 --cgroup "/$cgroup/once" \
		"$image" once sh -c 'cat /dir/file; echo $A; touch /dir/refused 2>&1; awk "/MemTotal/ { print \$2 < 300000 }" /proc/meminfo; uname -r; exit 5'
	expect 5 $'ours\nB\ntouch: /dir/refused: Read-only file system\n1\n'
	[[ $output != *"$(uname -r)"* ]]
}

@test "tasks ls, ps, metrics: the task, its process on the host, the host's cgroup" {
	run ctr tasks ls
	[[ $output =~ shared\ +([0-9]+)\ +RUNNING ]]
	[ "$(cat "/proc/${BASH_REMATCH[1]}/comm")" = vrun-vmm ]
	run ctr tasks ps shared
	expect 0 "${BASH_REMATCH[1]}"
	run ctr tasks metrics shared
	# A whole machine's memory is charged there.
	[[ $output =~ memory.usage_in_bytes\ +([0-9]+) ]] || [[ $output =~ memory.usage\ +([0-9]+) ]]
	[ "${BASH_REMATCH[1]}" -gt 30000000 ]
}

@test "tasks exec: output, status, stdin, what can't be started, kill of one of them" {
	run ctr tasks exec --exec-id e1 --user 1000 --cwd /tmp shared sh -c 'id -u; pwd; exit 4'
	expect 4 $'1000\n/tmp'
	run ctr tasks exec --exec-id e2 shared nosuch
	expect 1 'exec: "nosuch": executable file not found in $PATH'
	ctr tasks exec --detach --exec-id e3 shared sh -c 'echo $$ >/tmp/pid; exec sleep 1000'
	wait_until ctr tasks exec --exec-id e4 shared test -s /tmp/pid
	run ctr tasks ps shared
	expect 0 "ExecID:e3"
	ctr tasks kill --exec-id e3 -s KILL shared
	wait_until ctr tasks exec --exec-id e5 shared sh -c '! kill -0 $(cat /tmp/pid)'
}

@test "pause and resume: nothing runs meanwhile" {
	local before
	ctr tasks pause shared
	run ctr tasks ls
	expect 0 PAUSED
	before=$(ticks)
	sleep 0.5
	[ "$(ticks)" = "$before" ]
	ctr tasks resume shared
	wait_until eval "[ \$(ticks) -gt $before ]"
}

# The file is in the snapshot that the host has, too.
ticks() {
	stat -c %s "$(find "$BATS_FILE_TMPDIR/containerd/state" -path '*/shared/rootfs/tmp/ticks')"
}

# ctr executes the plugins itself, of /opt/cni/bin: here with folders of the test's own, in a namespace where it has
# nobody's bridge.
@test "run --cni: Debian's plugins give the container its address, between create and start" {
	local net=vrun-cni-$$ dir=$BATS_TEST_TMPDIR
	cat >"$dir/net.conflist" <<-J
		{ "cniVersion": "0.4.0", "name": "test", "plugins": [{ "type": "bridge", "bridge": "cni0", "isGateway": true, "mtu": 1450,
		  "ipam": { "type": "host-local", "dataDir": "$dir/ipam", "routes": [{ "dst": "0.0.0.0/0" }],
		  "ranges": [[{ "subnet": "10.89.7.0/24", "rangeStart": "10.89.7.77" }]] } }] }
	J
	ip netns add "$net"
	# shellcheck disable=SC2016
	run timeout -k 5 $limit ip netns exec "$net" sh -c '
		for d in /opt /var/lib /etc/cni; do mkdir -p $d && mount -t tmpfs none $d || exit 1; done
		mkdir -p /opt/cni/bin /var/lib/cni /etc/cni/net.d && mount --bind /usr/lib/cni /opt/cni/bin &&
		cp "$1" /etc/cni/net.d/ && ip link set lo up && shift && exec ctr "$@"' sh "$dir/net.conflist" \
		--address "$BATS_FILE_TMPDIR/containerd/socket" run --rm --cni "${run_options[@]}-cni" "$image" cni \
		sh -c 'ip addr show dev eth0; ip route; ping -c 2 -W 10 10.89.7.1'
	ip netns del "$net"
	expect 0 "inet 10.89.7.77/24"
	expect 0 "mtu 1450"
	expect 0 "default via 10.89.7.1 dev eth0"
	expect 0 "2 packets received"
}

@test "a program that is missing: run fails, and no task is left" {
	run ctr run --runc-binary "$vrun" --runc-root "$BATS_FILE_TMPDIR/state" --snapshotter native "$image" missing nosuch
	expect 1 'exec: "nosuch": executable file not found in $PATH'
	run ctr tasks ls
	[[ $output != *missing* ]]
	ctr containers rm missing
}

@test "kill TERM and delete: the process's own exit status" {
	ctr tasks kill -s TERM shared
	wait_until eval "ctr tasks ls | grep -q STOPPED"
	run ctr tasks rm shared
	expect 0 "exit code 9"
	ctr containers rm shared
	run ctr tasks ls -q
	[ -z "$output" ]
}
