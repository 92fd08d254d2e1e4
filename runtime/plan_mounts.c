/* SPDX-License-Identifier: Apache-2.0 */
/* plan_mounts: the root and the bind mounts become shares of the VM. See plan.h. */
#include "runtime/plan.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "oci/spec.h"
#include "runtime/plan_shares.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static bool has_option(const struct oci_mount *m, const char *option)
{
	for (size_t i = 0; i < m->options.n; i++) {
		if (!strcmp(m->options.v[i], option))
			return true;
	}
	return false;
}

/* As runc: the option makes it a bind mount, whatever the type says. */
bool plan_is_bind(const struct oci_mount *m)
{
	return (m->type && !strcmp(m->type, "bind")) || has_option(m, "bind") || has_option(m, "rbind");
}

static bool is_readonly(const struct oci_mount *m)
{
	bool readonly = false;

	for (size_t i = 0; i < m->options.n; i++) {
		if (!strcmp(m->options.v[i], "ro") || !strcmp(m->options.v[i], "rro"))
			readonly = true;
		else if (!strcmp(m->options.v[i], "rw") || !strcmp(m->options.v[i], "rrw"))
			readonly = false;
	}
	return readonly;
}

/* The character devices that are the same in every Linux, so that the guest's own can stand for the host's. */
static const char *common_device(dev_t dev)
{
	static const struct {
		unsigned major, minor;
		const char *path;
	} devices[] = {
		/* Linux, Documentation/admin-guide/devices.txt */
		{ 1, 3, "/dev/null" },	     { 1, 5, "/dev/zero" },    { 1, 7, "/dev/full" },
		{ 1, 8, "/dev/random" },     { 1, 9, "/dev/urandom" }, { 5, 0, "/dev/tty" },
		{ 10, 200, "/dev/net/tun" }, { 10, 229, "/dev/fuse" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		if (dev == makedev(devices[i].major, devices[i].minor))
			return devices[i].path;
	}
	return NULL;
}

/* Sets *ret_guest to the guest's own node for a device that needs no share. */
static int check_source(const char *source, size_t i, const char **ret_guest, struct stat *ret_st,
			struct err *err)
{
	*ret_guest = NULL;
	if (stat(source, ret_st) < 0)
		return err_set_errno(err, -errno, "mounts[%zu].source: %s", i, source);
	switch (ret_st->st_mode & S_IFMT) {
	case S_IFDIR:
	case S_IFREG:
	/* A pipe joins processes of the guest; with one on the host it has only the name in common. */
	case S_IFIFO:
	case S_IFSOCK:
		return 0;
	case S_IFCHR:
		*ret_guest = common_device(ret_st->st_rdev);
		if (*ret_guest)
			return 0;
		break;
	}
	return err_set(err, -ENOTSUP,
		       "mounts[%zu].source: %s is a device of the host, which a VM doesn't have", i, source);
}

/* What is at `path` in the container, seen from the host. `share`: a number, or -1. */
static int add_place(struct vm_view *view, const char *path, int share, bool readonly,
		     enum vm_place_kind kind)
{
	struct vm_place *place = realloc(view->places, (view->n_places + 1) * sizeof(*place));

	if (!place)
		return -ENOMEM;
	view->places = place;
	place += view->n_places;
	*place = (struct vm_place){
		.path = strdup(path), .share = share, .readonly = readonly, .kind = kind
	};
	if (!place->path)
		return -ENOMEM;
	view->n_places++;
	return 0;
}

/* podman top reads the processes, and before their terminals' names the directories of terminals. */
static enum vm_place_kind kind_of(const struct oci_mount *m)
{
	if (!m->type)
		return VM_PLACE_CLOSED;
	if (!strcmp(m->type, "proc") && !strcmp(m->destination, "/proc"))
		return VM_PLACE_PROC;
	if (!strcmp(m->type, "devpts") || (!strcmp(m->type, "tmpfs") && !strcmp(m->destination, "/dev")))
		return VM_PLACE_EMPTY;
	return VM_PLACE_CLOSED;
}

/* The agent's own socket in the place of the host's (agent_proto.h). */
static int plan_socket(struct oci_mount *m, size_t i, char *take_path, const struct stat *st, bool userns,
		       struct vm_spec *vm, struct err *err)
{
	_cleanup_free_ char *path = take_path;
	char source[sizeof(AGENT_SOCKET_DIR) + 64];
	char **sockets;

	if (userns)
		return err_set(
			err, -ENOTSUP,
			"mounts[%zu].source: %s is a socket, and those of the host can't be reached from a "
			"user namespace of a VM",
			i, path);
	if (vm->n_sockets >= VM_SOCKETS_MAX)
		return err_set(err, -E2BIG, "mounts[%zu]: more than %d sockets", i, VM_SOCKETS_MAX);
	snprintf(source, sizeof(source), AGENT_SOCKET_DIR "/%zu-%o-%u-%u", vm->n_sockets,
		 (unsigned)st->st_mode & 07777, st->st_uid, st->st_gid);
	sockets = realloc(vm->sockets, (vm->n_sockets + 1) * sizeof(*sockets));
	if (!sockets)
		return err_set(err, -ENOMEM, "out of memory");
	vm->sockets = sockets;
	sockets[vm->n_sockets++] = TAKE_PTR(path);
	if (oci_string_set(&m->source, source) < 0 ||
	    add_place(&vm->view, m->destination, -1, true, VM_PLACE_FILE) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

static int plan_bind(const char *bundle, enum vm_share_cache cache, struct oci_mount *m, size_t i,
		     bool userns, struct vm_spec *vm, struct err *err)
{
	_cleanup_free_ char *path = NULL;
	struct vm_share like = { .readonly = is_readonly(m),
				 .submounts = has_option(m, "rbind"),
				 .cache = cache };
	struct vm_share *share;
	const char *guest;
	struct stat st = { 0 };
	char name[32];
	int r;

	if (!m->source || !m->source[0])
		return err_set(err, -EINVAL, "mounts[%zu].source: a bind mount needs one", i);
	if (m->uid_mappings.n || m->gid_mappings.n)
		return err_set(err, -ENOTSUP, "mounts[%zu].%s: id-mapped mounts are not supported", i,
			       m->uid_mappings.n ? "uidMappings" : "gidMappings");
	r = plan_share_resolve(bundle, m->source, &path);
	if (r < 0)
		return err_set_errno(err, r, "mounts[%zu].source: %s", i, m->source);
	r = check_source(path, i, &guest, &st, err);
	if (r < 0)
		return r;
	if (S_ISSOCK(st.st_mode))
		return plan_socket(m, i, TAKE_PTR(path), &st, userns, vm, err);
	if (guest) {
		r = oci_string_set(&m->source, guest);
		if (r == 0)
			r = add_place(&vm->view, m->destination, -1, true, VM_PLACE_FILE);
		return r < 0 ? err_set(err, r, "out of memory") : 0;
	}
	if (vm->n_shares >= VM_SHARES_MAX)
		return err_set(err, -E2BIG, "mounts[%zu]: more than %d bind mounts", i, VM_SHARES_MAX - 1);
	snprintf(name, sizeof(name), "m%zu", i);
	like.name = name;
	like.path = path;
	r = plan_share_add(vm, &like, &share);
	if (r == 0)
		r = plan_share_point(&m->source, share);
	if (r == 0)
		r = add_place(&vm->view, m->destination, (int)(share - vm->shares), like.readonly,
			      VM_PLACE_FILE);
	return r < 0 ? err_set(err, r, "out of memory") : 0;
}

static int plan_root(const char *bundle, enum vm_share_cache cache, struct oci_spec *spec, struct vm_spec *vm,
		     char **ret_rootfs, struct err *err)
{
	struct vm_share like = { .readonly = spec->root.readonly, .submounts = true, .cache = cache };
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *rootfs = NULL;
	char name[] = "root";
	struct vm_share *share;
	struct stat st;
	int r;

	r = plan_share_resolve(bundle, spec->root.path, &path);
	if (r < 0 || stat(path, &st) < 0)
		return err_set_errno(err, r < 0 ? r : -errno, "root.path: %s", spec->root.path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, -ENOTDIR, "root.path: %s is not a directory", path);
	rootfs = strdup(path);
	r = rootfs ? 0 : -ENOMEM;
	like.name = name;
	like.path = path;
	if (r == 0)
		r = plan_share_add(vm, &like, &share);
	if (r == 0)
		r = plan_share_point(&spec->root.path, share);
	if (r == 0)
		r = add_place(&vm->view, "/", 0, spec->root.readonly, VM_PLACE_CLOSED);
	if (r < 0)
		return err_set(err, r, "out of memory");
	*ret_rootfs = TAKE_PTR(rootfs);
	return 0;
}

/* Whose files the container's root makes; mappings without root are the guest's to complain about. */
static uint32_t host_root(const struct oci_id_mappings *mappings)
{
	for (size_t i = 0; i < mappings->n; i++) {
		if (mappings->v[i].container_id == 0)
			return mappings->v[i].host_id;
	}
	return 0;
}

int plan_mounts(const char *bundle, enum vm_share_cache cache, struct oci_spec *spec, struct vm_spec *vm,
		char **ret_rootfs, struct err *err)
{
	bool userns = spec->linux_.namespaces[OCI_NS_USER].wanted;
	_cleanup_free_ char *rootfs = NULL;
	int r;

	r = plan_root(bundle, cache, spec, vm, &rootfs, err);
	vm->view.uid = host_root(&spec->linux_.uid_mappings);
	vm->view.gid = host_root(&spec->linux_.gid_mappings);
	for (size_t i = 0; r == 0 && i < spec->n_mounts; i++) {
		struct oci_mount *m = &spec->mounts[i];

		if (vm->view.n_places >= VM_PLACES_MAX)
			return err_set(err, -E2BIG, "mounts[%zu]: more than %d mounts", i, VM_PLACES_MAX - 1);
		if (plan_is_bind(m)) {
			r = plan_bind(bundle, cache, m, i, userns, vm, err);
			continue;
		}
		if (m->type && !strcmp(m->type, "overlay"))
			r = plan_overlay(bundle, cache, m, i, vm, err);
		if (r == 0 && !has_option(m, "remount") &&
		    add_place(&vm->view, m->destination, -1, true, kind_of(m)) < 0)
			r = err_set(err, -ENOMEM, "out of memory");
	}
	if (r < 0)
		return r;
	*ret_rootfs = TAKE_PTR(rootfs);
	return 0;
}
