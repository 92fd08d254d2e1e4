/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_file: opening regular files, and their data. Data goes by preadv(2) and
 * pwritev(2) between the host's file and guest memory.
 */
#include "base/cleanup.h"
#include "vmm/virtio/fs/internal.h"
#include "vmm/virtio/virtqueue.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <unistd.h>

/*
 * The flags of a guest's open() that the host's open() gets. O_APPEND comes with each
 * write instead; O_DIRECT would put the host's alignment rules on guest memory; the
 * others are done by the guest's kernel or mean nothing here.
 */
static int host_flags(const struct fs_server *server, uint32_t flags)
{
	int ret = (int)flags & (O_ACCMODE | O_TRUNC | O_SYNC | O_DSYNC);

	/* With a writeback cache the driver reads what surrounds a write. */
	if ((server->flags & FUSE_WRITEBACK_CACHE) && (ret & O_ACCMODE) == O_WRONLY)
		ret = (ret & ~O_ACCMODE) | O_RDWR;
	return ret;
}

static bool wants_change(uint32_t flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

/* A number that differs when the data differs; never 0. */
static uint64_t data_stamp(const struct statx *st)
{
	uint64_t h = st->stx_size;

	h = h * 0x9e3779b97f4a7c15ULL + (uint64_t)st->stx_mtime.tv_sec;
	h = h * 0x9e3779b97f4a7c15ULL + st->stx_mtime.tv_nsec;
	h = h * 0x9e3779b97f4a7c15ULL + (uint64_t)st->stx_ctime.tv_sec;
	h = h * 0x9e3779b97f4a7c15ULL + st->stx_ctime.tv_nsec;
	return h | 1;
}

/* May the driver keep what it has cached of the file's data? */
static bool keep_cache(struct fs_inode *inode, int fd)
{
	struct statx st;
	uint64_t stamp;

	switch (inode->share->cache) {
	case VFS_CACHE_ALWAYS:
		return true;
	case VFS_CACHE_NONE:
		return false;
	case VFS_CACHE_AUTO:
		break;
	}
	/* Not if it has changed since somebody opened it last: it may have been cached then. */
	if (fs_stat_fd(fd, &st) < 0)
		return false;
	stamp = data_stamp(&st);
	return __atomic_exchange_n(&inode->seen, stamp, __ATOMIC_RELAXED) == stamp;
}

/* Reply with an open file; consumes the descriptor. */
static int reply_open(struct fs_req *req, struct fs_inode *inode, int take_fd, struct fuse_open_out *out)
{
	int r;

	*out = (struct fuse_open_out){ .open_flags = FOPEN_PARALLEL_DIRECT_WRITES };
	if (keep_cache(inode, take_fd))
		out->open_flags |= FOPEN_KEEP_CACHE;
	r = fs_file_add(&req->server->files, inode, take_fd, false, &out->fh);
	return r;
}

/* Open a node that may be anything. */
static int open_inode(struct fs_req *req, struct fs_inode *inode, uint32_t flags, bool kill_suid)
{
	struct fs_inodes *inodes = &req->server->inodes;
	int fd;

	if (inode->type != S_IFREG)
		return inode->type == S_IFDIR ? -EISDIR : -EINVAL;
	if (wants_change(flags) && fs_is_readonly(inode))
		return -EROFS;
	fs_creds_keep_suid(&req->worker->creds, !kill_suid);
	if (!fs_is_readonly(inode))
		return fs_inode_open(inodes, inode, host_flags(req->server, flags));
	/* Reading leaves no trace in a read-only share, as on a read-only mount. */
	fd = fs_inode_open(inodes, inode, O_RDONLY | O_NOATIME);
	return fd == -EPERM ? fs_inode_open(inodes, inode, O_RDONLY) : fd;
}

int fs_op_open(struct fs_req *req)
{
	const struct fuse_open_in *in = req->arg;
	int r, fd = open_inode(req, req->inode, in->flags, in->open_flags & FUSE_OPEN_KILL_SUIDGID);

	if (fd < 0)
		return fd;
	r = reply_open(req, req->inode, fd, (struct fuse_open_out *)req->worker->reply);
	return r < 0 ? r : fs_reply(req, sizeof(struct fuse_open_out));
}

/* A file that did not exist: nothing but a regular file can come of this. */
static int create_new(struct fs_req *req, const struct fuse_create_in *in, int dirfd)
{
	int fd, flags = host_flags(req->server, in->flags) & ~O_TRUNC;
	int r = fs_become_creator(req, in->umask);

	if (r < 0)
		return r;
	do
		fd = openat(dirfd, req->name, flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC,
			    in->mode & 07777);
	while (fd < 0 && (errno == EINTR ||
			  ((errno == EMFILE || errno == ENFILE) && fs_inodes_shrink(&req->server->inodes))));
	r = fd < 0 ? -errno : fd;
	fs_creds_restore(&req->worker->creds);
	return r;
}

int fs_op_create(struct fs_req *req)
{
	const struct fuse_create_in *in = req->arg;
	struct fs_inodes *inodes = &req->server->inodes;
	struct fuse_entry_out *entry = (struct fuse_entry_out *)req->worker->reply;
	struct fs_inode *inode;
	struct statx st;
	int r, fd, dirfd = fs_inode_fd(inodes, req->inode);

	if (dirfd < 0)
		return dirfd;
	fd = create_new(req, in, dirfd);
	if (fd >= 0) {
		r = fs_inode_adopt(inodes, req->inode, fd, req->name, &st, &inode);
		if (r < 0) {
			close_fd(fd);
			return r;
		}
	} else {
		if (fd != -EEXIST || (in->flags & O_EXCL))
			return fd;
		/* Somebody on the host was faster. */
		r = fs_lookup(req, req->inode, dirfd, req->name, &st, &inode);
		if (r < 0)
			return r;
		/* The driver looks the name up again then. */
		fd = inode->type == S_IFREG
			     ? open_inode(req, inode, in->flags, in->open_flags & FUSE_OPEN_KILL_SUIDGID)
			     : -ESTALE;
		if (fd >= 0 && (in->flags & O_TRUNC))
			fs_stat_fd(fd, &st);
	}
	r = fd < 0 ? fd : reply_open(req, inode, fd, (struct fuse_open_out *)(entry + 1));
	if (r < 0)
		fs_inode_unlookup(inodes, inode);
	else
		fs_fill_entry(inode, &st, entry);
	fs_inode_put(inodes, inode);
	return r < 0 ? r : fs_reply(req, sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out));
}

