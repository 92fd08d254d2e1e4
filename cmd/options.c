/* SPDX-License-Identifier: Apache-2.0 */
/* options: see options.h. Nothing here knows a verb. */
#include "cmd/options.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <ctype.h>
#include <string.h>

enum { NEAREST_LEN_MAX = 40, HELP_COLUMN = 30 };

/* Letters added, left out, changed, or two beside each other swapped: each is one slip. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t above[NEAREST_LEN_MAX + 1] = { 0 }, row[NEAREST_LEN_MAX + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la > NEAREST_LEN_MAX || lb > NEAREST_LEN_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t before[NEAREST_LEN_MAX + 1];
		size_t diagonal = row[0];

		memcpy(before, row, (lb + 1) * sizeof(row[0]));
		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    above[j - 2] + 1 < best)
				best = above[j - 2] + 1;
			row[j] = best;
		}
		memcpy(above, before, (lb + 1) * sizeof(row[0]));
	}
	return row[lb];
}

const char *opt_nearest(const char *word, const char *const *names)
{
	const char *best = NULL;
	size_t best_distance = SIZE_MAX;

	for (; *names; names++) {
		size_t d = edit_distance(word, *names);

		/* A prefix is what a person left unfinished, however long the rest is. */
		if (strlen(word) >= 3 && !strncmp(word, *names, strlen(word)))
			d = 1;
		if (d < best_distance) {
			best_distance = d;
			best = *names;
		}
	}
	/* A third of the word mistyped is a slip; more is another word. */
	return best_distance <= 1 + strlen(word) / 4 && best_distance < strlen(word) ? best : NULL;
}

static const struct opt *find_long(const struct opt *table, const char *name, size_t len)
{
	for (; table->name; table++) {
		if (strlen(table->name) == len && !strncmp(table->name, name, len))
			return table;
	}
	return NULL;
}

static const struct opt *find_letter(const struct opt *table, char letter)
{
	for (; table->name; table++) {
		if (table->letter == letter)
			return table;
	}
	return NULL;
}

static int unknown_long(const struct opt *table, const char *word, size_t len, struct err *err)
{
	const char *names[128];
	char typed[NEAREST_LEN_MAX + 1];
	size_t n = 0;
	const char *near = NULL;

	for (const struct opt *o = table; o->name && n < ARRAY_SIZE(names) - 1; o++)
		names[n++] = o->name;
	names[n] = NULL;
	if (len < sizeof(typed)) {
		memcpy(typed, word, len);
		typed[len] = '\0';
		near = opt_nearest(typed, names);
	}
	if (near)
		return err_set(err, -EINVAL, "unknown option --%.*s; did you mean --%s?", (int)len, word,
			       near);
	return err_set(err, -EINVAL, "unknown option --%.*s", (int)len, word);
}

static int parse_bool(const char *text, bool *ret)
{
	/* The words that Go's flag package takes. */
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (!strcmp(text, yes[i]) || !strcmp(text, no[i])) {
			*ret = !strcmp(text, yes[i]);
			return 0;
		}
	}
	return -EINVAL;
}

static int list_append(struct opt_list *list, const char *value)
{
	const char **v = realloc(list->v, (list->n + 2) * sizeof(*v));

	if (!v)
		return -ENOMEM;
	v[list->n++] = value;
	v[list->n] = NULL;
	list->v = v;
	return 0;
}

static int parse_count(const char *text, struct opt_count *ret)
{
	char *end;
	unsigned long long v;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || *end)
		return -EINVAL;
	*ret = (struct opt_count){ .has = true, .v = v };
	return 0;
}

