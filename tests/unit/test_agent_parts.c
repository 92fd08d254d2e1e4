/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's parts that need no container: mount options, look-ups, conversions. */
#include "tests/unit/test.h"

#include "agent/cgroup.h"
#include "agent/clock.h"
#include "agent/flush.h"
#include "base/lookpath.h"
#include "agent/mount_options.h"
#include "agent/namespaces.h"
#include "agent/passwd.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "oci/spec.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

/* --- mount options --- */

#define PARSE(ret, ...)                                                                                      \
	mount_options_parse(&(struct oci_strings){ (char **)(const char *[]){ __VA_ARGS__, NULL },           \
						   ARRAY_SIZE(((const char *[]){ __VA_ARGS__ })) },          \
			    ret, &err)

static void flags_and_data_are_told_apart(void **state)
{
	struct mount_options o;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(PARSE(&o, "nosuid", "noexec", "size=64k", "ro", "mode=755"), 0);
	assert_int_equal(o.flags, MS_NOSUID | MS_NOEXEC | MS_RDONLY);
	assert_int_equal(o.attr_set, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY);
	assert_string_equal(o.data, "size=64k,mode=755");
	assert_false(o.bind);
	mount_options_done(&o);
	assert_int_equal(mount_options_parse(&(struct oci_strings){ 0 }, &o, &err), 0);
	assert_null(o.data);
	assert_int_equal(o.flags, 0);
}

static void later_flags_win(void **state)
{
	struct mount_options o;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(PARSE(&o, "ro", "nodev", "rw", "dev"), 0);
	assert_int_equal(o.flags, 0);
	assert_int_equal(o.attr_set, 0);
	assert_int_equal(o.attr_clear, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV);
	assert_int_equal(PARSE(&o, "rw", "ro"), 0);
	assert_int_equal(o.flags, MS_RDONLY);
	assert_int_equal(o.attr_set, MOUNT_ATTR_RDONLY);
	assert_int_equal(o.attr_clear, 0);
}

/* The kernel refuses to set an atime mode without clearing the field. */
static void atime_modes_replace_each_other(void **state)
{
	struct mount_options o;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(PARSE(&o, "noatime"), 0);
	assert_int_equal(o.attr_set, MOUNT_ATTR_NOATIME);
	assert_int_equal(o.attr_clear, MOUNT_ATTR__ATIME);
	assert_int_equal(PARSE(&o, "noatime", "strictatime", "nodiratime"), 0);
	assert_int_equal(o.attr_set, MOUNT_ATTR_STRICTATIME | MOUNT_ATTR_NODIRATIME);
	assert_int_equal(PARSE(&o, "noatime", "relatime"), 0);
	assert_int_equal(o.attr_set, MOUNT_ATTR_RELATIME);
	assert_int_equal(o.attr_clear, MOUNT_ATTR__ATIME);
}

static void recursive_attributes_are_kept_apart(void **state)
{
	struct mount_options o;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(PARSE(&o, "rbind", "rro", "rnosuid", "rrelatime"), 0);
	assert_true(o.bind && o.recursive);
	assert_int_equal(o.rec_set, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID);
	assert_int_equal(o.rec_clear, MOUNT_ATTR__ATIME);
	assert_int_equal(o.attr_set, 0);
	assert_null(o.data);
	/* not "r" + "sync": that flag belongs to the file system */
	assert_int_equal(PARSE(&o, "rsync"), 0);
	assert_string_equal(o.data, "rsync");
	mount_options_done(&o);
}

static void propagation_is_a_list(void **state)
{
	struct mount_options o;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(PARSE(&o, "rslave", "shared", "bind"), 0);
	assert_int_equal(o.n_propagation, 2);
	assert_int_equal(o.propagation[0], MS_SLAVE | MS_REC);
	assert_int_equal(o.propagation[1], MS_SHARED);
	assert_false(o.recursive);
	assert_int_equal(PARSE(&o, "shared", "shared", "shared", "shared", "shared"), -EINVAL);
	assert_int_equal(mount_propagation_flags("runbindable"), MS_UNBINDABLE | MS_REC);
	assert_int_equal(mount_propagation_flags("bind"), 0);
}