int fs_op_release(struct fs_req *req)
{
	const struct fuse_release_in *in = req->arg;
	int r = fs_file_release(&req->server->files, in->fh, req->inode, false);

	if (r == 0 && req->server->shared_locks)
		fs_server_retry_locks(req->server); /* its flock lock went with it */
	return r;
}

/* The guest's process closed a descriptor. */
int fs_op_flush(struct fs_req *req)
{
	const struct fuse_flush_in *in = req->arg;
	struct fs_file *file;
	int fd, r = 0;

	if (req->server->shared_locks)
		fs_locks_drop_owner(req->server, req->inode, in->lock_owner);
	else if (!req->server->want_flush)
		return -ENOSYS; /* the driver asks no more: one request less for each close() */
	file = fs_file_get(&req->server->files, in->fh, req->inode, false);
	if (!file)
		return -EBADF;
	/* What close() would report. */
	if (req->server->want_flush) {
		fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 3);
		if (fd < 0 || close(fd) < 0)
			r = -errno;
	}
	fs_file_put(&req->server->files, file);
	return r;
}

int fs_op_fsync(struct fs_req *req)
{
	const struct fuse_fsync_in *in = req->arg;
	struct fs_file *file = fs_file_get(&req->server->files, in->fh, req->inode, false);
	int r;

	if (!file)
		return -EBADF;
	r = in->fsync_flags & FUSE_FSYNC_FDATASYNC ? fdatasync(file->fd) : fsync(file->fd);
	r = r < 0 ? -errno : 0;
	fs_file_put(&req->server->files, file);
	return r;
}

/*
 * Transfer `size` bytes from byte `skip` of the chain's part `iov`. Goes on after a
 * short transfer, as an error behind it must not look like the end of the file.
 * Returns what was transferred; an error only if that is nothing.
 */
