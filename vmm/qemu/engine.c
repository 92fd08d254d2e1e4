/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine: the QEMU engine (vmm/engine.h). QEMU is a child process that runs the
 * vCPUs, in software where the host can't do better; our devices stay in this
 * process and serve it over vhost-user.
 *
 * Theory of operation
 *
 * create() starts QEMU at once, stopped: while it sets up its machine, it asks our
 * devices about themselves, which the loop answers, and then greets us by QMP.
 * run() lets it go as soon as it has. The end comes as a QMP event (the guest's own
 * doing) or as the end of the process (QEMU's); failures of either are told through
 * `ended`, as nothing here waits for QEMU.
 *
 * A pause stops the process, not the machine by QMP: as with a frozen cgroup or with
 * KVM vCPUs that don't run, the guest's clocks go on, and its rings stay where they are.
 */
#include "vmm/engine.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "vmm/jail/jail.h"
#include "vmm/qemu/command.h"
#include "vmm/qemu/console.h"
#include "vmm/qemu/listener.h"
#include "vmm/qemu/probe.h"
#include "vmm/qemu/process.h"
#include "vmm/qemu/qmp.h"
#include "vmm/vhost_user/backend.h"
#include "vmm/virtio/vdev.h"
#include "vmm/vm_spec.h"
#include "vmm/vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_ids.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

enum { CONSOLE_EARLY, CONSOLE_MAIN, N_CONSOLES };

/* How a device is served; neither: QEMU brings it itself. */
struct hosted {
	struct engine *engine;
	struct vdev *dev;
	struct qemu_listener *listener; /* until QEMU has connected */
	struct vhost_user *backend;
};

struct engine {
	struct engine_args args;
	struct qemu_process *process;
	struct qmp *qmp;
	struct qemu_console consoles[N_CONSOLES];
	struct hosted *hosted; /* by device */
	char *path; /* the emulator */
	bool greeted; /* QEMU has come up */
	bool ready; /* QMP takes commands */
	bool wanted; /* run() was called */
	bool stopped; /* by stop(), or it has ended */
	bool paused;
	struct loop_source *report; /* tells of the end below, outside of anybody's call */
	enum vmm_end end;
	struct err end_err;
};

/* --- The end --- */

static void report_end(void *ctx)
{
	struct engine *engine = ctx;

	loop_remove(TAKE_PTR(engine->report));
	/* The engine may be freed there. */
	engine->args.ended(engine->args.ctx, engine->end, &engine->end_err);
}

/* QEMU and the devices are quiet before anybody hears of the end. */
static void end(struct engine *engine, enum vmm_end why, const struct err *err)
{
	if (engine->stopped)
		return;
	engine->stopped = true;
	for (size_t i = 0; i < N_CONSOLES; i++)
		qemu_console_drain(&engine->consoles[i]);
	qemu_process_kill(engine->process);
	for (size_t i = 0; i < engine->args.n_devices; i++)
		vdev_stop(engine->args.devices[i]);
	engine->end = why;
	if (err)
		engine->end_err = *err;
	if (loop_add_defer(engine->args.loop, report_end, engine, &engine->report) < 0)
		report_end(engine);
}

static void crash(struct engine *engine, const char *what, const char *why)
{
	struct err err = ERR_INIT;

	err_set(&err, -EIO, "QEMU: %s%s%s", what, why ? ": " : "", why ? why : "");
	end(engine, VMM_END_CRASHED, &err);
}

/* One that is too old may not have understood its command line. */
static void blame_version(const struct engine *engine, struct err *err)
{
	struct qemu_version version;

	/* In the jail nobody can be asked any more. */
	if (engine->args.spec->jail) {
		err_wrap(err, err->code, "at least QEMU %d.%d is needed", QEMU_MAJOR_MIN, QEMU_MINOR_MIN);
		return;
	}
	if (qemu_ask_version(engine->path, &version, NULL) == 0)
		qemu_check_version(&version, err);
}

static void process_exited(void *ctx)
{
	struct engine *engine = ctx;
	struct err err = ERR_INIT;

	/* The guest's own power-off is said here first. */
	qmp_drain(engine->qmp);
	if (engine->stopped)
		return;
	if (qemu_process_result(engine->process, &err) == 0) {
		end(engine, VMM_END_OFF, NULL);
		return;
	}
	if (!engine->greeted)
		blame_version(engine, &err);
	end(engine, VMM_END_CRASHED, &err);
}

/* --- QMP --- */

static void continued(void *ctx, const char *error)
{
	if (error)
		crash(ctx, "the machine doesn't start", error);
}

static void go(struct engine *engine)
{
	int r = qmp_command(engine->qmp, "cont", continued);

	if (r < 0)
		crash(engine, "can't be told to start", strerror(-r));
}

static void has_capabilities(void *ctx, const char *error)
{
	struct engine *engine = ctx;

	if (error) {
		crash(engine, "refuses QMP", error);
		return;
	}
	engine->ready = true;
	if (engine->wanted)
		go(engine);
}

static void qmp_greeted(void *ctx, unsigned major, unsigned minor)
{
	struct engine *engine = ctx;
	const struct qemu_version version = { .major = major, .minor = minor };
	struct err err = ERR_INIT;
	int r;

	log_debug("QEMU %u.%u is up", major, minor);
	engine->greeted = true;
	if (qemu_check_version(&version, &err) < 0) {
		end(engine, VMM_END_CRASHED, &err);
		return;
	}
	r = qmp_command(engine->qmp, "qmp_capabilities", has_capabilities);
	if (r < 0)
		crash(engine, "can't be talked to", strerror(-r));
}

static void qmp_event(void *ctx, const char *name, const struct json *data)
{
	struct engine *engine = ctx;
	const char *reason = NULL;

	log_debug("QEMU: event %s", name);
	if (strcmp(name, "SHUTDOWN") != 0)
		return;
	/* Power-off and, as of -no-reboot, reset: qapi/run-state.json, ShutdownCause. */
	if (json_get(data, "reason"))
		(void)json_to_string(json_get(data, "reason"), &reason, NULL);
	end(engine, reason && strcmp(reason, "guest-reset") == 0 ? VMM_END_RESET : VMM_END_OFF, NULL);
}

static void qmp_broken(void *ctx, const char *why)
{
	/* At its end of file the process ends too, and says more about it. */
	if (why)
		crash(ctx, "broke the protocol", why);
}

static const struct qmp_callbacks qmp_callbacks = {
	.greeted = qmp_greeted,
	.event = qmp_event,
	.broken = qmp_broken,
};

/* --- Building --- */

static int add_console(struct engine *engine, unsigned i, int *ret_theirs)
{
	return qemu_console_init(&engine->consoles[i], engine->args.loop, engine->args.console, ret_theirs);
}

static int add_qmp(struct engine *engine, int *ret_theirs)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	*ret_theirs = pair[1];
	return qmp_new(engine->args.loop, pair[0], &qmp_callbacks, engine, &engine->qmp);
}

