# What the guest's agent needs too: no library beyond yajl.
oci_agent_SRC := \
	oci/agent_link.c \
	oci/agent_proto.c \
	oci/agent_stats.c \
	oci/guest_net.c \
	oci/hook.c \
	oci/spec.c \
	oci/spec_capabilities.c \
	oci/spec_hooks.c \
	oci/spec_linux.c \
	oci/spec_mounts.c \
	oci/spec_numbers.c \
	oci/spec_process.c \
	oci/spec_resources.c \
	oci/spec_schema.c \
	oci/spec_seccomp.c \
	oci/spec_types.c \
	oci/spec_vm.c
oci_SRC := $(oci_agent_SRC) \
	oci/features.c \
	oci/seccomp.c
