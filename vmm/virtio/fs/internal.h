/* SPDX-License-Identifier: Apache-2.0 */
/* internal: what the files of the FUSE server share; nobody else includes it. */
#ifndef VRUN_VMM_VIRTIO_FS_INTERNAL_H
#define VRUN_VMM_VIRTIO_FS_INTERNAL_H

#include "vmm/virtio/fs/creds.h"
#include "vmm/virtio/fs/file.h"
#include "vmm/virtio/fs/inode.h"
#include "vmm/virtio/fs/server.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum {
	FS_NAME_MAX = 255,
	FS_MAX_PAGES = 256, /* FUSE_MAX_MAX_PAGES of the driver */
	FS_MAX_WRITE = FS_MAX_PAGES * 4096,
	FS_XATTR_MAX = 65536, /* XATTR_SIZE_MAX, XATTR_LIST_MAX */
	/* The longest request that is copied whole: setxattr. */
	FS_BODY_MAX = FS_XATTR_MAX + FS_NAME_MAX + 1 + 64,
	FS_REPLY_MAX = FS_XATTR_MAX,
	FS_IOV_MAX = 1024, /* preadv(2): UIO_MAXIOV */
	FS_KEPT_MAX = 256, /* requests that wait for a lock */
	FS_INIT_IN_MIN = 16, /* struct fuse_init_in before 7.36 */
};

struct fs_share {
	char *name;
	struct fs_inode *root;
	bool readonly;
	enum vfs_cache cache;
	/* Or'd to inode numbers: files of different host file systems share the guest's superblock here. */
	uint64_t ino_tag;
};

struct fs_lock_owner;

/* A SETLKW that has to wait. */
struct fs_kept {
	struct fs_kept *next;
	uint64_t unique, token;
	struct fs_inode *inode; /* a reference */
	struct fs_file *file; /* in use */
	uint64_t owner;
	short type;
	bool is_flock;
	uint64_t start, end;
	struct iovec out[4]; /* where the reply's header goes */
	unsigned n_out;
};

/* Locks that the host and other guests see; ops_lock.c. */
struct fs_locks {
	pthread_mutex_t lock;
	struct fs_kept *kept; /* oldest first */
	struct fs_kept *free;
	struct fs_kept slots[FS_KEPT_MAX];
	atomic_uint n_kept; /* read without the lock */
};

struct fs_server {
	struct fs_share *shares;
	size_t n_shares;
	int proc_fd; /* /proc/self/fd */
	struct fs_inodes inodes;
	struct fs_files files;
	struct fs_locks locks;
	bool shared_locks; /* offer them */
	bool writeback; /* offer it: nobody else changes what the guest may change */
	bool want_flush; /* close() may report an error here */
	struct timespec started; /* the synthetic root's times */

	atomic_bool ready; /* INIT was answered */
	_Atomic uint64_t flags; /* FUSE_* as negotiated */

	const struct fs_server_ops *ops;
	void *ctx;
};

struct fs_worker {
	struct fs_creds creds;
	uint8_t body[FS_BODY_MAX + 1] __attribute__((aligned(8)));
	uint8_t reply[FS_REPLY_MAX] __attribute__((aligned(8)));
	struct iovec iov[FS_IOV_MAX];
};

/* A request on its way. */
struct fs_req {
	struct fs_server *server;
	struct fs_worker *worker;
	const struct fs_chain *chain;
	struct fuse_in_header h; /* our copy */
	const void *arg; /* the fixed part, zero-filled up to what the operation's table entry says */
	const char *name, *name2; /* checked */
	const uint8_t *rest; /* what follows */
	size_t rest_len;
	struct fs_inode *inode; /* of h.nodeid, in use; NULL: the operation takes none */
	size_t room; /* for the reply's payload */
};

/*
 * An operation. Returns the length of the payload, which it wrote to
 * worker->reply (or straight to guest memory: READ), at most req->room; or -errno.
 */
typedef int (*fs_op_fn)(struct fs_req *req);

int fs_op_init(struct fs_req *req);
int fs_op_destroy(struct fs_req *req);
int fs_op_statfs(struct fs_req *req);
int fs_op_syncfs(struct fs_req *req);
int fs_op_ioctl(struct fs_req *req);

