/* SPDX-License-Identifier: Apache-2.0 */
/* The FUSE server: attributes, open files and their data. */
#include "base/cleanup.h"
#include "base/fd.h"
#include "tests/unit/fs_client.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int setattr(struct fs_client *c, uint64_t nodeid, const struct fuse_setattr_in *in)
{
	return fs_client_call(c, FUSE_SETATTR, nodeid, in, sizeof(*in), NULL, 0);
}

static uint32_t mode_of(struct fs_client *c, uint64_t nodeid)
{
	struct fuse_attr attr;

	assert_int_equal(fs_client_getattr(c, nodeid, &attr), 0);
	return attr.mode & 07777;
}

static void attributes_are_set(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e;
	struct fuse_setattr_in in = { .valid = FATTR_MODE, .mode = 04711 };
	struct fuse_attr attr;
	uint64_t fh, rw = fs_client_rw(c);

	assert_int_equal(fs_client_create(c, rw, "f", O_RDWR, 0644, &e, &fh), 0);
	assert_int_equal(setattr(c, e.nodeid, &in), 0);
	assert_int_equal(mode_of(c, e.nodeid), 04711);
	if (geteuid() == 0) {
		in = (struct fuse_setattr_in){ .valid = FATTR_UID | FATTR_GID, .uid = 7, .gid = 8 };
		assert_int_equal(setattr(c, e.nodeid, &in), 0);
		assert_int_equal(fs_client_getattr(c, e.nodeid, &attr), 0);
		assert_int_equal(attr.uid, 7);
		assert_int_equal(attr.gid, 8);
		/* A new owner takes set-user-ID away, unless the mode comes with it. */
		assert_int_equal(attr.mode & 07777, 0711);
		in = (struct fuse_setattr_in){ .valid = FATTR_UID | FATTR_MODE, .uid = 9, .mode = 06755 };
		assert_int_equal(setattr(c, e.nodeid, &in), 0);
		assert_int_equal(mode_of(c, e.nodeid), 06755);
	}
	in = (struct fuse_setattr_in){ .valid = FATTR_SIZE, .size = 12345 };
	assert_int_equal(setattr(c, e.nodeid, &in), 0);
	in.valid = FATTR_SIZE | FATTR_FH;
	in.fh = fh;
	in.size = 123;
	assert_int_equal(setattr(c, e.nodeid, &in), 0);
	assert_int_equal(fs_client_getattr(c, e.nodeid, &attr), 0);
	assert_int_equal(attr.size, 123);
	in.size = UINT64_MAX;
	assert_int_equal(setattr(c, e.nodeid, &in), -EFBIG);
	assert_int_equal(setattr(c, rw, &in), -EFBIG);
	in.size = 0;
	assert_int_equal(setattr(c, rw, &in), -EISDIR);
}

static void times_have_nanoseconds_and_no_special_values(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e;
	struct fuse_setattr_in in = {
		.valid = FATTR_ATIME | FATTR_MTIME,
		.atime = 1000000000,
		.atimensec = 999999999,
		.mtime = (uint64_t)-5, /* before 1970 */
		.mtimensec = 1,
	};
	uint64_t fh, rw = fs_client_rw(c);
	struct fuse_attr attr;

	assert_int_equal(fs_client_create(c, rw, "f", O_RDWR, 0644, &e, &fh), 0);
	assert_int_equal(setattr(c, e.nodeid, &in), 0);
	assert_int_equal(fs_client_getattr(c, e.nodeid, &attr), 0);
	assert_int_equal(attr.atime, 1000000000);
	assert_int_equal(attr.atimensec, 999999999);
	assert_int_equal((int64_t)attr.mtime, -5);
	assert_int_equal(attr.mtimensec, 1);
	in.mtimensec = UTIME_NOW;
	assert_int_equal(setattr(c, e.nodeid, &in), -EINVAL);
	in.mtimensec = UTIME_OMIT;
	assert_int_equal(setattr(c, e.nodeid, &in), -EINVAL);
	in.mtimensec = 1000000000;
	assert_int_equal(setattr(c, e.nodeid, &in), -EINVAL);
	in = (struct fuse_setattr_in){ .valid = FATTR_ATIME | FATTR_ATIME_NOW };
	assert_int_equal(setattr(c, e.nodeid, &in), 0);
	assert_int_equal(fs_client_getattr(c, e.nodeid, &attr), 0);
	assert_true(attr.atime > 1500000000);
	assert_int_equal((int64_t)attr.mtime, -5);
	/* Of a symlink itself. */
	assert_int_equal(symlink("f", fs_client_host(c, "l")), 0);
	assert_int_equal(fs_client_lookup(c, rw, "l", &e), 0);
	in = (struct fuse_setattr_in){ .valid = FATTR_MTIME, .mtime = 77 };
	assert_int_equal(setattr(c, e.nodeid, &in), 0);
	assert_int_equal(fs_client_getattr(c, e.nodeid, &attr), 0);
	assert_int_equal(attr.mtime, 77);
	in = (struct fuse_setattr_in){ .valid = FATTR_MODE, .mode = 0600 };
	assert_int_equal(setattr(c, e.nodeid, &in), -EOPNOTSUPP);
}

