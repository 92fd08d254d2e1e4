/* SPDX-License-Identifier: Apache-2.0 */
/* run: create and start in one go; in the foreground also wait and delete. */
#include "base/cleanup.h"
#include "base/err.h"
#include "cmd/cmd.h"
#include "cmd/create_options.h"
#include "runtime/attach.h"
#include "runtime/config.h"
#include "runtime/container.h"
#include "runtime/hooks.h"
#include "runtime/state.h"
#include "runtime/store.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

struct options {
	struct create_options create;
	bool detach, keep;
	bool no_subreaper; /* accepted: nothing is reparented to us */
};

static const struct opt opts[] = {
	{ "detach", 'd', OPT_FLAG, offsetof(struct options, detach), NULL, "return once the process runs" },
	{ "keep", 0, OPT_FLAG, offsetof(struct options, keep), NULL,
	  "keep the container's state when it ends" },
	CREATE_OPTIONS(struct options, create),
	{ "no-subreaper", 0, OPT_FLAG, offsetof(struct options, no_subreaper), NULL,
	  "accepted for compatibility" },
	OPT_END,
};

static bool has_config(const char *dir)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/config.json", dir) < 0) {
		path = NULL;
		return false;
	}
	return access(path, F_OK) == 0;
}

/*
 * `run DIR ID`, `run DIR`, `run -b DIR ID`, `run -b DIR`, and `run ID` in a bundle. A single
 * word is the bundle unless one is known without it.
 */
static void read_words(const struct cmd_call *call, const char **bundle, const char **id)
{
	const struct options *o = call->opts;

	if (call->n_words == 2) {
		*bundle = call->words[0];
		*id = call->words[1];
	} else if (call->n_words == 1) {
		if (o->create.bundle || (has_config(".") && !has_config(call->words[0])))
			*id = call->words[0];
		else
			*bundle = call->words[0];
	}
}

static int make_id(char buf[static 32], struct err *err)
{
	uint64_t number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return err_set_errno(err, -errno, "random numbers");
	snprintf(buf, 32, "vrun-%012llx", (unsigned long long)(number >> 16));
	return 0;
}

struct attached {
	struct container *container;
	const char *pid_file;
};

/* Others may use the container from here on. */
static int on_created(void *ctx, struct err *err)
{
	struct attached *a = ctx;
	int r = container_ready(a->container, a->pid_file, err);

	/* Also when it is about to end: vrun-vmm needs the lock for that. */
	store_unlock(a->container->dir);
	return r;
}

static int on_started(void *ctx, struct err *err)
{
	const struct attached *a = ctx;

	return hooks_poststart(&a->container->spec->hooks, a->container->state, err);
}

static const struct attach_ops attach_ops = { .created = on_created, .started = on_started };

static int run_attached(const struct container_request *request, struct container *container, bool keep,
			struct err *err)
{
	struct attached a = { container, request->pid_file };
	int status = attach_run(container, &attach_ops, &a, err);

	/* A container that could not be made is never kept. */
	if (!keep || err->code)
		container_remove(container, err->code != 0);
	else
		container_net_release(container->state);
	return status;
}

static int run_detached(const struct container_request *request, struct container *container, struct err *err)
{
	int r, status;

	r = launch_wait(&container->launch, MESSAGE_STARTED, &status, err);
	if (r == 0)
		r = container_ready(container, request->pid_file, err);
	if (r == 0)
		r = hooks_poststart(&container->spec->hooks, container->state, err);
	if (r < 0) {
		container_abort(container);
		return r;
	}
	launch_release(&container->launch);
	return 0;
}

static int run(const struct cmd_call *call, struct err *err)
{
	const struct options *o = call->opts;
	_cleanup_container_ struct container container = CONTAINER_INIT;
	_cleanup_config_ struct config config;
	_cleanup_free_ char *console_log = NULL;
	struct container_request request;
	char generated[32];
	int r;

	r = create_options_apply(&o->create, call->globals, &config, &request, &console_log, err);
	if (r < 0)
		return r;
	if (call->n_words == 2 && o->create.bundle)
		return err_set(err, -EINVAL, "run: the bundle is given twice, \"%s\" and \"%s\"",
			       o->create.bundle, call->words[0]);
	read_words(call, &request.bundle, &request.id);
	if (!request.id) {
		r = make_id(generated, err);
		if (r < 0)
			return r;
		request.id = generated;
	}
	request.start = true;
	request.attached = !o->detach;
	r = container_launch(&request, &container, err);
	if (r < 0)
		return r;
	return o->detach ? run_detached(&request, &container, err)
			 : run_attached(&request, &container, o->keep, err);
}

const struct command cmd_run = {
	.name = "run",
	.words = "[DIR] [ID]",
	.summary = "run a bundle's process in a VM and wait for its end",
	.details = "DIR is the bundle: a directory with config.json and a root file system. Without ID one\n"
		   "is made up. The exit status is the container's; 128 + n for signal n, 127 and 126 when\n"
		   "the command is not there or can't be run, 1 for vrun's own errors.",
	.examples = "vrun run build/bundle\n"
		    "vrun run --engine qemu --memory 256M --cpus 2 build/bundle\n"
		    "vrun run --detach --bundle build/bundle web",
	.opts = opts,
	.opts_size = sizeof(struct options),
	.max_words = 2,
	.run = run,
};
