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

	if (!plan->vm->shares[0].readonly)
		return 0;
	root = open(plan->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_set_errno(err, -errno, "root.path: %s", plan->rootfs);
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const char *destination = spec->mounts[i].destination;
		_cleanup_close_ int fd = -EBADF;
		bool directory;

		if (inside_other_mount(spec, i))
			continue;
		directory = wants_directory(plan, i);
		fd = root_make(root, destination, directory, &(struct root_new){ .mode = directory ? 0755 : 0644 });
		if (fd == -EROFS || fd == -EACCES || fd == -EPERM)
			continue;
		if (fd < 0)
			return err_set_errno(err, fd, "mounts[%zu].destination: %s", i, destination);
	}
	return 0;
}
