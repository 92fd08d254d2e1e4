/* SPDX-License-Identifier: Apache-2.0 */
/* container: see container.h. */
#include "runtime/container.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "oci/spec.h"
#include "runtime/cgroup.h"
#include "runtime/control.h"
#include "runtime/hooks.h"
#include "runtime/launch_params.h"
#include "runtime/mountpoints.h"
#include "runtime/plan.h"
#include "runtime/program.h"
#include "runtime/state.h"
#include "runtime/stdio.h"
#include "runtime/store.h"
#include "runtime/timeline.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* runc's words for terminals that nobody would hold. */
static int check_terminal(const struct container_request *request, const struct oci_spec *spec,
			  struct err *err)
{
	bool terminal = spec->has_process && spec->process.terminal;

	if (terminal && !request->attached && !request->console_socket)
		return err_set(err, -EINVAL,
			       "cannot allocate tty if vrun will detach without setting console socket");
	if (request->console_socket && !terminal)
		return err_set(err, -EINVAL,
			       "cannot use console socket if vrun will not detach or allocate tty");
	return terminal && !request->console_socket ? stdio_check_terminal(err) : 0;
}

/* The spec is written once more: the plan changes the one that it is given. */
static int copy_spec(const struct oci_spec *spec, struct oci_spec **ret, char **ret_text, size_t *ret_len,
		     struct err *err)
{
	int r = oci_spec_write(spec, ret_text, ret_len);

	if (r < 0)
		return err_set_errno(err, r, "config.json");
	return oci_spec_parse(*ret_text, *ret_len, "config.json", ret, err);
}

static int make_plan(const struct container_request *request, const char *bundle, struct container *c,
		     struct plan **ret, char **ret_text, size_t *ret_len, struct err *err)
{
	const struct plan_input input = {
		.id = request->id,
		.bundle = bundle,
		.config = request->config,
		.debug = request->debug,
		.console_path = request->console_log,
	};
	struct oci_spec *copy;
	int r;

	r = oci_spec_load(bundle, &c->spec, err);
	if (r == 0)
		r = check_terminal(request, c->spec, err);
	if (r == 0)
		r = config_read_spec(request->config, c->spec, err);
	if (r == 0)
		r = copy_spec(c->spec, &copy, ret_text, ret_len, err);
	return r < 0 ? r : plan_new(&input, copy, ret, err);
}

/* The directory with all that vrun puts into it; descriptors for vrun-vmm into `params`. */
static int make_directory(const struct container_request *request, struct container *c, const char *spec_text,
			  size_t spec_len, struct launch_params *params, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int fd, r;

	r = state_write(c->state, &text, &len);
	if (r < 0)
		return err_set_errno(err, r, "the container's state");
	r = store_create(c->store, request->id, text, len, &c->dir, err);
	if (r < 0)
		return r;
	r = file_write_atomic(c->dir->fd, "config.json", spec_text, spec_len, 0600);
	if (r == 0)
		r = params->fds[LAUNCH_FD_STATUS] = status_create(c->dir->fd);
	if (r >= 0)
		r = params->fds[LAUNCH_FD_TIMELINE] = timeline_create(c->dir->fd);
	if (r >= 0)
		r = params->fds[LAUNCH_FD_CONTROL] = control_listen(c->dir->fd);
	if (r >= 0) {
		fd = fcntl(store_fd(c->store), F_DUPFD_CLOEXEC, 3);
		r = params->fds[LAUNCH_FD_STORE] = fd < 0 ? -errno : fd;
	}
	return r < 0 ? err_set_errno(err, r, "the container's state directory") : 0;
}

static int make_console(const struct container_request *request, struct container *c,
			struct launch_params *params, struct err *err)
{
	int pair[2];

	if (!c->spec->process.terminal)
		return 0;
	if (request->console_socket)
		return console_connect(request->console_socket, &params->fds[LAUNCH_FD_CONSOLE], err);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set_errno(err, -errno, "socketpair");
	c->console = pair[0];
	params->fds[LAUNCH_FD_CONSOLE] = pair[1];
	return 0;
}

