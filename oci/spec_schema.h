/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec_schema: config.json's structs described once, as tables. Internal to
 * oci/spec*.c and the agent protocol's codecs.
 *
 * Theory of operation
 *
 * A struct has a `struct spec_schema`: a table of the JSON members it is made of
 * and a check over the whole of it. A member has a `struct spec_type`, which
 * knows how to read, write and free it. Reading, writing and freeing a config
 * are three walks over the same tables, so they can't disagree on a field.
 *
 * Objects are parsed into zeroed memory. Whatever a failed parse has built is
 * freed by the same walk, as the zero of every type is its absence.
 */
#ifndef VRUN_OCI_SPEC_SCHEMA_H
#define VRUN_OCI_SPEC_SCHEMA_H

#include "base/json.h"
#include "oci/spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct spec_field;

/* `base` is the struct that the field's offsets count from. Any pointer but `parse` may be NULL: nothing to do. */
struct spec_type {
	int (*parse)(const struct spec_field *f, const struct json *node, void *base, struct err *err);
	/* Whether there is something to write. */
	bool (*present)(const struct spec_field *f, const void *base);
	void (*write)(const struct spec_field *f, struct json_out *out, const void *base);
	void (*free)(const struct spec_field *f, void *base);
};

struct spec_schema {
	size_t size; /* of the struct, where an array holds it */
	const struct spec_field *fields; /* ends with a NULL name */
	/* What no single field shows. `node` is the object that `obj` was parsed from. */
	int (*check)(const struct json *node, void *obj, struct err *err);
};

enum {
	SPEC_REQUIRED = 1, /* absent or null is an error; zero is written */
	SPEC_ABSOLUTE = 2, /* a string, or each of the strings, is an absolute path */
	SPEC_FILLED = 4, /* an array, or a string, is not empty */
	SPEC_ALWAYS = 8, /* may be absent, but is always written */
};

struct spec_field {
	const char *name;
	const struct spec_type *type;
	size_t offset;
	/* Offset of a second member: the count of an array, the `has` flag of an object or boolean. */
	size_t aux;
	unsigned flags;
	const struct spec_schema *schema; /* of objects and arrays */
	const char *const *values; /* of strings: all that are known, ends with NULL */
	/* Of integers, both given or neither (then what the type holds). */
	int64_t min;
	uint64_t max;
};

#define SPEC_NO_AUX SIZE_MAX

#define SPEC_FIELD(key, st, member, kind, ...)                                                               \
	{                                                                                                    \
		.name = (key), .type = &spec_##kind, .offset = offsetof(struct st, member),                  \
		.aux = SPEC_NO_AUX, __VA_ARGS__                                                              \
	}
/* With a second member, see `aux`. */
#define SPEC_FIELD_AUX(key, st, member, second, kind, ...)                                                   \
	{                                                                                                    \
		.name = (key), .type = &spec_##kind, .offset = offsetof(struct st, member),                  \
		.aux = offsetof(struct st, second), __VA_ARGS__                                              \
	}
/* A JSON object whose members lie in the same struct as its siblings. */
#define SPEC_FLAT(key, sub)                                                                                  \
	{                                                                                                    \
		.name = (key), .type = &spec_object, .aux = SPEC_NO_AUX, .schema = (sub)                     \
	}

static inline void *spec_at(void *base, size_t offset)
{
	return (char *)base + offset;
}

static inline const void *spec_const_at(const void *base, size_t offset)
{
	return (const char *)base + offset;
}

/* --- spec_schema.c: the walks --- */

/* `obj` may hold parts after a failure: spec_schema_free() it. */
int spec_schema_parse(const struct spec_schema *schema, const struct json *node, void *obj, struct err *err);
/* The whole object, braces included. */
void spec_schema_write(const struct spec_schema *schema, struct json_out *out, const void *obj);
/* The contents of `obj`, not `obj` itself. */
void spec_schema_free(const struct spec_schema *schema, void *obj);

/* "PARENT.NAME: is required" */
int spec_missing(const struct json *parent, const char *name, struct err *err);

/* `object`: a struct in the struct (`aux`: its has flag). `array`: T *v; `aux`: size_t n. */
extern const struct spec_type spec_object, spec_array;

/* --- spec_types.c, spec_numbers.c: what has no fields of its own --- */

/*
 * The C type of each: `string` is char * ("" is read as absent), `text` is char *
 * ("" is kept), `bool` bool, `opt_bool` bool with the has flag in `aux`,
 * `opt_u32` uint32_t likewise, `opt_i64` struct oci_i64, `u32_list` uint32_t *
 * with its count in `aux`, `letter` char (of `values`, each one letter).
 */
extern const struct spec_type spec_string, spec_text, spec_strings, spec_map;
extern const struct spec_type spec_bool, spec_opt_bool;
extern const struct spec_type spec_u16, spec_u32, spec_u64, spec_i32, spec_i64;
extern const struct spec_type spec_opt_i64, spec_opt_u64, spec_opt_u32, spec_u32_list, spec_letter;

/* Whether a string is in a NULL-terminated list. */
bool spec_known_value(const char *const *values, const char *value);
int spec_expect_absolute(const struct json *node, const char *path, struct err *err);
int spec_no_memory(struct err *err);

/* --- one table a part of config.json --- */

extern const struct spec_schema oci_spec_schema; /* spec.c */
extern const struct spec_schema oci_process_schema; /* spec_process.c */
extern const struct spec_schema oci_capabilities_schema; /* spec_capabilities.c */
extern const struct spec_schema oci_root_schema, oci_mount_schema; /* spec_mounts.c */
extern const struct spec_schema oci_id_mapping_schema;
int oci_id_mappings_check(const struct json *node, const struct oci_id_mappings *mappings, struct err *err);
extern const struct spec_schema oci_hooks_schema; /* spec_hooks.c */
extern const struct spec_schema oci_linux_schema; /* spec_linux.c */
extern const struct spec_schema oci_resources_schema; /* spec_resources.c */
extern const struct spec_schema oci_seccomp_schema; /* spec_seccomp.c */
extern const struct spec_schema oci_vm_schema; /* spec_vm.c */
extern const struct spec_schema guest_net_schema; /* guest_net.c */

#endif
