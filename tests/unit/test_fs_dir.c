/* SPDX-License-Identifier: Apache-2.0 */
/* The FUSE server: directories, extended attributes, many nodes with few descriptors. */
#include "base/cleanup.h"
#include "base/fd.h"
#include "tests/unit/fs_client.h"
#include "tests/unit/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/xattr.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static bool by_name;

static void host_files(const struct fs_client *c, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		char name[32];
		int fd;

		snprintf(name, sizeof(name), "file-%u", i);
		fd = open(fs_client_host(c, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		assert_true(fd >= 0);
		close(fd);
	}
}

static int opendir_call(struct fs_client *c, uint64_t nodeid, uint64_t *ret_fh)
{
	struct fuse_open_in in = { .flags = O_RDONLY | O_DIRECTORY };
	int r = fs_client_call(c, FUSE_OPENDIR, nodeid, &in, sizeof(in), NULL, 0);

	if (r == 0)
		*ret_fh = ((struct fuse_open_out *)fs_client_reply(c))->fh;
	return r;
}

static int readdir_call(struct fs_client *c, bool plus, uint64_t nodeid, uint64_t fh, uint64_t offset,
			uint32_t size)
{
	struct fuse_read_in in = { .fh = fh, .offset = offset, .size = size };

	return fs_client_call(c, plus ? FUSE_READDIRPLUS : FUSE_READDIR, nodeid, &in, sizeof(in), NULL, 0);
}

/* What a whole listing held. */
struct seen {
	unsigned n, dots, calls;
	bool file[1000];
	uint64_t last_nodeid, offset;
};

static void take_entries(struct fs_client *c, bool plus, struct seen *seen)
{
	const uint8_t *p = fs_client_reply(c), *end = p + c->out_len;

	while (p < end) {
		const struct fuse_direntplus *entry = (const void *)p;
		const struct fuse_dirent *dirent = plus ? &entry->dirent : (const void *)p;
		char name[256];

		assert_true(end - p > 24 + (plus ? 128 : 0));
		assert_in_range(dirent->namelen, 1, 255);
		memcpy(name, dirent->name, dirent->namelen);
		name[dirent->namelen] = '\0';
		assert_int_not_equal(dirent->ino, 0);
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
			seen->dots++;
			if (plus)
				assert_int_equal(entry->entry_out.nodeid, 0);
		} else {
			unsigned i;

			assert_int_equal(sscanf(name, "file-%u", &i), 1);
			assert_true(i < ARRAY_SIZE(seen->file) && !seen->file[i]);
			seen->file[i] = true;
			seen->n++;
			assert_int_equal(dirent->type, DT_REG);
			if (plus) {
				assert_int_not_equal(entry->entry_out.nodeid, 0);
				assert_true(S_ISREG(entry->entry_out.attr.mode));
				seen->last_nodeid = entry->entry_out.nodeid;
			}
		}
		seen->offset = dirent->off;
		p += plus ? FUSE_DIRENTPLUS_SIZE(entry) : FUSE_DIRENT_SIZE(dirent);
	}
	assert_ptr_equal(p, end);
}

static void list(struct fs_client *c, bool plus, uint64_t dir, uint64_t fh, uint32_t size, struct seen *seen)
{
	*seen = (struct seen){ 0 };
	for (;;) {
		assert_int_equal(readdir_call(c, plus, dir, fh, seen->offset, size), 0);
		assert_true(c->out_len <= size);
		seen->calls++;
		if (c->out_len == 0)
			return;
		take_entries(c, plus, seen);
	}
}

