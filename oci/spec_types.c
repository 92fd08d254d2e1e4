/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec_types: how strings, lists of them and booleans of config.json are read,
 * written and freed.
 *
 * An optional string that is empty is read as absent: Go's encoders, which most
 * config.json come from, leave the two alike.
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "oci/spec_schema.h"

#include <string.h>

int spec_no_memory(struct err *err)
{
	return err_set_errno(err, -ENOMEM, "reading the container's configuration");
}

bool spec_known_value(const char *const *values, const char *value)
{
	for (; *values; values++)
		if (!strcmp(*values, value))
			return true;
	return false;
}

int spec_expect_absolute(const struct json *node, const char *path, struct err *err)
{
	if (*path == '/')
		return 0;
	return json_error(node, err, "must be an absolute path, not \"%.200s\"", path);
}

/* --- strings --- */

/* A string that the field allows, borrowed from the document. */
static int read_string(const struct spec_field *f, const struct json *node, const char **ret, struct err *err)
{
	const char *text;
	int r = json_to_string(node, &text, err);

	if (r < 0)
		return r;
	*ret = text;
	if (!*text && !(f->flags & (SPEC_REQUIRED | SPEC_FILLED)))
		return 0;
	if (!*text)
		return json_error(node, err, "must not be empty");
	if (f->values && !spec_known_value(f->values, text))
		return json_error(node, err, "unknown value \"%.200s\"", text);
	if (f->flags & SPEC_ABSOLUTE)
		return spec_expect_absolute(node, text, err);
	return 0;
}

static int text_parse(const struct spec_field *f, const struct json *node, void *base, struct err *err)
{
	char **field = spec_at(base, f->offset);
	const char *text;
	int r = read_string(f, node, &text, err);

	if (r < 0)
		return r;
	*field = strdup(text);
	return *field ? 0 : spec_no_memory(err);
}

static int string_parse(const struct spec_field *f, const struct json *node, void *base, struct err *err)
{
	char **field = spec_at(base, f->offset);
	int r = text_parse(f, node, base, err);

	if (r == 0 && !**field) {
		free(*field);
		*field = NULL;
	}
	return r;
}

static bool string_present(const struct spec_field *f, const void *base)
{
	return *(char *const *)spec_const_at(base, f->offset) != NULL;
}

static void string_write(const struct spec_field *f, struct json_out *out, const void *base)
{
	json_out_string(out, *(char *const *)spec_const_at(base, f->offset));
}

static void string_free(const struct spec_field *f, void *base)
{
	char **field = spec_at(base, f->offset);

	free(*field);
	*field = NULL;
}

const struct spec_type spec_string = { string_parse, string_present, string_write, string_free };
const struct spec_type spec_text = { text_parse, string_present, string_write, string_free };

static int strings_parse(const struct spec_field *f, const struct json *node, void *base, struct err *err)
{
	struct oci_strings *list = spec_at(base, f->offset);
	struct spec_field item = *f;
	int r = json_expect(node, JSON_ARRAY, err);

	if (r < 0)
		return r;
	if (!json_length(node))
		return f->flags & SPEC_FILLED ? json_error(node, err, "must not be empty") : 0;
	list->v = calloc(json_length(node) + 1, sizeof(*list->v));
	if (!list->v)
		return spec_no_memory(err);
	/* That the array is filled says nothing of its strings; that they are paths or known words does. */
	item.flags = f->flags & SPEC_ABSOLUTE;
	if (f->values || item.flags)
		item.flags |= SPEC_FILLED;
	for (size_t i = 0; i < json_length(node); i++) {
		const char *text;

		r = read_string(&item, json_at(node, i), &text, err);
		if (r < 0)
			return r;
		list->v[i] = strdup(text);
		if (!list->v[i])
			return spec_no_memory(err);
		list->n = i + 1;
	}
	return 0;
}

static bool strings_present(const struct spec_field *f, const void *base)
{
	return ((const struct oci_strings *)spec_const_at(base, f->offset))->n > 0;
}

