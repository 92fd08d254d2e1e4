/* SPDX-License-Identifier: Apache-2.0 */
/* The FUSE server: malformed requests, negotiation, locks that wait. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "tests/unit/fs_client.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static void start(struct fs_client *c, bool shared_locks, enum vfs_cache cache)
{
	_cleanup_close_ int dir = -EBADF;
	struct vfs_share share = { .name = "rw", .cache = cache };
	const struct vfs_config config = {
		.tag = "t", .shares = &share, .n_shares = 1, .shared_locks = shared_locks
	};

	fs_client_make_dir(c);
	dir = open(c->dir, O_PATH | O_CLOEXEC);
	assert_true(dir >= 0);
	share.fd = dir;
	fs_client_start(c, &config);
}

static int setup(void **state)
{
	struct fs_client *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	start(c, false, VFS_CACHE_AUTO);
	*state = c;
	return 0;
}

static int setup_locks(void **state)
{
	struct fs_client *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	start(c, true, VFS_CACHE_AUTO);
	*state = c;
	return 0;
}

static struct fuse_in_header header(uint32_t opcode, uint32_t len)
{
	return (struct fuse_in_header){ .len = len, .opcode = opcode, .unique = 99, .nodeid = 1 };
}

static int error_of(struct fs_client *c, ssize_t r)
{
	struct fuse_out_header out;

	assert_true(r >= (ssize_t)sizeof(out));
	memcpy(&out, c->out, sizeof(out));
	assert_int_equal(out.unique, 99);
	return out.error;
}

static void what_no_driver_sends_is_a_violation(void **state)
{
	struct fs_client *c = *state;
	struct fuse_in_header h = header(FUSE_GETATTR, 56);
	uint8_t buf[56] = { 0 };

	memcpy(buf, &h, sizeof(h));
	/* no whole header */
	for (size_t len = 0; len < sizeof(h); len++)
		assert_int_equal(fs_client_raw(c, buf, len, 200), -EPROTO);
	/* no room for the reply's */
	for (size_t len = 0; len < sizeof(struct fuse_out_header); len++)
		assert_int_equal(fs_client_raw(c, buf, sizeof(buf), len), -EPROTO);
	/* a length that can't be */
	h.len = sizeof(h) - 1;
	memcpy(buf, &h, sizeof(h));
	assert_int_equal(fs_client_raw(c, buf, sizeof(buf), 200), -EPROTO);
	h = header(9999, sizeof(h));
	memcpy(buf, &h, sizeof(h));
	assert_int_equal(fs_client_raw(c, buf, sizeof(h), 0), -EPROTO);
}

static void other_nonsense_is_answered(void **state)
{
	struct fs_client *c = *state;
	struct fuse_in_header h = header(FUSE_GETATTR, 57);
	uint8_t buf[60] = { 0 };

	/* longer than the chain */
	memcpy(buf, &h, sizeof(h));
	assert_int_equal(error_of(c, fs_client_raw(c, buf, 56, 200)), -EINVAL);
	h.len = UINT32_MAX;
	memcpy(buf, &h, sizeof(h));
	assert_int_equal(error_of(c, fs_client_raw(c, buf, 56, 200)), -EINVAL);
	/* shorter than the chain: the rest is not looked at */
	h.len = 56;
	memcpy(buf, &h, sizeof(h));
	assert_int_equal(error_of(c, fs_client_raw(c, buf, 60, 200)), 0);
	/* unknown operations */
	static const uint32_t unknown[] = {
		0, 7, 19, 37, 40, 41, 48, 49, 51, 52, 4096, 0x80000000, UINT32_MAX
	};
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		h.opcode = unknown[i];
		memcpy(buf, &h, sizeof(h));
		assert_int_equal(error_of(c, fs_client_raw(c, buf, 56, 200)), -ENOSYS);
	}
}

