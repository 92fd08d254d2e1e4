/* SPDX-License-Identifier: Apache-2.0 */
/* delete: OCI runtime.md, "delete": what is left of a stopped container goes. */
#include "base/err.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "oci/spec.h"
#include "runtime/cgroup.h"
#include "runtime/container.h"
#include "runtime/container_net.h"
#include "runtime/hooks.h"
#include "runtime/lookup.h"
#include "runtime/proc.h"
#include "runtime/state.h"
#include "runtime/store.h"

#include <errno.h>
#include <signal.h>

struct options {
	bool force;
};

static const struct opt opts[] = {
	{ "force", 'f', OPT_FLAG, offsetof(struct options, force), NULL,
	  "end it if it runs; not there is not an error" },
	OPT_END,
};

/* A container that is being made is locked by who makes it: end that first. What a dead maker left goes too. */
static void end_creation(const char *root, const char *id)
{
	_cleanup_lookup_ struct lookup c = LOOKUP_INIT;
	_cleanup_store_ struct store *store = NULL;

	if (store_open(root, &store, NULL) == 0)
		store_sweep(store);
	if (lookup_open(root, id, false, &c, NULL) == 0 && c.status == STATUS_CREATING)
		lookup_kill(&c, NULL);
}

/* A state file that can't be read keeps nobody from getting rid of it by force. */
static int remove_damaged(const char *root, const char *id, const struct err *why, struct err *err)
{
	_cleanup_store_dir_ struct store_dir *dir = NULL;
	_cleanup_store_ struct store *store = NULL;
	int r;

	r = store_open(root, &store, err);
	if (r == 0)
		r = store_find(store, id, true, &dir, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	log_warn("%s: %s; its directory is removed all the same", id, why->text);
	cgroup_kill_saved(dir->fd);
	return container_forget(store, dir, err);
}

static int delete (const struct cmd_call *call, struct err *err)
{
	const struct options *o = call->opts;
	const char *root = call->globals->root, *id = call->words[0];
	_cleanup_oci_spec_ struct oci_spec *spec = NULL;
	_cleanup_lookup_ struct lookup c = LOOKUP_INIT;
	struct err why = ERR_INIT;
	int r;

	if (o->force)
		end_creation(root, id);
	r = lookup_open(root, id, true, &c, &why);
	if (r == -ENOENT && o->force) {
		*err = (struct err)ERR_INIT;
		return 0;
	}
	if (r < 0 && o->force && store_check_id(id, NULL) == 0)
		return remove_damaged(root, id, &why, err);
	if (r < 0)
		return err_set(err, r, "%s", why.text);
	/* As runc: one that was never started may go without force. */
	if (c.status != STATUS_STOPPED && c.status != STATUS_CREATED && !o->force)
		return err_set(err, -EBUSY, "cannot delete container %s that is not stopped: %s", id,
			       status_name(c.status));
	r = lookup_kill(&c, err);
	if (r < 0)
		return r;
	/* Read while it is there, run when all else is gone. */
	if (lookup_spec(&c, &spec, &why) < 0)
		log_warn("%s: the poststop hooks can't be run: %s", id, why.text);
	container_net_release(c.state);
	r = container_forget(c.store, c.dir, err);
	if (r == 0 && spec)
		hooks_poststop(&spec->hooks, c.state);
	return r;
}

const struct command cmd_delete = {
	.name = "delete",
	.words = "ID",
	.summary = "remove a stopped container",
	.examples = "vrun delete --force web",
	.opts = opts,
	.opts_size = sizeof(struct options),
	.min_words = 1,
	.max_words = 1,
	.run = delete,
};
