/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console: our end of one of QEMU's character devices. What the guest writes there
 * goes to the console_log.
 */
#ifndef VRUN_VMM_QEMU_CONSOLE_H
#define VRUN_VMM_QEMU_CONSOLE_H

#include <stddef.h>

struct console_log;
struct loop;
struct loop_source;

struct qemu_console {
	int sock;
	struct loop_source *source;
	struct console_log *log; /* borrowed */
};

#define QEMU_CONSOLE_INIT                                                                                    \
	{                                                                                                    \
		.sock = -1                                                                                   \
	}

/* *ret_theirs is QEMU's end, the caller's to close, on failure too if it is set. Does not move after. */
int qemu_console_init(struct qemu_console *console, struct loop *loop, struct console_log *log,
		      int *ret_theirs);
void qemu_console_done(struct qemu_console *console);
/* Take what has come already: before the end is reported. */
void qemu_console_drain(struct qemu_console *console);
/* Bytes for the guest; returns how many were taken. */
size_t qemu_console_input(struct qemu_console *console, const void *buf, size_t len);

#endif