static void a_directory_is_listed_whole_in_pieces_of_any_size(void **state)
{
	static const uint32_t sizes[] = { 200, 333, 4096, 1 << 20 };
	struct fs_client *c = *state;
	uint64_t fh, rw = fs_client_rw(c);
	struct seen seen;

	host_files(c, 400);
	assert_int_equal(opendir_call(c, rw, &fh), 0);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (int plus = 0; plus < 2; plus++) {
			list(c, plus, rw, fh, sizes[i], &seen);
			assert_int_equal(seen.n, 400);
			assert_int_equal(seen.dots, 2);
		}
	}
	/* As many look-ups as listings with attributes. */
	fs_client_forget(c, seen.last_nodeid, ARRAY_SIZE(sizes) - 1);
	struct fuse_attr attr;
	assert_int_equal(fs_client_getattr(c, seen.last_nodeid, &attr), 0);
	fs_client_forget(c, seen.last_nodeid, 1);
	assert_int_equal(fs_client_getattr(c, seen.last_nodeid, &attr), -ESTALE);
	/* Without room for one entry. */
	assert_int_equal(readdir_call(c, false, rw, fh, 0, 24), -EINVAL);
	assert_int_equal(readdir_call(c, true, rw, fh, 0, 152), -EINVAL);
	assert_int_equal(readdir_call(c, true, rw, fh, 0, 0), -EINVAL);
	c->room = 20;
	assert_int_equal(readdir_call(c, false, rw, fh, 0, 4096), -EINVAL);
	c->room = 0;
	/* From the start again, after new files came. */
	assert_int_equal(unlink(fs_client_host(c, "file-0")), 0);
	list(c, false, rw, fh, 4096, &seen);
	assert_int_equal(seen.n, 399);
	/* Any offset is only an offset. */
	assert_int_equal(readdir_call(c, false, rw, fh, UINT64_MAX, 4096), -EINVAL);
	assert_true(readdir_call(c, false, rw, fh, 12345, 4096) <= 0);
	struct fuse_fsync_in fs = { .fh = fh };
	assert_int_equal(fs_client_call(c, FUSE_FSYNCDIR, rw, &fs, sizeof(fs), NULL, 0), 0);
	struct fuse_release_in rel = { .fh = fh };
	assert_int_equal(fs_client_call(c, FUSE_RELEASEDIR, rw, &rel, sizeof(rel), NULL, 0), 0);
	assert_int_equal(readdir_call(c, false, rw, fh, 0, 4096), -EBADF);
}

static void the_root_is_listed(void **state)
{
	static const char *const names[] = { ".", "..", "file", "rw", "ro" };
	struct fs_client *c = *state;
	uint64_t fh, offset = 0;

	assert_int_equal(opendir_call(c, FUSE_ROOT_ID, &fh), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct fuse_direntplus *entry;

		/* one at a time */
		assert_int_equal(readdir_call(c, true, FUSE_ROOT_ID, fh, offset, 160), 0);
		assert_int_equal(c->out_len, 160);
		entry = fs_client_reply(c);
		assert_int_equal(entry->dirent.namelen, strlen(names[i]));
		assert_memory_equal(entry->dirent.name, names[i], strlen(names[i]));
		assert_int_equal(entry->entry_out.nodeid != 0, i >= 2);
		assert_int_equal(entry->entry_out.attr.flags, i >= 3 ? FUSE_ATTR_SUBMOUNT : 0);
		offset = entry->dirent.off;
	}
	assert_int_equal(readdir_call(c, true, FUSE_ROOT_ID, fh, offset, 160), 0);
	assert_int_equal(c->out_len, 0);
	assert_int_equal(readdir_call(c, true, FUSE_ROOT_ID, fh, UINT64_MAX, 160), 0);
	assert_int_equal(c->out_len, 0);
}

/* --- Extended attributes --- */

static int setxattr_call(struct fs_client *c, uint64_t nodeid, const char *name, const void *value,
			 uint32_t size, uint32_t flags)
{
	_cleanup_free_ char *rest = malloc(strlen(name) + 1 + size);
	struct fuse_setxattr_in in = { .size = size, .flags = flags };

	assert_non_null(rest);
	memcpy(rest, name, strlen(name) + 1);
	memcpy(rest + strlen(name) + 1, value, size);
	return fs_client_call(c, FUSE_SETXATTR, nodeid, &in, sizeof(in), rest, strlen(name) + 1 + size);
}

static int getxattr_call(struct fs_client *c, uint64_t nodeid, const char *name, uint32_t size)
{
	struct fuse_getxattr_in in = { .size = size };

	return fs_client_call(c, FUSE_GETXATTR, nodeid, &in, sizeof(in), name, strlen(name) + 1);
}

