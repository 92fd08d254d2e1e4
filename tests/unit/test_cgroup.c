/* SPDX-License-Identifier: Apache-2.0 */
/* A container's cgroup on this host, for real, of whichever version: made, limited, entered, removed. Needs root. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "oci/spec.h"
#include "runtime/cgroup.h"
#include "runtime/cgroup_host.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const struct cgroup_sizes sizes = { .vm_memory = 96 << 20, .overhead = 32 << 20 };

struct fixture {
	char dir[64]; /* as a container's */
	int dirfd;
	char parent[64], path[80];
	pid_t pid; /* a process to put there */
	struct oci_spec *spec;
	struct cgroup *cgroup;
	struct err err;
};

static void set_spec(struct fixture *f, const char *path, const char *resources)
{
	struct err err = ERR_INIT;
	char *json;

	oci_spec_free(TAKE_PTR(f->spec));
	assert_true(asprintf(&json,
			     "{\"ociVersion\":\"1.2.0\",\"linux\":{\"cgroupsPath\":\"%s\",\"resources\":%s}}",
			     path, resources) > 0);
	assert_int_equal(oci_spec_parse(json, strlen(json), "test", &f->spec, &err), 0);
	free(json);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/vrun-cgroup.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->dirfd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(f->parent, sizeof(f->parent), "/vrun-unit-%d", (int)getpid());
	snprintf(f->path, sizeof(f->path), "%s/c1", f->parent);
	f->pid = fork();
	if (f->pid == 0) {
		pause();
		_exit(0);
	}
	*state = f;
	return 0;
}

static void end_process(struct fixture *f)
{
	if (f->pid > 0) {
		kill(f->pid, SIGKILL);
		waitpid(f->pid, NULL, 0);
	}
	f->pid = 0;
}

/* The directories above a container's stay, as runc's do. */
static void remove_parents(const struct fixture *f)
{
	_cleanup_cgroup_host_ struct cgroup_host host = { 0 };

	assert_int_equal(cgroup_host_read(&host, NULL), 0);
	for (size_t i = 0; i < host.n; i++) {
		char *dir;

		assert_int_equal(cgroup_dir(&host.v[i], host.unified, f->parent, &dir), 0);
		rmdir(dir);
		free(dir);
	}
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	end_process(f);
	cgroup_remove_saved(f->dirfd, NULL);
	remove_parents(f);
	cgroup_free(f->cgroup);
	oci_spec_free(f->spec);
	close(f->dirfd);
	dir_remove_all(AT_FDCWD, f->dir);
	free(f);
	return 0;
}

static int enter(struct fixture *f, const char *path, const char *resources)
{
	int r;

	set_spec(f, path, resources);
	r = cgroup_new("c1", f->spec, false, &sizes, &f->cgroup, &f->err);
	return r < 0 ? r : cgroup_enter(f->cgroup, f->spec, f->dirfd, f->pid, &f->err);
}

static const struct cgroup_dir *dir_of(const struct fixture *f, const char *controller)
{
	for (size_t i = 0; i < f->cgroup->n_dirs; i++)
		if (f->cgroup->unified || !strcmp(f->cgroup->dirs[i].controllers, controller))
			return &f->cgroup->dirs[i];
	fail_msg("no controller %s", controller);
	return NULL;
}

/* A file's text without its newline, of version 1 or 2. */
static const char *value(const struct fixture *f, const char *controller, const char *v1, const char *v2)
{
	static char buf[256];
	char path[512], *text;

	snprintf(path, sizeof(path), "%s/%s", dir_of(f, controller)->path, f->cgroup->unified ? v2 : v1);
	assert_int_equal(file_read(AT_FDCWD, path, 65536, &text, NULL), 0);
	text[strcspn(text, "\n")] = '\0';
	snprintf(buf, sizeof(buf), "%s", text);
	free(text);
	return buf;
}

static void assert_all_gone(const struct fixture *f)
{
	for (size_t i = 0; i < f->cgroup->n_dirs; i++)
		assert_int_equal(access(f->cgroup->dirs[i].path, F_OK), -1);
}

