/* SPDX-License-Identifier: Apache-2.0 */
/* events: a container's statistics, once or time and again, and its want of memory. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "oci/agent_stats.h"
#include "runtime/events.h"
#include "runtime/lookup.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <time.h>

#define INTERVAL_DEFAULT "5s"

struct options {
	const char *interval;
	bool stats;
};

static const struct opt opts[] = {
	{ "interval", 0, OPT_STRING, offsetof(struct options, interval), "TIME",
	  "between two statistics, such as 500ms or 1m30s (" INTERVAL_DEFAULT ")" },
	{ "stats", 0, OPT_FLAG, offsetof(struct options, stats), NULL, "print the statistics once" },
	OPT_END,
};

/* `stats` NULL: out of memory. */
static int print_event(const char *id, const struct agent_stats *stats, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	r = events_text(id, stats, &text, &len);
	if (r == 0) {
		text[len] = '\n';
		r = fd_write_all(STDOUT_FILENO, text, len + 1);
	}
	return r < 0 ? err_set_errno(err, r, "standard output") : 0;
}

static int print_stats(const struct lookup *c, const char *id, struct err *err)
{
	_cleanup_agent_stats_ struct agent_stats stats = { .pids = 0 };
	int r = events_stats(c, &stats, err);

	return r < 0 ? r : print_event(id, &stats, err);
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Until the container's end. What goes wrong once is told, and tried again. */
static int follow(const struct lookup *c, const char *id, uint64_t interval, struct err *err)
{
	_cleanup_close_ int sock = events_subscribe(c, err);
	int64_t next = now_ns() + (int64_t)interval;

	if (sock < 0)
		return sock;
	for (;;) {
		_cleanup_message_ struct message msg = { 0 };
		struct pollfd p = { .fd = sock, .events = POLLIN };
		struct err why = ERR_INIT;
		int64_t left = next - now_ns();
		struct timespec ts = { .tv_sec = 0 };
		int r;

		if (left > 0)
			ts = (struct timespec){ left / 1000000000, left % 1000000000 };
		r = ppoll(&p, 1, &ts, NULL);
		if (r < 0 && errno != EINTR)
			return err_set_errno(err, -errno, "poll");
		if (r > 0) {
			if (message_recv(sock, &msg) < 0)
				return 0;
			r = msg.type == MESSAGE_OOM ? print_event(id, NULL, err) : 0;
		} else if (now_ns() >= next) {
			next += (int64_t)interval;
			r = print_stats(c, id, &why);
			if (r == -ESRCH)
				return 0;
			/* Paused, or not started yet: there is nothing to tell until it goes on. */
			if (r < 0 && r != -EAGAIN)
				log_error("%s", why.text);
			r = 0;
		}
		if (r < 0)
			return r;
	}
}

static int events(const struct cmd_call *call, struct err *err)
{
	const struct options *o = call->opts;
	const char *id = call->words[0];
	_cleanup_lookup_ struct lookup c = LOOKUP_INIT;
	const char *text = o->interval ? o->interval : INTERVAL_DEFAULT;
	uint64_t interval;
	int r;

	if (events_parse_interval(text, &interval) < 0)
		return err_set(err, -EINVAL, "option --interval: \"%s\" is no time such as 5s or 500ms",
			       text);
	if (interval == 0)
		return err_set(err, -EINVAL, "duration interval must be greater than 0");
	r = lookup_open(call->globals->root, id, false, &c, err);
	if (r < 0)
		return r;
	if (c.status == STATUS_STOPPED)
		return err_set(err, -ESRCH, "container with id %s is not running", id);
	return o->stats ? print_stats(&c, id, err) : follow(&c, id, interval, err);
}

const struct command cmd_events = {
	.name = "events",
	.words = "ID",
	.summary = "print a container's statistics and what befalls it, as JSON",
	.examples = "vrun events --stats web\n"
		    "vrun events --interval 500ms web",
	.opts = opts,
	.opts_size = sizeof(struct options),
	.min_words = 1,
	.max_words = 1,
	.run = events,
};
