/* SPDX-License-Identifier: Apache-2.0 */
/* inode: the table; see inode.h. */
#include "vmm/virtio/fs/inode.h"

#include "base/cleanup.h"
#include "vmm/virtio/fs/inode_internal.h"
#include "vmm/virtio/fs/internal.h"
#include "vmm/virtio/fs/mount.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

enum {
	INODES_MAX = 1 << 22, /* a hostile guest's look-ups must not take all memory */
	BUCKETS_MIN = 1024,
};

static void garbage_fd(struct fs_garbage *g, int fd)
{
	if (fd >= 0)
		g->fds[g->n++] = fd;
}

void fs_garbage_done(struct fs_garbage *g)
{
	for (unsigned i = 0; i < g->n; i++)
		close_fd(g->fds[i]);
	while (g->inodes) {
		struct fs_inode *inode = g->inodes;

		g->inodes = inode->hash_next;
		close_fd(inode->fd);
		fs_mount_free(inode->mount);
		fs_lock_owners_free(inode->lock_owners);
		free(inode->name);
		free(inode);
	}
}

/* --- Hash --- */

static uint64_t stx_dev(const struct statx *st)
{
	return makedev(st->stx_dev_major, st->stx_dev_minor);
}

static size_t bucket_of(const struct fs_inodes *table, const struct fs_share *share, uint64_t ino)
{
	uint64_t h = (ino ^ (uint64_t)(uintptr_t)share << 7) * 0x9e3779b97f4a7c15ULL;

	return h >> 32 & (table->n_buckets - 1);
}

static void hash_add(struct fs_inodes *table, struct fs_inode *inode)
{
	struct fs_inode **bucket = &table->buckets[bucket_of(table, inode->share, inode->ino)];

	inode->hash_next = *bucket;
	*bucket = inode;
	table->n++;
}

static void hash_del(struct fs_inodes *table, struct fs_inode *inode)
{
	struct fs_inode **p = &table->buckets[bucket_of(table, inode->share, inode->ino)];

	while (*p != inode)
		p = &(*p)->hash_next;
	*p = inode->hash_next;
	table->n--;
}

/* Twice as many buckets. Without memory for them it goes on as it is, slower. */
static void hash_grow(struct fs_inodes *table)
{
	struct fs_inode **old = table->buckets, **buckets = calloc(2 * table->n_buckets, sizeof(*buckets));
	size_t n_old = table->n_buckets;

	if (!buckets)
		return;
	table->buckets = buckets;
	table->n_buckets *= 2;
	table->n = 0;
	for (size_t i = 0; i < n_old; i++) {
		struct fs_inode *next;

		for (struct fs_inode *inode = old[i]; inode; inode = next) {
			next = inode->hash_next;
			hash_add(table, inode);
		}
	}
	free(old);
}

/* Files of one inode number, one after the other. Where a file system keeps no such time they are one. */
static bool same_birth(const struct fs_inode *inode, const struct statx *st)
{
	return !inode->has_birth || !(st->stx_mask & STATX_BTIME) ||
	       (inode->birth.tv_sec == st->stx_btime.tv_sec && inode->birth.tv_nsec == st->stx_btime.tv_nsec);
}

bool fs_inode_is(const struct fs_inode *inode, const struct statx *st)
{
	return st->stx_ino == inode->ino && stx_dev(st) == inode->dev &&
	       (st->stx_mode & S_IFMT) == inode->type && same_birth(inode, st);
}

static bool key_matches(const struct fs_inode_key *key, const struct fs_inode *inode)
{
	if (inode->ino != key->st->stx_ino || inode->dev != stx_dev(key->st) || inode->share != key->share ||
	    inode->mount != key->mount || inode->type != (key->st->stx_mode & S_IFMT))
		return false;
	/* A descriptor keeps the inode number from being given away; a handle or a name does not. */
	if (inode->handle_len == 0)
		return inode->fd >= 0 || same_birth(inode, key->st);
	return key->handle && inode->handle_len == key->handle->h.handle_bytes &&
	       inode->handle_type == key->handle->h.handle_type &&
	       memcmp(inode->handle, key->handle->h.f_handle, inode->handle_len) == 0;
}

struct fs_inode *fs_inode_find(struct fs_inodes *table, const struct fs_inode_key *key)
{
	struct fs_inode *inode = table->buckets[bucket_of(table, key->share, key->st->stx_ino)];