static void a_process_is_in_the_named_cgroup_of_each_hierarchy(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(enter(f, f->path, "{}"), 0);
	assert_true(f->cgroup->n_dirs > 0);
	for (size_t i = 0; i < f->cgroup->n_dirs; i++) {
		char *own;

		assert_int_equal(cgroup_of_pid(f->pid, f->cgroup->dirs[i].controllers, &own), 0);
		assert_string_equal(own, f->path);
		free(own);
	}
	end_process(f);
	assert_int_equal(cgroup_remove_saved(f->dirfd, &f->err), 0);
	assert_all_gone(f);
}

static void limits_are_written(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(enter(f, f->path,
			       "{\"memory\":{\"limit\":67108864,\"swap\":67108864},\"cpu\":{\"shares\":512,"
			       "\"quota\":30000,\"period\":60000,\"cpus\":\"0\"},\"pids\":{\"limit\":20}}"),
			 0);
	assert_string_equal(value(f, "memory", "memory.limit_in_bytes", "memory.max"), "134217728");
	assert_string_equal(value(f, "pids", "pids.max", "pids.max"), "276");
	assert_string_equal(value(f, "cpuset", "cpuset.cpus", "cpuset.cpus"), "0");
	assert_string_equal(value(f, "cpu", "cpu.shares", "cpu.weight"), f->cgroup->unified ? "20" : "512");
	/* the quota comes later */
	assert_string_equal(value(f, "cpu", "cpu.cfs_quota_us", "cpu.max"),
			    f->cgroup->unified ? "max 100000" : "-1");
	assert_int_equal(cgroup_apply(f->cgroup, &f->spec->linux_.resources, CGROUP_QUOTA, &f->err), 0);
	assert_string_equal(value(f, "cpu", "cpu.cfs_quota_us", "cpu.max"),
			    f->cgroup->unified ? "30000 60000" : "30000");
}

