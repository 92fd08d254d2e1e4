/* SPDX-License-Identifier: Apache-2.0 */
/* vdev: starting, kicking, failing and stopping a device. */
#include "tests/unit/loop_turn.h"
#include "tests/unit/test.h"

#include "base/loop.h"
#include "tests/unit/ring_driver.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct {
	struct vdev vdev;
	unsigned starts, stops, kicks[2];
	int start_result;
	bool fail_in_kick;
	bool freed;
} dev;

static struct loop *loop;
static struct ring_host host;

static int dev_start(struct vdev *v)
{
	(void)v;
	dev.starts++;
	return dev.start_result;
}

static void dev_stop(struct vdev *v)
{
	(void)v;
	dev.stops++;
}

static void dev_kick(struct vdev *v, unsigned q)
{
	dev.kicks[q]++;
	if (dev.fail_in_kick)
		vdev_fail(v, "bad guest");
}

static void dev_free(struct vdev *v)
{
	vdev_done(v);
	dev.freed = true;
}

static const struct vdev_ops ops = {
	.name = "test", .start = dev_start, .stop = dev_stop, .kick = dev_kick, .free = dev_free
};
static const struct vdev_ops own_ops = {
	.name = "test", .start = dev_start, .stop = dev_stop, .own_kicks = true, .free = dev_free
};

static void set_up_with(const struct vdev_ops *with)
{
	memset(&dev, 0, sizeof(dev));
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(vdev_init(&dev.vdev, with, loop, "test0", VDEV_RING_FEATURES, 2, 64, 8), 0);
	ring_host_init(&host, &dev.vdev, 1 << 16, 16, VDEV_RING_FEATURES);
}

static int set_up(void **state)
{
	(void)state;
	set_up_with(&ops);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ring_host_done(&host);
	vdev_free(&dev.vdev);
	loop_free(loop);
	return dev.freed ? 0 : -1;
}

static void kick(unsigned q)
{
	assert_int_equal(eventfd_write(host.queues[q].kick_fd, 1), 0);
}

static void start_kicks_each_queue_once(void **state)
{
	(void)state;
	assert_int_equal(vdev_start(&dev.vdev), 0);
	assert_true(dev.vdev.started);
	assert_int_equal(dev.starts, 1);
	assert_int_equal(dev.kicks[0], 1);
	assert_int_equal(dev.kicks[1], 1);
	assert_int_equal(vdev_start(&dev.vdev), 0); /* already */
	assert_int_equal(dev.starts, 1);
}

static void negotiated_features_reach_the_queues(void **state)
{
	(void)state;
	dev.vdev.acked = 1ULL << 28;
	assert_int_equal(vdev_start(&dev.vdev), 0);
	assert_true(dev.vdev.vqs[0].indirect);
	assert_false(dev.vdev.vqs[0].event_idx);
}

static void kicks_go_to_their_queue(void **state)
{
	(void)state;
	assert_int_equal(vdev_start(&dev.vdev), 0);
	kick(1);
	loop_turn(loop);
	assert_int_equal(dev.kicks[0], 1);
	assert_int_equal(dev.kicks[1], 2);
	kick(0);
	kick(0);
	loop_turn(loop);
	assert_int_equal(dev.kicks[0], 2);
	loop_turn(loop); /* the counter was read: nothing repeats */
	assert_int_equal(dev.kicks[0], 2);
}

static void a_disabled_queue_stays_unused(void **state)
{
	(void)state;
	dev.vdev.vqs[1].enabled = false;
	dev.vdev.vqs[1].desc_gpa = 1; /* would not start */
	assert_int_equal(vdev_start(&dev.vdev), 0);
	kick(1);
	loop_turn(loop);
	assert_int_equal(dev.kicks[1], 0);
}

static void a_bad_queue_keeps_the_device_down(void **state)
{
	(void)state;
	dev.vdev.vqs[1].desc_gpa = 1;
	assert_int_equal(vdev_start(&dev.vdev), -EINVAL);
	assert_false(dev.vdev.started);
	assert_int_equal(dev.starts, 0);
}

