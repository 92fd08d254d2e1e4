/* SPDX-License-Identifier: Apache-2.0 */
/* proc_fs: requests as the kernel makes them and as it doesn't, and answers of a guest that lies or is late. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/endian.h"
#include "base/fd.h"
#include "base/loop.h"
#include "oci/agent_proto.h"
#include "runtime/proc_fs.h"
#include "tests/unit/loop_turn.h"

#include <linux/fuse.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum { NUMBER = 70 }; /* of the first question */

static struct loop *loop;
static struct proc_fs *fs;
static int kernel;
static uint64_t unique;

static struct {
	unsigned n;
	uint32_t pid, file;
	int refuse;
} asked;

static struct {
	struct fuse_out_header head;
	uint8_t body[64 << 10];
	size_t len;
} got;

static int on_ask(void *ctx, uint32_t pid, uint32_t file, uint32_t *ret_number)
{
	(void)ctx;
	if (asked.refuse)
		return asked.refuse;
	*ret_number = NUMBER + asked.n++;
	asked.pid = pid;
	asked.file = file;
	return 0;
}

static int set_up(void **state)
{
	int pair[2];

	(void)state;
	memset(&asked, 0, sizeof(asked));
	unique = 2;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	kernel = pair[0];
	assert_int_equal(proc_fs_new(loop, pair[1], on_ask, NULL, &fs), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	proc_fs_free(fs);
	loop_free(loop);
	close_fd(kernel);
	return 0;
}

static void send_request(uint32_t opcode, uint64_t nodeid, const void *body, size_t len)
{
	struct fuse_in_header head = { .opcode = opcode, .nodeid = nodeid, .unique = unique };
	uint8_t buf[512];

	head.len = (uint32_t)(sizeof(head) + len);
	memcpy(buf, &head, sizeof(head));
	if (len)
		memcpy(buf + sizeof(head), body, len);
	assert_int_equal(send(kernel, buf, sizeof(head) + len, 0), sizeof(head) + len);
	unique += 2;
	loop_turn(loop);
}

static bool receive(void)
{
	struct iovec iov[] = { { &got.head, sizeof(got.head) }, { got.body, sizeof(got.body) } };
	ssize_t n = readv(kernel, iov, 2);

	if (n < 0)
		return false;
	assert_true((size_t)n >= sizeof(got.head) && got.head.len == (uint32_t)n);
	got.len = (size_t)n - sizeof(got.head);
	assert_true(got.head.error == 0 || got.len == 0);
	return true;
}

/* The answer comes at once: 0 or -errno. */
static int call(uint32_t opcode, uint64_t nodeid, const void *body, size_t len)
{
	send_request(opcode, nodeid, body, len);
	assert_true(receive());
	assert_int_equal(got.head.unique, unique - 2);
	return got.head.error;
}

/* The guest is asked, and it answers `body`. 0 or -errno. */
static int call_guest(uint32_t opcode, uint64_t nodeid, const char *name, const void *body, size_t len)
{
	unsigned before = asked.n;
	uint8_t open[sizeof(struct fuse_open_in)] = { 0 };

	send_request(opcode, nodeid, name ? (const void *)name : open,
		     name ? strlen(name) + 1 : sizeof(open));
	assert_int_equal(asked.n, before + 1);
	assert_false(receive());
	assert_int_equal(proc_fs_answer(fs, NUMBER + before, 0, body, len), 0);
	assert_true(receive());
	return got.head.error;
}

static uint64_t entry_id(uint32_t mode)
{
	struct fuse_entry_out out;

	assert_int_equal(got.len, sizeof(out));
	memcpy(&out, got.body, sizeof(out));
	assert_int_equal(out.attr.mode, mode);
	assert_int_equal(out.attr.ino, out.nodeid);
	return out.nodeid;
}

/* The process 12's directory, and what is in it. */
static uint64_t look_up_process(void)
{
	assert_int_equal(call_guest(FUSE_LOOKUP, FUSE_ROOT_ID, "12", NULL, 0), 0);
	assert_int_equal(asked.pid, 12);
	assert_int_equal(asked.file, AGENT_PROC_DIRECTORY);
	return entry_id(S_IFDIR | 0555);
}

static uint64_t look_up(uint64_t parent, const char *name, uint32_t mode)
{
	assert_int_equal(call(FUSE_LOOKUP, parent, name, strlen(name) + 1), 0);
	return entry_id(mode);
}

static uint64_t opened(void)
{
	struct fuse_open_out out;

	assert_int_equal(got.len, sizeof(out));
	memcpy(&out, got.body, sizeof(out));
	assert_true(out.open_flags & FOPEN_DIRECT_IO);
	return out.fh;
}

static int read_from(uint32_t opcode, uint64_t nodeid, uint64_t fh, uint64_t offset, uint32_t size)
{
	const struct fuse_read_in in = { .fh = fh, .offset = offset, .size = size };

	return call(opcode, nodeid, &in, sizeof(in));
}

static int release(uint64_t nodeid, uint64_t fh)
{
	const struct fuse_release_in in = { .fh = fh };

	return call(FUSE_RELEASE, nodeid, &in, sizeof(in));
}

/* The names of the directory listing in `got`, each with a blank behind. */
static void names(char *ret)
{
	size_t at = 0;

	*ret = '\0';
	while (at < got.len) {
		struct fuse_dirent entry;

		assert_true(got.len - at >= FUSE_NAME_OFFSET);
		memcpy(&entry, got.body + at, FUSE_NAME_OFFSET);
		assert_true(entry.namelen <= got.len - at - FUSE_NAME_OFFSET);
		ret += sprintf(ret, "%.*s ", (int)entry.namelen,
			       (const char *)got.body + at + FUSE_NAME_OFFSET);
		at += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + entry.namelen);
	}
}

