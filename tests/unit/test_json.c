/* SPDX-License-Identifier: Apache-2.0 */
/* json: what is refused and with which words, exact numbers, paths, and writing what was read. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "tests/unit/test.h"

#include <limits.h>
#include <string.h>

static struct json_doc *parse_len(const char *text, size_t len)
{
	struct err err = ERR_INIT;
	struct json_doc *doc = NULL;
	int r = json_parse(text, len, "doc", &doc, &err);

	if (r < 0)
		fail_msg("%s: %s", text, err.text);
	return doc;
}

static struct json_doc *parse(const char *text)
{
	return parse_len(text, strlen(text));
}

static void expect_refused(const char *text, size_t len, const char *message)
{
	struct err err = ERR_INIT;
	struct json_doc *doc = NULL;
	int r = json_parse(text, len, "doc", &doc, &err);

	assert_null(doc);
	assert_true(r < 0);
	assert_int_equal(err.code, r);
	assert_string_equal(err.text, message);
}

static void malformed_text_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "", "doc: line 1, column 1: parse error: premature EOF" },
		{ "  \n ", "doc: line 2, column 2: parse error: premature EOF" },
		{ "{", "doc: line 1, column 2: parse error: premature EOF" },
		{ "{} {}", "doc: line 1, column 4: parse error: trailing garbage" },
		{ "{}x", "doc: line 1, column 3: parse error: trailing garbage" },
		{ "{\"a\":1,}", "doc: line 1, column 8: parse error: invalid object key (must be a string)" },
		{ "[1,]", "doc: line 1, column 4: parse error: unallowed token at this point in JSON text" },
		{ "{\n \"a\" 1}",
		  "doc: line 2, column 6: parse error: object key and value must be separated by a colon (':')" },
		{ "[1 2]", "doc: line 1, column 4: parse error: after array element, I expect ',' or ']'" },
		{ "[01]", "doc: line 1, column 3: parse error: after array element, I expect ',' or ']'" },
		{ "[tru]", "doc: line 1, column 4: lexical error: invalid string in json text." },
		{ "[NaN]", "doc: line 1, column 2: lexical error: invalid char in json text." },
		{ "['a']", "doc: line 1, column 2: lexical error: invalid char in json text." },
		{ "[-]",
		  "doc: line 1, column 2: lexical error: malformed number, a digit is required after the minus "
		  "sign." },
		{ "[1] // no", "doc: line 1, column 4: parse error: trailing garbage" },
		{ "[\"a\nb\"]", "doc: line 1, column 3: lexical error: invalid character inside string." },
		{ "[\"\\x\"]",
		  "doc: line 1, column 3: lexical error: inside a string, '\\' occurs before a character "
		  "which it may not." },
		{ "\xef\xbb\xbf{}", "doc: line 1, column 1: lexical error: invalid char in json text." },
		{ "[\"ok\xff\"]", "doc: line 1, column 5: invalid UTF-8" },
		{ "[\"\xc0\xaf\"]", "doc: line 1, column 3: invalid UTF-8" },
		{ "[\"\xe0\x80\xaf\"]", "doc: line 1, column 3: invalid UTF-8" },
		{ "[\"\xed\xa0\x80\"]", "doc: line 1, column 3: invalid UTF-8" },
		{ "[\"\xf4\x90\x80\x80\"]", "doc: line 1, column 3: invalid UTF-8" },
		{ "[\"\xe2\x82", "doc: line 1, column 3: invalid UTF-8" },
		{ "[\"\\\xff\"]", "doc: line 1, column 4: invalid UTF-8" },
		{ "[\"\\ud800\"]", "doc: line 1, column 3: unpaired surrogate in a string" },
		{ "[\"\\ud800\\u0041\"]", "doc: line 1, column 3: unpaired surrogate in a string" },
		{ "[\"\\udc00\"]", "doc: line 1, column 3: unpaired surrogate in a string" },
		{ "[\"a\\u0000\"]", "doc: line 1, column 10: NUL character in a string" },
		{ "{\"a\\u0000\":1}", "doc: line 1, column 10: NUL character in a key" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_refused(cases[i].text, strlen(cases[i].text), cases[i].message);
	expect_refused("[1]\0", 4, "doc: line 1, column 4: parse error: trailing garbage");
}

static void nesting_is_bounded(void **state)
{
	char text[2 * (JSON_DEPTH_MAX + 1)];

	(void)state;
	memset(text, '[', JSON_DEPTH_MAX + 1);
	memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	expect_refused(text, sizeof(text), "doc: line 1, column 65: nested too deeply");
	/* One level less is fine. */
	json_doc_free(parse_len(text + 1, sizeof(text) - 2));
}

