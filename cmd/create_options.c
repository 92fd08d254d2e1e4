/* SPDX-License-Identifier: Apache-2.0 */
/* create_options: see create_options.h. */
#include "cmd/create_options.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "cmd/cmd.h"
#include "runtime/config.h"
#include "runtime/container.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Given more than once they are one list. */
static int apply_publish(const struct create_options *options, struct config *config, struct err *err)
{
	_cleanup_free_ char *list = NULL;

	for (size_t i = 0; i < options->publish.n; i++) {
		char *more;

		if (asprintf(&more, "%s%s%s", list ? list : "", list ? "," : "", options->publish.v[i]) < 0)
			return err_set(err, -ENOMEM, "out of memory");
		free(list);
		list = more;
	}
	return list ? config_set(config, CONFIG_PUBLISH, list, CONFIG_OPTION, err) : 0;
}

static int apply_settings(const struct create_options *options, struct config *config, struct err *err)
{
	const struct {
		enum config_key key;
		const char *value;
	} settings[] = {
		{ CONFIG_ENGINE, options->engine }, { CONFIG_KERNEL, options->kernel },
		{ CONFIG_INITRD, options->initrd }, { CONFIG_MEMORY, options->memory },
		{ CONFIG_CPUS, options->cpus },	    { CONFIG_NET, options->net },
		{ CONFIG_JAIL, options->jail },
	};
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		if (!settings[i].value)
			continue;
		r = config_set(config, settings[i].key, settings[i].value, CONFIG_OPTION, err);
		if (r < 0)
			return err_wrap(err, r, "option");
	}
	return apply_publish(options, config, err);
}

/* vrun-vmm opens it, from another directory. */
static int absolute_path(const char *path, char **ret, struct err *err)
{
	_cleanup_free_ char *cwd = NULL;

	if (path[0] == '/') {
		*ret = strdup(path);
	} else {
		cwd = getcwd(NULL, 0);
		if (!cwd)
			return err_set_errno(err, -errno, "working directory");
		if (asprintf(ret, "%s/%s", cwd, path) < 0)
			*ret = NULL;
	}
	return *ret ? 0 : err_set(err, -ENOMEM, "out of memory");
}

int create_options_apply(const struct create_options *options, const struct cmd_globals *globals,
			 struct config *config, struct container_request *request, char **ret_console_log,
			 struct err *err)
{
	int r;

	config_init(config);
	*ret_console_log = NULL;
	if (options->preserve_fds.v)
		return err_set(err, -ENOTSUP, "option --preserve-fds: descriptors can't be passed into a VM");
	r = config_read_file(config, globals->config ? globals->config : CONFIG_PATH_DEFAULT, globals->config,
			     err);
	if (r == 0)
		r = apply_settings(options, config, err);
	if (r == 0 && options->console_log)
		r = absolute_path(options->console_log, ret_console_log, err);
	if (r < 0)
		return r;
	*request = (struct container_request){
		.root = globals->root,
		.bundle = options->bundle ? options->bundle : ".",
		.config = config,
		.console_socket = options->console_socket,
		.pid_file = options->pid_file,
		.console_log = *ret_console_log,
		.systemd_cgroup = globals->systemd_cgroup,
		.debug = globals->debug,
		.log_fd = globals->log_fd,
		.log_json = globals->log_json,
		.begun_ns = globals->begun_ns,
	};
	return 0;
}
