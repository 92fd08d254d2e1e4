/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec: config.json as a whole (config.md), and the small helpers over it.
 */
#include "oci/spec.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "oci/spec_schema.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>

/* --- platforms that are not ours: only that they are there is kept --- */

static int platform_parse(const struct spec_field *f, const struct json *node, void *base, struct err *err)
{
	(void)node;
	return oci_strings_append(spec_at(base, f->offset), f->name) < 0 ? spec_no_memory(err) : 0;
}

static bool platform_present(const struct spec_field *f, const void *base)
{
	const struct oci_strings *list = spec_const_at(base, f->offset);

	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(list->v[i], f->name))
			return true;
	return false;
}

static void platform_write(const struct spec_field *f, struct json_out *out, const void *base)
{
	(void)f;
	(void)base;
	json_out_object(out);
	json_out_object_end(out);
}

static void platform_free(const struct spec_field *f, void *base)
{
	spec_strings.free(f, base);
}

static const struct spec_type spec_platform = {
	.parse = platform_parse,
	.present = platform_present,
	.write = platform_write,
	.free = platform_free,
};

/* --- ociVersion --- */

/* One number of a version: no leading zero. NULL when there is none, else what follows it. */
static const char *skip_number(const char *p)
{
	size_t digits = strspn(p, "0123456789");

	return digits && (*p != '0' || digits == 1) ? p + digits : NULL;
}

/* Semantic Versioning 2.0.0: 1.MINOR.PATCH, then perhaps -PRE.RELEASE and +BUILD. */
static bool known_version(const char *version)
{
	static const char rest[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-";
	const char *p = version;

	if (strncmp(p, "1.", 2))
		return false;
	p = skip_number(p + 2);
	if (!p || *p != '.')
		return false;
	p = skip_number(p + 1);
	if (!p)
		return false;
	for (const char *mark = "-+"; *mark; mark++) {
		if (*p != *mark)
			continue;
		p++;
		if (!strspn(p, rest))
			return false;
		p += strspn(p, rest);
	}
	return !*p;
}

static int version_parse(const struct spec_field *f, const struct json *node, void *base, struct err *err)
{
	struct oci_spec *spec = base;
	int r = spec_string.parse(f, node, base, err);

	if (r == 0 && !known_version(spec->oci_version))
		return json_error(node, err, "must be a version 1.x.y, not \"%.200s\"", spec->oci_version);
	return r;
}

static void version_write(const struct spec_field *f, struct json_out *out, const void *base)
{
	spec_string.write(f, out, base);
}

static void version_free(const struct spec_field *f, void *base)
{
	spec_string.free(f, base);
}

static const struct spec_type spec_version = {
	.parse = version_parse,
	.write = version_write,
	.free = version_free,
};

/* --- the whole: the version comes first, so that another one's config fails for that --- */

static const struct spec_field oci_spec_fields[] = {
	SPEC_FIELD("ociVersion", oci_spec, oci_version, version, .flags = SPEC_REQUIRED),
	SPEC_FIELD_AUX("process", oci_spec, process, has_process, object, .schema = &oci_process_schema),
	SPEC_FIELD_AUX("root", oci_spec, root, has_root, object, .schema = &oci_root_schema),
	SPEC_FIELD("hostname", oci_spec, hostname, string),
	SPEC_FIELD("domainname", oci_spec, domainname, string),
	SPEC_FIELD_AUX("mounts", oci_spec, mounts, n_mounts, array, .schema = &oci_mount_schema),
	SPEC_FIELD("hooks", oci_spec, hooks, object, .schema = &oci_hooks_schema),
	SPEC_FIELD("annotations", oci_spec, annotations, map),
	SPEC_FIELD_AUX("linux", oci_spec, linux_, has_linux, object, .schema = &oci_linux_schema),
	SPEC_FIELD_AUX("vm", oci_spec, vm, vm.has, object, .schema = &oci_vm_schema),
	SPEC_FIELD("windows", oci_spec, foreign_platforms, platform),
	SPEC_FIELD("solaris", oci_spec, foreign_platforms, platform),
	SPEC_FIELD("zos", oci_spec, foreign_platforms, platform),
	{ 0 },
};

const struct spec_schema oci_spec_schema = {
	.size = sizeof(struct oci_spec),
	.fields = oci_spec_fields,
};

int oci_spec_parse(const char *text, size_t len, const char *what, struct oci_spec **ret, struct err *err)
{
	_cleanup_json_doc_ struct json_doc *doc = NULL;
	_cleanup_oci_spec_ struct oci_spec *spec = NULL;
	int r;

	r = json_parse(text, len, what, &doc, err);
	if (r < 0)
		return r;
	spec = calloc(1, sizeof(*spec));
	if (!spec)
		return spec_no_memory(err);
	r = spec_schema_parse(&oci_spec_schema, json_root(doc), spec, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(spec);
	return 0;
}

int oci_spec_load(const char *bundle, struct oci_spec **ret, struct err *err)
{
	_cleanup_close_ int dir = -EBADF;
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set_errno(err, -errno, "bundle %s", bundle);
	r = file_read(dir, "config.json", JSON_SIZE_MAX, &text, &len);
	if (r == -ENOENT)
		return err_set(err, r, "JSON specification file config.json not found in bundle %s", bundle);
	if (r < 0)
		return err_set_errno(err, r, "bundle %s: config.json", bundle);
	return oci_spec_parse(text, len, "config.json", ret, err);
}

void oci_spec_free(struct oci_spec *spec)
{
	if (!spec)
		return;
	spec_schema_free(&oci_spec_schema, spec);
	free(spec);
}

int oci_spec_write(const struct oci_spec *spec, char **ret_text, size_t *ret_len)
{
	struct json_out *out;
	int r = json_out_new(false, &out);

	if (r < 0)
		return r;
	spec_schema_write(&oci_spec_schema, out, spec);
	r = json_out_finish(out, ret_text, ret_len);
	json_out_free(out);
	return r;
}

const char *oci_spec_annotation(const struct oci_spec *spec, const char *key)
{
	for (size_t i = 0; i < spec->annotations.n; i++)
		if (!strcmp(spec->annotations.v[i].key, key))
			return spec->annotations.v[i].value;
	return NULL;
}

int oci_string_set(char **field, const char *value)
{
	char *copy = NULL;

	if (value) {
		copy = strdup(value);
		if (!copy)
			return -ENOMEM;
	}
	free(*field);
	*field = copy;
	return 0;
}

int oci_strings_append(struct oci_strings *list, const char *value)
{
	char *copy = strdup(value);
	char **v = copy ? reallocarray(list->v, list->n + 2, sizeof(*v)) : NULL;

	if (!v) {
		free(copy);
		return -ENOMEM;
	}
	v[list->n++] = copy;
	v[list->n] = NULL;
	list->v = v;
	return 0;
}
