/* SPDX-License-Identifier: Apache-2.0 */
/* file: see file.h */
#include "vmm/virtio/fs/file.h"

#include "base/cleanup.h"
#include "vmm/virtio/fs/inode.h"

#include <errno.h>
#include <stdlib.h>

enum { FILES_MAX = 1 << 20 }; /* RLIMIT_NOFILE is nearer in general */

int fs_files_init(struct fs_files *files, struct fs_inodes *inodes)
{
	*files = (struct fs_files){ .inodes = inodes };
	pthread_mutex_init(&files->lock, NULL);
	return fs_slots_init(&files->slots, FILES_MAX);
}

static void file_free(struct fs_files *files, struct fs_file *file)
{
	close_fd(file->fd);
	fs_inode_put_ref(files->inodes, file->inode);
	if (file->dir)
		pthread_mutex_destroy(&file->dir->lock);
	free(file->dir);
	free(file);
}

int fs_file_add(struct fs_files *files, struct fs_inode *inode, int take_fd, bool is_dir, uint64_t *ret_id)
{
	_cleanup_close_ int fd = take_fd;
	struct fs_file *file = calloc(1, sizeof(*file));
	int r;

	if (file && is_dir)
		file->dir = calloc(1, sizeof(*file->dir));
	if (!file || (is_dir && !file->dir)) {
		free(file);
		return -ENOMEM;
	}
	/* All there before the table has it: a hostile guest may guess the id before we reply. */
	if (file->dir)
		pthread_mutex_init(&file->dir->lock, NULL);
	fs_inode_get_ref(files->inodes, inode);
	file->inode = inode;
	file->fd = TAKE_FD(fd);
	file->refs = 1; /* the table's */

	pthread_mutex_lock(&files->lock);
	r = fs_slots_add(&files->slots, file, &file->id);
	if (r == 0)
		*ret_id = file->id;
	pthread_mutex_unlock(&files->lock);
	if (r < 0)
		file_free(files, file);
	return r;
}

static struct fs_file *find(struct fs_files *files, uint64_t id, const struct fs_inode *inode, bool is_dir)
{
	struct fs_file *file = fs_slots_get(&files->slots, id);

	return file && file->inode == inode && !file->dir == !is_dir ? file : NULL;
}

struct fs_file *fs_file_get(struct fs_files *files, uint64_t id, const struct fs_inode *inode, bool is_dir)
{
	struct fs_file *file;

	pthread_mutex_lock(&files->lock);
	file = find(files, id, inode, is_dir);
	if (file)
		file->refs++;
	pthread_mutex_unlock(&files->lock);
	return file;
}

void fs_file_put(struct fs_files *files, struct fs_file *file)
{
	bool last;

	pthread_mutex_lock(&files->lock);
	last = --file->refs == 0;
	pthread_mutex_unlock(&files->lock);
	if (last)
		file_free(files, file);
}

int fs_file_release(struct fs_files *files, uint64_t id, const struct fs_inode *inode, bool is_dir)
{
	struct fs_file *file;

	pthread_mutex_lock(&files->lock);
	file = find(files, id, inode, is_dir);
	if (file)
		fs_slots_del(&files->slots, id);
	pthread_mutex_unlock(&files->lock);
	if (!file)
		return -EBADF;
	fs_file_put(files, file);
	return 0;
}

void fs_files_reset(struct fs_files *files)
{
	uint32_t iter = 0;

	for (;;) {
		struct fs_file *file;

		pthread_mutex_lock(&files->lock);
		file = fs_slots_next(&files->slots, &iter);
		if (file)
			fs_slots_del(&files->slots, file->id);
		pthread_mutex_unlock(&files->lock);
		if (!file)
			return;
		fs_file_put(files, file);
	}
}

void fs_files_done(struct fs_files *files)
{
	if (!files || !files->slots.chunks)
		return;
	fs_files_reset(files);
	fs_slots_done(&files->slots);
	pthread_mutex_destroy(&files->lock);
}
