/* SPDX-License-Identifier: Apache-2.0 */
/* copy_tree: see copy_tree.h. */
#include "agent/copy_tree.h"

#include "base/cleanup.h"
#include "base/fd.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 64, CHUNK = 64 << 10 };

static int copy_level(int from, int to, unsigned depth);

static int copy_file(int from, int to, const char *name, const struct stat *st)
{
	_cleanup_close_ int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int out =
		openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	_cleanup_free_ char *buf = malloc(CHUNK);

	if (in < 0 || out < 0)
		return -errno;
	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t n = read(in, buf, CHUNK);
		int r;

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		r = fd_write_all(out, buf, (size_t)n);
		if (r < 0)
			return r;
	}
	/* The owner first: chown() takes set-id bits away. */
	if (fchown(out, st->st_uid, st->st_gid) < 0 || fchmod(out, st->st_mode & 07777) < 0)
		return -errno;
	return 0;
}

static int copy_dir(int from, int to, const char *name, const struct stat *st, unsigned depth)
{
	_cleanup_close_ int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int out = -EBADF;
	int r;

	if (in < 0)
		return -errno;
	if (mkdirat(to, name, 0700) < 0)
		return -errno;
	out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0)
		return -errno;
	r = copy_level(in, out, depth + 1);
	if (r < 0)
		return r;
	if (fchown(out, st->st_uid, st->st_gid) < 0 || fchmod(out, st->st_mode & 07777) < 0)
		return -errno;
	return 0;
}

static int copy_entry(int from, int to, const char *name, unsigned depth)
{
	char target[PATH_MAX];
	struct stat st;
	ssize_t len;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return copy_file(from, to, name, &st);
	case S_IFDIR:
		return copy_dir(from, to, name, &st, depth);
	case S_IFLNK:
		len = readlinkat(from, name, target, sizeof(target) - 1);
		if (len < 0)
			return -errno;
		target[len] = '\0';
		if (symlinkat(target, to, name) < 0)
			return -errno;
		break;
	default:
		if (mknodat(to, name, st.st_mode, st.st_rdev) < 0)
			return -errno;
		if (fchmodat(to, name, st.st_mode & 07777, 0) < 0)
			return -errno;
	}
	return fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_level(int from, int to, unsigned depth)
{
	_cleanup_closedir_ DIR *dir = NULL;
	int fd, r;

	if (depth > DEPTH_MAX)
		return -ELOOP;
	fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close_fd(fd);
		return -ENOMEM;
	}
	for (;;) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return -errno;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		r = copy_entry(from, to, entry->d_name, depth);
		if (r < 0)
			return r;
	}
}

int copy_tree(int from, int to)
{
	return copy_level(from, to, 0);
}
