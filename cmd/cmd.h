/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd: the verbs of vrun, one table entry and one file each.
 *
 * A verb's function gets its options parsed into its own struct, and the words
 * that are no options. It returns an exit status, or a negative errno with `err`
 * set, which is status 1. With `err` set the message is printed in either case.
 */
#ifndef VRUN_CMD_CMD_H
#define VRUN_CMD_CMD_H

#include "cmd/options.h"

#include <stdbool.h>
#include <stdint.h>

struct config;
struct err;

/* Options before the verb. */
struct cmd_globals {
	const char *root;
	const char *config; /* NULL: the default, which need not exist */
	const char *log, *log_format;
	bool debug, systemd_cgroup, version, help;
	const char *rootless, *criu; /* accepted for callers that pass them */

	int log_fd; /* --log's file, or -EBADF */
	bool log_json;
	uint64_t begun_ns; /* CLOCK_MONOTONIC at the start */
};

struct cmd_call {
	const struct cmd_globals *globals;
	const void *opts; /* the verb's struct */
	char **words;
	int n_words;
};

struct command {
	const char *name;
	const char *words; /* "ID [SIGNAL]", for --help */
	const char *summary; /* one line, no full stop */
	const char *details; /* more for `vrun VERB --help`, or NULL */
	const char *examples; /* command lines, one a line; NULL only when hidden */
	const struct opt *opts;
	size_t opts_size; /* of the verb's struct */
	enum opt_order order;
	bool any_options; /* none is looked at */
	bool hidden; /* not for people: in no list, completion or manual */
	int min_words, max_words; /* -1: any number */
	int (*run)(const struct cmd_call *call, struct err *err);
};

/* The options before a command. */
extern const struct opt global_opts[];

/* NULL-terminated, in the order of --help. */
extern const struct command *const commands[];

extern const struct command cmd_check, cmd_checkpoint, cmd_compare, cmd_completion, cmd_console, cmd_create;
extern const struct command cmd_delete, cmd_events, cmd_exec, cmd_features, cmd_kill, cmd_list, cmd_manual;
extern const struct command cmd_pause, cmd_ps, cmd_restore, cmd_resume, cmd_run, cmd_spec, cmd_start;
extern const struct command cmd_state, cmd_top, cmd_update;

#endif