/* `head`, then `n` times `item`, then `tail`. */
static char *repeated(const char *head, const char *item, size_t n, const char *tail, size_t *ret_len)
{
	char *text = malloc(strlen(head) + n * strlen(item) + strlen(tail) + 1), *p = text;

	assert_non_null(text);
	p = stpcpy(p, head);
	for (size_t i = 0; i < n; i++)
		p = stpcpy(p, item);
	p = stpcpy(p, tail);
	*ret_len = p - text;
	return text;
}

static void sizes_are_bounded(void **state)
{
	_cleanup_free_ char *full = NULL, *over = NULL, *many = NULL, *large = NULL;
	struct err err = ERR_INIT;
	struct json_doc *doc = NULL;
	size_t len;

	(void)state;
	full = repeated("[0", ",1", JSON_LENGTH_MAX - 1, "]", &len);
	doc = parse_len(full, len);
	assert_int_equal(json_length(json_root(doc)), JSON_LENGTH_MAX);
	json_doc_free(doc);

	doc = NULL;
	over = repeated("[0", ",1", JSON_LENGTH_MAX, "]", &len);
	assert_int_equal(json_parse(over, len, "doc", &doc, &err), -EINVAL);
	assert_non_null(strstr(err.text, ": too many elements in one array or object"));

	many = repeated("[[]", ",[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]", JSON_LENGTH_MAX - 1, "]", &len);
	assert_int_equal(json_parse(many, len, "doc", &doc, &err), -EINVAL);
	assert_non_null(strstr(err.text, ": too many values"));

	large = repeated("[\"", "x", JSON_SIZE_MAX, "\"]", &len);
	assert_int_equal(json_parse(large, len, "doc", &doc, &err), -EFBIG);
	assert_string_equal(err.text, "doc: larger than 16 MiB");
	assert_null(doc);
}

static void strings_are_decoded(void **state)
{
	_cleanup_json_doc_ struct json_doc *doc =
		parse("[\"a\\\"\\\\\\/\\n\\u00e9\\ud83d\\ude00\\\\ud800\", \"\\\\\", \"\xf0\x9f\x98\x80\"]");
	const char *text;

	(void)state;
	assert_int_equal(json_to_string(json_at(json_root(doc), 0), &text, NULL), 0);
	assert_string_equal(text, "a\"\\/\n\xc3\xa9\xf0\x9f\x98\x80\\ud800");
	assert_int_equal(json_to_string(json_at(json_root(doc), 1), &text, NULL), 0);
	assert_string_equal(text, "\\");
	assert_int_equal(json_to_string(json_at(json_root(doc), 2), &text, NULL), 0);
	assert_string_equal(text, "\xf0\x9f\x98\x80");
}

static void expect_i64(const char *text, int64_t min, int64_t max, int64_t value, const char *message)
{
	_cleanup_json_doc_ struct json_doc *doc = parse(text);
	struct err err = ERR_INIT;
	int64_t v = 77;
	int r = json_to_i64(json_get(json_root(doc), "n"), min, max, &v, &err);

	if (message) {
		assert_int_equal(r, -EINVAL);
		assert_int_equal(v, 77);
		assert_string_equal(err.text, message);
	} else {
		assert_int_equal(r, 0);
		assert_true(v == value);
	}
}

