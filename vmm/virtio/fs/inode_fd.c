/* SPDX-License-Identifier: Apache-2.0 */
/* inode_fd: descriptors of nodes, opened when they are needed; see inode.h. */
#include "base/cleanup.h"
#include "vmm/virtio/fs/inode_internal.h"
#include "vmm/virtio/fs/mount.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int stat_at(int fd, const char *name, int flags, struct statx *ret)
{
	struct statx st;

	if (statx(fd, name, flags | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_MNT_ID | STATX_BTIME, &st) < 0)
		return -errno;
	*ret = st;
	return 0;
}

int fs_stat_fd(int fd, struct statx *ret)
{
	return stat_at(fd, "", AT_EMPTY_PATH, ret);
}

int fs_stat_name(int dirfd, const char *name, struct statx *ret)
{
	return stat_at(dirfd, name, AT_SYMLINK_NOFOLLOW, ret);
}

static int open_handle(struct fs_inodes *table, const struct fs_inode *inode)
{
	_cleanup_close_ int fd = -EBADF;
	union fs_handle handle;
	struct statx st;
	int r;

	handle.h.handle_bytes = inode->handle_len;
	handle.h.handle_type = inode->handle_type;
	memcpy(handle.h.f_handle, inode->handle, inode->handle_len);
	do
		fd = open_by_handle_at(inode->mount->fd, &handle.h, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	while (fd < 0 && (errno == EMFILE || errno == ENFILE) && fs_inodes_shrink(table));
	if (fd < 0)
		return -errno;
	r = fs_stat_fd(fd, &st);
	if (r < 0)
		return r;
	return fs_inode_is(inode, &st) ? TAKE_FD(fd) : -ESTALE;
}

int fs_inode_fd(struct fs_inodes *table, struct fs_inode *inode)
{
	_cleanup_close_ int fd = -EBADF;
	int r;

	pthread_mutex_lock(&table->lock);
	r = inode->fd;
	pthread_mutex_unlock(&table->lock);
	if (r >= 0)
		return r;
	if (!inode->share)
		return -EPERM; /* the synthetic root is no file of the host */
	if (inode->handle_len == 0)
		return fs_inode_fd_by_name(table, inode);

	fd = open_handle(table, inode);
	if (fd < 0)
		return TAKE_FD(fd);
	pthread_mutex_lock(&table->lock);
	/* Another worker may have been faster; ours is closed then. */
	if (inode->fd < 0)
		inode->fd = TAKE_FD(fd);
	r = inode->fd;
	pthread_mutex_unlock(&table->lock);
	return r;
}

int fs_inode_open(struct fs_inodes *table, struct fs_inode *inode, int flags)
{
	char name[16];
	int path_fd, fd;

	if (inode->type != S_IFREG && inode->type != S_IFDIR)
		return -EINVAL;
	path_fd = fs_inode_fd(table, inode);
	if (path_fd < 0)
		return path_fd;
	/* A magic link: it leads to this very file, whatever its name has become. */
	snprintf(name, sizeof(name), "%d", path_fd);
	do
		fd = openat(table->proc_fd, name, flags | O_CLOEXEC | O_NOCTTY);
	while (fd < 0 &&
	       (errno == EINTR || ((errno == EMFILE || errno == ENFILE) && fs_inodes_shrink(table))));
	return fd < 0 ? -errno : fd;
}
