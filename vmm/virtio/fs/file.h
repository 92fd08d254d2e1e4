/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file: what the guest has open. The guest names it by its slot's id ("fh").
 *
 * A file is gone when the guest released it and the last operation that uses it
 * has ended.
 */
#ifndef VRUN_VMM_VIRTIO_FS_FILE_H
#define VRUN_VMM_VIRTIO_FS_FILE_H

#include "vmm/virtio/fs/slots.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fs_inode;
struct fs_inodes;

/* Entries read from the host and not yet told to the guest. */
struct fs_dir {
	pthread_mutex_t lock; /* one reader at a time */
	bool known; /* whether `next` is */
	uint64_t next; /* the directory offset of buf[pos] */
	unsigned pos, len;
	uint8_t buf[4096] __attribute__((aligned(8)));
};

struct fs_file {
	uint64_t id; /* the guest's fh */
	struct fs_inode *inode; /* a reference */
	int fd; /* opened for I/O; -1: the synthetic root */
	unsigned refs;
	struct fs_dir *dir; /* NULL: a regular file */
};

struct fs_files {
	pthread_mutex_t lock;
	struct fs_slots slots;
	struct fs_inodes *inodes;
};

int fs_files_init(struct fs_files *files, struct fs_inodes *inodes);
void fs_files_done(struct fs_files *files);
/* Close all, as when the driver starts anew. */
void fs_files_reset(struct fs_files *files);

/* Give the guest an open file. `inode` is borrowed, and referenced; `take_fd` is consumed, even on failure. */
int fs_file_add(struct fs_files *files, struct fs_inode *inode, int take_fd, bool is_dir, uint64_t *ret_id);
/* In use until fs_file_put(). NULL unless `id` is an open file of `inode` and of that kind. */
struct fs_file *fs_file_get(struct fs_files *files, uint64_t id, const struct fs_inode *inode, bool is_dir);
void fs_file_put(struct fs_files *files, struct fs_file *file);
/* The guest closed it. -EBADF as above. */
int fs_file_release(struct fs_files *files, uint64_t id, const struct fs_inode *inode, bool is_dir);

#endif
