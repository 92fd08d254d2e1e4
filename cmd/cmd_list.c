/* SPDX-License-Identifier: Apache-2.0 */
/* list: all containers below --root; table and JSON as runc prints them. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "runtime/lookup.h"
#include "runtime/state.h"
#include "runtime/store.h"

#include <stdio.h>
#include <string.h>

struct options {
	const char *format;
	bool quiet;
};

static const struct opt opts[] = {
	{ "format", 'f', OPT_STRING, offsetof(struct options, format), "table|json", "how it looks (table)" },
	{ "quiet", 'q', OPT_FLAG, offsetof(struct options, quiet), NULL, "ids only" },
	OPT_END,
};

static size_t width(size_t now, const char *text)
{
	size_t len = strlen(text) + 3;

	return len > now ? len : now;
}

/* Go's tabwriter with runc's settings: cells of at least 12, three blanks between them. */
static void print_table(const struct lookup *rows, size_t n)
{
	size_t widths[5] = { 12, 12, 12, 12, 12 };

	for (size_t i = 0; i < n; i++) {
		const struct state *s = rows[i].state;

		widths[0] = width(widths[0], s->id);
		widths[3] = width(widths[3], s->bundle);
		widths[4] = width(widths[4], s->created);
	}
	printf("%-*s%-*s%-*s%-*s%-*s%s\n", (int)widths[0], "ID", (int)widths[1], "PID", (int)widths[2],
	       "STATUS", (int)widths[3], "BUNDLE", (int)widths[4], "CREATED", "OWNER");
	for (size_t i = 0; i < n; i++) {
		const struct state *s = rows[i].state;
		enum container_status status = rows[i].status;

		printf("%-*s%-*d%-*s%-*s%-*s%s\n", (int)widths[0], s->id, (int)widths[1],
		       status == STATUS_STOPPED ? 0 : (int)s->pid, (int)widths[2], status_name(status),
		       (int)widths[3], s->bundle, (int)widths[4], s->created, s->owner);
	}
}

static int print_json(const struct lookup *rows, size_t n, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct json_out *out;
	size_t len;
	int r;

	/* Go prints an empty list so. */
	if (n == 0) {
		puts("null");
		return 0;
	}
	r = json_out_new(false, &out);
	if (r < 0)
		return err_set(err, r, "out of memory");
	json_out_array(out);
	for (size_t i = 0; i < n; i++)
		state_put(rows[i].state, rows[i].status, true, out);
	json_out_array_end(out);
	r = json_out_finish(out, &text, &len);
	json_out_free(out);
	if (r < 0)
		return err_set(err, r, "out of memory");
	puts(text);
	return 0;
}

static size_t load_rows(const char *root, char **ids, size_t n, struct lookup *rows)
{
	size_t loaded = 0;

	for (size_t i = 0; i < n; i++) {
		struct err err = ERR_INIT;
		int r = lookup_open(root, ids[i], false, &rows[loaded], &err);

		if (r == 0)
			loaded++;
		else if (r != -ENOENT) /* deleted since it was listed */
			log_warn("%s: %s", ids[i], err.text);
	}
	return loaded;
}

static int list(const struct cmd_call *call, struct err *err)
{
	const struct options *o = call->opts;
	bool json = o->format && !strcmp(o->format, "json");
	_cleanup_store_ struct store *store = NULL;
	_cleanup_free_ struct lookup *rows = NULL;
	size_t n, loaded;
	char **ids;
	int r;

	if (o->format && !json && strcmp(o->format, "table"))
		return err_set(err, -EINVAL, "invalid format option: \"%s\" is neither table nor json",
			       o->format);
	r = store_open(call->globals->root, &store, err);
	if (r == 0)
		r = store_list(store, &ids, &n, err);
	if (r < 0)
		return r;
	rows = calloc(n ? n : 1, sizeof(*rows));
	loaded = rows ? load_rows(call->globals->root, ids, n, rows) : 0;
	store_list_free(ids);
	if (!rows)
		return err_set(err, -ENOMEM, "out of memory");
	if (o->quiet) {
		for (size_t i = 0; i < loaded; i++)
			puts(rows[i].state->id);
	} else if (json) {
		r = print_json(rows, loaded, err);
	} else {
		print_table(rows, loaded);
	}
	for (size_t i = 0; i < loaded; i++)
		lookup_done(&rows[i]);
	return r;
}

const struct command cmd_list = {
	.name = "list",
	.words = "",
	.summary = "list the containers",
	.examples = "vrun list\n"
		    "vrun list --quiet",
	.opts = opts,
	.opts_size = sizeof(struct options),
	.run = list,
};
