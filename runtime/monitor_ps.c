/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_ps: `vrun ps`. The host's side is the pids of the processes that stand
 * for exec's; the guest's side is a list that only its agent can give.
 */
#include "runtime/monitor_internal.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "runtime/guest.h"

#include <stdio.h>
#include <string.h>

/* A connection that waits for the guest's list. */
struct monitor_ps {
	struct monitor_ps *next;
	struct monitor *m;
	struct control_conn *conn; /* NULL: closed */
};

static void ps_free(struct monitor_ps *ps)
{
	struct monitor_ps **link = &ps->m->ps;

	while (*link != ps)
		link = &(*link)->next;
	*link = ps->next;
	free(ps);
}

static void on_list(void *ctx, const char *text)
{
	struct message msg = { .type = MESSAGE_OK };
	struct monitor_ps *ps = ctx;

	if (ps->conn) {
		char pids[MESSAGE_TEXT_MAX];
		int fd = fd_from_bytes("ps", text, strlen(text));

		monitor_exec_pids(ps->m, pids, sizeof(pids));
		msg.text = pids;
		if (fd >= 0)
			msg.fds[msg.n_fds++] = fd;
		control_reply(ps->conn, &msg);
		close_fd(fd);
	}
	ps_free(ps);
}

int monitor_ps_start(struct monitor *m, struct control_conn *conn, bool list, struct err *err)
{
	struct monitor_ps *ps;
	int r;

	if (!list) {
		char pids[MESSAGE_TEXT_MAX];

		monitor_exec_pids(m, pids, sizeof(pids));
		control_reply(conn, &(struct message){ .type = MESSAGE_OK, .text = pids });
		return CONTROL_LATER;
	}
	if (m->phase != MONITOR_CREATED && m->phase != MONITOR_RUNNING)
		return err_set(err, -ESRCH, "container not running");
	if (m->paused)
		return err_set(err, -EBUSY, "a paused container can't list its processes");
	ps = calloc(1, sizeof(*ps));
	if (!ps)
		return err_set(err, -ENOMEM, "out of memory");
	*ps = (struct monitor_ps){ .next = m->ps, .m = m, .conn = conn };
	m->ps = ps;
	r = guest_ps(m->guest, on_list, ps);
	if (r < 0) {
		ps_free(ps);
		return err_set_errno(err, r, "the guest's agent");
	}
	return CONTROL_LATER;
}

void monitor_ps_closed(struct monitor *m, const struct control_conn *conn)
{
	for (struct monitor_ps *ps = m->ps; ps; ps = ps->next) {
		if (ps->conn == conn)
			ps->conn = NULL;
	}
}

void monitor_ps_free_all(struct monitor *m)
{
	while (m->ps)
		ps_free(m->ps);
}
