/* SPDX-License-Identifier: Apache-2.0 */
/* update: what a change of limits makes of the limits that are there. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "oci/agent_proto.h"
#include "oci/spec.h"
#include "runtime/update.h"

#include <string.h>

static struct oci_resources *parse(const char *text)
{
	struct oci_resources *resources = NULL;
	struct err err = ERR_INIT;

	if (update_resources_parse(text, strlen(text), &resources, &err) < 0)
		fail_msg("%s", err.text);
	return resources;
}

/* The merged resources as JSON. */
static void check(const char *before, const char *change, const char *expected)
{
	_cleanup_update_resources_ struct oci_resources *resources = parse(before);
	_cleanup_update_resources_ struct oci_resources *delta = parse(change);
	const struct agent_update msg = { .resources = resources };
	_cleanup_free_ char *text = NULL, *whole = NULL;
	struct err err = ERR_INIT;
	size_t len;

	assert_int_equal(update_merge(resources, delta, &err), 0);
	assert_int_equal(agent_update_write(&msg, &text, &len), 0);
	assert_true(asprintf(&whole, "{\"resources\":%s}", expected) > 0);
	assert_string_equal(text, whole);
}

static void what_is_not_named_stays(void **state)
{
	(void)state;
	check("{\"memory\":{\"limit\":5},\"cpu\":{\"shares\":2,\"cpus\":\"0\"},\"pids\":{\"limit\":9}}", "{}",
	      "{\"memory\":{\"limit\":5},\"cpu\":{\"shares\":2,\"cpus\":\"0\"},\"pids\":{\"limit\":9}}");
	check("{\"cpu\":{\"quota\":5,\"period\":7}}", "{\"cpu\":{\"quota\":6}}",
	      "{\"cpu\":{\"quota\":6,\"period\":7}}");
	check("{}", "{\"cpu\":{\"idle\":0,\"burst\":0,\"mems\":\"1\"},\"blockIO\":{\"weight\":10}}",
	      "{\"cpu\":{\"burst\":0,\"mems\":\"1\",\"idle\":0},\"blockIO\":{\"weight\":10}}");
}

static void memory_lifted_lifts_swap(void **state)
{
	(void)state;
	check("{\"memory\":{\"limit\":5,\"swap\":6}}", "{\"memory\":{\"limit\":-1}}",
	      "{\"memory\":{\"limit\":-1,\"swap\":-1}}");
	check("{\"memory\":{\"limit\":5,\"swap\":6}}", "{\"memory\":{\"limit\":-1,\"swap\":9}}",
	      "{\"memory\":{\"limit\":-1,\"swap\":9}}");
	check("{\"memory\":{\"limit\":5,\"swap\":6}}", "{\"memory\":{\"limit\":4}}",
	      "{\"memory\":{\"limit\":4,\"swap\":6}}");
}

static void no_pids_limit_is_no_change(void **state)
{
	(void)state;
	check("{\"pids\":{\"limit\":9}}", "{\"pids\":{\"limit\":0}}", "{\"pids\":{\"limit\":9}}");
	check("{\"pids\":{\"limit\":9}}", "{\"pids\":{\"limit\":-1}}", "{\"pids\":{\"limit\":-1}}");
}

static void lists_are_replaced_and_unified_keys_merged(void **state)
{
	(void)state;
	check("{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":1}]}",
	      "{\"hugepageLimits\":[{\"pageSize\":\"1GB\",\"limit\":2}]}",
	      "{\"hugepageLimits\":[{\"pageSize\":\"1GB\",\"limit\":2}]}");
	check("{\"unified\":{\"a.b\":\"1\",\"c.d\":\"2\"}}", "{\"unified\":{\"c.d\":\"3\",\"e.f\":\"4\"}}",
	      "{\"unified\":{\"a.b\":\"1\",\"c.d\":\"3\",\"e.f\":\"4\"}}");
	check("{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":1}]}}",
	      "{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":2}]}}",
	      "{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":2}]}}");
}

static void device_rules_stay(void **state)
{
	(void)state;
	check("{\"devices\":[{\"allow\":false,\"type\":\"a\",\"access\":\"rwm\"}]}",
	      "{\"devices\":[{\"allow\":true,\"type\":\"a\",\"access\":\"rwm\"}]}",
	      "{\"devices\":[{\"allow\":false,\"type\":\"a\",\"access\":\"rwm\"}]}");
}

static void malformed_changes_are_refused(void **state)
{
	static const struct {
		const char *text, *message;
	} bad[] = {
		{ "", "" },
		{ "[]", "resources" },
		{ "{", "" },
		{ "{\"memory\":{\"limit\":\"1\"}}", "resources.memory.limit" },
		{ "{\"cpu\":{\"shares\":-1}}", "resources.cpu.shares" },
		{ "{}}", "" },
	};
	struct oci_resources *resources;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;

		assert_true(update_resources_parse(bad[i].text, strlen(bad[i].text), &resources, &err) < 0);
		assert_non_null(strstr(err.text, bad[i].message));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_named_stays),
		cmocka_unit_test(memory_lifted_lifts_swap),
		cmocka_unit_test(no_pids_limit_is_no_change),
		cmocka_unit_test(lists_are_replaced_and_unified_keys_merged),
		cmocka_unit_test(device_rules_stay),
		cmocka_unit_test(malformed_changes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