	while (inode && !key_matches(key, inode))
		inode = inode->hash_next;
	return inode;
}

/* --- Descriptors of idle nodes --- */

static void lru_del(struct fs_inodes *table, struct fs_inode *inode)
{
	if (!inode->in_lru)
		return;
	*(inode->lru_prev ? &inode->lru_prev->lru_next : &table->lru_first) = inode->lru_next;
	*(inode->lru_next ? &inode->lru_next->lru_prev : &table->lru_last) = inode->lru_prev;
	inode->in_lru = false;
	table->n_lru--;
}

static void lru_add(struct fs_inodes *table, struct fs_inode *inode)
{
	inode->lru_prev = NULL;
	inode->lru_next = table->lru_first;
	*(inode->lru_next ? &inode->lru_next->lru_prev : &table->lru_last) = inode;
	table->lru_first = inode;
	inode->in_lru = true;
	table->n_lru++;
}

/* The descriptor that was not used for longest, now the caller's to close; -1: none. */
static int lru_evict(struct fs_inodes *table)
{
	struct fs_inode *inode = table->lru_last;

	if (!inode)
		return -1;
	lru_del(table, inode);
	return TAKE_FD(inode->fd);
}

bool fs_inodes_shrink(struct fs_inodes *table)
{
	int fds[64];
	unsigned n = 0;

	pthread_mutex_lock(&table->lock);
	while (n < ARRAY_SIZE(fds) && table->n_lru > 0)
		fds[n++] = lru_evict(table);
	pthread_mutex_unlock(&table->lock);
	for (unsigned i = 0; i < n; i++)
		close_fd(fds[i]);
	return n > 0;
}

/* --- References; all with the lock held --- */

void fs_inode_use(struct fs_inodes *table, struct fs_inode *inode)
{
	inode->refs++;
	inode->users++;
	lru_del(table, inode);
}

/* The last node of a mount takes it along. */
static void unref_mount(struct fs_inodes *table, struct fs_inode *inode)
{
	struct fs_mount *mount = inode->mount, **p = &table->mounts;

	if (!mount || --mount->refs > 0) {
		inode->mount = NULL;
		return;
	}
	while (*p != mount)
		p = &(*p)->next;
	*p = mount->next;
}

void fs_inode_unref(struct fs_inodes *table, struct fs_inode *inode, struct fs_garbage *g)
{
	/* And its parent, if that was kept for its sake alone; and so on. */
	while (inode && --inode->refs == 0) {
		lru_del(table, inode);
		unref_mount(table, inode);
		inode->hash_next = g->inodes;
		g->inodes = inode;
		inode = TAKE_PTR(inode->parent);
	}
}

/* Nobody uses it now: its descriptor may be closed, if it can be opened again. */
static void make_idle(struct fs_inodes *table, struct fs_inode *inode, struct fs_garbage *g)
{
	if (inode->users > 0 || inode->fd < 0 || inode->in_lru || !fs_inode_can_reopen(inode))
		return;
	lru_add(table, inode);
	if (table->n_lru > table->max_lru)
		garbage_fd(g, lru_evict(table));
}

void fs_inode_unuse(struct fs_inodes *table, struct fs_inode *inode, struct fs_garbage *g)
{
	inode->users--;
	make_idle(table, inode, g);
	fs_inode_unref(table, inode, g);
}

/* The guest knows it no more. The table's own reference goes with it. */
static void drop(struct fs_inodes *table, struct fs_inode *inode, struct fs_garbage *g)
{
	inode->nlookup = 0;
	fs_slots_del(&table->slots, inode->id);
	hash_del(table, inode);
	fs_inode_unref(table, inode, g);
}

static void forget(struct fs_inodes *table, struct fs_inode *inode, uint64_t n, struct fs_garbage *g)
{
	/* More than it may forget: the guest's mistake, and its own loss. */
	inode->nlookup -= n < inode->nlookup ? n : inode->nlookup;
	if (inode->nlookup == 0 && !inode->permanent)
		drop(table, inode, g);
}

struct fs_inode *fs_inode_get(struct fs_inodes *table, uint64_t id)
{
	struct fs_inode *inode;

