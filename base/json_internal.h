/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_internal: the node as json.c builds it and json_node.c and json_out.c
 * read it. Not for anyone else.
 */
#ifndef VRUN_BASE_JSON_INTERNAL_H
#define VRUN_BASE_JSON_INTERNAL_H

#include "base/json.h"

#include <stddef.h>

struct json {
	struct json *parent;
	const char *key; /* in an object */
	size_t index; /* in an array */
	enum json_type type;
	union {
		bool boolean;
		const char *text; /* string, or number as it was written */
		struct {
			struct json **v;
			size_t n;
		} items;
	};
};

struct json_chunk;
struct json_doc {
	struct json root; /* first: a root node leads to its document */
	struct json_chunk *chunks;
	char *what;
	const char *path; /* of the root, NULL for none */
};

/* Memory that lives as long as the document, NULL when there is none. */
void *json_doc_alloc(struct json_doc *doc, size_t len);

/* Bytes of the UTF-8 sequence at `p`, 0 when it is malformed (RFC 3629 §4). `left` > 0. */
size_t json_utf8_sequence(const unsigned char *p, size_t left);

#endif
