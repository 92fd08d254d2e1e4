/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_name: look-ups, and what changes directories. Every name is one checked
 * component below a node's own descriptor.
 */
#include "vmm/virtio/fs/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int lookup_share(struct fs_req *req, const char *name, struct statx *ret_st, struct fs_inode **ret)
{
	struct fs_server *server = req->server;

	for (size_t i = 0; i < server->n_shares; i++) {
		struct fs_inode *inode;
		int r;

		if (strcmp(server->shares[i].name, name) != 0)
			continue;
		/* Permanent, so it is always there; its look-ups need no count. */
		inode = fs_inode_get(&server->inodes, server->shares[i].root->id);
		r = fs_stat_inode(server, inode, ret_st);
		if (r < 0)
			fs_inode_put(&server->inodes, inode);
		else
			*ret = inode;
		return r;
	}
	return -ENOENT;
}

int fs_lookup(struct fs_req *req, struct fs_inode *parent, int dirfd, const char *name, struct statx *ret_st,
	      struct fs_inode **ret)
{
	int r;

	if (fs_is_root(parent))
		return lookup_share(req, name, ret_st, ret);
	do
		r = fs_inode_lookup(&req->server->inodes, parent, dirfd, name, ret_st, ret);
	while ((r == -EMFILE || r == -ENFILE) && fs_inodes_shrink(&req->server->inodes));
	return r;
}

static int parent_fd(struct fs_req *req)
{
	return fs_is_root(req->inode) ? -1 : fs_inode_fd(&req->server->inodes, req->inode);
}

/* Reply with the entry `name` of the request's directory. */
static int reply_entry(struct fs_req *req, int dirfd)
{
	struct fs_inode *inode;
	struct statx st;
	int r = fs_lookup(req, req->inode, dirfd, req->name, &st, &inode);

	if (r < 0)
		return r;
	fs_fill_entry(inode, &st, (struct fuse_entry_out *)req->worker->reply);
	fs_inode_put(&req->server->inodes, inode);
	return fs_reply(req, sizeof(struct fuse_entry_out));
}

int fs_op_lookup(struct fs_req *req)
{
	int r, dirfd = parent_fd(req);

	if (dirfd < 0 && !fs_is_root(req->inode))
		return dirfd;
	r = reply_entry(req, dirfd);
	/* "Not there" may be remembered as long as an entry, where nobody else can make it. */
	if (r == -ENOENT && req->inode->share && req->inode->share->cache == VFS_CACHE_ALWAYS) {
		struct fuse_entry_out *out = (struct fuse_entry_out *)req->worker->reply;

		memset(out, 0, sizeof(*out));
		out->entry_valid = fs_valid_seconds(req->inode);
		return fs_reply(req, sizeof(*out));
	}
	return r;
}

int fs_op_forget(struct fs_req *req)
{
	const struct fuse_forget_in *in = req->arg;

	fs_inode_forget(&req->server->inodes, req->h.nodeid, in->nlookup);
	return 0;
}

int fs_op_batch_forget(struct fs_req *req)
{
	const struct fuse_batch_forget_in *in = req->arg;
	const uint8_t *p = req->rest;
	size_t n = req->rest_len / sizeof(struct fuse_forget_one);

	if (in->count < n)
		n = in->count;
	for (size_t i = 0; i < n; i++) {
		struct fuse_forget_one one;

		memcpy(&one, p + i * sizeof(one), sizeof(one));
		fs_inode_forget(&req->server->inodes, one.nodeid, one.nlookup);
	}
	return 0;
}

int fs_become_creator(struct fs_req *req, mode_t mask)
{
	return fs_creds_assume(&req->worker->creds, req->h.uid, req->h.gid,
			       req->server->flags & FUSE_DONT_MASK ? mask & 0777 : 0);
}

int fs_op_symlink(struct fs_req *req)
{
	int r, dirfd = parent_fd(req);

	if (dirfd < 0)
		return dirfd;
	r = fs_become_creator(req, 0);
	if (r < 0)
		return r;
	/* The target is only text to us; the guest's kernel follows it, below the guest's root. */
	r = symlinkat(req->name2, dirfd, req->name) < 0 ? -errno : 0;
	fs_creds_restore(&req->worker->creds);
	return r < 0 ? r : reply_entry(req, dirfd);
}

int fs_op_mknod(struct fs_req *req)
{
	const struct fuse_mknod_in *in = req->arg;
	/* The kernel's new_encode_dev() */
	dev_t dev = makedev(in->rdev >> 8 & 0xfff, (in->rdev & 0xff) | (in->rdev >> 12 & 0xfff00));
	int r, dirfd = parent_fd(req);

	if (dirfd < 0)
		return dirfd;
	if (S_ISDIR(in->mode))
		return -EINVAL;
	r = fs_become_creator(req, in->umask);
	if (r < 0)
		return r;
	r = mknodat(dirfd, req->name, in->mode, dev) < 0 ? -errno : 0;
	fs_creds_restore(&req->worker->creds);
	return r < 0 ? r : reply_entry(req, dirfd);
}