static void special_options(void **state)
{
	struct mount_options o;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(PARSE(&o, "tmpcopyup", "remount", "defaults"), 0);
	assert_true(o.copy_up && o.remount);
	assert_null(o.data);
	assert_int_equal(PARSE(&o, "size=1k", "ridmap"), -ENOTSUP);
	assert_string_equal(err.text, "idmapped mounts are not supported");
	assert_null(o.data);
}

/* --- passwd --- */

static bool home(const char *text, uint32_t uid, char ret[16])
{
	strcpy(ret, "untouched");
	return passwd_find_home(text, uid, ret, 16);
}

static void home_of_the_first_entry(void **state)
{
	char h[16];

	(void)state;
	assert_true(home("root:x:0:0:root:/root:/bin/sh\nu:x:7:7::/h/u:\nv:x:7:7::/other:", 7, h));
	assert_string_equal(h, "/h/u");
	assert_true(home("u:x:7:7::/last", 7, h));
	assert_string_equal(h, "/last");
	assert_true(home("u:x:4294967295:7::/max:", UINT32_MAX, h));
}

static void broken_passwd_lines_are_passed_over(void **state)
{
	char h[16];

	(void)state;
	assert_false(home("", 0, h));
	assert_false(home("\n\n:::\n", 0, h));
	assert_false(home("u:x:7", 7, h));
	assert_false(home("u:x:7:7:", 7, h));
	assert_false(home("u:x::7::/empty:", 0, h));
	assert_false(home("u:x:-1:7::/neg:", UINT32_MAX, h));
	assert_false(home("u:x:4294967303:7::/wraps:", 7, h));
	assert_false(home("u:x:00000000007:7::/long:", 7, h));
	assert_false(home("u:x:7x:7::/x:", 7, h));
	assert_false(home("u:x:7:7:::", 7, h));
	assert_false(home("u:x:7:7::/sixteen/bytes/.:", 7, h));
	assert_string_equal(h, "untouched");
	assert_true(home("garbage\nu:x:bad:0::/bad:\nu:x:7:7::/good:", 7, h));
	assert_string_equal(h, "/good");
}

/* --- $PATH --- */

static char dir[] = "/tmp/vrun-parts.XXXXXX";

static int make_programs(void **state)
{
	char command[256];

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(
		command, sizeof(command),
		"cd %s && mkdir a b b/dir && echo > a/tool && echo > b/tool && chmod 755 b/tool && ln -s none a/dangling",
		dir);
	return system(command);
}

