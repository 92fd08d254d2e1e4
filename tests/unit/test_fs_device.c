/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-fs through the ring: the pool of workers, violations, start and stop. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/loop.h"
#include "tests/unit/ring_driver.h"
#include "tests/unit/test.h"
#include "vmm/virtio/fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 4096, TAG_LEN = 36 };

struct fixture {
	char dir[64];
	struct loop *loop;
	struct vdev *dev;
	struct ring_host host;
	uint64_t unique;
	bool shared_locks;
};

/* A request in guest memory. */
struct request {
	uint64_t in_gpa, out_gpa;
	int head;
	uint64_t unique;
};

static int setup_with(void **state, bool shared_locks)
{
	struct fixture *f = calloc(1, sizeof(*f));
	_cleanup_close_ int dir = -EBADF;
	struct err err = ERR_INIT;

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/vrun-fsdev-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	dir = open(f->dir, O_PATH | O_CLOEXEC);
	assert_true(dir >= 0);
	const struct vfs_share share = { .name = "rw", .fd = dir };
	const struct vfs_config config = {
		.tag = "vrun", .shares = &share, .n_shares = 1, .max_workers = 4, .shared_locks = shared_locks
	};
	assert_int_equal(loop_new(&f->loop), 0);
	assert_int_equal(virtio_fs_new(f->loop, &config, &f->dev, &err), 0);
	ring_host_init(&f->host, f->dev, 8 << 20, 256, VDEV_RING_FEATURES);
	assert_int_equal(vdev_start(f->dev), 0);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, false);
}

static int setup_locks(void **state)
{
	return setup_with(state, true);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ring_host_done(&f->host);
	vdev_free(f->dev);
	loop_free(f->loop);
	assert_int_equal(dir_remove_all(AT_FDCWD, f->dir), 0);
	free(f);
	return 0;
}

static struct request send_request(struct fixture *f, unsigned q, uint32_t opcode, uint64_t nodeid,
				   const void *arg, size_t arg_len, const void *rest, size_t rest_len)
{
	struct ring_mem *rm = &f->host.rm;
	struct fuse_in_header h = { .len = (uint32_t)(sizeof(h) + arg_len + rest_len),
				    .opcode = opcode,
				    .unique = ++f->unique,
				    .nodeid = nodeid };
	struct request req = { .unique = h.unique };
	uint8_t *p;

	req.in_gpa = ring_mem_alloc(rm, 1, h.len, 8);
	req.out_gpa = ring_mem_alloc(rm, 1, ROOM, 8);
	p = ring_mem_at(rm, req.in_gpa, h.len);
	memcpy(p, &h, sizeof(h));
	if (arg_len)
		memcpy(p + sizeof(h), arg, arg_len);
	if (rest_len)
		memcpy(p + sizeof(h) + arg_len, rest, rest_len);
	/* header and body apart, as the driver has them */
	const struct ring_buf bufs[] = {
		{ .gpa = req.in_gpa, .len = sizeof(h) },
		{ .gpa = req.in_gpa + sizeof(h), .len = (uint32_t)(arg_len + rest_len) },
		{ .gpa = req.out_gpa, .len = 16, .writable = true },
		{ .gpa = req.out_gpa + 16, .len = ROOM - 16, .writable = true },
	};
	req.head = ring_driver_add(&f->host.queues[q], bufs, ARRAY_SIZE(bufs));
	assert_true(req.head >= 0);
	ring_driver_kick(&f->host.queues[q]);
	return req;
}

/* Wait for the next used chain; -1 after `ms`. */
static int wait_used(struct fixture *f, unsigned q, int ms, uint32_t *ret_len)
{
	struct ring_driver *rd = &f->host.queues[q];
	uint32_t head;

	for (;;) {
		struct pollfd pfd = { .fd = rd->call_fd, .events = POLLIN };

		if (ring_driver_used(rd, &head, ret_len))
			return (int)head;
		if (ring_driver_calls_on(rd))
			continue;
		if (poll(&pfd, 1, ms) == 0)
			return -1;
		ring_driver_called(rd);
	}
}

static int error_of(struct fixture *f, const struct request *req)
{
	const struct fuse_out_header *out = ring_mem_at(&f->host.rm, req->out_gpa, sizeof(*out));

	assert_int_equal(out->unique, req->unique);
	return out->error;
}

/* One request at a time. */
static int call(struct fixture *f, uint32_t opcode, uint64_t nodeid, const void *arg, size_t arg_len,
		const void *rest, size_t rest_len, void *reply, size_t reply_len)
{
	struct request req = send_request(f, 1, opcode, nodeid, arg, arg_len, rest, rest_len);
	uint32_t len;
	int r;

	assert_int_equal(wait_used(f, 1, 10000, &len), req.head);
	r = error_of(f, &req);
	if (r == 0 && reply)
		memcpy(reply, ring_mem_at(&f->host.rm, req.out_gpa + 16, reply_len), reply_len);
	return r;
}

