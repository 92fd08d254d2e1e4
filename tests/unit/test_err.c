/* SPDX-License-Identifier: Apache-2.0 */
/* err: texts are set once, wrapped on the way up, and cut rather than overflowed. */
#include "tests/unit/test.h"

#include "base/err.h"

#include <errno.h>

static void set_keeps_code_and_text(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(err_set(&err, -EINVAL, "process.cwd: %s", "must be absolute"), -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	assert_string_equal(err.text, "process.cwd: must be absolute");
}

static void set_errno_appends_the_reason(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(err_set_errno(&err, -ENOENT, "open %s", "x"), -ENOENT);
	assert_string_equal(err.text, "open x: No such file or directory");
}

static void wrap_puts_context_first(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	err_set(&err, -EIO, "short read");
	assert_int_equal(err_wrap(&err, -EIO, "kernel %s", "vmlinux"), -EIO);
	assert_string_equal(err.text, "kernel vmlinux: short read");
}

static void null_err_is_allowed(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, -EIO, "x"), -EIO);
	assert_int_equal(err_set_errno(NULL, -EIO, "x"), -EIO);
	assert_int_equal(err_wrap(NULL, -EIO, "x"), -EIO);
}

static void long_texts_are_cut_and_marked(void **state)
{
	static char big[3 * ERR_TEXT_MAX];
	struct err err = ERR_INIT;

	(void)state;
	memset(big, 'a', sizeof(big) - 1);
	err_set(&err, -EIO, "%s", big);
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
	assert_string_equal(err.text + ERR_TEXT_MAX - 4, "...");
	err_wrap(&err, -EIO, "context");
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
	assert_memory_equal(err.text, "context: aaa", 12);
	assert_string_equal(err.text + ERR_TEXT_MAX - 4, "...");
	err_set_errno(&err, -EIO, "%s", big);
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_keeps_code_and_text),
		cmocka_unit_test(set_errno_appends_the_reason),
		cmocka_unit_test(wrap_puts_context_first),
		cmocka_unit_test(null_err_is_allowed),
		cmocka_unit_test(long_texts_are_cut_and_marked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
