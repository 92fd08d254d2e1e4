/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console_log: the guest console's last 64 KiB, for error messages; with
 * --debug all of it goes to a file too. Both consoles (8250 and hvc0) write here.
 *
 * Thread-safe: a vCPU thread (8250) and the loop (hvc0) write.
 */
#ifndef VRUN_VMM_CONSOLE_LOG_H
#define VRUN_VMM_CONSOLE_LOG_H

#include <stddef.h>

struct console_log;

enum { CONSOLE_LOG_SIZE = 64 << 10 };

/* `take_fd`: an append-mode file, or -1. */
int console_log_new(int take_fd, struct console_log **ret);
void console_log_free(struct console_log *log);
void console_log_write(struct console_log *log, const void *buf, size_t len);

/*
 * Called (any thread, the log's lock held: it must not use the log) after each write; for
 * `vrun console`. NULL takes it away; no call is under way when this returns.
 */
void console_log_set_tap(struct console_log *log, void (*fn)(void *ctx, const void *buf, size_t len), void *ctx);

/*
 * The last `max_lines` lines, control characters made harmless, as NUL-terminated
 * text of at most `size` bytes, without a newline at its end; the number of bytes
 * without the NUL. What doesn't fit is left out at the beginning.
 */
size_t console_log_tail(struct console_log *log, unsigned max_lines, char *buf, size_t size);

#endif
