/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop: epoll, with timers, signals and wake-ups as descriptors in it; see
 * loop.h.
 *
 * Theory of operation
 *
 * Sources live in a doubly linked list. loop_remove() takes the source out of
 * epoll at once but only marks it dead: the batch being dispatched may still
 * hold its pointer. The dead are freed between two batches.
 */
#include "base/loop.h"

#include "base/cleanup.h"

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

enum { BATCH = 32 };

enum source_kind { SOURCE_FD, SOURCE_TIMER, SOURCE_DEFER, SOURCE_SIGNALS, SOURCE_WAKE };

struct loop_source {
	struct loop *loop;
	struct loop_source *prev, *next;
	enum source_kind kind;
	int fd; /* ours unless SOURCE_FD; -EBADF for SOURCE_DEFER */
	uint32_t events; /* watched; for SOURCE_DEFER non-zero: enabled */
	bool dead;
	union {
		loop_fd_fn fd_fn;
		loop_signal_fn signal_fn;
		loop_fn fn;
	};
	void *ctx;
};

struct loop {
	int epfd;
	struct loop_source *first;
	unsigned n_deferred; /* enabled SOURCE_DEFER sources */
	bool have_dead;
	bool quit;
	int code;
};

int loop_new(struct loop **ret)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return -ENOMEM;
	loop->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epfd < 0) {
		int r = -errno;

		free(loop);
		return r;
	}
	*ret = loop;
	return 0;
}

static void source_free(struct loop_source *src)
{
	if (src->prev)
		src->prev->next = src->next;
	else
		src->loop->first = src->next;
	if (src->next)
		src->next->prev = src->prev;
	free(src);
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	for (struct loop_source *s = loop->first, *next; s; s = next) {
		next = s->next;
		loop_remove(s);
		source_free(s);
	}
	close_fd(loop->epfd);
	free(loop);
}

static int source_new(struct loop *loop, enum source_kind kind, int fd, uint32_t events, void *ctx,
		      struct loop_source **ret)
{
	struct loop_source *src = calloc(1, sizeof(*src));
	struct epoll_event ev = { .events = events, .data.ptr = src };

	if (!src)
		return -ENOMEM;
	if (fd >= 0 && epoll_ctl(loop->epfd, EPOLL_CTL_ADD, fd, &ev) < 0) {
		int r = -errno;

		free(src);
		return r;
	}
	*src = (struct loop_source){
		.loop = loop, .next = loop->first, .kind = kind, .fd = fd, .events = events, .ctx = ctx
	};
	if (loop->first)
		loop->first->prev = src;
	loop->first = src;
	*ret = src;
	return 0;
}

int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn, void *ctx,
		struct loop_source **ret)
{
	int r = source_new(loop, SOURCE_FD, fd, events, ctx, ret);

	if (r == 0)
		(*ret)->fd_fn = fn;
	return r;
}

int loop_set_events(struct loop_source *src, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = src };

	if (src->events == events || src->dead)
		return 0;
	if (src->kind == SOURCE_DEFER) {
		src->loop->n_deferred += events ? 1 : -1;
		src->events = events ? 1 : 0;
		return 0;
	}
	if (epoll_ctl(src->loop->epfd, EPOLL_CTL_MOD, src->fd, &ev) < 0)
		return -errno;
	src->events = events;
	return 0;
}

int loop_add_timer(struct loop *loop, uint64_t ms, loop_fn fn, void *ctx, struct loop_source **ret)
{
	_cleanup_close_ int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	struct loop_source *src;
	int r;

	if (fd < 0)
		return -errno;
	r = source_new(loop, SOURCE_TIMER, fd, EPOLLIN, ctx, &src);
	if (r < 0)
		return r;
	TAKE_FD(fd);
	src->fn = fn;
	r = loop_set_timer(src, ms);
	if (r < 0) {
		loop_remove(src);
		return r;
	}
	*ret = src;
	return 0;
}

int loop_set_timer(struct loop_source *src, uint64_t ms)
{
	struct itimerspec its = { 0 };

	if (ms != UINT64_MAX) {
		its.it_value.tv_sec = (time_t)(ms / 1000);
		/* a zero value would disarm: "at once" is a nanosecond */
		its.it_value.tv_nsec = ms ? (long)(ms % 1000) * 1000000 : 1;
	}
	return timerfd_settime(src->fd, 0, &its, NULL) < 0 ? -errno : 0;
}

