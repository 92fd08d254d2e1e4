/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inode_name: nodes that are found again by name; see inode.h.
 *
 * Theory of operation
 *
 * A node knows its parent and its name there, as of the last look-up, and keeps the
 * parent's object. To open it, the nearest ancestor with a descriptor is sought, and
 * from there one name after the other opened, each without following a symlink; what is
 * found has to be the same file by device, inode number, type and time of birth, else
 * the node is stale (ESTALE), and the guest looks its path up again.
 *
 * What the guest itself does to names, it does through us: a file that loses its name
 * is opened before (fs_inode_hold()), and stays so until it is forgotten.
 *
 * A directory that the host moves below one that we still believe below it would make a
 * circle of parents: the older belief goes (fs_inode_set_name()).
 */
#include "vmm/virtio/fs/inode_internal.h"
#include "vmm/virtio/fs/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
	/* Directories without a descriptor above one another; a tree that is walked has them all. */
	DEPTH_MAX = 4096,
};

void fs_inode_drop_name(struct fs_inodes *table, struct fs_inode *inode, struct fs_garbage *g)
{
	struct fs_inode *parent = TAKE_PTR(inode->parent);

	free(TAKE_PTR(inode->name));
	if (parent)
		fs_inode_unref(table, parent, g);
}

void fs_inode_set_name(struct fs_inodes *table, struct fs_inode *inode, struct fs_inode *parent,
		       char *take_name, struct fs_garbage *g)
{
	struct fs_inode *p = parent;

	if (inode->permanent || inode == parent) {
		free(take_name);
		return;
	}
	parent->refs++;
	for (; inode->type == S_IFDIR && p; p = p->parent) {
		if (p->parent == inode) {
			fs_inode_drop_name(table, p, g);
			break;
		}
	}
	fs_inode_drop_name(table, inode, g);
	inode->parent = parent;
	inode->name = take_name;
}

/* --- Names that change --- */

struct fs_inode *fs_inode_hold(struct fs_inodes *table, const struct fs_inode *parent, int dirfd,
			       const char *name)
{
	struct fs_inode_key key = { .share = parent->share, .mount = parent->mount };
	struct fs_inode *inode;
	struct statx st;

	if (!parent->mount || parent->mount->fd >= 0 || fs_stat_name(dirfd, name, &st) < 0 ||
	    st.stx_mnt_id != parent->mount->id)
		return NULL;
	key.st = &st;
	pthread_mutex_lock(&table->lock);
	inode = fs_inode_find(table, &key);
	if (inode)
		fs_inode_use(table, inode);
	pthread_mutex_unlock(&table->lock);
	/* If it can't be opened the guest will have lost it: no reason to refuse what it asks for. */
	if (inode)
		(void)fs_inode_fd(table, inode);
	return inode;
}

void fs_inode_lost_name(struct fs_inodes *table, struct fs_inode *inode, const struct fs_inode *parent,
			const char *name)
{
	_cleanup_garbage_ struct fs_garbage g = { 0 };

	if (!inode)
		return;
	pthread_mutex_lock(&table->lock);
	/* It may have other names, and be known by one of them. */
	if (inode->parent == parent && inode->name && !strcmp(inode->name, name))
		fs_inode_drop_name(table, inode, &g);
	pthread_mutex_unlock(&table->lock);
}

void fs_inode_got_name(struct fs_inodes *table, struct fs_inode *inode, struct fs_inode *parent,
		       const char *name)
{
	_cleanup_garbage_ struct fs_garbage g = { 0 };
	char *copy = inode ? strdup(name) : NULL;

	if (!copy)
		return;
	pthread_mutex_lock(&table->lock);
	fs_inode_set_name(table, inode, parent, copy, &g);
	pthread_mutex_unlock(&table->lock);
}

/* --- Opening --- */

static int open_name(struct fs_inodes *table, const struct fs_inode *inode, int dirfd, const char *name)
{
	_cleanup_close_ int fd = -EBADF;
	struct statx st;
	int r;

	do
		fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	while (fd < 0 && (errno == EMFILE || errno == ENFILE) && fs_inodes_shrink(table));
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? -ESTALE : -errno;
	r = fs_stat_fd(fd, &st);
	if (r < 0)
		return r;
	return fs_inode_is(inode, &st) && st.stx_mnt_id == inode->mount->id ? TAKE_FD(fd) : -ESTALE;
}

/* One step: what has to be opened next on the way to a node, in use; with a copy of its name. */
struct step {
	struct fs_inode *node, *parent;
	char name[FS_NAME_MAX + 1];
};

/* 1: `step` is to be done. 0: the node has a descriptor. */
static int next_step(struct fs_inodes *table, struct fs_inode *inode, struct step *step)
{
	struct fs_inode *p = inode;

	if (inode->fd >= 0)
		return 0;
	for (unsigned depth = 0; p->parent && p->parent->fd < 0; depth++) {
		if (depth == DEPTH_MAX)
			return -ESTALE;
		p = p->parent;
	}
	if (!p->parent)
		return -ESTALE;
	step->node = p;
	step->parent = p->parent;
	snprintf(step->name, sizeof(step->name), "%s", p->name);
	fs_inode_use(table, step->node);
	fs_inode_use(table, step->parent);
	return 1;
}

/* The descriptor is the node's; 0 also when the name has changed meanwhile: try again. */
static int do_step(struct fs_inodes *table, const struct step *step)
{
	_cleanup_garbage_ struct fs_garbage g = { 0 };
	_cleanup_close_ int fd = open_name(table, step->node, step->parent->fd, step->name);
	int r = fd < 0 ? fd : 0;

	pthread_mutex_lock(&table->lock);
	/* Another worker may have been faster; ours is closed then. */
	if (r == 0 && step->node->fd < 0)
		step->node->fd = TAKE_FD(fd);
	else if (r == -ESTALE && (step->node->parent != step->parent || !step->node->name ||
				  strcmp(step->node->name, step->name) != 0))
		r = 0;
	fs_inode_unuse(table, step->parent, &g);
	pthread_mutex_unlock(&table->lock);
	return r;
}

int fs_inode_fd_by_name(struct fs_inodes *table, struct fs_inode *inode)
{
	struct fs_inode *held = NULL; /* so that what was opened is still there for the next step */
	int r, fd = -EBADF;

	do {
		struct step step;

		pthread_mutex_lock(&table->lock);
		r = next_step(table, inode, &step);
		fd = inode->fd;
		pthread_mutex_unlock(&table->lock);
		if (held)
			fs_inode_put(table, TAKE_PTR(held));
		if (r > 0) {
			r = do_step(table, &step);
			held = step.node;
			if (r == 0)
				r = 1;
		}
	} while (r > 0);
	if (held)
		fs_inode_put(table, held);
	return r < 0 ? r : fd;
}