static uint64_t begin(struct fixture *f)
{
	struct fuse_init_in in = { .major = 7, .minor = 36, .flags = 0x7fffffff };
	struct fuse_init_out out;
	struct fuse_entry_out entry;

	assert_int_equal(call(f, FUSE_INIT, 0, &in, sizeof(in), NULL, 0, &out, sizeof(out)), 0);
	assert_int_equal(out.major, 7);
	assert_int_equal(call(f, FUSE_LOOKUP, 1, "rw", 3, NULL, 0, &entry, sizeof(entry)), 0);
	return entry.nodeid;
}

static uint64_t create(struct fixture *f, uint64_t parent, const char *name, uint64_t *ret_fh)
{
	struct fuse_create_in in = { .flags = O_RDWR, .mode = 0644 };
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out;

	assert_int_equal(
		call(f, FUSE_CREATE, parent, &in, sizeof(in), name, strlen(name) + 1, &out, sizeof(out)), 0);
	*ret_fh = out.open.fh;
	return out.entry.nodeid;
}

/* Run the loop until it is idle for a moment. */
static void run_loop_stop(void *ctx)
{
	loop_quit(ctx, 0);
}

static void run_loop(struct fixture *f, unsigned ms)
{
	struct loop_source *timer;

	assert_int_equal(loop_add_timer(f->loop, ms, run_loop_stop, f->loop, &timer), 0);
	assert_int_equal(loop_run(f->loop), 0);
	loop_remove(timer);
}

static unsigned count_threads(void)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/task");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	return n - 2;
}

static void config_space_has_tag_and_queues(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->dev->config_len, TAG_LEN + 4);
	assert_memory_equal(f->dev->config, "vrun\0\0", 6);
	assert_memory_equal(f->dev->config + TAG_LEN, "\1\0\0\0", 4);
	assert_int_equal(f->dev->ops->type, 26);
	assert_int_equal(f->dev->n_vqs, 2);
}

static void bad_tags_are_refused(void **state)
{
	static const char *const tags[] = { NULL, "", "0123456789012345678901234567890123456" };
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct vdev *dev;

	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		const struct vfs_config config = { .tag = tags[i] };

		assert_int_equal(virtio_fs_new(f->loop, &config, &dev, &err), -EINVAL);
	}
	/* As long as can be, and no shares at all */
	const struct vfs_config config = { .tag = "012345678901234567890123456789012345" };

	assert_int_equal(virtio_fs_new(f->loop, &config, &dev, &err), 0);
	vdev_free(dev);
}

static void requests_are_served_one_by_one(void **state)
{
	struct fixture *f = *state;
	uint64_t fh, rw = begin(f), node = create(f, rw, "f", &fh);
	struct fuse_write_in w = { .fh = fh, .size = 5 };
	struct fuse_read_in r = { .fh = fh, .size = 100 };
	struct fuse_write_out written;
	char back[5];

	assert_int_equal(call(f, FUSE_WRITE, node, &w, sizeof(w), "hello", 5, &written, sizeof(written)), 0);
	assert_int_equal(written.size, 5);
	assert_int_equal(call(f, FUSE_READ, node, &r, sizeof(r), NULL, 0, back, 5), 0);
	assert_memory_equal(back, "hello", 5);
}

static void forgets_need_no_reply(void **state)
{
	struct fixture *f = *state;
	uint64_t fh, rw = begin(f), node = create(f, rw, "f", &fh);
	struct fuse_forget_in in = { .nlookup = 1 };
	struct fuse_getattr_in get = { 0 };
	struct fuse_in_header h = { .len = 48, .opcode = FUSE_FORGET, .nodeid = node };
	uint64_t gpa = ring_mem_alloc(&f->host.rm, 0, 48, 8);
	const struct ring_buf buf = { .gpa = gpa, .len = 48 };
	uint32_t len;

	memcpy(ring_mem_at(&f->host.rm, gpa, 48), &h, sizeof(h));
	memcpy(ring_mem_at(&f->host.rm, gpa + 40, 8), &in, sizeof(in));
	/* On the queue for it, and nothing to write to. */
	int head = ring_driver_add(&f->host.queues[0], &buf, 1);
	ring_driver_kick(&f->host.queues[0]);
	assert_int_equal(wait_used(f, 0, 10000, &len), head);
	assert_int_equal(len, 0);
	assert_int_equal(call(f, FUSE_GETATTR, node, &get, sizeof(get), NULL, 0, NULL, 0), -ESTALE);
}

