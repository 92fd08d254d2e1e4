/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup_host: see cgroup_host.h. */
#include "runtime/cgroup_host.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { PROC_FILE_MAX = 4 << 20 };

/* --- /proc/PID/cgroup --- */

/* Whether two comma-separated lists name the same controllers, in any order. */
static bool same_controllers(const char *a, size_t a_len, const char *b)
{
	if (a_len != strlen(b))
		return false;
	while (a_len > 0) {
		size_t len = strcspn(a, ",:"), rest;
		const char *p = b;

		while (*p && !(strncmp(p, a, len) == 0 && (p[len] == ',' || p[len] == '\0'))) {
			p += strcspn(p, ",");
			p += *p == ',';
		}
		if (!*p && len)
			return false;
		rest = len + (len < a_len);
		a += rest;
		a_len -= rest;
	}
	return true;
}

int cgroup_of_parse(const char *text, const char *controllers, char **ret)
{
	/* cgroups(7): hierarchy-ID:controller-list:cgroup-path */
	for (const char *line = text; *line;) {
		const char *list = strchr(line, ':');
		const char *path = list ? strchr(list + 1, ':') : NULL;
		const char *end = line + strcspn(line, "\n");

		if (path && path < end &&
		    same_controllers(list + 1, (size_t)(path - list - 1), controllers)) {
			*ret = strndup(path + 1, (size_t)(end - path - 1));
			return *ret ? 0 : -ENOMEM;
		}
		line = *end ? end + 1 : end;
	}
	return -ENOENT;
}

int cgroup_of_pid(pid_t pid, const char *controllers, char **ret)
{
	_cleanup_free_ char *text = NULL;
	char path[48];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	r = file_read(AT_FDCWD, path, PROC_FILE_MAX, &text, NULL);
	return r < 0 ? r : cgroup_of_parse(text, controllers, ret);
}

/* --- /proc/self/mountinfo --- */

/* proc(5): blanks and backslashes are octal in there. */
static void unescape(char *s)
{
	char *out = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
		    s[3] <= '7') {
			*out++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

/* Of a file system's options, those that name controllers: a hierarchy's flags are left out. */
static int controllers_of(const char *options, char **ret)
{
	static const char *const flags[] = { "rw",	 "ro",	 "xattr", "noprefix", "clone_children",
					     "relatime", "none", "all",	  NULL };
	_cleanup_free_ char *copy = strdup(options);
	char *list = calloc(1, strlen(options) + 1);
	char *save = NULL;

	if (!copy || !list) {
		free(list);
		return -ENOMEM;
	}
	for (char *o = strtok_r(copy, ",", &save); o; o = strtok_r(NULL, ",", &save)) {
		bool flag = strncmp(o, "release_agent=", 14) == 0 || strncmp(o, "cpuset_v2_mode", 14) == 0;

		for (const char *const *f = flags; *f && !flag; f++)
			flag = strcmp(o, *f) == 0;
		if (flag)
			continue;
		if (*list)
			strcat(list, ",");
		strcat(list, o);
	}
	*ret = list;
	return 0;
}

struct mount {
	const char *root, *point, *type, *options;
};

/* proc(5): id parent dev root point options [tags] - type source super-options. Cuts the line up. */
static bool mount_parse(char *line, struct mount *ret)
{
	char *tail = strstr(line, " - "), *save = NULL;
	const char *field[5], *rest[3];

	if (!tail)
		return false;
	*tail = '\0';
	for (unsigned i = 0; i < ARRAY_SIZE(field); i++) {
		field[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!field[i])
			return false;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(rest); i++) {
		rest[i] = strtok_r(i ? NULL : tail + 3, " ", &save);
		if (!rest[i])
			return false;
	}
	unescape((char *)(uintptr_t)field[3]);
	unescape((char *)(uintptr_t)field[4]);
	*ret = (struct mount){ field[3], field[4], rest[0], rest[2] };
	return true;
}

static void hierarchy_done(struct cgroup_hierarchy *h)
{
	free(h->controllers);
	free(h->mount);
	free(h->root);
	free(h->own);
}

static int add_hierarchy(struct cgroup_host *host, const struct mount *m, const char *self)
{
	bool v2 = strcmp(m->type, "cgroup2") == 0;
	struct cgroup_hierarchy h = { .mount = strdup(m->point), .root = strdup(m->root) };
	struct cgroup_hierarchy *v;
	int r = h.mount && h.root ? 0 : -ENOMEM;

	if (r == 0 && v2) {
		h.controllers = strdup("");
		r = h.controllers ? 0 : -ENOMEM;
	} else if (r == 0) {
		r = controllers_of(m->options, &h.controllers);
	}
	/* A hierarchy that we are not in, or one mounted in two places: not for us. */
	for (size_t i = 0; r == 0 && i < host->n; i++)
		r = strcmp(host->v[i].controllers, h.controllers) ? 0 : -EEXIST;
	if (r == 0)
		r = cgroup_of_parse(self, h.controllers, &h.own);
	v = r == 0 ? reallocarray(host->v, host->n + 1, sizeof(*v)) : NULL;
	if (r == 0 && !v)
		r = -ENOMEM;
	if (r < 0) {
		hierarchy_done(&h);
		return r == -EEXIST || r == -ENOENT ? 0 : r;
	}
	host->v = v;
	host->v[host->n++] = h;
	return 0;
}

/* Keep those of one version. */
static void select_version(struct cgroup_host *host)
{
	size_t kept = 0, n_controllers = 0;

	for (size_t i = 0; i < host->n; i++)
		n_controllers += *host->v[i].controllers && strncmp(host->v[i].controllers, "name=", 5) != 0;
	host->unified = n_controllers == 0;
	for (size_t i = 0; i < host->n; i++) {
		if ((*host->v[i].controllers == '\0') == host->unified)
			host->v[kept++] = host->v[i];
		else
			hierarchy_done(&host->v[i]);
	}
	host->n = kept;
}

int cgroup_host_parse(const char *mountinfo, const char *self, struct cgroup_host *ret, struct err *err)
{
	_cleanup_free_ char *copy = strdup(mountinfo);
	_cleanup_cgroup_host_ struct cgroup_host host = { 0 };
	char *save = NULL;
	int r;

	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct mount m;

		if (!mount_parse(line, &m) || (strcmp(m.type, "cgroup") && strcmp(m.type, "cgroup2")))
			continue;
		r = add_hierarchy(&host, &m, self);
		if (r < 0)
			return err_set_errno(err, r, "the host's cgroups");
	}
	select_version(&host);
	if (host.n == 0)
		return err_set(err, -ENOENT, "no cgroup hierarchy is mounted on this host");
	*ret = host;
	host = (struct cgroup_host){ 0 };
	return 0;
}

