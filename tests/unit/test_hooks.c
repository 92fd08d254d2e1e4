/* SPDX-License-Identifier: Apache-2.0 */
/* hooks: their order, the state that each kind is told, and what a failure means. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "oci/spec.h"
#include "runtime/hooks.h"
#include "runtime/state.h"

#include <fcntl.h>
#include <unistd.h>

static char dir[64];
static struct oci_spec *spec;
static struct state *container;

/* Every kind's hooks append "KIND STATE" to the bundle's log; %s is run before. */
#define HOOK(kind, more)                                                                                     \
	"{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\",\"PATH=/bin:/usr/bin; " more "; { echo " kind         \
	"; cat; echo; pwd; } >>$DIR/log\"],\"env\":[\"DIR=%1$s\"]}"

static const char config[] =
	"{\"ociVersion\":\"1.2.0\",\"process\":{\"cwd\":\"/\",\"args\":[\"x\"],\"user\":{}},\"root\":{\"path\":\"/\"},"
	"\"hooks\":{\"prestart\":[" HOOK("prestart", "true") "],\"createRuntime\":[" HOOK(
		"createRuntime",
		"true") "],"
			"\"createContainer\":[" HOOK("createContainer", "true") "],\"poststart\":[" HOOK(
				"poststart",
				"exit %2$d") "," HOOK("later",
						      "true") "],\"poststop\":[" HOOK("first",
										      "exit %2$d") "," HOOK("second",
													    "true") "]}}";

static void set_up_with(int status)
{
	struct err err = ERR_INIT;
	char text[8192], rootfs[80];
	int len;

	strcpy(dir, "/tmp/vrun-test-hooks-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(rootfs, sizeof(rootfs), "%s/rootfs", dir);
	assert_int_equal(dir_make_all(AT_FDCWD, rootfs, 0755), 0);
	len = snprintf(text, sizeof(text), config, dir, status);
	if (oci_spec_parse(text, (size_t)len, "config.json", &spec, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(state_new("c1", dir, spec, &container), 0);
	container->rootfs = strdup(rootfs);
	container->pid = getpid();
}

static int set_up(void **state)
{
	(void)state;
	log_set_stderr(false);
	set_up_with(0);
	return 0;
}

static int set_up_failing(void **state)
{
	(void)state;
	log_set_stderr(false);
	set_up_with(5);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	oci_spec_free(spec);
	state_free(container);
	return dir_remove_all(AT_FDCWD, dir);
}

/* "KIND" lines with the state's status and pid, in order. */
static void assert_log(const char *expected)
{
	_cleanup_free_ char *text = NULL;
	char path[128], got[4096] = "", *save = NULL;
	size_t len = 0;

	snprintf(path, sizeof(path), "%s/log", dir);
	if (file_read(AT_FDCWD, path, 65536, &text, NULL) < 0)
		text = strdup("");
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *status = strstr(line, "\"status\":\"");
		const char *pid = strstr(line, "\"pid\":");

		if (status && pid)
			len += (size_t)snprintf(got + len, sizeof(got) - len, "%.*s %s ",
						(int)strcspn(status + 10, "\""), status + 10,
						atoi(pid + 6) == getpid() ? "pid"
						: atoi(pid + 6)		  ? "other pid"
									  : "no pid");
		else
			len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%s", line,
						strchr(line, '/') ? ";" : " ");
	}
	assert_string_equal(got, expected);
}

static const char *in_dir(const char *format)
{
	static char text[1024];

	snprintf(text, sizeof(text), format, dir, dir, dir);
	return text;
}

static void hooks_of_create_run_in_order_while_creating(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	/* Entering a network namespace takes root. */
	if (geteuid() != 0)
		skip();
	if (hooks_create(&spec->hooks, container, &err) < 0)
		fail_msg("%s", err.text);
	assert_log(in_dir("prestart creating pid %s;createRuntime creating pid %s;"
			  "createContainer creating pid %s/rootfs;"));
}

static void the_first_failure_ends_create(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	free(spec->hooks.create_runtime.v[0].path);
	spec->hooks.create_runtime.v[0].path = strdup("/no/such");
	assert_int_equal(hooks_create(&spec->hooks, container, &err), -ECANCELED);
	assert_string_equal(err.text,
			    "error running createRuntime hook #0: /no/such: exit status 127, stdout: , "
			    "stderr: can't be executed: ENOENT");
	assert_log(in_dir("prestart creating pid %s;"));
}

static void poststart_is_told_running_and_ends_at_a_failure(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(hooks_poststart(&spec->hooks, container, &err), -ECANCELED);
	assert_string_equal(err.text,
			    "error running poststart hook #0: /bin/sh: exit status 5, stdout: , stderr: ");
	assert_log("");
	free(spec->hooks.poststart.v[0].args.v[2]);
	spec->hooks.poststart.v[0].args.v[2] = strdup("exit 0");
	assert_int_equal(hooks_poststart(&spec->hooks, container, &err), 0);
	assert_log(in_dir("later running pid %s;"));
}

static void all_of_poststop_run_whatever_fails(void **state)
{
	(void)state;
	hooks_poststop(&spec->hooks, container);
	assert_log(in_dir("second stopped no pid %s;"));
}

static void phrases_that_callers_match_are_not_passed_on(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	free(spec->hooks.prestart.v[0].args.v[2]);
	spec->hooks.prestart.v[0].args.v[2] = strdup("echo No such file or directory >&2; exit 1");
	assert_int_equal(hooks_create(&spec->hooks, container, &err), -ECANCELED);
	assert_non_null(strstr(err.text, "stderr: ENOENT"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(hooks_of_create_run_in_order_while_creating, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_first_failure_ends_create, set_up, tear_down),
		cmocka_unit_test_setup_teardown(poststart_is_told_running_and_ends_at_a_failure,
						set_up_failing, tear_down),
		cmocka_unit_test_setup_teardown(all_of_poststop_run_whatever_fails, set_up_failing,
						tear_down),
		cmocka_unit_test_setup_teardown(phrases_that_callers_match_are_not_passed_on, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