static int remove_programs(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

static void path_is_searched_for_executables(void **state)
{
	char path[128], expected[128], found[64];
	struct err err = ERR_INIT;

	(void)state;
	snprintf(path, sizeof(path), "PATH=%s/none:%s/a:%s/b:", dir, dir, dir);
	snprintf(expected, sizeof(expected), "%s/b/tool", dir);
	/* a/tool is no program, b/tool is */
	assert_int_equal(
		lookpath("tool", (char *[]){ (char *)"X=y", path, NULL }, found, sizeof(found), &err), 0);
	assert_string_equal(found, expected);
	assert_int_equal(lookpath("dir", (char *[]){ path, NULL }, found, sizeof(found), &err), -ENOENT);
	assert_string_equal(err.text, "exec: \"dir\": executable file not found in $PATH");
	assert_int_equal(lookpath("tool", (char *[]){ (char *)"PATH=", NULL }, found, sizeof(found), &err),
			 -ENOENT);
	assert_int_equal(lookpath("tool", (char *[]){ NULL }, found, sizeof(found), &err), -ENOENT);
	assert_int_equal(lookpath("", (char *[]){ path, NULL }, found, sizeof(found), &err), -ENOENT);
	/* too long for the buffer is not found, rather than cut */
	assert_int_equal(lookpath("tool", (char *[]){ path, NULL }, found, 10, &err), -ENOENT);
}

static void paths_are_taken_as_they_are(void **state)
{
	char name[128], found[128], expected[512];
	struct err err = ERR_INIT;

	(void)state;
	snprintf(name, sizeof(name), "%s/b/tool", dir);
	assert_int_equal(lookpath(name, NULL, found, sizeof(found), &err), 0);
	assert_string_equal(found, name);
	snprintf(name, sizeof(name), "%s/a/tool", dir);
	assert_int_equal(lookpath(name, NULL, found, sizeof(found), &err), -EACCES);
	snprintf(expected, sizeof(expected), "exec: \"%s\": permission denied", name);
	assert_string_equal(err.text, expected);
	snprintf(name, sizeof(name), "%s/a/dangling", dir);
	assert_int_equal(lookpath(name, NULL, found, sizeof(found), &err), -ENOENT);
	snprintf(expected, sizeof(expected), "exec: \"%s\": stat %s: no such file or directory", name, name);
	assert_string_equal(err.text, expected);
	assert_int_equal(lookpath("/too/long", NULL, found, 4, &err), -ENAMETOOLONG);
}

static void the_last_variable_wins(void **state)
{
	char *env[] = { (char *)"A=1", (char *)"AB=2", (char *)"A=3", (char *)"B", NULL };

	(void)state;
	assert_string_equal(env_get(env, "A"), "3");
	assert_null(env_get(env, "B"));
	assert_null(env_get(NULL, "A"));
}

static void errno_text_begins_small(void **state)
{
	(void)state;
	assert_string_equal(errno_text(ENOENT), "no such file or directory");
	assert_string_equal(errno_text(ERFKILL), "operation not possible due to RF-kill");
	assert_string_equal(errno_text(EDOTDOT), "RFS specific error");
}

/* --- cgroup and namespace conversions --- */

static void cpu_shares_become_a_weight(void **state)
{
	(void)state;
	assert_int_equal(cgroup_cpu_weight(2), 1);
	assert_int_equal(cgroup_cpu_weight(1024), 39);
	assert_int_equal(cgroup_cpu_weight(262144), 10000);
	assert_int_equal(cgroup_cpu_weight(0), 1);
	assert_int_equal(cgroup_cpu_weight(UINT64_MAX), 10000);
}

static void swap_limit_excludes_memory(void **state)
{
	int64_t swap = -5;

	(void)state;
	assert_true(cgroup_swap_limit(100, 300, &swap));
	assert_int_equal(swap, 200);
	assert_true(cgroup_swap_limit(100, 100, &swap));
	assert_int_equal(swap, 0);
	assert_true(cgroup_swap_limit(100, -1, &swap));
	assert_int_equal(swap, INT64_MAX);
	swap = -5;
	assert_false(cgroup_swap_limit(100, 0, &swap));
	assert_false(cgroup_swap_limit(100, 99, &swap));
	assert_false(cgroup_swap_limit(-1, 99, &swap));
	assert_int_equal(swap, -5);
}

static void only_dirty_pages_are_flushed(void **state)
{
	(void)state;
	assert_false(flush_is_needed("nr_dirtied 7\nnr_dirty 0\nnr_writeback 0\nnr_writeback_temp 0\n"));
	assert_true(flush_is_needed("nr_dirty 1\nnr_writeback 0\nnr_writeback_temp 0\n"));
	assert_true(flush_is_needed("nr_dirty 0\nnr_writeback 12\nnr_writeback_temp 0\n"));
	assert_true(flush_is_needed("nr_dirty 0\nnr_writeback 0\nnr_writeback_temp 3"));
	/* a kernel that counts otherwise */
	assert_true(flush_is_needed("nr_dirty 0\nnr_writeback 0\n"));
	assert_true(flush_is_needed(""));
}

static void ids_map_to_the_guests(void **state)
{
	struct oci_id_mapping maps[] = { { 0, 1000, 10 }, { 100, 5000, 1 } };
	struct oci_linux l = { .uid_mappings = { maps, 2 } };

	(void)state;
	/* without a user namespace there is no mapping */
	assert_int_equal(namespaces_map_uid(&l, 7), 7);
	l.namespaces[OCI_NS_USER].wanted = true;
	assert_int_equal(namespaces_map_uid(&l, 9), 1009);
	assert_int_equal(namespaces_map_uid(&l, 10), UINT32_MAX);
	assert_int_equal(namespaces_map_uid(&l, 100), 5000);
	assert_int_equal(namespaces_map_gid(&l, 0), UINT32_MAX);
}

static void namespaces_that_clone_makes(void **state)
{
	struct oci_linux l = { 0 };

	(void)state;
	/* the mount namespace is always the container's own */
	assert_int_equal(namespaces_clone_flags(&l), CLONE_NEWNS);
	for (int i = 0; i < OCI_NS_COUNT; i++)
		l.namespaces[i].wanted = true;
	assert_int_equal(namespaces_clone_flags(&l), CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
							     CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWUSER);
	/* joined, not made; but a network namespace's path is the host's */
	l.namespaces[OCI_NS_IPC].path = (char *)"/proc/1/ns/ipc";
	l.namespaces[OCI_NS_NETWORK].path = (char *)"/run/netns/x";
	assert_int_equal(namespaces_clone_flags(&l),
			 CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWUSER);
	l.namespaces[OCI_NS_USER].path = (char *)"/proc/1/ns/user";
	assert_int_equal(namespaces_check(&l, NULL), -ENOTSUP);
}

/* --- clock --- */

static void a_clock_behind_goes_forward_at_once(void **state)
{
	const uint64_t now = 1700000000000000000;
	struct clock_follower f = { 0 };

	(void)state;
	assert_int_equal(clock_correction(&f, now + 900000000, now), 900000000);
	assert_int_equal(clock_correction(&f, now + 20000000, now), 0);
	assert_int_equal(clock_correction(&f, now, now), 0);
	/* An emulated machine without a clock begins in 1970. */
	assert_int_equal(clock_correction(&f, now, 1000), now - 1000);
}

static void a_clock_ahead_goes_back_after_two_that_say_so(void **state)
{
	const uint64_t now = 1700000000000000000;
	struct clock_follower f = { 0 };

	(void)state;
	/* The first may just have been late. */
	assert_int_equal(clock_correction(&f, now - 5000000000, now), 0);
	assert_int_equal(clock_correction(&f, now - 1000000000, now), -1000000000);
	assert_int_equal(clock_correction(&f, now - 1000000000, now), 0);
	assert_int_equal(clock_correction(&f, now, now), 0);
	assert_int_equal(clock_correction(&f, now - 2000000000, now), 0);
	assert_int_equal(clock_correction(&f, now - 3000000000, now), -2000000000);
}

static void a_clock_that_can_not_be_is_not_followed(void **state)
{
	struct clock_follower f = { 0 };

	(void)state;
	assert_int_equal(clock_correction(&f, UINT64_MAX, 1700000000000000000), 0);
	assert_int_equal(clock_correction(&f, 1700000000000000000, UINT64_MAX), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_and_data_are_told_apart),
		cmocka_unit_test(later_flags_win),
		cmocka_unit_test(atime_modes_replace_each_other),
		cmocka_unit_test(recursive_attributes_are_kept_apart),
		cmocka_unit_test(propagation_is_a_list),
		cmocka_unit_test(special_options),
		cmocka_unit_test(home_of_the_first_entry),
		cmocka_unit_test(broken_passwd_lines_are_passed_over),
		cmocka_unit_test(path_is_searched_for_executables),
		cmocka_unit_test(paths_are_taken_as_they_are),
		cmocka_unit_test(the_last_variable_wins),
		cmocka_unit_test(errno_text_begins_small),
		cmocka_unit_test(cpu_shares_become_a_weight),
		cmocka_unit_test(swap_limit_excludes_memory),
		cmocka_unit_test(only_dirty_pages_are_flushed),
		cmocka_unit_test(ids_map_to_the_guests),
		cmocka_unit_test(namespaces_that_clone_makes),
		cmocka_unit_test(a_clock_behind_goes_forward_at_once),
		cmocka_unit_test(a_clock_ahead_goes_back_after_two_that_say_so),
		cmocka_unit_test(a_clock_that_can_not_be_is_not_followed),
	};

	return cmocka_run_group_tests(tests, make_programs, remove_programs);
}