/* Each operation with each body length that is too short, and with bodies of zeros and ones. */
static void every_operation_stands_any_body(void **state)
{
	struct fs_client *c = *state;
	uint8_t buf[300];

	for (uint32_t opcode = 0; opcode < 60; opcode++) {
		/* The disk under the test is shared. */
		if (opcode == FUSE_DESTROY || opcode == FUSE_SYNCFS)
			continue;
		for (uint32_t len = 0; len < 140; len++) {
			for (unsigned kind = 0; kind < 4; kind++) {
				struct fuse_in_header h = header(opcode, (uint32_t)sizeof(h) + len);

				memset(buf, kind == 0 ? 0 : kind == 1 ? 0xff : 'a', sizeof(buf));
				if (kind == 3)
					buf[sizeof(h) + len / 2] = 0;
				h.nodeid = kind == 0 ? FUSE_ROOT_ID : 2;
				memcpy(buf, &h, sizeof(h));
				fs_client_raw(c, buf, h.len, 16 + len);
			}
		}
	}
	assert_int_equal(fs_client_init(c), 0);
}

/* Not a fuzzer: enough to see that random requests leave the server whole. */
static void random_requests_leave_it_whole(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e;
	uint64_t fh, ids[3] = { FUSE_ROOT_ID, 0, 0 };
	uint8_t buf[400];

	srandom(1);
	for (unsigned i = 0; i < 60000; i++) {
		struct fuse_in_header h = header((uint32_t)random() % 53, 0);

		if (i % 5000 == 0) {
			assert_int_equal(fs_client_init(c), 0);
			ids[1] = fs_client_rw(c);
			assert_int_equal(fs_client_create(c, ids[1], "f", O_RDWR, 0644, &e, &fh), 0);
			ids[2] = e.nodeid;
		}
		if (h.opcode == FUSE_DESTROY || h.opcode == FUSE_INIT || h.opcode == FUSE_SYNCFS)
			continue;
		for (size_t k = 0; k < sizeof(buf); k += 4) {
			uint32_t v = (uint32_t)random() >> ((uint32_t)random() % 32);

			memcpy(buf + k, &v, 4);
		}
		h.len = (uint32_t)sizeof(h) + (uint32_t)random() % 200;
		h.nodeid = ids[random() % 3];
		memcpy(buf, &h, sizeof(h));
		if (random() % 2)
			memcpy(buf + sizeof(h), &fh, sizeof(fh)); /* where most have it */
		/* Files stay small: the disk is somebody's. */
		if (h.opcode == FUSE_FALLOCATE || h.opcode == FUSE_WRITE ||
		    h.opcode == FUSE_COPY_FILE_RANGE || h.opcode == FUSE_SETATTR)
			memset(buf + sizeof(h) + 11, 0, 100);
		fs_client_raw(c, buf, h.len, 16 + (size_t)random() % 300);
	}
}

static int init_call(struct fs_client *c, uint32_t major, uint32_t minor, uint32_t flags, size_t len)
{
	struct fuse_init_in in = { .major = major, .minor = minor, .max_readahead = 4711, .flags = flags };

	return fs_client_call(c, FUSE_INIT, 0, &in, len, NULL, 0);
}

