/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-console: bytes out, bytes in, and drivers that break the rules. */
#include "tests/unit/loop_turn.h"
#include "tests/unit/test.h"

#include "base/err.h"
#include "base/loop.h"
#include "tests/unit/ring_driver.h"
#include "vmm/console_log.h"
#include "vmm/virtio/console.h"

enum { RX, TX };

static struct loop *loop;
static struct console_log *console;
static struct vdev *dev;
static struct ring_host host;

static int set_up(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(console_log_new(-1, &console), 0);
	assert_int_equal(virtio_console_new(loop, console, &dev, &err), 0);
	ring_host_init(&host, dev, 1 << 20, 64, dev->features);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ring_host_done(&host);
	vdev_free(dev);
	console_log_free(console);
	loop_free(loop);
	return 0;
}

static struct ring_buf buffer(const char *text, uint32_t len, bool writable)
{
	struct ring_buf buf = { .gpa = ring_mem_alloc(&host.rm, 0, len, 1),
				.len = len,
				.writable = writable };

	if (text)
		memcpy(ring_mem_at(&host.rm, buf.gpa, len), text, strlen(text));
	return buf;
}

static void expect_log(const char *expected)
{
	static char tail[CONSOLE_LOG_SIZE + 1];

	console_log_tail(console, 1000, tail, sizeof(tail));
	assert_string_equal(tail, expected);
}

static void output_goes_to_the_log(void **state)
{
	struct ring_buf bufs[] = { buffer("hello ", 6, false), buffer("world", 5, false) };
	uint32_t len;

	(void)state;
	assert_int_equal(vdev_start(dev), 0);
	ring_driver_calls_on(&host.queues[TX]);
	assert_true(ring_driver_add(&host.queues[TX], bufs, 2) >= 0);
	assert_true(ring_driver_kick(&host.queues[TX]));
	loop_turn(loop);
	assert_true(ring_driver_used(&host.queues[TX], NULL, &len));
	assert_int_equal(len, 0);
	assert_true(ring_driver_called(&host.queues[TX]));
	expect_log("hello world");
}

static void output_from_before_the_start_is_found(void **state)
{
	struct ring_buf buf = buffer("early", 5, false);

	(void)state;
	assert_true(ring_driver_add(&host.queues[TX], &buf, 1) >= 0);
	assert_int_equal(vdev_start(dev), 0);
	assert_true(ring_driver_used(&host.queues[TX], NULL, NULL));
	expect_log("early");
}

static void a_full_queue_is_drained_in_turns(void **state)
{
	struct ring_buf buf = buffer("x", 1, false);
	unsigned used = 0;
	char expected[65] = { 0 };

	(void)state;
	for (int i = 0; i < 64; i++)
		assert_true(ring_driver_add(&host.queues[TX], &buf, 1) >= 0);
	assert_int_equal(vdev_start(dev), 0);
	while (ring_driver_used(&host.queues[TX], NULL, NULL))
		used++;
	assert_int_equal(used, 32);
	loop_turn(loop);
	while (ring_driver_used(&host.queues[TX], NULL, NULL))
		used++;
	assert_int_equal(used, 64);
	memset(expected, 'x', 64);
	expect_log(expected);
	/* Kicks are wanted again. */
	assert_true(ring_driver_add(&host.queues[TX], &buf, 1) >= 0);
	assert_true(ring_driver_kick(&host.queues[TX]));
}

static void an_endless_chain_is_cut(void **state)
{
	struct ring_buf bufs[64];
	struct ring_buf big = buffer(NULL, 256 << 10, false);
	static char tail[CONSOLE_LOG_SIZE + 1];

	(void)state;
	memset(ring_mem_at(&host.rm, big.gpa, big.len), 'y', big.len);
	for (int i = 0; i < 64; i++)
		bufs[i] = big;
	console_log_write(console, "z", 1);
	assert_int_equal(vdev_start(dev), 0);
	assert_true(ring_driver_add(&host.queues[TX], bufs, 64) >= 0);
	ring_driver_kick(&host.queues[TX]);
	loop_turn(loop);
	assert_true(ring_driver_used(&host.queues[TX], NULL, NULL));
	assert_int_equal(console_log_tail(console, 1, tail, sizeof(tail)), CONSOLE_LOG_SIZE);
	assert_int_equal(host.failures, 0);
}

static void expect_received(const char *expected)
{
	uint32_t head, len;
	char got[8192];
	size_t n = 0;

	while (ring_driver_used(&host.queues[RX], &head, &len)) {
		const uint8_t *desc = ring_mem_at(&host.rm, host.queues[RX].desc_gpa + 16 * head, 16);
		uint64_t gpa;

		memcpy(&gpa, desc, 8);
		assert_true(len <= sizeof(got) - n);
		memcpy(got + n, ring_mem_at(&host.rm, gpa, len ? len : 1), len);
		n += len;
	}
	assert_int_equal(n, strlen(expected));
	assert_memory_equal(got, expected, n);
}

static void input_waits_for_the_driver(void **state)
{
	struct ring_buf a = buffer(NULL, 3, true), b = buffer(NULL, 16, true);

	(void)state;
	assert_int_equal(virtio_console_input(dev, "typed", 5), 5);
	assert_int_equal(vdev_start(dev), 0);
	expect_received("");
	ring_driver_calls_on(&host.queues[RX]);
	assert_true(ring_driver_add(&host.queues[RX], &a, 1) >= 0);
	assert_true(ring_driver_kick(&host.queues[RX]));
	loop_turn(loop);
	assert_true(ring_driver_called(&host.queues[RX]));
	expect_received("typ");
	assert_true(ring_driver_add(&host.queues[RX], &b, 1) >= 0);
	assert_true(ring_driver_kick(&host.queues[RX]));
	loop_turn(loop);
	expect_received("ed");
}