static int listxattr_call(struct fs_client *c, uint64_t nodeid, uint32_t size)
{
	struct fuse_getxattr_in in = { .size = size };

	return fs_client_call(c, FUSE_LISTXATTR, nodeid, &in, sizeof(in), NULL, 0);
}

static void extended_attributes_are_the_hosts(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e;
	uint64_t fh, rw = fs_client_rw(c);
	char value[16];
	static char long_name[300];

	assert_int_equal(fs_client_create(c, rw, "f", O_RDWR, 0644, &e, &fh), 0);
	int r = setxattr_call(c, e.nodeid, "user.a", "value", 5, 0);
	if (r == -EOPNOTSUPP)
		skip(); /* tmpfs of an older kernel */
	assert_int_equal(r, 0);
	assert_int_equal(getxattr(fs_client_host(c, "f"), "user.a", value, sizeof(value)), 5);
	assert_memory_equal(value, "value", 5);
	assert_int_equal(setxattr_call(c, e.nodeid, "user.a", "v", 1, XATTR_CREATE), -EEXIST);
	assert_int_equal(setxattr_call(c, e.nodeid, "user.b", "v", 1, XATTR_REPLACE), -ENODATA);
	assert_int_equal(setxattr_call(c, e.nodeid, "user.b", "v", 1, 4), -EINVAL);
	assert_int_equal(setxattr_call(c, e.nodeid, "user.empty", "", 0, 0), 0);

	assert_int_equal(getxattr_call(c, e.nodeid, "user.a", 0), 0);
	assert_int_equal(((struct fuse_getxattr_out *)fs_client_reply(c))->size, 5);
	assert_int_equal(getxattr_call(c, e.nodeid, "user.a", 100), 0);
	assert_int_equal(c->out_len, 5);
	assert_memory_equal(fs_client_reply(c), "value", 5);
	assert_int_equal(getxattr_call(c, e.nodeid, "user.a", 4), -ERANGE);
	assert_int_equal(getxattr_call(c, e.nodeid, "user.a", UINT32_MAX), 0);
	assert_int_equal(getxattr_call(c, e.nodeid, "user.none", 100), -ENODATA);
	assert_int_equal(getxattr_call(c, e.nodeid, "", 100), -ERANGE);
	memset(long_name, 'x', sizeof(long_name) - 1);
	memcpy(long_name, "user.", 5);
	assert_int_equal(getxattr_call(c, e.nodeid, long_name, 100), -ERANGE);

	assert_int_equal(listxattr_call(c, e.nodeid, 0), 0);
	assert_int_equal(((struct fuse_getxattr_out *)fs_client_reply(c))->size, 7 + 11);
	assert_int_equal(listxattr_call(c, e.nodeid, 18), 0);
	assert_int_equal(c->out_len, 18);
	assert_int_equal(listxattr_call(c, e.nodeid, 17), -ERANGE);
	assert_int_equal(fs_client_call(c, FUSE_REMOVEXATTR, e.nodeid, "user.a", 7, NULL, 0), 0);
	assert_int_equal(fs_client_call(c, FUSE_REMOVEXATTR, e.nodeid, "user.a", 7, NULL, 0), -ENODATA);
	/* A value longer than what follows. */
	struct fuse_setxattr_in in = { .size = 100 };
	assert_int_equal(fs_client_call(c, FUSE_SETXATTR, e.nodeid, &in, sizeof(in), "user.a\0v", 8),
			 -EINVAL);
	in.size = UINT32_MAX;
	assert_int_equal(fs_client_call(c, FUSE_SETXATTR, e.nodeid, &in, sizeof(in), "user.a\0v", 8),
			 -EINVAL);
	/* A request too long to be one. */
	static char big[80000];
	memcpy(big, "user.a", 7);
	assert_int_equal(fs_client_call(c, FUSE_SETXATTR, e.nodeid, &in, sizeof(in), big, sizeof(big)),
			 -E2BIG);
}

