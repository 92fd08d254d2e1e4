/* SPDX-License-Identifier: Apache-2.0 */
/* pause, resume: the VM's CPUs stand still. */
#include "base/err.h"
#include "cmd/cmd.h"
#include "runtime/lookup.h"

#include <errno.h>

static const struct opt opts[] = { OPT_END };

static int pause_container(const struct cmd_call *call, struct err *err)
{
	_cleanup_lookup_ struct lookup c = LOOKUP_INIT;
	int r;

	r = lookup_open(call->globals->root, call->words[0], true, &c, err);
	if (r < 0)
		return r;
	if (c.status == STATUS_PAUSED)
		return err_set(err, -EBUSY, "container not running: it is paused already");
	if (c.status != STATUS_RUNNING)
		return err_set(err, -EBUSY, "container not running");
	return lookup_call(&c, &(struct message){ .type = MESSAGE_PAUSE }, 0, err);
}

static int resume_container(const struct cmd_call *call, struct err *err)
{
	_cleanup_lookup_ struct lookup c = LOOKUP_INIT;
	int r;

	r = lookup_open(call->globals->root, call->words[0], true, &c, err);
	if (r < 0)
		return r;
	if (c.status != STATUS_PAUSED)
		return err_set(err, -EBUSY, "container not paused");
	return lookup_call(&c, &(struct message){ .type = MESSAGE_RESUME }, 0, err);
}

const struct command cmd_pause = {
	.name = "pause",
	.words = "ID",
	.summary = "stop a container's VM in its tracks",
	.examples = "vrun pause web",
	.opts = opts,
	.opts_size = 1,
	.min_words = 1,
	.max_words = 1,
	.run = pause_container,
};

const struct command cmd_resume = {
	.name = "resume",
	.words = "ID",
	.summary = "let a paused container go on",
	.examples = "vrun resume web",
	.opts = opts,
	.opts_size = 1,
	.min_words = 1,
	.max_words = 1,
	.run = resume_container,
};
