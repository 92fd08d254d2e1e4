/* SPDX-License-Identifier: Apache-2.0 */
/* The host's cgroup hierarchies, and where in them a container goes. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "runtime/cgroup_host.h"

#include <string.h>

static const char v1_mounts[] =
	"22 1 0:20 / / rw - ext4 /dev/sda1 rw\n"
	"31 22 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
	"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
	"34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset,clone_children\n"
	"35 31 0:32 / /sys/fs/cgroup/mem\\040ory rw master:1 shared:2 - cgroup cgroup rw,memory\n"
	"36 31 0:32 / /elsewhere rw - cgroup cgroup rw,memory\n"
	"37 31 0:33 /docker/abc /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
	"38 31 0:34 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n"
	"40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/lib/x,name=systemd\n"
	"41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	"cut short\n";
static const char v1_self[] = "9:name=systemd:/user.slice/a.scope\n"
			      "8:pids:/docker/abc/x\n"
			      "4:memory:/process_api/27bf\n"
			      "3:cpuset:/\n"
			      "1:cpuacct,cpu:/\n"
			      "0::/\n";
static const char v2_mounts[] = "30 22 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
static const char v2_self[] = "0::/user.slice/session-1.scope\n";

static const struct cgroup_hierarchy *find(const struct cgroup_host *host, const char *controllers)
{
	for (size_t i = 0; i < host->n; i++)
		if (!strcmp(host->v[i].controllers, controllers))
			return &host->v[i];
	return NULL;
}

static void hybrid_hosts_are_version_1(void **state)
{
	_cleanup_cgroup_host_ struct cgroup_host host = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(cgroup_host_parse(v1_mounts, v1_self, &host, &err), 0);
	assert_false(host.unified);
	/* not blkio, which we are not in, and no second memory */
	assert_int_equal(host.n, 5);
	assert_null(find(&host, ""));
	assert_null(find(&host, "blkio"));
	assert_string_equal(find(&host, "cpu,cpuacct")->mount, "/sys/fs/cgroup/cpu,cpuacct");
	assert_string_equal(find(&host, "cpu,cpuacct")->own, "/");
	assert_string_equal(find(&host, "memory")->mount, "/sys/fs/cgroup/mem ory");
	assert_string_equal(find(&host, "memory")->own, "/process_api/27bf");
	assert_string_equal(find(&host, "cpuset")->own, "/");
	assert_string_equal(find(&host, "name=systemd")->own, "/user.slice/a.scope");
	assert_string_equal(find(&host, "pids")->root, "/docker/abc");
}

static void version_2_alone_is_unified(void **state)
{
	_cleanup_cgroup_host_ struct cgroup_host host = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(cgroup_host_parse(v2_mounts, v2_self, &host, &err), 0);
	assert_true(host.unified);
	assert_int_equal(host.n, 1);
	assert_string_equal(host.v[0].own, "/user.slice/session-1.scope");
}

static void no_hierarchy_is_an_error(void **state)
{
	struct cgroup_host host = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(cgroup_host_parse("", "", &host, &err), -ENOENT);
	assert_int_equal(cgroup_host_parse(v2_mounts, "", &host, &err), -ENOENT);
	assert_int_equal(cgroup_host_parse("1 2 3\n\n - \n", v1_self, &host, &err), -ENOENT);
}

static void a_process_cgroup_is_found_by_its_controllers(void **state)
{
	char *path = NULL;

	(void)state;
	assert_int_equal(cgroup_of_parse(v1_self, "cpu,cpuacct", &path), 0);
	assert_string_equal(path, "/");
	free(path);
	assert_int_equal(cgroup_of_parse(v1_self, "", &path), 0);
	assert_string_equal(path, "/");
	free(path);
	assert_int_equal(cgroup_of_parse(v1_self, "cpu", &path), -ENOENT);
	assert_int_equal(cgroup_of_parse(v1_self, "mem", &path), -ENOENT);
	assert_int_equal(cgroup_of_parse("4:memory", "memory", &path), -ENOENT);
	/* a colon is fine in a path */
	assert_int_equal(cgroup_of_parse("4:memory:/a:b\n5:x:/\n", "memory", &path), 0);
	assert_string_equal(path, "/a:b");
	free(path);
}