static void data_round_trips_in_large_and_odd_pieces(void **state)
{
	struct fs_client *c = *state;
	const size_t size = 1 << 20;
	_cleanup_free_ uint8_t *data = malloc(size), *back = malloc(size + 10);
	struct fuse_entry_out e;
	uint64_t fh;
	struct stat st;

	assert_true(data && back);
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 13);
	assert_int_equal(fs_client_create(c, fs_client_rw(c), "f", O_RDWR, 0600, &e, &fh), 0);
	assert_int_equal(fs_client_write(c, e.nodeid, fh, 0, data, size, 0, 0), size);
	assert_int_equal(fs_client_write(c, e.nodeid, fh, size, data, 100, 0, 0), 100);
	assert_int_equal(stat(fs_client_host(c, "f"), &st), 0);
	assert_int_equal(st.st_size, size + 100);
	assert_int_equal(fs_client_read(c, e.nodeid, fh, 0, back, size), size);
	assert_memory_equal(back, data, size);
	assert_int_equal(fs_client_read(c, e.nodeid, fh, size, back, 1000), 100);
	assert_memory_equal(back, data, 100);
	assert_int_equal(fs_client_read(c, e.nodeid, fh, size + 100, back, 10), 0);
	assert_int_equal(fs_client_read(c, e.nodeid, fh, 1 << 30, back, 10), 0);
	assert_int_equal(fs_client_write(c, e.nodeid, fh, 3, "", 0, 0, 0), 0);
	assert_int_equal(fs_client_release(c, e.nodeid, fh), 0);
	assert_int_equal(fs_client_read(c, e.nodeid, fh, 0, back, 10), -EBADF);
	assert_int_equal(fs_client_release(c, e.nodeid, fh), -EBADF);
}

static void appending_goes_to_the_true_end(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e;
	uint64_t fh;
	char back[8];

	assert_int_equal(fs_client_create(c, fs_client_rw(c), "f", O_RDWR | O_APPEND, 0600, &e, &fh), 0);
	assert_int_equal(fs_client_write(c, e.nodeid, fh, 0, "ab", 2, O_APPEND, 0), 2);
	/* The guest did not know of the two bytes. */
	assert_int_equal(fs_client_write(c, e.nodeid, fh, 0, "cd", 2, O_APPEND, 0), 2);
	/* fcntl(F_SETFL) took the flag away; and the page cache writes where it means to. */
	assert_int_equal(fs_client_write(c, e.nodeid, fh, 0, "X", 1, 0, 0), 1);
	assert_int_equal(fs_client_write(c, e.nodeid, fh, 1, "Y", 1, O_APPEND, FUSE_WRITE_CACHE), 1);
	assert_int_equal(fs_client_read(c, e.nodeid, fh, 0, back, sizeof(back)), 4);
	assert_memory_equal(back, "XYcd", 4);
}

