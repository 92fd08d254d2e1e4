/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_overlay: see plan_shares.h; Linux, Documentation/filesystems/overlayfs.rst
 * for the options.
 *
 * upperdir and workdir have to be in one share, since files move from one to the other:
 * the directory that holds both is shared. The container does not see the rest of
 * it, but its guest's kernel could.
 */
#include "runtime/plan_shares.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "oci/agent_proto.h"
#include "oci/spec.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define LOWER "lowerdir="
#define UPPER "upperdir="
#define WORK "workdir="

struct overlay {
	const char *bundle;
	enum vm_share_cache cache;
	size_t i; /* of mounts */
	struct vm_spec *vm;
};

static char **find_option(const struct oci_mount *m, const char *key)
{
	for (size_t o = 0; o < m->options.n; o++) {
		if (!strncmp(m->options.v[o], key, strlen(key)))
			return &m->options.v[o];
	}
	return NULL;
}

static int resolve(const struct overlay *o, const char *key, const char *path, char **ret, struct err *err)
{
	int r = plan_share_resolve(o->bundle, path, ret);

	return r < 0 ? err_set_errno(err, r, "mounts[%zu].options: %s%s", o->i, key, path) : 0;
}

static int share(const struct overlay *o, const char *kind, size_t n, char *take_path, bool readonly,
		 struct vm_share **ret, struct err *err)
{
	_cleanup_free_ char *path = take_path;
	char name[48];
	const struct vm_share like = {
		.name = name, .path = path, .readonly = readonly, .submounts = true, .cache = o->cache
	};
	int r;

	if (o->vm->n_shares >= VM_SHARES_MAX)
		return err_set(err, -E2BIG, "mounts[%zu]: more than %d directories of the host", o->i,
			       VM_SHARES_MAX - 1);
	snprintf(name, sizeof(name), "m%zu%s%zu", o->i, kind, n);
	r = plan_share_add(o->vm, &like, ret);
	return r < 0 ? err_set(err, r, "out of memory") : 0;
}

/* One directory of the list, whose ':' and '\\' are behind a '\\'. The end of it in `list`. */
static size_t next_lower(const char *list, char path[static PATH_MAX])
{
	size_t in = 0, out = 0;

	while (list[in] && list[in] != ':' && out < PATH_MAX - 1) {
		if (list[in] == '\\' && list[in + 1])
			in++;
		path[out++] = list[in++];
	}
	path[out] = '\0';
	return in;
}

static int plan_lower(const struct overlay *o, char **option, struct err *err)
{
	_cleanup_free_ char *text = strdup(LOWER);
	const char *list = *option + strlen(LOWER);

	for (size_t n = 0; text; n++) {
		_cleanup_free_ char *longer = NULL;
		struct vm_share *lower;
		char path[PATH_MAX], *real;
		size_t end = next_lower(list, path);
		int r;

		/* "::" begins layers of data alone, a syntax that we don't know. */
		if (!path[0] || (list[end] && list[end] != ':'))
			return err_set(err, -EINVAL, "mounts[%zu].options: %s can't be read", o->i, *option);
		r = resolve(o, LOWER, path, &real, err);
		if (r == 0)
			r = share(o, "l", n, real, true, &lower, err);
		if (r < 0)
			return r;
		/* "/." as a share is mounted when it is walked through, which overlayfs does not do with the last part. */
		if (asprintf(&longer, "%s%s" AGENT_SHARE_DIR "/%s/.", text, n ? ":" : "", lower->name) < 0)
			longer = NULL;
		free(text);
		text = TAKE_PTR(longer);
		if (!list[end])
			break;
		list += end + 1;
	}
	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	free(*option);
	*option = TAKE_PTR(text);
	return 0;
}

static int point(char **option, const char *key, const struct vm_share *parent, const char *path)
{
	char text[PATH_MAX + 64];

	snprintf(text, sizeof(text), "%s" AGENT_SHARE_DIR "/%s%s", key, parent->name, strrchr(path, '/'));
	return oci_string_set(option, text);
}

static int plan_upper(const struct overlay *o, char **upper, char **work, struct err *err)
{
	_cleanup_free_ char *upper_path = NULL;
	_cleanup_free_ char *work_path = NULL;
	struct vm_share *parent;
	size_t len;
	char *dir;
	int r;

	r = resolve(o, UPPER, *upper + strlen(UPPER), &upper_path, err);
	if (r == 0)
		r = resolve(o, WORK, *work + strlen(WORK), &work_path, err);
	if (r < 0)
		return r;
	len = (size_t)(strrchr(upper_path, '/') - upper_path);
	if (len == 0 || len != (size_t)(strrchr(work_path, '/') - work_path) ||
	    strncmp(upper_path, work_path, len))
		return err_set(
			err, -ENOTSUP,
			"mounts[%zu].options: upperdir and workdir must be in one directory, and not in /",
			o->i);
	dir = strndup(upper_path, len);
	if (!dir)
		return err_set(err, -ENOMEM, "out of memory");
	r = share(o, "u", 0, dir, false, &parent, err);
	if (r < 0)
		return r;
	parent->trusted = true;
	r = point(upper, UPPER, parent, upper_path);
	if (r == 0)
		r = point(work, WORK, parent, work_path);
	return r < 0 ? err_set(err, r, "out of memory") : 0;
}

int plan_overlay(const char *bundle, enum vm_share_cache cache, struct oci_mount *m, size_t i,
		 struct vm_spec *vm, struct err *err)
{
	const struct overlay o = { bundle, cache, i, vm };
	char **lower = find_option(m, LOWER), **upper = find_option(m, UPPER), **work = find_option(m, WORK);
	int r;

	if (!lower)
		return err_set(err, -EINVAL, "mounts[%zu].options: an overlay needs a lowerdir", i);
	if (!upper != !work)
		return err_set(err, -EINVAL, "mounts[%zu].options: upperdir and workdir go together", i);
	r = plan_lower(&o, lower, err);
	return r == 0 && upper ? plan_upper(&o, upper, work, err) : r;
}
