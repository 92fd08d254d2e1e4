/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup: see cgroup.h. */
#include "runtime/cgroup.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "oci/spec.h"
#include "runtime/cgroup_host.h"
#include "runtime/cgroup_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { NAMES_MAX = 1000 };

/* --- where it is --- */

static void dir_done(struct cgroup_dir *dir)
{
	free(dir->controllers);
	free(dir->path);
	free(dir->top);
}

static void drop_dirs(struct cgroup *cgroup)
{
	for (size_t i = 0; i < cgroup->n_dirs; i++)
		dir_done(&cgroup->dirs[i]);
	free(TAKE_PTR(cgroup->dirs));
	cgroup->n_dirs = 0;
}

int cgroup_set_dirs(struct cgroup *cgroup, const struct cgroup_host *host, const char *path, struct err *err)
{
	drop_dirs(cgroup);
	cgroup->dirs = calloc(host->n ? host->n : 1, sizeof(*cgroup->dirs));
	if (!cgroup->dirs)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < host->n; i++) {
		const struct cgroup_hierarchy *h = &host->v[i];
		struct cgroup_dir *dir = &cgroup->dirs[cgroup->n_dirs++];
		int r;

		dir->controllers = strdup(h->controllers);
		dir->top = strdup(h->mount);
		if (!dir->controllers || !dir->top)
			return err_set(err, -ENOMEM, "out of memory");
		r = cgroup_dir(h, host->unified, path, &dir->path);
		if (r < 0)
			return err_set_errno(err, r,
					     "our own cgroup, to which linux.cgroupsPath is relative");
	}
	return 0;
}

static int find_place(struct cgroup *cgroup, const char *id, const struct oci_spec *spec,
		      const struct cgroup_host *host, bool systemd, struct err *err)
{
	_cleanup_free_ char *path = NULL;
	const char *wanted = spec->linux_.cgroups_path;
	int r;

	if (systemd) {
		r = cgroup_unit_parse(wanted, id, &cgroup->slice, &cgroup->unit, err);
		return r < 0 ? r : cgroup_systemd_check(err);
	}
	cgroup->unnamed = !wanted;
	r = cgroup_path_clean(wanted ? wanted : id, &path);
	if (r < 0)
		return err_set(err, r, "out of memory");
	return cgroup_set_dirs(cgroup, host, path, err);
}

int cgroup_new(const char *id, const struct oci_spec *spec, bool systemd, const struct cgroup_sizes *sizes,
	       struct cgroup **ret, struct err *err)
{
	_cleanup_cgroup_host_ struct cgroup_host host = { 0 };
	_cleanup_cgroup_settings_ struct cgroup_settings settings = { 0 };
	_cleanup_cgroup_ struct cgroup *cgroup = calloc(1, sizeof(*cgroup));
	int r;

	if (!cgroup)
		return err_set(err, -ENOMEM, "out of memory");
	cgroup->sizes = *sizes;
	r = cgroup_host_read(&host, err);
	if (r < 0)
		return r;
	cgroup->unified = host.unified;
	r = find_place(cgroup, id, spec, &host, systemd, err);
	if (r == 0)
		r = cgroup_limits(host.unified, &spec->linux_.resources, sizes, CGROUP_ALL, &settings, err);
	if (r == 0)
		*ret = TAKE_PTR(cgroup);
	return r;
}

void cgroup_free(struct cgroup *cgroup)
{
	if (!cgroup)
		return;
	drop_dirs(cgroup);
	free(cgroup->slice);
	free(cgroup->unit);
	free(cgroup);
}

/* --- limits --- */

static const struct cgroup_dir *find_dir(const struct cgroup *cgroup, const char *controller)
{
	for (size_t i = 0; i < cgroup->n_dirs; i++)
		if (cgroup_dir_has(&cgroup->dirs[i], cgroup->unified, controller))
			return &cgroup->dirs[i];
	return NULL;
}

