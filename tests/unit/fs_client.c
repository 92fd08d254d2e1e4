/* SPDX-License-Identifier: Apache-2.0 */
/* fs_client: see fs_client.h */
#include "tests/unit/fs_client.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/stat.h>

static void on_complete(void *ctx, uint64_t token, uint32_t len)
{
	struct fs_client *c = ctx;

	assert_int_equal(len, sizeof(struct fuse_out_header));
	c->completed++;
	c->completed_token = token;
}

static const struct fs_server_ops ops = { .complete = on_complete };

void fs_client_make_dir(struct fs_client *c)
{
	const char *tmp = getenv("TMPDIR");
	int fd;

	snprintf(c->dir, sizeof(c->dir), "%.40s/vrun-fs-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(c->dir));
	assert_int_equal(chmod(c->dir, 0755), 0);
	snprintf(c->file, sizeof(c->file), "%s.file", c->dir);
	fd = open(c->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, "single", 6), 0);
	close(fd);
}

void fs_client_remove_dir(struct fs_client *c)
{
	unlink(c->file);
	assert_int_equal(dir_remove_all(AT_FDCWD, c->dir), 0);
}

int fs_client_setup(void **state)
{
	struct fs_client *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	fs_client_start(c, NULL);
	*state = c;
	return 0;
}

int fs_client_teardown(void **state)
{
	struct fs_client *c = *state;

	fs_client_stop(c);
	fs_client_remove_dir(c);
	free(c);
	return 0;
}

const char *fs_client_host(const struct fs_client *c, const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", c->dir, name);
	return path;
}

void fs_client_no_handles(void)
{
	const cap_value_t value = CAP_DAC_READ_SEARCH;
	cap_t caps = cap_get_proc();

	assert_non_null(caps);
	assert_int_equal(cap_set_flag(caps, CAP_EFFECTIVE, 1, &value, CAP_CLEAR), 0);
	assert_int_equal(cap_set_proc(caps), 0);
	cap_free(caps);
}

bool fs_client_has_handles(void)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = { .h.handle_bytes = MAX_HANDLE_SZ };
	const char *tmp = getenv("TMPDIR");
	_cleanup_close_ int dir = open(tmp ? tmp : "/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int again = -EBADF;
	int mount;

	assert_true(dir >= 0);
	if (name_to_handle_at(dir, "", &u.h, &mount, AT_EMPTY_PATH) < 0)
		return false;
	again = open_by_handle_at(dir, &u.h, O_PATH | O_CLOEXEC);
	return again >= 0;
}

void fs_client_start(struct fs_client *c, const struct vfs_config *config)
{
	if (!c->dir[0])
		fs_client_make_dir(c);
	c->in = malloc(FS_CLIENT_MAX);
	c->out = malloc(FS_CLIENT_MAX);
	assert_true(c->in && c->out);
	if (config) {
		assert_int_equal(fs_server_new(config, &ops, c, &c->server, NULL), 0);
	} else {
		_cleanup_close_ int dir = open(c->dir, O_PATH | O_CLOEXEC);
		_cleanup_close_ int file = open(c->file, O_PATH | O_CLOEXEC);
		/* The single file first: the mount has to be found able to do handles all the same. */
		const struct vfs_share shares[] = {
			{ .name = "file", .fd = file },
			{ .name = "rw", .fd = dir },
			{ .name = "ro", .fd = dir, .readonly = true },
		};
		const struct vfs_config both = { .tag = "t",
						 .shares = shares,
						 .n_shares = ARRAY_SIZE(shares) };

		assert_true(dir >= 0 && file >= 0);
		assert_int_equal(fs_server_new(&both, &ops, c, &c->server, NULL), 0);
	}
	assert_int_equal(fs_worker_new(c->server, &c->worker), 0);
	assert_int_equal(fs_client_init(c), 0);
}

void fs_client_stop(struct fs_client *c)
{
	fs_worker_free(c->worker);
	fs_server_free(c->server);
	free(c->in);
	free(c->out);
	c->worker = NULL;
	c->server = NULL;
	c->in = c->out = NULL;
}

