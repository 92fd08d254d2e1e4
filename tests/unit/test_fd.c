/* SPDX-License-Identifier: Apache-2.0 */
/* fd: whole reads and writes, passing descriptors, removing trees. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/fd.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

static char dir[] = "/tmp/vrun-test-fd.XXXXXX";
static int dirfd_;

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dirfd_ < 0 ? -1 : 0;
}

static int remove_dir(void **state)
{
	(void)state;
	close_fd(dirfd_);
	return dir_remove_all(AT_FDCWD, dir);
}

static void file_read_is_bounded(void **state)
{
	_cleanup_free_ char *buf = NULL;
	size_t len = 0;

	(void)state;
	assert_int_equal(file_write_atomic(dirfd_, "f", "0123456789", 10, 0600), 0);
	assert_int_equal(file_read(dirfd_, "f", 9, &buf, &len), -EFBIG);
	assert_null(buf);
	assert_int_equal(file_read(dirfd_, "f", 10, &buf, &len), 0);
	assert_int_equal(len, 10);
	assert_string_equal(buf, "0123456789");
	assert_int_equal(file_read(dirfd_, "none", 10, &buf, NULL), -ENOENT);
}

static void file_read_takes_proc_files(void **state)
{
	_cleanup_free_ char *buf = NULL;
	size_t len = 0;

	(void)state;
	assert_int_equal(file_read(AT_FDCWD, "/proc/self/maps", 1 << 20, &buf, &len), 0);
	assert_true(len > 100);
}

static void file_write_atomic_replaces_and_leaves_no_temporary(void **state)
{
	_cleanup_free_ char *buf = NULL;
	DIR *d;
	int n = 0;

	(void)state;
	assert_int_equal(mkdirat(dirfd_, "w", 0700), 0);
	assert_int_equal(file_write_atomic(dirfd_, "w/f", "old", 3, 0600), 0);
	assert_int_equal(file_write_atomic(dirfd_, "w/f", "new!", 4, 0640), 0);
	assert_int_equal(file_read(dirfd_, "w/f", 100, &buf, NULL), 0);
	assert_string_equal(buf, "new!");
	d = fdopendir(openat(dirfd_, "w", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	while (readdir(d))
		n++;
	closedir(d);
	assert_int_equal(n, 3);
	assert_int_equal(file_write_atomic(dirfd_, "nodir/f", "x", 1, 0600), -ENOENT);
}

static void descriptors_cross_a_socket(void **state)
{
	int sv[2], got[2] = { -1, -1 };
	size_t n = 9;
	char c;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(fd_send(sv[0], "a", 1, (int[]){ dirfd_, sv[0] }, 2), 1);
	assert_int_equal(fd_recv(sv[1], &c, 1, got, 2, &n), 1);
	assert_int_equal(n, 2);
	assert_true(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
	close_fd(got[0]);
	close_fd(got[1]);
	/* more than were asked for are closed, not leaked */
	assert_int_equal(fd_send(sv[0], "b", 1, (int[]){ dirfd_, dirfd_ }, 2), 1);
	assert_int_equal(fd_recv(sv[1], &c, 1, got, 1, &n), -EPROTO);
	close_fd(sv[0]);
	assert_int_equal(fd_recv(sv[1], &c, 1, got, 1, &n), 0);
	close_fd(sv[1]);
}

static void read_all_reports_an_early_end(void **state)
{
	int p[2];
	char buf[8];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(fd_write_all(p[1], "abc", 3), 0);
	close_fd(p[1]);
	assert_int_equal(fd_read_all(p[0], buf, 8), -ENODATA);
	close_fd(p[0]);
}

static void bytes_as_a_sealed_file(void **state)
{
	_cleanup_close_ int fd = fd_from_bytes("t", "hello", 5);
	char buf[5];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fd_read_all(fd, buf, 5), 0);
	assert_memory_equal(buf, "hello", 5);
	assert_int_equal(write(fd, "x", 1), -1);
}

static void remove_all_keeps_what_symlinks_point_to(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(dir_make_all(dirfd_, "t/a/b/c", 0700), 0);
	assert_int_equal(dir_make_all(dirfd_, "keep", 0700), 0);
	assert_int_equal(file_write_atomic(dirfd_, "keep/f", "x", 1, 0600), 0);
	assert_int_equal(file_write_atomic(dirfd_, "t/a/f", "x", 1, 0600), 0);
	assert_int_equal(symlinkat("../keep", dirfd_, "t/link"), 0);
	assert_int_equal(dir_remove_all(dirfd_, "t"), 0);
	assert_int_equal(fstatat(dirfd_, "t", &st, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(fstatat(dirfd_, "keep/f", &st, 0), 0);
	assert_int_equal(dir_remove_all(dirfd_, "t"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_read_is_bounded),
		cmocka_unit_test(file_read_takes_proc_files),
		cmocka_unit_test(file_write_atomic_replaces_and_leaves_no_temporary),
		cmocka_unit_test(descriptors_cross_a_socket),
		cmocka_unit_test(read_all_reports_an_early_end),
		cmocka_unit_test(bytes_as_a_sealed_file),
		cmocka_unit_test(remove_all_keeps_what_symlinks_point_to),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
