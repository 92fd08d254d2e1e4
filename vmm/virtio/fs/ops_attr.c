/* SPDX-License-Identifier: Apache-2.0 */
/* ops_attr: attributes, and the symlink's target. */
#include "base/cleanup.h"
#include "vmm/virtio/fs/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

enum { FOREVER = 86400 }; /* seconds; nobody else changes it */

uint64_t fs_valid_seconds(const struct fs_inode *inode)
{
	if (fs_is_root(inode))
		return FOREVER;
	switch (inode->share->cache) {
	case VFS_CACHE_ALWAYS:
		return FOREVER;
	case VFS_CACHE_NONE:
		return 0;
	case VFS_CACHE_AUTO:
		break;
	}
	return 1;
}

/* The kernel's new_encode_dev() */
static uint32_t encode_dev(uint32_t major, uint32_t minor)
{
	return (minor & 0xff) | (major & 0xfff) << 8 | (minor & 0xfff00) << 12;
}

void fs_fill_attr(const struct fs_inode *inode, const struct statx *st, struct fuse_attr *ret)
{
	*ret = (struct fuse_attr){
		.ino = st->stx_ino | (inode->share ? inode->share->ino_tag : 0),
		.size = st->stx_size,
		.blocks = st->stx_blocks,
		.atime = (uint64_t)st->stx_atime.tv_sec,
		.mtime = (uint64_t)st->stx_mtime.tv_sec,
		.ctime = (uint64_t)st->stx_ctime.tv_sec,
		.atimensec = st->stx_atime.tv_nsec,
		.mtimensec = st->stx_mtime.tv_nsec,
		.ctimensec = st->stx_ctime.tv_nsec,
		.mode = st->stx_mode,
		.nlink = st->stx_nlink,
		.uid = st->stx_uid,
		.gid = st->stx_gid,
		.rdev = encode_dev(st->stx_rdev_major, st->stx_rdev_minor),
		.blksize = st->stx_blksize,
		.flags = inode->submount && S_ISDIR(st->stx_mode) ? FUSE_ATTR_SUBMOUNT : 0,
	};
}

/*
 * A write takes set-user-ID and set-group-ID bits away here, and the driver doesn't
 * count the mode among what it changed: let it ask each time while there are such bits.
 */
static uint64_t attr_valid_seconds(const struct fs_inode *inode, const struct statx *st)
{
	return S_ISREG(st->stx_mode) && (st->stx_mode & (S_ISUID | S_ISGID)) ? 0 : fs_valid_seconds(inode);
}

void fs_fill_entry(const struct fs_inode *inode, const struct statx *st, struct fuse_entry_out *ret)
{
	*ret = (struct fuse_entry_out){
		.nodeid = inode->id,
		.entry_valid = fs_valid_seconds(inode),
		.attr_valid = attr_valid_seconds(inode, st),
	};
	fs_fill_attr(inode, st, &ret->attr);
}

void fs_fill_root(const struct fs_server *server, struct statx *ret)
{
	struct statx_timestamp now = { .tv_sec = server->started.tv_sec,
				       .tv_nsec = (uint32_t)server->started.tv_nsec };
	unsigned dirs = 0;

	for (size_t i = 0; i < server->n_shares; i++)
		dirs += server->shares[i].root->type == S_IFDIR;
	*ret = (struct statx){
		.stx_mode = S_IFDIR | 0555,
		.stx_ino = FUSE_ROOT_ID,
		.stx_nlink = 2 + dirs,
		.stx_blksize = 4096,
		.stx_atime = now,
		.stx_mtime = now,
		.stx_ctime = now,
	};
}

int fs_stat_inode(struct fs_server *server, struct fs_inode *inode, struct statx *ret)
{
	int fd;

	if (fs_is_root(inode)) {
		fs_fill_root(server, ret);
		return 0;
	}
	fd = fs_inode_fd(&server->inodes, inode);
	return fd < 0 ? fd : fs_stat_fd(fd, ret);
}

static int reply_attr(struct fs_req *req, const struct statx *st)
{
	struct fuse_attr_out *out = (struct fuse_attr_out *)req->worker->reply;

	*out = (struct fuse_attr_out){ .attr_valid = attr_valid_seconds(req->inode, st) };
	fs_fill_attr(req->inode, st, &out->attr);
	return fs_reply(req, sizeof(*out));
}

int fs_op_getattr(struct fs_req *req)
{
	const struct fuse_getattr_in *in = req->arg;
	struct fs_file *file = NULL;
	struct statx st;
	int r;

	/* An open file needs no look for its handle, and may be deleted. */
	if ((in->getattr_flags & FUSE_GETATTR_FH) && req->inode->type == S_IFREG)
		file = fs_file_get(&req->server->files, in->fh, req->inode, false);
	if (file) {
		r = fs_stat_fd(file->fd, &st);
		fs_file_put(&req->server->files, file);
	} else {
		r = fs_stat_inode(req->server, req->inode, &st);
	}
	return r < 0 ? r : reply_attr(req, &st);
}

