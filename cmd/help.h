/* SPDX-License-Identifier: Apache-2.0 */
/*
 * help: what is made from the tables of commands and options, each for its
 * reader: --help for a person, completions for a shell, and the part of the
 * manual page vrun(1) that describes commands and options. Nothing of it is
 * written twice, so that they agree.
 */
#ifndef VRUN_CMD_HELP_H
#define VRUN_CMD_HELP_H

#include "cmd/cmd.h"

#include <stdio.h>

/* `vrun --help` and `vrun COMMAND --help`; bold headings when `out` is a terminal. */
void help_print(FILE *out);
void help_print_command(const struct command *c, FILE *out);

/* A completion script. -EINVAL when `shell` is not bash, zsh or fish. */
int help_print_completion(const char *shell, FILE *out);

/* mdoc(7): a list of the global options, and a subsection for each command. */
void help_print_manual(FILE *out);

/* What may stand for an option's value or a word: made from its name in --help. */
enum help_value {
	HELP_VALUE_ANY,
	HELP_VALUE_CHOICE, /* "auto|kvm|qemu" */
	HELP_VALUE_DIR, /* "DIR", "BUNDLE" */
	HELP_VALUE_FILE, /* "FILE", "PATH" */
	HELP_VALUE_ID, /* "ID": a container's */
	HELP_VALUE_SIGNAL, /* "SIGNAL" */
};

/* `name` is `len` bytes; the brackets of an optional word don't belong to it. */
enum help_value help_value_of(const char *name, size_t len);

#endif