static int place_cgroup(const struct container_request *request, struct container *c, const struct plan *plan,
			struct err *err)
{
	const struct cgroup_sizes sizes = {
		.vm_memory = plan->vm->memory,
		.overhead = plan_host_overhead(plan->vm),
	};

	return cgroup_new(request->id, c->spec, request->systemd_cgroup, &sizes, &c->cgroup, err);
}

static int start_vmm(const struct container_request *request, struct container *c, struct plan *plan,
		     struct launch_params *params, struct err *err)
{
	int r;

	r = container_net_open(&c->net, plan->net, c->spec, c->state, err);
	if (r == 0)
		r = launch_spawn(request->id, c->net.ns, &c->launch, err);
	if (r < 0)
		return r;
	c->state->pid = c->launch.pid;
	c->state->pid_start = c->launch.pid_start;
	r = state_save(c->state, c->dir->fd, err);
	/* It waits, and has allocated nothing yet. */
	if (r == 0)
		r = cgroup_enter(c->cgroup, c->spec, c->dir->fd, c->launch.pid, err);
	if (r < 0)
		return r;
	/* OCI runtime.md, "Lifecycle", 3 to 5: vrun-vmm is there, nothing of the container is. */
	c->hooked = true;
	r = hooks_create(&c->spec->hooks, c->state, err);
	if (r == 0)
		r = container_net_attach(&c->net, c->state, !request->start, c->launch.sync, err);
	if (r == 0)
		r = container_net_attach_passt(&c->net, request->config->publish, c->cgroup, c->launch.sync,
					       err);
	if (r == 0 && c->state->net_waits)
		r = program_check(c->spec, c->state->bundle, plan->rootfs, err);
	if (r == 0 && c->state->net_waits)
		r = state_save(c->state, c->dir->fd, err);
	if (r < 0)
		return r;
	params->wait = c->state->net_waits;
	plan->network = container_net_config(&c->net);
	r = launch_go(&c->launch, params, plan, request->start, err);
	if (r < 0)
		return r;
	plan->network = NULL;
	container_net_keep(&c->net);
	container_net_done(&c->net);
	return 0;
}

static int launch_steps(const struct container_request *request, struct container *c,
			struct launch_params *params, struct err *err)
{
	_cleanup_plan_ struct plan *plan = NULL;
	_cleanup_free_ char *spec_text = NULL;
	_cleanup_free_ char *bundle = NULL;
	size_t spec_len;
	int r;

	r = store_check_id(request->id, err);
	if (r < 0)
		return r;
	bundle = realpath(request->bundle, NULL);
	if (!bundle)
		return err_set_errno(err, -errno, "bundle %s", request->bundle);
	r = make_plan(request, bundle, c, &plan, &spec_text, &spec_len, err);
	if (r == 0)
		r = place_cgroup(request, c, plan, err);
	if (r == 0)
		r = store_open(request->root, &c->store, err);
	if (r < 0)
		return r;
	if (!request->config->jail)
		log_warn("jail=off: vrun-vmm keeps all of vrun's rights, so a guest that breaks out of its VM has the host");
	params->boot_timeout = request->config->boot_timeout;
	r = state_new(request->id, bundle, c->spec, &c->state);
	if (r == 0)
		r = oci_string_set(&c->state->rootfs, plan->rootfs);
	if (r == 0)
		r = oci_string_set(&c->state->engine, vm_engine_name(plan->vm->engine));
	if (r < 0)
		return err_set(err, r, "out of memory");
	c->state->cpus = plan->vm->cpus;
	r = make_directory(request, c, spec_text, spec_len, params, err);
	if (r == 0)
		r = make_console(request, c, params, err);
	if (r == 0)
		r = mountpoints_make(c->spec, plan, err);
	if (r == 0)
		r = start_vmm(request, c, plan, params, err);
	return r;
}

