/* SPDX-License-Identifier: Apache-2.0 */
/* server: its life, its shares, and the operations that concern all of it. */
#include "vmm/virtio/fs/server.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/jail/jail.h"
#include "vmm/virtio/fs/internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <time.h>

#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

enum {
	/* Descriptors of idle nodes: the directories that are walked, above all. */
	IDLE_FDS_MAX = 1024,
	IDLE_FDS_MIN = 16,
	INO_TAG_SHIFT = 48,
	MINOR_MIN = 31,
	/* Requests in flight that no process waits for: readahead, writeback. */
	MAX_BACKGROUND = 64,
	CONGESTION = 48,
};

static unsigned idle_fds(void)
{
	struct rlimit limit;
	rlim_t n = IDLE_FDS_MAX;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 4 < n)
		n = limit.rlim_cur / 4;
	return n < IDLE_FDS_MIN ? IDLE_FDS_MIN : (unsigned)n;
}

static int add_share(struct fs_server *server, const struct vfs_share *config, struct err *err)
{
	struct fs_share *share = &server->shares[server->n_shares];
	struct statfs fs;
	int r;

	if (!config->name || fs_check_name(config->name) < 0)
		return err_set(err, -EINVAL, "share name \"%s\" is no path component",
			       config->name ? config->name : "");
	for (size_t i = 0; i < server->n_shares; i++)
		if (strcmp(server->shares[i].name, config->name) == 0)
			return err_set(err, -EINVAL, "two shares are named \"%s\"", config->name);

	share->readonly = config->readonly;
	share->cache = config->cache;
	share->name = strdup(config->name);
	if (!share->name)
		return err_set_errno(err, -ENOMEM, "share \"%s\"", config->name);
	server->n_shares++; /* fs_server_free() has it from here */
	/* The first one is in the device's own superblock: fs.h says why. */
	r = fs_inodes_add_share(&server->inodes, share, config->fd, server->n_shares > 1, &share->root);
	if (r < 0)
		return err_set_errno(err, r, "share \"%s\"", config->name);
	/* So are single files; (st_dev, st_ino) must not be taken for that of another file. */
	if (!share->root->submount && share->root->dev != server->shares[0].root->dev)
		share->ino_tag = (uint64_t)server->n_shares << INO_TAG_SHIFT;

	/* Where the server is elsewhere, close() is when a failed write shows. */
	if (fstatfs(config->fd, &fs) == 0 &&
	    (fs.f_type == NFS_SUPER_MAGIC || fs.f_type == SMB_SUPER_MAGIC || fs.f_type == CIFS_SUPER_MAGIC ||
	     fs.f_type == SMB2_SUPER_MAGIC || fs.f_type == FUSE_SUPER_MAGIC || fs.f_type == V9FS_MAGIC))
		server->want_flush = true;
	/* The driver's writeback cache is for the whole device, so it takes every share that can be written. */
	if (!share->readonly && share->cache != VFS_CACHE_ALWAYS)
		server->writeback = false;
	return 0;
}

