/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dispatch: takes a request apart, checks all that can be checked without
 * knowing the operation, runs it, and puts the reply together.
 */
#include "base/cleanup.h"
#include "vmm/virtio/fs/internal.h"
#include "vmm/virtio/virtqueue.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "FUSE has the guest's byte order: little-endian");

/* What follows the fixed part. */
enum names {
	NO_NAME,
	ONE_NAME, /* a component */
	TWO_NAMES, /* two components */
	NAME_TARGET, /* a component and any string */
	XATTR_NAME, /* an extended attribute's name, then its value */
};

enum {
	NO_REPLY = 1, /* the protocol has none */
	NO_NODE = 2, /* h.nodeid is not looked at */
	CHANGES = 4, /* refused in a read-only share */
	ROOT = 8, /* the synthetic root can do it */
	DIR_ONLY = 16, /* the node must be a directory */
	ONLY_FIXED = 32, /* copy no more than the fixed part: data follows */
	KEEPS_SUID = 64, /* sets the state of CAP_FSETID itself */
};

struct op {
	fs_op_fn fn;
	uint16_t arg_min, arg_max; /* bytes of the fixed part */
	uint16_t reply; /* bytes of the reply's fixed part; there must be room before anything is done */
	uint8_t names; /* enum names */
	uint8_t flags;
};

#define ARG(type) sizeof(struct type), sizeof(struct type)
#define NO_ARG 0, 0
#define REPLY(type) sizeof(struct type)