static void a_write_takes_set_user_id_away_when_told(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e;
	struct fuse_setattr_in in = { .valid = FATTR_MODE, .mode = 06755 };
	uint64_t fh, fh2;

	if (geteuid() != 0)
		skip();
	assert_int_equal(fs_client_create(c, fs_client_rw(c), "f", O_RDWR, 0755, &e, &fh), 0);
	assert_int_equal(setattr(c, e.nodeid, &in), 0);
	/* The driver is not to keep a mode that its own write changes. */
	assert_int_equal(((struct fuse_attr_out *)fs_client_reply(c))->attr_valid, 0);
	assert_int_equal(fs_client_write(c, e.nodeid, fh, 0, "a", 1, 0, 0), 1);
	assert_int_equal(mode_of(c, e.nodeid), 06755);
	assert_int_equal(fs_client_write(c, e.nodeid, fh, 0, "a", 1, 0, FUSE_WRITE_KILL_SUIDGID), 1);
	assert_int_equal(mode_of(c, e.nodeid), 0755);
	/* By truncation */
	assert_int_equal(setattr(c, e.nodeid, &in), 0);
	assert_int_equal(mode_of(c, e.nodeid), 06755);
	struct fuse_setattr_in cut = { .valid = FATTR_SIZE, .size = 0 };
	assert_int_equal(setattr(c, e.nodeid, &cut), 0);
	assert_int_equal(mode_of(c, e.nodeid), 06755);
	cut.valid |= FATTR_KILL_SUIDGID;
	assert_int_equal(setattr(c, e.nodeid, &cut), 0);
	assert_int_equal(mode_of(c, e.nodeid), 0755);
	/* By opening */
	assert_int_equal(setattr(c, e.nodeid, &in), 0);
	assert_int_equal(fs_client_open(c, e.nodeid, O_RDWR | O_TRUNC, &fh2), 0);
	assert_int_equal(mode_of(c, e.nodeid), 06755);
	struct fuse_open_in open_in = { .flags = O_RDWR | O_TRUNC, .open_flags = FUSE_OPEN_KILL_SUIDGID };
	assert_int_equal(fs_client_call(c, FUSE_OPEN, e.nodeid, &open_in, sizeof(open_in), NULL, 0), 0);
	assert_int_equal(mode_of(c, e.nodeid), 0755);
}

static void handles_belong_to_one_node(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out a, b;
	uint64_t fa, fb, rw = fs_client_rw(c);
	char byte;

	assert_int_equal(fs_client_create(c, rw, "a", O_RDWR, 0600, &a, &fa), 0);
	assert_int_equal(fs_client_create(c, rw, "b", O_RDWR, 0600, &b, &fb), 0);
	assert_int_equal(fs_client_read(c, a.nodeid, fb, 0, &byte, 1), -EBADF);
	assert_int_equal(fs_client_write(c, b.nodeid, fa, 0, "x", 1, 0, 0), -EBADF);
	assert_int_equal(fs_client_release(c, b.nodeid, fa), -EBADF);
	assert_int_equal(fs_client_read(c, a.nodeid, 0, 0, &byte, 1), -EBADF);
	assert_int_equal(fs_client_read(c, a.nodeid, UINT64_MAX, 0, &byte, 1), -EBADF);
	/* A file's handle is no directory's. */
	struct fuse_release_in in = { .fh = fa };
	assert_int_equal(fs_client_call(c, FUSE_RELEASEDIR, rw, &in, sizeof(in), NULL, 0), -EBADF);
	assert_int_equal(fs_client_call(c, FUSE_RELEASEDIR, a.nodeid, &in, sizeof(in), NULL, 0), -ENOTDIR);
	/* The handle outlives the node's look-ups, but not its name for the guest. */
	fs_client_forget(c, a.nodeid, 1);
	assert_int_equal(fs_client_read(c, a.nodeid, fa, 0, &byte, 1), -ESTALE);
}