static int server_init(struct fs_server *server, const struct vfs_config *config, struct err *err)
{
	int r;

	clock_gettime(CLOCK_REALTIME, &server->started);
	server->shares = calloc(config->n_shares ? config->n_shares : 1, sizeof(*server->shares));
	if (!server->shares)
		return err_set_errno(err, -ENOMEM, "shares");
	server->proc_fd = jail_open_proc_fd();
	if (server->proc_fd < 0)
		return err_set_errno(err, server->proc_fd, "/proc/self/fd");
	r = fs_inodes_init(&server->inodes, server->proc_fd, idle_fds(), config->no_handles);
	if (r == 0)
		r = fs_inodes_add_root(&server->inodes);
	if (r == 0)
		r = fs_files_init(&server->files, &server->inodes);
	if (r == 0)
		r = fs_locks_init(&server->locks);
	if (r < 0)
		return err_set_errno(err, r, "tables of nodes");

	server->shared_locks = config->shared_locks;
	server->writeback = true;
	for (size_t i = 0; i < config->n_shares; i++) {
		r = add_share(server, &config->shares[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

int fs_server_new(const struct vfs_config *config, const struct fs_server_ops *ops, void *ctx,
		  struct fs_server **ret, struct err *err)
{
	struct fs_server *server = calloc(1, sizeof(*server));
	int r;

	if (!server)
		return err_set_errno(err, -ENOMEM, "file server");
	server->proc_fd = -EBADF;
	server->ops = ops;
	server->ctx = ctx;
	r = server_init(server, config, err);
	if (r < 0) {
		fs_server_free(server);
		return r;
	}
	*ret = server;
	return 0;
}

void fs_server_free(struct fs_server *server)
{
	if (!server)
		return;
	fs_locks_done(server);
	fs_files_done(&server->files);
	fs_inodes_done(&server->inodes);
	for (size_t i = 0; i < server->n_shares; i++)
		free(server->shares[i].name);
	free(server->shares);
	close_fd(server->proc_fd);
	free(server);
}

int fs_worker_new(struct fs_server *server, struct fs_worker **ret)
{
	struct fs_worker *worker = malloc(sizeof(*worker));
	int r;

	if (!worker)
		return -ENOMEM;
	r = fs_creds_init(&worker->creds, server->proc_fd);
	if (r < 0) {
		free(worker);
		return r;
	}
	*ret = worker;
	return 0;
}

void fs_worker_free(struct fs_worker *worker)
{
	free(worker);
}

/* --- Operations --- */

/* The guest holds nothing any more. */
static void reset(struct fs_server *server)
{
	fs_locks_interrupt_all(server);
	fs_files_reset(&server->files);
	fs_inodes_reset(&server->inodes);
}

/*
 * What we take of the driver's offer.
 * - AUTO_INVAL_DATA: cached data goes when size or mtime has changed.
 * - DONT_MASK, POSIX_ACL: the host applies the umask where no default ACL is.
 * - HANDLE_KILLPRIV_V2: the host clears set-user-ID bits; see creds.h.
 * - Locks only when they are to be seen elsewhere: the driver (6.1 and later) never sends
 *   INTERRUPT over virtio, so that a process waiting for a lock of ours can't be
 *   killed; its own locks have no such flaw.
 * - NO_OPEN_SUPPORT, EXPORT_SUPPORT, SECURITY_CTX, HAS_INODE_DAX: not offered.
 */
static uint64_t want_flags(const struct fs_server *server)
{
	uint64_t want = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_DONT_MASK |
			FUSE_AUTO_INVAL_DATA | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO |
			FUSE_PARALLEL_DIROPS | FUSE_POSIX_ACL | FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS |
			FUSE_SUBMOUNTS | FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT | FUSE_INIT_EXT;

	if (server->shared_locks)
		want |= FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS;
	if (server->writeback)
		want |= FUSE_WRITEBACK_CACHE;
	return want;
}

int fs_op_init(struct fs_req *req)
{
	struct fs_server *server = req->server;
	const struct fuse_init_in *in = req->arg;
	struct fuse_init_out *out = (struct fuse_init_out *)req->worker->reply;
	uint64_t flags = in->flags;

	if (in->major < FUSE_KERNEL_VERSION || (in->major == FUSE_KERNEL_VERSION && in->minor < MINOR_MIN))
		return -EPROTO;
	memset(out, 0, sizeof(*out));
	out->major = FUSE_KERNEL_VERSION;
	out->minor = FUSE_KERNEL_MINOR_VERSION;
	/* A newer major: it asks again with ours. */
	if (in->major > FUSE_KERNEL_VERSION)
		return fs_reply(req, sizeof(*out));

	if (flags & FUSE_INIT_EXT)
		flags |= (uint64_t)in->flags2 << 32;
	flags &= want_flags(server);
	/* Each only with the other. */
	if (!(flags & FUSE_DONT_MASK))
		flags &= ~(uint64_t)FUSE_POSIX_ACL;

	server->ready = false;
	reset(server);
	server->flags = flags;
	out->max_readahead = in->max_readahead;
	out->flags = (uint32_t)flags;
	out->flags2 = (uint32_t)(flags >> 32);
	out->max_background = MAX_BACKGROUND;
	out->congestion_threshold = CONGESTION;
	out->max_write = flags & FUSE_MAX_PAGES ? FS_MAX_WRITE : 32 * 4096;
	out->max_pages = flags & FUSE_MAX_PAGES ? FS_MAX_PAGES : 0;
	out->time_gran = 1;
	server->ready = true;
	return fs_reply(req, sizeof(*out));
}

int fs_op_destroy(struct fs_req *req)
{
	req->server->ready = false;
	reset(req->server);
	return 0;
}

int fs_op_statfs(struct fs_req *req)
{
	struct fuse_kstatfs *out = &((struct fuse_statfs_out *)req->worker->reply)->st;
	struct statfs fs = { .f_bsize = 4096, .f_frsize = 4096, .f_namelen = FS_NAME_MAX };

	if (!fs_is_root(req->inode)) {
		int fd = fs_inode_fd(&req->server->inodes, req->inode);

		if (fd < 0)
			return fd;
		if (fstatfs(fd, &fs) < 0)
			return -errno;
	}
	*out = (struct fuse_kstatfs){
		.blocks = fs.f_blocks,
		.bfree = fs.f_bfree,
		.bavail = fs.f_bavail,
		.files = fs.f_files,
		.ffree = fs.f_ffree,
		.bsize = (uint32_t)fs.f_bsize,
		.namelen = (uint32_t)fs.f_namelen,
		.frsize = (uint32_t)fs.f_frsize,
	};
	return fs_reply(req, sizeof(struct fuse_statfs_out));
}

static int sync_inode(struct fs_server *server, struct fs_inode *inode)
{
	_cleanup_close_ int fd = -EBADF;

	if (fs_is_readonly(inode) || (inode->type != S_IFDIR && inode->type != S_IFREG))
		return 0;
	/* syncfs(2) takes no O_PATH descriptor. */
	fd = fs_inode_open(&server->inodes, inode, O_RDONLY);
	if (fd < 0)
		return fd;
	return syncfs(fd) < 0 ? -errno : 0;
}

/* Sent for each superblock of the guest: a share's, or that of the synthetic root. */
int fs_op_syncfs(struct fs_req *req)
{
	struct fs_server *server = req->server;
	int ret = 0;

	if (!fs_is_root(req->inode))
		return sync_inode(server, req->inode);
	for (size_t i = 0; i < server->n_shares; i++) {
		struct fs_inode *inode = fs_inode_get(&server->inodes, server->shares[i].root->id);
		int r = sync_inode(server, inode);

		fs_inode_put(&server->inodes, inode);
		if (r < 0 && ret == 0)
			ret = r;
	}
	return ret;
}

/* Nothing of the host's is reached by ioctl; not ENOSYS, which overlayfs in the guest takes for an error. */
int fs_op_ioctl(struct fs_req *req)
{
	(void)req;
	return -ENOTTY;
}