static const struct op ops[] = {
	[FUSE_LOOKUP] = { fs_op_lookup, NO_ARG, REPLY(fuse_entry_out), ONE_NAME, ROOT | DIR_ONLY },
	[FUSE_FORGET] = { fs_op_forget, ARG(fuse_forget_in), 0, NO_NAME, NO_REPLY | NO_NODE },
	[FUSE_GETATTR] = { fs_op_getattr, ARG(fuse_getattr_in), REPLY(fuse_attr_out), NO_NAME, ROOT },
	[FUSE_SETATTR] = { fs_op_setattr, ARG(fuse_setattr_in), REPLY(fuse_attr_out), NO_NAME, CHANGES },
	[FUSE_READLINK] = { fs_op_readlink, NO_ARG, 0, NO_NAME, 0 },
	[FUSE_SYMLINK] = { fs_op_symlink, NO_ARG, REPLY(fuse_entry_out), NAME_TARGET, CHANGES | DIR_ONLY },
	[FUSE_MKNOD] = { fs_op_mknod, ARG(fuse_mknod_in), REPLY(fuse_entry_out), ONE_NAME,
			 CHANGES | DIR_ONLY },
	[FUSE_MKDIR] = { fs_op_mkdir, ARG(fuse_mkdir_in), REPLY(fuse_entry_out), ONE_NAME,
			 CHANGES | DIR_ONLY },
	[FUSE_UNLINK] = { fs_op_unlink, NO_ARG, 0, ONE_NAME, CHANGES | DIR_ONLY },
	[FUSE_RMDIR] = { fs_op_rmdir, NO_ARG, 0, ONE_NAME, CHANGES | DIR_ONLY },
	[FUSE_RENAME] = { fs_op_rename, ARG(fuse_rename_in), 0, TWO_NAMES, CHANGES | DIR_ONLY },
	[FUSE_RENAME2] = { fs_op_rename2, ARG(fuse_rename2_in), 0, TWO_NAMES, CHANGES | DIR_ONLY },
	[FUSE_LINK] = { fs_op_link, ARG(fuse_link_in), REPLY(fuse_entry_out), ONE_NAME, CHANGES | DIR_ONLY },
	[FUSE_OPEN] = { fs_op_open, ARG(fuse_open_in), REPLY(fuse_open_out), NO_NAME, KEEPS_SUID },
	[FUSE_READ] = { fs_op_read, ARG(fuse_read_in), 0, NO_NAME, 0 },
	[FUSE_WRITE] = { fs_op_write, ARG(fuse_write_in), REPLY(fuse_write_out), NO_NAME,
			 CHANGES | ONLY_FIXED | KEEPS_SUID },
	[FUSE_STATFS] = { fs_op_statfs, NO_ARG, REPLY(fuse_statfs_out), NO_NAME, ROOT },
	[FUSE_RELEASE] = { fs_op_release, ARG(fuse_release_in), 0, NO_NAME, 0 },
	[FUSE_FSYNC] = { fs_op_fsync, ARG(fuse_fsync_in), 0, NO_NAME, 0 },
	[FUSE_SETXATTR] = { fs_op_setxattr, FUSE_COMPAT_SETXATTR_IN_SIZE, FUSE_COMPAT_SETXATTR_IN_SIZE, 0,
			    XATTR_NAME, CHANGES },
	[FUSE_GETXATTR] = { fs_op_getxattr, ARG(fuse_getxattr_in), 0, XATTR_NAME, ROOT },
	[FUSE_LISTXATTR] = { fs_op_listxattr, ARG(fuse_getxattr_in), 0, NO_NAME, ROOT },
	[FUSE_REMOVEXATTR] = { fs_op_removexattr, NO_ARG, 0, XATTR_NAME, CHANGES },
	[FUSE_FLUSH] = { fs_op_flush, ARG(fuse_flush_in), 0, NO_NAME, 0 },
	[FUSE_INIT] = { fs_op_init, FS_INIT_IN_MIN, sizeof(struct fuse_init_in), REPLY(fuse_init_out),
			NO_NAME, NO_NODE },
	[FUSE_OPENDIR] = { fs_op_opendir, ARG(fuse_open_in), REPLY(fuse_open_out), NO_NAME, ROOT | DIR_ONLY },
	[FUSE_READDIR] = { fs_op_readdir, ARG(fuse_read_in), 0, NO_NAME, ROOT | DIR_ONLY },
	[FUSE_READDIRPLUS] = { fs_op_readdirplus, ARG(fuse_read_in), 0, NO_NAME, ROOT | DIR_ONLY },
	[FUSE_RELEASEDIR] = { fs_op_releasedir, ARG(fuse_release_in), 0, NO_NAME, ROOT | DIR_ONLY },
	[FUSE_FSYNCDIR] = { fs_op_fsyncdir, ARG(fuse_fsync_in), 0, NO_NAME, ROOT | DIR_ONLY },
	[FUSE_GETLK] = { fs_op_getlk, ARG(fuse_lk_in), REPLY(fuse_lk_out), NO_NAME, 0 },
	[FUSE_SETLK] = { fs_op_setlk, ARG(fuse_lk_in), 0, NO_NAME, 0 },
	[FUSE_SETLKW] = { fs_op_setlkw, ARG(fuse_lk_in), 0, NO_NAME, 0 },
	[FUSE_ACCESS] = { fs_op_access, ARG(fuse_access_in), 0, NO_NAME, ROOT },
	[FUSE_CREATE] = { fs_op_create, ARG(fuse_create_in),
			  sizeof(struct fuse_entry_out) + REPLY(fuse_open_out), ONE_NAME,
			  CHANGES | DIR_ONLY },
	[FUSE_INTERRUPT] = { fs_op_interrupt, ARG(fuse_interrupt_in), 0, NO_NAME, NO_REPLY | NO_NODE },
	[FUSE_DESTROY] = { fs_op_destroy, NO_ARG, 0, NO_NAME, NO_NODE },
	[FUSE_IOCTL] = { fs_op_ioctl, ARG(fuse_ioctl_in), 0, NO_NAME, ROOT },
	[FUSE_BATCH_FORGET] = { fs_op_batch_forget, ARG(fuse_batch_forget_in), 0, NO_NAME,
				NO_REPLY | NO_NODE },
	[FUSE_FALLOCATE] = { fs_op_fallocate, ARG(fuse_fallocate_in), 0, NO_NAME, CHANGES },
	[FUSE_LSEEK] = { fs_op_lseek, ARG(fuse_lseek_in), REPLY(fuse_lseek_out), NO_NAME, 0 },
	[FUSE_COPY_FILE_RANGE] = { fs_op_copy_file_range, ARG(fuse_copy_file_range_in), REPLY(fuse_write_out),
				   NO_NAME, 0 },
	[FUSE_SYNCFS] = { fs_op_syncfs, ARG(fuse_syncfs_in), 0, NO_NAME, ROOT },
};

int fs_check_name(const char *name)
{
	size_t len = strnlen(name, FS_NAME_MAX + 1);

	if (len > FS_NAME_MAX)
		return -ENAMETOOLONG;
	if (len == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || memchr(name, '/', len))
		return -EINVAL;
	return 0;
}

/* The next NUL-terminated string of the body. */
static int take_string(struct fs_req *req, const char **ret)
{
	const uint8_t *end = memchr(req->rest, '\0', req->rest_len);

	if (!end)
		return -EINVAL;
	*ret = (const char *)req->rest;
	req->rest_len -= (size_t)(end + 1 - req->rest);
	req->rest = end + 1;
	return 0;
}

static int take_names(struct fs_req *req, enum names names)
{
	int r;

	if (names == NO_NAME)
		return 0;
	r = take_string(req, &req->name);
	if (r < 0)
		return r;
	if (names == XATTR_NAME) {
		size_t len = strlen(req->name);

		return len == 0 || len > FS_NAME_MAX ? -ERANGE : 0;
	}
	r = fs_check_name(req->name);
	if (r < 0 || names == ONE_NAME)
		return r;
	r = take_string(req, &req->name2);
	if (r == 0 && names == TWO_NAMES)
		r = fs_check_name(req->name2);
	return r;
}