/*
 * The machine outlives a device that its guest has broken: the agent, or its absence, decides what comes of
 * it. But not one that could not be served, for want of descriptors or memory of ours: the guest would wait
 * for it for ever.
 */
static void connection_closed(void *ctx, const char *why)
{
	const struct hosted *hosted = ctx;

	if (why && !hosted->dev->failed)
		crash(hosted->engine, hosted->dev->tag, why);
}

static int serve(struct hosted *hosted, int take_sock, struct err *err)
{
	const struct vhost_user_config config = {
		.sealed_memory = true,
		.network = hosted->dev->ops->type == VIRTIO_ID_NET,
		.closed = connection_closed,
		.ctx = hosted,
	};

	return vhost_user_new(hosted->engine->args.loop, hosted->dev, take_sock, &config, &hosted->backend,
			      err);
}

static void on_connected(void *ctx, int take_sock)
{
	struct hosted *hosted = ctx;
	struct err err = ERR_INIT;

	qemu_listener_free(TAKE_PTR(hosted->listener));
	if (serve(hosted, take_sock, &err) < 0)
		crash(hosted->engine, "can't be served", err.text);
}

static int add_listener(struct hosted *hosted, const char **ret_address, struct err *err)
{
	int r = qemu_listener_new(hosted->engine->args.loop, on_connected, hosted, &hosted->listener);

	if (r < 0)
		return err_set_errno(err, r, "%s: can't listen for QEMU", hosted->dev->tag);
	*ret_address = qemu_listener_address(hosted->listener);
	return 0;
}

