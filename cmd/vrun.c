/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vrun: the command line. Global options, then a verb of the table with its own.
 *
 * Errors go to standard error as "vrun: text", and to --log's file in its format:
 * one line, on error only, as callers of OCI runtimes expect.
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/help.h"
#include "cmd/version.h"
#include "oci/features.h"
#include "runtime/stdio.h"
#include "runtime/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void print_version(void)
{
	printf("vrun version %s\n", vrun_version);
	if (vrun_commit[0])
		printf("commit: %s\n", vrun_commit);
	printf("spec: %s\n", OCI_SPEC_VERSION);
}

static int open_log(struct cmd_globals *g, struct err *err)
{
	if (g->log_format && strcmp(g->log_format, "text") && strcmp(g->log_format, "json"))
		return err_set(err, -EINVAL, "unknown log-format \"%s\": text or json", g->log_format);
	g->log_json = g->log_format && !strcmp(g->log_format, "json");
	if (!g->log || !g->log[0])
		return 0;
	g->log_fd = open(g->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
	if (g->log_fd < 0)
		return err_set_errno(err, -errno, "log file %s", g->log);
	log_set_file(g->log_fd, g->log_json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
	return 0;
}

static const struct command *find_command(const char *name, struct err *err)
{
	const char *names[64];
	const char *near;
	size_t n = 0;

	for (const struct command *const *c = commands; *c; c++) {
		if (!strcmp((*c)->name, name))
			return *c;
		if (!(*c)->hidden && n < ARRAY_SIZE(names) - 1)
			names[n++] = (*c)->name;
	}
	names[n] = NULL;
	near = opt_nearest(name, names);
	if (near)
		err_set(err, -EINVAL, "unknown command \"%s\"; did you mean \"%s\"?", name, near);
	else
		err_set(err, -EINVAL, "unknown command \"%s\"; `vrun --help` lists them", name);
	return NULL;
}

static bool wants_help(int argc, char **argv, enum opt_order order)
{
	for (int i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return true;
		if (!strcmp(argv[i], "--") || (order == OPT_FIRST && argv[i][0] != '-'))
			return false;
	}
	return false;
}

static int check_words(const struct command *c, int n, struct err *err)
{
	if (n < c->min_words)
		return err_set(err, -EINVAL, "%s: too few words; usage: vrun %s [OPTION…] %s", c->name,
			       c->name, c->words);
	if (c->max_words >= 0 && n > c->max_words)
		return err_set(err, -EINVAL, "%s: too many words; usage: vrun %s [OPTION…] %s", c->name,
			       c->name, c->words);
	return 0;
}

static int run_command(const struct command *c, const struct cmd_globals *g, int argc, char **argv,
		       struct err *err)
{
	struct cmd_call call = { .globals = g, .words = argv };
	void *opts;
	int r;

	if (wants_help(argc, argv, c->order)) {
		help_print_command(c, stdout);
		return 0;
	}
	opts = calloc(1, c->opts_size);
	if (!opts)
		return err_set(err, -ENOMEM, "out of memory");
	call.opts = opts;
	call.n_words = argc;
	r = c->any_options ? 0 : opt_parse(c->opts, c->order, opts, argv, argc, &call.n_words, err);
	if (r < 0)
		err_wrap(err, r, "%s", c->name);
	if (r == 0)
		r = check_words(c, call.n_words, err);
	if (r == 0)
		r = c->run(&call, err);
	opt_done(c->opts, opts);
	free(opts);
	return r;
}

static int vrun(struct cmd_globals *g, int argc, char **argv, struct err *err)
{
	const struct command *c;
	int n, r;

	r = opt_parse(global_opts, OPT_FIRST, g, argv + 1, argc - 1, &n, err);
	if (r < 0)
		return r;
	if (g->version) {
		print_version();
		return 0;
	}
	/* `vrun help COMMAND` is what other tools taught people to type. */
	if (!g->help && n > 1 && !strcmp(argv[1], "help")) {
		c = find_command(argv[2], err);
		if (!c)
			return -EINVAL;
		help_print_command(c, stdout);
		return 0;
	}
	if (g->help || n == 0 || !strcmp(argv[1], "help")) {
		help_print(g->help || n ? stdout : stderr);
		return g->help || n ? 0 : 1;
	}
	r = open_log(g, err);
	if (r < 0)
		return r;
	if (g->debug)
		log_set_level(LOG_LEVEL_DEBUG);
	c = find_command(argv[1], err);
	return c ? run_command(c, g, n - 1, argv + 2, err) : -EINVAL;
}

int main(int argc, char **argv)
{
	struct cmd_globals globals = { .root = STORE_ROOT_DEFAULT, .log_fd = -EBADF };
	struct err err = ERR_INIT;
	struct timespec ts;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	globals.begun_ns = (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
	log_set_prefix("vrun");
	r = stdio_fill();
	if (r < 0)
		err_set_errno(&err, r, "opening /dev/null as standard stream");
	else
		r = vrun(&globals, argc, argv, &err);
	if (err.code)
		log_error("%s", err.text);
	return r < 0 ? 1 : r;
}
