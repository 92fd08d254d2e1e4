/* SPDX-License-Identifier: Apache-2.0 */
/* text: a guest's bytes are made harmless, and our own faults don't sound like the container's. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "runtime/text.h"

static void check(const char *in, size_t len, size_t size, const char *expect)
{
	char buf[64];

	text_from_guest(in, len, buf, size);
	assert_string_equal(buf, expect);
}

#define CHECK(in, expect) check(in, sizeof(in) - 1, 64, expect)

static void a_guests_bytes_become_text(void **state)
{
	(void)state;
	CHECK("exec: \"ls\": no", "exec: \"ls\": no");
	CHECK("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
	      "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
	CHECK("\x1b[2Ja\nb\tc\r\x7f", "?[2Ja?b?c??");
	CHECK("a\0b", "a?b");
	/* overlong, surrogate, beyond Unicode, C1 control, stray and cut sequences */
	CHECK("\xc0\xaf", "??");
	CHECK("\xed\xa0\x80", "???");
	CHECK("\xf4\x90\x80\x80", "????");
	CHECK("\xc2\x9b", "??");
	CHECK("\x80x\xff", "?x?");
	CHECK("x\xe2\x82", "x??");
	CHECK("", "");
}

static void nothing_is_cut_inside_a_character(void **state)
{
	(void)state;
	check("ab\xc3\xbc", 4, 4, "ab");
	check("ab\xc3\xbc", 4, 5, "ab\xc3\xbc");
	check("abc", 3, 1, "");
}

static void phrases_that_callers_match_are_hidden(void **state)
{
	char text[256] = "open /x: No such file or directory, Permission Denied; permission denied: "
			 "executable file not found in $PATH";

	(void)state;
	text_hide_phrases(text);
	assert_string_equal(text, "open /x: ENOENT, EACCES; EACCES: no executable in $PATH");
	strcpy(text, "nothing to hide");
	text_hide_phrases(text);
	assert_string_equal(text, "nothing to hide");
	strcpy(text, "no such processoperation not permitted");
	text_hide_phrases(text);
	assert_string_equal(text, "ESRCHEPERM");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guests_bytes_become_text),
		cmocka_unit_test(nothing_is_cut_inside_a_character),
		cmocka_unit_test(phrases_that_callers_match_are_hidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
