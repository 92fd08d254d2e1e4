/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_lock: locks that the host and other guests see.
 *
 * Theory of operation
 *
 * flock(2) locks belong to an open file, and each of the guest's has a
 * descriptor of its own here. POSIX locks belong to an owner (a process of the
 * guest): for each owner of locks on a node there is one more descriptor with
 * open file description locks; closing it drops them all.
 *
 * A request that has to wait holds no thread. It is kept in a list and tried again when a
 * lock is dropped here, and every so often for those that others on the host hold.
 */
#include "base/cleanup.h"
#include "vmm/virtio/fs/internal.h"
#include "vmm/virtio/virtqueue.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

enum { RETRY_MS = 20 };

struct fs_lock_owner {
	struct fs_lock_owner *next;
	uint64_t owner;
	int fd;
};

int fs_locks_init(struct fs_locks *locks)
{
	pthread_mutex_init(&locks->lock, NULL);
	for (size_t i = 0; i < FS_KEPT_MAX; i++) {
		locks->slots[i].next = locks->free;
		locks->free = &locks->slots[i];
	}
	return 0;
}

void fs_locks_done(struct fs_server *server)
{
	fs_server_drop_kept(server);
	pthread_mutex_destroy(&server->locks.lock);
}

void fs_lock_owners_free(struct fs_lock_owner *owners)
{
	while (owners) {
		struct fs_lock_owner *next = owners->next;

		close_fd(owners->fd);
		free(owners);
		owners = next;
	}
}

/* --- POSIX locks; with the lock held --- */

static int find_owner(const struct fs_inode *inode, uint64_t owner)
{
	for (const struct fs_lock_owner *o = inode->lock_owners; o; o = o->next)
		if (o->owner == owner)
			return o->fd;
	return -ENOENT;
}

static int add_owner(struct fs_server *server, struct fs_inode *inode, uint64_t owner)
{
	struct fs_lock_owner *o;
	int fd = find_owner(inode, owner);

	if (fd >= 0)
		return fd;
	fd = -EROFS;
	if (!fs_is_readonly(inode))
		fd = fs_inode_open(&server->inodes, inode, O_RDWR);
	/* Good enough for a shared lock; an exclusive one takes a file that can be written. */
	if (fd == -EROFS || fd == -ETXTBSY || fd == -EACCES || fd == -EPERM)
		fd = fs_inode_open(&server->inodes, inode, O_RDONLY);
	if (fd < 0)
		return fd;
	o = malloc(sizeof(*o));
	if (!o) {
		close_fd(fd);
		return -ENOMEM;
	}
	*o = (struct fs_lock_owner){ .next = inode->lock_owners, .owner = owner, .fd = fd };
	inode->lock_owners = o;
	return fd;
}

/* FUSE has the last byte, OFFSET_MAX for "to the end"; fcntl(2) a length, 0 for that. */
static int to_flock(const struct fuse_file_lock *lk, struct flock *ret)
{
	if (lk->start > INT64_MAX || lk->end > INT64_MAX || lk->end < lk->start)
		return -EINVAL;
	if (lk->type != F_RDLCK && lk->type != F_WRLCK && lk->type != F_UNLCK)
		return -EINVAL;
	*ret = (struct flock){
		.l_type = (short)lk->type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)lk->start,
		.l_len = lk->end == INT64_MAX ? 0 : (off_t)(lk->end - lk->start + 1),
	};
	return 0;
}

static int try_posix(struct fs_server *server, struct fs_inode *inode, uint64_t owner,
		     const struct fuse_file_lock *lk)
{
	struct flock fl;
	int fd, r = to_flock(lk, &fl);

	if (r < 0)
		return r;
	fd = fl.l_type == F_UNLCK ? find_owner(inode, owner) : add_owner(server, inode, owner);
	if (fd == -ENOENT)
		return 0; /* it has none */
	if (fd < 0)
		return fd;
	r = fcntl(fd, F_OFD_SETLK, &fl) < 0 ? -errno : 0;
	return r == -EACCES ? -EAGAIN : r;
}

