/* SPDX-License-Identifier: Apache-2.0 */
/* mounts: see mounts.h. Behaves as runc's where config.md leaves room. */
#include "agent/mounts.h"

#include "agent/copy_tree.h"
#include "agent/mount_options.h"
#include "agent/rootfs.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/rootpath.h"
#include "oci/spec.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

static int apply_propagation(int root, const char *path, const struct mount_options *o)
{
	_cleanup_close_ int fd = -EBADF;

	if (o->n_propagation == 0)
		return 0;
	fd = root_open(root, path, O_PATH);
	if (fd < 0)
		return fd;
	for (unsigned i = 0; i < o->n_propagation; i++) {
		int r = mount_set_propagation(fd, o->propagation[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static int mount_bind(int root, const struct oci_mount *m, const struct mount_options *o, struct err *err)
{
	_cleanup_close_ int tree = -EBADF, target = -EBADF;
	struct stat st;
	int r;

	if (!m->source)
		return err_set(err, -EINVAL, "a bind mount needs a source");
	tree = mount_clone(AT_FDCWD, m->source, o->recursive);
	if (tree < 0)
		return err_set_errno(err, tree, "binding %s", m->source);
	if (fstat(tree, &st) < 0)
		return err_set_errno(err, -errno, "stat %s", m->source);
	target = rootfs_make(root, m->destination, S_ISDIR(st.st_mode), 0755);
	if (target < 0)
		return err_set_errno(err, target, "making the mount point");
	r = mount_set_attr(tree, o->attr_set, o->attr_clear, false);
	if (r == 0)
		r = mount_set_attr(tree, o->rec_set, o->rec_clear, true);
	if (r < 0)
		return err_set_errno(err, r, "setting the mount's flags");
	for (unsigned i = 0; i < o->n_propagation; i++) {
		r = mount_set_propagation(tree, o->propagation[i]);
		if (r < 0)
			return err_set_errno(err, r, "setting the mount's propagation");
	}
	r = mount_attach(tree, target);
	return r < 0 ? err_set_errno(err, r, "mounting") : 0;
}

/*
 * Fill a new tmpfs with what it is going to hide, and put it in place. It is
 * mounted on the target first, and the hidden directory read through `target`,
 * which still names it.
 */
static int copy_up(int root, const struct oci_mount *m, int target)
{
	_cleanup_close_ int from = openat(target, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), to = -EBADF;

	if (from < 0)
		return -errno;
	to = root_open(root, m->destination, O_RDONLY | O_DIRECTORY);
	if (to < 0)
		return to;
	return copy_tree(from, to);
}

/* A tmpfs over a directory that is there takes over its mode, unless an option says otherwise. */
static int tmpfs_data(int target, bool existed, const struct mount_options *o, char **ret)
{
	struct stat st;

	*ret = NULL;
	if (!existed || fstat(target, &st) < 0 || (o->data && strstr(o->data, "mode="))) {
		*ret = o->data ? strdup(o->data) : NULL;
		return o->data && !*ret ? -ENOMEM : 0;
	}
	if (asprintf(ret, "%s%smode=%o", o->data ? o->data : "", o->data ? "," : "", st.st_mode & 07777) < 0)
		return -ENOMEM;
	return 0;
}

static int mount_tmpfs(int root, const struct oci_mount *m, const struct mount_options *o, struct err *err)
{
	_cleanup_close_ int probe = root_open(root, m->destination, O_PATH), target = -EBADF;
	_cleanup_free_ char *data = NULL;
	int r;

	target = rootfs_make(root, m->destination, true, 0755);
	if (target < 0)
		return err_set_errno(err, target, "making the mount point");
	r = tmpfs_data(target, probe >= 0, o, &data);
	if (r < 0)
		return r;
	/* Read-only comes last: mounts_seal() */
	if (mount(m->source ? m->source : "tmpfs", fd_path(target).text, "tmpfs",
		  o->flags & ~(unsigned long)MS_RDONLY, data) < 0)
		return err_set_errno(err, -errno, "mounting a tmpfs (%s)", data ? data : "");
	if (o->copy_up) {
		r = copy_up(root, m, target);
		if (r < 0)
			return err_set_errno(err, r, "copying what the tmpfs hides");
	}
	return 0;
}

/* The kernel's own file systems must not be led elsewhere by a symlink: nothing would guard the other place. */
static int check_not_symlink(int root, const struct oci_mount *m, struct err *err)
{
	_cleanup_close_ int fd = root_open(root, m->destination, O_PATH | O_NOFOLLOW);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		return err_set(err, -EINVAL, "filesystem \"%s\" must be mounted on ordinary directory",
			       m->type);
	return 0;
}

static int mount_fs(int root, const struct oci_mount *m, const struct mount_options *o, struct err *err)
{
	_cleanup_close_ int target = -EBADF;
	const char *type = m->type ? m->type : "none";
	const char *source = m->source;
	unsigned long flags = o->flags | (o->remount ? MS_REMOUNT : 0);
	int r;

	if (strcmp(type, "proc") == 0 || strcmp(type, "sysfs") == 0) {
		r = check_not_symlink(root, m, err);
		if (r < 0)
			return r;
	}
	/* The guest has cgroup v2 only; a container that asks for "cgroup" gets its own view of it. */
	if (strcmp(type, "cgroup") == 0)
		type = "cgroup2";
	target = rootfs_make(root, m->destination, true, 0755);
	if (target < 0)
		return err_set_errno(err, target, "making the mount point");
	if (mount(source ? source : type, fd_path(target).text, type, flags, o->data) < 0)
		return err_set_errno(err, -errno, "mounting %s%s%s", type, o->data ? " with " : "",
				     o->data ? o->data : "");
	return 0;
}

/* A new one: not the change of one that is there. */
static bool is_tmpfs(const struct oci_mount *m, const struct mount_options *o)
{
	return m->type && strcmp(m->type, "tmpfs") == 0 && !o->bind && !o->remount;
}

static int mount_one(int root, const struct oci_mount *m, struct err *err)
{
	_cleanup_(mount_options_done) struct mount_options o = { 0 };
	int r;

	if (m->uid_mappings.n || m->gid_mappings.n)
		return err_set(err, -ENOTSUP, "idmapped mounts are not supported");
	r = mount_options_parse(&m->options, &o, err);
	if (r < 0)
		return r;
	if (o.bind || (m->type && strcmp(m->type, "bind") == 0))
		return mount_bind(root, m, &o, err);
	if (is_tmpfs(m, &o))
		r = mount_tmpfs(root, m, &o, err);
	else
		r = mount_fs(root, m, &o, err);
	if (r < 0)
		return r;
	r = apply_propagation(root, m->destination, &o);
	return r < 0 ? err_set_errno(err, r, "setting the mount's propagation") : 0;
}

int mounts_apply(int root, const struct oci_spec *spec, struct err *err)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		int r = mount_one(root, &spec->mounts[i], err);

		if (r < 0)
			return err_wrap(err, r, "mounts[%zu] %s", i, spec->mounts[i].destination);
	}
	return 0;
}

static int seal_one(int root, const struct oci_mount *m, struct err *err)
{
	_cleanup_(mount_options_done) struct mount_options o = { 0 };
	_cleanup_close_ int top = -EBADF;
	int r = mount_options_parse(&m->options, &o, err);

	if (r < 0 || !is_tmpfs(m, &o) || !(o.flags & MS_RDONLY))
		return r;
	top = root_open(root, m->destination, O_PATH);
	r = top < 0 ? top : mount_set_attr(top, MOUNT_ATTR_RDONLY, 0, false);
	return r < 0 ? err_set_errno(err, r, "making the tmpfs read-only") : 0;
}

int mounts_seal(int root, const struct oci_spec *spec, struct err *err)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		int r = seal_one(root, &spec->mounts[i], err);

		if (r < 0)
			return err_wrap(err, r, "mounts[%zu] %s", i, spec->mounts[i].destination);
	}
	return 0;
}

int mounts_resolv_conf(int root, const struct oci_spec *spec, const char *source, struct err *err)
{
	static const char destination[] = "/etc/resolv.conf";
	const struct oci_mount m = {
		.destination = (char *)(uintptr_t)destination,
		.source = (char *)(uintptr_t)source,
		.type = (char *)(uintptr_t) "bind",
	};
	struct err why = ERR_INIT;
	int r;

	for (size_t i = 0; i < spec->n_mounts; i++)
		if (!strcmp(spec->mounts[i].destination, destination))
			return 0;
	r = mount_one(root, &m, &why);
	return r < 0 && r != -EROFS ? err_set(err, r, "%s: %s", destination, why.text) : 0;
}
