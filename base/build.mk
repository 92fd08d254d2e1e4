base_SRC := \
	base/err.c \
	base/fd.c \
	base/json.c \
	base/json_node.c \
	base/json_out.c \
	base/log.c \
	base/lookpath.c \
	base/loop.c \
	base/rootpath.c \
	base/signals.c