static void a_deleted_file_lives_while_it_is_open(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e;
	struct fuse_attr attr;
	uint64_t fh, rw = fs_client_rw(c);
	struct fuse_setattr_in in = { .valid = FATTR_MODE, .mode = 0600 };
	char back[4];

	assert_int_equal(fs_client_create(c, rw, "f", O_RDWR, 0644, &e, &fh), 0);
	assert_int_equal(fs_client_call(c, FUSE_UNLINK, rw, "f", 2, NULL, 0), 0);
	assert_int_equal(fs_client_write(c, e.nodeid, fh, 0, "abc", 3, 0, 0), 3);
	assert_int_equal(fs_client_read(c, e.nodeid, fh, 0, back, 4), 3);
	assert_int_equal(fs_client_getattr(c, e.nodeid, &attr), 0);
	assert_int_equal(attr.nlink, 0);
	assert_int_equal(attr.size, 3);
	assert_int_equal(setattr(c, e.nodeid, &in), 0);
	assert_int_equal(fs_client_release(c, e.nodeid, fh), 0);
}

static void wrong_sizes_are_refused(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e;
	uint64_t fh;
	char buf[64] = { 0 };

	assert_int_equal(fs_client_create(c, fs_client_rw(c), "f", O_RDWR, 0600, &e, &fh), 0);
	/* More promised than sent. */
	struct fuse_write_in w = { .fh = fh, .size = 65 };
	assert_int_equal(fs_client_call(c, FUSE_WRITE, e.nodeid, &w, sizeof(w), buf, 64), -EINVAL);
	w.size = UINT32_MAX;
	assert_int_equal(fs_client_call(c, FUSE_WRITE, e.nodeid, &w, sizeof(w), buf, 64), -EINVAL);
	w.size = 1;
	w.offset = INT64_MAX;
	assert_int_equal(fs_client_call(c, FUSE_WRITE, e.nodeid, &w, sizeof(w), buf, 64), -EFBIG);
	w.offset = UINT64_MAX;
	assert_int_equal(fs_client_call(c, FUSE_WRITE, e.nodeid, &w, sizeof(w), buf, 64), -EFBIG);
	/* Less room than asked for: that much is read. */
	assert_int_equal(fs_client_write(c, e.nodeid, fh, 0, "abcdef", 6, 0, 0), 6);
	struct fuse_read_in r = { .fh = fh, .size = UINT32_MAX };
	c->room = 3;
	assert_int_equal(fs_client_call(c, FUSE_READ, e.nodeid, &r, sizeof(r), NULL, 0), 0);
	assert_int_equal(c->out_len, 3);
	c->room = 0;
	r.offset = UINT64_MAX;
	assert_int_equal(fs_client_call(c, FUSE_READ, e.nodeid, &r, sizeof(r), NULL, 0), -EINVAL);
	/* No room for the fixed reply: nothing is done. */
	uint64_t rw = fs_client_rw(c);
	c->room = 8;
	assert_int_equal(fs_client_mkdir(c, rw, "d", 0755, &e), -EINVAL);
	c->room = 0;
	assert_int_equal(fs_client_mkdir(c, rw, "d", 0755, &e), 0);
}