static void init_negotiates(void **state)
{
	struct fs_client *c = *state;
	struct fuse_init_out *out;
	struct fuse_attr attr;

	assert_int_equal(init_call(c, 7, 38, UINT32_MAX, 64), 0);
	out = fs_client_reply(c);
	assert_int_equal(c->out_len, sizeof(*out));
	assert_int_equal(out->major, 7);
	assert_int_equal(out->minor, 38);
	assert_int_equal(out->max_readahead, 4711);
	assert_int_equal(out->max_write, 1 << 20);
	assert_int_equal(out->max_pages, 256);
	assert_int_equal(out->time_gran, 1);
	assert_true(out->flags & FUSE_SUBMOUNTS);
	/* Never: what would let the driver by our checks, or break what we keep. */
	assert_false(out->flags & (FUSE_EXPORT_SUPPORT | FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT |
				   FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS | FUSE_WRITEBACK_CACHE |
				   FUSE_MAP_ALIGNMENT | 1u << 31));
	assert_int_equal(out->flags2, 0);
	/* Only what was offered. */
	assert_int_equal(init_call(c, 7, 31, FUSE_ASYNC_READ | FUSE_POSIX_ACL, 16), 0);
	assert_int_equal(out->flags, FUSE_ASYNC_READ);
	assert_int_equal(out->max_write, 32 * 4096);
	/* Older than we speak; and newer, which asks again. */
	assert_int_equal(init_call(c, 7, 30, 0, 16), -EPROTO);
	assert_int_equal(init_call(c, 6, 99, 0, 16), -EPROTO);
	assert_int_equal(init_call(c, 8, 0, UINT32_MAX, 64), 0);
	assert_int_equal(out->major, 7);
	assert_int_equal(out->flags, 0);
	assert_int_equal(init_call(c, 7, 38, 0, 15), -EINVAL);
	assert_int_equal(fs_client_call(c, FUSE_DESTROY, 0, NULL, 0, NULL, 0), 0);
	assert_int_equal(fs_client_getattr(c, FUSE_ROOT_ID, &attr), -ENOTCONN);
}

static void only_the_first_share_is_no_submount(void **state)
{
	struct fs_client *c = calloc(1, sizeof(*c));
	_cleanup_close_ int dir = open("/", O_PATH | O_CLOEXEC),
			    file = open("/proc/self/status", O_PATH | O_CLOEXEC);
	const struct vfs_share shares[] = { { .name = "root", .fd = dir },
					    { .name = "file", .fd = file },
					    { .name = "dir", .fd = dir } };
	const struct vfs_config config = { .tag = "t", .shares = shares, .n_shares = ARRAY_SIZE(shares) };
	struct fuse_entry_out e;

	(void)state;
	assert_non_null(c);
	fs_client_make_dir(c);
	fs_client_start(c, &config);
	assert_int_equal(fs_client_lookup(c, FUSE_ROOT_ID, "root", &e), 0);
	assert_int_equal(e.attr.flags, 0);
	/* What is mounted below it is one. */
	assert_int_equal(fs_client_lookup(c, e.nodeid, "proc", &e), 0);
	assert_int_equal(e.attr.flags, FUSE_ATTR_SUBMOUNT);
	assert_int_equal(fs_client_lookup(c, FUSE_ROOT_ID, "dir", &e), 0);
	assert_int_equal(e.attr.flags, FUSE_ATTR_SUBMOUNT);
	/* A file of another file system in the same superblock: a number that no other file has. */
	assert_int_equal(fs_client_lookup(c, FUSE_ROOT_ID, "file", &e), 0);
	assert_int_equal(e.attr.ino >> 48, 2);
	fs_client_stop(c);
	fs_client_remove_dir(c);
	free(c);
}

static void the_older_setxattr_is_understood(void **state)
{
	struct fs_client *c = *state;
	struct fuse_setxattr_in in = { .size = 1 };
	int r;

	c->init_flags = FUSE_ASYNC_READ;
	assert_int_equal(fs_client_init(c), 0);
	r = fs_client_call(c, FUSE_SETXATTR, fs_client_rw(c), &in, FUSE_COMPAT_SETXATTR_IN_SIZE, "user.a\0v",
			   8);
	assert_true(r == 0 || r == -EOPNOTSUPP);
}

