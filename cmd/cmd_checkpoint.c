/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint, restore: not there yet, and said so. The words after the verb are
 * whatever runc takes: nobody should get a message about an option instead.
 */
#include "base/err.h"
#include "cmd/cmd.h"

#include <errno.h>

static const struct opt opts[] = { OPT_END };

static int checkpoint(const struct cmd_call *call, struct err *err)
{
	(void)call;
	return err_set(err, -ENOTSUP, "checkpoint: saving a container's state is not supported yet");
}

static int restore(const struct cmd_call *call, struct err *err)
{
	(void)call;
	return err_set(err, -ENOTSUP, "restore: a container from a saved state is not supported yet");
}

const struct command cmd_checkpoint = {
	.name = "checkpoint",
	.words = "ID",
	.summary = "not supported yet",
	.examples = "vrun checkpoint web",
	.opts = opts,
	.opts_size = 1,
	.any_options = true,
	.max_words = -1,
	.run = checkpoint,
};

const struct command cmd_restore = {
	.name = "restore",
	.words = "ID",
	.summary = "not supported yet",
	.examples = "vrun restore web",
	.opts = opts,
	.opts_size = 1,
	.any_options = true,
	.max_words = -1,
	.run = restore,
};