static void the_hosts_labels_are_out_of_reach(void **state)
{
	static const char *const names[] = { "security.selinux",  "security.ima",    "security.evm",
					     "security.apparmor", "system.nfs4_acl", "btrfs.compression",
					     "nonsense",	  "security.",	     "user" };
	struct fs_client *c = *state;
	struct fuse_entry_out e;
	uint64_t fh;

	assert_int_equal(fs_client_create(c, fs_client_rw(c), "f", O_RDWR, 0644, &e, &fh), 0);
	if (setxattr(fs_client_host(c, "f"), "security.selinux", "label", 6, 0) == 0) {
		assert_int_equal(listxattr_call(c, e.nodeid, 1000), 0);
		assert_int_equal(c->out_len, 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(setxattr_call(c, e.nodeid, names[i], "v", 1, 0), -EOPNOTSUPP);
		assert_int_equal(getxattr_call(c, e.nodeid, names[i], 100), -EOPNOTSUPP);
		assert_int_equal(fs_client_call(c, FUSE_REMOVEXATTR, e.nodeid, names[i], strlen(names[i]) + 1,
						NULL, 0),
				 -EOPNOTSUPP);
	}
	/* Never ENOSYS: the driver would not ask for ACLs again, nor EOPNOTSUPP for those. */
	assert_int_equal(getxattr_call(c, FUSE_ROOT_ID, "system.posix_acl_access", 100), -ENODATA);
	assert_int_equal(getxattr_call(c, e.nodeid, "system.posix_acl_access", 100), -ENODATA);
	assert_int_equal(listxattr_call(c, FUSE_ROOT_ID, 100), 0);
	assert_int_equal(c->out_len, 0);
}

static void a_fifo_has_attributes_without_being_opened(void **state)
{
	struct fs_client *c = *state;
	struct fuse_entry_out e;

	assert_int_equal(mkfifo(fs_client_host(c, "p"), 0600), 0);
	assert_int_equal(fs_client_lookup(c, fs_client_rw(c), "p", &e), 0);
	/* user.* is for files and directories only; it would hang here if it were opened. */
	assert_int_equal(setxattr_call(c, e.nodeid, "user.a", "v", 1, 0), -EPERM);
	int r = setxattr_call(c, e.nodeid, "trusted.a", "v", 1, 0);
	assert_true(r == 0 || r == -EPERM);
	if (r == 0) {
		assert_int_equal(getxattr_call(c, e.nodeid, "trusted.a", 10), 0);
		assert_int_equal(c->out_len, 1);
	}
	/* And the symlink's own, not its target's. */
	assert_int_equal(symlink("p", fs_client_host(c, "l")), 0);
	assert_int_equal(fs_client_lookup(c, fs_client_rw(c), "l", &e), 0);
	assert_int_equal(getxattr_call(c, e.nodeid, "trusted.a", 10), -ENODATA);
}

static void a_default_acl_takes_the_umasks_place(void **state)
{
	/* posix_acl(5) as stored: version 2, then tag, permissions, id; u::rwx g::rwx o::rwx */
	static const uint8_t acl[] = { 2, 0, 0,	  0,   1,   0,	 7,  0, 255, 255, 255, 255, 4,	 0,
				       7, 0, 255, 255, 255, 255, 32, 0, 7,   0,	  255, 255, 255, 255 };
	struct fs_client *c = *state;
	struct fuse_entry_out d, e;
	struct fuse_mknod_in in = { .mode = S_IFREG | 0666, .umask = 077 };
	uint64_t rw = fs_client_rw(c);

	assert_int_equal(fs_client_mkdir(c, rw, "d", 0755, &d), 0);
	if (setxattr_call(c, d.nodeid, "system.posix_acl_default", acl, sizeof(acl), 0) == -EOPNOTSUPP)
		skip();
	assert_int_equal(fs_client_call(c, FUSE_MKNOD, d.nodeid, &in, sizeof(in), "f", 2), 0);
	memcpy(&e, fs_client_reply(c), sizeof(e));
	assert_int_equal(e.attr.mode & 0777, 0666);
	assert_int_equal(fs_client_call(c, FUSE_MKNOD, rw, &in, sizeof(in), "f", 2), 0);
	memcpy(&e, fs_client_reply(c), sizeof(e));
	assert_int_equal(e.attr.mode & 0777, 0600);
}

static void an_acl_can_take_set_group_id_away(void **state)
{
	static const uint8_t acl[] = { 2, 0, 0,	  0,   1,   0,	 7,  0, 255, 255, 255, 255, 4,	 0,
				       5, 0, 255, 255, 255, 255, 32, 0, 5,   0,	  255, 255, 255, 255 };
	struct fs_client *c = *state;
	struct fuse_entry_out e;
	struct fuse_attr attr;
	struct {
		struct fuse_setxattr_in in;
		char name[24];
		uint8_t value[sizeof(acl)];
	} __attribute__((packed)) req = { .in = { .size = sizeof(acl) }, .name = "system.posix_acl_access" };
	uint64_t fh;

	memcpy(req.value, acl, sizeof(acl));
	assert_int_equal(fs_client_create(c, fs_client_rw(c), "f", O_RDWR, 02755, &e, &fh), 0);
	if (fs_client_call(c, FUSE_SETXATTR, e.nodeid, &req, sizeof(req), NULL, 0) == -EOPNOTSUPP)
		skip();
	assert_int_equal(fs_client_getattr(c, e.nodeid, &attr), 0);
	assert_int_equal(attr.mode & 07777, 02755);
	req.in.setxattr_flags = FUSE_SETXATTR_ACL_KILL_SGID;
	assert_int_equal(fs_client_call(c, FUSE_SETXATTR, e.nodeid, &req, sizeof(req), NULL, 0), 0);
	assert_int_equal(fs_client_getattr(c, e.nodeid, &attr), 0);
	assert_int_equal(attr.mode & 07777, 0755);
}

/* --- Descriptors --- */

static unsigned count_fds(void)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	return n;
}