static int transfer(struct fs_req *req, const struct iovec *iov, unsigned n, size_t skip, int fd, size_t size,
		    uint64_t offset, bool is_write, int flags)
{
	size_t done = 0;

	while (done < size) {
		size_t left = size - done;
		ssize_t got;
		int n_slice;

		/* More entries than the system call takes: as much as surely fits, then the rest. */
		while ((n_slice = iov_slice(iov, n, skip + done, left, req->worker->iov, FS_IOV_MAX)) ==
		       -ENOBUFS)
			left = left / 2;
		if (n_slice <= 0)
			return n_slice < 0 ? n_slice : -EINVAL;
		if (is_write)
			got = pwritev2(fd, req->worker->iov, n_slice, (off_t)(offset + done), flags);
		else
			got = preadv2(fd, req->worker->iov, n_slice, (off_t)(offset + done), flags);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return done > 0 ? (int)done : -errno;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (int)done;
}

int fs_op_read(struct fs_req *req)
{
	const struct fuse_read_in *in = req->arg;
	size_t size = in->size < req->room ? in->size : req->room;
	struct fs_file *file;
	int r;

	if (size > FS_MAX_WRITE)
		size = FS_MAX_WRITE;
	if (in->offset > INT64_MAX - FS_MAX_WRITE)
		return -EINVAL;
	file = fs_file_get(&req->server->files, in->fh, req->inode, false);
	if (!file)
		return -EBADF;
	r = transfer(req, req->chain->out, req->chain->n_out, sizeof(struct fuse_out_header), file->fd, size,
		     in->offset, false, 0);
	fs_file_put(&req->server->files, file);
	return r;
}

int fs_op_write(struct fs_req *req)
{
	const struct fuse_write_in *in = req->arg;
	const size_t fixed = sizeof(struct fuse_in_header) + sizeof(*in);
	struct fuse_write_out *out = (struct fuse_write_out *)req->worker->reply;
	struct fs_file *file;
	int r, flags = 0;

	if (in->size > req->h.len - fixed || in->size > FS_MAX_WRITE)
		return -EINVAL;
	if (in->offset > INT64_MAX - FS_MAX_WRITE)
		return -EFBIG;
	file = fs_file_get(&req->server->files, in->fh, req->inode, false);
	if (!file)
		return -EBADF;
	/*
	 * Append where the file ends now, which may not be where the guest thinks. Not
	 * what comes from its page cache: that has its place.
	 */
	if ((in->flags & O_APPEND) && !(in->write_flags & FUSE_WRITE_CACHE) &&
	    !(req->server->flags & FUSE_WRITEBACK_CACHE))
		flags |= RWF_APPEND;
	fs_creds_keep_suid(&req->worker->creds, !(in->write_flags & FUSE_WRITE_KILL_SUIDGID));
	r = transfer(req, req->chain->in, req->chain->n_in, fixed, file->fd, in->size, in->offset, true,
		     flags);
	fs_file_put(&req->server->files, file);
	if (r < 0)
		return r;
	*out = (struct fuse_write_out){ .size = (uint32_t)r };
	return fs_reply(req, sizeof(*out));
}

int fs_op_fallocate(struct fs_req *req)
{
	const struct fuse_fallocate_in *in = req->arg;
	struct fs_file *file;
	int r;

	if (in->mode & ~(uint32_t)(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	if (in->offset > INT64_MAX || in->length > INT64_MAX)
		return -EFBIG;
	file = fs_file_get(&req->server->files, in->fh, req->inode, false);
	if (!file)
		return -EBADF;
	do
		r = fallocate(file->fd, (int)in->mode, (off_t)in->offset, (off_t)in->length) < 0 ? -errno : 0;
	while (r == -EINTR);
	fs_file_put(&req->server->files, file);
	return r;
}

int fs_op_lseek(struct fs_req *req)
{
	const struct fuse_lseek_in *in = req->arg;
	struct fuse_lseek_out *out = (struct fuse_lseek_out *)req->worker->reply;
	struct fs_file *file;
	off_t offset;
	int r = 0;

	/* The others need the guest's own position, which its kernel keeps. */
	if (in->whence != SEEK_DATA && in->whence != SEEK_HOLE && in->whence != SEEK_END)
		return -EINVAL;
	file = fs_file_get(&req->server->files, in->fh, req->inode, false);
	if (!file)
		return -EBADF;
	/* The position of the host's descriptor is used for nothing. */
	offset = lseek(file->fd, (off_t)in->offset, (int)in->whence);
	if (offset < 0)
		r = -errno;
	fs_file_put(&req->server->files, file);
	if (r < 0)
		return r;
	*out = (struct fuse_lseek_out){ .offset = (uint64_t)offset };
	return fs_reply(req, sizeof(*out));
}

/* A worker is not to be held for long; the guest goes on after a short copy. */
static const uint64_t copy_max = 64 << 20;

static int copy_range(struct fs_req *req, const struct fuse_copy_file_range_in *in, struct fs_inode *to)
{
	struct fs_files *files = &req->server->files;
	struct fs_file *file_in = fs_file_get(files, in->fh_in, req->inode, false);
	struct fs_file *file_out = fs_file_get(files, in->fh_out, to, false);
	off_t off_in = (off_t)in->off_in, off_out = (off_t)in->off_out;
	ssize_t n = -EBADF;

	if (file_in && file_out) {
		n = copy_file_range(file_in->fd, &off_in, file_out->fd, &off_out,
				    in->len < copy_max ? (size_t)in->len : (size_t)copy_max, 0);
		if (n < 0)
			n = -errno;
	}
	if (file_in)
		fs_file_put(files, file_in);
	if (file_out)
		fs_file_put(files, file_out);
	return (int)n;
}

int fs_op_copy_file_range(struct fs_req *req)
{
	const struct fuse_copy_file_range_in *in = req->arg;
	struct fuse_write_out *out = (struct fuse_write_out *)req->worker->reply;
	struct fs_inode *to;
	int r;

	if (in->flags != 0 || in->off_in > INT64_MAX || in->off_out > INT64_MAX)
		return -EINVAL;
	to = fs_inode_get(&req->server->inodes, in->nodeid_out);
	if (!to)
		return -ESTALE;
	r = fs_is_readonly(to) ? -EROFS : copy_range(req, in, to);
	fs_inode_put(&req->server->inodes, to);
	if (r < 0)
		return r;
	*out = (struct fuse_write_out){ .size = (uint32_t)r };
	return fs_reply(req, sizeof(*out));
}
