/* SPDX-License-Identifier: Apache-2.0 */
/* features: the document is JSON with what is required, and claims no more than the code knows. */
#include "tests/unit/test.h"

#include "agent/mount_options.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "oci/features.h"
#include "oci/seccomp.h"
#include "oci/spec.h"

static struct json_doc *document(void)
{
	const struct oci_features about = { .version = "9.8.7", .commit = "abc" };
	_cleanup_free_ char *text = NULL;
	struct json_doc *doc = NULL;
	size_t len;

	assert_int_equal(oci_features_text(&about, &text, &len), 0);
	assert_int_equal(json_parse(text, len, "features", &doc, NULL), 0);
	return doc;
}

static const char *string_at(const struct json *node, size_t i)
{
	const char *text = NULL;

	assert_int_equal(json_to_string(json_at(node, i), &text, NULL), 0);
	return text;
}

static void versions_are_there_and_accepted(void **state)
{
	_cleanup_json_doc_ struct json_doc *doc = document();
	static const char *const keys[] = { "ociVersionMin", "ociVersionMax" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		_cleanup_oci_spec_ struct oci_spec *spec = NULL;
		const char *version = NULL;
		char text[128];
		int len;

		assert_int_equal(json_to_string(json_get(json_root(doc), keys[i]), &version, NULL), 0);
		len = snprintf(text, sizeof(text), "{\"ociVersion\":\"%s\"}", version);
		assert_int_equal(oci_spec_parse(text, (size_t)len, "x", &spec, NULL), 0);
	}
}

static void every_mount_option_is_one_to_the_agent(void **state)
{
	(void)state;
	for (const char *const *name = oci_features_mount_options; *name; name++) {
		char *words[] = { (char *)(uintptr_t)*name };
		const struct oci_strings options = { .v = words, .n = 1 };
		struct mount_options parsed;
		struct err err = ERR_INIT;

		if (mount_options_parse(&options, &parsed, &err) < 0)
			fail_msg("%s: %s", *name, err.text);
		/* What the agent does not know it leaves to the file system. */
		if (parsed.data)
			fail_msg("%s is not known", *name);
		mount_options_done(&parsed);
	}
}

static void every_action_architecture_and_flag_compiles(void **state)
{
	_cleanup_json_doc_ struct json_doc *doc = document();
	const struct json *linux_ = json_get(json_root(doc), "linux"), *seccomp = json_get(linux_, "seccomp");
	const struct {
		const char *key, *format;
	} lists[] = {
		{ "actions",
		  "{\"defaultAction\":\"SCMP_ACT_LOG\",\"syscalls\":[{\"names\":[\"mkdir\"],\"action\":"
		  "\"%s\"}]}" },
		{ "operators",
		  "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mkdir\"],\"action\":"
		  "\"SCMP_ACT_ERRNO\",\"args\":[{\"index\":0,\"value\":1,\"op\":\"%s\"}]}]}" },
		{ "archs", "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"%s\"]}" },
		{ "supportedFlags", "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"%s\"]}" },
	};

	(void)state;
	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		const struct json *list = json_get(seccomp, lists[l].key);

		assert_true(json_length(list) > 0);
		for (size_t i = 0; i < json_length(list); i++) {
			_cleanup_oci_spec_ struct oci_spec *spec = NULL;
			_cleanup_free_ uint8_t *bpf = NULL;
			char profile[256], text[512];
			struct err err = ERR_INIT;
			uint32_t flags;
			size_t len;
			int n;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			snprintf(profile, sizeof(profile), lists[l].format, string_at(list, i));
#pragma GCC diagnostic pop
			n = snprintf(text, sizeof(text),
				     "{\"ociVersion\":\"1.2.0\",\"linux\":{\"seccomp\":%s}}", profile);
			if (oci_spec_parse(text, (size_t)n, "x", &spec, &err) < 0)
				fail_msg("%s: %s", text, err.text);
			if (oci_seccomp_compile(&spec->linux_.seccomp, &bpf, &len, &flags, &err) < 0)
				fail_msg("%s: %s", text, err.text);
		}
	}
}

static void namespaces_and_capabilities_are_those_of_the_parser(void **state)
{
	_cleanup_json_doc_ struct json_doc *doc = document();
	const struct json *linux_ = json_get(json_root(doc), "linux");
	const struct json *namespaces = json_get(linux_, "namespaces");
	const struct json *capabilities = json_get(linux_, "capabilities");

	(void)state;
	assert_int_equal(json_length(namespaces), OCI_NS_COUNT);
	assert_true(json_length(capabilities) >= 41);
	for (size_t i = 0; i < json_length(capabilities); i++)
		assert_true(oci_capability_number(string_at(capabilities, i)) >= 0);
}

static void what_a_vm_lacks_is_not_claimed(void **state)
{
	static const char *const off[] = { "apparmor", "selinux", "intelRdt" };
	_cleanup_json_doc_ struct json_doc *doc = document();
	const struct json *linux_ = json_get(json_root(doc), "linux");
	bool enabled = true;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
		assert_int_equal(json_to_bool(json_get(json_get(linux_, off[i]), "enabled"), &enabled, NULL),
				 0);
		assert_false(enabled);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_are_there_and_accepted),
		cmocka_unit_test(every_mount_option_is_one_to_the_agent),
		cmocka_unit_test(every_action_architecture_and_flag_compiles),
		cmocka_unit_test(namespaces_and_capabilities_are_those_of_the_parser),
		cmocka_unit_test(what_a_vm_lacks_is_not_claimed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
