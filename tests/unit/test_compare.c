/* SPDX-License-Identifier: Apache-2.0 */
/* compare: what a seccomp filter permits, and how a report is written. The measuring is tests/docs/compare.bats. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "cmd/compare/compare.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- Filters --- */

static void all_calls(struct syscall_set *set)
{
	char name[64];

	*set = (struct syscall_set){ .calls = 0 };
	for (int nr = 0; nr < SYSCALLS_MAX; nr++)
		set->has[nr] = syscall_name(nr, name, sizeof(name)) != NULL;
}

/* libseccomp's own program for a context, applied. */
static void apply(scmp_filter_ctx ctx, struct syscall_set *set)
{
	static struct sock_filter code[BPF_MAXINSNS];
	_cleanup_close_ int fd = memfd_create("filter", 0);
	ssize_t n;

	assert_true(fd >= 0);
	assert_int_equal(seccomp_export_bpf(ctx, fd), 0);
	n = pread(fd, code, sizeof(code), 0);
	assert_true(n > 0);
	seccomp_release(ctx);
	filter_apply(code, (size_t)n / sizeof(code[0]), set);
}

static void a_list_of_permitted_calls_is_that_list(void **state)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(1));
	struct syscall_set set;

	(void)state;
	assert_int_equal(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(read), 0), 0);
	assert_int_equal(seccomp_rule_add(ctx, SCMP_ACT_LOG, SCMP_SYS(write), 0), 0);
	assert_int_equal(seccomp_rule_add(ctx, SCMP_ACT_KILL, SCMP_SYS(reboot), 0), 0);
	all_calls(&set);
	apply(ctx, &set);
	assert_int_equal(syscall_count(&set), 2);
	assert_true(set.has[SYS_read]);
	assert_true(set.has[SYS_write]);
}

static void a_list_of_refused_calls_leaves_the_rest(void **state)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	struct syscall_set set;
	int all;

	(void)state;
	assert_int_equal(seccomp_rule_add(ctx, SCMP_ACT_ERRNO(1), SCMP_SYS(reboot), 0), 0);
	assert_int_equal(seccomp_rule_add(ctx, SCMP_ACT_TRAP, SCMP_SYS(kexec_load), 0), 0);
	all_calls(&set);
	all = syscall_count(&set);
	assert_true(all > 300);
	apply(ctx, &set);
	assert_int_equal(syscall_count(&set), all - 2);
	assert_false(set.has[SYS_reboot]);
	assert_false(set.has[SYS_kexec_load]);
}

/* Permitted for some arguments is within reach; refused for some arguments too. */
static void a_call_that_depends_on_its_arguments_is_within_reach(void **state)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(1));
	struct syscall_set set;

	(void)state;
	assert_int_equal(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, 1)),
			 0);
	assert_int_equal(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
					  SCMP_A0(SCMP_CMP_MASKED_EQ, 0x7e020000, 0)),
			 0);
	all_calls(&set);
	apply(ctx, &set);
	assert_int_equal(syscall_count(&set), 2);
	assert_true(set.has[SYS_socket]);
	assert_true(set.has[SYS_clone]);
}

static void two_filters_permit_what_both_do(void **state)
{
	scmp_filter_ctx a = seccomp_init(SCMP_ACT_ERRNO(1)), b = seccomp_init(SCMP_ACT_ALLOW);
	struct syscall_set set;

	(void)state;
	assert_int_equal(seccomp_rule_add(a, SCMP_ACT_ALLOW, SCMP_SYS(read), 0), 0);
	assert_int_equal(seccomp_rule_add(a, SCMP_ACT_ALLOW, SCMP_SYS(write), 0), 0);
	assert_int_equal(seccomp_rule_add(b, SCMP_ACT_ERRNO(1), SCMP_SYS(write), 0), 0);
	all_calls(&set);
	apply(a, &set);
	apply(b, &set);
	assert_int_equal(syscall_count(&set), 1);
	assert_true(set.has[SYS_read]);
}

/* A program that runs off its end, or for ever, can't be shown to refuse. */
static void an_undecided_filter_counts_as_permitting(void **state)
{
	static const struct sock_filter off_the_end[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0) };
	struct syscall_set set = { .calls = 0 };

	(void)state;
	set.has[SYS_read] = true;
	filter_apply(off_the_end, 1, &set);
	assert_true(set.has[SYS_read]);
}

/* --- Reports --- */