static void a_read_only_share_refuses_every_change(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e;
	uint64_t fh, fh2, rw = fs_client_rw(c), ro = fs_client_ro(c);
	struct fuse_setattr_in set = { 0 };
	char byte;

	assert_int_equal(fs_client_create(c, rw, "f", O_RDWR, 0644, &e, &fh), 0);
	assert_int_equal(fs_client_write(c, e.nodeid, fh, 0, "x", 1, 0, 0), 1);
	uint64_t rw_id = e.nodeid;

	assert_int_equal(fs_client_lookup(c, ro, "f", &e), 0);
	assert_int_not_equal(e.nodeid, rw_id);
	static const uint32_t flags[] = { O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC, O_ACCMODE };
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		assert_int_equal(fs_client_open(c, e.nodeid, flags[i], &fh2), -EROFS);
	assert_int_equal(fs_client_open(c, e.nodeid, O_RDONLY, &fh2), 0);
	assert_int_equal(fs_client_read(c, e.nodeid, fh2, 0, &byte, 1), 1);
	assert_int_equal(fs_client_write(c, e.nodeid, fh2, 0, "y", 1, 0, 0), -EROFS);
	/* Nor by the other share's handle. */
	assert_int_equal(fs_client_write(c, e.nodeid, fh, 0, "y", 1, 0, 0), -EROFS);
	for (unsigned bit = 0; bit < 12; bit++) {
		set.valid = 1u << bit;
		assert_int_equal(setattr(c, e.nodeid, &set), -EROFS);
	}
	assert_int_equal(fs_client_create(c, ro, "new", O_RDWR, 0644, &e, &fh2), -EROFS);
	assert_int_equal(fs_client_create(c, ro, "f", O_RDONLY, 0644, &e, &fh2), -EROFS);
	assert_int_equal(fs_client_mkdir(c, ro, "new", 0755, &e), -EROFS);
	assert_int_equal(fs_client_call(c, FUSE_UNLINK, ro, "f", 2, NULL, 0), -EROFS);
	assert_int_equal(fs_client_call(c, FUSE_SYMLINK, ro, "a\0b", 4, NULL, 0), -EROFS);
	assert_int_equal(fs_client_lookup(c, ro, "f", &e), 0);
	struct fuse_setxattr_in x = { .size = 1 };
	assert_int_equal(fs_client_call(c, FUSE_SETXATTR, e.nodeid, &x, sizeof(x), "user.a\0v", 8), -EROFS);
	assert_int_equal(fs_client_call(c, FUSE_REMOVEXATTR, e.nodeid, "user.a", 7, NULL, 0), -EROFS);
	struct fuse_link_in link_in = { .oldnodeid = rw_id };
	assert_int_equal(fs_client_call(c, FUSE_LINK, ro, &link_in, sizeof(link_in), "l", 2), -EROFS);
	/* Out of it, into the other. */
	link_in.oldnodeid = e.nodeid;
	assert_int_equal(fs_client_call(c, FUSE_LINK, rw, &link_in, sizeof(link_in), "l", 2), -EXDEV);
	struct fuse_fallocate_in fa = { .fh = fh2, .length = 10 };
	assert_int_equal(fs_client_call(c, FUSE_FALLOCATE, e.nodeid, &fa, sizeof(fa), NULL, 0), -EROFS);
	struct fuse_copy_file_range_in cp = { .fh_in = fh, .nodeid_out = e.nodeid, .fh_out = fh2, .len = 1 };
	assert_int_equal(fs_client_call(c, FUSE_COPY_FILE_RANGE, rw_id, &cp, sizeof(cp), NULL, 0), -EROFS);
	struct fuse_access_in acc = { .mask = W_OK };
	assert_int_equal(fs_client_call(c, FUSE_ACCESS, e.nodeid, &acc, sizeof(acc), NULL, 0), -EROFS);
	acc.mask = R_OK;
	assert_int_equal(fs_client_call(c, FUSE_ACCESS, e.nodeid, &acc, sizeof(acc), NULL, 0), 0);
}