/* -ENOENT without a message: this host does not have it. */
static int write_setting(const struct cgroup *cgroup, const struct cgroup_setting *s, const char **ret_file)
{
	const struct cgroup_dir *dir = find_dir(cgroup, s->controller);
	_cleanup_close_ int fd = -EBADF;
	int r;

	*ret_file = s->file;
	if (!dir)
		return -ENOENT;
	fd = open(dir->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = file_write(fd, s->file, s->value);
	if (r == -ENOENT && *s->instead) {
		*ret_file = s->instead;
		r = file_write(fd, s->instead, s->value);
	}
	return r;
}

static int write_settings(const struct cgroup *cgroup, const struct cgroup_settings *settings,
			  struct err *err)
{
	bool missed = false;

	for (size_t i = 0; i < settings->n; i++) {
		const struct cgroup_setting *s = &settings->v[i];
		const char *file;
		int r;

		if (s->fallback && !missed)
			continue;
		r = write_setting(cgroup, s, &file);
		missed = r == -ENOENT;
		if (r == 0 || s->try_only || (missed && s->may_miss))
			continue;
		if (missed)
			return err_set(err, -ENOTSUP, "%s: the host's cgroup has no %s%s%s", s->field,
				       s->file, *s->instead ? " or " : "", s->instead);
		return err_set_errno(err, r, "%s: setting %s of the host's cgroup to \"%s\"", s->field, file,
				     s->value);
	}
	return 0;
}

int cgroup_apply(const struct cgroup *cgroup, const struct oci_resources *resources, enum cgroup_parts parts,
		 struct err *err)
{
	_cleanup_cgroup_settings_ struct cgroup_settings settings = { 0 };
	int r;

	r = cgroup_limits(cgroup->unified, resources, &cgroup->sizes, parts, &settings, err);
	if (r < 0 || settings.n == 0)
		return r;
	if (cgroup->n_dirs == 0)
		return err_set(err, -EPERM, "%s: there is no cgroup on the host to set it for",
			       settings.v[0].field);
	if (cgroup->unit) {
		r = cgroup_systemd_set(cgroup, resources, parts, err);
		if (r < 0)
			return r;
	}
	return write_settings(cgroup, &settings, err);
}

/* --- life --- */

static int check_dirs(const struct cgroup *cgroup, struct err *err)
{
	for (size_t i = 0; i < cgroup->n_dirs; i++) {
		int r = cgroup_dir_check(&cgroup->dirs[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int make_dirs(const struct cgroup *cgroup, struct err *err)
{
	for (size_t i = 0; i < cgroup->n_dirs; i++) {
		int r = cgroup_dir_make(&cgroup->dirs[i], cgroup->unified, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int join_dirs(const struct cgroup *cgroup, pid_t pid, struct err *err)
{
	for (size_t i = 0; i < cgroup->n_dirs; i++) {
		int r = cgroup_dir_join(&cgroup->dirs[i], pid);

		if (r < 0)
			return err_set_errno(err, r, "entering cgroup %s", cgroup->dirs[i].path);
	}
	return 0;
}

/* systemd has put `pid` into the scope: the same path in all hierarchies, where it is not there yet. */
static int enter_scope(struct cgroup *cgroup, const struct oci_spec *spec, pid_t pid, struct err *err)
{
	_cleanup_cgroup_host_ struct cgroup_host host = { 0 };
	_cleanup_free_ char *path = NULL;
	int r;

	r = cgroup_systemd_start(cgroup, cgroup->unit, &spec->linux_.resources, pid, err);
	if (r == 0)
		r = cgroup_host_read(&host, err);
	if (r < 0)
		return r;
	r = cgroup_of_pid(pid, cgroup->unified ? "" : "name=systemd", &path);
	if (r < 0)
		return err_set_errno(err, r, "the cgroup of %s", cgroup->unit);
	r = cgroup_set_dirs(cgroup, &host, path, err);
	for (size_t i = 0; i < cgroup->n_dirs && r == 0; i++) {
		_cleanup_free_ char *own = NULL;

		if (cgroup_of_pid(pid, cgroup->dirs[i].controllers, &own) == 0 && strcmp(own, path) == 0)
			continue;
		r = cgroup_dir_make(&cgroup->dirs[i], cgroup->unified, err);
	}
	return r;
}

/* Without root's rights, and nothing that asks for a cgroup: then there is none. */
static bool can_do_without(const struct cgroup *cgroup, const struct oci_spec *spec, int r)
{
	_cleanup_cgroup_settings_ struct cgroup_settings settings = { 0 };

	if (geteuid() == 0 || spec->linux_.cgroups_path || (r != -EACCES && r != -EPERM && r != -EROFS))
		return false;
	return cgroup_limits(cgroup->unified, &spec->linux_.resources, &cgroup->sizes, CGROUP_ALL, &settings,
			     NULL) == 0 &&
	       settings.n == 0;
}

/* Make a directory of a free name in the first hierarchy, and take that name in all. */
static int reserve_name(struct cgroup *cgroup, struct err *err)
{
	for (unsigned n = 0; n < NAMES_MAX; n++) {
		char suffix[16] = "";
		_cleanup_free_ char *path = NULL;

		if (n > 0)
			snprintf(suffix, sizeof(suffix), "-%u", n);
		if (asprintf(&path, "%s%s", cgroup->dirs[0].path, suffix) < 0) {
			path = NULL;
			return err_set(err, -ENOMEM, "out of memory");
		}
		if (mkdir(path, 0755) < 0 && errno == EEXIST)
			continue;
		/* Why it could not be made is told by who makes it for good. */
		for (size_t i = 0; i < cgroup->n_dirs && n > 0; i++) {
			char *renamed;

			if (asprintf(&renamed, "%s%s", cgroup->dirs[i].path, suffix) < 0) {
				(void)rmdir(path);
				return err_set(err, -ENOMEM, "out of memory");
			}
			free(cgroup->dirs[i].path);
			cgroup->dirs[i].path = renamed;
		}
		return 0;
	}
	return err_set(err, -EBUSY, "cgroup %s is taken", cgroup->dirs[0].path);
}

/* Until it counts as ours and `dirfd` says so: a failure after that removes it. */
static int take_place(struct cgroup *cgroup, int dirfd, struct err *err)
{
	bool reserved = cgroup->unnamed && cgroup->n_dirs > 0;
	int r = reserved ? reserve_name(cgroup, err) : 0;

	if (r < 0)
		return r;
	r = check_dirs(cgroup, err);
	if (r == 0) {
		cgroup->entered = true;
		r = cgroup_save(cgroup, dirfd, err);
	}
	if (r < 0 && reserved)
		(void)rmdir(cgroup->dirs[0].path);
	return r;
}

int cgroup_enter(struct cgroup *cgroup, const struct oci_spec *spec, int dirfd, pid_t pid, struct err *err)
{
	int r;

	r = take_place(cgroup, dirfd, err);
	if (r < 0)
		return r;
	if (cgroup->unit) {
		r = enter_scope(cgroup, spec, pid, err);
		if (r == 0)
			r = cgroup_save(cgroup, dirfd, err);
	} else {
		r = make_dirs(cgroup, err);
		if (r < 0 && can_do_without(cgroup, spec, r)) {
			log_debug("no cgroup: %s", err ? err->text : "");
			if (err)
				*err = (struct err)ERR_INIT;
			cgroup_remove(cgroup, NULL);
			drop_dirs(cgroup);
			return cgroup_save(cgroup, dirfd, err);
		}
	}
	/* Limits first: a cpuset or a device can't be taken back from what has been allocated. */
	if (r == 0)
		r = cgroup_apply(cgroup, &spec->linux_.resources, CGROUP_REST, err);
	if (r == 0)
		r = join_dirs(cgroup, pid, err);
	return r;
}

int cgroup_join(const struct cgroup *cgroup, pid_t pid, struct err *err)
{
	return join_dirs(cgroup, pid, err);
}

int cgroup_remove(const struct cgroup *cgroup, struct err *err)
{
	int r = 0;

	if (!cgroup->entered)
		return 0;
	if (cgroup->unit)
		cgroup_systemd_stop(cgroup);
	for (size_t i = 0; i < cgroup->n_dirs; i++) {
		/* All of them, whatever becomes of one; the first failure is told. */
		int one = cgroup_dir_remove(&cgroup->dirs[i], r < 0 ? NULL : err);

		if (one < 0 && r == 0)
			r = one;
	}
	return r;
}

int cgroup_apply_saved(int dirfd, const struct oci_resources *resources, enum cgroup_parts parts,
		       struct err *err)
{
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	int r = cgroup_load(dirfd, &cgroup, err);

	if (r == -ENOENT) {
		if (err)
			*err = (struct err)ERR_INIT;
		return 0;
	}
	return r < 0 ? r : cgroup_apply(cgroup, resources, parts, err);
}

int cgroup_remove_saved(int dirfd, struct err *err)
{
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	int r = cgroup_load(dirfd, &cgroup, err);

	if (r == -ENOENT) {
		if (err)
			*err = (struct err)ERR_INIT;
		return 0;
	}
	return r < 0 ? r : cgroup_remove(cgroup, err);
}

void cgroup_kill_saved(int dirfd)
{
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;

	if (cgroup_load(dirfd, &cgroup, NULL) == 0 && cgroup->entered && cgroup->n_dirs > 0)
		cgroup_dir_kill(&cgroup->dirs[0]);
}

void cgroup_leave(const struct cgroup *cgroup)
{
	for (size_t i = 0; i < cgroup->n_dirs; i++) {
		const struct cgroup_dir top = { .path = cgroup->dirs[i].top };

		(void)cgroup_dir_join(&top, getpid());
	}
}
