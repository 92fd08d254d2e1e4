#!/usr/bin/env bats
# Containers in a container: what its kernel offers is enough for another runtime.

load common

# As an engine's --privileged.
privilege() {
	jq '.process.capabilities |= map_values([
			"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD", "CAP_SETFCAP",
			"CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_ADMIN", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE",
			"CAP_SYS_RESOURCE", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_NET_BIND_SERVICE", "CAP_AUDIT_WRITE", "CAP_BPF"])
		| .process.noNewPrivileges = false
		| .linux.maskedPaths = [] | .linux.readonlyPaths = []
		| .linux.resources.devices = [{ allow: true, access: "rwm" }]
		| .mounts |= map(if .destination | startswith("/sys") then .options -= ["ro"] else . end)' \
		"$bundle/config.json" >"$work/c" && mv "$work/c" "$bundle/config.json"
}

@test "runc runs a container in the VM, with namespaces, cgroups and a seccomp profile of its own" {
	mkbundle -- sh /nested.sh
	add_programs runc
	privilege
	cat >"$bundle/rootfs/nested.sh" <<-'S'
		set -e
		mkdir -p /run/b/rootfs/bin /run/b/rootfs/proc /run/b/rootfs/sys /run/b/rootfs/dev
		cp /bin/busybox /run/b/rootfs/bin/
		for i in sh cat hostname grep id; do ln -s busybox /run/b/rootfs/bin/$i; done
		cd /run/b
		runc spec
		sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"sh", "-c", "echo pid $$ on $(hostname); grep Seccomp: \/proc\/self\/status; echo limit $(cat \/sys\/fs\/cgroup\/pids.max)"/' config.json
		sed -i 's/"resources": {/"resources": { "pids": { "limit": 33 },/; s/"maskedPaths"/"seccomp": { "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{ "names": ["swapon"], "action": "SCMP_ACT_ERRNO" }] }, &/' config.json
		runc --root /run/runc run inner
		echo "runc ended with $?"
		unshare -U -r sh -c 'echo "uid $(id -u) in a user namespace"'
	S
	run vrun_run
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" == *"pid 1 on runc"* ]]
	[[ "$output" == *"Seccomp:"*2* ]]
	[[ "$output" == *"limit 33"* ]]
	[[ "$output" == *"runc ended with 0"* ]]
	[[ "$output" == *"uid 0 in a user namespace"* ]]
}