static void check_clean(const char *path, const char *expected)
{
	char *clean;

	assert_int_equal(cgroup_path_clean(path, &clean), 0);
	assert_string_equal(clean, expected);
	free(clean);
}

static void paths_are_cleaned(void **state)
{
	(void)state;
	check_clean("/a/b", "/a/b");
	check_clean("//a//b/./c/", "/a/b/c");
	check_clean("/a/../../b", "/b");
	check_clean("/..", "/");
	check_clean("/", "/");
	check_clean("a/b", "a/b");
	check_clean("../../a", "a");
	check_clean("a/..", "");
	check_clean("./a/..b/...", "a/..b/...");
	check_clean("", "");
}

static void check_dir(const struct cgroup_hierarchy *h, bool unified, const char *path, const char *expected)
{
	char *dir;

	assert_int_equal(cgroup_dir(h, unified, path, &dir), 0);
	assert_string_equal(dir, expected);
	free(dir);
}

static void relative_paths_start_at_our_own_cgroup(void **state)
{
	char controllers[] = "memory", mount[] = "/cg/memory", top[] = "/", a[] = "/a", ab[] = "/ab",
	     deep[] = "/a/b";
	struct cgroup_hierarchy h = { controllers, mount, top, deep };
	char *dir;

	(void)state;
	check_dir(&h, false, "/x/y", "/cg/memory/x/y");
	check_dir(&h, false, "x", "/cg/memory/a/b/x");
	check_dir(&h, true, "x", "/cg/memory/a/x");
	h.own = top;
	check_dir(&h, false, "x", "/cg/memory/x");
	check_dir(&h, true, "x", "/cg/memory/x");
	h.own = a;
	check_dir(&h, true, "x", "/cg/memory/x");
	/* only a part of the hierarchy is mounted */
	h.root = a;
	h.own = deep;
	check_dir(&h, false, "x", "/cg/memory/b/x");
	h.own = ab;
	assert_int_equal(cgroup_dir(&h, false, "x", &dir), -ENOENT);
}

static void check_unit(const char *path, const char *slice, const char *unit)
{
	struct err err = ERR_INIT;
	char *s, *u;

	assert_int_equal(cgroup_unit_parse(path, "c1", &s, &u, &err), 0);
	assert_string_equal(s, slice);
	assert_string_equal(u, unit);
	free(s);
	free(u);
}

static void systemd_paths_name_a_slice_and_a_scope(void **state)
{
	static const char *const bad[] = { "/a/b",  "a:b",	     "a:b:c:d",		 "a.slice:p:",
					   "a:p:n", "a.slice:p:n/m", "a.slice:p:x.slice" };
	struct err err = ERR_INIT;
	char *s, *u;

	(void)state;
	check_unit(NULL, "system.slice", "vrun-c1.scope");
	check_unit("machine.slice:libpod:abc", "machine.slice", "libpod-abc.scope");
	check_unit(":docker:abc", "system.slice", "docker-abc.scope");
	check_unit("a-b.slice::abc", "a-b.slice", "abc.scope");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		err = (struct err)ERR_INIT;
		assert_true(cgroup_unit_parse(bad[i], "c1", &s, &u, &err) < 0);
		assert_int_not_equal(err.code, 0);
	}
	assert_int_equal(cgroup_unit_parse("x", "c1", &s, &u, &err), -EINVAL);
	assert_non_null(strstr(err.text, "expected cgroupsPath to be of format \"slice:prefix:name\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hybrid_hosts_are_version_1),
		cmocka_unit_test(version_2_alone_is_unified),
		cmocka_unit_test(no_hierarchy_is_an_error),
		cmocka_unit_test(a_process_cgroup_is_found_by_its_controllers),
		cmocka_unit_test(paths_are_cleaned),
		cmocka_unit_test(relative_paths_start_at_our_own_cgroup),
		cmocka_unit_test(systemd_paths_name_a_slice_and_a_scope),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
