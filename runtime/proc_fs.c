/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc_fs: see proc_fs.h; linux/fuse.h and Linux, Documentation/filesystems/fuse.rst for the protocol.
 *
 * Requests come from the host's kernel on behalf of root. Names, node ids and sizes are checked all the same, as a
 * test says them too.
 */
#include "runtime/proc_fs.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "oci/agent_proto.h"
#include "runtime/proc_tree.h"

#include <linux/fuse.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <time.h>

enum {
	MINOR = 31,
	VALID_S = 1, /* that the kernel keeps what it knows */
	BATCH = 16, /* requests in a turn of the loop */
};

/* No namespace has this number, and the link leads nowhere. */
static const char ns_pid[] = "pid:[0]";

/* A request that waits for the guest. */
struct waiting {
	bool used;
	uint64_t unique;
	uint32_t number; /* the answer's */
	uint32_t opcode;
	struct proc_node node;
	uint64_t until_ms;
};

/* An open file, or an open directory with its struct fuse_dirent one after the other. */
struct opened {
	bool used, directory;
	uint8_t *data;
	size_t len;
};

struct proc_fs {
	struct loop_source *source, *timer;
	int fd;
	proc_fs_ask_fn ask;
	void *ctx;
	struct waiting waiting[PROC_FS_REQUESTS_MAX];
	struct opened opened[PROC_FS_OPEN_MAX];
	_Alignas(8) uint8_t in[FUSE_MIN_READ_BUFFER];
};

struct request {
	uint64_t unique;
	uint32_t opcode;
	struct proc_node node;
	const uint8_t *body;
	size_t len;
};

/* --- answers --- */

static int reply(struct proc_fs *fs, uint64_t unique, int error, const void *body, size_t len)
{
	const struct fuse_out_header head = {
		.len = (uint32_t)(sizeof(head) + len),
		.error = error,
		.unique = unique,
	};
	const struct iovec iov[] = {
		{ .iov_base = (void *)(uintptr_t)&head, .iov_len = sizeof(head) },
		{ .iov_base = (void *)(uintptr_t)body, .iov_len = len },
	};

	/* -ENOENT: nobody waits for it any more. */
	return writev(fs->fd, iov, len ? 2 : 1) < 0 ? -errno : 0;
}

static void reply_entry(struct proc_fs *fs, uint64_t unique, struct proc_node node)
{
	struct fuse_entry_out out = { .nodeid = proc_node_id(node),
				      .entry_valid = VALID_S,
				      .attr_valid = VALID_S };

	proc_node_attr(node, &out.attr);
	(void)reply(fs, unique, 0, &out, sizeof(out));
}

static void close_opened(struct opened *o)
{
	free(o->data);
	*o = (struct opened){ 0 };
}

static void reply_open(struct proc_fs *fs, uint64_t unique, bool directory, uint8_t *take_data, size_t len)
{
	/* The size is not known before: reads go through to us. */
	struct fuse_open_out out = { .open_flags = FOPEN_DIRECT_IO };

	for (unsigned i = 0; i < PROC_FS_OPEN_MAX; i++) {
		struct opened *o = &fs->opened[i];

		if (o->used)
			continue;
		*o = (struct opened){ true, directory, take_data, len };
		out.fh = i;
		if (reply(fs, unique, 0, &out, sizeof(out)) < 0)
			close_opened(o);
		return;
	}
	free(take_data);
	(void)reply(fs, unique, -ENFILE, NULL, 0);
}

/* Whole entries from the first one at or behind `offset` on, at most `size` bytes. */
static void reply_entries(struct proc_fs *fs, uint64_t unique, const struct opened *o, uint64_t offset,
			  size_t size)
{
	size_t start = 0, end;

	while (start < o->len && start < offset)
		start += proc_entry_size(o->data + start);
	end = start;
	while (end < o->len && end + proc_entry_size(o->data + end) - start <= size)
		end += proc_entry_size(o->data + end);
	(void)reply(fs, unique, 0, o->data + start, end - start);
}

/* --- what the guest is asked for --- */

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void on_timer(void *ctx)
{
	struct proc_fs *fs = ctx;
	uint64_t now = now_ms(), next = UINT64_MAX;

	for (unsigned i = 0; i < PROC_FS_REQUESTS_MAX; i++) {
		struct waiting *w = &fs->waiting[i];

		if (!w->used)
			continue;
		if (w->until_ms <= now) {
			w->used = false;
			(void)reply(fs, w->unique, -ETIMEDOUT, NULL, 0);
		} else if (w->until_ms - now < next) {
			next = w->until_ms - now;
		}
	}
	loop_set_timer(fs->timer, next);
}

