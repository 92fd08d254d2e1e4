/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec_schema: the walks over the tables of config.json's structs.
 */
#include "oci/spec_schema.h"

#include "base/err.h"

#include <errno.h>
#include <stdlib.h>

int spec_missing(const struct json *parent, const char *name, struct err *err)
{
	const char *path = json_path(parent);

	return err_set(err, -EINVAL, "%s%s%s: is required", path, *path ? "." : "", name);
}

int spec_schema_parse(const struct spec_schema *schema, const struct json *node, void *obj, struct err *err)
{
	int r = json_expect(node, JSON_OBJECT, err);

	if (r < 0)
		return r;
	for (const struct spec_field *f = schema->fields; f->name; f++) {
		const struct json *member = json_get(node, f->name);

		if (member)
			r = f->type->parse(f, member, obj, err);
		else if (f->flags & SPEC_REQUIRED)
			r = spec_missing(node, f->name, err);
		if (r < 0)
			return r;
	}
	return schema->check ? schema->check(node, obj, err) : 0;
}

static bool field_present(const struct spec_field *f, const void *obj)
{
	return (f->flags & (SPEC_REQUIRED | SPEC_ALWAYS)) || !f->type->present || f->type->present(f, obj);
}

void spec_schema_write(const struct spec_schema *schema, struct json_out *out, const void *obj)
{
	json_out_object(out);
	for (const struct spec_field *f = schema->fields; f->name; f++) {
		if (!field_present(f, obj))
			continue;
		json_out_key(out, f->name);
		f->type->write(f, out, obj);
	}
	json_out_object_end(out);
}

void spec_schema_free(const struct spec_schema *schema, void *obj)
{
	for (const struct spec_field *f = schema->fields; f->name; f++)
		if (f->type->free)
			f->type->free(f, obj);
}

/* --- a struct in the struct --- */

static int object_parse(const struct spec_field *f, const struct json *node, void *base, struct err *err)
{
	if (f->aux != SPEC_NO_AUX)
		*(bool *)spec_at(base, f->aux) = true;
	return spec_schema_parse(f->schema, node, spec_at(base, f->offset), err);
}

/* One without a flag is there when a member of it is. */
static bool object_present(const struct spec_field *f, const void *base)
{
	if (f->aux != SPEC_NO_AUX)
		return *(const bool *)spec_const_at(base, f->aux);
	for (const struct spec_field *m = f->schema->fields; m->name; m++)
		if (m->type->present && m->type->present(m, spec_const_at(base, f->offset)))
			return true;
	return false;
}

static void object_write(const struct spec_field *f, struct json_out *out, const void *base)
{
	spec_schema_write(f->schema, out, spec_const_at(base, f->offset));
}

static void object_free(const struct spec_field *f, void *base)
{
	spec_schema_free(f->schema, spec_at(base, f->offset));
}

const struct spec_type spec_object = {
	.parse = object_parse,
	.present = object_present,
	.write = object_write,
	.free = object_free,
};

/* --- an array of structs --- */

static int array_parse(const struct spec_field *f, const struct json *node, void *base, struct err *err)
{
	size_t *n = spec_at(base, f->aux);
	size_t len;
	char *v;
	int r = json_expect(node, JSON_ARRAY, err);

	if (r < 0)
		return r;
	len = json_length(node);
	if (!len)
		return f->flags & SPEC_FILLED ? json_error(node, err, "must not be empty") : 0;
	v = calloc(len, f->schema->size);
	if (!v)
		return spec_no_memory(err);
	*(void **)spec_at(base, f->offset) = v;
	*n = len;
	for (size_t i = 0; i < len; i++) {
		r = spec_schema_parse(f->schema, json_at(node, i), v + i * f->schema->size, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool array_present(const struct spec_field *f, const void *base)
{
	return *(const size_t *)spec_const_at(base, f->aux) > 0;
}

static void array_write(const struct spec_field *f, struct json_out *out, const void *base)
{
	const char *v = *(void *const *)spec_const_at(base, f->offset);
	size_t n = *(const size_t *)spec_const_at(base, f->aux);

	json_out_array(out);
	for (size_t i = 0; i < n; i++)
		spec_schema_write(f->schema, out, v + i * f->schema->size);
	json_out_array_end(out);
}

static void array_free(const struct spec_field *f, void *base)
{
	char **v = spec_at(base, f->offset);
	size_t *n = spec_at(base, f->aux);

	for (size_t i = 0; i < *n; i++)
		spec_schema_free(f->schema, *v + i * f->schema->size);
	free(*v);
	*v = NULL;
	*n = 0;
}

const struct spec_type spec_array = {
	.parse = array_parse,
	.present = array_present,
	.write = array_write,
	.free = array_free,
};