static void limits_change_in_both_directions(void **state)
{
	static const struct {
		const char *resources, *v1, *v2;
	} steps[] = {
		{ "{\"memory\":{\"limit\":67108864,\"swap\":67108864}}", "134217728", "134217728" },
		{ "{\"memory\":{\"limit\":-1}}", NULL, "max" },
		{ "{\"memory\":{\"limit\":67108864,\"swap\":134217728}}", "134217728", "134217728" },
		{ "{\"memory\":{\"limit\":67108864,\"swap\":67108864}}", "134217728", "134217728" },
		{ "{\"memory\":{\"limit\":67108864,\"swap\":-1}}", "134217728", "134217728" },
	};
	struct fixture *f = *state;

	assert_int_equal(enter(f, f->path, "{}"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		set_spec(f, f->path, steps[i].resources);
		assert_int_equal(cgroup_apply(f->cgroup, &f->spec->linux_.resources, CGROUP_ALL, &f->err), 0);
		if (f->cgroup->unified || steps[i].v1)
			assert_string_equal(value(f, "memory", "memory.limit_in_bytes", "memory.max"),
					    f->cgroup->unified ? steps[i].v2 : steps[i].v1);
	}
	/* quota and burst: each may only move within what the other allows */
	set_spec(f, f->path, "{\"cpu\":{\"quota\":100000,\"period\":200000,\"burst\":90000}}");
	assert_int_equal(cgroup_apply(f->cgroup, &f->spec->linux_.resources, CGROUP_QUOTA, &f->err), 0);
	set_spec(f, f->path, "{\"cpu\":{\"quota\":20000,\"period\":40000,\"burst\":0}}");
	assert_int_equal(cgroup_apply(f->cgroup, &f->spec->linux_.resources, CGROUP_QUOTA, &f->err), 0);
	assert_string_equal(value(f, "cpu", "cpu.cfs_burst_us", "cpu.max.burst"), "0");
}

static void a_refused_limit_names_its_field(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(enter(f, f->path, "{\"cpu\":{\"cpus\":\"60000\"}}") < 0, 1);
	assert_non_null(strstr(f->err.text, "linux.resources.cpu.cpus: setting cpuset.cpus"));
	assert_int_equal(cgroup_remove_saved(f->dirfd, NULL), 0);
	assert_all_gone(f);
}

static void what_is_in_use_is_not_removed(void **state)
{
	struct fixture *f = *state;
	char below[600];

	assert_int_equal(enter(f, f->path, "{}"), 0);
	snprintf(below, sizeof(below), "%s/below", f->cgroup->dirs[0].path);
	assert_int_equal(mkdir(below, 0755), 0);
	assert_int_equal(cgroup_remove_saved(f->dirfd, &f->err), -EBUSY);
	assert_non_null(strstr(f->err.text, f->path));
	end_process(f);
	assert_int_equal(cgroup_remove_saved(f->dirfd, &f->err), 0);
	assert_all_gone(f);
	/* twice is as good as once */
	assert_int_equal(cgroup_remove_saved(f->dirfd, &f->err), 0);
}

/* Another container's, or anybody's: neither entered, nor removed for the failure. */
static void a_cgroup_with_processes_is_not_taken(void **state)
{
	struct fixture *f = *state, other = *f;

	assert_int_equal(enter(f, f->path, "{}"), 0);
	snprintf(other.dir, sizeof(other.dir), "/tmp/vrun-cgroup.XXXXXX");
	assert_non_null(mkdtemp(other.dir));
	other.dirfd = open(other.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	other.spec = NULL;
	assert_int_equal(enter(&other, f->path, "{}"), -EBUSY);
	assert_non_null(strstr(other.err.text, "container's cgroup is not empty: 1 process(es) found"));
	assert_int_equal(cgroup_remove_saved(other.dirfd, NULL), 0);
	assert_int_equal(access(f->cgroup->dirs[0].path, F_OK), 0);
	cgroup_free(other.cgroup);
	oci_spec_free(other.spec);
	close(other.dirfd);
	dir_remove_all(AT_FDCWD, other.dir);
}

/* What is put there would not run, and could not be killed. */
static void a_frozen_cgroup_is_not_taken(void **state)
{
	struct fixture *f = *state;

	set_spec(f, f->path, "{}");
	assert_int_equal(cgroup_new("c1", f->spec, false, &sizes, &f->cgroup, &f->err), 0);
	for (size_t i = 0; i < f->cgroup->n_dirs; i++) {
		const char *path = f->cgroup->dirs[i].path;
		_cleanup_free_ char *parent = strndup(path, strlen(path) - strlen("/c1"));
		_cleanup_close_ int fd = -EBADF;

		assert_return_code(mkdir(parent, 0755), errno);
		assert_return_code(mkdir(path, 0755), errno);
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		(void)file_write(fd, f->cgroup->unified ? "cgroup.freeze" : "freezer.state",
				 f->cgroup->unified ? "1" : "FROZEN");
	}
	assert_int_equal(cgroup_enter(f->cgroup, f->spec, f->dirfd, f->pid, &f->err), -EBUSY);
	assert_non_null(strstr(f->err.text, "container's cgroup unexpectedly frozen"));
	for (size_t i = 0; i < f->cgroup->n_dirs; i++)
		assert_return_code(rmdir(f->cgroup->dirs[i].path), errno);
}

static void the_top_of_a_hierarchy_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(enter(f, "/x/..", "{}"), -EINVAL);
	assert_non_null(strstr(f->err.text, "linux.cgroupsPath: the top of the hierarchy"));
}

/* Ids are unique below one --root only. */
static void without_a_path_a_free_name_is_taken(void **state)
{
	struct fixture *f = *state;
	struct cgroup *cgroups[2];
	_cleanup_oci_spec_ struct oci_spec *spec = NULL;
	static const char json[] = "{\"ociVersion\":\"1.2.0\",\"linux\":{}}";
	char id[64];

	assert_int_equal(oci_spec_parse(json, strlen(json), "test", &spec, &f->err), 0);
	snprintf(id, sizeof(id), "vrun-unit-%d.c", (int)getpid());
	for (int i = 0; i < 2; i++) {
		assert_int_equal(cgroup_new(id, spec, false, &sizes, &cgroups[i], &f->err), 0);
		assert_int_equal(cgroup_enter(cgroups[i], spec, f->dirfd, f->pid, &f->err), 0);
	}
	assert_non_null(strstr(cgroups[0]->dirs[0].path, id));
	for (size_t i = 0; i < cgroups[0]->n_dirs; i++) {
		size_t len = strlen(cgroups[0]->dirs[i].path);

		assert_int_equal(strncmp(cgroups[0]->dirs[i].path, cgroups[1]->dirs[i].path, len), 0);
		assert_string_equal(cgroups[1]->dirs[i].path + len, "-1");
	}
	end_process(f);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(cgroup_remove(cgroups[i], &f->err), 0);
		assert_int_equal(access(cgroups[i]->dirs[0].path, F_OK), -1);
		cgroup_free(cgroups[i]);
	}
}

