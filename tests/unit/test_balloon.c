/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-balloon: reported memory leaves the process and nothing else does, and drivers that break the rules. */
#include "tests/unit/loop_turn.h"
#include "tests/unit/test.h"

#include "base/endian.h"
#include "base/err.h"
#include "base/loop.h"
#include "tests/unit/ring_driver.h"
#include "vmm/guest_mem.h"
#include "vmm/virtio/balloon.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

enum { INFLATE, DEFLATE, REPORTING };
enum { PAGE = 4096, RAM_PAGES = 64, RAM = RAM_PAGES * PAGE };
#define RAM_GPA (1ULL << 30)

static struct loop *loop;
static struct vdev *dev;
static struct ring_host host;
static uint8_t *ram; /* pages of the guest's that malloc has no part in */

static void add_ram(bool shared)
{
	struct guest_mem_region region = { .gpa = RAM_GPA, .size = RAM, .shared = shared };
	int fd = -1;

	if (shared) {
		fd = memfd_create("ram", MFD_CLOEXEC);
		assert_true(fd >= 0 && ftruncate(fd, RAM) == 0);
	}
	ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd,
		   0);
	assert_true(ram != MAP_FAILED);
	if (shared)
		close(fd);
	region.hva = ram;
	memset(ram, 'u', RAM);
	assert_int_equal(guest_mem_add(&host.rm.mem, &region), 0);
}

static int set_up(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(virtio_balloon_new(loop, &dev, &err), 0);
	ring_host_init(&host, dev, 1 << 20, 32, dev->features);
	add_ram(false);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ring_host_done(&host);
	munmap(ram, RAM);
	vdev_free(dev);
	loop_free(loop);
	return 0;
}

/* The pages that take memory, as a string of 'x' and '.'. */
static const char *resident(void)
{
	static char text[RAM_PAGES + 1];
	unsigned char in[RAM_PAGES];

	assert_int_equal(mincore(ram, RAM, in), 0);
	for (unsigned i = 0; i < RAM_PAGES; i++)
		text[i] = in[i] & 1 ? 'x' : '.';
	return text;
}

static void expect_gone(unsigned first, unsigned n)
{
	char expected[RAM_PAGES + 1] = { 0 };

	memset(expected, 'x', RAM_PAGES);
	memset(expected + first, '.', n);
	assert_string_equal(resident(), expected);
}

static struct ring_buf pages(unsigned first, unsigned n)
{
	return (struct ring_buf){ .gpa = RAM_GPA + first * PAGE, .len = n * PAGE, .writable = true };
}

static void send(unsigned q, const struct ring_buf *bufs, unsigned n)
{
	assert_true(ring_driver_add(&host.queues[q], bufs, n) >= 0);
	ring_driver_kick(&host.queues[q]);
	loop_turn(loop);
}

static void expect_done(unsigned q)
{
	uint32_t len;

	assert_true(ring_driver_used(&host.queues[q], NULL, &len));
	assert_int_equal(len, 0);
	assert_int_equal(host.failures, 0);
}

static void expect_refused(const char *why)
{
	assert_int_equal(host.failures, 1);
	assert_string_equal(host.why, why);
	expect_gone(0, 0);
}

static void offers_reporting_and_an_empty_balloon(void **state)
{
	(void)state;
	assert_true(dev->features & 1ULL << 5);
	/* Statistics or hints would move the queue; poison would make drivers fill pages. */
	assert_false(dev->features & (1ULL << 1 | 1ULL << 3 | 1ULL << 4));
	assert_int_equal(dev->n_vqs, 3);
	assert_int_equal(dev->config_len, 8);
	assert_int_equal(get_le32(dev->config), 0);
}

static void reported_pages_are_given_back(void **state)
{
	const struct ring_buf bufs[] = { pages(8, 4), pages(12, 20) };

	(void)state;
	assert_int_equal(vdev_start(dev), 0);
	expect_gone(0, 0);
	ring_driver_calls_on(&host.queues[REPORTING]);
	send(REPORTING, bufs, 2);
	expect_done(REPORTING);
	assert_true(ring_driver_called(&host.queues[REPORTING]));
	expect_gone(8, 24);
	/* Theirs again at the next touch. */
	memset(ram + 8 * PAGE, 'v', 24 * PAGE);
	expect_gone(0, 0);
}

static void shared_memory_leaves_its_file(void **state)
{
	const struct ring_buf bufs[] = { pages(0, 16) };

	(void)state;
	assert_int_equal(guest_mem_remove(&host.rm.mem, RAM_GPA, RAM), 0);
	munmap(ram, RAM);
	add_ram(true);
	assert_int_equal(vdev_start(dev), 0);
	send(REPORTING, bufs, 1);
	expect_done(REPORTING);
	/* Unmapped alone, the file's pages would still be found by mincore(2). */
	expect_gone(0, 16);
	assert_int_equal(ram[0], 0);
}

