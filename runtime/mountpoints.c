/* SPDX-License-Identifier: Apache-2.0 */
/* mountpoints: see mountpoints.h. */
#include "runtime/mountpoints.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/rootpath.h"
#include "oci/spec.h"
#include "runtime/plan.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

static int make_part(int parent, const char *name, bool directory)
{
	int fd;

	if (directory)
		return mkdirat(parent, name, 0755) < 0 ? -errno : 0;
	fd = openat(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	close_fd(fd);
	return 0;
}

/*
 * mkdir -p, or a file as the last part. Each prefix is resolved from the root, so ".."
 * and symlinks stay inside. A dangling symlink on the way is an error: -EEXIST.
 */
static int make_path(int root, const char *path, bool directory)
{
	_cleanup_close_ int parent = root_open(root, ".", O_PATH | O_DIRECTORY);
	char prefix[PATH_MAX];
	size_t start = strspn(path, "/"), end, next;

	if (parent < 0)
		return parent;
	if (strlen(path) >= sizeof(prefix))
		return -ENAMETOOLONG;
	for (; path[start]; start = next) {
		int fd, r;

		end = start + strcspn(path + start, "/");
		next = end + strspn(path + end, "/");
		memcpy(prefix, path, end);
		prefix[end] = '\0';
		fd = root_open(root, prefix + strspn(prefix, "/"), O_PATH);
		if (fd == -ENOENT) {
			r = make_part(parent, prefix + start, directory || path[next]);
			if (r < 0)
				return r;
			fd = root_open(root, prefix + strspn(prefix, "/"), O_PATH);
		}
		if (fd < 0)
			return fd;
		close_fd(parent);
		parent = fd;
	}
	return 0;
}

static bool inside_other_mount(const struct oci_spec *spec, size_t i)
{
	for (size_t j = 0; j < i; j++) {
		if (path_is_below(spec->mounts[i].destination, spec->mounts[j].destination))
			return true;
	}
	return false;
}

/* A bind mount of a file needs a file; all else a directory. */
static bool wants_directory(const struct plan *plan, size_t i)
{
	const char *source = plan->config->mounts[i].source;
	const char *name;
	struct stat st;

	if (!plan_is_bind(&plan->config->mounts[i]))
		return true;
	/* A device node of the guest's. */
	if (strncmp(source, AGENT_SHARE_DIR "/", strlen(AGENT_SHARE_DIR "/")))
		return false;
	name = source + strlen(AGENT_SHARE_DIR "/");
	for (size_t s = 0; s < plan->vm->n_shares; s++) {
		if (!strcmp(plan->vm->shares[s].name, name))
			return stat(plan->vm->shares[s].path, &st) < 0 || S_ISDIR(st.st_mode);
	}
	return true;
}

int mountpoints_make(const struct oci_spec *spec, const struct plan *plan, struct err *err)
{
	_cleanup_close_ int root = -EBADF;
	int r;

	if (!plan->vm->shares[0].readonly)
		return 0;
	root = open(plan->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_set_errno(err, -errno, "root.path: %s", plan->rootfs);
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const char *destination = spec->mounts[i].destination;

		if (inside_other_mount(spec, i))
			continue;
		r = make_path(root, destination, wants_directory(plan, i));
		if (r == -EROFS || r == -EACCES || r == -EPERM)
			continue;
		if (r < 0)
			return err_set_errno(err, r, "mounts[%zu].destination: %s", i, destination);
	}
	return 0;
}
