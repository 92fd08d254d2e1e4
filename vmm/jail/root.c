/* SPDX-License-Identifier: Apache-2.0 */
/* root: mount namespaces in which there is only what was put there; see jail.h. */
#include "vmm/jail/internal.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/vm_spec.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Is our root where a mount begins? After chroot(2) it need not be. */
static bool root_is_mount(void)
{
	struct statx stx;

	return statx(AT_FDCWD, "/", AT_NO_AUTOMOUNT, 0, &stx) < 0 ||
	       (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/*
 * What changes mounts' propagation or the root itself wants a root that is a mount. Entering the mount
 * namespace that we are in already makes its root ours, and our directory (setns(2), CLONE_NEWNS).
 */
static int leave_chroot(void)
{
	_cleanup_close_ int self = pidfd_open(getpid(), 0);

	return self < 0 || setns(self, CLONE_NEWNS) < 0 ? -errno : 0;
}

/* Do something to the namespace's root, be it ours or not. */
static int at_namespace_root(int (*fn)(void))
{
	_cleanup_close_ int root = -EBADF, cwd = -EBADF;
	int r;

	if (root_is_mount())
		return fn();
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || cwd < 0)
		return -errno;
	r = leave_chroot();
	if (r < 0)
		return r;
	r = fn();
	if (fchdir(root) < 0 || chroot(".") < 0 || fchdir(cwd) < 0)
		return -errno;
	return r;
}

static int make_slaves(void)
{
	return mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ? -errno : 0;
}

int jail_root_new(struct err *err)
{
	int r;

	if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return err_set(err, -errno,
			       "vrun-vmm can't be confined: new namespaces: %s; it takes root with "
			       "CAP_SYS_ADMIN (--jail=off does without, and without the second wall)",
			       strerrorname_np(errno));
	/* A slave: what the host mounts in a share later is there, and nothing of ours gets to the host. */
	r = at_namespace_root(make_slaves);
	return r < 0 ? err_set_errno(err, r, "vrun-vmm can't be confined: the mounts' propagation") : 0;
}

int jail_root_copy(int fd, bool submounts, uint64_t attributes)
{
	struct mount_attr attr = { .attr_set = attributes, .propagation = submounts ? MS_SLAVE : MS_PRIVATE };
	const unsigned recursive = submounts ? AT_RECURSIVE : 0;
	_cleanup_close_ int tree =
		open_tree(fd, "", AT_EMPTY_PATH | recursive | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH | recursive, &attr, sizeof(attr)) < 0)
		return -errno;
	return TAKE_FD(tree);
}

int jail_root_empty(void)
{
	_cleanup_close_ int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0555", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Without allow_other: it answers those only who are root, as the server is. */
int jail_root_served(int *ret_server)
{
	_cleanup_close_ int fs = fsopen("fuse", FSOPEN_CLOEXEC);
	_cleanup_close_ int dev = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	char number[16];
	int fd;

	snprintf(number, sizeof(number), "%d", dev);
	if (fs < 0 || dev < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "fd", number, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "rootmode", "40555", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "user_id", "0", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "group_id", "0", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(fs, FSMOUNT_CLOEXEC,
		     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY);
	if (fd < 0)
		return -errno;
	*ret_server = TAKE_FD(dev);
	return fd;
}

int jail_root_gone(void)
{
	_cleanup_close_ int server = -EBADF;

	return jail_root_served(&server);
}

int jail_root_cover(int fd)
{
	return move_mount(fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

int jail_root_tmpfs(void)
{
	_cleanup_close_ int fd = jail_root_empty();
	int r = fd < 0 ? fd : jail_root_cover(fd);

	return r < 0 ? r : TAKE_FD(fd);
}

int jail_root_show_nothing(void)
{
	_cleanup_close_ int fd = jail_root_tmpfs();

	return fd < 0 ? fd : jail_root_seal(fd);
}

static int hide(void)
{
	int r = make_slaves();

	return r < 0 ? r : jail_root_show_nothing();
}

int jail_hide_root(void)
{
	return unshare(CLONE_NEWNS) < 0 ? -errno : at_namespace_root(hide);
}

int jail_copy(int fd, bool submounts)
{
	return jail_root_copy(fd, submounts, 0);
}

/* A place for the mount `fd`, and the mount there. */
static int attach(int root, const char *name, int fd)
{
	_cleanup_close_ int file = -EBADF;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode)) {
		if (mkdirat(root, name, 0555) < 0)
			return -errno;
	} else {
		file = openat(root, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
		if (file < 0)
			return -errno;
	}
	return move_mount(fd, "", root, name, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

int jail_root_pivot(int fd)
{
	int r = root_is_mount() ? 0 : leave_chroot();

	if (r < 0)
		return r;
	/* pivot_root(2), NOTES: with "." twice the old root comes to lie on the new one, and goes from there. */
	if (fchdir(fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
	    chdir("/") < 0)
		return -errno;
	return 0;
}

int jail_root_seal(int fd)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	return mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

/* The namespace's root, in which ours lies; nothing else is in it. */
static int make_outer(void)
{
	_cleanup_close_ int outer = jail_root_tmpfs();
	int r = outer;

	if (r < 0 || mkdirat(outer, "jail", 0555) < 0)
		return r < 0 ? r : -errno;
	r = jail_root_seal(outer);
	return r < 0 ? r : jail_root_pivot(outer);
}

static int make_inner(const int *fds, size_t n)
{
	_cleanup_close_ int root = jail_root_empty();
	int r = root;

	if (r < 0 || move_mount(root, "", AT_FDCWD, "/jail", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return r < 0 ? r : -errno;
	for (size_t i = 0; i < n; i++) {
		char name[24];

		snprintf(name, sizeof(name), "%zu", i);
		r = attach(root, name, fds[i]);
		if (r < 0)
			return r;
	}
	r = jail_root_seal(root);
	return r < 0 ? r : TAKE_FD(root);
}

static bool has_proc(const struct vm_view *view)
{
	for (size_t i = 0; i < view->n_places; i++) {
		if (view->places[i].share < 0 && view->places[i].kind == VM_PLACE_PROC)
			return true;
	}
	return false;
}

int jail_root_enter(const int *fds, size_t n, const struct vm_view *view, int *ret_proc, struct err *err)
{
	_cleanup_close_ int root = -EBADF, server = -EBADF;
	/* Before the host's files are gone. */
	_cleanup_close_ int gone = view->n_places > 0 ? jail_root_gone() : -EBADF;
	_cleanup_close_ int proc = has_proc(view) ? jail_root_served(&server) : -EBADF;
	int r;

	r = make_outer();
	if (r < 0)
		return err_set_errno(err, r, "vrun-vmm can't be confined: an empty root");
	root = make_inner(fds, n);
	if (root < 0)
		return err_set_errno(err, root, "vrun-vmm can't be confined: a share in its root");
	r = jail_view_show(view, gone, proc, fds);
	if (r < 0)
		return err_set_errno(err, r, "vrun-vmm can't be confined: what its container is seen as");
	if (fchdir(root) < 0 || chroot(".") < 0)
		return err_set_errno(err, -errno, "vrun-vmm can't be confined: changing its root");
	*ret_proc = TAKE_FD(server);
	return 0;
}