int fs_op_mkdir(struct fs_req *req)
{
	const struct fuse_mkdir_in *in = req->arg;
	int r, dirfd = parent_fd(req);

	if (dirfd < 0)
		return dirfd;
	r = fs_become_creator(req, in->umask);
	if (r < 0)
		return r;
	r = mkdirat(dirfd, req->name, in->mode & 07777) < 0 ? -errno : 0;
	fs_creds_restore(&req->worker->creds);
	return r < 0 ? r : reply_entry(req, dirfd);
}

static int remove_name(struct fs_req *req, int flags)
{
	struct fs_inodes *inodes = &req->server->inodes;
	int r, dirfd = parent_fd(req);
	struct fs_inode *held;

	if (dirfd < 0)
		return dirfd;
	held = fs_inode_hold(inodes, req->inode, dirfd, req->name);
	r = unlinkat(dirfd, req->name, flags) < 0 ? -errno : 0;
	if (r == 0)
		fs_inode_lost_name(inodes, held, req->inode, req->name);
	if (held)
		fs_inode_put(inodes, held);
	return r;
}

int fs_op_unlink(struct fs_req *req)
{
	return remove_name(req, 0);
}

int fs_op_rmdir(struct fs_req *req)
{
	return remove_name(req, AT_REMOVEDIR);
}

/* What had either name keeps its node. */
static int rename_held(struct fs_req *req, int from, struct fs_inode *parent, int to, unsigned flags)
{
	struct fs_inodes *inodes = &req->server->inodes;
	struct fs_inode *moved = fs_inode_hold(inodes, req->inode, from, req->name);
	struct fs_inode *there = fs_inode_hold(inodes, parent, to, req->name2);
	int r = renameat2(from, req->name, to, req->name2, flags) < 0 ? -errno : 0;

	/* Two names of one file: rename(2) does nothing. */
	if (r == 0 && moved != there) {
		fs_inode_lost_name(inodes, there, parent, req->name2);
		if (flags & RENAME_EXCHANGE)
			fs_inode_got_name(inodes, there, req->inode, req->name);
		fs_inode_got_name(inodes, moved, parent, req->name2);
	}
	if (moved)
		fs_inode_put(inodes, moved);
	if (there)
		fs_inode_put(inodes, there);
	return r;
}

static int rename_to(struct fs_req *req, uint64_t new_parent, unsigned flags)
{
	struct fs_inodes *inodes = &req->server->inodes;
	struct fs_inode *parent;
	int r, from, to;

	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	parent = fs_inode_get(inodes, new_parent);
	if (!parent)
		return -ESTALE;
	r = 0;
	if (parent->share != req->inode->share)
		r = -EXDEV;
	else if (parent->type != S_IFDIR)
		r = -ENOTDIR;
	/* A whiteout is a new file, the caller's. */
	if (r == 0 && (flags & RENAME_WHITEOUT))
		r = fs_become_creator(req, 0);
	if (r == 0) {
		from = fs_inode_fd(inodes, req->inode);
		to = fs_inode_fd(inodes, parent);
		if (from < 0 || to < 0)
			r = from < 0 ? from : to;
		else
			r = rename_held(req, from, parent, to, flags);
	}
	fs_inode_put(inodes, parent);
	return r;
}

int fs_op_rename(struct fs_req *req)
{
	const struct fuse_rename_in *in = req->arg;

	return rename_to(req, in->newdir, 0);
}

int fs_op_rename2(struct fs_req *req)
{
	const struct fuse_rename2_in *in = req->arg;

	return rename_to(req, in->newdir, in->flags);
}

int fs_op_link(struct fs_req *req)
{
	const struct fuse_link_in *in = req->arg;
	struct fs_inodes *inodes = &req->server->inodes;
	struct fs_inode *old;
	int r = 0, fd, dirfd = parent_fd(req);
	char name[16];

	if (dirfd < 0)
		return dirfd;
	old = fs_inode_get(inodes, in->oldnodeid);
	if (!old)
		return -ESTALE;
	if (old->share != req->inode->share)
		r = -EXDEV;
	fd = r < 0 ? r : fs_inode_fd(inodes, old);
	if (fd < 0) {
		r = fd;
	} else {
		/* The magic link leads to the node itself, be it a symlink; no capability is needed. */
		snprintf(name, sizeof(name), "%d", fd);
		if (linkat(req->server->proc_fd, name, dirfd, req->name, AT_SYMLINK_FOLLOW) < 0)
			r = -errno;
	}
	fs_inode_put(inodes, old);
	return r < 0 ? r : reply_entry(req, dirfd);
}
