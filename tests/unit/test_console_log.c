/* SPDX-License-Identifier: Apache-2.0 */
/* console_log: what is kept, and how it reads in a message. */
#include "tests/unit/test.h"

#include "vmm/console_log.h"

#include <sys/mman.h>
#include <unistd.h>

static struct console_log *console;

static int set_up(void **state)
{
	(void)state;
	return console_log_new(-1, &console);
}

static int tear_down(void **state)
{
	(void)state;
	console_log_free(console);
	return 0;
}

static void put(const char *text)
{
	console_log_write(console, text, strlen(text));
}

static void expect_tail(unsigned lines, const char *expected)
{
	char buf[512];

	assert_int_equal(console_log_tail(console, lines, buf, sizeof(buf)), strlen(expected));
	assert_string_equal(buf, expected);
}

static void empty_log_has_an_empty_tail(void **state)
{
	(void)state;
	expect_tail(10, "");
	put("");
	expect_tail(10, "");
	put("\r\n\n");
	expect_tail(10, "");
}

static void tail_is_the_last_lines(void **state)
{
	(void)state;
	put("one\ntwo\nth");
	put("ree\nfour\n");
	expect_tail(0, "");
	expect_tail(1, "four");
	expect_tail(2, "three\nfour");
	expect_tail(4, "one\ntwo\nthree\nfour");
	expect_tail(99, "one\ntwo\nthree\nfour");
	put("unfinished");
	expect_tail(2, "four\nunfinished");
}

static void blank_lines_count_as_lines(void **state)
{
	(void)state;
	put("a\n\nb");
	expect_tail(2, "\nb");
	expect_tail(3, "a\n\nb");
}

static void control_characters_become_harmless(void **state)
{
	(void)state;
	put("a\x1b[2Jb\r\n\x07\x7f\tc\xc3\xa9\x9b");
	expect_tail(5, "a?[2Jb\n??\tc???");
	console_log_write(console, "\0d", 2);
	expect_tail(1, "??\tc????d");
}

static void a_small_buffer_gets_the_end(void **state)
{
	char buf[8];

	(void)state;
	put("0123456789\r\nabc\r\n");
	assert_int_equal(console_log_tail(console, 5, buf, sizeof(buf)), 7);
	assert_string_equal(buf, "789\nabc");
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(console_log_tail(console, 5, buf, 1), 0);
	assert_string_equal(buf, "");
	buf[0] = 'x';
	assert_int_equal(console_log_tail(console, 5, buf, 0), 0);
	assert_int_equal(buf[0], 'x');
}

static void the_ring_keeps_the_last_bytes(void **state)
{
	static char tail[CONSOLE_LOG_SIZE + 1], all[3 * CONSOLE_LOG_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)('a' + i * 7 % 26);
	/* Pieces that don't divide the ring's size, then more than the ring at once. */
	for (size_t i = 0; i + 1000 <= sizeof(all); i += 1000)
		console_log_write(console, all + i, 1000);
	assert_int_equal(console_log_tail(console, 1, tail, sizeof(tail)), CONSOLE_LOG_SIZE);
	assert_memory_equal(tail, all + sizeof(all) / 1000 * 1000 - CONSOLE_LOG_SIZE, CONSOLE_LOG_SIZE);
	console_log_write(console, all, sizeof(all));
	assert_int_equal(console_log_tail(console, 1, tail, sizeof(tail)), CONSOLE_LOG_SIZE);
	assert_memory_equal(tail, all + sizeof(all) - CONSOLE_LOG_SIZE, CONSOLE_LOG_SIZE);
	put("\nend");
	expect_tail(1, "end");
}

static void the_file_gets_every_byte_as_it_came(void **state)
{
	struct console_log *with_file;
	char buf[16] = { 0 };
	int fd = memfd_create("console", MFD_CLOEXEC), copy = dup(fd);

	(void)state;
	assert_true(fd >= 0 && copy >= 0);
	assert_int_equal(console_log_new(fd, &with_file), 0);
	console_log_write(with_file, "a\x1b", 2);
	console_log_write(with_file, "\r\n", 2);
	console_log_free(with_file);
	assert_int_equal(pread(copy, buf, sizeof(buf), 0), 4);
	assert_memory_equal(buf, "a\x1b\r\n", 4);
	close(copy);
}

static char tapped[32];

static void tap(void *ctx, const void *buf, size_t len)
{
	assert_ptr_equal(ctx, tapped);
	strncat(tapped, buf, len);
}

static void the_tap_sees_writes_until_it_is_taken_away(void **state)
{
	(void)state;
	put("before ");
	console_log_set_tap(console, tap, tapped);
	put("during ");
	console_log_set_tap(console, NULL, NULL);
	put("after");
	assert_string_equal(tapped, "during ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(empty_log_has_an_empty_tail, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tail_is_the_last_lines, set_up, tear_down),
		cmocka_unit_test_setup_teardown(blank_lines_count_as_lines, set_up, tear_down),
		cmocka_unit_test_setup_teardown(control_characters_become_harmless, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_small_buffer_gets_the_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_ring_keeps_the_last_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_file_gets_every_byte_as_it_came, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_tap_sees_writes_until_it_is_taken_away, set_up,
						tear_down),
	};

	console_log_free(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