static int ask(struct proc_fs *fs, const struct request *request, struct proc_node node, uint32_t file)
{
	struct waiting *w = NULL;
	bool first = true;
	uint32_t number;
	int r;

	for (unsigned i = 0; i < PROC_FS_REQUESTS_MAX; i++) {
		first = first && !fs->waiting[i].used;
		if (!fs->waiting[i].used)
			w = &fs->waiting[i];
	}
	if (!w)
		return -EBUSY;
	r = fs->ask(fs->ctx, node.pid, file, &number);
	if (r < 0)
		return r;
	*w = (struct waiting){
		.used = true,
		.unique = request->unique,
		.number = number,
		.opcode = request->opcode,
		.node = node,
		.until_ms = now_ms() + PROC_FS_TIMEOUT_MS,
	};
	if (first)
		loop_set_timer(fs->timer, PROC_FS_TIMEOUT_MS);
	return 0;
}

static int take_answer(struct proc_fs *fs, const struct waiting *w, const uint8_t *body, size_t len)
{
	bool directory = w->opcode == FUSE_OPENDIR;
	uint8_t *data;

	if (len > AGENT_PROC_MAX || (directory && !proc_pids_check(body, len)))
		return -EPROTO;
	if (w->opcode == FUSE_LOOKUP) {
		reply_entry(fs, w->unique, w->node);
		return 0;
	}
	data = directory ? proc_entries(w->node, body, len / sizeof(le32), &len) : malloc(len + 1);
	if (!data)
		return -ENOMEM;
	if (!directory && len > 0)
		memcpy(data, body, len);
	reply_open(fs, w->unique, directory, data, len);
	return 0;
}

int proc_fs_answer(struct proc_fs *fs, uint32_t number, int error, const uint8_t *body, size_t len)
{
	for (unsigned i = 0; i < PROC_FS_REQUESTS_MAX; i++) {
		struct waiting *w = &fs->waiting[i];
		int r = 0;

		if (!w->used || w->number != number)
			continue;
		w->used = false;
		/* The guest does not choose what the kernel makes of it: with ENOSYS it would ask no more. */
		if (error)
			error = error == ENOENT ? ENOENT : EIO;
		else
			r = take_answer(fs, w, body, len);
		if (error || r < 0)
			(void)reply(fs, w->unique, error ? -error : -EIO, NULL, 0);
		return r == -EPROTO ? r : 0;
	}
	return 0;
}

/* --- requests: 0 if answered, or to be answered; or -errno to answer --- */

static int on_init(struct proc_fs *fs, const struct request *request)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION, .minor = MINOR, .max_write = 4096, .time_gran = 1
	};
	struct fuse_init_in in;

	if (request->len < offsetof(struct fuse_init_in, max_readahead))
		return -EINVAL;
	memcpy(&in, request->body, offsetof(struct fuse_init_in, max_readahead));
	if (in.major < FUSE_KERNEL_VERSION || (in.major == FUSE_KERNEL_VERSION && in.minor < MINOR))
		return -EPROTO;
	return reply(fs, request->unique, 0, &out, sizeof(out));
}

static int on_lookup(struct proc_fs *fs, const struct request *request)
{
	const char *name = (const char *)request->body;
	struct proc_node node;

	if (!memchr(name, '\0', request->len))
		return -EINVAL;
	if (!proc_node_find(request->node, name, &node))
		return -ENOENT;
	if (node.kind == PROC_PROCESS)
		return ask(fs, request, node, AGENT_PROC_DIRECTORY);
	reply_entry(fs, request->unique, node);
	return 0;
}

static int on_getattr(struct proc_fs *fs, const struct request *request)
{
	struct fuse_attr_out out = { .attr_valid = VALID_S };

	proc_node_attr(request->node, &out.attr);
	return reply(fs, request->unique, 0, &out, sizeof(out));
}

static int on_open(struct proc_fs *fs, const struct request *request)
{
	uint32_t file = proc_node_file(request->node);
	bool directory = proc_node_is_directory(request->node);
	uint8_t *data;
	size_t len;

	if (directory != (request->opcode == FUSE_OPENDIR))
		return directory ? -EISDIR : -ENOTDIR;
	if (file < AGENT_PROC_FILES)
		return ask(fs, request, request->node, file);
	if (!directory)
		return -ELOOP;
	data = proc_entries(request->node, NULL, 0, &len);
	if (!data)
		return -ENOMEM;
	reply_open(fs, request->unique, directory, data, len);
	return 0;
}

static struct opened *find_opened(struct proc_fs *fs, uint64_t fh)
{
	return fh < PROC_FS_OPEN_MAX && fs->opened[fh].used ? &fs->opened[fh] : NULL;
}