static void numbers_are_written_as_people_do(void **state)
{
	static const struct {
		double number;
		const char *text;
	} cases[] = {
		{ 0, "0" },	     { 7, "7" },	 { 0.8666, "0.87" },	   { 0.00234, "0.0023" },
		{ 12.345, "12.3" },  { 999.6, "1,000" }, { 1234567, "1,234,567" }, { 123456.7, "123,457" },
		{ -1204, "-1,204" },
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		number_text(cases[i].number, buf, sizeof(buf));
		assert_string_equal(buf, cases[i].text);
	}
}

static struct report *make_report(void)
{
	struct report *r = test_calloc(1, sizeof(*r));
	struct row *row;

	r->bundle = "/b";
	r->engine = "engine";
	strcpy(r->names[SIDE_NS], "runc 1");
	strcpy(r->names[SIDE_VM], "vrun 1");
	strcpy(r->host_kernel, "6.0<&>\"host");
	r->groups[3] = (struct group){ .key = "cost", .title = "Cost", .intro = "How much." };
	row = report_add(&r->groups[3], "start", "Start", NULL);
	row->unit = "s";
	row->better = BETTER_LOWER;
	cell_number(&row->cells[SIDE_NS], MOOD_PLAIN, 2);
	cell_number(&row->cells[SIDE_VM], MOOD_PLAIN, 5);
	row = report_add(&r->groups[3], "other", "Other <b>", "with & without");
	cell_text(&row->cells[SIDE_NS], MOOD_SHARED,
		  "a \"text\" that is longer than its cell in a table is, of many words");
	return r;
}

static char *printed(const struct report *r, int format)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	if (format == 0)
		report_print_table(r, false, out);
	else if (format == 1)
		assert_int_equal(report_print_json(r, out, NULL), 0);
	else
		report_print_html(r, out);
	fclose(out);
	return text;
}

static void ratios_are_vm_to_namespaces(void **state)
{
	struct report *r = make_report();

	(void)state;
	assert_true(row_ratio(&r->groups[3].rows[0]) == 2.5);
	assert_true(row_ratio(&r->groups[3].rows[1]) == 0);
	r->groups[3].rows[0].cells[SIDE_NS].number = 0;
	assert_true(row_ratio(&r->groups[3].rows[0]) == 0);
	test_free(r);
}

static void a_table_breaks_long_cells_at_words(void **state)
{
	struct report *r = make_report();
	_cleanup_free_ char *text = printed(r, 0);

	(void)state;
	assert_non_null(strstr(text, "2.50×"));
	assert_non_null(strstr(text, "a \"text\" that is longer than"));
	assert_null(strstr(text, "Kernel"));
	/* No line is wider than the table, no word torn. */
	for (char *rest, *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		assert_true(strlen(line) <= 114);
		assert_true(!line[0] || line[strlen(line) - 1] != ' ');
	}
	test_free(r);
}

static void json_has_numbers_and_the_ratio(void **state)
{
	struct report *r = make_report();
	_cleanup_free_ char *text = printed(r, 1);

	(void)state;
	assert_non_null(strstr(text, "\"namespaces\": 2"));
	assert_non_null(strstr(text, "\"ratio\": 2.5"));
	assert_non_null(strstr(text, "\"vm\": null"));
	assert_null(strstr(text, "\"seen\""));
	test_free(r);
}

static void html_escapes_and_needs_no_other_file(void **state)
{
	struct report *r = make_report();
	_cleanup_free_ char *text = printed(r, 2);

	(void)state;
	assert_non_null(strstr(text, "6.0&lt;&amp;&gt;&quot;host"));
	assert_non_null(strstr(text, "Other &lt;b&gt;"));
	assert_null(strstr(text, "http"));
	assert_null(strstr(text, "src="));
	assert_non_null(strstr(text, "<rect width=\"40.00\""));
	assert_non_null(strstr(text, "<rect width=\"100.00\""));
	test_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_of_permitted_calls_is_that_list),
		cmocka_unit_test(a_list_of_refused_calls_leaves_the_rest),
		cmocka_unit_test(a_call_that_depends_on_its_arguments_is_within_reach),
		cmocka_unit_test(two_filters_permit_what_both_do),
		cmocka_unit_test(an_undecided_filter_counts_as_permitting),
		cmocka_unit_test(numbers_are_written_as_people_do),
		cmocka_unit_test(ratios_are_vm_to_namespaces),
		cmocka_unit_test(a_table_breaks_long_cells_at_words),
		cmocka_unit_test(json_has_numbers_and_the_ratio),
		cmocka_unit_test(html_escapes_and_needs_no_other_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