/* `value` is NULL only for a flag that was given without one. */
static int store_value(const struct opt *o, void *target, const char *value, struct err *err)
{
	void *field = (char *)target + o->offset;

	switch (o->type) {
	case OPT_FLAG:
		*(bool *)field = true;
		if (value && parse_bool(value, field) < 0)
			return err_set(err, -EINVAL, "option --%s: \"%s\" is neither true nor false", o->name,
				       value);
		return 0;
	case OPT_STRING:
		*(const char **)field = value;
		return 0;
	case OPT_LIST:
		if (list_append(field, value) < 0)
			return err_set(err, -ENOMEM, "out of memory");
		return 0;
	case OPT_COUNT:
		if (parse_count(value, field) < 0)
			return err_set(err, -EINVAL, "option --%s: \"%s\" is not a number", o->name, value);
		return 0;
	}
	return -EINVAL;
}

struct cursor {
	char **argv;
	int argc, i; /* argv[i] is the word in hand */
};

static int take_value(struct cursor *c, const struct opt *o, const char **ret, struct err *err)
{
	if (c->i + 1 >= c->argc)
		return err_set(err, -EINVAL, "option --%s needs a value (%s)", o->name, o->arg);
	*ret = c->argv[++c->i];
	return 0;
}

static int parse_long(const struct opt *table, void *target, struct cursor *c, const char *name,
		      struct err *err)
{
	size_t len = strcspn(name, "=");
	const char *value = name[len] == '=' ? name + len + 1 : NULL;
	const struct opt *o = find_long(table, name, len);
	int r;

	if (!o)
		return unknown_long(table, name, len, err);
	if (!value && o->type != OPT_FLAG) {
		r = take_value(c, o, &value, err);
		if (r < 0)
			return r;
	}
	return store_value(o, target, value, err);
}

static int parse_letters(const struct opt *table, void *target, struct cursor *c, const char *letters,
			 struct err *err)
{
	int r;

	for (; *letters; letters++) {
		const struct opt *o = find_letter(table, *letters);
		const char *value = NULL;

		if (!o)
			return err_set(err, -EINVAL, "unknown option -%c", *letters);
		if (o->type == OPT_FLAG) {
			if (letters[1] == '=')
				return store_value(o, target, letters + 2, err);
			r = store_value(o, target, NULL, err);
			if (r < 0)
				return r;
			continue;
		}
		if (letters[1]) {
			value = letters + 1 + (letters[1] == '=');
		} else {
			r = take_value(c, o, &value, err);
			if (r < 0)
				return r;
		}
		return store_value(o, target, value, err);
	}
	return 0;
}

int opt_parse(const struct opt *table, enum opt_order order, void *target, char **argv, int argc,
	      int *ret_words, struct err *err)
{
	struct cursor c = { .argv = argv, .argc = argc };
	int words = 0, r;

	for (; c.i < argc; c.i++) {
		char *word = argv[c.i];
		const char *name = word + 1;

		if (!strcmp(word, "--")) {
			c.i++;
			break;
		}
		if (word[0] != '-' || !word[1]) {
			if (order == OPT_FIRST)
				break;
			argv[words++] = word;
			continue;
		}
		if (name[0] == '-')
			r = parse_long(table, target, &c, name + 1, err);
		else if (name[1] && find_long(table, name, strcspn(name, "=")))
			r = parse_long(table, target, &c, name, err);
		else
			r = parse_letters(table, target, &c, name, err);
		if (r < 0)
			return r;
	}
	while (c.i < argc)
		argv[words++] = argv[c.i++];
	*ret_words = words;
	return 0;
}

void opt_done(const struct opt *table, void *target)
{
	for (; table->name; table++) {
		if (table->type == OPT_LIST) {
			struct opt_list *list = (void *)((char *)target + table->offset);

			free(list->v);
			*list = (struct opt_list){ 0 };
		}
	}
}

void opt_print_help(const struct opt *table, FILE *out)
{
	for (; table->name; table++) {
		int width;

		if (!table->help)
			continue;
		if (table->letter)
			width = fprintf(out, "  -%c, --%s", table->letter, table->name);
		else
			width = fprintf(out, "      --%s", table->name);
		if (table->arg)
			width += fprintf(out, " %s", table->arg);
		if (width >= HELP_COLUMN) {
			fputc('\n', out);
			width = 0;
		}
		fprintf(out, "%*s%s\n", HELP_COLUMN - width, "", table->help);
	}
}
