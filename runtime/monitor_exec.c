/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_exec: further processes of the container. Each belongs to a control
 * connection, whose other end is a process of the host that stands for it: when
 * that one is killed the connection closes, and the guest's process is killed.
 */
#include "runtime/monitor_internal.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "oci/spec.h"
#include "runtime/guest.h"
#include "runtime/plan.h"

#include <stdio.h>
#include <string.h>

struct monitor_exec {
	struct monitor_exec *next;
	struct monitor *m;
	struct control_conn *conn; /* NULL: closed */
	struct guest_process *process; /* NULL: gone */
};

static void exec_free(struct monitor_exec *exec)
{
	struct monitor_exec **link = &exec->m->execs;

	while (*link != exec)
		link = &(*link)->next;
	*link = exec->next;
	free(exec);
}

static void exec_tell(struct monitor_exec *exec, const struct message *msg)
{
	if (exec->conn)
		control_reply(exec->conn, msg);
}

/* The process is gone. The connection, if it is still there, is the peer's to close. */
static void exec_over(struct monitor_exec *exec)
{
	exec->process = NULL;
	if (exec->conn)
		control_set_data(exec->conn, NULL);
	exec_free(exec);
}

static void on_started(void *ctx)
{
	exec_tell(ctx, &(struct message){ .type = MESSAGE_STARTED });
}

static void on_failed(void *ctx, int status, int error, const char *text)
{
	char message[ERR_TEXT_MAX];

	snprintf(message, sizeof(message), "exec failed: unable to start container process: %s", text);
	exec_tell(ctx, &(struct message){
			       .type = MESSAGE_ERROR,
			       .number = error,
			       .status = status,
			       .text = message,
		       });
	exec_over(ctx);
}

static void on_ended(void *ctx, int status)
{
	exec_tell(ctx, &(struct message){ .type = MESSAGE_EXITED, .status = status });
	exec_over(ctx);
}

static const struct guest_process_ops exec_ops = {
	.started = on_started,
	.failed = on_failed,
	.ended = on_ended,
};

static void cleanup_process(struct oci_process **p)
{
	oci_process_free(*p);
}

/* Read and check what came, and write it anew for the agent with the ports of its streams. */
static int make_request(struct message *msg, struct agent_stdio *ret_stdio, char **ret_text, size_t *ret_len,
			struct err *err)
{
	_cleanup_(cleanup_process) struct oci_process *process = NULL;
	_cleanup_free_ char *text = NULL;
	struct agent_exec exec;
	size_t len;
	int r;

	if (msg->n_fds != (msg->flag ? 2 : 4))
		return err_set(err, -EINVAL, "exec: %zu descriptors came", msg->n_fds);
	r = fd_read_whole(msg->fds[0], AGENT_FRAME_MAX_TO_GUEST, &text, &len);
	if (r < 0)
		return err_set_errno(err, r, "exec");
	r = oci_process_parse(text, len, "process", &process, err);
	if (r < 0)
		return r;
	process->terminal = msg->flag;
	r = plan_stdio(process, ret_stdio);
	if (r < 0)
		return err_set_errno(err, r, "exec");
	if (msg->rows || msg->cols) {
		ret_stdio->rows = msg->rows;
		ret_stdio->cols = msg->cols;
	}
	exec = (struct agent_exec){ .process = process, .stdio = *ret_stdio, .cgroup = (char *)msg->text };
	r = agent_exec_write(&exec, ret_text, ret_len);
	return r < 0 ? err_set_errno(err, r, "exec") : 0;
}

int monitor_exec_start(struct monitor *m, struct control_conn *conn, struct message *msg, struct err *err)
{
	struct guest_stdio stdio = { .fds = { -EBADF, -EBADF, -EBADF } };
	_cleanup_free_ char *text = NULL;
	struct monitor_exec *exec;
	size_t len;
	int r;

	if (control_data(conn))
		return err_set(err, -EBUSY, "exec: one process a connection");
	if (m->phase != MONITOR_CREATED && m->phase != MONITOR_RUNNING)
		return err_set(err, -ESRCH, "container not running");
	r = make_request(msg, &stdio.wire, &text, &len, err);
	if (r < 0)
		return r;
	exec = calloc(1, sizeof(*exec));
	if (!exec)
		return err_set(err, -ENOMEM, "out of memory");
	*exec = (struct monitor_exec){ .next = m->execs, .m = m, .conn = conn };
	m->execs = exec;
	for (size_t i = 1; i < msg->n_fds; i++)
		stdio.fds[i - 1] = message_take_fd(msg, i);
	r = guest_exec(m->guest, text, len, &stdio, &exec_ops, exec, &exec->process);
	if (r < 0) {
		exec_free(exec);
		return err_set_errno(err, r, "exec");
	}
	control_set_data(conn, exec);
	return CONTROL_LATER;
}

int monitor_exec_signal(struct monitor_exec *exec, int signo)
{
	return exec->process ? guest_signal(exec->process, signo, false) : -ESRCH;
}

int monitor_exec_resize(struct monitor_exec *exec, uint16_t rows, uint16_t cols)
{
	return exec->process ? guest_resize(exec->process, rows, cols) : -ESRCH;
}

void monitor_exec_closed(struct monitor_exec *exec)
{
	exec->conn = NULL;
	if (exec->process)
		guest_abandon(exec->process);
	exec->process = NULL;
	exec_free(exec);
}

void monitor_exec_pids(const struct monitor *m, char *buf, size_t size)
{
	size_t len = 0;

	*buf = '\0';
	for (const struct monitor_exec *exec = m->execs; exec; exec = exec->next) {
		pid_t pid = exec->conn ? control_peer(exec->conn) : 0;
		int n;

		if (pid <= 0)
			continue;
		n = snprintf(buf + len, size - len, "%s%d", len ? " " : "", (int)pid);
		if (n < 0 || (size_t)n >= size - len) {
			buf[len] = '\0';
			return;
		}
		len += (size_t)n;
	}
}

void monitor_exec_free_all(struct monitor *m)
{
	while (m->execs)
		exec_free(m->execs);
}
