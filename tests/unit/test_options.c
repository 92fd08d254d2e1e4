/* SPDX-License-Identifier: Apache-2.0 */
/* options: every form that callers of OCI runtimes use, and what is refused. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "cmd/options.h"

struct opts {
	const char *bundle;
	bool detach, tty, keep;
	struct opt_list env;
	struct opt_count fds;
};

static const struct opt table[] = {
	{ "bundle", 'b', OPT_STRING, offsetof(struct opts, bundle), "DIR", "the bundle" },
	{ "detach", 'd', OPT_FLAG, offsetof(struct opts, detach), NULL, "detach" },
	{ "tty", 't', OPT_FLAG, offsetof(struct opts, tty), NULL, "terminal" },
	{ "keep", 0, OPT_FLAG, offsetof(struct opts, keep), NULL, NULL },
	{ "env", 'e', OPT_LIST, offsetof(struct opts, env), "NAME=VALUE", "environment" },
	{ "preserve-fds", 0, OPT_COUNT, offsetof(struct opts, fds), "N", "descriptors" },
	OPT_END,
};

struct parsed {
	struct opts opts;
	char *argv[16];
	int n_words, r;
	struct err err;
};

static void parse(struct parsed *p, enum opt_order order, const char *const *words)
{
	int argc = 0;

	*p = (struct parsed){ .n_words = -1 };
	for (; words[argc]; argc++)
		p->argv[argc] = (char *)(uintptr_t)words[argc];
	p->r = opt_parse(table, order, &p->opts, p->argv, argc, &p->n_words, &p->err);
}

#define PARSE(p, order, ...) parse(p, order, (const char *const[]){ __VA_ARGS__, NULL })

static void long_and_short_forms_give_the_same(void **state)
{
	struct parsed p;

	(void)state;
	PARSE(&p, OPT_ANYWHERE, "--bundle", "/x", "id");
	assert_int_equal(p.r, 0);
	assert_string_equal(p.opts.bundle, "/x");
	assert_int_equal(p.n_words, 1);
	assert_string_equal(p.argv[0], "id");
	PARSE(&p, OPT_ANYWHERE, "--bundle=/x");
	assert_string_equal(p.opts.bundle, "/x");
	PARSE(&p, OPT_ANYWHERE, "-b", "/x");
	assert_string_equal(p.opts.bundle, "/x");
	PARSE(&p, OPT_ANYWHERE, "-b/x");
	assert_string_equal(p.opts.bundle, "/x");
	PARSE(&p, OPT_ANYWHERE, "-bundle", "/x");
	assert_string_equal(p.opts.bundle, "/x");
	PARSE(&p, OPT_ANYWHERE, "-bundle=/x");
	assert_string_equal(p.opts.bundle, "/x");
	PARSE(&p, OPT_ANYWHERE, "--bundle=");
	assert_string_equal(p.opts.bundle, "");
}

static void flags_cluster_and_take_values(void **state)
{
	struct parsed p;

	(void)state;
	PARSE(&p, OPT_ANYWHERE, "-td");
	assert_true(p.opts.tty && p.opts.detach && !p.opts.keep);
	PARSE(&p, OPT_ANYWHERE, "-tb", "/x", "-d");
	assert_true(p.opts.tty && p.opts.detach);
	assert_string_equal(p.opts.bundle, "/x");
	PARSE(&p, OPT_ANYWHERE, "--detach=false", "--tty=true");
	assert_true(p.opts.tty && !p.opts.detach);
	PARSE(&p, OPT_ANYWHERE, "--detach=perhaps");
	assert_int_equal(p.r, -EINVAL);
	assert_string_equal(p.err.text, "option --detach: \"perhaps\" is neither true nor false");
}

static void words_are_collected_from_between_options(void **state)
{
	struct parsed p;

	(void)state;
	PARSE(&p, OPT_ANYWHERE, "a", "-d", "b", "--", "-t", "--bundle");
	assert_int_equal(p.r, 0);
	assert_true(p.opts.detach && !p.opts.tty);
	assert_int_equal(p.n_words, 4);
	assert_string_equal(p.argv[0], "a");
	assert_string_equal(p.argv[1], "b");
	assert_string_equal(p.argv[2], "-t");
	assert_string_equal(p.argv[3], "--bundle");
}

static void options_of_a_command_are_left_to_it(void **state)
{
	struct parsed p;

	(void)state;
	PARSE(&p, OPT_FIRST, "-d", "id", "ls", "-t", "--nonsense");
	assert_int_equal(p.r, 0);
	assert_true(p.opts.detach && !p.opts.tty);
	assert_int_equal(p.n_words, 4);
	assert_string_equal(p.argv[3], "--nonsense");
	/* A lone dash is a word: `update --resources -` has it as a value, others as a name. */
	PARSE(&p, OPT_FIRST, "-", "-d");
	assert_int_equal(p.n_words, 2);
	assert_false(p.opts.detach);
}

static void lists_keep_their_order_and_counts_are_checked(void **state)
{
	struct parsed p;

	(void)state;
	PARSE(&p, OPT_ANYWHERE, "-e", "A=1", "--env=B=2", "-eC=3", "--preserve-fds", "3");
	assert_int_equal(p.r, 0);
	assert_int_equal(p.opts.env.n, 3);
	assert_string_equal(p.opts.env.v[0], "A=1");
	assert_string_equal(p.opts.env.v[1], "B=2");
	assert_string_equal(p.opts.env.v[2], "C=3");
	assert_null(p.opts.env.v[3]);
	assert_true(p.opts.fds.has && p.opts.fds.v == 3);
	opt_done(table, &p.opts);
	for (size_t i = 0; i < 4; i++) {
		static const char *const bad[] = { "x", "-1", "3x", "99999999999999999999" };

		PARSE(&p, OPT_ANYWHERE, "--preserve-fds", bad[i]);
		assert_int_equal(p.r, -EINVAL);
	}
}

static void mistakes_get_one_message_with_the_near_name(void **state)
{
	struct parsed p;

	(void)state;
	PARSE(&p, OPT_ANYWHERE, "--bundel", "/x");
	assert_int_equal(p.r, -EINVAL);
	assert_string_equal(p.err.text, "unknown option --bundel; did you mean --bundle?");
	PARSE(&p, OPT_ANYWHERE, "--preserve=3");
	assert_string_equal(p.err.text, "unknown option --preserve; did you mean --preserve-fds?");
	PARSE(&p, OPT_ANYWHERE, "--frobnicate");
	assert_string_equal(p.err.text, "unknown option --frobnicate");
	PARSE(&p, OPT_ANYWHERE, "-dx");
	assert_string_equal(p.err.text, "unknown option -x");
	PARSE(&p, OPT_ANYWHERE, "--bundle");
	assert_string_equal(p.err.text, "option --bundle needs a value (DIR)");
	PARSE(&p, OPT_ANYWHERE, "-b");
	assert_string_equal(p.err.text, "option --bundle needs a value (DIR)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_and_short_forms_give_the_same),
		cmocka_unit_test(flags_cluster_and_take_values),
		cmocka_unit_test(words_are_collected_from_between_options),
		cmocka_unit_test(options_of_a_command_are_left_to_it),
		cmocka_unit_test(lists_keep_their_order_and_counts_are_checked),
		cmocka_unit_test(mistakes_get_one_message_with_the_near_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
