/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup_dir: one directory of one hierarchy: made, joined, removed. See cgroup_internal.h. */
#include "runtime/cgroup_internal.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
	FILE_SIZE_MAX = 4 << 20,
	DEPTH_MAX = 32,
	REMOVE_TRIES = 10, /* 1, 2, 4 … ms between them: a second in all */
};

static bool list_has(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = list; *p;) {
		size_t n = strcspn(p, ", \n");

		if (n == len && strncmp(p, name, n) == 0)
			return true;
		p += n + (p[n] != '\0');
	}
	return false;
}

bool cgroup_dir_has(const struct cgroup_dir *dir, bool unified, const char *controller)
{
	return unified || list_has(dir->controllers, controller);
}

/* --- what each level needs --- */

/* Version 2: a child has the controllers that its parent hands on. One that can't be had is missed later. */
static void hand_on_controllers(const char *path)
{
	_cleanup_free_ char *controllers = NULL;
	_cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char all[512] = "", one[64], *save = NULL;
	size_t len = 0;

	if (fd < 0 || file_read(fd, "cgroup.controllers", 4096, &controllers, NULL) < 0)
		return;
	for (char *name = strtok_r(controllers, " \n", &save); name; name = strtok_r(NULL, " \n", &save))
		if (len + strlen(name) + 3 < sizeof(all))
			len += (size_t)sprintf(all + len, "+%s ", name);
	if (len == 0 || file_write(fd, "cgroup.subtree_control", all) == 0)
		return;
	for (char *name = strtok_r(all, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
		snprintf(one, sizeof(one), "%s", name);
		(void)file_write(fd, "cgroup.subtree_control", one);
	}
}

/* Version 1: a new cpuset is empty, and takes no process before it has CPUs and nodes. */
static int copy_cpuset(const char *parent, const char *child, const char *file)
{
	_cleanup_close_ int from = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int to = open(child, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *theirs = NULL;
	_cleanup_free_ char *ours = NULL;
	int r;

	if (from < 0 || to < 0)
		return -errno;
	r = file_read(to, file, FILE_SIZE_MAX, &ours, NULL);
	if (r < 0 || (*ours && *ours != '\n'))
		return r;
	r = file_read(from, file, FILE_SIZE_MAX, &theirs, NULL);
	return r < 0 ? r : file_write(to, file, theirs);
}

static int make_level(const struct cgroup_dir *dir, bool unified, const char *parent, const char *path)
{
	int r = 0;

	if (unified)
		hand_on_controllers(parent);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (!unified && list_has(dir->controllers, "cpuset")) {
		r = copy_cpuset(parent, path, "cpuset.cpus");
		if (r == 0)
			r = copy_cpuset(parent, path, "cpuset.mems");
	}
	return r;
}

static unsigned count_lines(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* Of version 1, of version 2; what has neither can't be. */
static bool is_frozen(int fd)
{
	_cleanup_free_ char *state = NULL;

	if (file_read(fd, "freezer.state", FILE_SIZE_MAX, &state, NULL) == 0)
		return strcmp(state, "THAWED\n") != 0;
	return file_read(fd, "cgroup.freeze", FILE_SIZE_MAX, &state, NULL) == 0 && *state == '1';
}

int cgroup_dir_check(const struct cgroup_dir *dir, struct err *err)
{
	_cleanup_close_ int fd = open(dir->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *procs = NULL;
	unsigned n;
	int r;

	if (strlen(dir->path) <= strlen(dir->top) + 1)
		return err_set(err, -EINVAL,
			       "linux.cgroupsPath: the top of the hierarchy (%s) can't be a container's",
			       dir->top);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_set_errno(err, -errno, "cgroup %s", dir->path);
	r = file_read(fd, "cgroup.procs", FILE_SIZE_MAX, &procs, NULL);
	if (r < 0)
		return err_set_errno(err, r, "cgroup %s: cgroup.procs", dir->path);
	n = count_lines(procs);
	if (n)
		return err_set(err, -EBUSY, "container's cgroup is not empty: %u process(es) found in %s", n,
			       dir->path);
	if (is_frozen(fd))
		return err_set(err, -EBUSY, "container's cgroup unexpectedly frozen: %s", dir->path);
	return 0;
}

int cgroup_dir_make(const struct cgroup_dir *dir, bool unified, struct err *err)
{
	_cleanup_free_ char *path = strdup(dir->path);
	_cleanup_free_ char *parent = strdup(dir->top);
	size_t top = strlen(dir->top);

	if (!path || !parent)
		return err_set(err, -ENOMEM, "out of memory");
	for (char *end = path + top; *end;) {
		char kept;
		int r;

		end += 1 + strcspn(end + 1, "/");
		kept = *end;
		*end = '\0';
		r = make_level(dir, unified, parent, path);
		if (r < 0)
			return err_set_errno(err, r, "making cgroup %s", path);
		free(parent);
		parent = strdup(path);
		if (!parent)
			return err_set(err, -ENOMEM, "out of memory");
		*end = kept;
	}
	return 0;
}

int cgroup_dir_join(const struct cgroup_dir *dir, pid_t pid)
{
	_cleanup_free_ char *file = NULL;
	char text[16];

	if (asprintf(&file, "%s/cgroup.procs", dir->path) < 0) {
		file = NULL;
		return -ENOMEM;
	}
	snprintf(text, sizeof(text), "%d", (int)pid);
	return file_write(AT_FDCWD, file, text);
}

void cgroup_dir_kill(const struct cgroup_dir *dir)
{
	_cleanup_close_ int fd = open(dir->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *procs = NULL;
	char *save = NULL;

	if (fd < 0 || file_read(fd, "cgroup.procs", FILE_SIZE_MAX, &procs, NULL) < 0)
		return;
	for (char *pid = strtok_r(procs, "\n", &save); pid; pid = strtok_r(NULL, "\n", &save))
		if (atoi(pid) > 0)
			kill((pid_t)atoi(pid), SIGKILL);
}

/* --- removal --- */

/* The cgroups below, then this one. A cgroup's files go with it. */
static int remove_level(int parent, const char *name, unsigned depth)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int fd;

	if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -errno;
	if (depth == 0)
		return -EBUSY;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close_fd(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(dir)))
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			(void)remove_level(dirfd(dir), entry->d_name, depth - 1);
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

int cgroup_dir_remove(const struct cgroup_dir *dir, struct err *err)
{
	int r = 0;

	if (strlen(dir->path) <= strlen(dir->top) + 1)
		return 0;
	/* Those that were killed take their time to leave, and the kernel is done a little later still. */
	for (unsigned i = 0; i < REMOVE_TRIES; i++) {
		struct timespec ts = { .tv_nsec = 1000000L << i };

		r = remove_level(AT_FDCWD, dir->path, DEPTH_MAX);
		if (r != -EBUSY)
			break;
		nanosleep(&ts, NULL);
	}
	return r < 0 ? err_set_errno(err, r, "removing cgroup %s", dir->path) : 0;
}