int cgroup_host_read(struct cgroup_host *ret, struct err *err)
{
	_cleanup_free_ char *mountinfo = NULL;
	_cleanup_free_ char *self = NULL;
	int r;

	r = file_read(AT_FDCWD, "/proc/self/mountinfo", PROC_FILE_MAX, &mountinfo, NULL);
	if (r == 0)
		r = file_read(AT_FDCWD, "/proc/self/cgroup", PROC_FILE_MAX, &self, NULL);
	if (r < 0)
		return err_set_errno(err, r, "the host's cgroups");
	return cgroup_host_parse(mountinfo, self, ret, err);
}

void cgroup_host_done(struct cgroup_host *host)
{
	for (size_t i = 0; i < host->n; i++)
		hierarchy_done(&host->v[i]);
	free(host->v);
	*host = (struct cgroup_host){ 0 };
}

/* --- paths --- */

int cgroup_path_clean(const char *path, char **ret)
{
	bool absolute = *path == '/';
	/* The longest result is the path with a slash in front. */
	char *out = malloc(strlen(path) + 2);
	size_t len = 0;

	if (!out)
		return -ENOMEM;
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (len > 0 && out[--len] != '/')
				;
		} else if (n > 0 && !(n == 1 && path[0] == '.')) {
			out[len++] = '/';
			memcpy(out + len, path, n);
			len += n;
		}
		path += n + (path[n] == '/');
	}
	out[len] = '\0';
	if (absolute && len == 0)
		strcpy(out, "/");
	else if (!absolute && len > 0)
		memmove(out, out + 1, len);
	*ret = out;
	return 0;
}

int cgroup_dir_of(const struct cgroup_hierarchy *h, const char *cgroup, char **ret)
{
	size_t n = strcmp(h->root, "/") == 0 ? 0 : strlen(h->root);

	/* Only a part is mounted, as in a container of an older runtime. */
	if (strncmp(cgroup, h->root, n) != 0 || (cgroup[n] && cgroup[n] != '/'))
		return -ENOENT;
	if (asprintf(ret, "%s%s", h->mount, strcmp(cgroup + n, "/") == 0 ? "" : cgroup + n) < 0)
		return -ENOMEM;
	return 0;
}

int cgroup_dir(const struct cgroup_hierarchy *h, bool unified, const char *path, char **ret)
{
	_cleanup_free_ char *base = NULL;
	int r;

	if (*path == '/')
		return asprintf(ret, "%s%s", h->mount, path) < 0 ? -ENOMEM : 0;
	r = cgroup_dir_of(h, h->own, &base);
	if (r < 0)
		return r;
	if (unified && strlen(base) > strlen(h->mount))
		*strrchr(base, '/') = '\0';
	return asprintf(ret, "%s/%s", base, path) < 0 ? -ENOMEM : 0;
}

/* --- systemd --- */

static bool has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n > m && strcmp(s + n - m, suffix) == 0;
}

int cgroup_unit_parse(const char *path, const char *id, char **ret_slice, char **ret_unit, struct err *err)
{
	_cleanup_free_ char *slice = NULL;
	_cleanup_free_ char *unit = NULL;
	const char *prefix = "vrun", *name = id, *first = path ? strchr(path, ':') : NULL;
	const char *second = first ? strchr(first + 1, ':') : NULL;
	size_t prefix_len = strlen(prefix);

	/* runc's words */
	if (path && (!second || strchr(second + 1, ':')))
		return err_set(err, -EINVAL,
			       "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd "
			       "cgroups, got \"%s\" instead",
			       path);
	if (path) {
		prefix = first + 1;
		prefix_len = (size_t)(second - prefix);
		name = second + 1;
	}
	if (!*name || strpbrk(path ? path : id, "/ \n"))
		return err_set(err, -EINVAL, "linux.cgroupsPath: \"%s\" makes no name of a unit",
			       path ? path : id);
	if (has_suffix(name, ".slice"))
		return err_set(err, -ENOTSUP,
			       "linux.cgroupsPath: a container can't be a slice of systemd (%s)", name);
	slice = first && first > path ? strndup(path, (size_t)(first - path)) : strdup("system.slice");
	if (asprintf(&unit, "%.*s%s%s.scope", (int)prefix_len, prefix, prefix_len ? "-" : "", name) < 0)
		unit = NULL;
	if (!slice || !unit)
		return err_set(err, -ENOMEM, "out of memory");
	if (!has_suffix(slice, ".slice"))
		return err_set(err, -EINVAL, "linux.cgroupsPath: \"%s\" is no slice of systemd", slice);
	*ret_slice = TAKE_PTR(slice);
	*ret_unit = TAKE_PTR(unit);
	return 0;
}
