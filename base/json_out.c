/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_out: writing JSON to a growing buffer.
 *
 * The first failure is kept and makes every later call a no-op. Misuse (a value
 * where a key is due, an end without its beginning) is our own bug: asserted.
 */
#include "base/cleanup.h"
#include "base/json.h"
#include "base/json_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

struct json_out {
	char *buf;
	size_t len, cap;
	bool pretty;
	bool failed;
	bool after_key; /* a member's key is written, its value is due */
	size_t depth;
	struct {
		bool object, filled;
	} levels[2 * JSON_DEPTH_MAX + 1];
};

static void put(struct json_out *out, const char *text, size_t len)
{
	if (out->failed)
		return;
	if (out->cap - out->len <= len) {
		size_t cap = (out->cap + len + 64) * 2;
		char *buf = realloc(out->buf, cap);

		if (!buf) {
			out->failed = true;
			return;
		}
		out->buf = buf;
		out->cap = cap;
	}
	memcpy(out->buf + out->len, text, len);
	out->len += len;
	out->buf[out->len] = 0;
}

static void put_text(struct json_out *out, const char *text)
{
	put(out, text, strlen(text));
}

static void put_line(struct json_out *out)
{
	if (!out->pretty)
		return;
	put_text(out, "\n");
	for (size_t i = 0; i < out->depth; i++)
		put_text(out, "  ");
}

/* What stands between the previous token and a new element or key. */
static void separate(struct json_out *out)
{
	if (!out->depth)
		return;
	if (out->levels[out->depth].filled)
		put_text(out, ",");
	out->levels[out->depth].filled = true;
	put_line(out);
}

static void begin_value(struct json_out *out)
{
	if (out->after_key) {
		out->after_key = false;
		return;
	}
	assert(!out->levels[out->depth].object);
	separate(out);
}

static void open_level(struct json_out *out, bool object)
{
	begin_value(out);
	put_text(out, object ? "{" : "[");
	assert(out->depth < 2 * JSON_DEPTH_MAX); /* a parsed document inside of our own nesting */
	out->depth++;
	out->levels[out->depth].object = object;
	out->levels[out->depth].filled = false;
}

static void close_level(struct json_out *out, bool object)
{
	bool filled = out->levels[out->depth].filled;

	assert(out->depth && out->levels[out->depth].object == object && !out->after_key);
	out->depth--;
	if (filled)
		put_line(out);
	put_text(out, object ? "}" : "]");
}

/* Bytes that are not UTF-8 become U+FFFD, as in Go's encoder. */
static void put_string(struct json_out *out, const char *text)
{
	size_t left = strlen(text);

	put_text(out, "\"");
	while (left) {
		unsigned char c = *text;
		size_t step = json_utf8_sequence((const unsigned char *)text, left);
		char escape[8];

		if (!step) {
			put_text(out, "\xef\xbf\xbd");
			step = 1;
		} else if (c == '"' || c == '\\') {
			snprintf(escape, sizeof(escape), "\\%c", c);
			put_text(out, escape);
		} else if (c == '\n' || c == '\t' || c == '\r') {
			put_text(out, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r");
		} else if (c < 0x20 || c == 0x7f) {
			snprintf(escape, sizeof(escape), "\\u%04x", c);
			put_text(out, escape);
		} else {
			put(out, text, step);
		}
		text += step;
		left -= step;
	}
	put_text(out, "\"");
}

int json_out_new(bool pretty, struct json_out **ret)
{
	struct json_out *out = calloc(1, sizeof(*out));

	if (!out)
		return -ENOMEM;
	out->pretty = pretty;
	*ret = out;
	return 0;
}

void json_out_free(struct json_out *out)
{
	if (!out)
		return;
	free(out->buf);
	free(out);
}

void json_out_object(struct json_out *out)
{
	open_level(out, true);
}

void json_out_object_end(struct json_out *out)
{
	close_level(out, true);
}

void json_out_array(struct json_out *out)
{
	open_level(out, false);
}

void json_out_array_end(struct json_out *out)
{
	close_level(out, false);
}

void json_out_key(struct json_out *out, const char *key)
{
	assert(out->levels[out->depth].object && !out->after_key);
	separate(out);
	put_string(out, key);
	put_text(out, out->pretty ? ": " : ":");
	out->after_key = true;
}

void json_out_string(struct json_out *out, const char *value)
{
	begin_value(out);
	if (value)
		put_string(out, value);
	else
		put_text(out, "null");
}

static void put_value(struct json_out *out, const char *text)
{
	begin_value(out);
	put_text(out, text);
}

void json_out_bool(struct json_out *out, bool value)
{
	put_value(out, value ? "true" : "false");
}

void json_out_i64(struct json_out *out, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	put_value(out, text);
}

void json_out_u64(struct json_out *out, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	put_value(out, text);
}

/* The shortest text that reads back as the same value. JSON has no infinities: null. */
void json_out_double(struct json_out *out, double value)
{
	char text[40];

	if (!isfinite(value)) {
		put_value(out, "null");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	put_value(out, text);
}

void json_put_string(struct json_out *out, const char *key, const char *value)
{
	if (!value)
		return;
	json_out_key(out, key);
	json_out_string(out, value);
}

void json_put_bool(struct json_out *out, const char *key, bool value)
{
	json_out_key(out, key);
	json_out_bool(out, value);
}

void json_put_i64(struct json_out *out, const char *key, int64_t value)
{
	json_out_key(out, key);
	json_out_i64(out, value);
}

void json_put_u64(struct json_out *out, const char *key, uint64_t value)
{
	json_out_key(out, key);
	json_out_u64(out, value);
}

static void put_members(struct json_out *out, const struct json *node)
{
	for (size_t i = 0; i < node->items.n; i++) {
		const struct json *member = node->items.v[i];

		if (node->type == JSON_OBJECT)
			json_out_key(out, member->key);
		json_out_node(out, member); /* no deeper than JSON_DEPTH_MAX */
	}
}

void json_out_node(struct json_out *out, const struct json *node)
{
	switch (json_type(node)) {
	case JSON_NULL:
		put_value(out, "null");
		break;
	case JSON_BOOL:
		json_out_bool(out, node->boolean);
		break;
	case JSON_NUMBER:
		put_value(out, node->text);
		break;
	case JSON_STRING:
		json_out_string(out, node->text);
		break;
	case JSON_ARRAY:
		json_out_array(out);
		put_members(out, node);
		json_out_array_end(out);
		break;
	case JSON_OBJECT:
		json_out_object(out);
		put_members(out, node);
		json_out_object_end(out);
		break;
	}
}

int json_out_finish(struct json_out *out, char **ret_text, size_t *ret_len)
{
	assert(!out->depth && !out->after_key);
	if (out->failed || !out->buf)
		return -ENOMEM;
	if (ret_len)
		*ret_len = out->len;
	*ret_text = TAKE_PTR(out->buf);
	out->len = out->cap = 0;
	return 0;
}