	pthread_mutex_lock(&table->lock);
	inode = fs_slots_get(&table->slots, id);
	if (inode)
		fs_inode_use(table, inode);
	pthread_mutex_unlock(&table->lock);
	return inode;
}

void fs_inode_put(struct fs_inodes *table, struct fs_inode *inode)
{
	_cleanup_garbage_ struct fs_garbage g = { 0 };

	pthread_mutex_lock(&table->lock);
	fs_inode_unuse(table, inode, &g);
	pthread_mutex_unlock(&table->lock);
}

void fs_inode_put_ref(struct fs_inodes *table, struct fs_inode *inode)
{
	_cleanup_garbage_ struct fs_garbage g = { 0 };

	pthread_mutex_lock(&table->lock);
	inode->opens--;
	make_idle(table, inode, &g);
	fs_inode_unref(table, inode, &g);
	pthread_mutex_unlock(&table->lock);
}

void fs_inode_forget(struct fs_inodes *table, uint64_t id, uint64_t n)
{
	_cleanup_garbage_ struct fs_garbage g = { 0 };
	struct fs_inode *inode;

	pthread_mutex_lock(&table->lock);
	inode = fs_slots_get(&table->slots, id);
	if (inode)
		forget(table, inode, n, &g);
	pthread_mutex_unlock(&table->lock);
}

void fs_inode_unlookup(struct fs_inodes *table, struct fs_inode *inode)
{
	fs_inode_forget(table, inode->id, 1);
}

/* --- New nodes --- */

static struct fs_inode *inode_new(const struct fs_inode_key *key, int fd)
{
	size_t handle_len = key->handle ? key->handle->h.handle_bytes : 0;
	struct fs_inode *inode = calloc(1, sizeof(*inode) + handle_len);

	if (!inode)
		return NULL;
	inode->share = key->share;
	inode->dev = stx_dev(key->st);
	inode->ino = key->st->stx_ino;
	inode->type = key->st->stx_mode & S_IFMT;
	inode->refs = 1; /* the table's */
	inode->has_birth = key->st->stx_mask & STATX_BTIME;
	inode->birth = key->st->stx_btime;
	inode->fd = fd;
	inode->handle_len = (unsigned)handle_len;
	if (handle_len > 0) {
		inode->handle_type = key->handle->h.handle_type;
		memcpy(inode->handle, key->handle->h.f_handle, handle_len);
	}
	return inode;
}

/* A new one in the table. `take_fd` (or -1) is consumed. */
static int add_new(struct fs_inodes *table, const struct fs_inode_key *key, struct fs_mount *mount,
		   int take_fd, struct fs_garbage *g, struct fs_inode **ret)
{
	struct fs_inode *inode = inode_new(key, -1);
	int r = inode ? fs_slots_add(&table->slots, inode, &inode->id) : -ENOMEM;

	if (r < 0) {
		free(inode);
		garbage_fd(g, take_fd);
		return r;
	}
	/* With a handle it is opened when it is needed. */
	if (key->handle)
		garbage_fd(g, take_fd);
	else
		inode->fd = take_fd;
	inode->mount = mount;
	mount->refs++;
	inode->submount = key->parent && (key->parent->mount != mount || key->parent->dev != inode->dev);
	if (table->n >= table->n_buckets)
		hash_grow(table);
	hash_add(table, inode);
	*ret = inode;
	return 0;
}

static bool has_name(const struct fs_inode *inode, const struct fs_inode_key *key)
{
	return inode->parent == key->parent && inode->name && !strcmp(inode->name, key->name);
}

/*
 * Find or make the node, in use, with one look-up more. `take_fd` (or -1, if the key has a
 * handle or a name) is consumed.
 */
static int intern(struct fs_inodes *table, struct fs_inode_key *key, struct fs_mount *mount, int take_fd,
		  struct fs_inode **ret)
{
	_cleanup_garbage_ struct fs_garbage g = { 0 };
	struct fs_inode *inode;
	char *name;
	int r = 0;