/* Pieces of 7, 40, 4096, 3 and again bytes: no field may count on lying in one. */
static unsigned split(uint8_t *buf, size_t len, struct iovec *iov, unsigned max)
{
	static const size_t sizes[] = { 7, 40, 4096, 3 };
	unsigned n = 0;

	for (size_t at = 0; at < len; n++) {
		size_t part = n + 1 == max ? len - at : sizes[n % ARRAY_SIZE(sizes)];

		if (part > len - at)
			part = len - at;
		iov[n] = (struct iovec){ .iov_base = buf + at, .iov_len = part };
		at += part;
	}
	return n;
}

/*
 * The server gets heap copies of exactly the sizes that it was told, so that the
 * sanitizer sees each byte too far. A kept request's memory has to stay: then it leaks
 * into `kept`, which lives as long as the process.
 */
ssize_t fs_client_raw(struct fs_client *c, const void *in, size_t in_len, size_t out_len)
{
	static void *kept[1024];
	static unsigned n_kept;
	struct iovec iov_in[1100], iov_out[1100];
	uint8_t *in_copy = malloc(in_len + !in_len), *out_copy = malloc(out_len + !out_len);
	struct fs_chain chain = { .in = iov_in, .out = iov_out, .in_len = in_len, .out_len = out_len };
	const char *why = NULL;
	ssize_t r;

	assert_true(in_copy && out_copy);
	memcpy(in_copy, in, in_len);
	memset(out_copy, 0xa5, out_len);
	chain.n_in = split(in_copy, in_len, iov_in, ARRAY_SIZE(iov_in));
	chain.n_out = split(out_copy, out_len, iov_out, ARRAY_SIZE(iov_out));
	chain.token = ++c->unique << 16;
	r = fs_server_handle(c->server, c->worker, &chain, &why);
	assert_true(r >= 0 || r == FS_KEPT || (r == -EPROTO && why));
	assert_true(r < 0 || (size_t)r <= out_len);
	if (r > 0)
		memcpy(c->out, out_copy, (size_t)r);
	free(in_copy);
	if (r == FS_KEPT)
		kept[n_kept++ % ARRAY_SIZE(kept)] = out_copy;
	else
		free(out_copy);
	return r;
}

int fs_client_call(struct fs_client *c, uint32_t opcode, uint64_t nodeid, const void *arg, size_t arg_len,
		   const void *rest, size_t rest_len)
{
	struct fuse_in_header h = {
		.len = (uint32_t)(sizeof(h) + arg_len + rest_len),
		.opcode = opcode,
		.unique = c->unique + 1,
		.nodeid = nodeid,
		.uid = c->uid,
		.gid = c->gid,
		.pid = 1,
	};
	struct fuse_out_header out;
	ssize_t r;

	assert_true(h.len <= FS_CLIENT_MAX);
	memcpy(c->in, &h, sizeof(h));
	if (arg_len > 0)
		memcpy(c->in + sizeof(h), arg, arg_len);
	if (rest_len > 0)
		memcpy(c->in + sizeof(h) + arg_len, rest, rest_len);
	c->out_len = 0;
	r = fs_client_raw(c, c->in, h.len, sizeof(out) + (c->room ? c->room : FS_CLIENT_MAX / 2));
	if (r == 0 || r == FS_KEPT)
		return (int)r;
	assert_true(r >= (ssize_t)sizeof(out));
	memcpy(&out, c->out, sizeof(out));
	assert_int_equal(out.len, r);
	assert_int_equal(out.unique, h.unique);
	assert_true(out.error <= 0 && out.error > -512);
	if (out.error)
		assert_int_equal(out.len, sizeof(out));
	c->out_len = (size_t)r - sizeof(out);
	return out.error;
}

void *fs_client_reply(struct fs_client *c)
{
	return c->out + sizeof(struct fuse_out_header);
}

int fs_client_init(struct fs_client *c)
{
	struct fuse_init_in in = {
		.major = 7,
		.minor = 38,
		.max_readahead = 131072,
		.flags = c->init_flags ? c->init_flags : 0x7fffffff,
	};

	return fs_client_call(c, FUSE_INIT, 0, &in, sizeof(in), NULL, 0);
}

static int entry_reply(struct fs_client *c, int r, struct fuse_entry_out *ret)
{
	if (r == 0) {
		assert_true(c->out_len >= sizeof(*ret));
		memcpy(ret, fs_client_reply(c), sizeof(*ret));
	}
	return r;
}

