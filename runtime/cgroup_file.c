/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup_file: cgroup.json in a container's directory. See cgroup.h. */
#include "runtime/cgroup.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"

#include <string.h>

enum { FORMAT = 1, FILE_SIZE_MAX = 1 << 20 };
#define FILE_NAME "cgroup.json"

int cgroup_save(const struct cgroup *cgroup, int dirfd, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct json_out *out;
	size_t len;
	int r;

	r = json_out_new(false, &out);
	if (r < 0)
		return err_set(err, r, "out of memory");
	json_out_object(out);
	json_put_u64(out, "format", FORMAT);
	json_put_bool(out, "unified", cgroup->unified);
	json_put_bool(out, "entered", cgroup->entered);
	json_put_string(out, "slice", cgroup->slice);
	json_put_string(out, "unit", cgroup->unit);
	json_put_u64(out, "vmMemory", cgroup->sizes.vm_memory);
	json_put_u64(out, "overhead", cgroup->sizes.overhead);
	json_out_key(out, "dirs");
	json_out_array(out);
	for (size_t i = 0; i < cgroup->n_dirs; i++) {
		json_out_object(out);
		json_put_string(out, "controllers", cgroup->dirs[i].controllers);
		json_put_string(out, "path", cgroup->dirs[i].path);
		json_put_string(out, "top", cgroup->dirs[i].top);
		json_out_object_end(out);
	}
	json_out_array_end(out);
	json_out_object_end(out);
	r = json_out_finish(out, &text, &len);
	json_out_free(out);
	if (r == 0)
		r = file_write_atomic(dirfd, FILE_NAME, text, len, 0600);
	return r < 0 ? err_set_errno(err, r, "write the container's " FILE_NAME) : 0;
}

/* --- reading --- */

static int get(const struct json *obj, const char *key, bool needed, char **ret, struct err *err)
{
	const struct json *node = json_get(obj, key);
	const char *value;
	int r;

	if (!node)
		return needed ? err_set(err, -EINVAL, "%s is missing", key) : 0;
	r = json_to_string(node, &value, err);
	if (r < 0)
		return r;
	*ret = strdup(value);
	return *ret ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int get_number(const struct json *obj, const char *key, uint64_t *ret, struct err *err)
{
	const struct json *node = json_get(obj, key);

	return node ? json_to_u64(node, UINT64_MAX, ret, err) : err_set(err, -EINVAL, "%s is missing", key);
}

static int get_flag(const struct json *obj, const char *key, bool *ret, struct err *err)
{
	const struct json *node = json_get(obj, key);

	return node ? json_to_bool(node, ret, err) : err_set(err, -EINVAL, "%s is missing", key);
}

static bool is_below(const struct cgroup_dir *dir)
{
	size_t n = strlen(dir->top);

	return *dir->top == '/' && strncmp(dir->path, dir->top, n) == 0 && dir->path[n] == '/' &&
	       !strstr(dir->path, "/../");
}

static int get_dirs(const struct json *array, struct cgroup *cgroup, struct err *err)
{
	size_t n = json_length(array);
	int r;

	if (!array)
		return err_set(err, -EINVAL, "dirs is missing");
	r = json_expect(array, JSON_ARRAY, err);
	if (r < 0 || n == 0)
		return r;
	cgroup->dirs = calloc(n, sizeof(*cgroup->dirs));
	if (!cgroup->dirs)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n && r == 0; i++) {
		struct cgroup_dir *dir = &cgroup->dirs[cgroup->n_dirs++];
		const struct json *obj = json_at(array, i);

		r = json_expect(obj, JSON_OBJECT, err);
		if (r == 0)
			r = get(obj, "controllers", true, &dir->controllers, err);
		if (r == 0)
			r = get(obj, "path", true, &dir->path, err);
		if (r == 0)
			r = get(obj, "top", true, &dir->top, err);
		/* Directories are removed by this. */
		if (r == 0 && !is_below(dir))
			r = json_error(json_get(obj, "path"), err, "is not below its top");
	}
	return r;
}

static int read_cgroup(const struct json *root, struct cgroup *cgroup, struct err *err)
{
	uint64_t format;
	int r;

	r = json_expect(root, JSON_OBJECT, err);
	if (r == 0)
		r = get_number(root, "format", &format, err);
	if (r == 0 && format != FORMAT)
		r = err_set(err, -EINVAL, "it is of another vrun's format");
	if (r == 0)
		r = get_flag(root, "unified", &cgroup->unified, err);
	if (r == 0)
		r = get_flag(root, "entered", &cgroup->entered, err);
	if (r == 0)
		r = get(root, "slice", false, &cgroup->slice, err);
	if (r == 0)
		r = get(root, "unit", false, &cgroup->unit, err);
	if (r == 0)
		r = get_number(root, "vmMemory", &cgroup->sizes.vm_memory, err);
	if (r == 0)
		r = get_number(root, "overhead", &cgroup->sizes.overhead, err);
	return r == 0 ? get_dirs(json_get(root, "dirs"), cgroup, err) : r;
}

int cgroup_load(int dirfd, struct cgroup **ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_doc_ struct json_doc *doc = NULL;
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	size_t len;
	int r;

	r = file_read(dirfd, FILE_NAME, FILE_SIZE_MAX, &text, &len);
	if (r < 0)
		return err_set_errno(err, r, FILE_NAME);
	r = json_parse(text, len, FILE_NAME, &doc, err);
	if (r < 0)
		return err_wrap(err, r, "the container's cgroup can't be found");
	cgroup = calloc(1, sizeof(*cgroup));
	if (!cgroup)
		return err_set(err, -ENOMEM, "out of memory");
	r = read_cgroup(json_root(doc), cgroup, err);
	if (r < 0)
		return err_wrap(err, r, "the container's " FILE_NAME " can't be used");
	*ret = TAKE_PTR(cgroup);
	return 0;
}
