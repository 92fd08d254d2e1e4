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

static void host_file(const struct fs_client *c, const char *name, const char *text)
{
	_cleanup_close_ int fd =
		open(fs_client_host(c, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

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

	assert_int_equal(symlink("/etc", fs_client_host(c, "out")), 0);
	assert_int_equal(symlink("/etc/passwd", fs_client_host(c, "pw")), 0);
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

static int name_call(struct fs_client *c, uint32_t opcode, uint64_t parent, const char *name)
{
	return fs_client_call(c, opcode, parent, name, strlen(name) + 1, NULL, 0);
}

static int mknod_call(struct fs_client *c, uint64_t parent, const char *name, uint32_t mode, uint32_t rdev,
		      uint32_t mask, struct fuse_entry_out *ret)
{
	struct fuse_mknod_in in = { .mode = mode, .rdev = rdev, .umask = mask };
	int r = fs_client_call(c, FUSE_MKNOD, parent, &in, sizeof(in), name, strlen(name) + 1);

	if (r == 0)
		memcpy(ret, fs_client_reply(c), sizeof(*ret));
	return r;
}

static int rename_call(struct fs_client *c, uint64_t from, const char *name, uint64_t to, const char *name2,
		       uint32_t flags)
{
	struct fuse_rename2_in in = { .newdir = to, .flags = flags };
	char names[600];
	size_t len = (size_t)snprintf(names, sizeof(names), "%s%c%s", name, 0, name2) + 1;

	return fs_client_call(c, FUSE_RENAME2, from, &in, sizeof(in), names, len);
}

static void nodes_of_all_kinds_are_made_and_removed(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e;
	struct fuse_link_in link_in;
	uint64_t rw = fs_client_rw(c);
	struct stat st;

	assert_int_equal(fs_client_mkdir(c, rw, "d", 01755, &e), 0);
	assert_int_equal(e.attr.mode, S_IFDIR | 01755);
	assert_int_equal(e.attr.flags, 0);
	assert_int_equal(fs_client_mkdir(c, rw, "d", 0755, &e), -EEXIST);
	assert_int_equal(mknod_call(c, rw, "reg", S_IFREG | 0640, 0, 0, &e), 0);
	assert_int_equal(e.attr.mode, S_IFREG | 0640);
	link_in.oldnodeid = e.nodeid;
	assert_int_equal(mknod_call(c, rw, "fifo", S_IFIFO | 0600, 0, 0, &e), 0);
	assert_int_equal(e.attr.mode, S_IFIFO | 0600);
	assert_int_equal(mknod_call(c, rw, "sock", S_IFSOCK | 0600, 0, 0, &e), 0);
	assert_int_equal(mknod_call(c, rw, "dir", S_IFDIR | 0700, 0, 0, &e), -EINVAL);
	assert_int_equal(fs_client_call(c, FUSE_SYMLINK, rw, "ln\0../../target", 16, NULL, 0), 0);
	assert_int_equal(lstat(fs_client_host(c, "ln"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(fs_client_call(c, FUSE_SYMLINK, rw, "l2\0target", 9, NULL, 0), -EINVAL);
	assert_int_equal(fs_client_call(c, FUSE_LINK, rw, &link_in, sizeof(link_in), "reg2", 5), 0);
	memcpy(&e, fs_client_reply(c), sizeof(e));
	assert_int_equal(e.nodeid, link_in.oldnodeid);
	assert_int_equal(e.attr.nlink, 2);
	/* A symlink itself can be linked; what it points at is not. */
	assert_int_equal(fs_client_lookup(c, rw, "ln", &e), 0);
	link_in.oldnodeid = e.nodeid;
	assert_int_equal(fs_client_call(c, FUSE_LINK, rw, &link_in, sizeof(link_in), "ln2", 4), 0);
	assert_int_equal(lstat(fs_client_host(c, "ln2"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));

	assert_int_equal(name_call(c, FUSE_RMDIR, rw, "reg"), -ENOTDIR);
	assert_int_equal(name_call(c, FUSE_UNLINK, rw, "d"), -EISDIR);
	assert_int_equal(name_call(c, FUSE_UNLINK, rw, "reg"), 0);
	assert_int_equal(name_call(c, FUSE_UNLINK, rw, "reg"), -ENOENT);
	assert_int_equal(name_call(c, FUSE_RMDIR, rw, "d"), 0);
	assert_int_equal(access(fs_client_host(c, "d"), F_OK), -1);
}

static void device_numbers_keep_their_parts(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e;
	/* new_encode_dev() of 0x123:0x45678 */
	uint32_t rdev = 0x78 | 0x123 << 8 | 0x456 << 20;
	struct stat st;
	int r = mknod_call(c, fs_client_rw(c), "dev", S_IFCHR | 0600, rdev, 0, &e);

	if (r == -EPERM)
		skip(); /* no CAP_MKNOD here */
	assert_int_equal(r, 0);
	assert_int_equal(e.attr.rdev, rdev);
	assert_int_equal(stat(fs_client_host(c, "dev"), &st), 0);
	assert_int_equal(major(st.st_rdev), 0x123);
	assert_int_equal(minor(st.st_rdev), 0x45678);
}

static void what_is_no_file_or_directory_is_never_opened(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e;
	uint64_t fh, rw = fs_client_rw(c);

	/* Opening the FIFO would block for ever. */
	assert_int_equal(mkfifo(fs_client_host(c, "fifo"), 0600), 0);
	assert_int_equal(fs_client_lookup(c, rw, "fifo", &e), 0);
	assert_int_equal(fs_client_open(c, e.nodeid, O_RDONLY, &fh), -EINVAL);
	assert_int_equal(fs_client_open(c, e.nodeid, O_RDWR | O_TRUNC, &fh), -EINVAL);
	assert_int_equal(fs_client_create(c, rw, "fifo", O_RDONLY, 0600, &e, &fh), -ESTALE);
	assert_int_equal(fs_client_lookup(c, rw, "fifo", &e), 0);
	struct fuse_setattr_in set = { .valid = FATTR_SIZE };
	assert_int_equal(fs_client_call(c, FUSE_SETATTR, e.nodeid, &set, sizeof(set), NULL, 0), -EINVAL);
	struct fuse_open_in in = { .flags = O_RDONLY };
	assert_int_equal(fs_client_call(c, FUSE_OPENDIR, e.nodeid, &in, sizeof(in), NULL, 0), -ENOTDIR);
	assert_int_equal(fs_client_open(c, rw, O_RDONLY, &fh), -EISDIR);
}

static void a_type_that_changed_under_a_name_is_noticed(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e, e2;
	struct fuse_attr attr;
	uint64_t rw = fs_client_rw(c), fh;

	host_file(c, "f", "x");
	assert_int_equal(fs_client_lookup(c, rw, "f", &e), 0);
	assert_int_equal(unlink(fs_client_host(c, "f")), 0);
	assert_int_equal(mkfifo(fs_client_host(c, "f"), 0600), 0);
	/* The node is the deleted file, never the FIFO. */
	assert_int_equal(fs_client_open(c, e.nodeid, O_RDONLY, &fh) == 0 &&
				 fs_client_getattr(c, e.nodeid, &attr) == 0 && !S_ISREG(attr.mode),
			 0);
	assert_int_equal(fs_client_lookup(c, rw, "f", &e2), 0);
	assert_true(S_ISFIFO(e2.attr.mode));
	assert_int_not_equal(e.nodeid, e2.nodeid);
}

static void renames_with_each_flag(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out d, e, e2;
	uint64_t rw = fs_client_rw(c), ro = fs_client_ro(c);
	struct stat st;
	int r;

	host_file(c, "a", "a");
	host_file(c, "b", "bb");
	assert_int_equal(fs_client_mkdir(c, rw, "d", 0755, &d), 0);
	assert_int_equal(fs_client_lookup(c, rw, "a", &e), 0);
	assert_int_equal(rename_call(c, rw, "a", d.nodeid, "a2", 0), 0);
	assert_int_equal(fs_client_lookup(c, d.nodeid, "a2", &e2), 0);
	assert_int_equal(e.nodeid, e2.nodeid);
	assert_int_equal(rename_call(c, d.nodeid, "a2", rw, "b", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(rename_call(c, d.nodeid, "a2", rw, "b", RENAME_EXCHANGE), 0);
	assert_int_equal(stat(fs_client_host(c, "b"), &st), 0);
	assert_int_equal(st.st_size, 1);
	assert_int_equal(rename_call(c, d.nodeid, "a2", rw, "b", RENAME_EXCHANGE | RENAME_NOREPLACE),
			 -EINVAL);
	assert_int_equal(rename_call(c, d.nodeid, "a2", rw, "b", 8), -EINVAL);
	assert_int_equal(rename_call(c, d.nodeid, "none", rw, "x", 0), -ENOENT);
	assert_int_equal(rename_call(c, rw, "b", e.nodeid, "x", 0), -ENOTDIR);
	assert_int_equal(rename_call(c, rw, "b", 12345, "x", 0), -ESTALE);
	assert_int_equal(rename_call(c, rw, "b", rw, "..", 0), -EINVAL);
	/* Into another share, and out of a read-only one. */
	assert_int_equal(rename_call(c, rw, "b", ro, "x", 0), -EXDEV);
	assert_int_equal(rename_call(c, rw, "b", FUSE_ROOT_ID, "x", 0), -EXDEV);
	assert_int_equal(rename_call(c, ro, "b", rw, "x", 0), -EROFS);
	/* What an overlay's upper layer does. */
	r = rename_call(c, rw, "b", rw, "b2", RENAME_WHITEOUT);
	if (r == 0) {
		assert_int_equal(fs_client_lookup(c, rw, "b", &e), 0);
		assert_true(S_ISCHR(e.attr.mode));
		assert_int_equal(e.attr.rdev, 0);
	} else {
		assert_true(r == -EINVAL || r == -EPERM);
	}
}

static void new_files_belong_to_the_caller(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out d, e;
	uint64_t rw = fs_client_rw(c), fh;
	struct stat st;

	if (geteuid() != 0)
		skip();
	/* A directory that only root may write: the guest's kernel has checked, the host does not again. */
	assert_int_equal(fs_client_mkdir(c, rw, "d", 0700, &d), 0);
	c->uid = 1234;
	c->gid = 2345;
	assert_int_equal(fs_client_create(c, d.nodeid, "f", O_RDWR, 0644, &e, &fh), 0);
	assert_int_equal(e.attr.uid, 1234);
	assert_int_equal(e.attr.gid, 2345);
	assert_int_equal(fs_client_mkdir(c, d.nodeid, "sub", 0755, &e), 0);
	assert_int_equal(e.attr.uid, 1234);
	assert_int_equal(mknod_call(c, d.nodeid, "p", S_IFIFO | 0644, 0, 0, &e), 0);
	assert_int_equal(e.attr.gid, 2345);
	assert_int_equal(fs_client_call(c, FUSE_SYMLINK, d.nodeid, "l\0t", 4, NULL, 0), 0);
	assert_int_equal(lstat(fs_client_host(c, "d/l"), &st), 0);
	assert_int_equal(st.st_uid, 1234);
	/* And the thread is itself again. */
	c->uid = c->gid = 0;
	assert_int_equal(fs_client_mkdir(c, d.nodeid, "roots", 0755, &e), 0);
	assert_int_equal(e.attr.uid, 0);
	/* A set-group-ID directory hands its group down. */
	assert_int_equal(chown(fs_client_host(c, "d"), 0, 777), 0);
	assert_int_equal(chmod(fs_client_host(c, "d"), 02755), 0);
	c->uid = 1234;
	c->gid = 2345;
	assert_int_equal(fs_client_mkdir(c, d.nodeid, "sub2", 0755, &e), 0);
	assert_int_equal(e.attr.gid, 777);
	assert_int_equal(e.attr.mode & 07000, 02000);
	assert_int_equal(fs_client_create(c, d.nodeid, "f2", O_RDWR, 0644, &e, &fh), 0);
	assert_int_equal(e.attr.gid, 777);
	c->uid = c->gid = 0;
}

static void the_umask_is_the_callers(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e;
	uint64_t rw = fs_client_rw(c);

	assert_int_equal(mknod_call(c, rw, "f1", S_IFREG | 0666, 0, 027, &e), 0);
	assert_int_equal(e.attr.mode & 07777, 0640);
	assert_int_equal(mknod_call(c, rw, "f2", S_IFREG | 0666, 0, 0, &e), 0);
	assert_int_equal(e.attr.mode & 07777, 0666);
	/* A driver that applies the umask itself. */
	c->init_flags = FUSE_ASYNC_READ;
	assert_int_equal(fs_client_init(c), 0);
	assert_int_equal(mknod_call(c, fs_client_rw(c), "f3", S_IFREG | 0666, 0, 027, &e), 0);
	assert_int_equal(e.attr.mode & 07777, 0666);
}

static void a_second_init_forgets_everything(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e;
	struct fuse_attr attr;
	uint64_t rw = fs_client_rw(c), fh;
	char byte;

	assert_int_equal(fs_client_create(c, rw, "f", O_RDWR, 0644, &e, &fh), 0);
	assert_int_equal(fs_client_init(c), 0);
	assert_int_equal(fs_client_getattr(c, e.nodeid, &attr), -ESTALE);
	assert_int_equal(fs_client_getattr(c, rw, &attr), 0);
	assert_int_equal(fs_client_lookup(c, rw, "f", &e), 0);
	assert_int_equal(fs_client_read(c, e.nodeid, fh, 0, &byte, 1), -EBADF);
	assert_int_equal(fs_client_call(c, FUSE_DESTROY, 0, NULL, 0, NULL, 0), 0);
	assert_int_equal(fs_client_getattr(c, rw, &attr), -ENOTCONN);
	assert_int_equal(fs_client_init(c), 0);
	assert_int_equal(fs_client_getattr(c, rw, &attr), 0);
}

static void a_single_file_is_a_share(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e;
	uint64_t fh;
	char text[16];

	assert_int_equal(fs_client_lookup(c, FUSE_ROOT_ID, "file", &e), 0);
	assert_int_equal(fs_client_open(c, e.nodeid, O_RDWR, &fh), 0);
	assert_int_equal(fs_client_read(c, e.nodeid, fh, 0, text, sizeof(text)), 6);
	assert_memory_equal(text, "single", 6);
	assert_int_equal(fs_client_write(c, e.nodeid, fh, 0, "S", 1, 0, 0), 1);
	assert_int_equal(fs_client_release(c, e.nodeid, fh), 0);
	assert_int_equal(fs_client_lookup(c, e.nodeid, "x", &e), -ENOTDIR);
	assert_int_equal(name_call(c, FUSE_UNLINK, FUSE_ROOT_ID, "file"), -EROFS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_root_lists_shares_and_refuses_changes, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(names_that_are_no_component_are_refused, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(a_symlink_is_never_followed, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(node_ids_are_forgotten_and_go_stale, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(nodes_of_all_kinds_are_made_and_removed, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(device_numbers_keep_their_parts, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(what_is_no_file_or_directory_is_never_opened, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(a_type_that_changed_under_a_name_is_noticed, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(renames_with_each_flag, fs_client_setup, fs_client_teardown),
		cmocka_unit_test_setup_teardown(new_files_belong_to_the_caller, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(the_umask_is_the_callers, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(a_second_init_forgets_everything, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(a_single_file_is_a_share, fs_client_setup,
						fs_client_teardown),
	};

	/* Once with nodes held by file handle, if we may, and once by name. */
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fs_client_no_handles();
	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
