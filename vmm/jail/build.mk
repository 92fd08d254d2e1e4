vmm_jail_SRC := \
	vmm/jail/caps.c \
	vmm/jail/child.c \
	vmm/jail/filters.c \
	vmm/jail/jail.c \
	vmm/jail/root.c \
	vmm/jail/view.c \
	vmm/jail/violation.c
