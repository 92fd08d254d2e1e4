/* SPDX-License-Identifier: Apache-2.0 */
/* rootfs: see rootfs.h. */
#include "agent/rootfs.h"

#include "agent/mount_options.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/rootpath.h"
#include "oci/spec.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int rootfs_make(int root, const char *path, bool directory, mode_t mode)
{
	return root_make(root, path, directory, &(struct root_new){ .mode = mode });
}

struct fd_path fd_path(int fd)
{
	struct fd_path path;

	snprintf(path.text, sizeof(path.text), "/proc/self/fd/%d", fd);
	return path;
}

int mount_clone(int dirfd, const char *path, bool recursive)
{
	int fd = open_tree(dirfd, path,
			   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (path[0] ? 0 : AT_EMPTY_PATH) |
				   (recursive ? AT_RECURSIVE : 0));

	return fd < 0 ? -errno : fd;
}

int mount_attach(int tree, int target)
{
	if (move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

int mount_set_attr(int fd, uint64_t set, uint64_t clear, bool recursive)
{
	struct mount_attr attr = { .attr_set = set, .attr_clr = clear };

	if (!set && !clear)
		return 0;
	if (mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof(attr)) < 0)
		return -errno;
	return 0;
}

int mount_set_propagation(int fd, unsigned long flags)
{
	struct mount_attr attr = { .propagation = flags & ~(unsigned long)MS_REC };

	if (mount_setattr(fd, "", AT_EMPTY_PATH | (flags & MS_REC ? AT_RECURSIVE : 0), &attr, sizeof(attr)) <
	    0)
		return -errno;
	return 0;
}

int rootfs_open(const char *path, struct err *err)
{
	_cleanup_close_ int tree = -EBADF, target = -EBADF;
	int r;

	if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
		return err_set_errno(err, -errno, "making the mounts private");
	target = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (target < 0)
		return err_set_errno(err, -errno, "root.path %s", path);
	tree = mount_clone(target, "", true);
	if (tree < 0)
		return err_set_errno(err, tree, "binding root.path %s", path);
	r = mount_attach(tree, target);
	if (r < 0)
		return err_set_errno(err, r, "mounting root.path %s", path);
	return TAKE_FD(tree);
}

static int make_readonly(int root, const char *path)
{
	_cleanup_close_ int target = root_open(root, path, O_PATH), tree = -EBADF;
	int r;

	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	if (target < 0)
		return target;
	tree = mount_clone(target, "", true);
	if (tree < 0)
		return tree;
	r = mount_set_attr(tree, MOUNT_ATTR_RDONLY, 0, false);
	return r < 0 ? r : mount_attach(tree, target);
}

/* An empty read-only tmpfs over a directory, /dev/null over anything else. */
static int mask(int root, const char *path)
{
	_cleanup_close_ int target = root_open(root, path, O_PATH), tree = -EBADF;
	struct stat st;

	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	if (target < 0)
		return target;
	if (fstat(target, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return mount("tmpfs", fd_path(target).text, "tmpfs", MS_RDONLY, NULL) < 0 ? -errno : 0;
	/* The agent's /dev/null, not the container's: that one could be anything. */
	tree = mount_clone(AT_FDCWD, "/dev/null", false);
	return tree < 0 ? tree : mount_attach(tree, target);
}

int rootfs_protect_paths(int root, const struct oci_spec *spec, struct err *err)
{
	const struct oci_strings *readonly = &spec->linux_.readonly_paths;
	const struct oci_strings *masked = &spec->linux_.masked_paths;

	for (size_t i = 0; i < readonly->n; i++) {
		int r = make_readonly(root, readonly->v[i]);

		if (r < 0)
			return err_set_errno(err, r, "linux.readonlyPaths[%zu] %s", i, readonly->v[i]);
	}
	for (size_t i = 0; i < masked->n; i++) {
		int r = mask(root, masked->v[i]);

		if (r < 0)
			return err_set_errno(err, r, "linux.maskedPaths[%zu] %s", i, masked->v[i]);
	}
	return 0;
}

int rootfs_enter(int root, struct err *err)
{
	if (fchdir(root) < 0)
		return err_set_errno(err, -errno, "entering the root file system");
	/* The old root ends up on top of the new one, and "." is how to reach it: pivot_root(2), NOTES */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return err_set_errno(err, -errno, "pivot_root");
	if (umount2(".", MNT_DETACH) < 0)
		return err_set_errno(err, -errno, "unmounting the old root");
	if (chdir("/") < 0)
		return err_set_errno(err, -errno, "chdir /");
	return 0;
}

int rootfs_finish(const struct oci_spec *spec, struct err *err)
{
	const char *propagation = spec->linux_.rootfs_propagation;
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (root < 0)
		return err_set_errno(err, -errno, "opening /");
	if (spec->root.readonly) {
		r = mount_set_attr(root, MOUNT_ATTR_RDONLY, 0, false);
		if (r < 0)
			return err_set_errno(err, r, "making the root read-only");
	}
	if (propagation && propagation[0]) {
		unsigned long flags = mount_propagation_flags(propagation);

		if (!flags)
			return err_set(err, -EINVAL, "linux.rootfsPropagation: %s is not known", propagation);
		r = mount_set_propagation(root, flags);
		if (r < 0)
			return err_set_errno(err, r, "linux.rootfsPropagation");
	}
	return 0;
}
