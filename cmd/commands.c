/* SPDX-License-Identifier: Apache-2.0 */
/* commands: the tables of vrun's commands and of the options before them. */
#include "cmd/cmd.h"
#include "runtime/config.h"
#include "runtime/store.h"

#include <stddef.h>

const struct opt global_opts[] = {
	{ "root", 0, OPT_STRING, offsetof(struct cmd_globals, root), "DIR",
	  "where containers' state is kept (" STORE_ROOT_DEFAULT ")" },
	{ "config", 0, OPT_STRING, offsetof(struct cmd_globals, config), "FILE",
	  "settings (" CONFIG_PATH_DEFAULT ")" },
	{ "log", 0, OPT_STRING, offsetof(struct cmd_globals, log), "FILE", "append errors to FILE too" },
	{ "log-format", 0, OPT_STRING, offsetof(struct cmd_globals, log_format), "text|json",
	  "how errors look in that file (text)" },
	{ "debug", 0, OPT_FLAG, offsetof(struct cmd_globals, debug), NULL,
	  "tell what is done, the guest's kernel too" },
	{ "systemd-cgroup", 0, OPT_FLAG, offsetof(struct cmd_globals, systemd_cgroup), NULL,
	  "cgroups are made by systemd" },
	{ "rootless", 0, OPT_STRING, offsetof(struct cmd_globals, rootless), "MODE",
	  "accepted for compatibility" },
	{ "criu", 0, OPT_STRING, offsetof(struct cmd_globals, criu), "FILE", NULL },
	{ "version", 'v', OPT_FLAG, offsetof(struct cmd_globals, version), NULL, "print the version" },
	{ "help", 'h', OPT_FLAG, offsetof(struct cmd_globals, help), NULL, "print this help" },
	OPT_END,
};

/* clang-format off: one a line, so that branches that add one don't meet */
const struct command *const commands[] = {
	/* the lifecycle */
	&cmd_run,
	&cmd_create,
	&cmd_start,
	&cmd_state,
	&cmd_kill,
	&cmd_delete,
	/* a running container */
	&cmd_exec,
	&cmd_ps,
	&cmd_pause,
	&cmd_resume,
	&cmd_update,
	&cmd_events,
	&cmd_top,
	&cmd_console,
	/* the rest */
	&cmd_list,
	&cmd_spec,
	&cmd_check,
	&cmd_compare,
	&cmd_features,
	&cmd_completion,
	&cmd_manual,
	&cmd_checkpoint,
	&cmd_restore,
	NULL,
};
/* clang-format on */
