/* SPDX-License-Identifier: Apache-2.0 */
/* program: which programs of a container are there, as seen from the host. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "oci/spec.h"
#include "runtime/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char bundle[64], rootfs[80];

static const char *at(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", bundle, name);
	return path;
}

static void make_dir(const char *name)
{
	assert_int_equal(mkdir(at(name), 0755), 0);
}

static void make_file(const char *name, mode_t mode)
{
	assert_int_equal(file_write_atomic(AT_FDCWD, at(name), "x", 1, mode), 0);
}

static void make_link(const char *target, const char *name)
{
	assert_int_equal(symlink(target, at(name)), 0);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(bundle, "/tmp/vrun-program.XXXXXX");
	if (!mkdtemp(bundle))
		return -1;
	snprintf(rootfs, sizeof(rootfs), "%s/root", bundle);
	make_dir("root");
	make_dir("root/usr");
	make_dir("root/usr/bin");
	make_dir("root/mnt");
	make_dir("root/tmp");
	make_dir("volume");
	make_dir("volume/sub");
	make_file("root/usr/bin/tool", 0755);
	make_file("root/usr/bin/data", 0644);
	make_file("volume/sub/other", 0755);
	make_file("single", 0755);
	make_link("usr/bin", "root/bin");
	/* Absolute ones and ".." stay in the root; the last two lead nowhere. */
	make_link("/usr/bin/tool", "root/usr/bin/absolute");
	make_link("../../../../usr/bin/tool", "root/usr/bin/up");
	make_link("/mnt/sub/other", "root/usr/bin/into-volume");
	make_link("loop", "root/usr/bin/loop");
	make_link("/etc/passwd", "root/usr/bin/outside");
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", bundle);
	return system(command);
}

static int look(const char *name, char *ret_text, size_t size)
{
	static const char format[] =
		"{\"ociVersion\": \"1.0.2\", \"root\": {\"path\": \"root\"}, \"process\": {\"cwd\": \"/usr\", \"args\": [\"%s\"],"
		" \"env\": [\"PATH=/none:/bin\"]}, \"mounts\": ["
		"{\"destination\": \"/mnt/\", \"type\": \"bind\", \"source\": \"volume\", \"options\": [\"rbind\"]},"
		"{\"destination\": \"/usr/bin/single\", \"type\": \"bind\", \"source\": \"single\", \"options\": [\"bind\"]},"
		/* By way of a link. */
		"{\"destination\": \"/bin/init\", \"type\": \"bind\", \"source\": \"single\", \"options\": [\"bind\"]},"
		"{\"destination\": \"/tmp\", \"type\": \"tmpfs\", \"source\": \"tmpfs\"}], \"linux\": {}}";
	struct err err = ERR_INIT;
	struct oci_spec *spec;
	char text[2048];
	int r;

	snprintf(text, sizeof(text), format, name);
	assert_int_equal(oci_spec_parse(text, strlen(text), "config.json", &spec, &err), 0);
	err.text[0] = '\0';
	r = program_check(spec, bundle, rootfs, &err);
	snprintf(ret_text, size, "%s", err.text);
	oci_spec_free(spec);
	return r;
}

static void what_is_there_is_found(void **state)
{
	static const char *const names[] = {
		"tool",
		"/bin/tool",
		"bin/tool",
		"./bin/../bin/tool",
		"absolute",
		"up",
		"into-volume",
		"/mnt/sub/other",
		"/usr/../mnt/sub/../sub/other",
		"single",
		"init",
		"/bin/init",
		/* Only the guest knows. */
		"/tmp/anything",
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (look(names[i], text, sizeof(text)) != 0)
			fail_msg("%s: %s", names[i], text);
	}
}

static void what_is_not_there_is_told_in_runcs_words(void **state)
{
	static const struct {
		const char *name, *text;
		int error;
	} cases[] = {
		{ "nosuch", "exec: \"nosuch\": executable file not found in $PATH", -ENOENT },
		{ "data", "exec: \"data\": executable file not found in $PATH", -ENOENT },
		{ "loop", "exec: \"loop\": executable file not found in $PATH", -ENOENT },
		{ "outside", "exec: \"outside\": executable file not found in $PATH", -ENOENT },
		{ "/bin/data", "exec: \"/bin/data\": permission denied", -EACCES },
		{ "/usr", "exec: \"/usr\": permission denied", -EACCES },
		{ "/mnt/sub/none", "exec: \"/mnt/sub/none\": stat /mnt/sub/none: no such file or directory",
		  -ENOENT },
		/* A symlink's ".." is where it leads. */
		{ "/bin/../mnt/sub/other",
		  "exec: \"/bin/../mnt/sub/other\": stat /bin/../mnt/sub/other: no such file or directory",
		  -ENOENT },
		{ "/bin/tool/x", "exec: \"/bin/tool/x\": stat /bin/tool/x: not a directory", -ENOTDIR },
	};
	char text[256], expected[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(look(cases[i].name, text, sizeof(text)), cases[i].error);
		snprintf(expected, sizeof(expected), "unable to start container process: %s", cases[i].text);
		assert_string_equal(text, expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_there_is_found),
		cmocka_unit_test(what_is_not_there_is_told_in_runcs_words),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
