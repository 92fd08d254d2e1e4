# What the guest's agent needs too: no library beyond yajl.
oci_agent_SRC := \
	oci/agent_link.c
oci_SRC := $(oci_agent_SRC)