	key->mount = mount;
	pthread_mutex_lock(&table->lock);
	inode = fs_inode_find(table, key);
	if (inode)
		garbage_fd(&g, take_fd);
	else
		r = add_new(table, key, mount, take_fd, &g, &inode);
	/* Where it was just found is the best that is known of it. */
	if (r == 0 && key->name && !key->handle && inode->handle_len == 0 && !has_name(inode, key)) {
		name = strdup(key->name);
		if (name) {
			fs_inode_set_name(table, inode, key->parent, name, &g);
		} else if (inode->nlookup == 0 && inode->fd < 0) {
			drop(table, inode, &g);
			r = -ENOMEM;
		}
	}
	if (r == 0) {
		fs_inode_use(table, inode);
		inode->nlookup++;
		*ret = inode;
	}
	pthread_mutex_unlock(&table->lock);
	return r;
}

/* The mount with one reference more, looked at if it is new. */
static int mount_get(struct fs_inodes *table, int fd, const struct statx *st, struct fs_mount **ret)
{
	struct fs_mount *mount, *fresh = NULL;
	int r;

	for (;;) {
		pthread_mutex_lock(&table->lock);
		for (mount = table->mounts; mount && mount->id != st->stx_mnt_id; mount = mount->next)
			;
		if (mount && (mount->probed || !S_ISDIR(st->stx_mode))) {
			mount->refs++;
		} else if (mount && fresh) {
			/* Known by a single file so far. */
			mount->fd = fresh->fd;
			mount->probed = true;
			fresh->fd = -1;
			mount->refs++;
		} else if (mount) {
			mount = NULL;
		} else if (fresh) {
			mount = TAKE_PTR(fresh);
			mount->next = table->mounts;
			table->mounts = mount;
		}
		pthread_mutex_unlock(&table->lock);
		if (mount)
			break;
		r = fs_mount_probe(fd, st, !table->no_handles, &fresh);
		if (r < 0)
			return r;
	}
	fs_mount_free(fresh);
	*ret = mount;
	return 0;
}

static void mount_put(struct fs_inodes *table, struct fs_mount *mount)
{
	struct fs_mount **p;

	pthread_mutex_lock(&table->lock);
	if (--mount->refs > 0) {
		mount = NULL;
	} else {
		for (p = &table->mounts; *p != mount; p = &(*p)->next)
			;
		*p = mount->next;
	}
	pthread_mutex_unlock(&table->lock);
	fs_mount_free(mount);
}

/* The node of an O_PATH descriptor, which is consumed; `name` in `parent`, or NULL. */
static int intern_fd(struct fs_inodes *table, struct fs_share *share, struct fs_inode *parent,
		     const char *name, int take_fd, struct statx *ret_st, struct fs_inode **ret)
{
	_cleanup_close_ int fd = take_fd;
	struct fs_inode_key key = { .share = share, .st = ret_st, .parent = parent, .name = name };
	union fs_handle handle;
	struct fs_mount *mount;
	uint64_t id;
	int r;

	r = fs_stat_fd(fd, ret_st);
	if (r < 0)
		return r;
	r = mount_get(table, fd, ret_st, &mount);
	if (r < 0)
		return r;
	if (mount->fd >= 0 && fs_handle_of(fd, "", &handle, &id) == 0)
		key.handle = &handle;
	r = intern(table, &key, mount, TAKE_FD(fd), ret);
	mount_put(table, mount);
	return r;
}

/*
 * The usual case, without a descriptor: by handle, or by name. The name may have changed hands since `st`
 * was taken: then the node's handle or name and its type don't belong together, which
 * fs_inode_fd() finds.
 */
static int intern_name(struct fs_inodes *table, struct fs_inode *parent, int dirfd, const char *name,
		       struct statx *st, struct fs_inode **ret)
{
	struct fs_inode_key key = { .share = parent->share, .st = st, .parent = parent, .name = name };
	union fs_handle handle;
	uint64_t id;
	int r;

	if (st->stx_mnt_id != parent->mount->id)
		return -EXDEV;
	if (parent->mount->fd >= 0) {
		r = fs_handle_of(dirfd, name, &handle, &id);
		if (r < 0 || id != st->stx_mnt_id)
			return -EXDEV;
		key.handle = &handle;
	}
	return intern(table, &key, parent->mount, -1, ret);
}

int fs_inode_lookup(struct fs_inodes *table, struct fs_inode *parent, int dirfd, const char *name,
		    struct statx *ret_st, struct fs_inode **ret)
{
	struct statx st;
	int fd, r;

