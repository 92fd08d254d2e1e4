/* SPDX-License-Identifier: Apache-2.0 */
/* create_options: what `create` and `run` have in common. */
#ifndef VRUN_CMD_CREATE_OPTIONS_H
#define VRUN_CMD_CREATE_OPTIONS_H

#include "cmd/options.h"

#include <stdbool.h>
#include <stddef.h>

struct cmd_globals;
struct config;
struct container_request;
struct err;

struct create_options {
	const char *bundle, *console_socket, *pid_file;
	bool no_pivot, no_new_keyring; /* accepted: the guest's root is its own anyway */
	struct opt_count preserve_fds;
	const char *engine, *kernel, *initrd, *memory, *cpus, *console_log, *net, *jail;
	struct opt_list publish;
};

#define CREATE_OPTIONS(type, field)                                                                              \
	{                                                                                                        \
		"bundle",   'b',                                                                                 \
		OPT_STRING, offsetof(type, field.bundle),                                                        \
		"DIR",	    "the bundle (working directory)"                                                     \
	},                                                                                                       \
		{ "console-socket", 0,                                                                           \
		  OPT_STRING,	    offsetof(type, field.console_socket),                                        \
		  "PATH",	    "socket that gets the master of the terminal" },                             \
		{ "pid-file", 0,                                                                                 \
		  OPT_STRING, offsetof(type, field.pid_file),                                                    \
		  "FILE",     "write the container's pid there" },                                               \
		{ "engine",	   0,                                                                            \
		  OPT_STRING,	   offsetof(type, field.engine),                                                 \
		  "auto|kvm|qemu", "who runs the VM (auto)" },                                                   \
		{ "kernel", 0, OPT_STRING, offsetof(type, field.kernel), "FILE", "guest kernel" },               \
		{ "initrd",   0,                                                                                 \
		  OPT_STRING, offsetof(type, field.initrd),                                                      \
		  "FILE",     "guest initramfs, with vrun's agent" },                                            \
		{ "memory",   0,                                                                                 \
		  OPT_STRING, offsetof(type, field.memory),                                                      \
		  "SIZE",     "the VM's memory, such as 512M or 2G" },                                           \
		{ "jail", 0, OPT_STRING, offsetof(type, field.jail), "on|off",                                   \
		  "confine vrun-vmm on the host (on)" },                                                         \
		{ "cpus", 0, OPT_STRING, offsetof(type, field.cpus), "N", "the VM's CPUs" },                     \
		{ "net",      0,                                                                                 \
		  OPT_STRING, offsetof(type, field.net),                                                         \
		  "NAME",     "namespace, passt or none (namespace)" },                                          \
		{ "publish",                                                                                     \
		  'p',                                                                                           \
		  OPT_LIST,                                                                                      \
		  offsetof(type, field.publish),                                                                 \
		  "PORTS",                                                                                       \
		  "with --net passt: [ADDRESS:]PORT:PORT[/tcp|/udp], the host's and the container's" },          \
		{ "console-log", 0,                                                                              \
		  OPT_STRING,	 offsetof(type, field.console_log),                                              \
		  "FILE",	 "append the guest's console to FILE" },                                         \
		{ "preserve-fds",                                                                                \
		  0,                                                                                             \
		  OPT_COUNT,                                                                                     \
		  offsetof(type, field.preserve_fds),                                                            \
		  "N",                                                                                           \
		  "only 0: descriptors can't be passed into a VM" },                                             \
		{ "no-pivot", 0, OPT_FLAG, offsetof(type, field.no_pivot), NULL, "accepted for compatibility" }, \
	{                                                                                                        \
		"no-new-keyring", 0, OPT_FLAG, offsetof(type, field.no_new_keyring), NULL,                       \
			"accepted for compatibility"                                                             \
	}

/*
 * Read the configuration file and the options into `config` (initialised here; the caller ends it
 * with config_done(), also on failure) and `request`. *ret_console_log is freed by the caller.
 */
int create_options_apply(const struct create_options *options, const struct cmd_globals *globals,
			 struct config *config, struct container_request *request, char **ret_console_log,
			 struct err *err);

#endif