static void many_nodes_take_few_descriptors(void **state)
{
	enum { FILES = 900, LIMIT = 100 };
	struct fs_client *c = calloc(1, sizeof(*c));
	static uint64_t ids[FILES];
	struct rlimit old, limit;
	struct fuse_attr attr;
	unsigned before, opened = 0;
	int r;

	(void)state;
	assert_non_null(c);
	before = count_fds();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	limit = (struct rlimit){ .rlim_cur = LIMIT, .rlim_max = old.rlim_max };
	fs_client_make_dir(c);
	host_files(c, FILES);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	fs_client_start(c, NULL);
	uint64_t fh, rw = fs_client_rw(c);
	for (unsigned i = 0; i < FILES; i++) {
		struct fuse_entry_out e = { 0 };
		char name[32];

		snprintf(name, sizeof(name), "file-%u", i);
		assert_int_equal(fs_client_lookup(c, rw, name, &e), 0);
		ids[i] = e.nodeid;
	}
	for (unsigned i = 0; i < FILES; i++) {
		assert_int_equal(fs_client_getattr(c, ids[i], &attr), 0);
		assert_int_equal(fs_client_open(c, ids[i], O_RDONLY, &fh), 0);
		assert_int_equal(fs_client_release(c, ids[i], fh), 0);
	}
	/* Kept descriptors give way to open files. */
	while ((r = fs_client_open(c, ids[opened], O_RDONLY, &fh)) == 0)
		opened++;
	/* The guest's process has not too many files open; the system has. */
	assert_int_equal(r, -ENFILE);
	/* A node that is known by name is held as long as it is open. */
	assert_true(opened > LIMIT / (by_name ? 4 : 2));
	fs_client_stop(c);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(count_fds(), before);
	fs_client_remove_dir(c);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_directory_is_listed_whole_in_pieces_of_any_size,
						fs_client_setup, fs_client_teardown),
		cmocka_unit_test_setup_teardown(the_root_is_listed, fs_client_setup, fs_client_teardown),
		cmocka_unit_test_setup_teardown(extended_attributes_are_the_hosts, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(the_hosts_labels_are_out_of_reach, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(a_fifo_has_attributes_without_being_opened, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(a_default_acl_takes_the_umasks_place, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test_setup_teardown(an_acl_can_take_set_group_id_away, fs_client_setup,
						fs_client_teardown),
		cmocka_unit_test(many_nodes_take_few_descriptors),
	};
	int failed;

	by_name = !fs_client_has_handles();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fs_client_no_handles();
	by_name = true;
	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