int fs_op_lookup(struct fs_req *req);
int fs_op_forget(struct fs_req *req);
int fs_op_batch_forget(struct fs_req *req);
int fs_op_symlink(struct fs_req *req);
int fs_op_mknod(struct fs_req *req);
int fs_op_mkdir(struct fs_req *req);
int fs_op_unlink(struct fs_req *req);
int fs_op_rmdir(struct fs_req *req);
int fs_op_rename(struct fs_req *req);
int fs_op_rename2(struct fs_req *req);
int fs_op_link(struct fs_req *req);

int fs_op_getattr(struct fs_req *req);
int fs_op_setattr(struct fs_req *req);
int fs_op_readlink(struct fs_req *req);
int fs_op_access(struct fs_req *req);

int fs_op_open(struct fs_req *req);
int fs_op_create(struct fs_req *req);
int fs_op_release(struct fs_req *req);
int fs_op_flush(struct fs_req *req);
int fs_op_fsync(struct fs_req *req);
int fs_op_read(struct fs_req *req);
int fs_op_write(struct fs_req *req);
int fs_op_fallocate(struct fs_req *req);
int fs_op_lseek(struct fs_req *req);
int fs_op_copy_file_range(struct fs_req *req);

int fs_op_opendir(struct fs_req *req);
int fs_op_readdir(struct fs_req *req);
int fs_op_readdirplus(struct fs_req *req);
int fs_op_releasedir(struct fs_req *req);
int fs_op_fsyncdir(struct fs_req *req);

int fs_op_getxattr(struct fs_req *req);
int fs_op_setxattr(struct fs_req *req);
int fs_op_listxattr(struct fs_req *req);
int fs_op_removexattr(struct fs_req *req);

int fs_op_getlk(struct fs_req *req);
int fs_op_setlk(struct fs_req *req);
int fs_op_setlkw(struct fs_req *req);
int fs_op_interrupt(struct fs_req *req);

/* --- Helpers --- */

static inline bool fs_is_root(const struct fs_inode *inode)
{
	return !inode->share;
}

static inline bool fs_is_readonly(const struct fs_inode *inode)
{
	return !inode->share || inode->share->readonly;
}

/* A name for one look-up: no '/', not empty, not "." or "..", at most 255 bytes. 0, -EINVAL, -ENAMETOOLONG. */
int fs_check_name(const char *name);

/* As what the reply is copied: `len` bytes of worker->reply are the payload. */
static inline int fs_reply(const struct fs_req *req, size_t len)
{
	return len <= req->room ? (int)len : -EINVAL;
}

/* Attributes as the guest sees them. */
void fs_fill_attr(const struct fs_inode *inode, const struct statx *st, struct fuse_attr *ret);
/* The synthetic root's attributes. */
void fs_fill_root(const struct fs_server *server, struct statx *ret);
void fs_fill_entry(const struct fs_inode *inode, const struct statx *st, struct fuse_entry_out *ret);
/* How long the guest may trust attributes and entries, in seconds. */
uint64_t fs_valid_seconds(const struct fs_inode *inode);
/* Attributes of a node. */
int fs_stat_inode(struct fs_server *server, struct fs_inode *inode, struct statx *ret);

/* As the guest's caller creates; `mask` counts only if the driver left the umask to us. */
int fs_become_creator(struct fs_req *req, mode_t mask);

/* Look up below the synthetic root or a directory; *ret is in use and one look-up of the guest's more. */
int fs_lookup(struct fs_req *req, struct fs_inode *parent, int dirfd, const char *name, struct statx *ret_st,
	      struct fs_inode **ret);

/* Locks that end with an open file or an owner. */
int fs_locks_init(struct fs_locks *locks);
void fs_locks_done(struct fs_server *server);
void fs_locks_drop_owner(struct fs_server *server, struct fs_inode *inode, uint64_t owner);
/* Reply -EINTR to all that wait. */
void fs_locks_interrupt_all(struct fs_server *server);
/* The last reference of a node goes: its owners' descriptors. */
void fs_lock_owners_free(struct fs_lock_owner *owners);

#endif
