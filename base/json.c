/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json: parses text to a bounded tree over yajl's events.
 *
 * Theory of operation
 *
 * A document owns an arena; nodes, keys, strings and number texts live there
 * and go with it. While a container is open its members wait on one shared
 * stack (`pending`); when it closes they move to an exact array in the arena.
 * Numbers stay text until a getter asks for a type, so 64 bits are exact.
 *
 * yajl checks UTF-8 only loosely and turns unpaired surrogates into other text,
 * so the text is scanned for both before yajl sees it.
 */
#include "base/json.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json_internal.h"

#include <setjmp.h>
#include <stddef.h>
#include <string.h>
#include <yajl/yajl_parse.h>

enum { CHUNK_SIZE = 64 << 10 };

struct json_chunk {
	struct json_chunk *next;
	size_t used, size;
	_Alignas(max_align_t) char data[];
};

void *json_doc_alloc(struct json_doc *doc, size_t len)
{
	struct json_chunk *c = doc->chunks;
	void *p;

	len = (len + 15) & ~(size_t)15;
	if (!c || c->size - c->used < len) {
		size_t size = len > CHUNK_SIZE ? len : CHUNK_SIZE;

		c = malloc(sizeof(*c) + size);
		if (!c)
			return NULL;
		c->next = doc->chunks;
		c->used = 0;
		c->size = size;
		doc->chunks = c;
	}
	p = c->data + c->used;
	c->used += len;
	return p;
}

static char *arena_text(struct json_doc *doc, const void *text, size_t len)
{
	char *p = json_doc_alloc(doc, len + 1);

	if (p) {
		memcpy(p, text, len);
		p[len] = 0;
	}
	return p;
}

/* --- the text as a whole --- */

