/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_dir: open directories. What getdents64(2) gave and the guest had no room for
 * stays in the file's buffer, so that a listing reads the host's directory once.
 */
#include "base/cleanup.h"
#include "vmm/virtio/fs/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int fs_op_opendir(struct fs_req *req)
{
	struct fuse_open_out *out = (struct fuse_open_out *)req->worker->reply;
	struct fs_inode *inode = req->inode;
	int r, fd = -1;

	*out = (struct fuse_open_out){ 0 };
	if (!fs_is_root(inode)) {
		int flags = O_RDONLY | O_DIRECTORY | (fs_is_readonly(inode) ? O_NOATIME : 0);

		fd = fs_inode_open(&req->server->inodes, inode, flags);
		if (fd == -EPERM)
			fd = fs_inode_open(&req->server->inodes, inode, flags & ~O_NOATIME);
		if (fd < 0)
			return fd;
		if (inode->share->cache == VFS_CACHE_ALWAYS)
			out->open_flags |= FOPEN_CACHE_DIR | FOPEN_KEEP_CACHE;
	}
	r = fs_file_add(&req->server->files, inode, fd, true, &out->fh);
	return r < 0 ? r : fs_reply(req, sizeof(*out));
}

int fs_op_releasedir(struct fs_req *req)
{
	const struct fuse_release_in *in = req->arg;

	return fs_file_release(&req->server->files, in->fh, req->inode, true);
}

int fs_op_fsyncdir(struct fs_req *req)
{
	const struct fuse_fsync_in *in = req->arg;
	struct fs_file *file = fs_file_get(&req->server->files, in->fh, req->inode, true);
	int r = 0;

	if (!file)
		return -EBADF;
	if (file->fd >= 0)
		r = in->fsync_flags & FUSE_FSYNC_FDATASYNC ? fdatasync(file->fd) : fsync(file->fd);
	r = r < 0 ? -errno : 0;
	fs_file_put(&req->server->files, file);
	return r;
}

/* The reply to a READDIR as it grows. */
struct listing {
	struct fs_req *req;
	const struct fs_file *file;
	bool plus;
	size_t len, max;
};

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* An entry with attributes is a look-up of the guest's, unless its node id is 0. */
static void fill_plus(struct listing *ls, const char *name, struct fuse_entry_out *ret)
{
	struct fs_inode *inode;
	struct statx st;

	memset(ret, 0, sizeof(*ret));
	if (is_dots(name) || fs_lookup(ls->req, ls->req->inode, ls->file->fd, name, &st, &inode) < 0)
		return;
	fs_fill_entry(inode, &st, ret);
	fs_inode_put(&ls->req->server->inodes, inode);
}

/* False when the entry has no room; then nothing was looked up. */
static bool add_entry(struct listing *ls, const char *name, uint64_t ino, uint64_t next, uint32_t type)
{
	uint8_t *p = ls->req->worker->reply + ls->len;
	size_t name_len = strlen(name), entry = ls->plus ? sizeof(struct fuse_entry_out) : 0;
	size_t size = FUSE_REC_ALIGN(entry + FUSE_NAME_OFFSET + name_len);
	struct fuse_dirent *dirent = (struct fuse_dirent *)(p + entry);

	if (size > ls->max - ls->len)
		return false;
	memset(p, 0, size);
	if (ls->plus)
		fill_plus(ls, name, (struct fuse_entry_out *)p);
	dirent->ino = ino;
	dirent->off = next;
	dirent->namelen = (uint32_t)name_len;
	dirent->type = type;
	memcpy(dirent->name, name, name_len);
	ls->len += size;
	return true;
}

/* Offsets in the synthetic root count its entries: ".", "..", the shares. */
static int list_root(struct listing *ls, uint64_t offset)
{
	const struct fs_server *server = ls->req->server;
	uint64_t n = server->n_shares + 2;

	for (uint64_t i = offset; i < n; i++) {
		const struct fs_share *share = i < 2 ? NULL : &server->shares[i - 2];
		const char *name = i == 0 ? "." : i == 1 ? ".." : share->name;
		uint64_t ino = share ? share->root->ino | share->ino_tag : FUSE_ROOT_ID;
		uint32_t type = share ? share->root->type >> 12 : DT_DIR;

		if (!add_entry(ls, name, ino, i + 1, type))
			return ls->len == 0 ? -EINVAL : 0;
	}
	return 0;
}

static int list_host(struct listing *ls, uint64_t offset)
{
	struct fs_dir *dir = ls->file->dir;
	const struct fs_inode *inode = ls->req->inode;

	if (!dir->known || dir->next != offset || offset == 0) {
		dir->known = false;
		if (lseek(ls->file->fd, (off_t)offset, SEEK_SET) < 0)
			return -errno;
		dir->pos = dir->len = 0;
		dir->next = offset;
		dir->known = true;
	}
	for (;;) {
		const struct dirent64 *entry;
		uint64_t ino;

		if (dir->pos == dir->len) {
			ssize_t n = getdents64(ls->file->fd, dir->buf, sizeof(dir->buf));

			if (n < 0)
				return ls->len > 0 ? 0 : -errno;
			if (n == 0)
				return 0;
			dir->pos = 0;
			dir->len = (unsigned)n;
		}
		entry = (const struct dirent64 *)(dir->buf + dir->pos);
		ino = entry->d_ino;
		/* What is above a share is not the guest's business. */
		if (inode == inode->share->root && strcmp(entry->d_name, "..") == 0)
			ino = FUSE_ROOT_ID;
		if (!add_entry(ls, entry->d_name, ino, (uint64_t)entry->d_off, entry->d_type))
			return ls->len == 0 ? -EINVAL : 0;
		dir->pos += entry->d_reclen;
		dir->next = (uint64_t)entry->d_off;
	}
}

static int read_dir(struct fs_req *req, bool plus)
{
	const struct fuse_read_in *in = req->arg;
	struct listing ls = { .req = req, .plus = plus, .max = FS_REPLY_MAX };
	struct fs_file *file = fs_file_get(&req->server->files, in->fh, req->inode, true);
	int r;

	if (!file)
		return -EBADF;
	ls.file = file;
	if (ls.max > req->room)
		ls.max = req->room;
	if (ls.max > in->size)
		ls.max = in->size;
	pthread_mutex_lock(&file->dir->lock);
	r = fs_is_root(req->inode) ? list_root(&ls, in->offset) : list_host(&ls, in->offset);
	pthread_mutex_unlock(&file->dir->lock);
	fs_file_put(&req->server->files, file);
	return r < 0 ? r : fs_reply(req, ls.len);
}

int fs_op_readdir(struct fs_req *req)
{
	return read_dir(req, false);
}

int fs_op_readdirplus(struct fs_req *req)
{
	return read_dir(req, true);
}
