/* SPDX-License-Identifier: Apache-2.0 */
/* program: see program.h. */
#include "runtime/program.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/lookpath.h"
#include "oci/spec.h"
#include "runtime/plan.h"
#include "runtime/plan_shares.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { LINKS_MAX = 40 }; /* path_resolution(7) */

struct files {
	const struct oci_spec *spec;
	const char *bundle, *rootfs;
	char **places; /* where the first `n` mounts are: their destinations without symlinks */
	size_t n;
};

struct walk {
	const struct files *files;
	char done[PATH_MAX]; /* absolute in the container, no symlink in it; "" is the root */
	char rest[PATH_MAX]; /* still to go */
	unsigned links;
	struct stat st; /* of `done` */
	bool unknown; /* `done` is in a place that only the guest has */
};

/* Is `path` the place, or below it? */
static bool covers(const char *place, const char *path)
{
	size_t len = strlen(place);

	return !strncmp(path, place, len) && (!path[len] || path[len] == '/');
}

static int open_source(const char *source, const char *path)
{
	const struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	_cleanup_close_ int top = open(source, O_PATH | O_CLOEXEC);
	long fd;

	if (top < 0)
		return -errno;
	path += strspn(path, "/");
	if (!*path)
		return TAKE_FD(top);
	/* A symlink as the last part is opened itself: openat2(2), RESOLVE_NO_SYMLINKS. */
	fd = syscall(SYS_openat2, top, path, &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

/* The host's file for `done`; -ESTALE: only the guest has it. */
static int open_done(const struct walk *w)
{
	const struct files *files = w->files;
	const struct oci_mount *mount = NULL;
	_cleanup_free_ char *source = NULL;
	size_t below = 0;
	int r;

	/* A later mount covers an earlier one, also one that is deeper. */
	for (size_t i = 0; i < files->n; i++) {
		if (covers(files->places[i], w->done)) {
			mount = &files->spec->mounts[i];
			below = strlen(files->places[i]);
		}
	}
	if (!mount)
		return open_source(files->rootfs, w->done);
	if (!plan_is_bind(mount) || !mount->source)
		return -ESTALE;
	r = plan_share_resolve(files->bundle, mount->source, &source);
	return r < 0 ? r : open_source(source, w->done + below);
}

static void strip_last(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash)
		*slash = '\0';
}

/* The link `fd`, whose own path is w->done, goes before the rest. */
static int follow(struct walk *w, int fd)
{
	char target[PATH_MAX], rest[PATH_MAX];
	ssize_t len = readlinkat(fd, "", target, sizeof(target) - 1);

	if (len < 0)
		return -errno;
	if (++w->links > LINKS_MAX)
		return -ELOOP;
	target[len] = '\0';
	if (snprintf(rest, sizeof(rest), "%s%s", target, w->rest) >= (int)sizeof(rest))
		return -ENAMETOOLONG;
	strcpy(w->rest, rest);
	if (target[0] == '/')
		w->done[0] = '\0';
	else
		strip_last(w->done);
	return 0;
}

/* One part of w->rest. 1: there is none any more. */
static int step(struct walk *w)
{
	_cleanup_close_ int fd = -EBADF;
	char name[NAME_MAX + 1];
	char *part = w->rest + strspn(w->rest, "/");
	size_t len = strcspn(part, "/");

	if (len == 0)
		return 1;
	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, part, len);
	name[len] = '\0';
	memmove(w->rest, part + len, strlen(part + len) + 1);
	if (!strcmp(name, "."))
		return 0;
	if (!strcmp(name, "..")) {
		strip_last(w->done);
		return 0;
	}
	if (strlen(w->done) + 1 + len >= sizeof(w->done))
		return -ENAMETOOLONG;
	strcat(strcat(w->done, "/"), name);
	fd = open_done(w);
	if (fd == -ESTALE) {
		w->unknown = true;
		return 1;
	}
	if (fd < 0)
		return fd;
	if (fstat(fd, &w->st) < 0)
		return -errno;
	if (S_ISLNK(w->st.st_mode))
		return follow(w, fd);
	return w->rest[0] && !S_ISDIR(w->st.st_mode) ? -ENOTDIR : 0;
}

/* lookpath_check_fn: as the agent's own, for a user of whom only the x bits matter. */
static int check(void *ctx, const char *path, int *ret_stat)
{
	const struct files *files = ctx;
	struct walk w = { .files = files, .st.st_mode = S_IFDIR };
	const char *cwd = path[0] == '/' ? "" : files->spec->process.cwd;
	int r;

	*ret_stat = 0;
	r = snprintf(w.rest, sizeof(w.rest), "%s/%s", cwd, path) >= (int)sizeof(w.rest) ? -ENAMETOOLONG : 0;
	while (r == 0)
		r = step(&w);
	if (r < 0) {
		*ret_stat = -r;
		return r;
	}
	if (w.unknown)
		return 0;
	return S_ISDIR(w.st.st_mode) || !(w.st.st_mode & 0111) ? -EACCES : 0;
}

/* Where mounts[i] is, given those before it. What is not there is made when it is mounted. */
static int add_place(struct files *files, size_t i)
{
	struct walk w = { .files = files, .st.st_mode = S_IFDIR };
	const char *destination = files->spec->mounts[i].destination;
	size_t len;
	int r = 0;

	if (strlen(destination) >= sizeof(w.rest))
		return -ENAMETOOLONG;
	strcpy(w.rest, destination);
	for (len = strlen(w.rest); len > 0 && w.rest[len - 1] == '/'; len--)
		w.rest[len - 1] = '\0';
	while (r == 0)
		r = step(&w);
	/* The last step took the part that is missing, or the guest's. */
	if (strlen(w.done) + strlen(w.rest) >= sizeof(w.done))
		return -ENAMETOOLONG;
	strcat(w.done, w.rest);
	files->places[i] = strdup(w.done);
	if (!files->places[i])
		return -ENOMEM;
	files->n = i + 1;
	return 0;
}

int program_check(const struct oci_spec *spec, const char *bundle, const char *rootfs, struct err *err)
{
	struct files files = { .spec = spec, .bundle = bundle, .rootfs = rootfs };
	char found[PATH_MAX];
	int r = 0;

	files.places = calloc(spec->n_mounts + 1, sizeof(*files.places));
	if (!files.places)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; r == 0 && i < spec->n_mounts; i++)
		r = add_place(&files, i);
	if (r < 0) {
		err_set_errno(err, r, "mounts[%zu].destination", files.n);
	} else {
		r = lookpath_among(check, &files, spec->process.args.v[0], spec->process.env.v, found,
				   sizeof(found), err);
		if (r < 0)
			err_wrap(err, r, "unable to start container process");
	}
	for (size_t i = 0; i < files.n; i++)
		free(files.places[i]);
	free(files.places);
	return r < 0 ? r : 0;
}