static void holes_are_made_found_and_copied(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e, e2;
	uint64_t fh, fh2, rw = fs_client_rw(c);
	struct fuse_attr attr;
	char back[8];

	assert_int_equal(fs_client_create(c, rw, "f", O_RDWR, 0600, &e, &fh), 0);
	struct fuse_fallocate_in fa = { .fh = fh, .length = 1 << 20 };
	assert_int_equal(fs_client_call(c, FUSE_FALLOCATE, e.nodeid, &fa, sizeof(fa), NULL, 0), 0);
	assert_int_equal(fs_client_getattr(c, e.nodeid, &attr), 0);
	assert_int_equal(attr.size, 1 << 20);
	fa = (struct fuse_fallocate_in){ .fh = fh,
					 .mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					 .length = 1 << 20 };
	assert_int_equal(fs_client_call(c, FUSE_FALLOCATE, e.nodeid, &fa, sizeof(fa), NULL, 0), 0);
	assert_int_equal(fs_client_write(c, e.nodeid, fh, 512 << 10, "data", 4, 0, 0), 4);
	fa.mode = FALLOC_FL_COLLAPSE_RANGE;
	assert_int_equal(fs_client_call(c, FUSE_FALLOCATE, e.nodeid, &fa, sizeof(fa), NULL, 0), -EOPNOTSUPP);

	struct fuse_lseek_in ls = { .fh = fh, .whence = SEEK_DATA };
	assert_int_equal(fs_client_call(c, FUSE_LSEEK, e.nodeid, &ls, sizeof(ls), NULL, 0), 0);
	assert_int_equal(((struct fuse_lseek_out *)fs_client_reply(c))->offset, 512 << 10);
	ls.whence = SEEK_HOLE;
	assert_int_equal(fs_client_call(c, FUSE_LSEEK, e.nodeid, &ls, sizeof(ls), NULL, 0), 0);
	assert_int_equal(((struct fuse_lseek_out *)fs_client_reply(c))->offset, 0);
	ls.offset = 1 << 21;
	assert_int_equal(fs_client_call(c, FUSE_LSEEK, e.nodeid, &ls, sizeof(ls), NULL, 0), -ENXIO);
	ls.whence = SEEK_CUR;
	assert_int_equal(fs_client_call(c, FUSE_LSEEK, e.nodeid, &ls, sizeof(ls), NULL, 0), -EINVAL);
	ls.whence = 77;
	assert_int_equal(fs_client_call(c, FUSE_LSEEK, e.nodeid, &ls, sizeof(ls), NULL, 0), -EINVAL);

	assert_int_equal(fs_client_create(c, rw, "f2", O_RDWR, 0600, &e2, &fh2), 0);
	struct fuse_copy_file_range_in cp = { .fh_in = fh,
					      .off_in = 512 << 10,
					      .nodeid_out = e2.nodeid,
					      .fh_out = fh2,
					      .off_out = 1,
					      .len = 4 };
	assert_int_equal(fs_client_call(c, FUSE_COPY_FILE_RANGE, e.nodeid, &cp, sizeof(cp), NULL, 0), 0);
	assert_int_equal(((struct fuse_write_out *)fs_client_reply(c))->size, 4);
	assert_int_equal(fs_client_read(c, e2.nodeid, fh2, 0, back, 8), 5);
	assert_memory_equal(back, "\0data", 5);
	cp.flags = 1;
	assert_int_equal(fs_client_call(c, FUSE_COPY_FILE_RANGE, e.nodeid, &cp, sizeof(cp), NULL, 0),
			 -EINVAL);
	cp.flags = 0;
	cp.nodeid_out = 4711;
	assert_int_equal(fs_client_call(c, FUSE_COPY_FILE_RANGE, e.nodeid, &cp, sizeof(cp), NULL, 0),
			 -ESTALE);
	cp.nodeid_out = e.nodeid;
	assert_int_equal(fs_client_call(c, FUSE_COPY_FILE_RANGE, e.nodeid, &cp, sizeof(cp), NULL, 0), -EBADF);
}

static void a_files_data_stays_cached_until_it_changed(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e;
	struct fuse_open_in in = { .flags = O_RDONLY };
	uint64_t fh;
	const struct fuse_open_out *out;

	assert_int_equal(fs_client_create(c, fs_client_rw(c), "f", O_RDWR, 0600, &e, &fh), 0);
	assert_int_equal(fs_client_call(c, FUSE_OPEN, e.nodeid, &in, sizeof(in), NULL, 0), 0);
	out = fs_client_reply(c);
	assert_true(out->open_flags & FOPEN_KEEP_CACHE);
	_cleanup_close_ int fd = open(fs_client_host(c, "f"), O_WRONLY | O_CLOEXEC);
	assert_int_equal(fd_write_all(fd, "changed", 7), 0);
	assert_int_equal(fs_client_call(c, FUSE_OPEN, e.nodeid, &in, sizeof(in), NULL, 0), 0);
	assert_false(out->open_flags & FOPEN_KEEP_CACHE);
	assert_int_equal(fs_client_call(c, FUSE_OPEN, e.nodeid, &in, sizeof(in), NULL, 0), 0);
	assert_true(out->open_flags & FOPEN_KEEP_CACHE);
}

