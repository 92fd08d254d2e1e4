/* SPDX-License-Identifier: Apache-2.0 */
/* exec: another process in a running container; options as runc's. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "oci/spec.h"
#include "runtime/exec.h"
#include "runtime/lookup.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>

enum { PROCESS_FILE_MAX = 16 << 20 };

struct options {
	const char *console_socket, *cwd, *user, *process, *pid_file, *process_label, *apparmor, *cgroup;
	struct opt_list env, additional_gids, caps;
	struct opt_count preserve_fds;
	bool tty, detach, no_new_privs, ignore_paused, no_subreaper;
};

static const struct opt opts[] = {
	{ "process", 'p', OPT_STRING, offsetof(struct options, process), "FILE",
	  "the process as JSON, instead of a command" },
	{ "detach", 'd', OPT_FLAG, offsetof(struct options, detach), NULL, "return once the process runs" },
	{ "tty", 't', OPT_FLAG, offsetof(struct options, tty), NULL, "give it a terminal" },
	{ "console-socket", 0, OPT_STRING, offsetof(struct options, console_socket), "PATH",
	  "socket that gets the master of the terminal" },
	{ "pid-file", 0, OPT_STRING, offsetof(struct options, pid_file), "FILE",
	  "write the pid of the process that stands for it" },
	{ "user", 'u', OPT_STRING, offsetof(struct options, user), "UID[:GID]", "user and group ids" },
	{ "additional-gids", 'g', OPT_LIST, offsetof(struct options, additional_gids), "GID",
	  "one more group; may be repeated" },
	{ "cwd", 0, OPT_STRING, offsetof(struct options, cwd), "DIR", "working directory in the container" },
	{ "env", 'e', OPT_LIST, offsetof(struct options, env), "NAME=VALUE",
	  "environment variable; may be repeated" },
	{ "cap", 'c', OPT_LIST, offsetof(struct options, caps), "CAP",
	  "one more capability; may be repeated" },
	{ "no-new-privs", 0, OPT_FLAG, offsetof(struct options, no_new_privs), NULL, "set no_new_privs" },
	{ "ignore-paused", 0, OPT_FLAG, offsetof(struct options, ignore_paused), NULL,
	  "let it wait for a paused container" },
	{ "preserve-fds", 0, OPT_COUNT, offsetof(struct options, preserve_fds), "N",
	  "only 0: descriptors can't be passed into a VM" },
	{ "apparmor", 0, OPT_STRING, offsetof(struct options, apparmor), "PROFILE",
	  "ignored: the guest has no AppArmor" },
	{ "process-label", 0, OPT_STRING, offsetof(struct options, process_label), "LABEL",
	  "ignored: the guest has no SELinux" },
	{ "cgroup", 0, OPT_STRING, offsetof(struct options, cgroup), "PATH",
	  "run it in this cgroup below the container's" },
	{ "no-subreaper", 0, OPT_FLAG, offsetof(struct options, no_subreaper), NULL, NULL },
	OPT_END,
};

static void cleanup_process(struct oci_process **p)
{
	oci_process_free(*p);
}

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

static int read_process_file(const char *path, struct oci_process **ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	r = file_read(AT_FDCWD, path, PROCESS_FILE_MAX, &text, &len);
	if (r < 0)
		return err_set_errno(err, r, "process file %s", path);
	return oci_process_parse(text, len, path, ret, err);
}

/* The container's own process is what exec's is like, unless an option says otherwise. */
static int copy_process(const struct lookup *c, struct oci_process **ret, struct err *err)
{
	_cleanup_oci_spec_ struct oci_spec *spec = NULL;
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	r = lookup_spec(c, &spec, err);
	if (r < 0)
		return r;
	r = oci_process_write(&spec->process, &text, &len);
	if (r < 0)
		return no_memory(err);
	return oci_process_parse(text, len, "process", ret, err);
}

static int replace_args(struct oci_process *process, char **words, int n, struct err *err)
{
	struct oci_strings *args = &process->args;

	for (size_t i = 0; i < args->n; i++)
		free(args->v[i]);
	free(args->v);
	*args = (struct oci_strings){ 0 };
	for (int i = 0; i < n; i++) {
		if (oci_strings_append(args, words[i]) < 0)
			return no_memory(err);
	}
	return 0;
}

/* A later value of a name wins: the last of equal names is what getenv() of no libc returns, so the old goes. */
static int set_env(struct oci_strings *env, const char *pair, struct err *err)
{
	const char *equals = strchr(pair, '=');
	size_t len = equals ? (size_t)(equals - pair) : 0;

	if (len == 0)
		return err_set(err, -EINVAL, "option --env: \"%s\" is not NAME=VALUE", pair);
	for (size_t i = 0; i < env->n; i++) {
		if (!strncmp(env->v[i], pair, len + 1))
			return oci_string_set(&env->v[i], pair) < 0 ? no_memory(err) : 0;
	}
	return oci_strings_append(env, pair) < 0 ? no_memory(err) : 0;
}

static int parse_id(const char *text, char end, uint32_t *ret, const char **ret_rest)
{
	unsigned long v;
	char *rest;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	v = strtoul(text, &rest, 10);
	/* The last one is "none" to the kernel. */
	if (errno || v >= UINT32_MAX || (*rest && *rest != end))
		return -EINVAL;
	*ret = (uint32_t)v;
	*ret_rest = rest;
	return 0;
}

