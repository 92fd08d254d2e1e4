/* SPDX-License-Identifier: Apache-2.0 */
/* timeline: see timeline.h. */
#include "runtime/timeline.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { TIMELINE_VERSION = 1 };

static const char *const phase_names[TIMELINE_PHASES] = {
	[TIMELINE_PLAN] = "plan",     [TIMELINE_LAUNCH] = "launch", [TIMELINE_MACHINE] = "machine",
	[TIMELINE_KERNEL] = "kernel", [TIMELINE_AGENT] = "agent",   [TIMELINE_CONTAINER] = "container",
	[TIMELINE_START] = "start",
};

int timeline_create(int dirfd)
{
	int fd = openat(dirfd, "timeline.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? -errno : fd;
}

/* A step that was not reached, or a guest's clock that makes no sense, is no time. */
static uint64_t between(uint64_t from, uint64_t to)
{
	return from && to > from ? to - from : 0;
}

void timeline_phases(const struct timeline *t, uint64_t ret[static TIMELINE_PHASES])
{
	uint64_t booted = between(t->first_run, t->start ? t->created : t->started);
	uint64_t agent = between(t->guest.started, t->guest.sent);
	uint64_t container = between(t->guest.sent, t->guest_ready);

	if (agent > booted)
		agent = booted;
	if (container > booted - agent)
		container = booted - agent;
	ret[TIMELINE_PLAN] = between(t->begun, t->launched);
	ret[TIMELINE_LAUNCH] = between(t->launched, t->received);
	ret[TIMELINE_MACHINE] = between(t->waited ? t->waited : t->received, t->first_run);
	ret[TIMELINE_KERNEL] = booted - agent - container;
	ret[TIMELINE_AGENT] = agent;
	ret[TIMELINE_CONTAINER] = container;
	ret[TIMELINE_START] = between(t->start, t->started);
}

static uint64_t total(const uint64_t phases[static TIMELINE_PHASES])
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < TIMELINE_PHASES; i++)
		sum += phases[i];
	return sum;
}

void timeline_log_phases(const struct timeline *t)
{
	uint64_t phases[TIMELINE_PHASES];
	char text[256];
	size_t len = 0;

	if (!log_enabled(LOG_LEVEL_DEBUG))
		return;
	timeline_phases(t, phases);
	for (unsigned i = 0; i < TIMELINE_PHASES; i++) {
		int n = snprintf(text + len, sizeof(text) - len, "%s %.1f, ", phase_names[i],
				 (double)phases[i] / 1e6);

		if (n > 0 && (size_t)n < sizeof(text) - len)
			len += (size_t)n;
	}
	log_debug("timeline (ms): %stotal %.1f", text, (double)total(phases) / 1e6);
}

void timeline_log_exits(const char *when, const char *exits)
{
	char text[TIMELINE_EXITS_MAX];
	size_t len = strnlen(exits, sizeof(text) - 1);

	if (len == 0 || !log_enabled(LOG_LEVEL_DEBUG))
		return;
	memcpy(text, exits, len);
	text[len] = '\0';
	for (char *p = text; *p; p++) {
		if (*p == '\n')
			*p = p[1] ? ',' : '\0';
	}
	log_debug("VM exits %s: %s", when, text);
}

/* Lines "reason count". */
static void put_exits(struct json_out *out, const char *key, const char *lines)
{
	const char *end;

	if (!lines[0])
		return;
	json_out_key(out, key);
	json_out_object(out);
	for (; (end = strchr(lines, '\n')); lines = end + 1) {
		unsigned long long count;
		char name[64];

		if (sscanf(lines, "%63s %llu", name, &count) == 2)
			json_put_u64(out, name, count);
	}
	json_out_object_end(out);
}

int timeline_text(const struct timeline *t, const char *engine, char **ret_text, size_t *ret_len)
{
	uint64_t phases[TIMELINE_PHASES];
	struct json_out *out;
	int r;

	r = json_out_new(true, &out);
	if (r < 0)
		return r;
	timeline_phases(t, phases);
	json_out_object(out);
	json_put_u64(out, "version", TIMELINE_VERSION);
	json_out_key(out, "engine");
	json_out_string(out, engine);
	json_put_u64(out, "total", total(phases));
	json_out_key(out, "phases");
	json_out_object(out);
	for (unsigned i = 0; i < TIMELINE_PHASES; i++)
		json_put_u64(out, phase_names[i], phases[i]);
	json_out_object_end(out);
	json_out_key(out, "agent");
	json_out_object(out);
	json_put_u64(out, "prepare", between(t->guest.started, t->guest.prepared));
	json_put_u64(out, "mount", between(t->guest.prepared, t->guest.mounted));
	json_put_u64(out, "connect", between(t->guest.mounted, t->guest.sent));
	json_out_object_end(out);
	put_exits(out, "exitsToStart", t->exits_to_start);
	put_exits(out, "exits", t->exits);
	json_out_object_end(out);
	r = json_out_finish(out, ret_text, ret_len);
	json_out_free(out);
	return r;
}

void timeline_write(const struct timeline *t, const char *engine, int fd)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	if (fd < 0)
		return;
	r = timeline_text(t, engine, &text, &len);
	/* It only grows: no truncation, so that a reader sees at worst a part that was not there before. */
	if (r == 0 && pwrite(fd, text, len, 0) != (ssize_t)len)
		r = -errno;
	if (r < 0)
		log_debug("timeline: %s", strerror(-r));
}
