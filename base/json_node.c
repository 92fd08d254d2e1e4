/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_node: reading the parsed tree: members, typed values, and the path that
 * every message names.
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/json_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

/* A message shows no more than this of a key or a value. */
enum { PATH_KEY_MAX = 128, VALUE_SHOWN_MAX = 64 };
const struct json *json_root(const struct json_doc *doc)
{
	return &doc->root;
}

enum json_type json_type(const struct json *node)
{
	return node ? node->type : JSON_NULL;
}

/* The document that a node belongs to: its root is the document's first member. */
static struct json_doc *doc_of(const struct json *node)
{
	while (node->parent)
		node = node->parent;
	return (struct json_doc *)(uintptr_t)node;
}

static bool plain_key(const char *key)
{
	return *key && !key[strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")];
}

/* Write a node's own step ("[2]", ".args", `["a.b"]`) to `step`. */
static void path_step(const struct json *node, bool named_root, char *step, size_t size)
{
	if (node->parent->type == JSON_ARRAY) {
		snprintf(step, size, "[%zu]", node->index);
	} else if (plain_key(node->key)) {
		snprintf(step, size, "%s%.*s", node->parent->parent || named_root ? "." : "", PATH_KEY_MAX,
			 node->key);
	} else {
		snprintf(step, size, "[\"%.*s\"]", PATH_KEY_MAX, node->key);
		for (char *p = step; *p; p++)
			if ((unsigned char)*p < 0x20 || *p == 0x7f)
				*p = '?';
	}
}

void json_doc_set_path(struct json_doc *doc, const char *path)
{
	doc->path = path;
}

const char *json_path(const struct json *node)
{
	char step[PATH_KEY_MAX + 8];
	struct json_doc *doc;
	const char *root;
	size_t len;
	char *path;

	if (!node)
		return "";
	doc = doc_of(node);
	root = doc->path ? doc->path : "";
	len = strlen(root);
	for (const struct json *n = node; n->parent; n = n->parent) {
		path_step(n, *root, step, sizeof(step));
		len += strlen(step);
	}
	path = json_doc_alloc(doc, len + 1);
	if (!path)
		return "?";
	path[len] = 0;
	/* From the end: the way up is the only way that a node knows. */
	for (const struct json *n = node; n->parent; n = n->parent) {
		size_t step_len;

		path_step(n, *root, step, sizeof(step));
		step_len = strlen(step);
		len -= step_len;
		memcpy(path + len, step, step_len);
	}
	memcpy(path, root, len);
	return path;
}

const struct json *json_get(const struct json *obj, const char *key)
{
	if (!obj || obj->type != JSON_OBJECT)
		return NULL;
	for (size_t i = 0; i < obj->items.n; i++)
		if (!strcmp(obj->items.v[i]->key, key))
			return obj->items.v[i]->type == JSON_NULL ? NULL : obj->items.v[i];
	return NULL;
}

size_t json_length(const struct json *node)
{
	return node && (node->type == JSON_ARRAY || node->type == JSON_OBJECT) ? node->items.n : 0;
}

const struct json *json_at(const struct json *node, size_t i)
{
	return i < json_length(node) ? node->items.v[i] : NULL;
}

const char *json_key_at(const struct json *obj, size_t i)
{
	const struct json *node = json_at(obj, i);

	return node ? node->key : NULL;
}

int json_error(const struct json *node, struct err *err, const char *fmt, ...)
{
	const char *path = json_path(node);
	char why[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (!*path && node)
		path = doc_of(node)->what;
	return err_set(err, -EINVAL, "%s: %s", path, why);
}

int json_expect(const struct json *node, enum json_type type, struct err *err)
{
	static const char *const names[] = {
		[JSON_NULL] = "null",	    [JSON_BOOL] = "a boolean", [JSON_NUMBER] = "a number",
		[JSON_STRING] = "a string", [JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object",
	};

	if (json_type(node) == type)
		return 0;
	return json_error(node, err, "must be %s, not %s", names[type], names[json_type(node)]);
}

int json_to_bool(const struct json *node, bool *ret, struct err *err)
{
	int r = json_expect(node, JSON_BOOL, err);

	if (r < 0)
		return r;
	*ret = node->boolean;
	return 0;
}

int json_to_string(const struct json *node, const char **ret, struct err *err)
{
	int r = json_expect(node, JSON_STRING, err);

	if (r < 0)
		return r;
	*ret = node->text;
	return 0;
}

/* 1.0 and 1e3 are refused although integral, as Go's decoder refuses them for its integer types. */
static int expect_integer(const struct json *node, struct err *err)
{
	int r = json_expect(node, JSON_NUMBER, err);

	if (r < 0)
		return r;
	if (node->text[strspn(node->text, "-0123456789")])
		return json_error(node, err, "must be an integer, not %.*s", VALUE_SHOWN_MAX, node->text);
	return 0;
}

int json_to_i64(const struct json *node, int64_t min, int64_t max, int64_t *ret, struct err *err)
{
	long long value;
	int r = expect_integer(node, err);

	if (r < 0)
		return r;
	errno = 0;
	value = strtoll(node->text, NULL, 10);
	if (errno || value < min || value > max)
		return json_error(node, err, "must be an integer from %" PRId64 " to %" PRId64 ", not %.*s",
				  min, max, VALUE_SHOWN_MAX, node->text);
	*ret = value;
	return 0;
}

int json_to_u64(const struct json *node, uint64_t max, uint64_t *ret, struct err *err)
{
	unsigned long long value;
	int r = expect_integer(node, err);

	if (r < 0)
		return r;
	errno = 0;
	value = strtoull(node->text, NULL, 10);
	/* strtoull() takes "-1" for its complement. */
	if (errno || node->text[0] == '-' || value > max)
		return json_error(node, err, "must be an integer from 0 to %" PRIu64 ", not %.*s", max,
				  VALUE_SHOWN_MAX, node->text);
	*ret = value;
	return 0;
}
