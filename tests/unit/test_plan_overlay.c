/* SPDX-License-Identifier: Apache-2.0 */
/* plan_overlay: the directories of an overlay become shares, and what can't be one is refused. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "oci/spec.h"
#include "runtime/plan.h"
#include "runtime/plan_shares.h"

#include <fcntl.h>

static char dir[64];

static int set_up(void **state)
{
	static const char *const names[] = { "l1", "l:2", "o/upper", "o/work", "p/work" };

	(void)state;
	strcpy(dir, "/tmp/vrun-test-overlay-XXXXXX");
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		assert_int_equal(dir_make_all(AT_FDCWD, path, 0755), 0);
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return dir_remove_all(AT_FDCWD, dir);
}

/* Options that are relative are so to `dir`. */
static int plan(const char *lower, const char *upper, const char *work, char options[3][256],
		struct vm_spec *vm, struct err *err)
{
	const char *const given[] = { lower, upper, work };
	struct oci_mount m = { 0 };
	int r;

	for (size_t i = 0; i < 3; i++) {
		if (given[i])
			assert_int_equal(oci_strings_append(&m.options, given[i]), 0);
	}
	r = plan_overlay(dir, VM_SHARE_CACHE_AUTO, &m, 4, vm, err);
	for (size_t i = 0; i < m.options.n; i++) {
		snprintf(options[i], 256, "%s", m.options.v[i]);
		free(m.options.v[i]);
	}
	free(m.options.v);
	return r;
}

static void vm_done(struct vm_spec *vm)
{
	for (size_t i = 0; i < vm->n_shares; i++) {
		free(vm->shares[i].name);
		free(vm->shares[i].path);
	}
	free(vm->shares);
}

static void lower_directories_are_read_only_shares_and_upper_and_work_one(void **state)
{
	struct vm_spec vm = { 0 };
	struct err err = ERR_INIT;
	char options[3][256], path[128];

	(void)state;
	if (plan("lowerdir=l1:l\\:2", "upperdir=o/upper", "workdir=o/work", options, &vm, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(vm.n_shares, 3);
	assert_true(vm.shares[0].readonly && vm.shares[1].readonly && !vm.shares[2].readonly);
	snprintf(path, sizeof(path), "%s/l:2", dir);
	assert_string_equal(vm.shares[1].path, path);
	snprintf(path, sizeof(path), "%s/o", dir);
	assert_string_equal(vm.shares[2].path, path);
	assert_string_equal(options[0], "lowerdir=/run/vrun/shares/m4l0/.:/run/vrun/shares/m4l1/.");
	assert_string_equal(options[1], "upperdir=/run/vrun/shares/m4u0/upper");
	assert_string_equal(options[2], "workdir=/run/vrun/shares/m4u0/work");
	vm_done(&vm);
}

static void what_makes_no_overlay_is_refused(void **state)
{
	static const struct {
		const char *lower, *upper, *work, *text;
	} cases[] = {
		{ NULL, NULL, NULL, "needs a lowerdir" },
		{ "lowerdir=", NULL, NULL, "can't be read" },
		{ "lowerdir=l1:", NULL, NULL, "can't be read" },
		{ "lowerdir=l1::l1", NULL, NULL, "can't be read" },
		{ "lowerdir=missing", NULL, NULL, "lowerdir=missing: " },
		{ "lowerdir=l1", "upperdir=o/upper", NULL, "go together" },
		{ "lowerdir=l1", NULL, "workdir=o/work", "go together" },
		{ "lowerdir=l1", "upperdir=o/upper", "workdir=p/work", "must be in one directory" },
		{ "lowerdir=l1", "upperdir=/usr", "workdir=/tmp", "must be in one directory" },
		{ "lowerdir=l1", "upperdir=/", "workdir=/", "must be in one directory" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vm_spec vm = { 0 };
		struct err err = ERR_INIT;
		char options[3][256];

		assert_true(plan(cases[i].lower, cases[i].upper, cases[i].work, options, &vm, &err) < 0);
		assert_non_null(strstr(err.text, "mounts[4].options: "));
		if (!strstr(err.text, cases[i].text))
			fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].text);
		vm_done(&vm);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lower_directories_are_read_only_shares_and_upper_and_work_one,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_makes_no_overlay_is_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
