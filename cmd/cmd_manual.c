/* SPDX-License-Identifier: Apache-2.0 */
/* manual: the part of vrun(1) that the tables hold, for the build (cmd/man/vrun.1.in). */
#include "cmd/cmd.h"
#include "cmd/help.h"

static const struct opt opts[] = { OPT_END };

static int manual(const struct cmd_call *call, struct err *err)
{
	(void)call;
	(void)err;
	help_print_manual(stdout);
	return 0;
}

const struct command cmd_manual = {
	.name = "manual",
	.words = "",
	.summary = "print the commands and options in mdoc(7)",
	.opts = opts,
	.opts_size = 1,
	.hidden = true,
	.run = manual,
};