static void it_speaks_with_kernels_that_it_knows(void **state)
{
	struct fuse_init_in in = { .major = 7, .minor = 38 };
	struct fuse_init_out out;

	(void)state;
	assert_int_equal(call(FUSE_INIT, 0, &in, sizeof(in)), 0);
	memcpy(&out, got.body, sizeof(out));
	assert_int_equal(got.len, sizeof(out));
	assert_int_equal(out.major, 7);
	assert_int_equal(out.minor, 31);
	assert_int_equal(out.flags, 0);
	in.major = 8;
	assert_int_equal(call(FUSE_INIT, 0, &in, sizeof(in)), 0);
	in.major = 6;
	assert_int_equal(call(FUSE_INIT, 0, &in, sizeof(in)), -EPROTO);
	assert_int_equal(call(FUSE_INIT, 0, &in, 4), -EINVAL);
	assert_int_equal(asked.n, 0);
}

static void processes_are_listed_and_looked_up(void **state)
{
	const le32 pids[] = { le32_make(1), le32_make(12), le32_make(AGENT_PID_MAX) };
	uint64_t fh, process, ns, pid;
	char text[256];

	(void)state;
	assert_int_equal(call_guest(FUSE_OPENDIR, FUSE_ROOT_ID, NULL, pids, sizeof(pids)), 0);
	assert_int_equal(asked.pid, 0);
	assert_int_equal(asked.file, AGENT_PROC_DIRECTORY);
	fh = opened();
	assert_int_equal(read_from(FUSE_READDIR, FUSE_ROOT_ID, fh, 0, 4096), 0);
	names(text);
	assert_string_equal(text, "1 12 4194304 stat ");
	/* whole ones, from where the last ones ended */
	assert_int_equal(read_from(FUSE_READDIR, FUSE_ROOT_ID, fh, 0, 70), 0);
	names(text);
	assert_string_equal(text, "1 12 ");
	assert_int_equal(read_from(FUSE_READDIR, FUSE_ROOT_ID, fh, 64, 4096), 0);
	names(text);
	assert_string_equal(text, "4194304 stat ");
	assert_int_equal(read_from(FUSE_READDIR, FUSE_ROOT_ID, fh, 33, 4096), 0);
	names(text);
	assert_string_equal(text, "4194304 stat ");
	assert_int_equal(read_from(FUSE_READDIR, FUSE_ROOT_ID, fh, UINT64_MAX, 4096), 0);
	assert_int_equal(got.len, 0);
	assert_int_equal(read_from(FUSE_READ, FUSE_ROOT_ID, fh, 0, 4096), -EBADF);
	assert_int_equal(release(FUSE_ROOT_ID, fh), 0);
	assert_int_equal(release(FUSE_ROOT_ID, fh), -EBADF);

	process = look_up_process();
	ns = look_up(process, "ns", S_IFDIR | 0555);
	pid = look_up(ns, "pid", S_IFLNK | 0777);
	assert_int_equal(call(FUSE_READLINK, pid, NULL, 0), 0);
	assert_int_equal(got.len, 7);
	assert_memory_equal(got.body, "pid:[0]", 7);
	assert_int_equal(call(FUSE_OPENDIR, process, NULL, 0), 0);
	assert_int_equal(read_from(FUSE_READDIR, process, opened(), 0, 4096), 0);
	names(text);
	assert_string_equal(text, "stat status cmdline ns ");
	assert_int_equal(call(FUSE_GETATTR, process, NULL, 0), 0);
}

