/* SPDX-License-Identifier: Apache-2.0 */
/* rootpath: see rootpath.h. */
#include "base/rootpath.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { PATH_BYTES = 4096, SYMLINKS_MAX = 40 };

int root_open(int root, const char *path, int flags)
{
	struct open_how how = { .flags = (uint64_t)(flags | O_CLOEXEC),
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	long fd;

	/* EAGAIN: a rename or mount elsewhere raced with "..", openat2(2) */
	for (int tries = 0; tries < 128; tries++) {
		fd = syscall(SYS_openat2, root, path[0] ? path : ".", &how, sizeof(how));
		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			break;
	}
	return -errno;
}

bool path_is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	while (len > 1 && dir[len - 1] == '/')
		len--;
	return !strncmp(path, dir, len) && path[len] == '/';
}

/* Put what a symlink says in the place of `path`'s part [start, end). */
static int follow_symlink(int parent, const char *name, char *path, size_t start, size_t end)
{
	char target[PATH_BYTES], joined[2 * PATH_BYTES];
	ssize_t len = readlinkat(parent, name, target, sizeof(target) - 1);
	int n;

	if (len < 0)
		return -errno;
	target[len] = '\0';
	n = snprintf(joined, sizeof(joined), "%.*s%s%s", target[0] == '/' ? 0 : (int)start, path, target,
		     path + end);
	if (n < 0 || n >= PATH_BYTES)
		return -ENAMETOOLONG;
	memcpy(path, joined, (size_t)n + 1);
	return 0;
}

static int make_at(int parent, const char *name, bool directory, const struct root_new *new)
{
	_cleanup_close_ int fd = -EBADF;

	if (directory) {
		if (mkdirat(parent, name, new->mode) < 0)
			return errno == EEXIST ? 0 : -errno;
	} else {
		fd = openat(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, new->mode);
		if (fd < 0)
			return errno == EEXIST ? 0 : -errno;
	}
	if (new->chown && fchownat(parent, name, new->uid, new->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

int root_make(int root, const char *wanted, bool directory, const struct root_new *new)
{
	struct root_new between = *new;
	char path[PATH_BYTES];
	unsigned symlinks = 0;
	size_t start = 0;
	int fd;

	/* Mostly it is there already. */
	fd = root_open(root, wanted, O_PATH);
	if (fd != -ENOENT)
		return fd;
	if (strlen(wanted) >= sizeof(path))
		return -ENAMETOOLONG;
	strcpy(path, wanted);
	between.mode = 0755;

	/* Each part in turn: path[0, start) exists, path[start, end) is the part. */
	for (;;) {
		_cleanup_close_ int parent = -EBADF, part = -EBADF;
		char prefix[PATH_BYTES], name[PATH_BYTES];
		size_t end;
		bool last;
		int r;

		start += strspn(path + start, "/");
		if (!path[start])
			break;
		end = start + strcspn(path + start, "/");
		last = path[end + strspn(path + end, "/")] == '\0';

		snprintf(prefix, sizeof(prefix), "%.*s", (int)end, path);
		part = root_open(root, prefix, O_PATH);
		if (part == -ENOENT) {
			struct stat st;

			snprintf(name, sizeof(name), "%.*s", (int)(end - start), path + start);
			prefix[start] = '\0';
			parent = root_open(root, prefix, O_PATH | O_DIRECTORY);
			if (parent < 0)
				return parent;
			if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode)) {
				if (++symlinks > SYMLINKS_MAX)
					return -ELOOP;
				r = follow_symlink(parent, name, path, start, end);
				if (r < 0)
					return r;
				start = 0;
				continue;
			}
			r = make_at(parent, name, directory || !last, last ? new : &between);
			if (r < 0)
				return r;
		} else if (part < 0) {
			return part;
		}
		start = end;
	}
	return root_open(root, path, O_PATH);
}