static int set_mode(struct fs_req *req, int fd, mode_t mode)
{
	char name[16];

	/* The magic link leads to the node; of a symlink the mode can't be changed (EOPNOTSUPP). */
	snprintf(name, sizeof(name), "%d", fd);
	return fchmodat(req->server->proc_fd, name, mode & 07777, 0) < 0 ? -errno : 0;
}

static int set_owner(const struct fuse_setattr_in *in, int fd)
{
	uid_t uid = in->valid & FATTR_UID ? in->uid : (uid_t)-1;
	gid_t gid = in->valid & FATTR_GID ? in->gid : (gid_t)-1;

	return fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

static int set_size(struct fs_req *req, const struct fuse_setattr_in *in)
{
	_cleanup_close_ int opened = -EBADF;
	struct fs_file *file = NULL;
	int fd, r;

	if (in->size > INT64_MAX)
		return -EFBIG;
	if (req->inode->type != S_IFREG)
		return req->inode->type == S_IFDIR ? -EISDIR : -EINVAL;
	if (in->valid & FATTR_FH)
		file = fs_file_get(&req->server->files, in->fh, req->inode, false);
	if (file) {
		fd = file->fd;
	} else {
		fd = opened = fs_inode_open(&req->server->inodes, req->inode, O_WRONLY);
		if (fd < 0)
			return fd;
	}
	if (in->valid & FATTR_KILL_SUIDGID)
		fs_creds_keep_suid(&req->worker->creds, false);
	do
		r = ftruncate(fd, (off_t)in->size) < 0 ? -errno : 0;
	while (r == -EINTR);
	if (file)
		fs_file_put(&req->server->files, file);
	return r;
}

/* A time that the guest gives; the special values of utimensat(2) are not for it. */
static int one_time(bool set, bool now, uint64_t sec, uint32_t nsec, struct timespec *ret)
{
	if (!set) {
		*ret = (struct timespec){ .tv_nsec = UTIME_OMIT };
	} else if (now) {
		*ret = (struct timespec){ .tv_nsec = UTIME_NOW };
	} else {
		if (nsec > 999999999)
			return -EINVAL;
		*ret = (struct timespec){ .tv_sec = (time_t)sec, .tv_nsec = nsec };
	}
	return 0;
}

static int set_times(const struct fuse_setattr_in *in, int fd)
{
	struct timespec times[2];
	int r;

	r = one_time(in->valid & (FATTR_ATIME | FATTR_ATIME_NOW), in->valid & FATTR_ATIME_NOW, in->atime,
		     in->atimensec, &times[0]);
	if (r == 0)
		r = one_time(in->valid & (FATTR_MTIME | FATTR_MTIME_NOW), in->valid & FATTR_MTIME_NOW,
			     in->mtime, in->mtimensec, &times[1]);
	if (r < 0)
		return r;
	return utimensat(fd, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

int fs_op_setattr(struct fs_req *req)
{
	const struct fuse_setattr_in *in = req->arg;
	struct statx st;
	int r = 0, fd = fs_inode_fd(&req->server->inodes, req->inode);

	if (fd < 0)
		return fd;
	/* The owner first: the host clears set-user-ID bits with it, and the mode may set them again. */
	if (in->valid & (FATTR_UID | FATTR_GID))
		r = set_owner(in, fd);
	if (r == 0 && (in->valid & FATTR_MODE))
		r = set_mode(req, fd, in->mode);
	if (r == 0 && (in->valid & FATTR_SIZE))
		r = set_size(req, in);
	if (r == 0 && (in->valid & (FATTR_ATIME | FATTR_ATIME_NOW | FATTR_MTIME | FATTR_MTIME_NOW)))
		r = set_times(in, fd);
	/* FATTR_CTIME comes with a writeback cache; the host's own ctime has to do. */
	if (r == 0)
		r = fs_stat_fd(fd, &st);
	return r < 0 ? r : reply_attr(req, &st);
}

int fs_op_readlink(struct fs_req *req)
{
	size_t room = req->room < PATH_MAX ? req->room : PATH_MAX;
	ssize_t n;
	int fd;

	if (req->inode->type != S_IFLNK)
		return -EINVAL;
	fd = fs_inode_fd(&req->server->inodes, req->inode);
	if (fd < 0)
		return fd;
	n = readlinkat(fd, "", (char *)req->worker->reply, room);
	return n < 0 ? -errno : fs_reply(req, (size_t)n);
}

/* The guest's kernel checks permissions (default_permissions); what it can't know is checked here. */
int fs_op_access(struct fs_req *req)
{
	const struct fuse_access_in *in = req->arg;
	struct statx st;

	if ((in->mask & W_OK) && fs_is_readonly(req->inode))
		return -EROFS;
	return fs_stat_inode(req->server, req->inode, &st);
}