static int try_flock(const struct fs_file *file, uint32_t type)
{
	int op = type == F_RDLCK ? LOCK_SH : type == F_WRLCK ? LOCK_EX : type == F_UNLCK ? LOCK_UN : -1;

	if (op < 0)
		return -EINVAL;
	return flock(file->fd, op | LOCK_NB) < 0 ? -errno : 0;
}

/* --- Requests that wait --- */

static int try_kept(struct fs_server *server, const struct fs_kept *kept)
{
	struct fuse_file_lock lk = { .start = kept->start, .end = kept->end, .type = (uint32_t)kept->type };

	return kept->is_flock ? try_flock(kept->file, lk.type)
			      : try_posix(server, kept->inode, kept->owner, &lk);
}

static void reply_kept(struct fs_server *server, const struct fs_kept *kept, int error)
{
	struct fuse_out_header out = { .len = sizeof(out), .error = error, .unique = kept->unique };

	iov_write(kept->out, kept->n_out, 0, &out, sizeof(out));
	server->ops->complete(server->ctx, kept->token, sizeof(out));
}

/*
 * Go through the list: each whose `end` says other than -EAGAIN is answered with that. The
 * answers are given with the lock held, so that fs_server_drop_kept() leaves nobody writing to guest memory.
 */
static void end_kept(struct fs_server *server, int (*end)(struct fs_server *, const struct fs_kept *, void *),
		     void *arg, bool reply)
{
	struct fs_locks *locks = &server->locks;
	struct fs_kept *done = NULL;

	pthread_mutex_lock(&locks->lock);
	for (struct fs_kept **p = &locks->kept; *p;) {
		struct fs_kept *kept = *p;
		int r = end(server, kept, arg);

		if (r == -EAGAIN) {
			p = &kept->next;
			continue;
		}
		*p = kept->next;
		if (reply)
			reply_kept(server, kept, r);
		kept->next = done;
		done = kept;
	}
	pthread_mutex_unlock(&locks->lock);

	/* These may close files, which takes other locks. */
	for (struct fs_kept *kept = done; kept; kept = kept->next) {
		fs_file_put(&server->files, kept->file);
		fs_inode_put(&server->inodes, kept->inode);
	}
	pthread_mutex_lock(&locks->lock);
	while (done) {
		struct fs_kept *next = done->next;

		done->next = locks->free;
		locks->free = done;
		locks->n_kept--;
		done = next;
	}
	pthread_mutex_unlock(&locks->lock);
}

static int end_if_granted(struct fs_server *server, const struct fs_kept *kept, void *arg)
{
	(void)arg;
	return try_kept(server, kept);
}

static int end_with_eintr(struct fs_server *server, const struct fs_kept *kept, void *arg)
{
	const uint64_t *unique = arg;

	(void)server;
	return !unique || kept->unique == *unique ? -EINTR : -EAGAIN;
}

void fs_server_retry_locks(struct fs_server *server)
{
	if (server->locks.n_kept > 0)
		end_kept(server, end_if_granted, NULL, true);
}

int fs_server_retry_ms(struct fs_server *server)
{
	return server->locks.n_kept > 0 ? RETRY_MS : -1;
}

void fs_server_drop_kept(struct fs_server *server)
{
	end_kept(server, end_with_eintr, NULL, false);
}

void fs_locks_interrupt_all(struct fs_server *server)
{
	if (server->locks.n_kept > 0)
		end_kept(server, end_with_eintr, NULL, true);
}

void fs_locks_drop_owner(struct fs_server *server, struct fs_inode *inode, uint64_t owner)
{
	struct fs_lock_owner *found = NULL;

	pthread_mutex_lock(&server->locks.lock);
	for (struct fs_lock_owner **p = &inode->lock_owners; *p; p = &(*p)->next) {
		if ((*p)->owner != owner)
			continue;
		found = *p;
		*p = found->next;
		found->next = NULL;
		break;
	}
	pthread_mutex_unlock(&server->locks.lock);
	if (!found)
		return;
	fs_lock_owners_free(found);
	fs_server_retry_locks(server);
}

