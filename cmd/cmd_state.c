/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state: OCI runtime.md, "Query State", with runc's members, and what the container's network carried: "The
 * state MAY include additional properties."
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "cmd/cmd.h"
#include "oci/agent_stats.h"
#include "runtime/events.h"
#include "runtime/lookup.h"
#include "runtime/state.h"

#include <stdio.h>

static const struct opt opts[] = { OPT_END };

/* The state is asked for all the time, and not for their sake: without an answer they are left out. */
static void put_links(const struct lookup *c, struct json_out *out)
{
	_cleanup_agent_stats_ struct agent_stats stats = { .pids = 0 };

	if (c->status != STATUS_RUNNING && c->status != STATUS_PAUSED)
		return;
	if (events_links(c, &stats, NULL) == 0 && stats.n_links > 0)
		events_put_links(out, &stats);
}

static int state(const struct cmd_call *call, struct err *err)
{
	_cleanup_lookup_ struct lookup c = LOOKUP_INIT;
	_cleanup_free_ char *text = NULL;
	struct json_out *out;
	size_t len;
	int r;

	r = lookup_open(call->globals->root, call->words[0], false, &c, err);
	if (r == 0 && json_out_new(true, &out) < 0)
		r = err_set(err, -ENOMEM, "out of memory");
	if (r < 0)
		return r;
	json_out_object(out);
	state_put_members(c.state, c.status, true, out);
	put_links(&c, out);
	json_out_object_end(out);
	r = json_out_finish(out, &text, &len);
	json_out_free(out);
	if (r < 0)
		return err_set(err, r, "out of memory");
	while (len && text[len - 1] == '\n')
		len--;
	printf("%.*s\n", (int)len, text);
	return 0;
}

const struct command cmd_state = {
	.name = "state",
	.words = "ID",
	.summary = "print a container's state as JSON",
	.examples = "vrun state web",
	.opts = opts,
	.opts_size = 1,
	.min_words = 1,
	.max_words = 1,
	.run = state,
};