static void expect_u64(const char *text, uint64_t max, uint64_t value, const char *message)
{
	_cleanup_json_doc_ struct json_doc *doc = parse(text);
	struct err err = ERR_INIT;
	uint64_t v = 77;
	int r = json_to_u64(json_get(json_root(doc), "n"), max, &v, &err);

	if (message) {
		assert_int_equal(r, -EINVAL);
		assert_int_equal(v, 77);
		assert_string_equal(err.text, message);
	} else {
		assert_int_equal(r, 0);
		assert_true(v == value);
	}
}

static void integers_are_exact(void **state)
{
	(void)state;
	expect_u64("{\"n\":18446744073709551615}", UINT64_MAX, UINT64_MAX, NULL);
	expect_u64("{\"n\":9007199254740993}", UINT64_MAX, 9007199254740993u, NULL);
	expect_u64("{\"n\":0}", UINT64_MAX, 0, NULL);
	expect_i64("{\"n\":-1}", INT64_MIN, INT64_MAX, -1, NULL);
	expect_i64("{\"n\":-9223372036854775808}", INT64_MIN, INT64_MAX, INT64_MIN, NULL);
	expect_i64("{\"n\":9223372036854775807}", INT64_MIN, INT64_MAX, INT64_MAX, NULL);
	expect_i64("{\"n\":-0}", -1, 1, 0, NULL);
}

static void numbers_of_the_wrong_kind_are_refused(void **state)
{
	(void)state;
	expect_u64("{\"n\":18446744073709551616}", UINT64_MAX, 0,
		   "n: must be an integer from 0 to 18446744073709551615, not 18446744073709551616");
	expect_u64("{\"n\":-1}", UINT64_MAX, 0,
		   "n: must be an integer from 0 to 18446744073709551615, not -1");
	expect_u64("{\"n\":256}", 255, 0, "n: must be an integer from 0 to 255, not 256");
	expect_u64("{\"n\":1.0}", 255, 0, "n: must be an integer, not 1.0");
	expect_u64("{\"n\":1e2}", 255, 0, "n: must be an integer, not 1e2");
	expect_u64("{\"n\":\"1\"}", 255, 0, "n: must be a number, not a string");
	expect_i64(
		"{\"n\":9223372036854775808}", INT64_MIN, INT64_MAX, 0,
		"n: must be an integer from -9223372036854775808 to 9223372036854775807, not 9223372036854775808");
	expect_i64(
		"{\"n\":-9223372036854775809}", INT64_MIN, INT64_MAX, 0,
		"n: must be an integer from -9223372036854775808 to 9223372036854775807, not -9223372036854775809");
	expect_i64("{\"n\":-2}", -1, 5, 0, "n: must be an integer from -1 to 5, not -2");
	expect_i64("{\"n\":-1.5}", -2, 5, 0, "n: must be an integer, not -1.5");
	expect_i64("{\"n\":true}", -2, 5, 0, "n: must be a number, not a boolean");
}

static void messages_name_the_path(void **state)
{
	_cleanup_json_doc_ struct json_doc *doc =
		parse("{\"a\":{\"b-1\":[[{\"c\":1}],2]},\"net.ipv4\":{\"x\\ny\":[0]},\"\":1}");
	const struct json *root = json_root(doc), *c;
	struct err err = ERR_INIT;
	const char *text;
	bool b;

	(void)state;
	c = json_get(json_at(json_at(json_get(json_get(root, "a"), "b-1"), 0), 0), "c");
	assert_string_equal(json_path(c), "a.b-1[0][0].c");
	assert_int_equal(json_to_string(c, &text, &err), -EINVAL);
	assert_string_equal(err.text, "a.b-1[0][0].c: must be a string, not a number");
	assert_string_equal(json_path(json_at(json_at(json_get(root, "net.ipv4"), 0), 0)),
			    "[\"net.ipv4\"][\"x?y\"][0]");
	assert_string_equal(json_path(json_get(root, "")), "[\"\"]");
	assert_string_equal(json_path(root), "");
	assert_string_equal(json_path(NULL), "");
	assert_int_equal(json_to_bool(root, &b, &err), -EINVAL);
	assert_string_equal(err.text, "doc: must be a boolean, not an object");
	assert_int_equal(json_expect(json_get(root, "a"), JSON_ARRAY, &err), -EINVAL);
	assert_string_equal(err.text, "a: must be an array, not an object");
	assert_int_equal(json_error(c, &err, "must be %d", 2), -EINVAL);
	assert_string_equal(err.text, "a.b-1[0][0].c: must be 2");
}