static void many_reports_go_on_in_later_turns(void **state)
{
	unsigned used = 0;

	(void)state;
	for (unsigned i = 0; i < 32; i++) {
		const struct ring_buf one = pages(2 * i, 1);

		assert_true(ring_driver_add(&host.queues[REPORTING], &one, 1) >= 0);
	}
	assert_int_equal(vdev_start(dev), 0);
	while (ring_driver_used(&host.queues[REPORTING], NULL, NULL))
		used++;
	assert_int_equal(used, 4);
	loop_turn(loop);
	while (ring_driver_used(&host.queues[REPORTING], NULL, NULL))
		used++;
	assert_int_equal(used, 32);
	for (unsigned i = 0; i < RAM_PAGES; i++)
		assert_int_equal(resident()[i], i % 2 ? 'x' : '.');
}

static void a_balloon_that_is_filled_takes_its_pages(void **state)
{
	le32 *pfns;
	struct ring_buf buf = { .gpa = ring_mem_alloc(&host.rm, 0, 12, 4), .len = 12 };

	(void)state;
	pfns = ring_mem_at(&host.rm, buf.gpa, buf.len);
	for (unsigned i = 0; i < 3; i++)
		pfns[i] = le32_make((uint32_t)(RAM_GPA / PAGE) + 5 + i);
	assert_int_equal(vdev_start(dev), 0);
	send(INFLATE, &buf, 1);
	expect_done(INFLATE);
	expect_gone(5, 3);
	send(DEFLATE, &buf, 1);
	expect_done(DEFLATE);
}

static void parts_of_pages_are_refused(void **state)
{
	struct ring_buf buf = pages(3, 2);

	(void)state;
	assert_int_equal(vdev_start(dev), 0);
	buf.len -= 1;
	send(REPORTING, &buf, 1);
	expect_refused("reported memory is not whole pages");
	ring_host_reset(&host);
	assert_int_equal(vdev_start(dev), 0);
	host.failures = 0;
	buf = pages(3, 2);
	buf.gpa += 512;
	send(REPORTING, &buf, 1);
	expect_refused("reported memory is not whole pages");
}

static void readable_reports_are_refused(void **state)
{
	struct ring_buf buf = pages(3, 2);

	(void)state;
	buf.writable = false;
	assert_int_equal(vdev_start(dev), 0);
	send(REPORTING, &buf, 1);
	expect_refused("readable buffer in the reporting queue");
}

static void memory_that_is_not_there_is_refused(void **state)
{
	struct ring_buf buf = { .gpa = RAM_GPA + RAM, .len = PAGE, .writable = true };
	struct ring_buf list = { .gpa = ring_mem_alloc(&host.rm, 0, 4, 4), .len = 4 };

	(void)state;
	assert_int_equal(vdev_start(dev), 0);
	send(REPORTING, &buf, 1);
	assert_int_equal(host.failures, 1);
	expect_gone(0, 0);

	ring_host_reset(&host);
	assert_int_equal(vdev_start(dev), 0);
	host.failures = 0;
	put_le32(ring_mem_at(&host.rm, list.gpa, 4), 0xffffffff);
	send(INFLATE, &list, 1);
	expect_refused("a page for the balloon that is not memory");
}

static void lists_that_break_the_rules_are_refused(void **state)
{
	struct ring_buf list = { .gpa = ring_mem_alloc(&host.rm, 0, 8192, 4), .len = 8192 };

	(void)state;
	assert_int_equal(vdev_start(dev), 0);
	send(INFLATE, &list, 1);
	expect_refused("too many pages at once for the balloon");

	ring_host_reset(&host);
	assert_int_equal(vdev_start(dev), 0);
	host.failures = 0;
	list.len = 4;
	list.writable = true;
	send(INFLATE, &list, 1);
	expect_refused("writable buffer in the inflate queue");
}

static void slices_outside_of_memory_are_not_discarded(void **state)
{
	const struct iovec outside[] = {
		{ ram, 0 }, { ram + RAM, PAGE }, { ram, RAM + PAGE }, { ram + 1, PAGE }, { NULL, PAGE },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		assert_int_equal(guest_mem_discard(&host.rm.mem, &outside[i]), -EINVAL);
	expect_gone(0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(offers_reporting_and_an_empty_balloon),
		TEST(reported_pages_are_given_back),
		TEST(shared_memory_leaves_its_file),
		TEST(many_reports_go_on_in_later_turns),
		TEST(a_balloon_that_is_filled_takes_its_pages),
		TEST(parts_of_pages_are_refused),
		TEST(readable_reports_are_refused),
		TEST(memory_that_is_not_there_is_refused),
		TEST(lists_that_break_the_rules_are_refused),
		TEST(slices_outside_of_memory_are_not_discarded),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