static void files_are_what_the_guest_says_once(void **state)
{
	uint64_t process, cmdline, fh;

	(void)state;
	process = look_up_process();
	cmdline = look_up(process, "cmdline", S_IFREG | 0444);
	assert_int_equal(call_guest(FUSE_OPEN, cmdline, NULL, "sleep\0001\0", 8), 0);
	assert_int_equal(asked.pid, 12);
	assert_int_equal(asked.file, AGENT_PROC_CMDLINE);
	fh = opened();
	assert_int_equal(read_from(FUSE_READ, cmdline, fh, 0, 512), 0);
	assert_int_equal(got.len, 8);
	assert_memory_equal(got.body, "sleep\0001\0", 8);
	assert_int_equal(read_from(FUSE_READ, cmdline, fh, 6, 1), 0);
	assert_int_equal(got.len, 1);
	assert_int_equal(read_from(FUSE_READ, cmdline, fh, 8, 512), 0);
	assert_int_equal(got.len, 0);
	assert_int_equal(read_from(FUSE_READ, cmdline, fh, UINT64_MAX, UINT32_MAX), 0);
	assert_int_equal(got.len, 0);
	/* what is in it is not what a directory has */
	assert_int_equal(read_from(FUSE_READDIR, cmdline, fh, 0, 512), -EBADF);
	/* an empty one too */
	assert_int_equal(call_guest(FUSE_OPEN, look_up(FUSE_ROOT_ID, "stat", S_IFREG | 0444), NULL, NULL, 0),
			 0);
	assert_int_equal(read_from(FUSE_READ, cmdline, opened(), 0, 512), 0);
	assert_int_equal(got.len, 0);
}

static void other_names_and_requests_are_refused(void **state)
{
	static const char *const top[] = { "self", "cmdline", "status",
					   "0",	   "01",      "-1",
					   "1x",   "4194305", "99999999999999999999",
					   "",	   ".",	      ".." };
	static const uint64_t ids[] = { 2 + 1,
					1 + 4,
					1 + (12 << 4),
					1 + (12 << 4) + 8,
					1 + (12 << 4) + 15,
					UINT64_MAX,
					1 + (((uint64_t)AGENT_PID_MAX + 1) << 4) + 2 };
	uint64_t process, stat;

	(void)state;
	process = look_up_process();
	stat = look_up(process, "stat", S_IFREG | 0444);
	for (size_t i = 0; i < ARRAY_SIZE(top); i++)
		assert_int_equal(call(FUSE_LOOKUP, FUSE_ROOT_ID, top[i], strlen(top[i]) + 1), -ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		assert_int_equal(call(FUSE_GETATTR, ids[i], NULL, 0), -ENOENT);
	assert_int_equal(call(FUSE_LOOKUP, process, "environ", 8), -ENOENT);
	assert_int_equal(call(FUSE_LOOKUP, process, "12", 3), -ENOENT);
	assert_int_equal(call(FUSE_LOOKUP, stat, "stat", 5), -ENOENT);
	assert_int_equal(call(FUSE_LOOKUP, process, "stat", 4), -EINVAL);
	assert_int_equal(call(FUSE_LOOKUP, process, NULL, 0), -EINVAL);
	assert_int_equal(call(FUSE_OPEN, process, NULL, 0), -EISDIR);
	assert_int_equal(call(FUSE_OPENDIR, stat, NULL, 0), -ENOTDIR);
	assert_int_equal(call(FUSE_READLINK, stat, NULL, 0), -EINVAL);
	assert_int_equal(read_from(FUSE_READ, stat, 0, 0, 10), -EBADF);
	assert_int_equal(read_from(FUSE_READ, stat, UINT64_MAX, 0, 10), -EBADF);
	assert_int_equal(call(FUSE_READ, stat, "short", 5), -EINVAL);
	assert_int_equal(call(FUSE_RELEASE, stat, "short", 5), -EINVAL);
	assert_int_equal(call(FUSE_WRITE, stat, "x", 1), -ENOSYS);
	assert_int_equal(call(FUSE_MKDIR, process, "x", 2), -ENOSYS);
	assert_int_equal(call(FUSE_INTERRUPT, 0, &unique, sizeof(unique)), -ENOSYS);
	assert_int_equal(call(12345, process, NULL, 0), -ENOSYS);
	/* no answer is due, or none can be given */
	send_request(FUSE_FORGET, process, "12345678", 8);
	assert_int_equal(send(kernel, "short", 5, 0), 5);
	loop_turn(loop);
	assert_false(receive());
	assert_int_equal(asked.n, 1);
}

static void nonsense_of_the_guest_is_told(void **state)
{
	static const uint32_t bad[] = { 0, AGENT_PID_MAX + 1, UINT32_MAX };
	static const uint8_t much[AGENT_PROC_MAX + 4];
	le32 pids[2] = { le32_make(1) };
	uint64_t stat;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		pids[1] = le32_make(bad[i]);
		send_request(FUSE_OPENDIR, FUSE_ROOT_ID, NULL, 0);
		assert_int_equal(proc_fs_answer(fs, NUMBER + asked.n - 1, 0, (uint8_t *)pids, sizeof(pids)),
				 -EPROTO);
		assert_true(receive());
		assert_int_equal(got.head.error, -EIO);
	}
	send_request(FUSE_OPENDIR, FUSE_ROOT_ID, NULL, 0);
	assert_int_equal(proc_fs_answer(fs, NUMBER + asked.n - 1, 0, (uint8_t *)pids, 3), -EPROTO);
	assert_true(receive());
	stat = look_up(FUSE_ROOT_ID, "stat", S_IFREG | 0444);
	send_request(FUSE_OPEN, stat, NULL, 0);
	assert_int_equal(proc_fs_answer(fs, NUMBER + asked.n - 1, 0, much, sizeof(much)), -EPROTO);
	assert_true(receive());
	assert_int_equal(got.head.error, -EIO);
	/* an errno is no order to the kernel */
	send_request(FUSE_OPEN, stat, NULL, 0);
	assert_int_equal(proc_fs_answer(fs, NUMBER + asked.n - 1, ENOSYS, NULL, 0), 0);
	assert_true(receive());
	assert_int_equal(got.head.error, -EIO);
	send_request(FUSE_OPEN, stat, NULL, 0);
	assert_int_equal(proc_fs_answer(fs, NUMBER + asked.n - 1, ENOENT, NULL, 0), 0);
	assert_true(receive());
	assert_int_equal(got.head.error, -ENOENT);
	/* a second answer is nobody's */
	assert_int_equal(proc_fs_answer(fs, NUMBER + asked.n - 1, 0, much, 4), 0);
	assert_false(receive());
}

