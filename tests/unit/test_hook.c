/* SPDX-License-Identifier: Apache-2.0 */
/* hook: what a hook gets, how its end is told, and its time limit. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "oci/hook.h"
#include "oci/spec.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

static char dir[64];

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/vrun-test-hook-XXXXXX");
	assert_non_null(mkdtemp(dir));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return dir_remove_all(AT_FDCWD, dir);
}

static char *words[] = { (char *)"hook", (char *)"-c", NULL, (char *)"zero", (char *)"one", NULL };
static char *env_words[] = { (char *)"ONLY=this", NULL };

/* `sh -c SCRIPT zero one`, with ONLY=this as all of its environment. */
static int run_script(const char *script, int64_t timeout, struct err *err)
{
	struct oci_hook hook = { .path = (char *)"/bin/sh" };
	const struct oci_hook_env env = {
		.state = "{\"id\":1}", .state_len = 8, .cwd = dir, .netns = -EBADF
	};

	words[2] = (char *)(uintptr_t)script;
	hook.args.v = words;
	hook.args.n = 5;
	hook.env.v = env_words;
	hook.env.n = 1;
	hook.timeout.has = timeout > 0;
	hook.timeout.v = timeout;
	return oci_hook_run(&hook, &env, err);
}

static void assert_file(const char *name, const char *expected)
{
	_cleanup_free_ char *text = NULL;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(file_read(AT_FDCWD, path, 4096, &text, NULL), 0);
	assert_string_equal(text, expected);
}

static void a_hook_gets_the_state_its_words_and_just_its_environment(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(run_script("cat >state; echo \"$0 $1\" >words; /usr/bin/env | "
				    "/usr/bin/grep -v -e ^PWD= -e ^_= -e ^OLDPWD= >env",
				    0, &err),
			 0);
	assert_file("state", "{\"id\":1}");
	assert_file("words", "zero one\n");
	assert_file("env", "ONLY=this\n");
}

static void without_an_environment_of_its_own_a_hook_gets_the_given_one(void **state)
{
	static const char script[] = "#!/bin/sh\necho \"$GIVEN\" >given\n";
	static char *const given[] = { (char *)"GIVEN=that", NULL };
	struct oci_hook_env env = { .state = "", .cwd = dir, .netns = -EBADF, .environment = given };
	struct oci_hook hook = { 0 };
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/script", dir);
	assert_int_equal(file_write_atomic(AT_FDCWD, path, script, strlen(script), 0755), 0);
	hook.path = path;
	assert_int_equal(oci_hook_run(&hook, &env, NULL), 0);
	assert_file("given", "that\n");
	env.environment = NULL;
	assert_int_equal(oci_hook_run(&hook, &env, NULL), 0);
	assert_file("given", "\n");
}

static void without_words_the_path_is_the_first(void **state)
{
	_cleanup_free_ char *path = NULL;
	const struct oci_hook_env env = { .state = "", .cwd = dir, .netns = -EBADF };
	static const char script[] = "#!/bin/sh\necho \"$0 $#\" >words\n";
	struct oci_hook hook = { 0 };

	(void)state;
	assert_true(asprintf(&path, "%s/script", dir) > 0);
	assert_int_equal(file_write_atomic(AT_FDCWD, path, script, strlen(script), 0755), 0);
	hook.path = path;
	assert_int_equal(oci_hook_run(&hook, &env, NULL), 0);
	free(TAKE_PTR(path));
	assert_true(asprintf(&path, "%s/script 0\n", dir) > 0);
	assert_file("words", path);
}

static void an_exit_status_and_the_output_are_told(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(run_script("echo said; echo why >&2; exit 3", 0, &err), -ECANCELED);
	assert_string_equal(err.text, "/bin/sh: exit status 3, stdout: said, stderr: why");
	err = (struct err)ERR_INIT;
	assert_int_equal(run_script("kill -TERM $$", 0, &err), -ECANCELED);
	assert_non_null(strstr(err.text, "signal 15 (terminated)"));
}

static void of_much_output_the_end_is_kept(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(
		run_script("i=0; while [ $i -lt 9999 ]; do echo line $i; i=$((i+1)); done; exit 1", 0, &err),
		-ECANCELED);
	assert_null(strstr(err.text, "line 12 "));
	assert_non_null(strstr(err.text, "line 9998, stderr: "));
	assert_null(strchr(err.text, '\n'));
}

static void a_program_that_is_not_there_is_told(void **state)
{
	struct oci_hook hook = { .path = (char *)"/no/such/hook" };
	const struct oci_hook_env env = { .state = "", .netns = -EBADF };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(oci_hook_run(&hook, &env, &err), -ECANCELED);
	assert_string_equal(err.text,
			    "/no/such/hook: exit status 127, stdout: , stderr: can't be executed: ENOENT");
}

static time_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static void a_hook_out_of_time_is_killed_with_its_children(void **state)
{
	struct err err = ERR_INIT;
	time_t begun = now();
	char path[128], text[32] = "";
	int fd;

	(void)state;
	assert_int_equal(run_script("sleep 1000 & echo $! >child; sleep 1000", 1, &err), -ETIMEDOUT);
	assert_string_equal(err.text, "/bin/sh: hook ran past specified timeout of 1 s");
	assert_true(now() - begun < 20);
	snprintf(path, sizeof(path), "%s/child", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	/* Gone, or a zombie that nobody reaps in a container without an init. */
	for (int i = 0; i < 100 && kill(atoi(text), 0) == 0; i++) {
		char stat_path[64], stat_text[128] = "";
		FILE *f;

		snprintf(stat_path, sizeof(stat_path), "/proc/%d/stat", atoi(text));
		f = fopen(stat_path, "re");
		if (!f)
			return;
		assert_true(fread(stat_text, 1, sizeof(stat_text) - 1, f) > 0);
		fclose(f);
		if (strstr(stat_text, ") Z"))
			return;
		usleep(50000);
	}
	assert_int_equal(kill(atoi(text), 0), -1);
}

static void a_process_left_behind_is_not_waited_for(void **state)
{
	struct err err = ERR_INIT;
	time_t begun = now();

	(void)state;
	assert_int_equal(run_script("sleep 30 & exit 0", 60, &err), 0);
	assert_true(now() - begun < 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_hook_gets_the_state_its_words_and_just_its_environment,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_an_environment_of_its_own_a_hook_gets_the_given_one,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_words_the_path_is_the_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_exit_status_and_the_output_are_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(of_much_output_the_end_is_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_program_that_is_not_there_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_hook_out_of_time_is_killed_with_its_children, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_process_left_behind_is_not_waited_for, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