size_t json_utf8_sequence(const unsigned char *p, size_t left)
{
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (len > left)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what lies above U+10FFFF. */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

/* The value of "\uXXXX" at `p`, or -1 when no such escape stands there. */
static int unicode_escape(const char *p, size_t left)
{
	int value = 0;

	if (left < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		char c = p[i] | 0x20;
		int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

/* What is wrong with the text's characters, NULL when nothing is; the offset goes to *ret_at. */
static const char *scan_text(const char *text, size_t len, size_t *ret_at)
{
	size_t step;

	for (size_t i = 0; i < len; i += step) {
		*ret_at = i;
		if (text[i] == '\\') {
			int unit = unicode_escape(text + i, len - i);

			if (unit >= 0xd800 && unit < 0xdc00) {
				int low = unicode_escape(text + i + 6, len - i - 6);

				if (low < 0xdc00 || low > 0xdfff)
					return "unpaired surrogate in a string";
				step = 12;
			} else if (unit >= 0xdc00 && unit < 0xe000) {
				return "unpaired surrogate in a string";
			} else {
				step = 2; /* the escaped character can't begin an escape */
				if (i + 1 < len && (unsigned char)text[i + 1] >= 0x80)
					step = 1;
			}
			continue;
		}
		step = json_utf8_sequence((const unsigned char *)text + i, len - i);
		if (!step)
			return "invalid UTF-8";
	}
	return NULL;
}

static int text_error(struct err *err, const char *what, const char *text, size_t at, const char *why)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < at; i++) {
		column++;
		if (text[i] == '\n') {
			line++;
			column = 1;
		}
	}
	return err_set(err, -EINVAL, "%s: line %zu, column %zu: %s", what, line, column, why);
}

/* --- building the tree --- */

struct builder {
	struct json_doc *doc;
	struct json *open; /* innermost open container */
	const char *key; /* waiting for its value */
	struct json **pending;
	size_t n_pending, cap_pending;
	size_t start[JSON_DEPTH_MAX]; /* where each open container's members begin */
	size_t depth, nodes;
	const char *why; /* set when an event was refused */
	bool out_of_memory;
	jmp_buf no_memory; /* of yajl itself */
};

static int refuse(struct builder *b, const char *why)
{
	b->why = why;
	return 0;
}

static int no_memory(struct builder *b)
{
	b->out_of_memory = true;
	return 0;
}

static struct json *add_node(struct builder *b, enum json_type type)
{
	struct json *node;

	if (++b->nodes > JSON_NODES_MAX) {
		refuse(b, "too many values");
		return NULL;
	}
	if (!b->open) {
		b->doc->root.type = type;
		return &b->doc->root;
	}
	if (b->n_pending - b->start[b->depth - 1] >= JSON_LENGTH_MAX) {
		refuse(b, "too many elements in one array or object");
		return NULL;
	}
	if (b->n_pending == b->cap_pending) {
		size_t cap = b->cap_pending ? b->cap_pending * 2 : 64;
		struct json **v = reallocarray(b->pending, cap, sizeof(struct json *));

		if (!v) {
			no_memory(b);
			return NULL;
		}
		b->pending = v;
		b->cap_pending = cap;
	}
	node = json_doc_alloc(b->doc, sizeof(*node));
	if (!node) {
		no_memory(b);
		return NULL;
	}
	*node = (struct json){
		.parent = b->open,
		.key = b->key,
		.index = b->n_pending - b->start[b->depth - 1],
		.type = type,
	};
	b->key = NULL;
	b->pending[b->n_pending++] = node;
	return node;
}

static int on_null(void *ctx)
{
	return add_node(ctx, JSON_NULL) != NULL;
}

static int on_bool(void *ctx, int value)
{
	struct json *node = add_node(ctx, JSON_BOOL);

	if (!node)
		return 0;
	node->boolean = value;
	return 1;
}

static int add_text(struct builder *b, enum json_type type, const void *text, size_t len)
{
	struct json *node;

	if (memchr(text, 0, len))
		return refuse(b, "NUL character in a string");
	node = add_node(b, type);
	if (!node)
		return 0;
	node->text = arena_text(b->doc, text, len);
	return node->text ? 1 : no_memory(b);
}

static int on_number(void *ctx, const char *text, size_t len)
{
	return add_text(ctx, JSON_NUMBER, text, len);
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
	return add_text(ctx, JSON_STRING, text, len);
}

static int on_key(void *ctx, const unsigned char *text, size_t len)
{
	struct builder *b = ctx;

	if (memchr(text, 0, len))
		return refuse(b, "NUL character in a key");
	b->key = arena_text(b->doc, text, len);
	return b->key ? 1 : no_memory(b);
}

static int open_container(struct builder *b, enum json_type type)
{
	struct json *node;

	if (b->depth >= JSON_DEPTH_MAX)
		return refuse(b, "nested too deeply");
	node = add_node(b, type);
	if (!node)
		return 0;
	b->open = node;
	b->start[b->depth++] = b->n_pending;
	return 1;
}

static int on_object(void *ctx)
{
	return open_container(ctx, JSON_OBJECT);
}

static int on_array(void *ctx)
{
	return open_container(ctx, JSON_ARRAY);
}

static int compare_members(const void *pa, const void *pb)
{
	const struct json *a = *(struct json *const *)pa, *b = *(struct json *const *)pb;
	int order = strcmp(a->key, b->key);

	return order ? order : a->index < b->index ? -1 : 1;
}

static int compare_indexes(const void *pa, const void *pb)
{
	const struct json *a = *(struct json *const *)pa, *b = *(struct json *const *)pb;

	return a->index < b->index ? -1 : 1;
}

/* Of equal keys only the last stays. Sorted, so that a large object costs no quadratic time. */
static size_t drop_duplicates(struct json **v, size_t n)
{
	size_t kept = 0;

	qsort(v, n, sizeof(struct json *), compare_members);
	for (size_t i = 0; i < n; i++)
		if (i + 1 == n || strcmp(v[i]->key, v[i + 1]->key))
			v[kept++] = v[i];
	qsort(v, kept, sizeof(struct json *), compare_indexes);
	return kept;
}

static int on_end(void *ctx)
{
	struct builder *b = ctx;
	struct json *node = b->open;
	size_t n;

	b->depth--;
	n = b->n_pending - b->start[b->depth];
	if (n) {
		struct json **first = b->pending + b->start[b->depth];

		if (node->type == JSON_OBJECT)
			n = drop_duplicates(first, n);
		node->items.v = json_doc_alloc(b->doc, n * sizeof(struct json *));
		if (!node->items.v)
			return no_memory(b);
		memcpy(node->items.v, first, n * sizeof(struct json *));
	}
	node->items.n = n;
	b->n_pending = b->start[b->depth];
	b->open = node->parent;
	return 1;
}

static const yajl_callbacks events = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_object,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end,
	.yajl_start_array = on_array,
	.yajl_end_array = on_end,
};

