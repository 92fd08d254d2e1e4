/* SPDX-License-Identifier: Apache-2.0 */
/* mount: see mount.h */
#include "vmm/virtio/fs/mount.h"

#include "base/cleanup.h"
#include "vmm/virtio/fs/inode.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

int fs_handle_of(int fd, const char *name, union fs_handle *ret, uint64_t *ret_mount)
{
	int mount;

	ret->h.handle_bytes = MAX_HANDLE_SZ;
	if (name_to_handle_at(fd, name, &ret->h, &mount, *name ? 0 : AT_EMPTY_PATH) < 0)
		return -errno;
	*ret_mount = (uint64_t)mount;
	return 0;
}

/* A handle is no use unless it can be opened again: that takes CAP_DAC_READ_SEARCH and a file system that can. */
static bool handle_opens(int mount_fd, int fd, const struct statx *st)
{
	_cleanup_close_ int again = -EBADF;
	union fs_handle handle;
	struct statx now;
	uint64_t id = 0;

	if (fs_handle_of(fd, "", &handle, &id) < 0 || id != st->stx_mnt_id)
		return false;
	again = open_by_handle_at(mount_fd, &handle.h, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (again < 0 || fs_stat_fd(again, &now) < 0)
		return false;
	return now.stx_ino == st->stx_ino && now.stx_dev_major == st->stx_dev_major &&
	       now.stx_dev_minor == st->stx_dev_minor;
}

static int open_for_handles(int fd, const struct statx *st)
{
	_cleanup_close_ int mount_fd = -EBADF;
	struct statfs fs;

	if (!S_ISDIR(st->stx_mode))
		return -ENOTDIR;
	/* A FUSE server need not find a handle again once it dropped the node. */
	if (fstatfs(fd, &fs) < 0 || fs.f_type == FUSE_SUPER_MAGIC)
		return -EOPNOTSUPP;
	/* open_by_handle_at(2) takes no O_PATH descriptor. */
	mount_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mount_fd < 0)
		return -errno;
	return handle_opens(mount_fd, fd, st) ? TAKE_FD(mount_fd) : -EOPNOTSUPP;
}

int fs_mount_probe(int fd, const struct statx *st, bool handles, struct fs_mount **ret)
{
	struct fs_mount *mount;
	int mount_fd = handles ? open_for_handles(fd, st) : -EOPNOTSUPP;

	/* Short of descriptors is no property of the mount. */
	if (mount_fd == -EMFILE || mount_fd == -ENFILE)
		return mount_fd;
	mount = calloc(1, sizeof(*mount));
	if (!mount) {
		close_fd(mount_fd);
		return -ENOMEM;
	}
	mount->id = st->stx_mnt_id;
	mount->refs = 1;
	mount->probed = S_ISDIR(st->stx_mode);
	mount->fd = mount_fd < 0 ? -1 : mount_fd;
	*ret = mount;
	return 0;
}

void fs_mount_free(struct fs_mount *mount)
{
	if (!mount)
		return;
	close_fd(mount->fd);
	free(mount);
}