static void many_requests_at_once_are_all_answered(void **state)
{
	enum { ROUNDS = 20, BATCH = 40 };
	struct fixture *f = *state;
	uint64_t rw = begin(f);
	unsigned errors = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct request reqs[BATCH];
		bool seen[256] = { false };

		for (unsigned i = 0; i < BATCH; i++) {
			struct fuse_mkdir_in in = { .mode = 0755 };
			char name[32];

			snprintf(name, sizeof(name), "d%u", round * BATCH + i);
			reqs[i] = send_request(f, 1, FUSE_MKDIR, rw, &in, sizeof(in), name, strlen(name) + 1);
		}
		for (unsigned i = 0; i < BATCH; i++) {
			uint32_t len;
			int head = wait_used(f, 1, 10000, &len);

			assert_true(head >= 0 && !seen[head]);
			seen[head] = true;
		}
		for (unsigned i = 0; i < BATCH; i++)
			errors += error_of(f, &reqs[i]) != 0;
		/* The memory is bump-allocated: a batch needs 170 KB. */
		if (round % 10 == 9)
			f->host.rm.next[1] = f->host.rm.base[1];
	}
	assert_int_equal(errors, 0);
	assert_int_equal(f->host.failures, 0);
}

static void workers_are_few_and_end_with_the_device(void **state)
{
	struct fixture *f = *state;
	unsigned before;

	vdev_stop(f->dev);
	before = count_threads();
	assert_int_equal(vdev_start(f->dev), 0);
	begin(f);
	/* One serves, one waits. */
	assert_in_range(count_threads() - before, 1, 2);
	vdev_stop(f->dev);
	assert_int_equal(count_threads(), before);
	vdev_stop(f->dev);
	assert_int_equal(vdev_start(f->dev), 0);
}

static void what_no_driver_sends_breaks_the_device(void **state)
{
	struct fixture *f = *state;
	uint64_t rw = begin(f), gpa = ring_mem_alloc(&f->host.rm, 0, 64, 8);
	const struct ring_buf buf = { .gpa = gpa, .len = 39 };
	uint32_t len;

	(void)rw;
	ring_driver_add(&f->host.queues[1], &buf, 1);
	ring_driver_kick(&f->host.queues[1]);
	assert_int_equal(wait_used(f, 1, 200, &len), -1);
	run_loop(f, 50);
	assert_int_equal(f->host.failures, 1);
	assert_string_equal(f->host.why, "request without a whole header");
	/* Nothing more is served... */
	struct fuse_getattr_in get = { 0 };
	send_request(f, 1, FUSE_GETATTR, 1, &get, sizeof(get), NULL, 0);
	assert_int_equal(wait_used(f, 1, 100, &len), -1);
	/* ...until the driver resets it. */
	ring_host_reset(&f->host);
	assert_int_equal(vdev_start(f->dev), 0);
	begin(f);
}

static void a_broken_ring_breaks_the_device(void **state)
{
	struct fixture *f = *state;
	struct ring_driver *rd = &f->host.queues[1];

	begin(f);
	f->host.reset_on_failure = true;
	ring_driver_set_desc(rd, 0, 0xffffffff00000000, 16, 0, 0);
	ring_driver_publish(rd, 0);
	ring_driver_kick(rd);
	run_loop(f, 300);
	assert_int_equal(f->host.failures, 1);
	assert_string_equal(f->host.why, "descriptor outside guest memory");
}

static void stop_does_not_wait_for_a_lock(void **state)
{
	struct fixture *f = *state;
	uint64_t fh, rw = begin(f), node = create(f, rw, "f", &fh);
	struct fuse_lk_in lk = { .fh = fh, .owner = 1, .lk = { .type = F_WRLCK, .end = 10 } };
	struct fuse_getattr_in get = { 0 };
	struct request waiting[6];
	struct timespec t0, t1;
	uint32_t len;

	assert_int_equal(call(f, FUSE_SETLKW, node, &lk, sizeof(lk), NULL, 0, NULL, 0), 0);
	/* More than there are workers; and the device goes on. */
	lk.owner = 2;
	for (size_t i = 0; i < ARRAY_SIZE(waiting); i++)
		waiting[i] = send_request(f, 1, FUSE_SETLKW, node, &lk, sizeof(lk), NULL, 0);
	assert_int_equal(call(f, FUSE_GETATTR, node, &get, sizeof(get), NULL, 0, NULL, 0), 0);
	assert_int_equal(wait_used(f, 1, 100, &len), -1);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	vdev_stop(f->dev);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	assert_true(t1.tv_sec - t0.tv_sec < 3);
	/* Nothing was written to guest memory for them. */
	for (size_t i = 0; i < ARRAY_SIZE(waiting); i++)
		assert_int_equal(*(uint32_t *)ring_mem_at(&f->host.rm, waiting[i].out_gpa, 4), 0);
}

