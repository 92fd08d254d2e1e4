base_SRC := \
	base/err.c \
	base/fd.c \
	base/log.c \
	base/loop.c
