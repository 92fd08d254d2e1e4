/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec_numbers: how the integers of config.json are read, written and freed. All
 * are exact; a range that the field names replaces its type's.
 */
#include "base/err.h"
#include "oci/spec_schema.h"

#include <stdlib.h>

static int read_unsigned(const struct spec_field *f, const struct json *node, uint64_t max, uint64_t *ret,
			 struct err *err)
{
	bool limited = f->min || f->max;
	uint64_t v;
	int r = json_to_u64(node, limited ? f->max : max, &v, err);

	if (r < 0)
		return r;
	if (limited && v < (uint64_t)f->min)
		return json_error(node, err, "must be at least %lld", (long long)f->min);
	*ret = v;
	return 0;
}

static int read_signed(const struct spec_field *f, const struct json *node, int64_t min, int64_t max,
		       int64_t *ret, struct err *err)
{
	bool limited = f->min || f->max;

	return json_to_i64(node, limited ? f->min : min, limited ? (int64_t)f->max : max, ret, err);
}

/* The limits are what `read` takes after the node; `wide` is what it gives and `write` takes. */
#define NUMBER_TYPE(name, ctype, wide, read, write, ...)                                                     \
	static int name##_parse(const struct spec_field *f, const struct json *node, void *base,             \
				struct err *err)                                                             \
	{                                                                                                    \
		wide v = 0;                                                                                  \
		int r = read(f, node, __VA_ARGS__, &v, err);                                                 \
                                                                                                             \
		if (r < 0)                                                                                   \
			return r;                                                                            \
		*(ctype *)spec_at(base, f->offset) = (ctype)v;                                               \
		return 0;                                                                                    \
	}                                                                                                    \
	static bool name##_present(const struct spec_field *f, const void *base)                             \
	{                                                                                                    \
		return *(const ctype *)spec_const_at(base, f->offset) != 0;                                  \
	}                                                                                                    \
	static void name##_write(const struct spec_field *f, struct json_out *out, const void *base)         \
	{                                                                                                    \
		write(out, *(const ctype *)spec_const_at(base, f->offset));                                  \
	}                                                                                                    \
	const struct spec_type spec_##name = { name##_parse, name##_present, name##_write, NULL }

NUMBER_TYPE(u16, uint16_t, uint64_t, read_unsigned, json_out_u64, UINT16_MAX);
NUMBER_TYPE(u32, uint32_t, uint64_t, read_unsigned, json_out_u64, UINT32_MAX);
NUMBER_TYPE(u64, uint64_t, uint64_t, read_unsigned, json_out_u64, UINT64_MAX);
NUMBER_TYPE(i32, int32_t, int64_t, read_signed, json_out_i64, INT32_MIN, INT32_MAX);
NUMBER_TYPE(i64, int64_t, int64_t, read_signed, json_out_i64, INT64_MIN, INT64_MAX);

/* A number that may be left out, where 0 says something: struct oci_i64, oci_u64. */
#define OPTIONAL_TYPE(name, type, read, type_min_max, write)                                                 \
	static int opt_##name##_parse(const struct spec_field *f, const struct json *node, void *base,       \
				      struct err *err)                                                       \
	{                                                                                                    \
		struct type *field = spec_at(base, f->offset);                                               \
		int r = read(f, node, type_min_max, &field->v, err);                                         \
                                                                                                             \
		field->has = r == 0;                                                                         \
		return r;                                                                                    \
	}                                                                                                    \
	static bool opt_##name##_present(const struct spec_field *f, const void *base)                       \
	{                                                                                                    \
		return ((const struct type *)spec_const_at(base, f->offset))->has;                           \
	}                                                                                                    \
	static void opt_##name##_write(const struct spec_field *f, struct json_out *out, const void *base)   \
	{                                                                                                    \
		write(out, ((const struct type *)spec_const_at(base, f->offset))->v);                        \
	}                                                                                                    \
	const struct spec_type spec_opt_##name = { opt_##name##_parse, opt_##name##_present,                 \
						   opt_##name##_write, NULL }

#define I64_RANGE INT64_MIN, INT64_MAX
OPTIONAL_TYPE(i64, oci_i64, read_signed, I64_RANGE, json_out_i64);
OPTIONAL_TYPE(u64, oci_u64, read_unsigned, UINT64_MAX, json_out_u64);

static int opt_u32_parse(const struct spec_field *f, const struct json *node, void *base, struct err *err)
{
	int r = u32_parse(f, node, base, err);

	*(bool *)spec_at(base, f->aux) = r == 0;
	return r;
}

static bool opt_u32_present(const struct spec_field *f, const void *base)
{
	return *(const bool *)spec_const_at(base, f->aux);
}

const struct spec_type spec_opt_u32 = { opt_u32_parse, opt_u32_present, u32_write, NULL };

static int u32_list_parse(const struct spec_field *f, const struct json *node, void *base, struct err *err)
{
	uint32_t **field = spec_at(base, f->offset);
	int r = json_expect(node, JSON_ARRAY, err);

	if (r < 0)
		return r;
	if (!json_length(node))
		return 0;
	*field = calloc(json_length(node), sizeof(**field));
	if (!*field)
		return spec_no_memory(err);
	*(size_t *)spec_at(base, f->aux) = json_length(node);
	for (size_t i = 0; i < json_length(node); i++) {
		uint64_t v;

		r = json_to_u64(json_at(node, i), UINT32_MAX, &v, err);
		if (r < 0)
			return r;
		(*field)[i] = v;
	}
	return 0;
}

static bool u32_list_present(const struct spec_field *f, const void *base)
{
	return *(const size_t *)spec_const_at(base, f->aux) > 0;
}

static void u32_list_write(const struct spec_field *f, struct json_out *out, const void *base)
{
	const uint32_t *v = *(uint32_t *const *)spec_const_at(base, f->offset);
	size_t n = *(const size_t *)spec_const_at(base, f->aux);

	json_out_array(out);
	for (size_t i = 0; i < n; i++)
		json_out_u64(out, v[i]);
	json_out_array_end(out);
}

static void u32_list_free(const struct spec_field *f, void *base)
{
	uint32_t **field = spec_at(base, f->offset);

	free(*field);
	*field = NULL;
	*(size_t *)spec_at(base, f->aux) = 0;
}

const struct spec_type spec_u32_list = { u32_list_parse, u32_list_present, u32_list_write, u32_list_free };
