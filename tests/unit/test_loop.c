/* SPDX-License-Identifier: Apache-2.0 */
/* loop: sources fire, may remove each other in one batch, and never after removal. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/loop.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>

struct pair {
	struct loop *loop;
	struct loop_source *a, *b;
	int fired;
};

static void remove_both(void *ctx, int fd, uint32_t events)
{
	struct pair *p = ctx;

	(void)fd;
	(void)events;
	p->fired++;
	loop_remove(TAKE_PTR(p->a));
	loop_remove(TAKE_PTR(p->b));
}

static void quit_with_7(void *ctx)
{
	loop_quit(ctx, 7);
}

static void removed_source_does_not_fire_in_the_same_batch(void **state)
{
	struct loop_source *t;
	struct pair p = { 0 };
	int pipes[2][2];

	(void)state;
	assert_int_equal(loop_new(&p.loop), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pipe2(pipes[i], O_CLOEXEC), 0);
		assert_int_equal(write(pipes[i][1], "x", 1), 1);
	}
	assert_int_equal(loop_add_fd(p.loop, pipes[0][0], EPOLLIN, remove_both, &p, &p.a), 0);
	assert_int_equal(loop_add_fd(p.loop, pipes[1][0], EPOLLIN, remove_both, &p, &p.b), 0);
	assert_int_equal(loop_add_timer(p.loop, 20, quit_with_7, p.loop, &t), 0);
	assert_int_equal(loop_run(p.loop), 7);
	assert_int_equal(p.fired, 1);
	loop_free(p.loop);
	for (int i = 0; i < 2; i++) {
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
}

static void timer_fires_and_zero_means_at_once(void **state)
{
	struct loop *loop;
	struct loop_source *t;

	(void)state;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(loop_add_timer(loop, 0, quit_with_7, loop, &t), 0);
	assert_int_equal(loop_run(loop), 7);
	assert_int_equal(loop_set_timer(t, 1), 0);
	assert_int_equal(loop_run(loop), 7);
	loop_free(loop);
}

static void regular_files_are_refused(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct loop_source *src;
	struct loop *loop;

	(void)state;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(loop_add_fd(loop, fd, EPOLLIN, remove_both, NULL, &src), -EPERM);
	loop_free(loop);
	close(fd);
}

struct deferred {
	struct loop *loop;
	struct loop_source *src;
	int calls;
};

static void three_times(void *ctx)
{
	struct deferred *d = ctx;

	if (++d->calls == 3) {
		loop_set_events(d->src, 0);
		loop_quit(d->loop, 0);
	}
}

static void deferred_runs_each_turn_while_enabled(void **state)
{
	struct deferred d = { 0 };
	struct loop_source *t;

	(void)state;
	assert_int_equal(loop_new(&d.loop), 0);
	assert_int_equal(loop_add_defer(d.loop, three_times, &d, &d.src), 0);
	assert_int_equal(loop_run(d.loop), 0);
	assert_int_equal(d.calls, 3);
	assert_int_equal(loop_add_timer(d.loop, 5, quit_with_7, d.loop, &t), 0);
	assert_int_equal(loop_run(d.loop), 7);
	assert_int_equal(d.calls, 3);
	loop_free(d.loop);
}

static void *wake_it(void *src)
{
	loop_wake(src);
	return NULL;
}

static void wake_comes_from_another_thread(void **state)
{
	struct loop_source *src;
	struct loop *loop;
	pthread_t t;

	(void)state;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(loop_add_wake(loop, quit_with_7, loop, &src), 0);
	assert_int_equal(pthread_create(&t, NULL, wake_it, src), 0);
	assert_int_equal(loop_run(loop), 7);
	pthread_join(t, NULL);
	loop_free(loop);
}

static void quit_on_signal(void *ctx, const struct signalfd_siginfo *si)
{
	loop_quit(ctx, (int)si->ssi_signo);
}

static void signals_arrive_through_the_loop(void **state)
{
	struct loop_source *src;
	struct loop *loop;
	sigset_t set;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(loop_add_signals(loop, &set, quit_on_signal, loop, &src), 0);
	raise(SIGUSR1);
	assert_int_equal(loop_run(loop), SIGUSR1);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(removed_source_does_not_fire_in_the_same_batch),
		cmocka_unit_test(timer_fires_and_zero_means_at_once),
		cmocka_unit_test(regular_files_are_refused),
		cmocka_unit_test(deferred_runs_each_turn_while_enabled),
		cmocka_unit_test(wake_comes_from_another_thread),
		cmocka_unit_test(signals_arrive_through_the_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