static void long_keys_are_cut_in_paths(void **state)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_doc_ struct json_doc *doc = NULL;
	size_t len;

	(void)state;
	text = repeated("{\"", "k", 5000, "\":1}", &len);
	doc = parse_len(text, len);
	assert_int_equal(strlen(json_path(json_at(json_root(doc), 0))), 128);
}

static void absent_and_null_are_alike(void **state)
{
	_cleanup_json_doc_ struct json_doc *doc = parse("{\"a\":null,\"b\":[null]}");
	const struct json *root = json_root(doc);

	(void)state;
	assert_null(json_get(root, "a"));
	assert_null(json_get(root, "none"));
	assert_null(json_get(NULL, "a"));
	assert_null(json_get(json_get(root, "b"), "a"));
	assert_int_equal(json_length(NULL), 0);
	assert_int_equal(json_length(root), 2);
	assert_int_equal(json_type(json_at(json_get(root, "b"), 0)), JSON_NULL);
	assert_null(json_at(json_get(root, "b"), 1));
	assert_null(json_key_at(root, 2));
}

static void the_last_of_equal_keys_wins_in_its_place(void **state)
{
	_cleanup_json_doc_ struct json_doc *doc = parse("{\"b\":1,\"a\":2,\"b\":3,\"c\":4,\"a\":{\"x\":5}}");
	const struct json *root = json_root(doc);
	uint64_t v;

	(void)state;
	assert_int_equal(json_length(root), 3);
	assert_string_equal(json_key_at(root, 0), "b");
	assert_string_equal(json_key_at(root, 1), "c");
	assert_string_equal(json_key_at(root, 2), "a");
	assert_int_equal(json_to_u64(json_get(root, "b"), 9, &v, NULL), 0);
	assert_int_equal(v, 3);
	assert_int_equal(json_type(json_get(root, "a")), JSON_OBJECT);
}

static void a_document_is_written_as_it_was_read(void **state)
{
	static const char text[] =
		"{\"a\":[1,-2,18446744073709551615,1.50e+3,true,false,null,\"x\\\"\\\\\\n\\u0001\xc3\xa9\"],"
		"\"b\":{},\"c\":[],\"d\":{\"e\":[[]]}}";
	_cleanup_json_doc_ struct json_doc *doc = parse(text);
	_cleanup_free_ char *out_text = NULL;
	struct json_out *out;
	size_t len;

	(void)state;
	assert_int_equal(json_out_new(false, &out), 0);
	json_out_node(out, json_root(doc));
	assert_int_equal(json_out_finish(out, &out_text, &len), 0);
	json_out_free(out);
	assert_string_equal(out_text, text);
	assert_int_equal(len, strlen(text));
}

static void deep_documents_are_written_inside_others(void **state)
{
	char text[2 * JSON_DEPTH_MAX];
	_cleanup_json_doc_ struct json_doc *doc = NULL;
	_cleanup_free_ char *out_text = NULL;
	struct json_out *out;
	size_t len;

	(void)state;
	memset(text, '[', JSON_DEPTH_MAX);
	memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	doc = parse_len(text, sizeof(text));
	assert_int_equal(json_out_new(false, &out), 0);
	json_out_array(out);
	json_out_node(out, json_root(doc));
	json_out_array_end(out);
	assert_int_equal(json_out_finish(out, &out_text, &len), 0);
	json_out_free(out);
	assert_int_equal(len, sizeof(text) + 2);
}

