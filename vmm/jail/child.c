/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child: the emulator's root; see jail.h. It reads what it was installed with, as its
 * libraries and firmware are many and differ by distribution, and nothing of the
 * machine's own: no /etc but for the dynamic linker, no /proc, /sys, /home, /run or /var.
 */
#include "vmm/jail/internal.h"

#include "base/cleanup.h"
#include "base/fd.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

const int jail_child_clone_flags = CLONE_NEWPID;

/* Where programs and their libraries are; symlinks to /usr on merged systems. Absent ones are left out. */
static const char *const installation[] = {
	"/usr", "/lib", "/lib32", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives", "/nix/store", NULL,
};

/* The place for `path` in the new root: its parents, and itself. */
static int make_place(int root, const char *path, mode_t type)
{
	_cleanup_free_ char *parent = strdup(path + 1);
	_cleanup_close_ int fd = -EBADF;
	char *slash;
	int r = 0;

	if (!parent)
		return -ENOMEM;
	slash = strrchr(parent, '/');
	if (slash) {
		*slash = '\0';
		r = dir_make_all(root, parent, 0555);
	}
	if (r < 0)
		return r;
	if (S_ISDIR(type))
		return mkdirat(root, path + 1, 0555) < 0 && errno != EEXIST ? -errno : 0;
	fd = openat(root, path + 1, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0444);
	return fd < 0 ? -errno : 0;
}

/*
 * Read-only at the same path. 0 when it is there already, as a part of what came before. A symlink
 * stays one with `nofollow`.
 */
static int bring(int root, const char *path, int nofollow, uint64_t attributes)
{
	_cleanup_close_ int fd = open(path, O_PATH | nofollow | O_CLOEXEC), tree = -EBADF;
	char target[PATH_MAX];
	struct stat st;
	ssize_t n;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (fstatat(root, path + 1, &(struct stat){ 0 }, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(fd, "", target, sizeof(target) - 1);
		if (n < 0)
			return -errno;
		target[n] = '\0';
		return symlinkat(target, root, path + 1) < 0 ? -errno : 0;
	}
	r = make_place(root, path, st.st_mode);
	if (r < 0)
		return r;
	tree = jail_root_copy(fd, true, attributes);
	if (tree < 0)
		return tree;
	return move_mount(tree, "", root, path + 1, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

static int fill(int root, const struct jail_child *child)
{
	static const char *const devices[] = { "/dev/null", "/dev/urandom", "/dev/kvm" };
	const uint64_t readonly = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID;
	int r;

	for (size_t i = 0; installation[i]; i++) {
		r = bring(root, installation[i], O_NOFOLLOW, readonly | MOUNT_ATTR_NODEV);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		r = i == 2 && !child->kvm ? 0 : bring(root, devices[i], 0, readonly | MOUNT_ATTR_NOEXEC);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; child->files[i]; i++) {
		r = bring(root, child->files[i], 0, readonly | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
		if (r < 0)
			return r;
	}
	return 0;
}

/* An emulator of somebody's own brings its libraries and firmware along: PREFIX/bin/PROGRAM. */
static int bring_prefix(int root, const char *program)
{
	char prefix[PATH_MAX];
	char *slash;

	if (!strncmp(program, "/usr/", 5))
		return 0;
	snprintf(prefix, sizeof(prefix), "%s", program);
	for (unsigned i = 0; i < 2; i++) {
		slash = strrchr(prefix, '/');
		if (!slash || slash == prefix)
			return bring(root, program, 0, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID);
		*slash = '\0';
	}
	return bring(root, prefix, 0, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

int jail_child_enter(const struct jail_child *child)
{
	_cleanup_close_ int root = -EBADF;
	int r;

	if (unshare(CLONE_NEWNS) < 0)
		return -errno;
	root = jail_root_tmpfs();
	if (root < 0)
		return root;
	/* The old root is below the new one: paths go on to mean what they did. */
	if ((r = fill(root, child)) < 0 || (r = bring_prefix(root, child->program)) < 0 ||
	    (r = jail_root_seal(root)) < 0 || (r = jail_root_pivot(root)) < 0 || (r = jail_no_dumps()) < 0 ||
	    (r = jail_caps_lock()) < 0)
		return r;
	return jail_caps_set(0);
}