/* Copy the body and take it apart. */
static int take_body(struct fs_req *req, const struct op *op)
{
	struct fs_worker *worker = req->worker;
	size_t len = req->h.len - sizeof(req->h), arg_max = op->arg_max;

	/* 7.33 made it longer, if both sides say so in INIT. */
	if (req->h.opcode == FUSE_SETXATTR && (req->server->flags & FUSE_SETXATTR_EXT))
		arg_max = sizeof(struct fuse_setxattr_in);
	if (len < (op->arg_min == op->arg_max ? arg_max : op->arg_min))
		return -EINVAL;
	if (op->flags & ONLY_FIXED)
		len = arg_max;
	if (len > FS_BODY_MAX)
		return -E2BIG;
	iov_read(req->chain->in, req->chain->n_in, sizeof(req->h), worker->body, len);
	req->arg = worker->body;
	if (len < arg_max) {
		memset(worker->body + len, 0, arg_max - len);
		len = arg_max;
	}
	req->rest = worker->body + arg_max;
	req->rest_len = len - arg_max;
	return take_names(req, op->names);
}

static int check_node(const struct fs_req *req, const struct op *op)
{
	const struct fs_inode *inode = req->inode;

	if ((op->flags & DIR_ONLY) && inode->type != S_IFDIR)
		return -ENOTDIR;
	if ((op->flags & CHANGES) && fs_is_readonly(inode))
		return -EROFS;
	if (!(op->flags & ROOT) && fs_is_root(inode))
		return -EPERM;
	return 0;
}

static int run(struct fs_req *req, const struct op *op)
{
	struct fs_server *server = req->server;
	int r;

	if (req->h.len > req->chain->in_len)
		return -EINVAL;
	if (!op)
		return -ENOSYS; /* the driver then does without */
	if (!server->ready && req->h.opcode != FUSE_INIT)
		return -ENOTCONN;
	if (req->room < op->reply)
		return -EINVAL;
	r = take_body(req, op);
	if (r < 0)
		return r;
	if (!(op->flags & NO_NODE)) {
		req->inode = fs_inode_get(&server->inodes, req->h.nodeid);
		if (!req->inode)
			return -ESTALE;
		r = check_node(req, op);
	}
	if (r == 0) {
		if (!(op->flags & KEEPS_SUID))
			fs_creds_keep_suid(&req->worker->creds, true);
		r = op->fn(req);
		fs_creds_restore(&req->worker->creds);
	}
	if (req->inode)
		fs_inode_put(&server->inodes, req->inode);
	return r;
}

/* The error as the guest is to see it. */
static int guest_error(int r)
{
	/* It is we who have no more descriptors, not the guest's process. */
	if (r == -EMFILE)
		return -ENFILE;
	/* Nothing from the kernel's own range (ENOTSUPP, ERESTARTSYS): the driver would take it for its own. */
	return r <= -512 ? -EIO : r;
}

ssize_t fs_server_handle(struct fs_server *server, struct fs_worker *worker, const struct fs_chain *chain,
			 const char **ret_why)
{
	struct fs_req req = { .server = server, .worker = worker, .chain = chain };
	struct fuse_out_header out;
	const struct op *op = NULL;
	int r;

	if (iov_read(chain->in, chain->n_in, 0, &req.h, sizeof(req.h)) != sizeof(req.h)) {
		*ret_why = "request without a whole header";
		return -EPROTO;
	}
	if (req.h.len < sizeof(req.h)) {
		*ret_why = "request shorter than its header";
		return -EPROTO;
	}
	if (req.h.opcode < ARRAY_SIZE(ops) && ops[req.h.opcode].fn)
		op = &ops[req.h.opcode];
	if (op && (op->flags & NO_REPLY)) {
		run(&req, op);
		return 0;
	}
	if (chain->out_len < sizeof(out)) {
		*ret_why = "no room for a reply's header";
		return -EPROTO;
	}
	req.room = chain->out_len - sizeof(out);

	r = run(&req, op);
	if (r == FS_KEPT)
		return r;
	assert(r < 0 || (size_t)r <= req.room);
	out.len = (uint32_t)sizeof(out) + (r > 0 ? (uint32_t)r : 0);
	out.error = r < 0 ? guest_error(r) : 0;
	out.unique = req.h.unique;
	if (r > 0 && req.h.opcode != FUSE_READ)
		iov_write(chain->out, chain->n_out, sizeof(out), worker->reply, (size_t)r);
	iov_write(chain->out, chain->n_out, 0, &out, sizeof(out));
	return out.len;
}
