/* SPDX-License-Identifier: Apache-2.0 */
/* kill: OCI runtime.md, "kill": a signal for the container's process, or for all. */
#include "base/err.h"
#include "cmd/cmd.h"
#include "runtime/lookup.h"
#include "runtime/signame.h"

#include <errno.h>
#include <signal.h>

/* vrun-vmm answers at once; one that does not is stuck, or was stopped. */
enum { ANSWER_MS = 5000 };

struct options {
	bool all;
};

static const struct opt opts[] = {
	{ "all", 'a', OPT_FLAG, offsetof(struct options, all), NULL, "to all processes of the container" },
	OPT_END,
};

static int send_signal(const struct cmd_call *call, struct err *err)
{
	const struct options *o = call->opts;
	const char *name = call->n_words > 1 ? call->words[1] : "TERM";
	struct message msg = { .type = MESSAGE_KILL, .flag = o->all };
	_cleanup_lookup_ struct lookup c = LOOKUP_INIT;
	int r;

	msg.number = signal_from_text(name);
	if (msg.number < 0)
		return err_set(err, -EINVAL, "unknown signal \"%s\"", name);
	/* Without the lock: somebody may hold it because the container does not react. */
	r = lookup_open(call->globals->root, call->words[0], false, &c, err);
	if (r < 0)
		return r;
	if (c.status == STATUS_STOPPED) {
		/* As runc: there is nobody left to signal, which is what callers who clean up want. */
		if (o->all)
			return 0;
		return err_set(err, -ESRCH, "container not running");
	}
	/* kill(2): no signal, only whether there is somebody. */
	if (msg.number == 0)
		return 0;
	r = lookup_call(&c, &msg, ANSWER_MS, err);
	if (r == -ETIMEDOUT && msg.number == SIGKILL) {
		*err = (struct err)ERR_INIT;
		return lookup_kill(&c, err);
	}
	return r;
}

const struct command cmd_kill = {
	.name = "kill",
	.words = "ID [SIGNAL]",
	.summary = "send a signal to a container",
	.details = "SIGNAL is a name (TERM, SIGUSR1, RTMIN+3) or a number; TERM if it is left out.",
	.examples = "vrun kill web\n"
		    "vrun kill --all web KILL",
	.opts = opts,
	.opts_size = sizeof(struct options),
	.min_words = 1,
	.max_words = 2,
	.run = send_signal,
};
