/* SPDX-License-Identifier: Apache-2.0 */
/* agent_proto: CREATE and EXEC arrive as they were sent; malformed ones are refused. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "oci/agent_proto.h"
#include "oci/spec.h"

static const char config[] = "{\"ociVersion\":\"1.2.0\",\"process\":{\"cwd\":\"/\",\"args\":[\"true\"]},"
			     "\"root\":{\"path\":\"/run/vrun/shares/root\"}}";

static void create_arrives_as_sent(void **state)
{
	struct agent_create sent = { .stdio = { 1, UINT32_MAX, 3, 25, 80 }, .start = true };
	struct agent_create got = { 0 };
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;
	size_t len;

	(void)state;
	assert_int_equal(oci_spec_parse(config, strlen(config), "config.json", &sent.config, &err), 0);
	assert_int_equal(agent_create_write(&sent, &text, &len), 0);
	assert_int_equal(agent_create_parse(text, len, &got, &err), 0);
	assert_string_equal(got.config->root.path, "/run/vrun/shares/root");
	assert_string_equal(got.config->process.args.v[0], "true");
	assert_memory_equal(&got.stdio, &sent.stdio, sizeof(sent.stdio));
	assert_true(got.start);
	agent_create_done(&sent);
	agent_create_done(&got);
	assert_null(got.config);
	agent_create_done(&got);
	agent_create_done(NULL);
}

static void create_without_stdio_has_no_ports(void **state)
{
	struct agent_create sent = { 0 }, got = { 0 };
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;
	size_t len;

	(void)state;
	assert_int_equal(oci_spec_parse(config, strlen(config), "config.json", &sent.config, &err), 0);
	assert_int_equal(agent_create_write(&sent, &text, &len), 0);
	assert_int_equal(agent_create_parse(text, len, &got, &err), 0);
	assert_int_equal(got.stdio.stdin_port, 0);
	assert_int_equal(got.stdio.rows, 0);
	assert_false(got.start);
	agent_create_done(&sent);
	agent_create_done(&got);
}

static void exec_arrives_as_sent(void **state)
{
	static const char process[] = "{\"cwd\":\"/tmp\",\"args\":[\"id\",\"-u\"],\"terminal\":true}";
	struct agent_exec sent = { .stdio = { .stdin_port = 77 }, .cgroup = strdup("a/b") }, got = { 0 };
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;
	size_t len;

	(void)state;
	assert_int_equal(oci_process_parse(process, strlen(process), "process", &sent.process, &err), 0);
	assert_int_equal(agent_exec_write(&sent, &text, &len), 0);
	assert_int_equal(agent_exec_parse(text, len, &got, &err), 0);
	assert_string_equal(got.process->cwd, "/tmp");
	assert_int_equal(got.process->args.n, 2);
	assert_true(got.process->terminal);
	assert_int_equal(got.stdio.stdin_port, 77);
	assert_string_equal(got.cgroup, "a/b");
	agent_exec_done(&sent);
	agent_exec_done(&got);
	assert_null(got.process);
}

static void malformed_payloads_are_refused(void **state)
{
	static const struct {
		const char *text, *create_message, *exec_message;
	} cases[] = {
		{ "", "create message: line 1, column 1: parse error: premature EOF",
		  "exec message: line 1, column 1: parse error: premature EOF" },
		{ "[]", "create message: must be an object, not an array",
		  "exec message: must be an object, not an array" },
		{ "{}", "config: is required", "process: is required" },
		{ "{\"config\":1,\"process\":1}", "config: must be an object, not a number",
		  "process: must be an object, not a number" },
		{ "{\"config\":{\"ociVersion\":\"1.0.0\",\"root\":{}},\"process\":{\"cwd\":\"x\"}}",
		  "config.root.path: is required", "process.cwd: must be an absolute path, not \"x\"" },
		{ "{\"config\":{\"ociVersion\":\"1.0.0\"},\"process\":{\"cwd\":\"/\",\"args\":[\"a\"]},"
		  "\"stdio\":{\"stdinPort\":4294967296}}",
		  "stdio.stdinPort: must be an integer from 0 to 4294967295, not 4294967296",
		  "stdio.stdinPort: must be an integer from 0 to 4294967295, not 4294967296" },
		{ "{\"config\":{\"ociVersion\":\"1.0.0\"},\"process\":{\"cwd\":\"/\",\"args\":[\"a\"]},"
		  "\"stdio\":{\"rows\":65536}}",
		  "stdio.rows: must be an integer from 0 to 65535, not 65536",
		  "stdio.rows: must be an integer from 0 to 65535, not 65536" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct agent_create create = { 0 };
		struct agent_exec exec = { 0 };
		struct err err = ERR_INIT;

		assert_true(agent_create_parse(cases[i].text, strlen(cases[i].text), &create, &err) < 0);
		assert_string_equal(err.text, cases[i].create_message);
		assert_null(create.config);
		assert_true(agent_exec_parse(cases[i].text, strlen(cases[i].text), &exec, &err) < 0);
		assert_string_equal(err.text, cases[i].exec_message);
		assert_null(exec.process);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_arrives_as_sent),
		cmocka_unit_test(create_without_stdio_has_no_ports),
		cmocka_unit_test(exec_arrives_as_sent),
		cmocka_unit_test(malformed_payloads_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
