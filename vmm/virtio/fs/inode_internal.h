/* SPDX-License-Identifier: Apache-2.0 */
/* inode_internal: what inode.c, inode_fd.c and inode_name.c share. With the table's lock held, all but the last. */
#ifndef VRUN_VMM_VIRTIO_FS_INODE_INTERNAL_H
#define VRUN_VMM_VIRTIO_FS_INODE_INTERNAL_H

#include "base/cleanup.h"
#include "vmm/virtio/fs/inode.h"
#include "vmm/virtio/fs/mount.h"

/* Whose node, and which file of the host. */
struct fs_inode_key {
	struct fs_share *share;
	const struct fs_mount *mount;
	const struct statx *st;
	const union fs_handle *handle; /* NULL: none */
	/* Without a handle: where it is found again. NULL: nowhere, a descriptor holds it. */
	struct fs_inode *parent;
	const char *name;
};

/* What is to be closed and freed once the lock is dropped: closing a deleted file may take long. */
struct fs_garbage {
	int fds[2];
	unsigned n;
	struct fs_inode *inodes; /* by hash_next; the mount, if it goes too, is still there */
};
void fs_garbage_done(struct fs_garbage *g);
#define _cleanup_garbage_ _cleanup_(fs_garbage_done)

struct fs_inode *fs_inode_find(struct fs_inodes *table, const struct fs_inode_key *key);
/* May be closed while nobody uses it: it can be opened again. */
static inline bool fs_inode_can_reopen(const struct fs_inode *inode)
{
	return inode->handle_len > 0 || (inode->name && inode->opens == 0);
}
void fs_inode_use(struct fs_inodes *table, struct fs_inode *inode);
void fs_inode_unuse(struct fs_inodes *table, struct fs_inode *inode, struct fs_garbage *g);
void fs_inode_unref(struct fs_inodes *table, struct fs_inode *inode, struct fs_garbage *g);

/* From now on it is found as `name` in `parent`. `take_name` is from malloc(). */
void fs_inode_set_name(struct fs_inodes *table, struct fs_inode *inode, struct fs_inode *parent,
		       char *take_name, struct fs_garbage *g);
/* It is found no more. */
void fs_inode_drop_name(struct fs_inodes *table, struct fs_inode *inode, struct fs_garbage *g);

/* Without the lock, of a node in use that has no handle: open it by its name. As fs_inode_fd(). */
int fs_inode_fd_by_name(struct fs_inodes *table, struct fs_inode *inode);
/* Is what `st` describes the node's file? */
bool fs_inode_is(const struct fs_inode *inode, const struct statx *st);

#endif
