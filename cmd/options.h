/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options: one table per verb, from which parsing, --help and shell
 * completions are made.
 *
 * Accepted forms: --name, --name=value, --name value, -n value, -nvalue,
 * clusters of letters (-td), flags with a value (--detach=false), and long
 * names behind one dash (-bundle), as the Go runtimes take them. "--" ends the
 * options.
 */
#ifndef VRUN_CMD_OPTIONS_H
#define VRUN_CMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct err;

enum opt_type {
	OPT_FLAG, /* bool */
	OPT_STRING, /* const char *, borrowed from argv */
	OPT_LIST, /* struct opt_list; may be given more than once */
	OPT_COUNT, /* struct opt_count: a decimal number */
};

struct opt_list {
	const char **v; /* entries borrowed from argv */
	size_t n;
};

struct opt_count {
	bool has;
	uint64_t v;
};

struct opt {
	const char *name; /* "bundle"; NULL ends a table */
	char letter; /* 'b', or 0 */
	enum opt_type type;
	size_t offset; /* of the field in the verb's struct */
	const char *arg; /* "DIR": the value's name in --help; NULL for flags */
	const char *help; /* one line; NULL hides the option from --help */
};

#define OPT_END                                                                                              \
	{                                                                                                    \
		.name = NULL                                                                                 \
	}

/* How to treat an option after the first word that is none. */
enum opt_order {
	OPT_ANYWHERE, /* still an option */
	OPT_FIRST, /* the rest is the words of a command */
};

/*
 * Parse argv[0..argc) into `target`, whose fields hold the defaults. The words that are no
 * options are moved to argv[0..*ret_words). -EINVAL with one message that names
 * the nearest option when one is close.
 *
 */
int opt_parse(const struct opt *table, enum opt_order order, void *target, char **argv, int argc,
	      int *ret_words, struct err *err);

/* Free what OPT_LIST fields grew. */
void opt_done(const struct opt *table, void *target);

/* The lines of --help for a table. */
void opt_print_help(const struct opt *table, FILE *out);

/*
 * The entry of `names` (NULL-terminated) that a person most likely meant by
 * `word`, or NULL when none is close enough to suggest.
 */
const char *opt_nearest(const char *word, const char *const *names);

#endif
