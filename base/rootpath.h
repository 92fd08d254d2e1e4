/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootpath: paths below a directory that is somebody's root, such as a container's. They are resolved
 * with openat2(RESOLVE_IN_ROOT): a symlink can lead nowhere else. No message, only -errno.
 */
#ifndef VRUN_BASE_ROOTPATH_H
#define VRUN_BASE_ROOTPATH_H

#include <stdbool.h>
#include <sys/types.h>

/* As openat2() below `root`; `flags` gets O_CLOEXEC. */
int root_open(int root, const char *path, int flags);

/* Is `path` somewhere in `dir`? Of their words alone; slashes at the end of `dir` don't count. */
bool path_is_below(const char *path, const char *dir);

/* What is made has this mode (directories on the way: 0755), and with `chown` this owner. */
struct root_new {
	mode_t mode;
	bool chown;
	uid_t uid;
	gid_t gid;
};

/*
 * Open `path` (O_PATH), made when it is missing: directories for all parts, and a directory or an
 * empty file at the end. Dangling symlinks are followed inside the root, as runc does.
 */
int root_make(int root, const char *path, bool directory, const struct root_new *new);

#endif
