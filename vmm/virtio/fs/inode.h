/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inode: the host's files that the guest knows, and how we get at them again.
 *
 * Theory of operation
 *
 * A node is known by (share, mount, device, inode number, file handle). The guest
 * names it by its slot's id; it lives until the guest has forgotten every look-up.
 *
 * A descriptor for each file that the guest has ever seen would need as many
 * descriptors as a file system has files. Where the host's file system gives file
 * handles (name_to_handle_at(2)), a node therefore keeps only its handle, and an
 * O_PATH descriptor is opened when an operation needs one; some of these are kept
 * for later, the least recently used closed first. Elsewhere (overlayfs without
 * nfs_export, FUSE), and without the privilege that opening a handle takes (in the jail:
 * with it every file of the file system could be opened), the node remembers its parent
 * and its name there (inode_name.c). Such a node is lost when somebody on the host renames it or a
 * directory above it, until the guest looks it up again; open ones keep a descriptor.
 * Which of both is found out once per mount.
 *
 * A handle or name is only ever one that we were given below a share, and what it opens
 * is compared with what we know of the node before it is used: the file's type, which
 * decides whether it may be opened for I/O, can't change under us.
 *
 * Threads: one mutex for the table; no system call is made under it.
 */
#ifndef VRUN_VMM_VIRTIO_FS_INODE_H
#define VRUN_VMM_VIRTIO_FS_INODE_H

#include "vmm/virtio/fs/slots.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct fs_inode;
struct fs_lock_owner;
struct fs_mount;
struct fs_share;

struct fs_inode {
	uint64_t id; /* the guest's node id */
	struct fs_share *share; /* NULL: the synthetic root */
	struct fs_mount *mount;
	uint64_t dev, ino;
	mode_t type; /* S_IFMT bits */
	bool submount; /* to have a superblock of its own in the guest */
	bool permanent; /* the root, a share's root: forgetting changes nothing */
	bool has_birth;
	struct statx_timestamp birth;

	uint64_t nlookup; /* what the guest may forget */
	unsigned refs; /* keep the object */
	unsigned users; /* operations that may use `fd` now */
	unsigned opens; /* open files */
	int fd; /* O_PATH, or -1 */
	struct fs_inode *hash_next;
	struct fs_inode *lru_prev, *lru_next; /* idle, has a descriptor that may be closed */
	bool in_lru;

	uint64_t seen; /* stamp of the data at the last open; atomic */
	struct fs_lock_owner *lock_owners; /* guarded by fs_locks */

	int handle_type;
	/* Without a handle: where it is, or NULL both: then `fd` is kept. The parent's object is referenced. */
	struct fs_inode *parent;
	char *name;
	unsigned handle_len; /* 0: no handle */
	uint8_t handle[];
};

struct fs_inodes {
	pthread_mutex_t lock;
	struct fs_slots slots;
	struct fs_inode **buckets;
	size_t n_buckets, n; /* inodes in the hash */
	struct fs_mount *mounts;
	struct fs_inode *lru_first, *lru_last; /* most recently used first */
	unsigned n_lru, max_lru;
	int proc_fd; /* /proc/self/fd, borrowed */
	bool no_handles; /* don't look for them */
};

/* `max_idle_fds`: how many descriptors may be kept of nodes that nobody uses. */
int fs_inodes_init(struct fs_inodes *table, int proc_fd, unsigned max_idle_fds, bool no_handles);
/* Nobody uses a node any more. */
void fs_inodes_done(struct fs_inodes *table);

/* The synthetic root: the first node, id 1. */
int fs_inodes_add_root(struct fs_inodes *table);
/* A share's root, permanent. `fd` is duplicated. `submount`: if it is a directory. */
int fs_inodes_add_share(struct fs_inodes *table, struct fs_share *share, int fd, bool submount,
			struct fs_inode **ret);
/* Forget all but the permanent nodes, as when the driver starts anew. */
void fs_inodes_reset(struct fs_inodes *table);

/* A node in use until fs_inode_put(). NULL: no such node. */
struct fs_inode *fs_inode_get(struct fs_inodes *table, uint64_t id);
void fs_inode_put(struct fs_inodes *table, struct fs_inode *inode);
static inline void fs_inode_get_ref(struct fs_inodes *table, struct fs_inode *inode)
{
	pthread_mutex_lock(&table->lock);
	inode->refs++;
	inode->opens++;
	pthread_mutex_unlock(&table->lock);
}
/* For open files: the object is kept, and the descriptor, unless there is a handle. From a node in use. */
void fs_inode_put_ref(struct fs_inodes *table, struct fs_inode *inode);

/*
 * The node of `name` (checked: one component) in `dirfd`, which is a descriptor of
 * `parent`. Symlinks are not followed. *ret is in use, and one look-up more is the guest's.
 */
int fs_inode_lookup(struct fs_inodes *table, struct fs_inode *parent, int dirfd, const char *name,
		    struct statx *ret_st, struct fs_inode **ret);
/* The node of an open file that was made as `name` in `parent`; the same otherwise. */
int fs_inode_adopt(struct fs_inodes *table, struct fs_inode *parent, int fd, const char *name,
		   struct statx *ret_st, struct fs_inode **ret);
/* Take back `n` look-ups; more than there are is the same as all. No such node: nothing. */
void fs_inode_forget(struct fs_inodes *table, uint64_t id, uint64_t n);
/* The same for a node in use, when its look-up does not reach the guest. */
void fs_inode_unlookup(struct fs_inodes *table, struct fs_inode *inode);

/*
 * Before the guest takes the name `name` of `dirfd`, which is `parent`, away from a file: its
 * node with a descriptor, in use until fs_inode_put(). NULL: nobody will miss it.
 */
struct fs_inode *fs_inode_hold(struct fs_inodes *table, const struct fs_inode *parent, int dirfd,
			       const char *name);
/* Afterwards: that name is gone; or another has come. `inode` may be NULL. */
void fs_inode_lost_name(struct fs_inodes *table, struct fs_inode *inode, const struct fs_inode *parent,
			const char *name);
void fs_inode_got_name(struct fs_inodes *table, struct fs_inode *inode, struct fs_inode *parent,
		       const char *name);

/* An O_PATH descriptor of a node in use, valid for as long. -ESTALE when the file is gone. */
int fs_inode_fd(struct fs_inodes *table, struct fs_inode *inode);
/*
 * Open a regular file or directory for I/O; the caller closes. -EINVAL for every other
 * type: the host's devices, FIFOs and sockets are never opened.
 */
int fs_inode_open(struct fs_inodes *table, struct fs_inode *inode, int flags);

/* Attributes by descriptor, or of a name (no symlink followed); with the mount's id and the time of birth. */
int fs_stat_fd(int fd, struct statx *ret);
int fs_stat_name(int dirfd, const char *name, struct statx *ret);

/* Close kept descriptors; true if there were any. For when descriptors run out. */
bool fs_inodes_shrink(struct fs_inodes *table);

#endif