static int on_read(struct proc_fs *fs, const struct request *request)
{
	struct fuse_read_in in;
	const struct opened *o;
	size_t len;

	if (request->len < sizeof(in))
		return -EINVAL;
	memcpy(&in, request->body, sizeof(in));
	o = find_opened(fs, in.fh);
	if (!o || o->directory != (request->opcode == FUSE_READDIR))
		return -EBADF;
	if (o->directory) {
		reply_entries(fs, request->unique, o, in.offset, in.size);
		return 0;
	}
	if (in.offset >= o->len)
		return reply(fs, request->unique, 0, NULL, 0);
	len = o->len - in.offset < in.size ? o->len - in.offset : in.size;
	return reply(fs, request->unique, 0, o->data + in.offset, len);
}

static int on_release(struct proc_fs *fs, const struct request *request)
{
	struct fuse_release_in in;
	struct opened *o;

	if (request->len < sizeof(in))
		return -EINVAL;
	memcpy(&in, request->body, sizeof(in));
	o = find_opened(fs, in.fh);
	if (o)
		close_opened(o);
	return reply(fs, request->unique, o ? 0 : -EBADF, NULL, 0);
}

static int dispatch(struct proc_fs *fs, const struct request *request)
{
	switch (request->opcode) {
	case FUSE_INIT:
		return on_init(fs, request);
	case FUSE_LOOKUP:
		return on_lookup(fs, request);
	case FUSE_GETATTR:
		return on_getattr(fs, request);
	case FUSE_READLINK:
		if (request->node.kind != PROC_NS_PID)
			return -EINVAL;
		return reply(fs, request->unique, 0, ns_pid, strlen(ns_pid));
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		return on_open(fs, request);
	case FUSE_READ:
	case FUSE_READDIR:
		return on_read(fs, request);
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return on_release(fs, request);
	default:
		/* For INTERRUPT it means: send no more of these. */
		return -ENOSYS;
	}
}

static void handle(struct proc_fs *fs, size_t len)
{
	struct fuse_in_header head;
	struct request request = { 0 };
	int r;

	if (len < sizeof(head))
		return;
	memcpy(&head, fs->in, sizeof(head));
	/* Nothing is kept for a node, and nobody waits for these. */
	if (head.len != len || head.opcode == FUSE_FORGET || head.opcode == FUSE_BATCH_FORGET)
		return;
	request.unique = head.unique;
	request.opcode = head.opcode;
	request.body = fs->in + sizeof(head);
	request.len = len - sizeof(head);
	/* INIT and INTERRUPT are about no node. */
	if (head.nodeid && !proc_node_parse(head.nodeid, &request.node))
		r = -ENOENT;
	else
		r = dispatch(fs, &request);
	if (r < 0)
		(void)reply(fs, request.unique, r, NULL, 0);
}

static void on_readable(void *ctx, int fd, uint32_t events)
{
	struct proc_fs *fs = ctx;

	(void)events;
	for (unsigned i = 0; i < BATCH; i++) {
		ssize_t n = read(fd, fs->in, sizeof(fs->in));

		if (n > 0)
			handle(fs, (size_t)n);
		else if (n < 0 && errno == EAGAIN)
			return;
		/* ENOENT: its reader has given up. Else the file system is gone, or without a server from now on. */
		else if (n == 0 || (errno != EINTR && errno != ENOENT)) {
			log_debug("nobody can look for the container's processes any more");
			loop_remove(TAKE_PTR(fs->source));
			fs->fd = close_fd(fs->fd);
			return;
		}
	}
}

int proc_fs_new(struct loop *loop, int take_fd, proc_fs_ask_fn ask_fn, void *ctx, struct proc_fs **ret)
{
	struct proc_fs *fs = calloc(1, sizeof(*fs));
	int r;

	if (!fs) {
		close_fd(take_fd);
		return -ENOMEM;
	}
	fs->fd = take_fd;
	fs->ask = ask_fn;
	fs->ctx = ctx;
	r = loop_add_timer(loop, UINT64_MAX, on_timer, fs, &fs->timer);
	if (r == 0)
		r = loop_add_fd(loop, take_fd, EPOLLIN, on_readable, fs, &fs->source);
	if (r < 0) {
		proc_fs_free(fs);
		return r;
	}
	*ret = fs;
	return 0;
}

void proc_fs_free(struct proc_fs *fs)
{
	if (!fs)
		return;
	loop_remove(fs->source);
	loop_remove(fs->timer);
	close_fd(fs->fd);
	for (unsigned i = 0; i < PROC_FS_OPEN_MAX; i++)
		close_opened(&fs->opened[i]);
	free(fs);
}
