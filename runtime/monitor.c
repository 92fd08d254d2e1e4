/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor: from the launch parameters to the exit status. See monitor.h.
 *
 * What ends a container sets the status and leaves the loop; nothing is freed
 * inside a callback.
 */
#include "runtime/monitor.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "runtime/connector.h"
#include "runtime/guest.h"
#include "runtime/monitor_internal.h"
#include "runtime/proc_fs.h"
#include "runtime/status.h"
#include "runtime/stdio.h"
#include "runtime/text.h"
#include "runtime/undertaker.h"
#include "vmm/console_log.h"
#include "vmm/vm_spec.h"
#include "vmm/vmm.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

enum {
	CONSOLE_LINES = 12, /* of a dead guest's, in the message */
	CONSOLE_TEXT_MAX = 1400,
	LOST_MS = 5000, /* from the end of the agent's connection to the machine's */
	LATE_MS = 1000, /* what runs for less never has the devices that it can do without */
	CLOCK_MS = 5 * 60 * 1000, /* NTP slews by at most 0.5 ms a second: 150 ms */
};

uint64_t monitor_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* --- the end --- */

void monitor_end(struct monitor *m, int status)
{
	if (m->phase == MONITOR_ENDED)
		return;
	m->phase = MONITOR_ENDED;
	if (m->vmm)
		vmm_stop(m->vmm);
	loop_quit(m->loop, status);
}

/* Whoever waits for the container gets the reason: vrun, or `vrun start`, and the state for later. */
static void tell_failure(struct monitor *m, int status, int error, const char *text)
{
	const struct message msg = {
		.type = MESSAGE_ERROR,
		.number = error,
		.status = status,
		.text = text,
	};

	/* Who waits prints it; else this is the only word. */
	if (m->released)
		log_error("%s", text);
	else
		log_debug("%s", text);
	status_set_text(m->params.fds[LAUNCH_FD_STATUS], text);
	if (!m->released && !m->orphaned)
		message_send(m->sync, &msg);
	if (m->starter)
		control_reply(TAKE_PTR(m->starter), &msg);
}

static void fail(struct monitor *m, int status, char *text)
{
	if (m->phase == MONITOR_ENDED)
		return;
	text_hide_phrases(text);
	tell_failure(m, status, EIO, text);
	monitor_end(m, status);
}

void monitor_fail(struct monitor *m, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fail(m, 1, text);
}

/* As above, with the console's last lines. */
static void fail_with_console(struct monitor *m, const char *what)
{
	char tail[CONSOLE_TEXT_MAX];

	if (console_log_tail(vmm_console(m->vmm), CONSOLE_LINES, tail, sizeof(tail)) == 0)
		monitor_fail(m, "%s; its console is empty", what);
	else
		monitor_fail(m, "%s; its console ends with:\n%s", what, tail);
}

static void on_kill_timer(void *ctx)
{
	struct monitor *m = ctx;

	log_debug("the guest did not end the container in time");
	monitor_end(m, m->kill_status);
}

void monitor_kill(struct monitor *m, bool all)
{
	int status;

	m->kill_status = 128 + SIGKILL;
	/* Gone already, but somebody does not read its output: that must not keep it from being killed. */
	if (m->init && guest_has_exited(m->init, &status)) {
		monitor_end(m, status);
		return;
	}
	if (m->phase < MONITOR_CREATED || m->paused || !m->init || guest_signal(m->init, SIGKILL, all) < 0) {
		monitor_end(m, m->kill_status);
		return;
	}
	if (!m->kill_timer)
		loop_add_timer(m->loop, MONITOR_KILL_MS, on_kill_timer, m, &m->kill_timer);
}

/* --- the container --- */

