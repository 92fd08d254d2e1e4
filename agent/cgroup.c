/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup: see cgroup.h; Documentation/admin-guide/cgroup-v2.rst for the files. */
#include "agent/cgroup.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "oci/spec.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define CGROUP_PATH CGROUP_ROOT "/container"

enum { FILE_MAX_BYTES = 1 << 20, DEPTH_MAX = 32 };

void cgroup_enable_controllers(void)
{
	_cleanup_free_ char *controllers = NULL;
	char all[512], one[64], *save = NULL;
	size_t len = 0;

	if (file_read(AT_FDCWD, CGROUP_ROOT "/cgroup.controllers", 4096, &controllers, NULL) < 0)
		return;
	all[0] = '\0';
	for (char *name = strtok_r(controllers, " \n", &save); name; name = strtok_r(NULL, " \n", &save))
		if (len + strlen(name) + 3 < sizeof(all))
			len += (size_t)sprintf(all + len, "+%s ", name);
	if (file_write(AT_FDCWD, CGROUP_ROOT "/cgroup.subtree_control", all) == 0)
		return;
	/* One that can't be had (cpu, with real-time tasks about) must not cost us the others. */
	for (char *name = strtok_r(all, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
		snprintf(one, sizeof(one), "%s", name);
		(void)file_write(AT_FDCWD, CGROUP_ROOT "/cgroup.subtree_control", one);
	}
}

int cgroup_create(struct err *err)
{
	int fd;

	if (mkdir(CGROUP_PATH, 0755) < 0 && errno != EEXIST)
		return err_set_errno(err, -errno, "making the container's cgroup");
	fd = open(CGROUP_PATH, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_set_errno(err, -errno, "opening the container's cgroup") : fd;
}

void cgroup_remove(void)
{
	(void)rmdir(CGROUP_PATH);
}

int cgroup_open_below(int cgroup, const char *path, struct err *err)
{
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_BENEATH };
	int fd;

	path += strspn(path, "/");
	fd = (int)syscall(SYS_openat2, cgroup, *path ? path : ".", &how, sizeof(how));
	if (fd < 0 && errno == EXDEV)
		return err_set(err, -EXDEV, "%s is not a sub cgroup path", path);
	return fd < 0 ? err_set_errno(err, -errno, "cgroup %s of the container", path) : fd;
}

int cgroup_open_of(pid_t pid)
{
	_cleanup_free_ char *text = NULL;
	char path[64], dir[4096], *line;
	int r, fd;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	r = file_read(AT_FDCWD, path, 64 << 10, &text, NULL);
	if (r < 0)
		return r;
	/* cgroups(7): the v2 hierarchy is number 0 and has no controllers named */
	line = strstr(text, "0::/");
	if (!line || (line != text && line[-1] != '\n'))
		return -ENOENT;
	snprintf(dir, sizeof(dir), CGROUP_ROOT "%.*s", (int)strcspn(line + 3, "\n"), line + 3);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int set_text(int cgroup, const char *file, const char *value, struct err *err)
{
	int r = file_write(cgroup, file, value);

	/* Not built into this kernel. */
	if (r == -ENOENT)
		return 0;
	return r < 0 ? err_set_errno(err, r, "setting cgroup %s to %s", file, value) : 0;
}

/* Negative and INT64_MAX: no limit. */
static int set_limit(int cgroup, const char *file, int64_t value, struct err *err)
{
	char text[32];

	if (value < 0 || value == INT64_MAX)
		return set_text(cgroup, file, "max", err);
	snprintf(text, sizeof(text), "%" PRId64, value);
	return set_text(cgroup, file, text, err);
}

bool cgroup_swap_limit(int64_t memory_limit, int64_t memory_and_swap, int64_t *ret)
{
	if (memory_and_swap < 0) {
		*ret = INT64_MAX;
		return true;
	}
	if (memory_and_swap == 0 || memory_limit <= 0 || memory_and_swap < memory_limit)
		return false;
	*ret = memory_and_swap - memory_limit;
	return true;
}

static int apply_memory(int cgroup, const struct oci_memory *m, struct err *err)
{
	int64_t swap;
	int r = 0;

	if (m->limit.has && m->limit.v != 0)
		r = set_limit(cgroup, "memory.max", m->limit.v, err);
	if (r == 0 && m->reservation.has && m->reservation.v != 0)
		r = set_limit(cgroup, "memory.low", m->reservation.v, err);
	if (r == 0 && m->swap.has && cgroup_swap_limit(m->limit.has ? m->limit.v : 0, m->swap.v, &swap))
		r = set_limit(cgroup, "memory.swap.max", swap, err);
	/* As runc: no limit of memory, and no word of swap, means no limit of both. */
	else if (r == 0 && m->limit.has && m->limit.v < 0)
		r = set_limit(cgroup, "memory.swap.max", -1, err);
	return r;
}

uint64_t cgroup_cpu_weight(uint64_t shares)
{
	if (shares < 2)
		shares = 2;
	if (shares > 262144)
		shares = 262144;
	return 1 + (shares - 2) * 9999 / 262142;
}

static int apply_cpu(int cgroup, const struct oci_cpu *cpu, struct err *err)
{
	bool idle = cpu->idle.has && cpu->idle.v == 1;
	char text[64], burst[32];
	int r;

	/* Always, as an update that failed may have left it set. */
	r = set_limit(cgroup, "cpu.idle", cpu->idle.has ? cpu->idle.v : 0, err);
	/* The kernel takes no weight for an idle group. */
	if (r == 0 && cpu->shares.has && cpu->shares.v && !idle) {
		snprintf(text, sizeof(text), "%" PRIu64, cgroup_cpu_weight(cpu->shares.v));
		r = set_text(cgroup, "cpu.weight", text, err);
	}
	/* The burst may not be above the quota at any step, whichever way they go. */
	snprintf(burst, sizeof(burst), "%" PRIu64, cpu->burst.v);
	if (r == 0 && cpu->burst.has)
		(void)file_write(cgroup, "cpu.max.burst", burst);
	if (r == 0 && ((cpu->quota.has && cpu->quota.v) || (cpu->period.has && cpu->period.v))) {
		uint64_t period = cpu->period.has && cpu->period.v ? cpu->period.v : 100000;

		if (cpu->quota.has && cpu->quota.v > 0)
			snprintf(text, sizeof(text), "%" PRId64 " %" PRIu64, cpu->quota.v, period);
		else
			snprintf(text, sizeof(text), "max %" PRIu64, period);
		r = set_text(cgroup, "cpu.max", text, err);
	}
	if (r == 0 && cpu->burst.has)
		r = set_text(cgroup, "cpu.max.burst", burst, err);
	/* linux.resources.cpu.cpus and .mems number the host's processors and nodes: the host's matter. */
	return r;
}

static int apply_hugepages(int cgroup, const struct oci_resources *res, struct err *err)
{
	for (size_t i = 0; i < res->n_hugepage_limits; i++) {
		const struct oci_hugepage_limit *limit = &res->hugepage_limits[i];
		char file[64], text[32];
		int r;

		if (strchr(limit->page_size, '/') || strlen(limit->page_size) > 16)
			return err_set(err, -EINVAL, "linux.resources.hugepageLimits[%zu]: bad page size", i);
		snprintf(file, sizeof(file), "hugetlb.%s.max", limit->page_size);
		snprintf(text, sizeof(text), "%" PRIu64, limit->limit);
		r = set_text(cgroup, file, text, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Files of all other kinds name the host's devices and processors: runtime/cgroup_limits.h. */
static bool is_guests(const char *file)
{
	static const char *const prefixes[] = { "memory.", "pids.", "hugetlb.", "cpu.", NULL };

	for (const char *const *p = prefixes; *p; p++)
		if (strncmp(file, *p, strlen(*p)) == 0)
			return true;
	return false;
}

static int apply_unified(int cgroup, const struct oci_map *unified, struct err *err)
{
	for (size_t i = 0; i < unified->n; i++) {
		const char *file = unified->v[i].key;
		int r;

		if (strchr(file, '/') || strcmp(file, "..") == 0)
			return err_set(err, -EINVAL, "linux.resources.unified: \"%s\" is no file name", file);
		if (!is_guests(file))
			continue;
		/* Named by the file that it is about: one that isn't there is an error (config-linux.md, "Unified"). */
		r = file_write(cgroup, file, unified->v[i].value);
		if (r < 0)
			return err_set_errno(err, r, "linux.resources.unified: setting %s to %s", file,
					     unified->v[i].value);
	}
	return 0;
}

int cgroup_apply(int cgroup, const struct oci_resources *res, struct err *err)
{
	int r;

	if (!res->has)
		return 0;
	r = apply_memory(cgroup, &res->memory, err);
	if (r == 0)
		r = apply_cpu(cgroup, &res->cpu, err);
	if (r == 0 && res->pids_limit.has && res->pids_limit.v != 0)
		r = set_limit(cgroup, "pids.max", res->pids_limit.v, err);
	if (r == 0)
		r = apply_hugepages(cgroup, res, err);
	return r == 0 ? apply_unified(cgroup, &res->unified, err) : r;
}

int cgroup_update(int cgroup, const struct oci_resources *res, struct err *err)
{
	_cleanup_free_ char *usage = NULL;
	const struct oci_memory *m = &res->memory;

	if (m->check_before_update && m->limit.has && m->limit.v > 0 &&
	    file_read(cgroup, "memory.current", 64, &usage, NULL) == 0 &&
	    strtoll(usage, NULL, 10) > m->limit.v)
		return err_set(err, -EBUSY,
			       "linux.resources.memory.limit: rejecting memory limit %" PRId64
			       " < usage %lld",
			       m->limit.v, strtoll(usage, NULL, 10));
	return cgroup_apply(cgroup, res, err);
}

int cgroup_delegate(int cgroup, uid_t uid, gid_t gid)
{
	_cleanup_free_ char *files = NULL;
	char *save = NULL;

	if (fchown(cgroup, uid, gid) < 0)
		return -errno;
	if (file_read(AT_FDCWD, "/sys/kernel/cgroup/delegate", 4096, &files, NULL) < 0)
		return 0;
	for (char *name = strtok_r(files, "\n", &save); name; name = strtok_r(NULL, "\n", &save))
		if (fchownat(cgroup, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
			return -errno;
	return 0;
}

bool cgroup_is_populated(int cgroup)
{
	_cleanup_free_ char *events = NULL;

	return file_read(cgroup, "cgroup.events", 4096, &events, NULL) == 0 && strstr(events, "populated 1");
}

int cgroup_kill(int cgroup)
{
	int r = file_write(cgroup, "cgroup.kill", "1");

	/* Before Linux 5.14 */
	return r == -ENOENT ? cgroup_signal(cgroup, SIGKILL) : r;
}

static int each_level(int cgroup, unsigned depth, void (*fn)(void *ctx, pid_t pid), void *ctx)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_free_ char *procs = NULL;
	struct dirent *entry;
	char *save = NULL;
	int fd;

	/* A threaded cgroup has no such list: its processes are in an ancestor's. */
	if (file_read(cgroup, "cgroup.procs", FILE_MAX_BYTES, &procs, NULL) == 0)
		for (char *pid = strtok_r(procs, "\n", &save); pid; pid = strtok_r(NULL, "\n", &save))
			if (atoi(pid) > 0)
				fn(ctx, (pid_t)atoi(pid));
	if (depth == 0)
		return 0;
	fd = openat(cgroup, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close_fd(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(dir))) {
		_cleanup_close_ int child = -EBADF;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		child = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (child >= 0)
			(void)each_level(child, depth - 1, fn, ctx);
	}
	return 0;
}

int cgroup_for_each(int cgroup, void (*fn)(void *ctx, pid_t pid), void *ctx)
{
	return each_level(cgroup, DEPTH_MAX, fn, ctx);
}

struct signal_ctx {
	int signo;
	unsigned n_sent;
};

static void signal_one(void *ctx, pid_t pid)
{
	struct signal_ctx *s = ctx;

	if (kill(pid, s->signo) == 0)
		s->n_sent++;
}

int cgroup_signal(int cgroup, int signo)
{
	struct signal_ctx s = { .signo = signo };
	int r = cgroup_for_each(cgroup, signal_one, &s);

	return r < 0 ? r : s.n_sent ? 0 : -ESRCH;
}
