/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_xattr: extended attributes. The system calls take no O_PATH descriptor, so
 * they get a path: "N" in the worker's current directory, /proc/self/fd, which leads to the
 * node itself without opening it (FIFOs and devices have attributes, too).
 */
#include "vmm/virtio/fs/internal.h"

#include <errno.h>
#include <linux/xattr.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

struct proc_name {
	char text[16];
};

static int node_path(struct fs_req *req, struct proc_name *ret)
{
	int fd = fs_inode_fd(&req->server->inodes, req->inode);

	if (fd < 0)
		return fd;
	snprintf(ret->text, sizeof(ret->text), "%d", fd);
	return 0;
}

static bool has_prefix(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool is_acl(const char *name)
{
	return strcmp(name, "system.posix_acl_access") == 0 || strcmp(name, "system.posix_acl_default") == 0;
}

/*
 * user.* and trusted.* are data (the latter an overlay's of the guest, whose kernel
 * asks for CAP_SYS_ADMIN); file capabilities and ACLs belong to a file as its mode
 * does. Labels and measurements of the host's own policies do not.
 */
static bool is_shared(const char *name)
{
	return has_prefix(name, XATTR_USER_PREFIX) || has_prefix(name, XATTR_TRUSTED_PREFIX) ||
	       strcmp(name, "security.capability") == 0 || is_acl(name);
}

/* Size 0 asks how long the value is (xattr(7)); the reply to that is a struct. */
static int reply_size(struct fs_req *req, ssize_t size)
{
	struct fuse_getxattr_out *out = (struct fuse_getxattr_out *)req->worker->reply;

	*out = (struct fuse_getxattr_out){ .size = (uint32_t)size };
	return fs_reply(req, sizeof(*out));
}

int fs_op_getxattr(struct fs_req *req)
{
	const struct fuse_getxattr_in *in = req->arg;
	size_t max = in->size < FS_XATTR_MAX ? in->size : FS_XATTR_MAX;
	struct proc_name path;
	ssize_t n;
	int r;

	if (!is_shared(req->name))
		return -EOPNOTSUPP;
	if (fs_is_root(req->inode))
		return -ENODATA;
	if (in->size > 0 && max > req->room)
		max = req->room;
	r = node_path(req, &path);
	if (r < 0)
		return r;
	n = getxattr(path.text, req->name, in->size > 0 ? req->worker->reply : NULL, max);
	if (n < 0) {
		/* The driver takes any other error for a reason to deny access. */
		if (errno == EOPNOTSUPP && is_acl(req->name))
			return -ENODATA;
		return -errno;
	}
	return in->size > 0 ? fs_reply(req, (size_t)n) : reply_size(req, n);
}

int fs_op_listxattr(struct fs_req *req)
{
	const struct fuse_getxattr_in *in = req->arg;
	char *list = (char *)req->worker->reply;
	struct proc_name path;
	size_t kept = 0;
	ssize_t n = 0;
	int r;

	if (!fs_is_root(req->inode)) {
		r = node_path(req, &path);
		if (r < 0)
			return r;
		n = listxattr(path.text, list, FS_XATTR_MAX);
		if (n < 0)
			return -errno;
	}
	for (const char *name = list; name < list + n;) {
		size_t len = strlen(name) + 1; /* each ends with a NUL */

		if (is_shared(name)) {
			memmove(list + kept, name, len);
			kept += len;
		}
		name += len;
	}
	if (in->size == 0)
		return reply_size(req, (ssize_t)kept);
	if (kept > in->size || kept > req->room)
		return -ERANGE;
	return fs_reply(req, kept);
}

int fs_op_setxattr(struct fs_req *req)
{
	const struct fuse_setxattr_in *in = req->arg;
	struct proc_name path;
	struct statx st;
	uint32_t size = in->size, flags = in->flags, more = 0;
	int r;

	if (req->server->flags & FUSE_SETXATTR_EXT)
		more = in->setxattr_flags;
	if (size > req->rest_len)
		return -EINVAL;
	if (flags & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	if (!is_shared(req->name))
		return -EOPNOTSUPP;
	r = node_path(req, &path);
	if (r < 0)
		return r;
	if (setxattr(path.text, req->name, req->rest, size, (int)flags) < 0)
		return -errno;
	/* An ACL changes the mode, and the caller may not keep a set-group-ID bit; the host can't know. */
	if ((more & FUSE_SETXATTR_ACL_KILL_SGID) && fs_stat_inode(req->server, req->inode, &st) == 0 &&
	    (st.stx_mode & S_ISGID) &&
	    fchmodat(req->server->proc_fd, path.text, st.stx_mode & 07777 & ~(mode_t)S_ISGID, 0) < 0)
		return -errno;
	return 0;
}

int fs_op_removexattr(struct fs_req *req)
{
	struct proc_name path;
	int r;

	if (!is_shared(req->name))
		return -EOPNOTSUPP;
	r = node_path(req, &path);
	if (r < 0)
		return r;
	return removexattr(path.text, req->name) < 0 ? -errno : 0;
}
