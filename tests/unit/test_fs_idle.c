/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes of which no descriptor is kept: they are found again, by handle or by name,
 * whatever the guest did to their names, and never another file is in their place.
 */
#include "base/cleanup.h"
#include "base/fd.h"
#include "tests/unit/fs_client.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { LIMIT = 120 }; /* of descriptors; the server keeps a quarter for idle nodes */

static bool by_name;
static struct rlimit old_limit;

static int setup(void **state)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old_limit), 0);
	limit = (struct rlimit){ LIMIT, old_limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return fs_client_setup(state);
}

static int teardown(void **state)
{
	setrlimit(RLIMIT_NOFILE, &old_limit);
	return fs_client_teardown(state);
}

static void host_write(const struct fs_client *c, const char *name, const char *text)
{
	int fd = open(fs_client_host(c, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static void host_mkdir(const struct fs_client *c, const char *name)
{
	assert_int_equal(mkdir(fs_client_host(c, name), 0755), 0);
}

static void host_rename(const struct fs_client *c, const char *from, const char *to)
{
	_cleanup_free_ char *old = strdup(fs_client_host(c, from));

	assert_non_null(old);
	assert_int_equal(rename(old, fs_client_host(c, to)), 0);
}

static uint64_t lookup(struct fs_client *c, uint64_t parent, const char *name)
{
	struct fuse_entry_out e;

	assert_int_equal(fs_client_lookup(c, parent, name, &e), 0);
	return e.nodeid;
}

/* So many others are used that nobody's descriptor is left. */
static void make_idle(struct fs_client *c)
{
	struct fuse_attr attr;

	for (unsigned i = 0; i < LIMIT; i++) {
		char name[32];

		snprintf(name, sizeof(name), "other-%u", i);
		host_write(c, name, "");
		assert_int_equal(fs_client_getattr(c, lookup(c, fs_client_rw(c), name), &attr), 0);
	}
}

static int size_of(struct fs_client *c, uint64_t node)
{
	struct fuse_attr attr;
	int r = fs_client_getattr(c, node, &attr);

	return r < 0 ? r : (int)attr.size;
}

static int rename_in_guest(struct fs_client *c, uint64_t from, const char *name, uint64_t to,
			   const char *name2, uint32_t flags)
{
	const struct fuse_rename2_in in = { .newdir = to, .flags = flags };
	char names[64];
	size_t len = strlen(name) + 1;

	memcpy(names, name, len);
	memcpy(names + len, name2, strlen(name2) + 1);
	return fs_client_call(c, FUSE_RENAME2, from, &in, sizeof(in), names, len + strlen(name2) + 1);
}

static void a_deep_tree_is_found_again(void **state)
{
	enum { DEPTH = 300 };
	struct fs_client *c = *state;
	uint64_t node = fs_client_rw(c);
	struct fuse_entry_out e;

	for (unsigned i = 0; i < DEPTH; i++) {
		assert_int_equal(fs_client_mkdir(c, node, "d", 0755, &e), 0);
		node = e.nodeid;
	}
	make_idle(c);
	assert_int_equal(fs_client_mkdir(c, node, "last", 0755, &e), 0);
	assert_true(size_of(c, e.nodeid) >= 0);
}

static void a_node_follows_the_guests_renames(void **state)
{
	struct fs_client *c = *state;
	uint64_t rw = fs_client_rw(c), dir, other, file, second;

	host_mkdir(c, "dir");
	host_mkdir(c, "other");
	host_write(c, "dir/file", "1");
	host_write(c, "dir/second", "22");
	dir = lookup(c, rw, "dir");
	other = lookup(c, rw, "other");
	file = lookup(c, dir, "file");
	second = lookup(c, dir, "second");
	make_idle(c);
	/* the file, then the directory above it, then two files in each other's place */
	assert_int_equal(rename_in_guest(c, dir, "file", other, "moved", 0), 0);
	assert_int_equal(rename_in_guest(c, rw, "other", dir, "below", 0), 0);
	assert_int_equal(rename_in_guest(c, other, "moved", dir, "second", RENAME_EXCHANGE), 0);
	make_idle(c);
	assert_int_equal(size_of(c, file), 1);
	assert_int_equal(size_of(c, second), 2);
	assert_true(size_of(c, other) >= 0);
}

static void a_file_without_a_name_is_still_there(void **state)
{
	struct fs_client *c = *state;
	uint64_t rw = fs_client_rw(c), gone, replaced, linked;
	struct fuse_link_in link = { 0 };

	host_write(c, "gone", "1");
	host_write(c, "replaced", "22");
	host_write(c, "by", "333");
	host_write(c, "one", "4444");
	gone = lookup(c, rw, "gone");
	replaced = lookup(c, rw, "replaced");
	linked = lookup(c, rw, "one");
	make_idle(c);
	link.oldnodeid = linked;
	assert_int_equal(fs_client_call(c, FUSE_LINK, rw, &link, sizeof(link), "two", 4), 0);
	assert_int_equal(fs_client_call(c, FUSE_UNLINK, rw, NULL, 0, "gone", 5), 0);
	assert_int_equal(fs_client_call(c, FUSE_UNLINK, rw, NULL, 0, "two", 4), 0);
	assert_int_equal(rename_in_guest(c, rw, "by", rw, "replaced", 0), 0);
	make_idle(c);
	/* A handle of a deleted file that nobody has open leads nowhere. */
	assert_int_equal(size_of(c, gone), by_name ? 1 : -ESTALE);
	assert_int_equal(size_of(c, replaced), by_name ? 2 : -ESTALE);
	assert_int_equal(size_of(c, linked), 4);
	assert_int_equal(size_of(c, lookup(c, rw, "replaced")), 3);
	/* What could not be removed has its name still. */
	host_mkdir(c, "full");
	host_write(c, "full/file", "");
	gone = lookup(c, rw, "full");
	assert_int_equal(fs_client_call(c, FUSE_RMDIR, rw, NULL, 0, "full", 5), -ENOTEMPTY);
	make_idle(c);
	assert_true(size_of(c, gone) >= 0);
}

static void what_the_host_moves_is_found_at_the_next_look_up(void **state)
{
	struct fs_client *c = *state;
	uint64_t rw = fs_client_rw(c), dir, file, again;

	host_mkdir(c, "dir");
	host_write(c, "dir/file", "1");
	dir = lookup(c, rw, "dir");
	file = lookup(c, dir, "file");
	make_idle(c);
	host_rename(c, "dir", "elsewhere");
	/* A handle leads to the file wherever it is. */
	assert_int_equal(size_of(c, file), by_name ? -ESTALE : 1);
	again = lookup(c, rw, "elsewhere");
	assert_int_equal(again, dir);
	assert_int_equal(size_of(c, file), 1);
}

static void another_file_in_its_place_is_not_taken_for_it(void **state)
{
	struct fs_client *c = *state;
	uint64_t rw = fs_client_rw(c), file, link;

	host_write(c, "file", "1");
	host_write(c, "link", "1");
	file = lookup(c, rw, "file");
	link = lookup(c, rw, "link");
	make_idle(c);
	/* The inode's number may well be the same. */
	assert_int_equal(unlink(fs_client_host(c, "file")), 0);
	host_write(c, "file", "22");
	assert_int_equal(unlink(fs_client_host(c, "link")), 0);
	assert_int_equal(symlink("/etc/passwd", fs_client_host(c, "link")), 0);
	assert_int_equal(size_of(c, file), -ESTALE);
	assert_int_equal(size_of(c, link), -ESTALE);
	assert_true(lookup(c, rw, "file") != file);
	assert_int_equal(size_of(c, lookup(c, rw, "file")), 2);
}

/* A below B as we knew it; on the host B is below A by now. */
static void a_circle_of_old_beliefs_is_broken(void **state)
{
	struct fs_client *c = *state;
	uint64_t rw = fs_client_rw(c), a, b;

	host_mkdir(c, "b");
	host_mkdir(c, "b/a");
	b = lookup(c, rw, "b");
	a = lookup(c, b, "a");
	make_idle(c);
	host_rename(c, "b/a", "a");
	host_rename(c, "b", "a/b");
	/* a is known as b/a: the guest may reach it only through a handle, or where it was looked up since. */
	assert_int_equal(size_of(c, a), by_name ? -ESTALE : size_of(c, lookup(c, rw, "a")));
	assert_int_equal(lookup(c, rw, "a"), a);
	assert_int_equal(lookup(c, a, "b"), b);
	make_idle(c);
	assert_true(size_of(c, b) >= 0);
	assert_true(size_of(c, a) >= 0);
}

/* As above, but b is found below a while a is still believed below b: a is open. */
static void a_circle_through_an_open_directory_is_broken(void **state)
{
	struct fs_client *c = *state;
	uint64_t rw = fs_client_rw(c), a, b;
	const struct fuse_open_in in = { 0 };

	host_mkdir(c, "b");
	host_mkdir(c, "b/a");
	b = lookup(c, rw, "b");
	a = lookup(c, b, "a");
	assert_int_equal(fs_client_call(c, FUSE_OPENDIR, a, &in, sizeof(in), NULL, 0), 0);
	host_rename(c, "b/a", "a");
	host_rename(c, "b", "a/b");
	assert_int_equal(lookup(c, a, "b"), b);
	make_idle(c);
	assert_true(size_of(c, b) >= 0);
	assert_int_equal(lookup(c, rw, "a"), a);
	make_idle(c);
	assert_true(size_of(c, b) >= 0);
}

static void an_open_file_is_kept_whatever_the_host_does(void **state)
{
	struct fs_client *c = *state;
	uint64_t rw = fs_client_rw(c), file, fh;

	host_write(c, "file", "1");
	file = lookup(c, rw, "file");
	assert_int_equal(fs_client_open(c, file, O_RDONLY, &fh), 0);
	assert_int_equal(unlink(fs_client_host(c, "file")), 0);
	make_idle(c);
	assert_int_equal(size_of(c, file), 1);
	assert_int_equal(fs_client_release(c, file, fh), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_deep_tree_is_found_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_node_follows_the_guests_renames, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_without_a_name_is_still_there, setup, teardown),
		cmocka_unit_test_setup_teardown(what_the_host_moves_is_found_at_the_next_look_up, setup,
						teardown),
		cmocka_unit_test_setup_teardown(another_file_in_its_place_is_not_taken_for_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_circle_of_old_beliefs_is_broken, setup, teardown),
		cmocka_unit_test_setup_teardown(a_circle_through_an_open_directory_is_broken, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_open_file_is_kept_whatever_the_host_does, setup, teardown),
	};
	int failed;

	/* Once with nodes held by file handle, if we may, and once by name. */
	by_name = !fs_client_has_handles();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fs_client_no_handles();
	by_name = true;
	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