int fs_client_lookup(struct fs_client *c, uint64_t parent, const char *name, struct fuse_entry_out *ret)
{
	return entry_reply(c, fs_client_call(c, FUSE_LOOKUP, parent, name, strlen(name) + 1, NULL, 0), ret);
}

void fs_client_forget(struct fs_client *c, uint64_t nodeid, uint64_t n)
{
	struct fuse_forget_in in = { .nlookup = n };

	assert_int_equal(fs_client_call(c, FUSE_FORGET, nodeid, &in, sizeof(in), NULL, 0), 0);
}

int fs_client_getattr(struct fs_client *c, uint64_t nodeid, struct fuse_attr *ret)
{
	struct fuse_getattr_in in = { 0 };
	int r = fs_client_call(c, FUSE_GETATTR, nodeid, &in, sizeof(in), NULL, 0);

	if (r == 0)
		*ret = ((struct fuse_attr_out *)fs_client_reply(c))->attr;
	return r;
}

int fs_client_create(struct fs_client *c, uint64_t parent, const char *name, uint32_t flags, uint32_t mode,
		     struct fuse_entry_out *ret, uint64_t *ret_fh)
{
	struct fuse_create_in in = { .flags = flags, .mode = mode };
	int r = fs_client_call(c, FUSE_CREATE, parent, &in, sizeof(in), name, strlen(name) + 1);

	if (r == 0) {
		assert_int_equal(c->out_len, sizeof(*ret) + sizeof(struct fuse_open_out));
		*ret_fh = ((struct fuse_open_out *)((struct fuse_entry_out *)fs_client_reply(c) + 1))->fh;
	}
	return entry_reply(c, r, ret);
}

int fs_client_mkdir(struct fs_client *c, uint64_t parent, const char *name, uint32_t mode,
		    struct fuse_entry_out *ret)
{
	struct fuse_mkdir_in in = { .mode = mode };

	return entry_reply(c, fs_client_call(c, FUSE_MKDIR, parent, &in, sizeof(in), name, strlen(name) + 1),
			   ret);
}

int fs_client_open(struct fs_client *c, uint64_t nodeid, uint32_t flags, uint64_t *ret_fh)
{
	struct fuse_open_in in = { .flags = flags };
	int r = fs_client_call(c, FUSE_OPEN, nodeid, &in, sizeof(in), NULL, 0);

	if (r == 0)
		*ret_fh = ((struct fuse_open_out *)fs_client_reply(c))->fh;
	return r;
}

int fs_client_release(struct fs_client *c, uint64_t nodeid, uint64_t fh)
{
	struct fuse_release_in in = { .fh = fh };

	return fs_client_call(c, FUSE_RELEASE, nodeid, &in, sizeof(in), NULL, 0);
}

int fs_client_write(struct fs_client *c, uint64_t nodeid, uint64_t fh, uint64_t offset, const void *buf,
		    size_t len, uint32_t flags, uint32_t write_flags)
{
	struct fuse_write_in in = {
		.fh = fh, .offset = offset, .size = (uint32_t)len, .flags = flags, .write_flags = write_flags
	};
	int r = fs_client_call(c, FUSE_WRITE, nodeid, &in, sizeof(in), buf, len);

	return r < 0 ? r : (int)((struct fuse_write_out *)fs_client_reply(c))->size;
}

int fs_client_read(struct fs_client *c, uint64_t nodeid, uint64_t fh, uint64_t offset, void *buf, size_t len)
{
	struct fuse_read_in in = { .fh = fh, .offset = offset, .size = (uint32_t)len };
	size_t room = c->room;
	int r;

	c->room = len;
	r = fs_client_call(c, FUSE_READ, nodeid, &in, sizeof(in), NULL, 0);
	c->room = room;
	if (r < 0)
		return r;
	memcpy(buf, fs_client_reply(c), c->out_len);
	return (int)c->out_len;
}

static uint64_t share_id(struct fs_client *c, const char *name)
{
	struct fuse_entry_out entry;

	assert_int_equal(fs_client_lookup(c, FUSE_ROOT_ID, name, &entry), 0);
	return entry.nodeid;
}

uint64_t fs_client_rw(struct fs_client *c)
{
	return share_id(c, "rw");
}

uint64_t fs_client_ro(struct fs_client *c)
{
	return share_id(c, "ro");
}
