/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console_log: a ring of the console's last bytes. The bytes are the guest's:
 * they are kept as they came and cleaned only on the way into a message.
 */
#include "vmm/console_log.h"

#include "base/cleanup.h"
#include "base/fd.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct console_log {
	pthread_mutex_t lock; /* all below */
	int fd;
	void (*tap)(void *ctx, const void *buf, size_t len);
	void *tap_ctx;
	size_t next; /* where the next byte goes */
	size_t len; /* bytes kept, ≤ CONSOLE_LOG_SIZE */
	uint8_t ring[CONSOLE_LOG_SIZE];
};

int console_log_new(int take_fd, struct console_log **ret)
{
	struct console_log *log;

	log = calloc(1, sizeof(*log));
	if (!log) {
		close_fd(take_fd);
		return -ENOMEM;
	}
	pthread_mutex_init(&log->lock, NULL);
	log->fd = take_fd;
	*ret = log;
	return 0;
}

void console_log_free(struct console_log *log)
{
	if (!log)
		return;
	close_fd(log->fd);
	pthread_mutex_destroy(&log->lock);
	free(log);
}

static void keep(struct console_log *log, const uint8_t *buf, size_t len)
{
	size_t first;

	if (len > CONSOLE_LOG_SIZE) {
		buf += len - CONSOLE_LOG_SIZE;
		len = CONSOLE_LOG_SIZE;
	}
	first = CONSOLE_LOG_SIZE - log->next;
	if (first > len)
		first = len;
	memcpy(log->ring + log->next, buf, first);
	memcpy(log->ring, buf + first, len - first);
	log->next = (log->next + len) % CONSOLE_LOG_SIZE;
	log->len = log->len + len < CONSOLE_LOG_SIZE ? log->len + len : CONSOLE_LOG_SIZE;
}

void console_log_write(struct console_log *log, const void *buf, size_t len)
{
	if (len == 0)
		return;
	pthread_mutex_lock(&log->lock);
	keep(log, buf, len);
	/* A debug file that is full must not stop the guest: what does not fit is lost there. */
	if (log->fd >= 0)
		(void)fd_write_all(log->fd, buf, len);
	if (log->tap)
		log->tap(log->tap_ctx, buf, len);
	pthread_mutex_unlock(&log->lock);
}

void console_log_set_tap(struct console_log *log, void (*fn)(void *ctx, const void *buf, size_t len),
			 void *ctx)
{
	pthread_mutex_lock(&log->lock);
	log->tap = fn;
	log->tap_ctx = ctx;
	pthread_mutex_unlock(&log->lock);
}

/* Byte `i` of what is kept, 0 the oldest. */
static uint8_t kept(const struct console_log *log, size_t i)
{
	return log->ring[(log->next + CONSOLE_LOG_SIZE - log->len + i) % CONSOLE_LOG_SIZE];
}

/*
 * A message goes to a terminal or a JSON log: nothing that moves a cursor or that
 * could be cut within a multi-byte character. 0: leave the byte out.
 */
static char harmless(uint8_t c)
{
	if (c == '\r')
		return 0;
	if (c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7f))
		return (char)c;
	return '?';
}

/* Where the last `max_lines` lines begin; the end of the last is at `end`. */
static size_t tail_start(const struct console_log *log, size_t end, unsigned max_lines)
{
	size_t i = end;

	while (i > 0) {
		if (kept(log, i - 1) == '\n' && --max_lines == 0)
			break;
		i--;
	}
	return i;
}

size_t console_log_tail(struct console_log *log, unsigned max_lines, char *buf, size_t size)
{
	size_t start, end, text = 0, skip, n = 0;

	if (size == 0)
		return 0;
	pthread_mutex_lock(&log->lock);
	end = log->len;
	while (end > 0 && (kept(log, end - 1) == '\n' || kept(log, end - 1) == '\r'))
		end--;
	start = max_lines ? tail_start(log, end, max_lines) : end;

	/* Too long for the buffer: the end says more than the beginning. */
	for (size_t i = start; i < end; i++)
		text += harmless(kept(log, i)) != 0;
	skip = text > size - 1 ? text - (size - 1) : 0;

	for (size_t i = start; i < end; i++) {
		char c = harmless(kept(log, i));

		if (!c)
			continue;
		if (skip > 0)
			skip--;
		else
			buf[n++] = c;
	}
	pthread_mutex_unlock(&log->lock);
	buf[n] = '\0';
	return n;
}
