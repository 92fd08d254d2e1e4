/* SPDX-License-Identifier: Apache-2.0 */
/* state: OCI runtime.md, "Query State", with runc's members. */
#include "base/cleanup.h"
#include "base/err.h"
#include "cmd/cmd.h"
#include "runtime/lookup.h"
#include "runtime/state.h"

#include <stdio.h>

static const struct opt opts[] = { OPT_END };

static int state(const struct cmd_call *call, struct err *err)
{
	_cleanup_lookup_ struct lookup c = LOOKUP_INIT;
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	r = lookup_open(call->globals->root, call->words[0], false, &c, err);
	if (r < 0)
		return r;
	r = state_text(c.state, c.status, true, true, &text, &len);
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
