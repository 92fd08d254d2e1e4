/* SPDX-License-Identifier: Apache-2.0 */
/* monitor_internal: what monitor.c, monitor_verbs.c, monitor_console.c, monitor_exec.c and monitor_signals.c share. */
#ifndef VRUN_RUNTIME_MONITOR_INTERNAL_H
#define VRUN_RUNTIME_MONITOR_INTERNAL_H

#include "base/err.h"
#include "runtime/control.h"
#include "runtime/guest.h"
#include "runtime/launch_params.h"
#include "runtime/net.h"
#include "runtime/timeline.h"
#include "runtime/undertaker.h"

#include <stdbool.h>
#include <stdint.h>

struct connector;
struct loop;
struct loop_source;
struct monitor_console;
struct monitor_exec;
struct monitor_listener;
struct monitor_ps;
struct monitor_request;
struct proc_fs;
struct vm_net;
struct vm_spec;
struct vmm;

enum monitor_phase {
	MONITOR_WAITING, /* START is due, and with it the network; the machine is not there yet */
	MONITOR_BOOTING, /* HELLO is due */
	MONITOR_CREATING, /* CREATED is due */
	MONITOR_CREATED, /* start is due */
	MONITOR_RUNNING,
	MONITOR_ENDED, /* nothing is due: the loop is about to be left */
};

/* A container's process is killed when it leaves and its time limit is over. */
enum { MONITOR_KILL_MS = 10000 };

struct monitor {
	struct launch_params params;
	struct vm_spec *spec;
	struct loop *loop;
	struct vmm *vmm;
	struct guest *guest;
	struct guest_process *init; /* NULL once it is gone */
	struct control *control;
	struct control_conn *starter; /* waits for the outcome of START */
	struct monitor_exec *execs;
	struct monitor_console *console; /* NULL: nobody looks */
	struct monitor_ps *ps;
	struct proc_fs *proc; /* NULL: nobody can look */
	struct monitor_request *requests; /* UPDATE, STATS and PROC that the agent has not answered */
	uint32_t next_request;
	struct monitor_listener *listeners; /* who did EVENTS */
	struct connector *connector; /* NULL: no sockets of the host */
	unsigned n_connections; /* to them, and asked for */
	char *update; /* limits that came before there was a guest, or NULL */

	/* Interfaces that came and are not the machine's yet; then has_net, to give them back. */
	struct vm_net *nets;
	size_t n_nets;
	bool has_net;
	struct net_owner net_owner;

	int sync;
	int null_fd; /* /dev/null: there are no paths later */
	struct undertaker undertaker;
	struct loop_source *sync_source;
	bool released; /* vrun has let go */
	bool orphaned; /* vrun died first */

	enum monitor_phase phase;
	bool paused;
	struct guest_stdio stdio; /* until the machine is there */
	int tty; /* the slave of process.terminal, for its size; -EBADF */
	struct loop_source *boot_timer, *kill_timer, *clock_timer, *late_timer, *lost_timer, *signals;
	struct err lost; /* why the agent is gone, when the lost timer runs */
	int kill_status; /* the status when the kill timer fires */

	struct timeline timeline;
};

/* --- monitor.c --- */

/* The container is over; the first call counts. Leaves the loop with `status`. */
void monitor_end(struct monitor *m, int status);
/* The same because of a failure of ours, which is told to whoever waits. */
void monitor_fail(struct monitor *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* SIGKILL for the container: asks the agent, and ends the VM if it does not obey in time. */
void monitor_kill(struct monitor *m, bool all);
/* The machine's part of START, from a control connection or at once. */
uint64_t monitor_now(void);

/* Build the machine and let it boot. `config_fd`: the network's configuration that START brought, or -EBADF. */
int monitor_boot(struct monitor *m, int config_fd, struct err *err);

/* --- monitor_net.c --- */

/* A MESSAGE_NET. */
int monitor_net_take(struct monitor *m, struct message *msg, struct err *err);
/* Give what has come to the machine's spec. */
int monitor_net_plug(struct monitor *m, struct err *err);
/* Put a network (-EBADF: none) and the start into CREATE's payload, which is replaced. */
int monitor_net_configure(int config_fd, bool start, char **text, size_t *len, struct err *err);
/* The machine is gone: put the interfaces back as they were. */
void monitor_net_done(struct monitor *m);

/* --- monitor_signals.c --- */

/* Block what can be caught and pass it on. */
int monitor_signals_start(struct monitor *m);
/* A signal for the container, from outside or by the control socket. 0, or -errno. */
int monitor_deliver(struct monitor *m, int signo, bool all);
void monitor_resize(struct monitor *m);

/* --- monitor_verbs.c --- */

extern const struct control_ops monitor_control_ops;

/* --- monitor_console.c --- */

int monitor_console_attach(struct monitor *m, struct message *msg, struct err *err);
/* Before the machine goes. */
void monitor_console_free(struct monitor *m);

/* --- monitor_limits.c --- */

/*
 * UPDATE, STATS or PROC, with number m->next_request; the answer is for `conn`, or NULL: nobody, or of PROC
 * m->proc. CONTROL_LATER, or 0 without `conn`; or -errno.
 */
int monitor_ask(struct monitor *m, enum agent_msg type, const void *payload, size_t len,
		struct control_conn *conn, struct err *err);
/* UPDATE, STATS, EVENTS. As a handler of control.h. */
int monitor_update(struct monitor *m, struct control_conn *conn, struct message *msg, struct err *err);
int monitor_stats(struct monitor *m, struct control_conn *conn, bool only_links, struct err *err);
int monitor_events(struct monitor *m, struct control_conn *conn, struct err *err);
/* The guest has its container's request: what came before that is next. */
int monitor_update_late(struct monitor *m);
/* From the guest, as guest_ops has it. */
int monitor_answered(void *ctx, uint32_t request, int error, const uint8_t *body, size_t len);
void monitor_oom(void *ctx, uint64_t kills);
/* A connection is gone. */
void monitor_limits_closed(struct monitor *m, const struct control_conn *conn);
void monitor_limits_free(struct monitor *m);

/* --- monitor_exec.c --- */

int monitor_exec_start(struct monitor *m, struct control_conn *conn, struct message *msg, struct err *err);
int monitor_exec_signal(struct monitor_exec *exec, int signo);
int monitor_exec_resize(struct monitor_exec *exec, uint16_t rows, uint16_t cols);
/* Its connection is gone. */
void monitor_exec_closed(struct monitor_exec *exec);
/* The host's pids of those who stand for them, with blanks between. */
void monitor_exec_pids(const struct monitor *m, char *buf, size_t size);
void monitor_exec_free_all(struct monitor *m);

/* --- monitor_sockets.c --- */

/* Before the machine is there. */
int monitor_sockets_start(struct monitor *m, struct err *err);
/* As guest_ops has it. */
int monitor_open_socket(void *ctx, uint32_t request, uint32_t socket, uint32_t uid, uint32_t gid);

/* --- monitor_ps.c --- */

int monitor_ps_start(struct monitor *m, struct control_conn *conn, bool list, struct err *err);
void monitor_ps_closed(struct monitor *m, const struct control_conn *conn);
void monitor_ps_free_all(struct monitor *m);

/* --- monitor_proc.c --- */

/* Serve what the jail shows of the processes; the machine runs. */
int monitor_proc_start(struct monitor *m, struct err *err);

#endif