	/* A directory of the host can hold longer ones than a guest can name. */
	if (strlen(name) > FS_NAME_MAX)
		return -ENAMETOOLONG;
	r = fs_stat_name(dirfd, name, &st);
	if (r < 0)
		return r;
	r = intern_name(table, parent, dirfd, name, &st, ret);
	if (r == -EXDEV) {
		fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		r = intern_fd(table, parent->share, parent, name, fd, &st, ret);
	}
	if (r == 0)
		*ret_st = st;
	return r;
}

int fs_inode_adopt(struct fs_inodes *table, struct fs_inode *parent, int fd, const char *name,
		   struct statx *ret_st, struct fs_inode **ret)
{
	struct fs_inode_key key = { .share = parent->share, .st = ret_st, .parent = parent, .name = name };
	union fs_handle handle;
	char path[16];
	uint64_t id;
	int path_fd, r;

	r = fs_stat_fd(fd, ret_st);
	if (r < 0)
		return r;
	if (ret_st->stx_mnt_id == parent->mount->id && parent->mount->fd >= 0 &&
	    fs_handle_of(fd, "", &handle, &id) == 0) {
		key.handle = &handle;
		return intern(table, &key, parent->mount, -1, ret);
	}
	/* A node is held by O_PATH: what is open here belongs to a file handle. */
	snprintf(path, sizeof(path), "%d", fd);
	path_fd = openat(table->proc_fd, path, O_PATH | O_CLOEXEC);
	if (path_fd < 0)
		return -errno;
	return intern_fd(table, parent->share, parent, name, path_fd, ret_st, ret);
}

/* --- The table --- */

int fs_inodes_init(struct fs_inodes *table, int proc_fd, unsigned max_idle_fds, bool no_handles)
{
	int r;

	*table = (struct fs_inodes){ .proc_fd = proc_fd, .max_lru = max_idle_fds, .no_handles = no_handles };
	pthread_mutex_init(&table->lock, NULL);
	r = fs_slots_init(&table->slots, INODES_MAX);
	if (r < 0)
		return r;
	table->n_buckets = BUCKETS_MIN;
	table->buckets = calloc(table->n_buckets, sizeof(*table->buckets));
	return table->buckets ? 0 : -ENOMEM;
}

int fs_inodes_add_root(struct fs_inodes *table)
{
	struct statx st = { .stx_mode = S_IFDIR, .stx_ino = 1 };
	struct fs_inode_key key = { .st = &st };
	struct fs_inode *inode = inode_new(&key, -1);
	int r;

	if (!inode)
		return -ENOMEM;
	inode->permanent = true;
	r = fs_slots_add(&table->slots, inode, &inode->id);
	if (r < 0) {
		free(inode);
		return r;
	}
	assert(inode->id == 1);
	hash_add(table, inode);
	return 0;
}

int fs_inodes_add_share(struct fs_inodes *table, struct fs_share *share, int fd, bool submount,
			struct fs_inode **ret)
{
	struct fs_inode *inode;
	struct statx st;
	int r, copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (copy < 0)
		return -errno;
	r = intern_fd(table, share, NULL, NULL, copy, &st, &inode);
	if (r < 0)
		return r;
	inode->permanent = true;
	inode->submount = submount && inode->type == S_IFDIR;
	fs_inode_put(table, inode);
	*ret = inode;
	return 0;
}

void fs_inodes_reset(struct fs_inodes *table)
{
	uint32_t iter = 0;

	for (;;) {
		_cleanup_garbage_ struct fs_garbage g = { 0 };
		struct fs_inode *inode;

		pthread_mutex_lock(&table->lock);
		inode = fs_slots_next(&table->slots, &iter);
		if (inode && inode->permanent)
			inode->nlookup = 0;
		else if (inode)
			drop(table, inode, &g);
		pthread_mutex_unlock(&table->lock);
		if (!inode)
			return;
	}
}

void fs_inodes_done(struct fs_inodes *table)
{
	uint32_t iter = 0;
	struct fs_inode *inode;

	if (!table || !table->slots.chunks)
		return;
	while ((inode = fs_slots_next(&table->slots, &iter))) {
		_cleanup_garbage_ struct fs_garbage g = { 0 };

		drop(table, inode, &g);
	}
	assert(!table->mounts);
	free(table->buckets);
	table->buckets = NULL;
	fs_slots_done(&table->slots);
	pthread_mutex_destroy(&table->lock);
}
