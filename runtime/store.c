/* SPDX-License-Identifier: Apache-2.0 */
/* store: directories and locks. See store.h; what is in the files is state.c's and status.c's. */
#include "runtime/store.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"

#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { TEMP_NAME_MAX = 64 };

struct store {
	int fd;
};

int store_from_fd(int take_fd, struct store **ret)
{
	struct store *store = malloc(sizeof(*store));

	if (!store) {
		close_fd(take_fd);
		return -ENOMEM;
	}
	store->fd = take_fd;
	*ret = store;
	return 0;
}

int store_open(const char *path, struct store **ret, struct err *err)
{
	int fd, r;

	r = dir_make_all(AT_FDCWD, path, 0700);
	if (r < 0)
		return err_set_errno(err, r, "state directory %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set_errno(err, -errno, "state directory %s", path);
	r = store_from_fd(fd, ret);
	return r < 0 ? err_set(err, r, "out of memory") : 0;
}

void store_free(struct store *store)
{
	if (!store)
		return;
	close_fd(store->fd);
	free(store);
}

int store_fd(const struct store *store)
{
	return store->fd;
}

void store_dir_close(struct store_dir *dir)
{
	if (!dir)
		return;
	/* The lock is the open file's: a process that we started may still hold a copy of the descriptor. */
	(void)flock(dir->fd, LOCK_UN);
	close_fd(dir->fd);
	free(dir->id);
	free(dir);
}

static int dir_new(const char *id, int take_fd, struct store_dir **ret)
{
	struct store_dir *dir = calloc(1, sizeof(*dir));

	if (dir)
		dir->id = strdup(id);
	if (!dir || !dir->id) {
		free(dir);
		close_fd(take_fd);
		return -ENOMEM;
	}
	dir->fd = take_fd;
	*ret = dir;
	return 0;
}

static bool id_char(char c)
{
	return isalnum((unsigned char)c) || strchr("_+,-.", c);
}

int store_check_id(const char *id, struct err *err)
{
	size_t len = strlen(id);

	if (len == 0)
		return err_set(err, -EINVAL, "container id cannot be empty");
	if (len > STORE_ID_MAX)
		return err_set(err, -EINVAL, "invalid container ID format: longer than %d bytes",
			       STORE_ID_MAX);
	if (!strcmp(id, ".") || !strcmp(id, ".."))
		return err_set(err, -EINVAL, "invalid container ID format: \"%s\"", id);
	for (const char *p = id; *p; p++) {
		if (!id_char(*p))
			return err_set(err, -EINVAL, "invalid container ID format: \"%s\"", id);
	}
	return 0;
}

static int lock_dir(int fd)
{
	while (flock(fd, LOCK_EX) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

/* Make an empty directory under a name of this process's own; what a killed namesake left goes first. */
static int make_temp(struct store *store, char name[static TEMP_NAME_MAX], int *ret_fd)
{
	int fd, r;

	snprintf(name, TEMP_NAME_MAX, "@new-%d", (int)getpid());
	if (mkdirat(store->fd, name, 0711) < 0) {
		if (errno != EEXIST)
			return -errno;
		r = dir_remove_all(store->fd, name);
		if (r < 0)
			return r;
		if (mkdirat(store->fd, name, 0711) < 0)
			return -errno;
	}
	fd = openat(store->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Whatever the caller's umask says. */
	if (fd < 0 || fchmod(fd, 0711) < 0) {
		r = -errno;
		close_fd(fd);
		(void)unlinkat(store->fd, name, AT_REMOVEDIR);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int store_create(struct store *store, const char *id, const char *state, size_t state_len,
		 struct store_dir **ret, struct err *err)
{
	char temp[TEMP_NAME_MAX];
	_cleanup_close_ int fd = -EBADF;
	_cleanup_store_dir_ struct store_dir *dir = NULL;
	int r;

	r = store_check_id(id, err);
	if (r < 0)
		return r;
	r = make_temp(store, temp, &fd);
	if (r < 0)
		return err_set_errno(err, r, "make the container's state directory");
	r = lock_dir(fd);
	if (r == 0)
		r = file_write_atomic(fd, "state.json", state, state_len, 0600);
	if (r == 0)
		r = dir_new(id, TAKE_FD(fd), &dir);
	if (r < 0) {
		dir_remove_all(store->fd, temp);
		return err_set_errno(err, r, "write the container's state");
	}
	if (renameat2(store->fd, temp, store->fd, id, RENAME_NOREPLACE) < 0) {
		r = -errno;
		dir_remove_all(store->fd, temp);
		if (r == -EEXIST)
			return err_set(err, r, "container with given ID already exists");
		return err_set_errno(err, r, "state directory of %s", id);
	}
	*ret = TAKE_PTR(dir);
	return 0;
}

/* Is `fd` still the directory that `id` names? */
static bool dir_is_current(struct store *store, const char *id, int fd)
{
	struct stat held, named;

	if (fstat(fd, &held) < 0 || fstatat(store->fd, id, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

int store_find(struct store *store, const char *id, bool lock, struct store_dir **ret, struct err *err)
{
	int r;

	r = store_check_id(id, err);
	if (r < 0)
		return r;
	for (;;) {
		_cleanup_close_ int fd =
			openat(store->fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0 && (errno == ENOENT || errno == ENAMETOOLONG))
			return err_set(err, -ENOENT, "container does not exist");
		if (fd < 0)
			return err_set_errno(err, -errno, "state directory of %s", id);
		if (lock) {
			r = lock_dir(fd);
			if (r < 0)
				return err_set_errno(err, r, "lock %s", id);
			if (!dir_is_current(store, id, fd))
				continue;
		}
		r = dir_new(id, TAKE_FD(fd), ret);
		return r < 0 ? err_set(err, r, "out of memory") : 0;
	}
}

bool store_is_same(const struct store_dir *a, const struct store_dir *b)
{
	struct stat x, y;

	return fstat(a->fd, &x) == 0 && fstat(b->fd, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

void store_unlock(struct store_dir *dir)
{
	flock(dir->fd, LOCK_UN);
}

int store_remove(struct store *store, struct store_dir *dir, struct err *err)
{
	char gone[TEMP_NAME_MAX];
	int r;

	snprintf(gone, sizeof(gone), "@del-%d", (int)getpid());
	dir_remove_all(store->fd, gone);
	if (renameat(store->fd, dir->id, store->fd, gone) < 0)
		return err_set_errno(err, -errno, "remove the state of %s", dir->id);
	r = dir_remove_all(store->fd, gone);
	/* No descriptor just then, perhaps. What stays all the same is for store_sweep(). */
	if (r < 0)
		r = dir_remove_all(store->fd, gone);
	return r < 0 ? err_set_errno(err, r, "remove the state of %s", dir->id) : 0;
}

/* "@new-PID", "@del-PID": whoever works on it lives, or holds the lock. */
static bool is_abandoned(struct store *store, const char *name)
{
	const char *pid = strncmp(name, "@new-", 5) && strncmp(name, "@del-", 5) ? NULL : name + 5;
	_cleanup_close_ int fd = -EBADF;

	if (!pid || atoi(pid) <= 0 || kill(atoi(pid), 0) == 0 || errno != ESRCH)
		return false;
	fd = openat(store->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Its pid may be that of another pid namespace. */
	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static DIR *open_listing(struct store *store)
{
	/* A stream of its own position, not the shared one of store->fd. */
	int fd = openat(store->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int saved = errno;

	if (!dir)
		close_fd(fd);
	errno = saved;
	return dir;
}

void store_sweep(struct store *store)
{
	_cleanup_closedir_ DIR *dir = open_listing(store);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (is_abandoned(store, entry->d_name))
			dir_remove_all(store->fd, entry->d_name);
	}
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void store_list_free(char **ids)
{
	if (!ids)
		return;
	for (char **p = ids; *p; p++)
		free(*p);
	free(ids);
}

static int list_add(char ***ids, size_t *n, const char *id)
{
	char **grown = realloc(*ids, (*n + 2) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	*ids = grown;
	grown[*n] = strdup(id);
	if (!grown[*n])
		return -ENOMEM;
	grown[++*n] = NULL;
	return 0;
}

int store_list(struct store *store, char ***ret_ids, size_t *ret_n, struct err *err)
{
	_cleanup_closedir_ DIR *dir = open_listing(store);
	char **ids = calloc(1, sizeof(*ids));
	size_t n = 0;
	int r = !dir ? -errno : ids ? 0 : -ENOMEM;

	while (r == 0) {
		const struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (!entry) {
			r = -errno;
			break;
		}
		if (store_check_id(entry->d_name, NULL) == 0)
			r = list_add(&ids, &n, entry->d_name);
	}
	if (r < 0) {
		store_list_free(ids);
		return err_set_errno(err, r, "list the state directory");
	}
	qsort(ids, n, sizeof(*ids), compare_ids);
	*ret_ids = ids;
	*ret_n = n;
	return 0;
}