static void the_file_is_read_back(void **state)
{
	_cleanup_cgroup_ struct cgroup *loaded = NULL;
	struct fixture *f = *state;

	assert_int_equal(enter(f, f->path, "{}"), 0);
	assert_int_equal(cgroup_load(f->dirfd, &loaded, &f->err), 0);
	assert_int_equal(loaded->n_dirs, f->cgroup->n_dirs);
	assert_int_equal(loaded->unified, f->cgroup->unified);
	assert_int_equal(loaded->sizes.vm_memory, sizes.vm_memory);
	assert_int_equal(loaded->sizes.overhead, sizes.overhead);
	for (size_t i = 0; i < loaded->n_dirs; i++) {
		assert_string_equal(loaded->dirs[i].path, f->cgroup->dirs[i].path);
		assert_string_equal(loaded->dirs[i].controllers, f->cgroup->dirs[i].controllers);
	}
}

#define HEAD "{\"format\":1,\"unified\":true,\"entered\":true,\"vmMemory\":1,\"overhead\":1,"

static void all_in_it_can_be_killed(void **state)
{
	struct fixture *f = *state;
	int status;

	cgroup_kill_saved(f->dirfd);
	assert_int_equal(enter(f, f->path, "{}"), 0);
	cgroup_kill_saved(f->dirfd);
	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	f->pid = 0;
	assert_int_equal(cgroup_remove_saved(f->dirfd, &f->err), 0);
}

static void damaged_files_remove_nothing(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"{\"format\":2}",
		HEAD "\"dirs\":3}",
		HEAD "\"dirs\":[3]}",
		HEAD "\"dirs\":[{\"controllers\":\"\",\"path\":\"/tmp/x\"}]}",
		HEAD "\"dirs\":[{\"controllers\":\"\",\"path\":\"/tmp/x\",\"top\":\"/sys\"}]}",
		HEAD "\"dirs\":[{\"controllers\":\"\",\"path\":\"/sys/../tmp/x\",\"top\":\"/sys\"}]}",
		HEAD "\"dirs\":[{\"controllers\":\"\",\"path\":\"/sysx\",\"top\":\"/sys\"}]}",
		HEAD "\"dirs\":[{\"controllers\":\"\",\"path\":\"x\",\"top\":\"\"}]}",
		"{\"format\":1,\"unified\":true,\"entered\":true,\"dirs\":[]}",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(file_write_atomic(f->dirfd, "cgroup.json", bad[i], strlen(bad[i]), 0600), 0);
		assert_true(cgroup_remove_saved(f->dirfd, &err) < 0);
		assert_int_not_equal(err.code, 0);
	}
	assert_int_equal(unlinkat(f->dirfd, "cgroup.json", 0), 0);
	assert_int_equal(cgroup_remove_saved(f->dirfd, NULL), 0);
}

static void systemd_must_be_there(void **state)
{
	struct fixture *f = *state;

	if (access("/run/systemd/system", F_OK) == 0)
		return;
	set_spec(f, "a.slice:b:c", "{}");
	assert_int_equal(cgroup_new("c1", f->spec, true, &sizes, &f->cgroup, &f->err), -ENOTSUP);
	assert_non_null(strstr(f->err.text, "systemd does not run on this host"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_process_is_in_the_named_cgroup_of_each_hierarchy),
		TEST(limits_are_written),
		TEST(limits_change_in_both_directions),
		TEST(a_refused_limit_names_its_field),
		TEST(what_is_in_use_is_not_removed),
		TEST(a_cgroup_with_processes_is_not_taken),
		TEST(a_frozen_cgroup_is_not_taken),
		TEST(the_top_of_a_hierarchy_is_refused),
		TEST(without_a_path_a_free_name_is_taken),
		TEST(the_file_is_read_back),
		TEST(all_in_it_can_be_killed),
		TEST(damaged_files_remove_nothing),
		TEST(systemd_must_be_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
