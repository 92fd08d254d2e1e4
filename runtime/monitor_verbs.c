/* SPDX-License-Identifier: Apache-2.0 */
/* monitor_verbs: what commands ask over the control socket. See control.h. */
#include "runtime/monitor_internal.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "runtime/guest.h"
#include "runtime/status.h"
#include "vmm/vmm.h"

#include <signal.h>

/* The machine is to boot with the network that is there by now; the process runs at once. */
static int start_machine(struct monitor *m, struct control_conn *conn, struct message *msg, struct err *err)
{
	_cleanup_close_ int config_fd = message_take_fd(msg, 0);
	int r;

	m->starter = conn;
	m->timeline.waited = monitor_now();
	r = monitor_boot(m, config_fd, err);
	if (r < 0)
		monitor_fail(m, "%s", err->text);
	return CONTROL_LATER;
}

static int verb_start(struct monitor *m, struct control_conn *conn, struct message *msg, struct err *err)
{
	int r;

	if (m->phase == MONITOR_WAITING)
		return start_machine(m, conn, msg, err);
	if (m->phase == MONITOR_RUNNING)
		return err_set(err, -EBUSY, "cannot start an already running container");
	if (m->phase != MONITOR_CREATED || m->starter)
		return err_set(err, -EBUSY, "the container can't be started now");
	r = guest_start(m->init);
	if (r < 0)
		return err_set_errno(err, r, "start");
	m->timeline.start = monitor_now();
	m->starter = conn;
	return CONTROL_LATER;
}

static int verb_kill(struct monitor *m, struct control_conn *conn, const struct message *msg, struct err *err)
{
	struct monitor_exec *exec = control_data(conn);
	int r;

	if (msg->number < 1 || msg->number > SIGRTMAX)
		return err_set(err, -EINVAL, "signal %d does not exist", msg->number);
	r = exec ? monitor_exec_signal(exec, msg->number) : monitor_deliver(m, msg->number, msg->flag);
	return r < 0 ? err_set(err, -ESRCH, "no such process") : 0;
}

static int verb_pause(struct monitor *m, struct err *err)
{
	int r;

	if (m->paused || m->phase != MONITOR_RUNNING)
		return err_set(err, -EBUSY, "container not running");
	r = vmm_pause(m->vmm, err);
	if (r < 0)
		return r;
	m->paused = true;
	status_set(m->params.fds[LAUNCH_FD_STATUS], STATUS_PAUSED);
	return 0;
}

static int verb_resume(struct monitor *m, struct err *err)
{
	int r;

	if (!m->paused)
		return err_set(err, -EBUSY, "container not paused");
	r = vmm_resume(m->vmm, err);
	if (r < 0)
		return r;
	m->paused = false;
	status_set(m->params.fds[LAUNCH_FD_STATUS], STATUS_RUNNING);
	/* An emulator's clock stood still with its CPUs. */
	(void)guest_set_clock(m->guest);
	return 0;
}

static int verb_resize(struct monitor *m, struct control_conn *conn, const struct message *msg,
		       struct err *err)
{
	struct monitor_exec *exec = control_data(conn);
	int r;

	if (exec)
		r = monitor_exec_resize(exec, msg->rows, msg->cols);
	else
		r = m->init ? guest_resize(m->init, msg->rows, msg->cols) : -ESRCH;
	return r < 0 ? err_set(err, -ESRCH, "no such process") : 0;
}

static int on_request(void *ctx, struct control_conn *conn, struct message *msg, struct err *err)
{
	struct monitor *m = ctx;

	/* The answer to whoever comes between the end and our exit. */
	if (m->phase == MONITOR_ENDED)
		return err_set(err, -ESRCH, "container not running");
	switch (msg->type) {
	case MESSAGE_START:
		return verb_start(m, conn, msg, err);
	case MESSAGE_NET:
		if (m->phase != MONITOR_WAITING)
			return err_set(err, -EBUSY, "the VM can't be given a network interface any more");
		return monitor_net_take(m, msg, err);
	case MESSAGE_KILL:
		return verb_kill(m, conn, msg, err);
	case MESSAGE_EXEC:
		return monitor_exec_start(m, conn, msg, err);
	case MESSAGE_PAUSE:
		return verb_pause(m, err);
	case MESSAGE_RESUME:
		return verb_resume(m, err);
	case MESSAGE_PS:
		return monitor_ps_start(m, conn, msg->flag, err);
	case MESSAGE_RESIZE:
		return verb_resize(m, conn, msg, err);
	case MESSAGE_CONSOLE:
		return monitor_console_attach(m, msg, err);
	case MESSAGE_UPDATE:
		return monitor_update(m, conn, msg, err);
	case MESSAGE_STATS:
		return monitor_stats(m, conn, msg->flag, err);
	case MESSAGE_EVENTS:
		return monitor_events(m, conn, err);
	default:
		return err_set(err, -EINVAL, "not a request");
	}
}

static void on_closed(void *ctx, struct control_conn *conn)
{
	struct monitor *m = ctx;

	if (m->starter == conn)
		m->starter = NULL;
	monitor_ps_closed(m, conn);
	monitor_limits_closed(m, conn);
	if (control_data(conn))
		monitor_exec_closed(control_data(conn));
}

const struct control_ops monitor_control_ops = { .request = on_request, .closed = on_closed };
