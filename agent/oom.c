/* SPDX-License-Identifier: Apache-2.0 */
/* oom: see oom.h; Documentation/admin-guide/cgroup-v2.rst, memory.events. */
#include "agent/oom.h"

#include "base/cleanup.h"
#include "base/loop.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

struct oom_watch {
	struct loop_source *source;
	int fd; /* memory.events */
	uint64_t kills;
	oom_fn killed;
	void *ctx;
};

static int count_kills(const struct oom_watch *watch, uint64_t *ret)
{
	char text[1024];
	const char *line;
	ssize_t n = pread(watch->fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	line = strstr(text, "\noom_kill ");
	*ret = line ? strtoull(line + strlen("\noom_kill "), NULL, 10) : 0;
	return 0;
}

void oom_watch_check(struct oom_watch *watch)
{
	uint64_t kills;

	if (!watch || !watch->source)
		return;
	/* The cgroup is gone. */
	if (count_kills(watch, &kills) < 0) {
		loop_remove(TAKE_PTR(watch->source));
		return;
	}
	if (kills <= watch->kills)
		return;
	watch->kills = kills;
	watch->killed(watch->ctx, kills);
}

/* Reading is what takes the event back: the kernel's kernfs_generic_poll(). */
static void on_events(void *ctx, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	oom_watch_check(ctx);
}

int oom_watch_new(struct loop *loop, int cgroup, oom_fn killed, void *ctx, struct oom_watch **ret)
{
	struct oom_watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return -ENOMEM;
	watch->killed = killed;
	watch->ctx = ctx;
	watch->fd = openat(cgroup, "memory.events", O_RDONLY | O_CLOEXEC);
	r = watch->fd < 0 ? -errno : count_kills(watch, &watch->kills);
	if (r == 0)
		r = loop_add_fd(loop, watch->fd, EPOLLPRI, on_events, watch, &watch->source);
	if (r < 0) {
		oom_watch_free(watch);
		return r;
	}
	*ret = watch;
	return 0;
}

void oom_watch_free(struct oom_watch *watch)
{
	if (!watch)
		return;
	loop_remove(watch->source);
	close_fd(watch->fd);
	free(watch);
}