/* Keep the request back; the lock is held. Its file and node are in use from now on. */
static int keep(struct fs_req *req, struct fs_file *file, const struct fuse_lk_in *in)
{
	struct fs_locks *locks = &req->server->locks;
	struct fs_kept *kept = locks->free, **p;
	struct fs_inode *inode;
	int n;

	if (!kept)
		return -ENOLCK;
	n = iov_slice(req->chain->out, req->chain->n_out, 0, sizeof(struct fuse_out_header), kept->out,
		      ARRAY_SIZE(kept->out));
	if (n < 0)
		return -ENOLCK;
	inode = fs_inode_get(&req->server->inodes, req->h.nodeid);
	if (!inode)
		return -ESTALE;
	locks->free = kept->next;
	kept->n_out = (unsigned)n;
	kept->unique = req->h.unique;
	kept->token = req->chain->token;
	kept->inode = inode;
	kept->file = file;
	kept->owner = in->owner;
	kept->type = (short)in->lk.type;
	kept->is_flock = in->lk_flags & FUSE_LK_FLOCK;
	kept->start = in->lk.start;
	kept->end = in->lk.end;
	kept->next = NULL;
	for (p = &locks->kept; *p; p = &(*p)->next)
		;
	*p = kept;
	locks->n_kept++;
	return FS_KEPT;
}

static int set_lock(struct fs_req *req, bool wait)
{
	const struct fuse_lk_in *in = req->arg;
	struct fs_server *server = req->server;
	struct fs_file *file;
	int r;

	if (!server->shared_locks)
		return -ENOSYS;
	if (req->inode->type != S_IFREG)
		return -EOPNOTSUPP;
	file = fs_file_get(&server->files, in->fh, req->inode, false);
	if (!file)
		return -EBADF;
	pthread_mutex_lock(&server->locks.lock);
	if (in->lk_flags & FUSE_LK_FLOCK)
		r = try_flock(file, in->lk.type);
	else
		r = try_posix(server, req->inode, in->owner, &in->lk);
	if (r == -EAGAIN && wait)
		r = keep(req, file, in);
	pthread_mutex_unlock(&server->locks.lock);
	if (r != FS_KEPT)
		fs_file_put(&server->files, file);
	/* Less may be locked now than before, by F_UNLCK or by F_RDLCK over F_WRLCK. */
	if (r == 0 && in->lk.type != F_WRLCK)
		fs_server_retry_locks(server);
	return r;
}

int fs_op_setlk(struct fs_req *req)
{
	return set_lock(req, false);
}

int fs_op_setlkw(struct fs_req *req)
{
	return set_lock(req, true);
}

int fs_op_getlk(struct fs_req *req)
{
	const struct fuse_lk_in *in = req->arg;
	struct fuse_lk_out *out = (struct fuse_lk_out *)req->worker->reply;
	struct fs_server *server = req->server;
	struct flock fl;
	int fd, r;

	if (!server->shared_locks)
		return -ENOSYS;
	if (req->inode->type != S_IFREG)
		return -EOPNOTSUPP;
	r = to_flock(&in->lk, &fl);
	if (r < 0)
		return r;
	pthread_mutex_lock(&server->locks.lock);
	fd = add_owner(server, req->inode, in->owner);
	r = fd < 0 ? fd : fcntl(fd, F_OFD_GETLK, &fl) < 0 ? -errno : 0;
	pthread_mutex_unlock(&server->locks.lock);
	if (r < 0)
		return r;
	*out = (struct fuse_lk_out){ .lk.type = (uint32_t)fl.l_type };
	if (fl.l_type != F_UNLCK) {
		out->lk.start = (uint64_t)fl.l_start;
		out->lk.end = fl.l_len == 0 ? INT64_MAX : (uint64_t)(fl.l_start + fl.l_len - 1);
		/* Whose it is means nothing in the guest. */
		out->lk.pid = fl.l_pid > 0 ? (uint32_t)fl.l_pid : 0;
	}
	return fs_reply(req, sizeof(*out));
}

/*
 * The guest's process got a signal while it waits. A request that was not kept back is
 * being served and ends by itself.
 */
int fs_op_interrupt(struct fs_req *req)
{
	const struct fuse_interrupt_in *in = req->arg;
	uint64_t unique = in->unique;

	if (req->server->locks.n_kept > 0)
		end_kept(req->server, end_with_eintr, &unique, true);
	return 0;
}