static void strings_write(const struct spec_field *f, struct json_out *out, const void *base)
{
	const struct oci_strings *list = spec_const_at(base, f->offset);

	json_out_array(out);
	for (size_t i = 0; i < list->n; i++)
		json_out_string(out, list->v[i]);
	json_out_array_end(out);
}

static void strings_free(const struct spec_field *f, void *base)
{
	struct oci_strings *list = spec_at(base, f->offset);

	for (size_t i = 0; i < list->n; i++)
		free(list->v[i]);
	free(list->v);
	*list = (struct oci_strings){ 0 };
}

const struct spec_type spec_strings = { strings_parse, strings_present, strings_write, strings_free };

static int map_parse(const struct spec_field *f, const struct json *node, void *base, struct err *err)
{
	struct oci_map *map = spec_at(base, f->offset);
	int r = json_expect(node, JSON_OBJECT, err);

	if (r < 0)
		return r;
	if (!json_length(node))
		return 0;
	map->v = calloc(json_length(node), sizeof(*map->v));
	if (!map->v)
		return spec_no_memory(err);
	for (size_t i = 0; i < json_length(node); i++) {
		const char *value;

		if (!*json_key_at(node, i))
			return json_error(json_at(node, i), err, "the key must not be empty");
		r = json_to_string(json_at(node, i), &value, err);
		if (r < 0)
			return r;
		map->n = i + 1;
		map->v[i].key = strdup(json_key_at(node, i));
		map->v[i].value = strdup(value);
		if (!map->v[i].key || !map->v[i].value)
			return spec_no_memory(err);
	}
	return 0;
}

static bool map_present(const struct spec_field *f, const void *base)
{
	return ((const struct oci_map *)spec_const_at(base, f->offset))->n > 0;
}

static void map_write(const struct spec_field *f, struct json_out *out, const void *base)
{
	const struct oci_map *map = spec_const_at(base, f->offset);

	json_out_object(out);
	for (size_t i = 0; i < map->n; i++) {
		json_out_key(out, map->v[i].key);
		json_out_string(out, map->v[i].value);
	}
	json_out_object_end(out);
}

static void map_free(const struct spec_field *f, void *base)
{
	struct oci_map *map = spec_at(base, f->offset);

	for (size_t i = 0; i < map->n; i++) {
		free(map->v[i].key);
		free(map->v[i].value);
	}
	free(map->v);
	*map = (struct oci_map){ 0 };
}

const struct spec_type spec_map = { map_parse, map_present, map_write, map_free };

static int letter_parse(const struct spec_field *f, const struct json *node, void *base, struct err *err)
{
	const char *text;
	int r = read_string(f, node, &text, err);

	if (r == 0)
		*(char *)spec_at(base, f->offset) = *text;
	return r;
}

static bool letter_present(const struct spec_field *f, const void *base)
{
	return *(const char *)spec_const_at(base, f->offset) != 0;
}

static void letter_write(const struct spec_field *f, struct json_out *out, const void *base)
{
	char text[2] = { *(const char *)spec_const_at(base, f->offset), 0 };

	json_out_string(out, text);
}

const struct spec_type spec_letter = { letter_parse, letter_present, letter_write, NULL };

/* --- booleans --- */

static int bool_parse(const struct spec_field *f, const struct json *node, void *base, struct err *err)
{
	int r = json_to_bool(node, spec_at(base, f->offset), err);

	if (r == 0 && f->aux != SPEC_NO_AUX)
		*(bool *)spec_at(base, f->aux) = true;
	return r;
}

static bool bool_present(const struct spec_field *f, const void *base)
{
	return *(const bool *)spec_const_at(base, f->aux != SPEC_NO_AUX ? f->aux : f->offset);
}

static void bool_write(const struct spec_field *f, struct json_out *out, const void *base)
{
	json_out_bool(out, *(const bool *)spec_const_at(base, f->offset));
}

const struct spec_type spec_bool = { bool_parse, bool_present, bool_write, NULL };
const struct spec_type spec_opt_bool = { bool_parse, bool_present, bool_write, NULL };
