/* SPDX-License-Identifier: Apache-2.0 */
/* completion: a script that teaches a shell vrun's commands and options. */
#include "base/err.h"
#include "cmd/cmd.h"
#include "cmd/help.h"

#include <errno.h>

static const struct opt opts[] = { OPT_END };

static int completion(const struct cmd_call *call, struct err *err)
{
	if (help_print_completion(call->words[0], stdout) < 0)
		return err_set(err, -EINVAL, "completion: unknown shell \"%s\": bash, zsh or fish",
			       call->words[0]);
	return 0;
}

const struct command cmd_completion = {
	.name = "completion",
	.words = "bash|zsh|fish",
	.summary = "print a completion script for a shell",
	.examples = "source <(vrun completion bash)\n"
		    "vrun completion fish >~/.config/fish/completions/vrun.fish",
	.opts = opts,
	.opts_size = 1,
	.min_words = 1,
	.max_words = 1,
	.run = completion,
};