static void bad_configurations_are_refused(void **state)
{
	_cleanup_close_ int dir = open("/", O_PATH | O_CLOEXEC);
	static const char *const names[] = { "", "..", "a/b", NULL };
	struct fs_server *server = NULL;
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct vfs_share share = { .name = names[i], .fd = dir };
		const struct vfs_config config = { .tag = "t", .shares = &share, .n_shares = 1 };

		assert_int_equal(fs_server_new(&config, NULL, NULL, &server, &err), -EINVAL);
	}
	const struct vfs_share twice[] = { { .name = "a", .fd = dir }, { .name = "a", .fd = dir } };
	const struct vfs_config config = { .tag = "t", .shares = twice, .n_shares = 2 };

	assert_int_equal(fs_server_new(&config, NULL, NULL, &server, &err), -EINVAL);
	assert_string_equal(err.text, "two shares are named \"a\"");
	const struct vfs_share closed = { .name = "a", .fd = -1 };
	const struct vfs_config config2 = { .tag = "t", .shares = &closed, .n_shares = 1 };

	assert_int_equal(fs_server_new(&config2, NULL, NULL, &server, &err), -EBADF);
	assert_null(server);
}

static void nobody_else_changes_an_always_share(void **state)
{
	struct fs_client *c = calloc(1, sizeof(*c));
	struct fuse_entry_out e;
	uint64_t fh, rw;
	char back[8];

	(void)state;
	assert_non_null(c);
	start(c, false, VFS_CACHE_ALWAYS);
	assert_true(((struct fuse_init_out *)fs_client_reply(c))->flags & FUSE_WRITEBACK_CACHE);
	rw = fs_client_rw(c);
	/* "Not there" may be kept */
	assert_int_equal(fs_client_lookup(c, rw, "none", &e), 0);
	assert_int_equal(e.nodeid, 0);
	assert_true(e.entry_valid > 1000);
	/* The driver reads what it opened for writing, and appends by itself. */
	assert_int_equal(fs_client_create(c, rw, "f", O_WRONLY | O_APPEND, 0644, &e, &fh), 0);
	assert_int_equal(fs_client_write(c, e.nodeid, fh, 0, "abcd", 4, 0, FUSE_WRITE_CACHE), 4);
	assert_int_equal(fs_client_write(c, e.nodeid, fh, 1, "X", 1, O_APPEND, 0), 1);
	assert_int_equal(fs_client_read(c, e.nodeid, fh, 0, back, 8), 4);
	assert_memory_equal(back, "aXcd", 4);
	fs_client_stop(c);
	fs_client_remove_dir(c);
	free(c);
}

/* --- Locks --- */

static int lock_call(struct fs_client *c, uint32_t opcode, uint64_t nodeid, uint64_t fh, uint64_t owner,
		     uint32_t type, uint64_t begin, uint64_t end, uint32_t flags)
{
	struct fuse_lk_in in = { .fh = fh,
				 .owner = owner,
				 .lk = { .type = type, .start = begin, .end = end },
				 .lk_flags = flags };

	return fs_client_call(c, opcode, nodeid, &in, sizeof(in), NULL, 0);
}

