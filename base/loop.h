/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop: one epoll loop that owns its sources.
 *
 * Single-threaded: everything here is called from the loop's own thread, with
 * the exception of loop_wake(). A handler may remove any source, itself
 * included, and add new ones; a removed source's handler is not called again,
 * even for an event of the same epoll_wait() batch.
 */
#ifndef VRUN_BASE_LOOP_H
#define VRUN_BASE_LOOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/signalfd.h>

struct loop;
struct loop_source; /* owned by the loop until loop_remove() */

int loop_new(struct loop **ret);
/* Frees the sources too; does not close the descriptors given to loop_add_fd(). NULL is fine. */
void loop_free(struct loop *loop);

/*
 * Watch a borrowed `fd` for `events` (EPOLLIN, EPOLLOUT, EPOLLET; errors and
 * hang-ups always come). -EPERM for files that epoll can't watch (regular
 * files): those are always ready, use loop_add_defer().
 */
typedef void (*loop_fd_fn)(void *ctx, int fd, uint32_t events);
int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn, void *ctx,
		struct loop_source **ret);
/* Change the watched events; 0 keeps the source but only reports errors and hang-ups. */
int loop_set_events(struct loop_source *src, uint32_t events);

/* Call `fn` once after `ms` milliseconds (monotonic); re-arm with loop_set_timer(). */
typedef void (*loop_fn)(void *ctx);
int loop_add_timer(struct loop *loop, uint64_t ms, loop_fn fn, void *ctx, struct loop_source **ret);
/* UINT64_MAX disarms. */
int loop_set_timer(struct loop_source *src, uint64_t ms);

/* Call `fn` in each turn of the loop for as long as the source is enabled (events != 0). */
int loop_add_defer(struct loop *loop, loop_fn fn, void *ctx, struct loop_source **ret);

/* Block `set` in this thread and deliver its signals through a signalfd. */
typedef void (*loop_signal_fn)(void *ctx, const struct signalfd_siginfo *si);
int loop_add_signals(struct loop *loop, const sigset_t *set, loop_signal_fn fn, void *ctx,
		     struct loop_source **ret);

/* Call `fn` in the loop's thread after any thread called loop_wake(); wakes coalesce. */
int loop_add_wake(struct loop *loop, loop_fn fn, void *ctx, struct loop_source **ret);
void loop_wake(struct loop_source *src);

/* NULL is fine. Use as loop_remove(TAKE_PTR(x)). */
void loop_remove(struct loop_source *src);

/* Run until loop_quit(); returns its code, or a negative errno. */
int loop_run(struct loop *loop);
void loop_quit(struct loop *loop, int code);

#endif
