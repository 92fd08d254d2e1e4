/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "base/err.h"
#include "vmm/cmdline.h"
#include "vmm/vm_spec.h"

#include <errno.h>

static bool has_word(const char *line, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = line; (p = strstr(p, word)); p++)
		if ((p == line || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
			return true;
	return false;
}

static void test_callers_parameters_come_last(void **state)
{
	struct vm_spec spec = { .engine = VM_ENGINE_KVM, .cmdline = (char *)"panic=5 foo" };
	char buf[VM_CMDLINE_MAX];
	size_t len;

	(void)state;
	assert_int_equal(vmm_cmdline(&spec, buf, sizeof(buf), NULL), 0);
	len = strlen(buf);
	assert_true(len > 12);
	assert_string_equal(buf + len - 12, " panic=5 foo");
	assert_true(has_word(buf, "console=hvc0"));
	assert_true(has_word(buf, "panic=-1"));
	assert_null(strstr(buf, "  "));
}

static void test_debug_shows_kernel_messages(void **state)
{
	struct vm_spec spec = { .engine = VM_ENGINE_KVM };
	char buf[VM_CMDLINE_MAX];

	(void)state;
	assert_int_equal(vmm_cmdline(&spec, buf, sizeof(buf), NULL), 0);
	/* First, as it must be known before the console is. */
	assert_int_equal(strncmp(buf, "loglevel=3 ", 11), 0);
	spec.debug = true;
	assert_int_equal(vmm_cmdline(&spec, buf, sizeof(buf), NULL), 0);
	assert_null(strstr(buf, "loglevel"));
}

static void test_both_engines_have_a_console(void **state)
{
	struct vm_spec spec = { .engine = VM_ENGINE_QEMU };
	char buf[VM_CMDLINE_MAX];

	(void)state;
	assert_int_equal(vmm_cmdline(&spec, buf, sizeof(buf), NULL), 0);
	assert_true(has_word(buf, "console=hvc0"));
}

static void test_too_long_is_refused_and_exact_fit_taken(void **state)
{
	struct vm_spec spec = { .engine = VM_ENGINE_KVM };
	char buf[VM_CMDLINE_MAX], more[2 * VM_CMDLINE_MAX];
	struct err err = ERR_INIT;
	size_t base;

	(void)state;
	assert_int_equal(vmm_cmdline(&spec, buf, sizeof(buf), NULL), 0);
	base = strlen(buf);
	memset(more, 'a', sizeof(more));
	more[VM_CMDLINE_MAX - 1 - base - 1] = '\0';
	spec.cmdline = more;
	assert_int_equal(vmm_cmdline(&spec, buf, sizeof(buf), &err), 0);
	assert_int_equal(strlen(buf), VM_CMDLINE_MAX - 1);

	strcpy(buf, "untouched");
	more[VM_CMDLINE_MAX - 1 - base - 1] = 'a';
	more[VM_CMDLINE_MAX - 1 - base] = '\0';
	assert_int_equal(vmm_cmdline(&spec, buf, sizeof(buf), &err), -E2BIG);
	assert_string_equal(buf, "untouched");
	more[VM_CMDLINE_MAX - 1 - base] = 'a';
	more[sizeof(more) - 1] = '\0';
	assert_int_equal(vmm_cmdline(&spec, buf, sizeof(buf), &err), -E2BIG);
	assert_string_equal(buf, "untouched");
}

static void test_small_buffer_is_refused(void **state)
{
	struct vm_spec spec = { .engine = VM_ENGINE_KVM };
	char buf[16] = "untouched";

	(void)state;
	assert_int_equal(vmm_cmdline(&spec, buf, sizeof(buf), NULL), -E2BIG);
	assert_string_equal(buf, "untouched");
}

static void test_control_characters_are_refused(void **state)
{
	struct vm_spec spec = { .engine = VM_ENGINE_KVM, .cmdline = (char *)"a\nb" };
	char buf[VM_CMDLINE_MAX];

	(void)state;
	assert_int_equal(vmm_cmdline(&spec, buf, sizeof(buf), NULL), -EINVAL);
	spec.cmdline = (char *)"a\x7f";
	assert_int_equal(vmm_cmdline(&spec, buf, sizeof(buf), NULL), -EINVAL);
	spec.cmdline = (char *)"caf\xc3\xa9";
	assert_int_equal(vmm_cmdline(&spec, buf, sizeof(buf), NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_callers_parameters_come_last),
		cmocka_unit_test(test_debug_shows_kernel_messages),
		cmocka_unit_test(test_both_engines_have_a_console),
		cmocka_unit_test(test_too_long_is_refused_and_exact_fit_taken),
		cmocka_unit_test(test_small_buffer_is_refused),
		cmocka_unit_test(test_control_characters_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