static void the_other_operations_of_an_open_file(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e;
	uint64_t fh, rw = fs_client_rw(c);

	assert_int_equal(fs_client_create(c, rw, "f", O_RDWR | O_SYNC, 0600, &e, &fh), 0);
	struct fuse_fsync_in fs = { .fh = fh };
	assert_int_equal(fs_client_call(c, FUSE_FSYNC, e.nodeid, &fs, sizeof(fs), NULL, 0), 0);
	fs.fsync_flags = FUSE_FSYNC_FDATASYNC;
	assert_int_equal(fs_client_call(c, FUSE_FSYNC, e.nodeid, &fs, sizeof(fs), NULL, 0), 0);
	fs.fh++;
	assert_int_equal(fs_client_call(c, FUSE_FSYNC, e.nodeid, &fs, sizeof(fs), NULL, 0), -EBADF);
	/* Not needed on a local file system: the driver is to stop asking. */
	struct fuse_flush_in fl = { .fh = fh };
	assert_int_equal(fs_client_call(c, FUSE_FLUSH, e.nodeid, &fl, sizeof(fl), NULL, 0), -ENOSYS);
	struct fuse_ioctl_in io = { .fh = fh, .cmd = 0x80086601 };
	assert_int_equal(fs_client_call(c, FUSE_IOCTL, e.nodeid, &io, sizeof(io), NULL, 0), -ENOTTY);
	assert_int_equal(fs_client_call(c, FUSE_STATFS, rw, NULL, 0, NULL, 0), 0);
	assert_true(((struct fuse_statfs_out *)fs_client_reply(c))->st.blocks > 0);
	assert_int_equal(fs_client_call(c, FUSE_STATFS, FUSE_ROOT_ID, NULL, 0, NULL, 0), 0);
	struct fuse_syncfs_in sy = { 0 };
	assert_int_equal(fs_client_call(c, FUSE_SYNCFS, FUSE_ROOT_ID, &sy, sizeof(sy), NULL, 0), 0);
	assert_int_equal(fs_client_call(c, FUSE_SYNCFS, rw, &sy, sizeof(sy), NULL, 0), 0);
	struct fuse_lk_in lk = { .fh = fh };
	assert_int_equal(fs_client_call(c, FUSE_SETLK, e.nodeid, &lk, sizeof(lk), NULL, 0), -ENOSYS);
	assert_int_equal(fs_client_call(c, FUSE_POLL, e.nodeid, "", 0, NULL, 0), -ENOSYS);
}

static void a_file_size_limit_is_an_error(void **state)
{
	struct fs_client *c = *state;
	struct rlimit old, limit;
	struct fuse_entry_out e;
	uint64_t fh;
	sigset_t set;

	/* As the pool does for its workers. */
	sigemptyset(&set);
	sigaddset(&set, SIGXFSZ);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	assert_int_equal(fs_client_create(c, fs_client_rw(c), "f", O_RDWR, 0600, &e, &fh), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = (struct rlimit){ .rlim_cur = 10, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	/* What fits was written, and says so. */
	int part = fs_client_write(c, e.nodeid, fh, 0, "0123456789ab", 12, 0, 0);
	int none = fs_client_write(c, e.nodeid, fh, 10, "c", 1, 0, 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(part, 10);
	assert_int_equal(none, -EFBIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(attributes_are_set, fs_client_setup, fs_client_teardown),
		cmocka_unit_test_setup_teardown(times_have_nanoseconds_and_no_special_values, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(data_round_trips_in_large_and_odd_pieces, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(appending_goes_to_the_true_end, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(a_write_takes_set_user_id_away_when_told, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(handles_belong_to_one_node, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(a_deleted_file_lives_while_it_is_open, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(wrong_sizes_are_refused, fs_client_setup, fs_client_teardown),
		cmocka_unit_test_setup_teardown(a_read_only_share_refuses_every_change, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(holes_are_made_found_and_copied, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(a_files_data_stays_cached_until_it_changed, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(the_other_operations_of_an_open_file, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(a_file_size_limit_is_an_error, fs_client_setup,
						fs_client_teardown),
	};

	/* Once with nodes held by file handle, if we may, and once by name. */
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fs_client_no_handles();
	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