int container_launch(const struct container_request *request, struct container *ret, struct err *err)
{
	struct container c = CONTAINER_INIT;
	struct launch_params params = {
		.id = (char *)request->id,
		.debug = request->debug,
		.log_json = request->log_json,
		.begun_ns = request->begun_ns,
	};
	int r;

	for (unsigned i = 0; i < LAUNCH_FDS; i++)
		params.fds[i] = -EBADF;
	if (request->log_fd >= 0) {
		params.fds[LAUNCH_FD_LOG] = fcntl(request->log_fd, F_DUPFD_CLOEXEC, 3);
		if (params.fds[LAUNCH_FD_LOG] < 0)
			return err_set_errno(err, -errno, "log file");
	}
	r = launch_steps(request, &c, &params, err);
	params.id = NULL;
	launch_params_done(&params);
	if (r < 0) {
		container_abort(&c);
		container_done(&c);
		return r;
	}
	*ret = c;
	return 0;
}

int container_ready(const struct container *container, const char *pid_file, struct err *err)
{
	char text[16];
	int len, r;

	if (!container->state->net_waits) {
		r = cgroup_apply(container->cgroup, &container->spec->linux_.resources, CGROUP_QUOTA, err);
		if (r < 0)
			return r;
	}
	if (!pid_file)
		return 0;
	len = snprintf(text, sizeof(text), "%d", (int)container->state->pid);
	r = file_write_atomic(AT_FDCWD, pid_file, text, (size_t)len, 0644);
	return r < 0 ? err_set_errno(err, r, "pid file %s", pid_file) : 0;
}

/* Of memory or descriptors, which may be had a moment later. */
static bool is_shortage(int r)
{
	return r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

int container_forget(struct store *store, struct store_dir *dir, struct err *err)
{
	struct err why = ERR_INIT;
	int r = cgroup_remove_saved(dir->fd, &why);

	/* Who knows of the cgroup is asked again. */
	if (r == -EBUSY || is_shortage(r))
		return err_set(err, r, "%s", why.text);
	/* A damaged file, say: nothing that waiting would help. */
	if (r < 0)
		log_warn("%s: %s", dir->id, why.text);
	return store_remove(store, dir, err);
}

static int try_to_forget(struct container *container, bool *ret_found, struct err *err)
{
	_cleanup_store_dir_ struct store_dir *named = NULL;
	int r = store_find(container->store, container->dir->id, true, &named, err);

	if (r < 0)
		return is_shortage(r) ? r : 0;
	if (!store_is_same(container->dir, named))
		return 0;
	*ret_found = true;
	return container_forget(container->store, named, err);
}

/* Whether there was something: its name may be another container's by now. */
static bool forget_by_name(struct container *container)
{
	struct err why = ERR_INIT;
	bool found = false;
	int r;

	/* vrun-vmm takes the lock when it cleans up after us, and so does whoever deletes it. */
	store_unlock(container->dir);
	r = try_to_forget(container, &found, &why);
	/* Nobody will come after us. */
	if (is_shortage(r))
		r = try_to_forget(container, &found, &why);
	if (r < 0)
		log_warn("%s is not deleted (vrun delete does that): %s", container->dir->id, why.text);
	return found;
}

void container_remove(struct container *container, bool failed)
{
	bool found;

	if (!container->dir)
		return;
	/* vrun-vmm has done it, unless it was killed. */
	container_net_release(container->state);
	found = forget_by_name(container);
	store_dir_close(TAKE_PTR(container->dir));
	if (container->hooked && (found || failed))
		hooks_poststop(&container->spec->hooks, container->state);
}

void container_abort(struct container *container)
{
	/* vrun-vmm would wait for it, and we for vrun-vmm. */
	if (container->dir)
		store_unlock(container->dir);
	launch_abort(&container->launch);
	container_remove(container, true);
}

void container_done(struct container *container)
{
	launch_done(&container->launch);
	container_net_done(&container->net);
	store_dir_close(TAKE_PTR(container->dir));
	store_free(TAKE_PTR(container->store));
	state_free(TAKE_PTR(container->state));
	oci_spec_free(TAKE_PTR(container->spec));
	cgroup_free(TAKE_PTR(container->cgroup));
	container->console = close_fd(container->console);
}
