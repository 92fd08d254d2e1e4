/* SPDX-License-Identifier: Apache-2.0 */
/* create: OCI runtime.md, "create": all but the start of the container's process. */
#include "base/cleanup.h"
#include "base/err.h"
#include "cmd/cmd.h"
#include "cmd/create_options.h"
#include "runtime/config.h"
#include "runtime/container.h"

struct options {
	struct create_options create;
};

static const struct opt opts[] = {
	CREATE_OPTIONS(struct options, create),
	OPT_END,
};

static int create(const struct cmd_call *call, struct err *err)
{
	const struct options *o = call->opts;
	_cleanup_container_ struct container container = CONTAINER_INIT;
	_cleanup_config_ struct config config;
	_cleanup_free_ char *console_log = NULL;
	struct container_request request;
	int r, status;

	r = create_options_apply(&o->create, call->globals, &config, &request, &console_log, err);
	if (r < 0)
		return r;
	request.id = call->words[0];
	r = container_launch(&request, &container, err);
	if (r < 0)
		return r;
	r = launch_wait(&container.launch, MESSAGE_CREATED, &status, err);
	if (r == 0)
		r = container_ready(&container, request.pid_file, err);
	if (r < 0) {
		container_abort(&container);
		return r;
	}
	launch_release(&container.launch);
	return 0;
}

const struct command cmd_create = {
	.name = "create",
	.words = "ID",
	.summary = "make a container, whose process `start` will run",
	.examples = "vrun create --bundle build/bundle --pid-file pid web",
	.opts = opts,
	.opts_size = sizeof(struct options),
	.min_words = 1,
	.max_words = 1,
	.run = create,
};
