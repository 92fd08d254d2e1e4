/* SPDX-License-Identifier: Apache-2.0 */
/* devices: see devices.h. */
#include "agent/devices.h"

#include "agent/rootfs.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "oci/spec.h"

#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const struct oci_device default_devices[] = {
	{ .path = (char *)"/dev/null", .type = 'c', .major = 1, .minor = 3 },
	{ .path = (char *)"/dev/zero", .type = 'c', .major = 1, .minor = 5 },
	{ .path = (char *)"/dev/full", .type = 'c', .major = 1, .minor = 7 },
	{ .path = (char *)"/dev/random", .type = 'c', .major = 1, .minor = 8 },
	{ .path = (char *)"/dev/urandom", .type = 'c', .major = 1, .minor = 9 },
	{ .path = (char *)"/dev/tty", .type = 'c', .major = 5, .minor = 0 },
};

/* /dev/ptmx must be the container's own devpts': a node of the same number would be another instance's. */
static const struct {
	const char *target, *path;
} links[] = {
	{ "/proc/self/fd", "dev/fd" },	     { "/proc/self/fd/0", "dev/stdin" },
	{ "/proc/self/fd/1", "dev/stdout" }, { "/proc/self/fd/2", "dev/stderr" },
	{ "/proc/kcore", "dev/core" },	     { "pts/ptmx", "dev/ptmx" },
};

static bool dev_is_bound(const struct oci_spec *spec)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct oci_mount *m = &spec->mounts[i];
		bool bind = m->type && strcmp(m->type, "bind") == 0;

		for (size_t k = 0; k < m->options.n; k++)
			bind = bind || strcmp(m->options.v[k], "bind") == 0 ||
			       strcmp(m->options.v[k], "rbind") == 0;
		if (bind && (strcmp(m->destination, "/dev") == 0 || strcmp(m->destination, "/dev/") == 0))
			return true;
	}
	return false;
}

static mode_t device_mode(const struct oci_device *d)
{
	mode_t type = d->type == 'b' ? S_IFBLK : d->type == 'p' ? S_IFIFO : S_IFCHR;

	return type | (d->file_mode.has ? (mode_t)d->file_mode.v & 07777 : 0666);
}

static int bind_device(int root, const struct oci_device *d)
{
	_cleanup_close_ int tree = mount_clone(AT_FDCWD, d->path, false), target = -EBADF;
	struct stat st;

	if (tree < 0)
		return tree;
	if (fstat(tree, &st) < 0)
		return -errno;
	if ((st.st_mode & S_IFMT) != (device_mode(d) & S_IFMT) ||
	    st.st_rdev != makedev((unsigned)d->major, (unsigned)d->minor))
		return -ENODEV;
	target = rootfs_make(root, d->path, false, 0666);
	return target < 0 ? target : mount_attach(tree, target);
}

static int make_device(int root, const struct oci_device *d, bool bind)
{
	_cleanup_free_ char *dir_copy = strdup(d->path), *name_copy = strdup(d->path);
	_cleanup_close_ int dir = -EBADF;
	const char *name;

	if (!dir_copy || !name_copy)
		return -ENOMEM;
	if (bind)
		return bind_device(root, d);
	dir = rootfs_make(root, dirname(dir_copy), true, 0755);
	if (dir < 0)
		return dir;
	name = basename(name_copy);
	if (mknodat(dir, name, device_mode(d), makedev((unsigned)d->major, (unsigned)d->minor)) < 0) {
		if (errno == EEXIST)
			return 0;
		/* A share may refuse device nodes: they would be the host's. */
		return errno == EPERM && d->type != 'p' ? bind_device(root, d) : -errno;
	}
	/* The node may be replaced by another container on a shared root: so by name, never through a symlink. */
	if ((d->has_uid || d->has_gid) &&
	    fchownat(dir, name, d->has_uid ? d->uid : 0, d->has_gid ? d->gid : 0, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static bool is_overridden(const struct oci_spec *spec, const struct oci_device *d)
{
	for (size_t i = 0; i < spec->linux_.n_devices; i++)
		if (strcmp(spec->linux_.devices[i].path, d->path) == 0)
			return true;
	return false;
}

static int make_links(int root)
{
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		_cleanup_close_ int dev = rootfs_make(root, "dev", true, 0755);
		const char *name = strrchr(links[i].path, '/') + 1;

		if (dev < 0)
			return dev;
		/* A root that came with its own /dev/ptmx node gets the link in its place, as with runc. */
		if (strcmp(name, "ptmx") == 0 && unlinkat(dev, name, 0) < 0 && errno != ENOENT)
			return -errno;
		if (symlinkat(links[i].target, dev, name) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

int devices_make(int root, const struct oci_spec *spec, bool bind, struct err *err)
{
	int r;

	if (dev_is_bound(spec))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(default_devices); i++) {
		if (is_overridden(spec, &default_devices[i]))
			continue;
		r = make_device(root, &default_devices[i], bind);
		if (r < 0)
			return err_set_errno(err, r, "making %s", default_devices[i].path);
	}
	for (size_t i = 0; i < spec->linux_.n_devices; i++) {
		r = make_device(root, &spec->linux_.devices[i], bind);
		if (r < 0)
			return err_set_errno(err, r, "linux.devices[%zu] %s", i,
					     spec->linux_.devices[i].path);
	}
	r = make_links(root);
	return r < 0 ? err_set_errno(err, r, "making the links in /dev") : 0;
}