static void a_failed_start_is_stopped_again(void **state)
{
	(void)state;
	dev.start_result = -ENOMEM;
	assert_int_equal(vdev_start(&dev.vdev), -ENOMEM);
	assert_false(dev.vdev.started);
	assert_int_equal(dev.stops, 1);
	assert_int_equal(dev.kicks[0], 0);
	kick(0);
	loop_turn(loop);
	assert_int_equal(dev.kicks[0], 0);
}

static void stop_is_idempotent_and_ends_kicks(void **state)
{
	(void)state;
	vdev_stop(&dev.vdev);
	assert_int_equal(dev.stops, 0);
	assert_int_equal(vdev_start(&dev.vdev), 0);
	vdev_stop(&dev.vdev);
	vdev_stop(&dev.vdev);
	assert_int_equal(dev.stops, 1);
	kick(0);
	loop_turn(loop);
	assert_int_equal(dev.kicks[0], 1);
	/* the kick that came meanwhile is not lost */
	assert_int_equal(vdev_start(&dev.vdev), 0);
	loop_turn(loop);
	assert_true(dev.kicks[0] >= 2);
}

static void a_failure_is_reported_once_and_ends_service(void **state)
{
	(void)state;
	assert_int_equal(vdev_start(&dev.vdev), 0);
	vdev_fail(&dev.vdev, "first");
	vdev_fail(&dev.vdev, "second");
	assert_int_equal(host.failures, 1);
	assert_string_equal(host.why, "first");
	kick(0);
	loop_turn(loop);
	assert_int_equal(dev.kicks[0], 1);
	/* a reset makes it whole */
	ring_host_reset(&host);
	assert_int_equal(vdev_start(&dev.vdev), 0);
	assert_false(dev.vdev.failed);
	assert_int_equal(dev.kicks[0], 2);
}

static void the_host_may_stop_the_device_from_its_failure(void **state)
{
	(void)state;
	host.reset_on_failure = true;
	dev.fail_in_kick = true;
	assert_int_equal(vdev_start(&dev.vdev), 0);
	assert_false(dev.vdev.started);
	assert_int_equal(host.failures, 1);
	assert_int_equal(dev.kicks[0], 1);
	assert_int_equal(dev.kicks[1], 0);
	assert_int_equal(dev.stops, 1);
}

static void a_dead_kick_descriptor_does_not_spin(void **state)
{
	int pipe_fds[2];

	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	dev.vdev.vqs[0].kick_fd = pipe_fds[0];
	close(pipe_fds[1]);
	assert_int_equal(vdev_start(&dev.vdev), 0);
	loop_turn(loop);
	assert_true(dev.kicks[0] <= 2);
	vdev_stop(&dev.vdev);
	dev.vdev.vqs[0].kick_fd = -1;
	close(pipe_fds[0]);
}

static void a_device_with_own_kicks_gets_none(void **state)
{
	(void)state;
	set_up_with(&own_ops);
	assert_int_equal(vdev_start(&dev.vdev), 0);
	kick(0);
	loop_turn(loop); /* ops->kick is NULL */
	assert_int_equal(dev.starts, 1);
	tear_down(NULL);
}

static void freeing_nothing_is_fine(void **state)
{
	struct vdev blank = { 0 };

	(void)state;
	vdev_free(NULL);
	vdev_done(NULL);
	vdev_done(&blank);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(start_kicks_each_queue_once),
		TEST(negotiated_features_reach_the_queues),
		TEST(kicks_go_to_their_queue),
		TEST(a_disabled_queue_stays_unused),
		TEST(a_bad_queue_keeps_the_device_down),
		TEST(a_failed_start_is_stopped_again),
		TEST(stop_is_idempotent_and_ends_kicks),
		TEST(a_failure_is_reported_once_and_ends_service),
		TEST(the_host_may_stop_the_device_from_its_failure),
		TEST(a_dead_kick_descriptor_does_not_spin),
		cmocka_unit_test(a_device_with_own_kicks_gets_none),
		cmocka_unit_test(freeing_nothing_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
