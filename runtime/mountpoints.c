/* SPDX-License-Identifier: Apache-2.0 */
/* mountpoints: see mountpoints.h. */
#include "runtime/mountpoints.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/rootpath.h"
#include "oci/spec.h"
#include "runtime/plan.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* In one of the first `n` mounts, where the root has no part in it. */
static bool inside_mount(const struct oci_spec *spec, const char *path, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (path_is_below(path, spec->mounts[i].destination))
			return true;
	}
	return false;
}

static int make(int root, const char *path, bool directory)
{
	int fd = root_make(root, path, directory, &(struct root_new){ .mode = directory ? 0755 : 0644 });

	if (fd == -EROFS || fd == -EACCES || fd == -EPERM)
		return 0;
	if (fd < 0)
		return fd;
	close_fd(fd);
	return 0;
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

		if (inside_mount(spec, destination, i))
			continue;
		r = make(root, destination, wants_directory(plan, i));
		if (r < 0)
			return err_set_errno(err, r, "mounts[%zu].destination: %s", i, destination);
	}
	if (inside_mount(spec, spec->process.cwd, spec->n_mounts))
		return 0;
	r = make(root, spec->process.cwd, true);
	return r < 0 ? err_set_errno(err, r, "process.cwd: %s", spec->process.cwd) : 0;
}