static int add_backend(struct hosted *hosted, int *ret_theirs, struct err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set_errno(err, -errno, "can't make a socket pair");
	*ret_theirs = pair[1];
	return serve(hosted, pair[0], err);
}

/* QEMU's ends of all sockets; closed when it has been started. */
struct their_ends {
	struct qemu_fds fds;
	int *devices;
	const char **addresses; /* the listeners' */
	size_t n_devices;
};

static void their_ends_done(struct their_ends *ends)
{
	close_fd(ends->fds.qmp);
	close_fd(ends->fds.early_console);
	close_fd(ends->fds.console);
	for (size_t i = 0; i < ends->n_devices; i++)
		close_fd(ends->devices[i]);
	free(ends->devices);
	free(ends->addresses);
}

static int make_ends(struct engine *engine, struct their_ends *ends, struct err *err)
{
	size_t n = engine->args.n_devices;
	int r;

	ends->devices = malloc((n + 1) * sizeof(*ends->devices));
	ends->addresses = calloc(n + 1, sizeof(*ends->addresses));
	if (!ends->devices || !ends->addresses)
		return err_set(err, -ENOMEM, "out of memory");
	ends->n_devices = n;
	ends->fds.devices = ends->devices;
	ends->fds.addresses = ends->addresses;
	for (size_t i = 0; i < n; i++)
		ends->devices[i] = -EBADF;

	if ((r = add_qmp(engine, &ends->fds.qmp)) < 0 ||
	    (r = add_console(engine, CONSOLE_EARLY, &ends->fds.early_console)) < 0 ||
	    (r = add_console(engine, CONSOLE_MAIN, &ends->fds.console)) < 0)
		return err_set_errno(err, r, "can't make the emulator's sockets");
	for (size_t i = 0; i < n; i++) {
		struct hosted *hosted = &engine->hosted[i];

		hosted->engine = engine;
		hosted->dev = engine->args.devices[i];
		if (qemu_has_own(hosted->dev))
			continue;
		if (qemu_connects(hosted->dev))
			r = add_listener(hosted, &ends->addresses[i], err);
		else
			r = add_backend(hosted, &ends->devices[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int start_process(struct engine *engine, struct err *err)
{
	_cleanup_(their_ends_done) struct their_ends ends = {
		.fds = { .qmp = -EBADF, .early_console = -EBADF, .console = -EBADF },
	};
	_cleanup_(qemu_command_done) struct qemu_command command = QEMU_COMMAND_INIT;
	const struct vm_spec *spec = engine->args.spec;
	const char *const files[] = { spec->kernel, spec->initrd, NULL };
	const struct jail_child jail = {
		.program = engine->path,
		.files = files,
		.kvm = spec->qemu_accel && !strcmp(spec->qemu_accel, "kvm"),
	};
	_cleanup_free_ int *inherited = NULL;
	size_t n = 0;
	int r;

	r = make_ends(engine, &ends, err);
	if (r < 0)
		return r;
	r = qemu_command_build(&command, engine->path, engine->args.spec, engine->args.devices,
			       engine->args.n_devices, &ends.fds, err);
	if (r < 0)
		return r;
	inherited = malloc((ends.n_devices + 3) * sizeof(*inherited));
	if (!inherited)
		return err_set(err, -ENOMEM, "out of memory");
	inherited[n++] = ends.fds.qmp;
	inherited[n++] = ends.fds.early_console;
	inherited[n++] = ends.fds.console;
	for (size_t i = 0; i < ends.n_devices; i++)
		if (ends.devices[i] >= 0)
			inherited[n++] = ends.devices[i];
	r = qemu_process_start(engine->args.loop, command.argv, inherited, n, spec->jail ? &jail : NULL,
			       process_exited, engine, &engine->process, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ends.n_devices; i++)
		if (engine->hosted[i].listener)
			qemu_listener_expect(engine->hosted[i].listener, qemu_process_pid(engine->process));
	return 0;
}

/* QEMU's own words for a file that it can't load don't name it. */
static int check_file(const char *what, const char *path, struct err *err)
{
	struct stat st;

	if (access(path, R_OK) < 0 || stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, -ENOENT, "the guest's %s %s is missing or not readable", what, path);
	return 0;
}

/* QEMU would take any size and get nowhere with it. */
static int check_memory(uint64_t size, struct err *err)
{
	struct sysinfo info;
	uint64_t host;

	if (sysinfo(&info) < 0)
		return 0;
	host = ((uint64_t)info.totalram + info.totalswap) * info.mem_unit;
	if (size > host)
		return err_set(err, -ENOMEM, "%llu MiB of guest memory are more than the host's %llu MiB",
			       (unsigned long long)(size >> 20), (unsigned long long)(host >> 20));
	return 0;
}

static void engine_free(void *p);

static void cleanup_engine(struct engine **engine)
{
	engine_free(*engine);
}

static int engine_create(const struct engine_args *args, void **ret_engine, struct err *err)
{
	_cleanup_(cleanup_engine) struct engine *engine = NULL;
	const struct vm_spec *spec = args->spec;
	_cleanup_free_ char *path = NULL;
	int r;

	if ((r = check_file("kernel", spec->kernel, err)) < 0 ||
	    (spec->initrd && (r = check_file("initramfs", spec->initrd, err)) < 0) ||
	    (r = check_memory(spec->memory, err)) < 0 ||
	    (r = qemu_find(spec->qemu_path ? spec->qemu_path : qemu_default_name, &path, err)) < 0)
		return r;

	engine = calloc(1, sizeof(*engine));
	if (!engine)
		return err_set(err, -ENOMEM, "out of memory");
	engine->args = *args;
	engine->path = TAKE_PTR(path);
	for (size_t i = 0; i < N_CONSOLES; i++)
		engine->consoles[i] = (struct qemu_console)QEMU_CONSOLE_INIT;
	engine->hosted = calloc(args->n_devices + 1, sizeof(*engine->hosted));
	if (!engine->hosted)
		return err_set(err, -ENOMEM, "out of memory");
	r = start_process(engine, err);
	if (r < 0)
		return r;
	*ret_engine = TAKE_PTR(engine);
	return 0;
}

/* --- The other operations --- */

static int engine_run(void *p, struct err *err)
{
	struct engine *engine = p;

	if (engine->stopped)
		return err_set(err, -ESRCH, "QEMU has ended");
	engine->wanted = true;
	if (engine->ready)
		go(engine);
	return 0;
}

static int engine_pause(void *p, struct err *err)
{
	struct engine *engine = p;
	int r;

	if (engine->paused)
		return 0;
	r = engine->stopped ? -ESRCH : qemu_process_pause(engine->process);
	if (r < 0)
		return err_set(err, r, "can't pause QEMU: it has ended");
	engine->paused = true;
	return 0;
}

static int engine_resume(void *p, struct err *err)
{
	struct engine *engine = p;
	int r;

	if (!engine->paused)
		return 0;
	r = engine->stopped ? -ESRCH : qemu_process_resume(engine->process);
	if (r < 0)
		return err_set(err, r, "can't resume QEMU: it has ended");
	engine->paused = false;
	return 0;
}

static size_t engine_console_input(void *p, const void *buf, size_t len)
{
	struct engine *engine = p;

	return engine->stopped ? 0 : qemu_console_input(&engine->consoles[CONSOLE_MAIN], buf, len);
}

static void engine_stop(void *p)
{
	struct engine *engine = p;

	engine->stopped = true;
	loop_remove(TAKE_PTR(engine->report));
	if (engine->process)
		qemu_process_kill(engine->process);
	for (size_t i = 0; i < N_CONSOLES; i++)
		qemu_console_drain(&engine->consoles[i]);
	for (size_t i = 0; i < engine->args.n_devices; i++) {
		qemu_listener_free(TAKE_PTR(engine->hosted[i].listener));
		vhost_user_free(TAKE_PTR(engine->hosted[i].backend));
	}
}

static void engine_free(void *p)
{
	struct engine *engine = p;

	if (!engine)
		return;
	if (engine->hosted)
		engine_stop(engine);
	qemu_process_free(engine->process);
	qmp_free(engine->qmp);
	for (size_t i = 0; i < N_CONSOLES; i++) {
		qemu_console_done(&engine->consoles[i]);
	}
	free(engine->hosted);
	free(engine->path);
	free(engine);
}

const struct engine_ops qemu_engine = {
	.name = "qemu",
	.create = engine_create,
	.run = engine_run,
	.pause = engine_pause,
	.resume = engine_resume,
	.stop = engine_stop,
	.free = engine_free,
	.console_input = engine_console_input,
};