/* yajl's words are "parse error: …\n"; one line without the newline is wanted. */
static int yajl_error(struct err *err, const char *what, yajl_handle handle, const char *text, size_t len,
		      size_t at)
{
	unsigned char *words = yajl_get_error(handle, 0, (const unsigned char *)text, len);
	int r;

	if (words)
		words[strcspn((char *)words, "\n")] = 0;
	r = text_error(err, what, text, at, words ? (char *)words : "not JSON");
	yajl_free_error(handle, words);
	return r;
}

/*
 * yajl takes it for granted that there is memory. It has it from the document's arena, where nothing is
 * given back before the document is; when there is none it is left behind by longjmp(). Each
 * block begins with its size.
 */
static void *yajl_get_memory(void *ctx, size_t len)
{
	struct builder *b = ctx;
	size_t *block = json_doc_alloc(b->doc, sizeof(max_align_t) + len);

	if (!block)
		longjmp(b->no_memory, 1);
	*block = len;
	return (char *)block + sizeof(max_align_t);
}

static void *yajl_get_more_memory(void *ctx, void *p, size_t len)
{
	void *more = yajl_get_memory(ctx, len);
	size_t had = p ? *(size_t *)((char *)p - sizeof(max_align_t)) : 0;

	if (had)
		memcpy(more, p, had < len ? had : len);
	return more;
}

static void yajl_leave_memory(void *ctx, void *p)
{
	(void)ctx;
	(void)p;
}

static int build(struct builder *b, const char *text, size_t len, const char *what, struct err *err)
{
	yajl_alloc_funcs memory = { yajl_get_memory, yajl_get_more_memory, yajl_leave_memory, b };
	yajl_handle handle;
	yajl_status status;
	size_t at;

	if (setjmp(b->no_memory))
		return err_set_errno(err, -ENOMEM, "%s", what);
	handle = yajl_alloc(&events, &memory, b);
	status = yajl_parse(handle, (const unsigned char *)text, len);
	/* It stops behind the token that it refuses: show that token's last character, or so. */
	at = yajl_get_bytes_consumed(handle);
	at = at > len ? len : at ? at - 1 : 0;
	if (status == yajl_status_ok) {
		status = yajl_complete_parse(handle);
		at = len;
	}
	if (b->out_of_memory)
		return err_set_errno(err, -ENOMEM, "%s", what);
	if (b->why)
		return text_error(err, what, text, at, b->why);
	if (status != yajl_status_ok)
		return yajl_error(err, what, handle, text, len, at);
	return 0;
}

int json_parse(const char *text, size_t len, const char *what, struct json_doc **ret, struct err *err)
{
	_cleanup_json_doc_ struct json_doc *doc = NULL;
	struct builder b = { 0 };
	const char *why;
	size_t at = 0;
	int r;

	if (len > JSON_SIZE_MAX)
		return err_set(err, -EFBIG, "%s: larger than %d MiB", what, JSON_SIZE_MAX >> 20);
	why = scan_text(text, len, &at);
	if (why)
		return text_error(err, what, text, at, why);

	doc = calloc(1, sizeof(*doc));
	if (!doc || !(doc->what = strdup(what)))
		return err_set_errno(err, -ENOMEM, "%s", what);
	b.doc = doc;
	r = build(&b, text, len, what, err);
	free(b.pending);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(doc);
	return 0;
}

void json_doc_free(struct json_doc *doc)
{
	if (!doc)
		return;
	while (doc->chunks) {
		struct json_chunk *c = doc->chunks;

		doc->chunks = c->next;
		free(c);
	}
	free(doc->what);
	free(doc);
}
