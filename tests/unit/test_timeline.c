/* SPDX-License-Identifier: Apache-2.0 */
/* timeline: phases, clocks that make no sense, the JSON file. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "runtime/timeline.h"

#include <fcntl.h>
#include <sys/stat.h>

static struct timeline example(void)
{
	return (struct timeline){
		.begun = 1000,
		.launched = 1100,
		.received = 1150,
		.first_run = 2000,
		.created = 6000,
		.start = 9000,
		.started = 9500,
		/* the guest's clock began at 2500 */
		.guest = { .started = 1500, .prepared = 2000, .mounted = 2100, .sent = 2500 },
		.guest_ready = 3500,
	};
}

static void phases_leave_no_gap_but_the_wait_for_start(void **state)
{
	struct timeline t = example();
	uint64_t p[TIMELINE_PHASES], sum = 0;

	(void)state;
	timeline_phases(&t, p);
	assert_int_equal(p[TIMELINE_PLAN], 100);
	assert_int_equal(p[TIMELINE_LAUNCH], 50);
	assert_int_equal(p[TIMELINE_MACHINE], 850);
	assert_int_equal(p[TIMELINE_KERNEL], 2000);
	assert_int_equal(p[TIMELINE_AGENT], 1000);
	assert_int_equal(p[TIMELINE_CONTAINER], 1000);
	assert_int_equal(p[TIMELINE_START], 500);
	for (unsigned i = 0; i < TIMELINE_PHASES; i++)
		sum += p[i];
	assert_int_equal(sum, t.started - t.begun - (t.start - t.created));
}

static void with_run_there_is_no_wait(void **state)
{
	struct timeline t = example();
	uint64_t p[TIMELINE_PHASES];

	(void)state;
	t.start = 0;
	t.started = 6300;
	t.guest_ready = 3800;
	timeline_phases(&t, p);
	assert_int_equal(p[TIMELINE_KERNEL], 2000);
	assert_int_equal(p[TIMELINE_AGENT], 1000);
	assert_int_equal(p[TIMELINE_CONTAINER], 1300);
	assert_int_equal(p[TIMELINE_START], 0);
}

static void a_machine_that_waited_for_start(void **state)
{
	struct timeline t = example();
	uint64_t p[TIMELINE_PHASES];

	(void)state;
	t.start = 0;
	t.waited = 1900;
	timeline_phases(&t, p);
	assert_int_equal(p[TIMELINE_LAUNCH], 50);
	assert_int_equal(p[TIMELINE_MACHINE], 100);
}

static void a_guests_clock_can_lie(void **state)
{
	struct timeline t = example();
	uint64_t p[TIMELINE_PHASES];

	(void)state;
	t.guest = (struct guest_times){ .started = 1, .sent = UINT64_MAX };
	timeline_phases(&t, p);
	assert_int_equal(p[TIMELINE_KERNEL], 0);
	assert_int_equal(p[TIMELINE_AGENT], 4000);
	assert_int_equal(p[TIMELINE_CONTAINER], 0);
	t.guest = (struct guest_times){ .started = 10, .sent = 5 };
	t.guest_ready = 4;
	timeline_phases(&t, p);
	assert_int_equal(p[TIMELINE_KERNEL], 4000);
	assert_int_equal(p[TIMELINE_AGENT], 0);
	assert_int_equal(p[TIMELINE_CONTAINER], 0);
	t.guest = (struct guest_times){ .started = 10, .sent = 1010 };
	t.guest_ready = UINT64_MAX;
	timeline_phases(&t, p);
	assert_int_equal(p[TIMELINE_KERNEL], 0);
	assert_int_equal(p[TIMELINE_AGENT], 1000);
	assert_int_equal(p[TIMELINE_CONTAINER], 3000);
}

static void what_was_not_reached_took_no_time(void **state)
{
	struct timeline t = { .begun = 1000, .launched = 1100 };
	uint64_t p[TIMELINE_PHASES];

	(void)state;
	timeline_phases(&t, p);
	assert_int_equal(p[TIMELINE_PLAN], 100);
	for (unsigned i = TIMELINE_LAUNCH; i < TIMELINE_PHASES; i++)
		assert_int_equal(p[i], 0);
}

static uint64_t number_at(const struct json *object, const char *key)
{
	uint64_t v;

	assert_int_equal(json_to_u64(json_get(object, key), UINT64_MAX, &v, NULL), 0);
	return v;
}

static void the_file_is_json_both_times(void **state)
{
	char dir[] = "/tmp/vrun-test-timeline-XXXXXX";
	_cleanup_close_ int dirfd = -EBADF, fd = -EBADF;
	struct timeline t = example();
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = timeline_create(dirfd);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	strcpy(t.exits_to_start, "io 12\nkvm_exits 345\n");
	for (int end = 0; end < 2; end++) {
		_cleanup_json_doc_ struct json_doc *doc = NULL;
		_cleanup_free_ char *text = NULL;
		const struct json *root;
		size_t len;

		if (end)
			/* the last line was cut */
			strcpy(t.exits, "io 13\nkvm_exits 400\nmm");
		timeline_write(&t, "kvm", fd);
		assert_int_equal(file_read(dirfd, "timeline.json", 65536, &text, &len), 0);
		assert_int_equal(json_parse(text, len, "timeline.json", &doc, NULL), 0);
		root = json_root(doc);
		assert_int_equal(number_at(root, "total"), 5500);
		assert_int_equal(number_at(json_get(root, "phases"), "kernel"), 2000);
		assert_int_equal(json_length(json_get(root, "phases")), TIMELINE_PHASES);
		assert_int_equal(number_at(json_get(root, "agent"), "prepare"), 500);
		assert_int_equal(number_at(json_get(root, "agent"), "mount"), 100);
		assert_int_equal(number_at(json_get(root, "agent"), "connect"), 400);
		assert_int_equal(number_at(json_get(root, "exitsToStart"), "kvm_exits"), 345);
		assert_int_equal(json_length(json_get(root, "exits")), end ? 2 : 0);
	}
	dir_remove_all(AT_FDCWD, dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(phases_leave_no_gap_but_the_wait_for_start),
		cmocka_unit_test(with_run_there_is_no_wait),
		cmocka_unit_test(a_machine_that_waited_for_start),
		cmocka_unit_test(a_guests_clock_can_lie),
		cmocka_unit_test(what_was_not_reached_took_no_time),
		cmocka_unit_test(the_file_is_json_both_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