static void posix_locks_belong_to_owners(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e;
	const struct fuse_lk_out *out;
	uint64_t fh, rw = fs_client_rw(c);
	const uint64_t all = INT64_MAX;

	assert_int_equal(fs_client_create(c, rw, "f", O_RDWR, 0644, &e, &fh), 0);
	assert_int_equal(lock_call(c, FUSE_SETLK, e.nodeid, fh, 1, F_WRLCK, 0, 9, 0), 0);
	assert_int_equal(lock_call(c, FUSE_SETLK, e.nodeid, fh, 1, F_WRLCK, 5, 20, 0), 0);
	assert_int_equal(lock_call(c, FUSE_SETLK, e.nodeid, fh, 2, F_RDLCK, 20, 30, 0), -EAGAIN);
	assert_int_equal(lock_call(c, FUSE_SETLK, e.nodeid, fh, 2, F_WRLCK, 21, all, 0), 0);
	assert_int_equal(lock_call(c, FUSE_GETLK, e.nodeid, fh, 2, F_RDLCK, 0, all, 0), 0);
	out = fs_client_reply(c);
	assert_int_equal(out->lk.type, F_WRLCK);
	assert_int_equal(out->lk.start, 0);
	assert_int_equal(out->lk.end, 20);
	assert_int_equal(lock_call(c, FUSE_GETLK, e.nodeid, fh, 3, F_RDLCK, 21, 21, 0), 0);
	assert_int_equal(out->lk.end, INT64_MAX);
	/* The host sees them. */
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/f", c->dir);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
	struct flock fl = { .l_type = F_WRLCK, .l_start = 3, .l_len = 1 };
	assert_int_equal(fcntl(fd, F_SETLK, &fl), -1);
	/* close() by the owner */
	struct fuse_flush_in flush = { .fh = fh, .lock_owner = 1 };
	assert_int_equal(fs_client_call(c, FUSE_FLUSH, e.nodeid, &flush, sizeof(flush), NULL, 0), 0);
	assert_int_equal(fcntl(fd, F_SETLK, &fl), 0);
	assert_int_equal(lock_call(c, FUSE_SETLK, e.nodeid, fh, 2, F_UNLCK, 0, all, 0), 0);
	assert_int_equal(lock_call(c, FUSE_SETLK, e.nodeid, fh, 77, F_UNLCK, 0, all, 0), 0);
	/* Nonsense */
	assert_int_equal(lock_call(c, FUSE_SETLK, e.nodeid, fh, 1, 9, 0, 1, 0), -EINVAL);
	assert_int_equal(lock_call(c, FUSE_SETLK, e.nodeid, fh, 1, F_WRLCK, 2, 1, 0), -EINVAL);
	assert_int_equal(lock_call(c, FUSE_SETLK, e.nodeid, fh, 1, F_WRLCK, 0, UINT64_MAX, 0), -EINVAL);
	assert_int_equal(lock_call(c, FUSE_SETLK, e.nodeid, fh + 1, 1, F_WRLCK, 0, 1, 0), -EBADF);
	assert_int_equal(lock_call(c, FUSE_SETLK, e.nodeid, fh, 1, 9, 0, 1, FUSE_LK_FLOCK), -EINVAL);
	assert_int_equal(lock_call(c, FUSE_SETLK, rw, fh, 1, F_WRLCK, 0, 1, 0), -EOPNOTSUPP);
}

static void who_waits_for_a_lock_is_answered_when_it_is_free(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e;
	uint64_t fh, fh2;

	assert_int_equal(fs_client_create(c, fs_client_rw(c), "f", O_RDWR, 0644, &e, &fh), 0);
	assert_int_equal(fs_client_open(c, e.nodeid, O_RDWR, &fh2), 0);
	assert_int_equal(lock_call(c, FUSE_SETLKW, e.nodeid, fh, 1, F_WRLCK, 0, 9, 0), 0);
	assert_int_equal(fs_server_retry_ms(c->server), -1);
	/* Two readers wait: the server goes on meanwhile. */
	assert_int_equal(lock_call(c, FUSE_SETLKW, e.nodeid, fh, 2, F_RDLCK, 0, 9, 0), FS_KEPT);
	assert_int_equal(lock_call(c, FUSE_SETLKW, e.nodeid, fh, 3, F_RDLCK, 0, 9, 0), FS_KEPT);
	assert_true(fs_server_retry_ms(c->server) > 0);
	fs_server_retry_locks(c->server);
	assert_int_equal(c->completed, 0);
	assert_int_equal(lock_call(c, FUSE_SETLK, e.nodeid, fh, 1, F_UNLCK, 0, 9, 0), 0);
	assert_int_equal(c->completed, 2);
	/* flock: by open file; release is unlock */
	assert_int_equal(lock_call(c, FUSE_SETLK, e.nodeid, fh, 0, F_WRLCK, 0, 0, FUSE_LK_FLOCK), 0);
	assert_int_equal(lock_call(c, FUSE_SETLK, e.nodeid, fh2, 0, F_RDLCK, 0, 0, FUSE_LK_FLOCK), -EAGAIN);
	assert_int_equal(lock_call(c, FUSE_SETLKW, e.nodeid, fh2, 0, F_RDLCK, 0, 0, FUSE_LK_FLOCK), FS_KEPT);
	assert_int_equal(fs_client_release(c, e.nodeid, fh), 0);
	assert_int_equal(c->completed, 3);
	assert_int_equal(fs_server_retry_ms(c->server), -1);
}