static void input_is_delivered_at_once_when_buffers_wait(void **state)
{
	struct ring_buf a = buffer(NULL, 16, true);

	(void)state;
	assert_true(ring_driver_add(&host.queues[RX], &a, 1) >= 0);
	assert_int_equal(vdev_start(dev), 0);
	ring_driver_calls_on(&host.queues[RX]);
	assert_int_equal(virtio_console_input(dev, "now", 3), 3);
	assert_true(ring_driver_called(&host.queues[RX]));
	expect_received("now");
	/* With nothing waiting no kick is asked for, once the index that was armed at first is passed. */
	ring_driver_kick(&host.queues[RX]);
	assert_true(ring_driver_add(&host.queues[RX], &a, 1) >= 0);
	assert_false(ring_driver_kick(&host.queues[RX]));
}

static void no_more_input_is_taken_than_fits(void **state)
{
	static char text[10000], expected[4097];
	struct ring_buf a = buffer(NULL, 8192, true);

	(void)state;
	memset(text, 'i', sizeof(text));
	assert_int_equal(virtio_console_input(dev, text, sizeof(text)), 4096);
	assert_int_equal(virtio_console_input(dev, text, 1), 0);
	assert_true(ring_driver_add(&host.queues[RX], &a, 1) >= 0);
	assert_int_equal(vdev_start(dev), 0);
	memset(expected, 'i', 4096);
	expect_received(expected);
	assert_int_equal(virtio_console_input(dev, text, 1), 1);
}

static void a_writable_transmit_buffer_breaks_the_device(void **state)
{
	struct ring_buf bufs[] = { buffer("a", 1, false), buffer(NULL, 1, true) };

	(void)state;
	assert_int_equal(vdev_start(dev), 0);
	assert_true(ring_driver_add(&host.queues[TX], bufs, 2) >= 0);
	ring_driver_kick(&host.queues[TX]);
	loop_turn(loop);
	assert_int_equal(host.failures, 1);
	expect_log("");
}

static void a_readable_receive_buffer_breaks_the_device(void **state)
{
	struct ring_buf buf = buffer("a", 1, false);

	(void)state;
	assert_true(ring_driver_add(&host.queues[RX], &buf, 1) >= 0);
	assert_int_equal(vdev_start(dev), 0);
	assert_int_equal(host.failures, 0);
	virtio_console_input(dev, "x", 1);
	assert_int_equal(host.failures, 1);
	/* A failed device takes input but doesn't touch its queues. */
	assert_int_equal(virtio_console_input(dev, "y", 1), 1);
	assert_int_equal(host.failures, 1);
}

static void broken_rings_break_the_device(void **state)
{
	(void)state;
	assert_int_equal(vdev_start(dev), 0);
	ring_driver_publish(&host.queues[TX], 999);
	ring_driver_kick(&host.queues[TX]);
	loop_turn(loop);
	assert_int_equal(host.failures, 1);

	ring_host_reset(&host);
	assert_int_equal(vdev_start(dev), 0);
	ring_driver_set_avail_idx(&host.queues[RX], 1000);
	virtio_console_input(dev, "x", 1);
	assert_int_equal(host.failures, 2);
}

static void a_reset_inside_a_failure_is_survived(void **state)
{
	(void)state;
	host.reset_on_failure = true;
	assert_int_equal(vdev_start(dev), 0);
	ring_driver_publish(&host.queues[TX], 999);
	ring_driver_kick(&host.queues[TX]);
	loop_turn(loop);
	assert_int_equal(host.failures, 1);
	assert_false(dev->started);
	virtio_console_input(dev, "x", 1);
}

static void it_works_again_after_a_reset(void **state)
{
	struct ring_buf buf = buffer("again", 5, false);

	(void)state;
	assert_int_equal(vdev_start(dev), 0);
	ring_host_reset(&host);
	assert_int_equal(vdev_start(dev), 0);
	assert_true(ring_driver_add(&host.queues[TX], &buf, 1) >= 0);
	assert_true(ring_driver_kick(&host.queues[TX]));
	loop_turn(loop);
	expect_log("again");
}

static void a_missing_queue_is_left_alone(void **state)
{
	(void)state;
	dev->vqs[RX].enabled = false;
	assert_int_equal(vdev_start(dev), 0);
	assert_int_equal(virtio_console_input(dev, "x", 1), 1);
	assert_int_equal(host.failures, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(output_goes_to_the_log),
		TEST(output_from_before_the_start_is_found),
		TEST(a_full_queue_is_drained_in_turns),
		TEST(an_endless_chain_is_cut),
		TEST(input_waits_for_the_driver),
		TEST(input_is_delivered_at_once_when_buffers_wait),
		TEST(no_more_input_is_taken_than_fits),
		TEST(a_writable_transmit_buffer_breaks_the_device),
		TEST(a_readable_receive_buffer_breaks_the_device),
		TEST(broken_rings_break_the_device),
		TEST(a_reset_inside_a_failure_is_survived),
		TEST(it_works_again_after_a_reset),
		TEST(a_missing_queue_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
