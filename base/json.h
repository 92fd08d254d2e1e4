/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json: reading and writing JSON; json.c is the one file that includes yajl.
 *
 * Reading: a parsed document is a tree of `struct json` nodes. Depth and size
 * are bounded. Every typed getter takes the node's path for its message, which
 * the reader builds itself ("process.args[2]"), so a caller never formats it.
 *
 * Writing: a `struct json_out` grows a buffer; errors (out of memory) are
 * sticky and reported by json_out_finish(), so that callers need not check
 * each step.
 */
#ifndef VRUN_BASE_JSON_H
#define VRUN_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct json; /* a node; owned by its document */
struct json_doc;

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

enum {
	JSON_DEPTH_MAX = 64,
	JSON_SIZE_MAX = 16 << 20,
	JSON_LENGTH_MAX = 65536, /* elements of an array, members of an object */
	JSON_NODES_MAX = 1 << 20, /* values in a document */
};

/*
 * Parse `len` bytes. `what` names the document in messages ("config.json").
 * A duplicate key keeps the last value, as Go's decoder does; a NUL inside a
 * string is refused, as nothing that we hand to the kernel can hold one.
 */
int json_parse(const char *text, size_t len, const char *what, struct json_doc **ret, struct err *err);
void json_doc_free(struct json_doc *doc);
static inline void cleanup_json_doc(struct json_doc **p)
{
	json_doc_free(*p);
}
#define _cleanup_json_doc_ __attribute__((cleanup(cleanup_json_doc)))
const struct json *json_root(const struct json_doc *doc);
/* What the root is called in messages when it is a part of a whole ("process"; default ""). Borrowed. */
void json_doc_set_path(struct json_doc *doc, const char *path);

enum json_type json_type(const struct json *node);
/* "process.args[2]", "" for the root. Borrowed from the document. */
const char *json_path(const struct json *node);

/* NULL when the key is absent or null (OCI treats both alike), or `obj` is NULL. */
const struct json *json_get(const struct json *obj, const char *key);
size_t json_length(const struct json *node); /* elements or members; 0 for NULL */
const struct json *json_at(const struct json *node, size_t i);
const char *json_key_at(const struct json *obj, size_t i);

/*
 * Typed values. On a wrong type or range: -EINVAL and "PATH: must be …".
 * The strings are borrowed from the document.
 */
int json_to_bool(const struct json *node, bool *ret, struct err *err);
int json_to_i64(const struct json *node, int64_t min, int64_t max, int64_t *ret, struct err *err);
int json_to_u64(const struct json *node, uint64_t max, uint64_t *ret, struct err *err);
int json_to_string(const struct json *node, const char **ret, struct err *err);
int json_expect(const struct json *node, enum json_type type, struct err *err);
/* Say what is wrong with a value: "PATH: …". Returns -EINVAL. */
int json_error(const struct json *node, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

struct json_out;
int json_out_new(bool pretty, struct json_out **ret);
void json_out_free(struct json_out *out);
void json_out_object(struct json_out *out);
void json_out_object_end(struct json_out *out);
void json_out_array(struct json_out *out);
void json_out_array_end(struct json_out *out);
void json_out_key(struct json_out *out, const char *key);
void json_out_string(struct json_out *out, const char *value); /* NULL writes null */
void json_out_bool(struct json_out *out, bool value);
void json_out_i64(struct json_out *out, int64_t value);
void json_out_u64(struct json_out *out, uint64_t value);
void json_out_double(struct json_out *out, double value);
/* A member of the object that is being written; a NULL string leaves it out. */
void json_put_string(struct json_out *out, const char *key, const char *value);
void json_put_bool(struct json_out *out, const char *key, bool value);
void json_put_i64(struct json_out *out, const char *key, int64_t value);
void json_put_u64(struct json_out *out, const char *key, uint64_t value);
/* A whole node, as it was parsed. */
void json_out_node(struct json_out *out, const struct json *node);
/* Ends the document; the caller frees *ret_text (NUL-terminated). -ENOMEM if anything failed. */
int json_out_finish(struct json_out *out, char **ret_text, size_t *ret_len);

#endif
