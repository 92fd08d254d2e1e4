/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount: the host's mounts that a share reaches, and file handles on them.
 *
 * Opening a file handle takes a descriptor on its mount, which keeps the mount
 * busy on the host: it is held for as long as a node of that mount is known.
 */
#ifndef VRUN_VMM_VIRTIO_FS_MOUNT_H
#define VRUN_VMM_VIRTIO_FS_MOUNT_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct fs_mount {
	struct fs_mount *next;
	uint64_t id; /* statx(2), stx_mnt_id */
	unsigned refs;
	bool probed; /* whether handles work is known; takes a directory of the mount */
	int fd; /* for open_by_handle_at(2); -1: no usable handles here */
};

/* A file handle with room for the longest. */
union fs_handle {
	struct file_handle h;
	char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

/*
 * The handle of `name` in `fd` (no symlinks followed), of `fd` itself when `name` is empty.
 * *ret_mount is the mount it is on.
 */
int fs_handle_of(int fd, const char *name, union fs_handle *ret, uint64_t *ret_mount);

/*
 * Look at the mount of `fd` (O_PATH; `st` is its statx): a new object with one
 * reference, with a descriptor if `handles` are wanted and work. -ENOMEM, -EMFILE.
 */
int fs_mount_probe(int fd, const struct statx *st, bool handles, struct fs_mount **ret);
/* Closes; NULL is fine. */
void fs_mount_free(struct fs_mount *mount);

#endif