/* The container runs, or is over: what the machine did until now. */
static void note_exits(struct monitor *m, char exits[static TIMELINE_EXITS_MAX])
{
	if (!m->vmm || vmm_exits(m->vmm, exits, TIMELINE_EXITS_MAX) == 0)
		exits[0] = '\0';
	m->timeline.first_run = m->vmm ? vmm_timeline(m->vmm)->first_run : 0;
	timeline_write(&m->timeline, m->spec ? vm_engine_name(m->spec->engine) : "",
		       m->params.fds[LAUNCH_FD_TIMELINE]);
}

static void on_created(void *ctx)
{
	struct monitor *m = ctx;

	m->timeline.created = monitor_now();
	m->timeline.guest_ready = guest_process_clock(m->init);
	m->phase = MONITOR_CREATED;
	status_set(m->params.fds[LAUNCH_FD_STATUS], STATUS_CREATED);
	if (!m->released)
		message_send(m->sync, &(struct message){ .type = MESSAGE_CREATED });
	/* What it was told at creation may be out of date by now. */
	monitor_resize(m);
}

static void on_started(void *ctx)
{
	struct monitor *m = ctx;
	const struct message msg = { .type = MESSAGE_STARTED };

	m->phase = MONITOR_RUNNING;
	status_set(m->params.fds[LAUNCH_FD_STATUS], STATUS_RUNNING);
	m->timeline.started = monitor_now();
	if (!m->timeline.start)
		m->timeline.guest_ready = guest_process_clock(m->init);
	if (m->starter)
		control_reply(TAKE_PTR(m->starter), &(struct message){ .type = MESSAGE_OK });
	if (!m->released)
		message_send(m->sync, &msg);
	monitor_resize(m);
	/* After all that somebody waits for. */
	note_exits(m, m->timeline.exits_to_start);
	timeline_log_phases(&m->timeline);
	timeline_log_exits("until the start", m->timeline.exits_to_start);
}

static void on_failed(void *ctx, int status, int error, const char *text)
{
	struct monitor *m = ctx;
	char message[ERR_TEXT_MAX];

	m->init = NULL;
	snprintf(message, sizeof(message), "unable to start container process: %s", text);
	tell_failure(m, status, error, message);
	monitor_end(m, status);
}

static void on_ended(void *ctx, int status)
{
	struct monitor *m = ctx;

	m->init = NULL;
	monitor_end(m, status);
}

static const struct guest_process_ops init_ops = {
	.created = on_created,
	.started = on_started,
	.failed = on_failed,
	.ended = on_ended,
};

/* --- the guest --- */

/* The host's clock is corrected by NTP or by hand, which a guest does not see by itself. */
static void on_clock_timer(void *ctx)
{
	struct monitor *m = ctx;

	if (!m->paused)
		(void)guest_set_clock(m->guest);
	loop_set_timer(m->clock_timer, CLOCK_MS);
}

static void on_late_timer(void *ctx)
{
	struct monitor *m = ctx;

	/* A frozen guest gets them when it goes on: the message waits for it. */
	if (vmm_show_late_devices(m->vmm))
		(void)guest_find_devices(m->guest);
	loop_remove(TAKE_PTR(m->late_timer));
}

static void on_hello(void *ctx, const struct guest_times *times)
{
	struct monitor *m = ctx;

	m->timeline.guest = *times;
	m->phase = MONITOR_CREATING;
	loop_remove(TAKE_PTR(m->boot_timer));
	/* What it booted with may have been a clock of whole seconds. */
	(void)guest_set_clock(m->guest);
	if (loop_add_timer(m->loop, CLOCK_MS, on_clock_timer, m, &m->clock_timer) < 0)
		log_debug("no timer for the guest's clock");
	if (loop_add_timer(m->loop, LATE_MS, on_late_timer, m, &m->late_timer) < 0)
		log_debug("no timer for the late devices");
}

static void on_lost_timer(void *ctx)
{
	struct monitor *m = ctx;

	fail_with_console(m, m->lost.text);
}