static void nobody_waits_long_and_not_many_do(void **state)
{
	unsigned i;

	(void)state;
	asked.refuse = -EBUSY;
	assert_int_equal(call(FUSE_OPENDIR, FUSE_ROOT_ID, NULL, 0), -EBUSY);
	asked.refuse = 0;
	for (i = 0; i < PROC_FS_REQUESTS_MAX; i++)
		send_request(FUSE_OPENDIR, FUSE_ROOT_ID, NULL, 0);
	assert_false(receive());
	assert_int_equal(call(FUSE_OPENDIR, FUSE_ROOT_ID, NULL, 0), -EBUSY);
	for (i = 0; i < PROC_FS_TIMEOUT_MS / 5 + 1000 && !receive(); i++)
		loop_turn(loop);
	assert_int_equal(got.head.error, -ETIMEDOUT);
	for (i = 1; i < PROC_FS_REQUESTS_MAX; i++) {
		for (unsigned k = 0; k < 200 && !receive(); k++)
			loop_turn(loop);
		assert_int_equal(got.head.error, -ETIMEDOUT);
	}
	/* what comes late is nobody's, and there is room again */
	assert_int_equal(proc_fs_answer(fs, NUMBER, 0, NULL, 0), 0);
	assert_false(receive());
	assert_int_equal(call_guest(FUSE_OPENDIR, FUSE_ROOT_ID, NULL, NULL, 0), 0);
}

static void open_files_are_bounded(void **state)
{
	uint64_t process, fh = 0;

	(void)state;
	process = look_up_process();
	for (unsigned i = 0; i < PROC_FS_OPEN_MAX; i++) {
		assert_int_equal(call(FUSE_OPENDIR, process, NULL, 0), 0);
		fh = opened();
	}
	assert_int_equal(call(FUSE_OPENDIR, process, NULL, 0), -ENFILE);
	assert_int_equal(release(process, fh), 0);
	assert_int_equal(call(FUSE_OPENDIR, process, NULL, 0), 0);
}

static void its_end_is_quiet(void **state)
{
	(void)state;
	send_request(FUSE_OPENDIR, FUSE_ROOT_ID, NULL, 0);
	kernel = close_fd(kernel);
	loop_turn(loop);
	loop_turn(loop);
	/* and what is answered then goes nowhere */
	assert_int_equal(proc_fs_answer(fs, NUMBER, 0, NULL, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_speaks_with_kernels_that_it_knows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(processes_are_listed_and_looked_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(files_are_what_the_guest_says_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(other_names_and_requests_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nonsense_of_the_guest_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nobody_waits_long_and_not_many_do, set_up, tear_down),
		cmocka_unit_test_setup_teardown(open_files_are_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(its_end_is_quiet, set_up, tear_down),
	};

	/* A write to nobody is an error. */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