static void a_lock_that_the_host_drops_is_noticed(void **state)
{
	struct fixture *f = *state;
	uint64_t fh, rw = begin(f), node = create(f, rw, "f", &fh);
	struct fuse_lk_in lk = { .fh = fh, .owner = 1, .lk = { .type = F_WRLCK, .end = INT64_MAX } };
	struct flock fl = { .l_type = F_WRLCK };
	struct request req;
	char path[100];
	uint32_t len;

	snprintf(path, sizeof(path), "%s/f", f->dir);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &fl), 0);
	req = send_request(f, 1, FUSE_SETLKW, node, &lk, sizeof(lk), NULL, 0);
	assert_int_equal(wait_used(f, 1, 100, &len), -1);
	fl.l_type = F_UNLCK;
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &fl), 0);
	assert_int_equal(wait_used(f, 1, 10000, &len), req.head);
	assert_int_equal(len, 16);
	assert_int_equal(error_of(f, &req), 0);
}

static void a_large_write_in_single_pages(void **state)
{
	enum { PAGES = 250 };
	struct fixture *f = *state;
	uint64_t fh, rw = begin(f), node = create(f, rw, "f", &fh);
	struct fuse_write_in w = { .fh = fh, .size = PAGES * 4096 };
	struct fuse_in_header h = { .len = sizeof(h) + sizeof(w) + w.size,
				    .opcode = FUSE_WRITE,
				    .nodeid = node };
	struct ring_buf bufs[PAGES + 3];
	struct ring_mem *rm = &f->host.rm;
	uint64_t head_gpa = ring_mem_alloc(rm, 0, 80, 8),
		 table = ring_mem_alloc(rm, 0, sizeof(bufs) * 16, 16);
	char path[100];
	uint32_t len;
	struct stat st;

	memcpy(ring_mem_at(rm, head_gpa, 80), &h, sizeof(h));
	memcpy(ring_mem_at(rm, head_gpa + 40, 40), &w, sizeof(w));
	bufs[0] = (struct ring_buf){ .gpa = head_gpa, .len = 40 };
	bufs[1] = (struct ring_buf){ .gpa = head_gpa + 40, .len = 40 };
	for (unsigned i = 0; i < PAGES; i++) {
		/* backwards, so that no two adjoin */
		bufs[PAGES + 1 - i] =
			(struct ring_buf){ .gpa = ring_mem_alloc(rm, 1, 4096, 4096), .len = 4096 };
		memset(ring_mem_at(rm, bufs[PAGES + 1 - i].gpa, 4096), (int)(PAGES - i), 4096);
	}
	bufs[PAGES + 2] =
		(struct ring_buf){ .gpa = ring_mem_alloc(rm, 0, 64, 8), .len = 64, .writable = true };
	int head = ring_driver_add_indirect(&f->host.queues[1], table, bufs, PAGES + 3);
	ring_driver_kick(&f->host.queues[1]);
	assert_int_equal(wait_used(f, 1, 10000, &len), head);
	assert_int_equal(len, 24);
	snprintf(path, sizeof(path), "%s/f", f->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, PAGES * 4096);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	for (unsigned i = 0; i < PAGES; i++) {
		uint8_t page[4096];

		assert_int_equal(fd_read_all(fd, page, sizeof(page)), 0);
		assert_int_equal(page[0], i + 1);
		assert_int_equal(page[4095], i + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(config_space_has_tag_and_queues, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_tags_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(requests_are_served_one_by_one, setup, teardown),
		cmocka_unit_test_setup_teardown(forgets_need_no_reply, setup, teardown),
		cmocka_unit_test_setup_teardown(many_requests_at_once_are_all_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(workers_are_few_and_end_with_the_device, setup, teardown),
		cmocka_unit_test_setup_teardown(what_no_driver_sends_breaks_the_device, setup, teardown),
		cmocka_unit_test_setup_teardown(a_broken_ring_breaks_the_device, setup, teardown),
		cmocka_unit_test_setup_teardown(stop_does_not_wait_for_a_lock, setup_locks, teardown),
		cmocka_unit_test_setup_teardown(a_lock_that_the_host_drops_is_noticed, setup_locks, teardown),
		cmocka_unit_test_setup_teardown(a_large_write_in_single_pages, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