static void on_lost(void *ctx, const struct err *why)
{
	struct monitor *m = ctx;
	int status;

	if (m->init && guest_has_exited(m->init, &status))
		return;
	/* A kernel that restarts resets its devices first: how the machine ends says more than that. */
	m->lost = *why;
	if (guest_is_closed(why->code) &&
	    loop_add_timer(m->loop, LOST_MS, on_lost_timer, m, &m->lost_timer) == 0)
		return;
	fail_with_console(m, why->text);
}

static const struct guest_ops guest_ops = {
	.hello = on_hello,
	.answer = monitor_answered,
	.open = monitor_open_socket,
	.oom = monitor_oom,
	.lost = on_lost,
};

/* A guest restarts after a panic too; what it says of itself decides no more than the words and the status. */
static bool has_panicked(struct monitor *m)
{
	_cleanup_free_ char *text = malloc(CONSOLE_LOG_SIZE);

	return text && console_log_tail(vmm_console(m->vmm), UINT_MAX, text, CONSOLE_LOG_SIZE) > 0 &&
	       strstr(text, "Kernel panic - not syncing");
}

/* The signals by which reboot(2) ends a pid namespace of its own, as with runc. */
static void end_by_guest(struct monitor *m, const char *did, int signo)
{
	char text[ERR_TEXT_MAX];

	snprintf(text, sizeof(text), "the container ended because its guest %s", did);
	fail(m, 128 + signo, text);
}

static void on_machine_ended(void *ctx, enum vmm_end end, const struct err *why)
{
	struct monitor *m = ctx;
	int status;

	if (m->init && guest_has_exited(m->init, &status)) {
		monitor_end(m, status);
		return;
	}
	if (m->kill_timer) {
		monitor_end(m, m->kill_status);
		return;
	}
	if (end == VMM_END_CRASHED && why && why->code)
		fail_with_console(m, why->text);
	else if (end == VMM_END_RESET && has_panicked(m))
		fail_with_console(m, "the guest's kernel panicked");
	else if (m->phase == MONITOR_BOOTING)
		fail_with_console(m, end == VMM_END_RESET ? "the guest restarted before its agent answered"
							  : "the guest powered off before its agent answered");
	else if (m->phase < MONITOR_RUNNING)
		fail_with_console(m, "the guest ended before its container was started");
	else if (end == VMM_END_RESET)
		end_by_guest(m, "restarted itself", SIGHUP);
	else
		end_by_guest(m, "powered itself off", SIGINT);
}