int loop_add_defer(struct loop *loop, loop_fn fn, void *ctx, struct loop_source **ret)
{
	int r = source_new(loop, SOURCE_DEFER, -EBADF, 1, ctx, ret);

	if (r == 0) {
		(*ret)->fn = fn;
		loop->n_deferred++;
	}
	return r;
}

int loop_add_signals(struct loop *loop, const sigset_t *set, loop_signal_fn fn, void *ctx,
		     struct loop_source **ret)
{
	_cleanup_close_ int fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	int r;

	if (fd < 0)
		return -errno;
	r = -pthread_sigmask(SIG_BLOCK, set, NULL);
	if (r < 0)
		return r;
	r = source_new(loop, SOURCE_SIGNALS, fd, EPOLLIN, ctx, ret);
	if (r < 0)
		return r;
	TAKE_FD(fd);
	(*ret)->signal_fn = fn;
	return 0;
}

int loop_add_wake(struct loop *loop, loop_fn fn, void *ctx, struct loop_source **ret)
{
	_cleanup_close_ int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r;

	if (fd < 0)
		return -errno;
	r = source_new(loop, SOURCE_WAKE, fd, EPOLLIN, ctx, ret);
	if (r < 0)
		return r;
	TAKE_FD(fd);
	(*ret)->fn = fn;
	return 0;
}

void loop_wake(struct loop_source *src)
{
	/* EAGAIN: the counter is full, so a wake-up is under way */
	(void)eventfd_write(src->fd, 1);
}

void loop_remove(struct loop_source *src)
{
	if (!src || src->dead)
		return;
	if (src->fd >= 0)
		(void)epoll_ctl(src->loop->epfd, EPOLL_CTL_DEL, src->fd, NULL);
	if (src->kind == SOURCE_DEFER && src->events)
		src->loop->n_deferred--;
	if (src->kind != SOURCE_FD)
		src->fd = close_fd(src->fd);
	src->dead = true;
	src->loop->have_dead = true;
}

static void dispatch(struct loop_source *src, uint32_t events)
{
	uint64_t count;

	switch (src->kind) {
	case SOURCE_FD:
		src->fd_fn(src->ctx, src->fd, events);
		break;
	case SOURCE_TIMER:
	case SOURCE_WAKE:
		if (read(src->fd, &count, sizeof(count)) == sizeof(count))
			src->fn(src->ctx);
		break;
	case SOURCE_SIGNALS: {
		struct signalfd_siginfo si;

		while (!src->dead && read(src->fd, &si, sizeof(si)) == sizeof(si))
			src->signal_fn(src->ctx, &si);
		break;
	}
	case SOURCE_DEFER:
		src->fn(src->ctx);
		break;
	}
}

static void run_deferred(struct loop *loop)
{
	/* Sources are only freed between turns, so the list may be walked while handlers remove some. */
	for (struct loop_source *s = loop->first; s && !loop->quit; s = s->next)
		if (s->kind == SOURCE_DEFER && s->events && !s->dead)
			dispatch(s, 0);
}

static void bury(struct loop *loop)
{
	if (!loop->have_dead)
		return;
	loop->have_dead = false;
	for (struct loop_source *s = loop->first, *next; s; s = next) {
		next = s->next;
		if (s->dead)
			source_free(s);
	}
}

int loop_run(struct loop *loop)
{
	struct epoll_event evs[BATCH];

	loop->quit = false;
	while (!loop->quit) {
		int n = epoll_wait(loop->epfd, evs, BATCH, loop->n_deferred ? 0 : -1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		for (int i = 0; i < n && !loop->quit; i++) {
			struct loop_source *src = evs[i].data.ptr;

			if (!src->dead)
				dispatch(src, evs[i].events);
		}
		if (loop->n_deferred && !loop->quit)
			run_deferred(loop);
		bury(loop);
	}
	return loop->code;
}

void loop_quit(struct loop *loop, int code)
{
	loop->quit = true;
	loop->code = code;
}
