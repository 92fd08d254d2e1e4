/* SPDX-License-Identifier: Apache-2.0 */
/* The FUSE server: look-ups, node ids, and what changes directories. */
#include "base/cleanup.h"
#include "base/fd.h"
#include "tests/unit/fs_client.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int setup(void **state)
{
	struct fs_client *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	fs_client_start(c, NULL);
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	struct fs_client *c = *state;

	fs_client_stop(c);
	fs_client_remove_dir(c);
	free(c);
	return 0;
}

/* A path on the host below the share. */
static const char *host(const struct fs_client *c, const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", c->dir, name);
	return path;
}

static void host_file(const struct fs_client *c, const char *name, const char *text)
{
	_cleanup_close_ int fd = open(host(c, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static void the_root_lists_shares_and_refuses_changes(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out entry;
	struct fuse_attr attr;

	assert_int_equal(fs_client_getattr(c, FUSE_ROOT_ID, &attr), 0);
	assert_int_equal(attr.mode, S_IFDIR | 0555);
	assert_int_equal(attr.ino, 1);
	assert_int_equal(fs_client_lookup(c, FUSE_ROOT_ID, "rw", &entry), 0);
	assert_true(S_ISDIR(entry.attr.mode));
	assert_int_equal(entry.attr.flags, FUSE_ATTR_SUBMOUNT);
	assert_int_equal(fs_client_lookup(c, FUSE_ROOT_ID, "file", &entry), 0);
	assert_true(S_ISREG(entry.attr.mode));
	assert_int_equal(entry.attr.flags, 0);
	assert_int_equal(fs_client_lookup(c, FUSE_ROOT_ID, "none", &entry), -ENOENT);
	assert_int_equal(fs_client_mkdir(c, FUSE_ROOT_ID, "new", 0755, &entry), -EROFS);
	assert_int_equal(fs_client_call(c, FUSE_RMDIR, FUSE_ROOT_ID, "rw", 3, NULL, 0), -EROFS);
	assert_int_equal(fs_client_call(c, FUSE_READLINK, FUSE_ROOT_ID, NULL, 0, NULL, 0), -EPERM);
}

static void names_that_are_no_component_are_refused(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "/", "/etc", "../x", "a/" };
	struct fs_client *c = *state;
	struct fuse_entry_out entry;
	uint64_t rw = fs_client_rw(c);
	char longest[300];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(fs_client_lookup(c, rw, bad[i], &entry), -EINVAL);
		assert_int_equal(fs_client_mkdir(c, rw, bad[i], 0755, &entry), -EINVAL);
		assert_int_equal(fs_client_call(c, FUSE_UNLINK, rw, bad[i], strlen(bad[i]) + 1, NULL, 0),
				 -EINVAL);
		assert_int_equal(fs_client_lookup(c, FUSE_ROOT_ID, bad[i], &entry), -EINVAL);
	}
	memset(longest, 'x', sizeof(longest));
	longest[256] = '\0';
	assert_int_equal(fs_client_lookup(c, rw, longest, &entry), -ENAMETOOLONG);
	longest[255] = '\0';
	assert_int_equal(fs_client_mkdir(c, rw, longest, 0755, &entry), 0);
	/* no NUL at all */
	assert_int_equal(fs_client_call(c, FUSE_LOOKUP, rw, "abc", 3, NULL, 0), -EINVAL);
}

static void a_symlink_is_never_followed(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out entry;
	uint64_t fh, rw = fs_client_rw(c);

	assert_int_equal(symlink("/etc", host(c, "out")), 0);
	assert_int_equal(symlink("/etc/passwd", host(c, "pw")), 0);
	assert_int_equal(fs_client_lookup(c, rw, "out", &entry), 0);
	assert_true(S_ISLNK(entry.attr.mode));
	assert_int_equal(fs_client_lookup(c, entry.nodeid, "passwd", &entry), -ENOTDIR);
	assert_int_equal(fs_client_lookup(c, rw, "pw", &entry), 0);
	assert_int_equal(fs_client_open(c, entry.nodeid, O_RDONLY, &fh), -EINVAL);
	assert_int_equal(fs_client_create(c, rw, "pw", O_RDWR, 0644, &entry, &fh), -ESTALE);
	assert_int_equal(fs_client_call(c, FUSE_READLINK, entry.nodeid, NULL, 0, NULL, 0), 0);
	assert_int_equal(c->out_len, strlen("/etc/passwd"));
	assert_memory_equal(fs_client_reply(c), "/etc/passwd", c->out_len);
}

static void node_ids_are_forgotten_and_go_stale(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out a, b;
	struct fuse_attr attr;
	uint64_t rw = fs_client_rw(c);

	host_file(c, "f", "x");
	assert_int_equal(fs_client_lookup(c, rw, "f", &a), 0);
	assert_int_equal(fs_client_lookup(c, rw, "f", &b), 0);
	assert_int_equal(a.nodeid, b.nodeid);
	fs_client_forget(c, a.nodeid, 1);
	assert_int_equal(fs_client_getattr(c, a.nodeid, &attr), 0);
	fs_client_forget(c, a.nodeid, 1);
	assert_int_equal(fs_client_getattr(c, a.nodeid, &attr), -ESTALE);
	/* The slot is used again, under another id. */
	assert_int_equal(fs_client_lookup(c, rw, "f", &b), 0);
	assert_int_not_equal(a.nodeid, b.nodeid);
	assert_int_equal((uint32_t)a.nodeid, (uint32_t)b.nodeid);
	assert_int_equal(fs_client_getattr(c, a.nodeid, &attr), -ESTALE);
	/* More than was looked up, and what never was. */
	fs_client_forget(c, b.nodeid, UINT64_MAX);
	assert_int_equal(fs_client_getattr(c, b.nodeid, &attr), -ESTALE);
	fs_client_forget(c, b.nodeid, 1);
	fs_client_forget(c, 0, 1);
	fs_client_forget(c, UINT64_MAX, 1);
	/* The root and the shares stay. */
	fs_client_forget(c, FUSE_ROOT_ID, UINT64_MAX);
	fs_client_forget(c, rw, UINT64_MAX);
	assert_int_equal(fs_client_getattr(c, FUSE_ROOT_ID, &attr), 0);
	assert_int_equal(fs_client_getattr(c, rw, &attr), 0);
	assert_int_equal(fs_client_getattr(c, 0, &attr), -ESTALE);
	assert_int_equal(fs_client_getattr(c, 1ULL << 32 | 1, &attr), -ESTALE);
	assert_int_equal(fs_client_getattr(c, 1000000, &attr), -ESTALE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_root_lists_shares_and_refuses_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(names_that_are_no_component_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_symlink_is_never_followed, setup, teardown),
		cmocka_unit_test_setup_teardown(node_ids_are_forgotten_and_go_stale, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
