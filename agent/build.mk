# Compiled with the agent's flags; the shared files are the only ones of other folders in the guest.
agent_core_SRC := \
	agent/agent.c \
	agent/cgroup.c \
	agent/child.c \
	agent/clock.c \
	agent/container.c \
	agent/copy_tree.c \
	agent/credentials.c \
	agent/device_filter.c \
	agent/devices.c \
	agent/flush.c \
	agent/hooks.c \
	agent/mount_options.c \
	agent/mounts.c \
	agent/namespaces.c \
	agent/net.c \
	agent/oom.c \
	agent/passwd.c \
	agent/proc_file.c \
	agent/process.c \
	agent/process_attrs.c \
	agent/ps.c \
	agent/pump.c \
	agent/rootfs.c \
	agent/rtnl.c \
	agent/sockets.c \
	agent/stats.c \
	agent/stdio.c \
	agent/stream.c \
	agent/terminal.c
agent_SRC := $(agent_core_SRC) \
	agent/boot.c \
	agent/console.c \
	agent/modules.c \
	cmd/vrun_agent.c
agent_shared_SRC := $(oci_agent_SRC) $(base_SRC)