static void values_are_written(void **state)
{
	_cleanup_free_ char *text = NULL;
	struct json_out *out;

	(void)state;
	assert_int_equal(json_out_new(false, &out), 0);
	json_out_array(out);
	json_out_i64(out, INT64_MIN);
	json_out_u64(out, UINT64_MAX);
	json_out_double(out, 0.1);
	json_out_double(out, 1e300 * 1e300);
	json_out_bool(out, true);
	json_out_string(out, NULL);
	json_out_string(out, "\x7f\t\r\x01/");
	json_out_string(out, "a\xff\xe2\x82z\xc3\xa9");
	json_out_array_end(out);
	assert_int_equal(json_out_finish(out, &text, NULL), 0);
	json_out_free(out);
	assert_string_equal(text,
			    "[-9223372036854775808,18446744073709551615,0.1,null,true,null,"
			    "\"\\u007f\\t\\r\\u0001/\",\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\xc3\xa9\"]");
	json_doc_free(parse(text));
}

static void pretty_output_is_indented(void **state)
{
	_cleanup_free_ char *text = NULL;
	struct json_out *out;

	(void)state;
	assert_int_equal(json_out_new(true, &out), 0);
	json_out_object(out);
	json_out_key(out, "a");
	json_out_array(out);
	json_out_u64(out, 1);
	json_out_u64(out, 2);
	json_out_array_end(out);
	json_out_key(out, "b");
	json_out_object(out);
	json_out_object_end(out);
	json_out_object_end(out);
	assert_int_equal(json_out_finish(out, &text, NULL), 0);
	json_out_free(out);
	assert_string_equal(text, "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {}\n}");
}

static void nothing_written_is_an_error(void **state)
{
	struct json_out *out;
	char *text = NULL;

	(void)state;
	assert_int_equal(json_out_new(false, &out), 0);
	assert_int_equal(json_out_finish(out, &text, NULL), -ENOMEM);
	assert_null(text);
	json_out_free(out);
	json_out_free(NULL);
	json_doc_free(NULL);
}

/* --- without memory: base/json.c's calls come here (oci.mk) --- */

static unsigned allocations_left = UINT_MAX;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static bool take_allocation(void)
{
	if (allocations_left == 0)
		return false;
	if (allocations_left != UINT_MAX)
		allocations_left--;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return take_allocation() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t n, size_t size)
{
	return take_allocation() ? __real_calloc(n, size) : NULL;
}

void *__wrap_realloc(void *p, size_t size)
{
	return take_allocation() ? __real_realloc(p, size) : NULL;
}

static void parsing_without_memory_is_an_error(void **state)
{
	static char text[300 << 10];
	size_t len = 0;
	unsigned n;
	int r;

	(void)state;
	/* Strings with escapes, which yajl decodes in buffers of its own, over several pieces of the arena. */
	len += (size_t)sprintf(text, "[");
	while (len < sizeof(text) - 3000)
		len += (size_t)sprintf(text + len, "\"%02000d\\n\",", 7);
	len += (size_t)sprintf(text + len, "{}]");
	for (n = 0;; n++) {
		struct err err = ERR_INIT;
		struct json_doc *doc = NULL;

		allocations_left = n;
		r = json_parse(text, len, "doc", &doc, &err);
		allocations_left = UINT_MAX;
		json_doc_free(doc);
		if (r == 0)
			break;
		assert_int_equal(r, -ENOMEM);
		assert_null(doc);
		assert_string_equal(err.text, "doc: Cannot allocate memory");
	}
	assert_in_range(n, 6, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_text_is_refused_with_its_place),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(sizes_are_bounded),
		cmocka_unit_test(strings_are_decoded),
		cmocka_unit_test(integers_are_exact),
		cmocka_unit_test(numbers_of_the_wrong_kind_are_refused),
		cmocka_unit_test(messages_name_the_path),
		cmocka_unit_test(long_keys_are_cut_in_paths),
		cmocka_unit_test(absent_and_null_are_alike),
		cmocka_unit_test(the_last_of_equal_keys_wins_in_its_place),
		cmocka_unit_test(a_document_is_written_as_it_was_read),
		cmocka_unit_test(deep_documents_are_written_inside_others),
		cmocka_unit_test(values_are_written),
		cmocka_unit_test(pretty_output_is_indented),
		cmocka_unit_test(nothing_written_is_an_error),
		cmocka_unit_test(parsing_without_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