static int set_user(struct oci_process *process, const char *text, struct err *err)
{
	uint32_t uid, gid = process->user.gid;
	const char *rest;

	if (parse_id(text, ':', &uid, &rest) < 0 || (*rest && parse_id(rest + 1, '\0', &gid, &rest) < 0))
		return err_set(err, -EINVAL, "option --user: \"%s\" is not UID or UID:GID", text);
	process->user.uid = uid;
	process->user.gid = gid;
	return 0;
}

static int add_gid(struct oci_user *user, const char *text, struct err *err)
{
	uint32_t gid, *grown;
	const char *rest;

	if (parse_id(text, '\0', &gid, &rest) < 0)
		return err_set(err, -EINVAL, "option --additional-gids: \"%s\" is not a group id", text);
	grown = realloc(user->additional_gids, (user->n_additional_gids + 1) * sizeof(*grown));
	if (!grown)
		return no_memory(err);
	grown[user->n_additional_gids++] = gid;
	user->additional_gids = grown;
	return 0;
}

static void add_cap(struct oci_capabilities *caps, const char *name)
{
	int number = oci_capability_number(name);
	uint64_t bit;

	if (number < 0) {
		log_warn("option --cap: ignoring unknown or unavailable capability %s", name);
		return;
	}
	bit = 1ULL << number;
	caps->has = true;
	caps->bounding |= bit;
	caps->effective |= bit;
	caps->permitted |= bit;
	/* As runc: a user other than root keeps it through execve() where config.json lets it be inherited. */
	caps->ambient |= bit & caps->inheritable;
}

static int apply_options(struct oci_process *process, const struct options *o, struct err *err)
{
	int r = 0;

	if (o->cwd && o->cwd[0] != '/')
		return err_set(err, -EINVAL, "option --cwd: \"%s\" is not an absolute path", o->cwd);
	if (o->cwd && oci_string_set(&process->cwd, o->cwd) < 0)
		return no_memory(err);
	if (o->user)
		r = set_user(process, o->user, err);
	for (size_t i = 0; r == 0 && i < o->additional_gids.n; i++)
		r = add_gid(&process->user, o->additional_gids.v[i], err);
	for (size_t i = 0; r == 0 && i < o->env.n; i++)
		r = set_env(&process->env, o->env.v[i], err);
	for (size_t i = 0; i < o->caps.n; i++)
		add_cap(&process->capabilities, o->caps.v[i]);
	if (o->no_new_privs)
		process->no_new_privileges = true;
	return r;
}

static int make_process(const struct cmd_call *call, const struct lookup *c, struct oci_process **ret,
			struct err *err)
{
	_cleanup_(cleanup_process) struct oci_process *process = NULL;
	const struct options *o = call->opts;
	int r;

	if (o->process) {
		r = read_process_file(o->process, &process, err);
		if (r < 0)
			return r;
		process->terminal = process->terminal || o->tty;
	} else {
		if (call->n_words < 2)
			return err_set(err, -EINVAL, "exec: a command or --process is needed");
		r = copy_process(c, &process, err);
		if (r == 0)
			r = replace_args(process, call->words + 1, call->n_words - 1, err);
		if (r == 0)
			r = apply_options(process, o, err);
		if (r < 0)
			return r;
		process->terminal = o->tty;
		process->has_console_size = false;
	}
	*ret = TAKE_PTR(process);
	return 0;
}

static int exec(const struct cmd_call *call, struct err *err)
{
	const struct options *o = call->opts;
	_cleanup_(cleanup_process) struct oci_process *process = NULL;
	_cleanup_lookup_ struct lookup c = LOOKUP_INIT;
	struct exec_request request = {
		.detach = o->detach,
		.console_socket = o->console_socket,
		.pid_file = o->pid_file,
		.cgroup = o->cgroup,
	};
	int r;

	if (o->preserve_fds.v)
		return err_set(err, -ENOTSUP, "option --preserve-fds: descriptors can't be passed into a VM");
	/* The guest has version 2, where runc takes one path. */
	if (o->cgroup && (!o->cgroup[0] || strchr(o->cgroup, ':')))
		return err_set(err, -EINVAL,
			       "option --cgroup: \"%s\": the container has cgroup version 2: PATH, not "
			       "CONTROLLER:PATH",
			       o->cgroup);
	r = lookup_open(call->globals->root, call->words[0], false, &c, err);
	if (r < 0)
		return r;
	if (c.status == STATUS_PAUSED && !o->ignore_paused)
		return err_set(err, -EBUSY,
			       "cannot exec in a paused container (use --ignore-paused to override)");
	if (c.status == STATUS_STOPPED || c.status == STATUS_CREATING)
		return err_set(err, -ESRCH, "cannot exec in a stopped container: container not running");
	r = make_process(call, &c, &process, err);
	if (r < 0)
		return r;
	log_debug("exec: %s in container %s", process->args.v[0], call->words[0]);
	request.process = process;
	return exec_run(&c, &request, err);
}

const struct command cmd_exec = {
	.name = "exec",
	.words = "ID COMMAND [ARGUMENT…]",
	.summary = "run another process in a container",
	.details =
		"The exit status is the process's. The process of the host that stands for it (--pid-file)\n"
		"passes signals on; when it is killed the process in the guest is.",
	.examples = "vrun exec web ps\n"
		    "vrun exec --tty --env LANG=C.UTF-8 web sh",
	.opts = opts,
	.opts_size = sizeof(struct options),
	.order = OPT_FIRST,
	.min_words = 1,
	.max_words = -1,
	.run = exec,
};
