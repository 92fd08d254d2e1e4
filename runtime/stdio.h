/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stdio: standard streams and terminals on the host.
 */
#ifndef VRUN_RUNTIME_STDIO_H
#define VRUN_RUNTIME_STDIO_H

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

struct err;

/* Make sure that descriptors 0 to 2 are open, so that no other file gets their numbers. */
int stdio_fill(void);

/*
 * A descriptor like `fd` (O_RDONLY or O_WRONLY), whose file status flags are not shared
 * with whoever else has it: pipes and terminals are opened anew, anything else is
 * duplicated. O_NONBLOCK on a shared one would break other programs on the same terminal.
 */
int stdio_private(int fd, bool writing);

/*
 * The terminal that the command was called from, as a descriptor of its own: standard error's, output's
 * or input's, whichever is one first, or the controlling one. -ENOTTY.
 */
int stdio_terminal(void);
/* Its size, or -errno. */
int stdio_terminal_size(uint16_t *ret_rows, uint16_t *ret_cols);
/* That there is one for process.terminal to be relayed to. */
int stdio_check_terminal(struct err *err);

/* Put `fd`, which is /dev/null, at descriptors 0 and 1, and 2 unless `keep_stderr`. */
int stdio_to_null(int fd, bool keep_stderr);

/* A terminal pair; the slave passes bytes unchanged (raw) and does not block. Sizes of 0 are left alone. */
int pty_open(uint16_t rows, uint16_t cols, int *ret_master, int *ret_slave);
int pty_set_size(int fd, uint16_t rows, uint16_t cols);
int pty_get_size(int fd, uint16_t *ret_rows, uint16_t *ret_cols);

/* Connect to --console-socket PATH. */
int console_connect(const char *path, int *ret, struct err *err);
/* Send the master over it, as callers of OCI runtimes expect it. */
int console_send(int sock, int master);

/* A terminal's mode, to be put back. */
struct tty_mode {
	int fd; /* borrowed; -EBADF: nothing to restore */
	struct termios saved;
};
#define TTY_MODE_INIT                                                                                        \
	{                                                                                                    \
		.fd = -EBADF                                                                                 \
	}
/* Make a terminal raw; no terminal: nothing is done. */
int tty_make_raw(int fd, struct tty_mode *mode);
void tty_restore(struct tty_mode *mode);

#endif