/* The jail ends us, and lets us say so: in a signal handler, so only what needs no memory and no lock. */
static void on_violation(void *ctx, const char *text)
{
	struct monitor *m = ctx;
	char packet[512];
	int len;

	status_set_text(m->params.fds[LAUNCH_FD_STATUS], text);
	status_set(m->params.fds[LAUNCH_FD_STATUS], STATUS_STOPPED);
	if (!m->released && !m->orphaned) {
		len = message_error_packet(EIO, 128 + SIGSYS, text, packet, sizeof(packet));
		if (len > 0)
			send(m->sync, packet, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	log_error("%s", text);
}

static const struct vmm_callbacks vmm_callbacks = { .ended = on_machine_ended, .violation = on_violation };

static void on_boot_timeout(void *ctx)
{
	struct monitor *m = ctx;
	char what[128];

	snprintf(what, sizeof(what), "the guest's agent did not answer within %u s", m->params.boot_timeout);
	fail_with_console(m, what);
}

static int offer_stream(void *ctx, uint32_t port, int take_rfd, int take_wfd, vsock_end_fn ended,
			void *stream)
{
	/* The port is unguessable, and the agent comes before any process of the container runs. */
	return virtio_vsock_offer(ctx, port, false, take_rfd, take_wfd, ended, stream);
}

static int withdraw_stream(void *ctx, uint32_t port)
{
	return virtio_vsock_withdraw(ctx, port);
}

static const struct guest_stream_ops stream_ops = { .offer = offer_stream, .withdraw = withdraw_stream };

static int connect_agent(struct monitor *m, struct err *err)
{
	struct vdev *vsock = vmm_vsock(m->vmm);
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return err_set_errno(err, -errno, "socketpair");
	r = guest_new(m->loop, pair[0], &stream_ops, vsock, &guest_ops, m, &m->guest);
	if (r < 0)
		close_fd(pair[1]);
	else
		r = virtio_vsock_offer(vsock, AGENT_PORT_CONTROL, true, pair[1], pair[1], NULL, NULL);
	return r < 0 ? err_set_errno(err, r, "the agent's connection") : 0;
}

/* --- the container's streams --- */

static int open_terminal(struct monitor *m, struct guest_stdio *stdio, struct err *err)
{
	_cleanup_close_ int master = -EBADF, slave = -EBADF;
	int r;

	if (m->params.fds[LAUNCH_FD_CONSOLE] < 0)
		return err_set(err, -EINVAL, "process.terminal: there is no console socket");
	r = pty_open(m->params.stdio.rows, m->params.stdio.cols, &master, &slave);
	if (r < 0)
		return err_set_errno(err, r, "process.terminal: making a terminal");
	/* As its session's leader we get SIGWINCH when the other side changes the size, and SIGHUP. */
	if (ioctl(slave, TIOCSCTTY, 0) < 0)
		return err_set_errno(err, -errno, "process.terminal: making it ours");
	r = console_send(m->params.fds[LAUNCH_FD_CONSOLE], master);
	if (r < 0)
		return err_set_errno(err, r, "console socket");
	m->params.fds[LAUNCH_FD_CONSOLE] = close_fd(m->params.fds[LAUNCH_FD_CONSOLE]);
	stdio->fds[0] = fcntl(slave, F_DUPFD_CLOEXEC, 3);
	if (stdio->fds[0] < 0)
		return err_set_errno(err, -errno, "process.terminal");
	m->tty = TAKE_FD(slave);
	return 0;
}

static int open_stdio(struct monitor *m, struct guest_stdio *stdio, struct err *err)
{
	int r;

	*stdio = (struct guest_stdio){ .wire = m->params.stdio, .fds = { -EBADF, -EBADF, -EBADF } };
	if (m->params.terminal)
		return open_terminal(m, stdio, err);
	for (int i = 0; i < 3; i++) {
		stdio->fds[i] = stdio_private(i, i != STDIN_FILENO);
		if (stdio->fds[i] < 0)
			return err_set_errno(err, stdio->fds[i], "standard stream %d", i);
	}
	/* From here on the container alone decides when its streams are closed. */
	r = stdio_to_null(m->null_fd, m->params.debug);
	return r < 0 ? err_set_errno(err, r, "/dev/null") : 0;
}

static void close_stdio(struct monitor *m)
{
	for (int i = 0; i < 3; i++)
		m->stdio.fds[i] = close_fd(m->stdio.fds[i]);
}

static int create_container(struct monitor *m, int config_fd, struct err *err)
{
	const struct guest_stdio none = { .fds = { -EBADF, -EBADF, -EBADF } };
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *bpf = NULL;
	struct guest_stdio stdio;
	size_t len, bpf_len;
	int r;

	r = fd_read_whole(m->params.fds[LAUNCH_FD_CREATE], AGENT_FRAME_MAX_TO_GUEST, &text, &len);
	if (r < 0)
		return err_set_errno(err, r, "the container's config");
	/* Otherwise it came with all there is to say. */
	if (m->params.wait) {
		r = monitor_net_configure(config_fd, true, &text, &len, err);
		if (r < 0)
			return r;
	}
	if (m->params.fds[LAUNCH_FD_SECCOMP] >= 0) {
		r = fd_read_whole(m->params.fds[LAUNCH_FD_SECCOMP], AGENT_FRAME_MAX_TO_GUEST, &bpf, &bpf_len);
		if (r == 0)
			r = guest_seccomp(m->guest, bpf, bpf_len, m->params.seccomp_flags);
		if (r < 0)
			return err_set_errno(err, r, "the seccomp filter");
	}
	stdio = m->stdio;
	m->stdio = none;
	r = guest_create(m->guest, text, len, &stdio, &init_ops, m, &m->init);
	return r < 0 ? err_set_errno(err, r, "the container's request") : 0;
}

int monitor_boot(struct monitor *m, int config_fd, struct err *err)
{
	int r;

	m->phase = MONITOR_BOOTING;
	r = loop_add_timer(m->loop, m->params.boot_timeout * 1000ULL, on_boot_timeout, m, &m->boot_timer);
	if (r < 0)
		return err_set_errno(err, r, "event loop");
	r = vmm_check(m->spec, err);
	if (r == 0)
		r = monitor_net_plug(m, err);
	if (r == 0)
		r = monitor_sockets_start(m, err);
	if (r == 0)
		r = vmm_new(m->loop, m->spec, &vmm_callbacks, m, &m->vmm, err);
	if (r == 0)
		r = connect_agent(m, err);
	if (r == 0)
		r = create_container(m, config_fd, err);
	if (r == 0 && monitor_update_late(m) < 0)
		r = err_set(err, -EIO, "the container's new limits can't be sent");
	if (r == 0)
		r = vmm_run(m->vmm, err);
	return r < 0 ? r : monitor_proc_start(m, err);
}

/* --- vrun --- */

static void on_sync(void *ctx, int fd, uint32_t events)
{
	_cleanup_message_ struct message msg = { 0 };
	struct monitor *m = ctx;
	int r;

	(void)events;
	r = message_recv(fd, &msg);
	if (r == -EAGAIN)
		return;
	loop_remove(TAKE_PTR(m->sync_source));
	if (r == 0 && msg.type == MESSAGE_RELEASE) {
		m->released = true;
		/* Nothing of vrun's caller is held any longer; our log file is ours. */
		log_set_stderr(false);
		stdio_to_null(m->null_fd, false);
		undertaker_release(&m->undertaker);
		m->sync = close_fd(m->sync);
		return;
	}
	m->orphaned = true;
	undertaker_orphan(&m->undertaker);
	log_set_stderr(false);
	monitor_kill(m, true);
}

/* --- putting it together --- */

/* The network's interfaces, if any, then the launch parameters. */
static int receive(struct monitor *m, struct message *msg, struct err *err)
{
	for (;;) {
		int r = message_recv(m->sync, msg);

		if (r < 0)
			return err_set_errno(err, r, "launch parameters");
		if (msg->type != MESSAGE_NET)
			return 0;
		r = monitor_net_take(m, msg, err);
		if (r < 0)
			return r;
		message_done(msg);
		*msg = (struct message){ 0 };
	}
}

static int load(struct monitor *m, struct err *err)
{
	_cleanup_message_ struct message msg = { 0 };
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	r = receive(m, &msg, err);
	/* Before that vrun had things to do: hooks, the network. */
	m->timeline.received = monitor_now();
	if (r == 0)
		r = launch_params_read(&msg, &m->params, err);
	if (r < 0)
		return r;
	m->timeline.begun = m->params.begun_ns;
	m->timeline.launched = m->params.launched_ns;
	log_set_prefix(m->params.id);
	log_set_stderr(m->params.debug);
	if (m->params.debug)
		log_set_level(LOG_LEVEL_DEBUG);
	if (m->params.fds[LAUNCH_FD_LOG] >= 0)
		log_set_file(TAKE_FD(m->params.fds[LAUNCH_FD_LOG]),
			     m->params.log_json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
	r = undertaker_start(TAKE_FD(m->params.fds[LAUNCH_FD_STORE]), m->sync, m->params.id, &m->undertaker);
	if (r < 0)
		return err_set_errno(err, r, "a process that removes what is left");
	r = fd_read_whole(m->params.fds[LAUNCH_FD_VM], AGENT_FRAME_MAX_TO_GUEST, &text, &len);
	if (r < 0)
		return err_set_errno(err, r, "the VM's description");
	return vm_spec_parse(text, len, &m->spec, err);
}

/* As far as others can tell it is created; its network is not known before start (net.h). */
static void wait_for_start(struct monitor *m)
{
	m->phase = MONITOR_WAITING;
	status_set(m->params.fds[LAUNCH_FD_STATUS], STATUS_CREATED);
	message_send(m->sync, &(struct message){ .type = MESSAGE_CREATED });
}

static int set_up(struct monitor *m, struct err *err)
{
	int r;

	m->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (m->null_fd < 0)
		return err_set_errno(err, -errno, "/dev/null");
	r = loop_new(&m->loop);
	if (r < 0)
		return err_set_errno(err, r, "event loop");
	/* Before the machine's threads are made, which inherit the blocked signals. */
	r = monitor_signals_start(m);
	if (r == 0)
		r = fd_set_nonblock(m->sync, true);
	if (r == 0)
		r = loop_add_fd(m->loop, m->sync, EPOLLIN, on_sync, m, &m->sync_source);
	if (r == 0)
		r = control_new(m->loop, TAKE_FD(m->params.fds[LAUNCH_FD_CONTROL]), &monitor_control_ops, m,
				&m->control);
	if (r < 0)
		return err_set_errno(err, r, "event loop");
	r = open_stdio(m, &m->stdio, err);
	if (r < 0)
		return r;
	if (m->params.wait)
		wait_for_start(m);
	else
		r = monitor_boot(m, -EBADF, err);
	return r;
}

static void monitor_done(struct monitor *m)
{
	/* The devices first: their streams point into the guest's. */
	control_free(m->control);
	monitor_console_free(m);
	vmm_free(m->vmm);
	connector_free(m->connector);
	monitor_exec_free_all(m);
	monitor_ps_free_all(m);
	monitor_limits_free(m);
	proc_fs_free(m->proc);
	guest_free(m->guest);
	close_stdio(m);
	monitor_net_done(m);
	loop_free(m->loop);
	vm_spec_free(m->spec);
	/* A session leader that exits hangs its terminal up, and with it unread output; one that let go does not. */
	if (m->tty >= 0)
		ioctl(m->tty, TIOCNOTTY);
	close_fd(m->tty);
	close_fd(m->null_fd);
}

int monitor_main(int take_sync)
{
	struct monitor m = {
		.sync = take_sync,
		.tty = -EBADF,
		.null_fd = -EBADF,
		.undertaker = UNDERTAKER_INIT,
		.stdio = { .fds = { -EBADF, -EBADF, -EBADF } },
	};
	struct err err = ERR_INIT;
	int r;

	for (unsigned i = 0; i < LAUNCH_FDS; i++)
		m.params.fds[i] = -EBADF;
	/* Terminal signals of vrun's session are vrun's to pass on. */
	setsid();
	r = load(&m, &err);
	if (r == 0)
		r = set_up(&m, &err);
	if (r == 0)
		r = loop_run(m.loop);
	if (r < 0) {
		if (!err.code)
			err_set_errno(&err, r, "event loop");
		text_hide_phrases(err.text);
		tell_failure(&m, 1, EIO, err.text);
		r = 1;
	}
	if (m.timeline.started) {
		note_exits(&m, m.timeline.exits);
		timeline_log_exits("in all", m.timeline.exits);
	}
	monitor_done(&m);
	/* Not if vrun has died: then it has its work to do when we have ended. */
	if (!m.orphaned)
		undertaker_finish(&m.undertaker);
	if (m.params.fds[LAUNCH_FD_STATUS] >= 0)
		status_set(m.params.fds[LAUNCH_FD_STATUS], STATUS_STOPPED);
	if (!m.released && m.sync >= 0)
		message_send(m.sync, &(struct message){ .type = MESSAGE_EXITED, .status = r });
	launch_params_done(&m.params);
	close_fd(m.sync);
	return r;
}
