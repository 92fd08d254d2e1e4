/* SPDX-License-Identifier: Apache-2.0 */
/* start: OCI runtime.md, "start": let the created container's process run. */
#include "base/err.h"
#include "cmd/cmd.h"
#include "oci/spec.h"
#include "runtime/cgroup.h"
#include "runtime/container_net.h"
#include "runtime/hooks.h"
#include "runtime/lookup.h"
#include "runtime/state.h"
#include "runtime/store.h"

#include <errno.h>

static const struct opt opts[] = { OPT_END };

static int start(const struct cmd_call *call, struct err *err)
{
	_cleanup_oci_spec_ struct oci_spec *spec = NULL;
	_cleanup_lookup_ struct lookup c = LOOKUP_INIT;
	int r;

	r = lookup_open(call->globals->root, call->words[0], true, &c, err);
	if (r < 0)
		return r;
	switch (c.status) {
	case STATUS_CREATED:
		break;
	case STATUS_RUNNING:
		return err_set(err, -EBUSY, "cannot start an already running container");
	case STATUS_PAUSED:
		return err_set(err, -EBUSY, "cannot start a container in the paused state");
	default:
		if (c.why[0])
			return err_set(err, -ESRCH, "cannot start a container that has stopped (%s)", c.why);
		return err_set(err, -ESRCH, "cannot start a container that has stopped");
	}
	r = lookup_spec(&c, &spec, err);
	if (r == 0)
		r = container_net_start(&c, err);
	if (r < 0)
		return r;
	/* The VM has booted only now: the quota of CPU time was kept from it. */
	if (c.state->net_waits)
		r = cgroup_apply_saved(c.dir->fd, &spec->linux_.resources, CGROUP_QUOTA, err);
	if (r == 0)
		r = hooks_poststart(&spec->hooks, c.state, err);
	/* OCI runtime.md, "Lifecycle": it is stopped then; its poststop hooks run when it is deleted. */
	if (r < 0)
		lookup_kill(&c, NULL);
	return r;
}

const struct command cmd_start = {
	.name = "start",
	.words = "ID",
	.summary = "run the process of a created container",
	.examples = "vrun start web",
	.opts = opts,
	.opts_size = 1,
	.min_words = 1,
	.max_words = 1,
	.run = start,
};
