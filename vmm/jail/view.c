/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view: the container's files as its host's tools find them, when they enter the mount namespace of its pid (podman
 * cp does): the root of our mount namespace, which is not the root of our process. See jail.h.
 *
 * All of it is copies of shares: it has nothing that the guest can't change, but for mount points, made as
 * the guest's agent would make them a moment later.
 */
#include "vmm/jail/internal.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/rootpath.h"
#include "vmm/vm_spec.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

struct builder {
	const struct vm_view *view;
	const int *shares;
	int root;
	int gone; /* jail_root_gone(), or -EBADF */
	bool has_gone; /* it is mounted somewhere */
	int proc; /* jail_root_served(), or -errno */
	int proc_target; /* where to mount it when all else is there, or -EBADF */
	int *covers; /* of the guest's own places, to be made read-only when all is there */
	size_t n_covers;
};

/* Are there shares in this one? */
static bool is_passed_through(const struct builder *b, const struct vm_place *place)
{
	for (size_t i = 0; i < b->view->n_places; i++) {
		if (b->view->places[i].share >= 0 && path_is_below(b->view->places[i].path, place->path))
			return true;
	}
	return false;
}

/* Is it in something of the guest's own, where there is nothing as it is? */
static bool is_in_nothing(const struct builder *b, const struct vm_place *place)
{
	const struct vm_place *around = &b->view->places[0];

	for (const struct vm_place *p = around + 1; p < place; p++) {
		if (path_is_below(place->path, p->path) && strlen(p->path) >= strlen(around->path))
			around = p;
	}
	return around->share < 0 && around->kind != VM_PLACE_EMPTY;
}

/* What is mounted nowhere yet can be moved, but not copied. */
static int take_gone(struct builder *b)
{
	int fd;

	if (b->has_gone)
		return jail_root_copy(b->gone, false, 0);
	fd = fcntl(b->gone, F_DUPFD_CLOEXEC, 3);
	b->has_gone = fd >= 0;
	return fd < 0 ? -errno : fd;
}

static int copy_share(const struct builder *b, const struct vm_place *place)
{
	return jail_root_copy(b->shares[place->share], true,
			      JAIL_SHARE_ATTRIBUTES | (place->readonly ? MOUNT_ATTR_RDONLY : 0));
}

/* What to mount at `target` for a place that only the guest has. */
static int copy_nothing(struct builder *b, const struct vm_place *place, int target)
{
	/* Nobody finds the guest's device there, and nobody writes in vain. */
	if (place->kind == VM_PLACE_FILE)
		return jail_root_copy(target, false, JAIL_SHARE_ATTRIBUTES | MOUNT_ATTR_RDONLY);
	if (place->kind == VM_PLACE_EMPTY || is_passed_through(b, place))
		return jail_root_empty();
	return b->gone >= 0 ? take_gone(b) : jail_root_empty();
}

/* Only when nothing is looked up any more: its server is us. */
static bool is_served(const struct builder *b, const struct vm_place *place)
{
	return place->share < 0 && place->kind == VM_PLACE_PROC && b->proc >= 0 && b->proc_target < 0 &&
	       !is_passed_through(b, place);
}

static int mount_on(int tree, int target)
{
	const unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;

	return move_mount(tree, "", target, "", flags) < 0 ? -errno : 0;
}

static int add_place(struct builder *b, const struct vm_place *place)
{
	const struct root_new new = { 0755, true, b->view->uid, b->view->gid };
	_cleanup_close_ int target = -EBADF, tree = -EBADF;
	bool directory = place->kind != VM_PLACE_FILE;
	struct stat st;
	int r;

	if (place->share < 0 && is_in_nothing(b, place))
		return 0;
	if (place->share >= 0) {
		if (fstat(b->shares[place->share], &st) < 0)
			return -errno;
		directory = S_ISDIR(st.st_mode);
	}
	target = root_make(b->root, place->path, directory, &new);
	if (target < 0)
		return target;
	if (is_served(b, place)) {
		b->proc_target = TAKE_FD(target);
		return 0;
	}
	tree = place->share >= 0 ? copy_share(b, place) : copy_nothing(b, place, target);
	if (tree < 0)
		return tree;
	r = mount_on(tree, target);
	if (r == 0 && place->share < 0)
		b->covers[b->n_covers++] = TAKE_FD(tree);
	return r;
}

static int build(struct builder *b)
{
	const struct vm_view *view = b->view;
	size_t i;
	int r;

	b->root = copy_share(b, &view->places[0]);
	r = b->root < 0 ? b->root : jail_root_cover(b->root);
	for (i = 1; r == 0 && i < view->n_places; i++)
		r = add_place(b, &view->places[i]);
	for (size_t k = 0; r == 0 && k < b->n_covers; k++)
		r = jail_root_seal(b->covers[k]);
	if (r == 0 && b->proc_target >= 0)
		r = mount_on(b->proc, b->proc_target);
	if (r < 0 && b->root >= 0)
		log_debug("the container's files can't be shown to others: %s: %s", view->places[i - 1].path,
			  strerror(-r));
	return r;
}

int jail_view_show(const struct vm_view *view, int gone, int proc, const int *shares)
{
	struct builder b = {
		.view = view,
		.shares = shares,
		.root = -EBADF,
		.gone = gone,
		.proc = proc,
		.proc_target = -EBADF,
	};
	mode_t mask;
	int r;

	if (view->n_places == 0)
		return jail_root_show_nothing();
	b.covers = calloc(view->n_places, sizeof(*b.covers));
	if (!b.covers)
		return -ENOMEM;
	mask = umask(0);
	r = build(&b);
	umask(mask);
	for (size_t i = 0; i < b.n_covers; i++)
		close_fd(b.covers[i]);
	free(b.covers);
	close_fd(b.proc_target);
	close_fd(b.root);
	/* Where a place is missing, what is put there would be lost below the guest's. Then rather nothing. */
	return r < 0 ? jail_root_show_nothing() : 0;
}