static void who_waits_can_be_interrupted(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e;
	struct fuse_interrupt_in in;
	uint64_t fh;

	assert_int_equal(fs_client_create(c, fs_client_rw(c), "f", O_RDWR, 0644, &e, &fh), 0);
	assert_int_equal(lock_call(c, FUSE_SETLK, e.nodeid, fh, 1, F_WRLCK, 0, 9, 0), 0);
	assert_int_equal(lock_call(c, FUSE_SETLKW, e.nodeid, fh, 2, F_RDLCK, 0, 9, 0), FS_KEPT);
	in.unique = c->unique + 1000;
	assert_int_equal(fs_client_call(c, FUSE_INTERRUPT, 0, &in, sizeof(in), NULL, 0), 0);
	assert_int_equal(c->completed, 0);
	in.unique = c->unique - 1;
	assert_int_equal(fs_client_call(c, FUSE_INTERRUPT, 0, &in, sizeof(in), NULL, 0), 0);
	assert_int_equal(c->completed, 1);
	/* Those that are left are dropped silently when guest memory goes, or answered when the driver starts anew. */
	assert_int_equal(lock_call(c, FUSE_SETLKW, e.nodeid, fh, 2, F_RDLCK, 0, 9, 0), FS_KEPT);
	fs_server_drop_kept(c->server);
	assert_int_equal(c->completed, 1);
	assert_int_equal(lock_call(c, FUSE_SETLKW, e.nodeid, fh, 2, F_RDLCK, 0, 9, 0), FS_KEPT);
	assert_int_equal(fs_client_init(c), 0);
	assert_int_equal(c->completed, 2);
}

static void only_so_many_can_wait(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e;
	uint64_t fh;
	unsigned kept = 0;
	int r;

	assert_int_equal(fs_client_create(c, fs_client_rw(c), "f", O_RDWR, 0644, &e, &fh), 0);
	assert_int_equal(lock_call(c, FUSE_SETLK, e.nodeid, fh, 1, F_WRLCK, 0, 9, 0), 0);
	while ((r = lock_call(c, FUSE_SETLKW, e.nodeid, fh, 2, F_WRLCK, 0, 9, 0)) == FS_KEPT)
		kept++;
	assert_int_equal(r, -ENOLCK);
	assert_in_range(kept, 10, 1000);
	fs_server_drop_kept(c->server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_no_driver_sends_is_a_violation, setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(other_nonsense_is_answered, setup, fs_client_teardown),
		cmocka_unit_test_setup_teardown(every_operation_stands_any_body, setup, fs_client_teardown),
		cmocka_unit_test_setup_teardown(every_operation_stands_any_body, setup_locks,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(random_requests_leave_it_whole, setup, fs_client_teardown),
		cmocka_unit_test_setup_teardown(random_requests_leave_it_whole, setup_locks,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(init_negotiates, setup, fs_client_teardown),
		cmocka_unit_test(only_the_first_share_is_no_submount),
		cmocka_unit_test_setup_teardown(the_older_setxattr_is_understood, setup, fs_client_teardown),
		cmocka_unit_test(bad_configurations_are_refused),
		cmocka_unit_test(nobody_else_changes_an_always_share),
		cmocka_unit_test_setup_teardown(posix_locks_belong_to_owners, setup_locks,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(who_waits_for_a_lock_is_answered_when_it_is_free, setup_locks,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(who_waits_can_be_interrupted, setup_locks,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(only_so_many_can_wait, setup_locks, fs_client_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
