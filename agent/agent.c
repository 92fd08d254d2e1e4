/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent: see agent.h.
 *
 * Theory of operation
 *
 * Requests arrive as frames, children end with SIGCHLD, streams end in their
 * pumps. Each of these only notes what happened; settle(), once a turn of the
 * loop, looks at what is left to be done: report a process that has ended and is
 * drained, and, after the container's first process, kill the rest, flush the
 * file systems, and report that last.
 *
 * A request that comes too late (a signal for a process that has just ended) is
 * dropped; one that could never have been right ends the link.
 */
#include "agent/agent.h"

#include "agent/cgroup.h"
#include "agent/clock.h"
#include "agent/container.h"
#include "agent/oom.h"
#include "agent/proc_file.h"
#include "agent/ps.h"
#include "agent/sockets.h"
#include "agent/stats.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/loop.h"
#include "oci/agent_proto.h"
#include "oci/agent_stats.h"
#include "oci/spec.h"

#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <time.h>

enum {
	PROCESSES_MAX = 4096,
	/* How long the end of the container waits for the streams of other processes that nobody reads. */
	LAST_STREAMS_MS = 3000,
	KILL_POLL_MS = 20,
};

/* A process and what of its request must live as long. */
struct entry {
	struct entry *next;
	struct process *process;
	struct agent_exec exec; /* not for the first process */
	bool failed;
};

struct agent {
	struct loop *loop;
	struct loop_source *link_source, *settle_source, *timer;
	struct agent_link *link;
	const struct agent_config *config;
	uint8_t *seccomp;
	size_t seccomp_len;
	uint32_t seccomp_flags;
	struct container *container;
	struct oom_watch *oom;
	struct sockets *sockets; /* NULL: none */
	struct clock_follower clock;
	struct entry *entries;
	unsigned n_entries;
	uint64_t ended_ms; /* when the first process ended, 0: not yet */
	bool reported; /* its EXITED or FAILED was sent */
};

/* --- sending --- */

static void send_frame(struct agent *a, enum agent_msg type, uint32_t process, const void *payload,
		       size_t len)
{
	int r = agent_link_send(a->link, type, process, payload, len);

	if (r == 0)
		r = loop_set_events(a->link_source,
				    EPOLLIN | (agent_link_wants_write(a->link) ? EPOLLOUT : 0));
	if (r < 0)
		loop_quit(a->loop, r);
}

static void send_failed(struct agent *a, uint32_t process, int error, uint32_t stage, const char *text)
{
	struct {
		struct agent_failed head;
		char text[ERR_TEXT_MAX];
	} msg = { .head = { .error = le32_make((uint32_t)error), .stage = le32_make(stage) } };
	size_t len = strnlen(text, sizeof(msg.text));

	memcpy(msg.text, text, len);
	send_frame(a, AGENT_MSG_FAILED, process, &msg, sizeof(msg.head) + len);
}

static void send_exited(struct agent *a, uint32_t process, int wait_status)
{
	struct agent_exited msg = { .status = le32_make(0) };

	if (WIFSIGNALED(wait_status))
		msg.signo = le32_make((uint32_t)WTERMSIG(wait_status));
	else
		msg.status = le32_make((uint32_t)WEXITSTATUS(wait_status));
	send_frame(a, AGENT_MSG_EXITED, process, &msg, sizeof(msg));
}

/* `body` is a text for an error, else the result. */
static void send_answer(struct agent *a, uint32_t request, int error, const void *body, size_t len)
{
	_cleanup_free_ uint8_t *msg = malloc(sizeof(struct agent_answer) + len);
	const struct agent_answer head = { .error = le32_make((uint32_t)error) };

	if (!msg) {
		loop_quit(a->loop, -ENOMEM);
		return;
	}
	memcpy(msg, &head, sizeof(head));
	if (len)
		memcpy(msg + sizeof(head), body, len);
	send_frame(a, AGENT_MSG_ANSWER, request, msg, sizeof(head) + len);
}

static void on_open(void *ctx, uint32_t request, const struct agent_open *msg)
{
	send_frame(ctx, AGENT_MSG_OPEN, request, msg, sizeof(*msg));
}

static void on_oom(void *ctx, uint64_t kills)
{
	const struct agent_oom msg = { .kills = le64_make(kills) };

	send_frame(ctx, AGENT_MSG_OOM, AGENT_INIT, &msg, sizeof(msg));
}

/* --- the list of processes --- */

static struct entry *find(struct agent *a, uint32_t number)
{
	for (struct entry *e = a->entries; e; e = e->next)
		if (process_number(e->process) == number)
			return e;
	return NULL;
}

static void drop(struct agent *a, struct entry *gone)
{
	for (struct entry **p = &a->entries; *p; p = &(*p)->next) {
		if (*p != gone)
			continue;
		*p = gone->next;
		break;
	}
	process_free(gone->process);
	if (gone->exec.process)
		agent_exec_done(&gone->exec);
	free(gone);
	a->n_entries--;
}

/* --- what happens to processes --- */

static void schedule_settle(struct agent *a)
{
	(void)loop_set_events(a->settle_source, 1);
}

static void send_reached(struct agent *a, enum agent_msg type, uint32_t process)
{
	le64 now = le64_make(agent_clock_ns());

	send_frame(a, type, process, &now, sizeof(now));
}

static void on_ready(void *ctx, struct process *process)
{
	struct agent *a = ctx;

	if (process_number(process) == AGENT_INIT)
		send_reached(a, AGENT_MSG_CREATED, AGENT_INIT);
	else
		(void)process_start(process);
}

static void on_started(void *ctx, struct process *process)
{
	send_reached(ctx, AGENT_MSG_STARTED, process_number(process));
}

static void on_failed(void *ctx, struct process *process, int error, uint32_t stage, const char *text)
{
	struct agent *a = ctx;
	uint32_t number = process_number(process);
	struct entry *e = find(a, number);

	if (e)
		e->failed = true;
	if (number == AGENT_INIT)
		a->reported = true;
	send_failed(a, number, error, stage, text);
	schedule_settle(a);
}

static void on_stream_ended(void *ctx, struct process *process)
{
	(void)process;
	schedule_settle(ctx);
}

static const struct process_handlers process_handlers = {
	.ready = on_ready,
	.started = on_started,
	.failed = on_failed,
	.stream_ended = on_stream_ended,
};

/* All children, not only ours: PID 1 inherits every orphan of the guest. */
static void on_child(void *ctx, const struct signalfd_siginfo *si)
{
	struct agent *a = ctx;
	int status;
	pid_t pid;

	(void)si;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (struct entry *e = a->entries; e; e = e->next)
			if (process_pid(e->process) == pid) {
				process_set_exited(e->process, status);
				break;
			}
	schedule_settle(a);
}

uint64_t agent_clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t now_ms(void)
{
	return agent_clock_ns() / 1000000;
}

/* Another process of the container has ended: true when its entry is gone. */
static bool settle_one(struct agent *a, struct entry *e)
{
	int status;

	if (!process_has_exited(e->process, &status))
		return false;
	if (!e->failed) {
		/* Its children may hold its streams for as long as they like. */
		process_drain(e->process);
		if (!process_is_drained(e->process))
			return false;
		send_exited(a, process_number(e->process), status);
	}
	drop(a, e);
	return true;
}

/* The first process has ended, and so has the container. */
static void settle_container(struct agent *a, struct entry *init, int status)
{
	uint64_t waited;

	if (!a->ended_ms)
		a->ended_ms = now_ms();
	waited = now_ms() - a->ended_ms;
	/* Without a pid namespace the others are only dying now; what they wrote is still to come. */
	if (cgroup_is_populated(a->container->cgroup)) {
		(void)cgroup_kill(a->container->cgroup);
		(void)loop_set_timer(a->timer, KILL_POLL_MS);
		return;
	}
	process_drain(init->process);
	if (!process_is_drained(init->process))
		return;
	if (a->n_entries > 1 && waited < LAST_STREAMS_MS) {
		(void)loop_set_timer(a->timer, LAST_STREAMS_MS - waited);
		return;
	}
	(void)loop_set_timer(a->timer, UINT64_MAX);
	if (!init->failed) {
		a->config->flush(false);
		/* Why it ended, if that was it, comes first. */
		oom_watch_check(a->oom);
		send_exited(a, AGENT_INIT, status);
	}
	a->reported = true;
	drop(a, init);
}

static void settle(void *ctx)
{
	struct agent *a = ctx;
	struct entry *init;
	int status;

	(void)loop_set_events(a->settle_source, 0);
	for (struct entry *e = a->entries, *next; e; e = next) {
		next = e->next;
		if (process_number(e->process) != AGENT_INIT)
			(void)settle_one(a, e);
	}
	init = find(a, AGENT_INIT);
	if (init && process_has_exited(init->process, &status))
		settle_container(a, init, status);
}

static void on_timer(void *ctx)
{
	settle(ctx);
}

/* --- requests --- */

static int launch(struct agent *a, uint32_t number, const struct agent_exec *request, struct entry **ret,
		  struct err *err)
{
	const struct process_env_of_agent env = {
		.loop = a->loop, .connector = &a->config->connector, .handlers = &process_handlers, .ctx = a
	};
	struct entry *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return err_set_errno(err, -ENOMEM, "a new process");
	r = process_launch(&env, a->container, number, request, &e->process, err);
	if (r < 0) {
		free(e);
		return r;
	}
	/* The first one's process is the container's. */
	if (number != AGENT_INIT)
		e->exec = *request;
	e->next = a->entries;
	a->entries = e;
	a->n_entries++;
	*ret = e;
	return 0;
}

static int create(struct agent *a, struct agent_create *msg, struct err *err)
{
	struct agent_exec request = { .stdio = msg->stdio };
	struct entry *e;
	int r;

	r = container_new(TAKE_PTR(msg->config), TAKE_PTR(msg->network), TAKE_PTR(a->seccomp), a->seccomp_len,
			  a->seccomp_flags, &a->container, err);
	if (r < 0)
		return r;
	/* A kernel that does not count kills has none to tell of. */
	(void)oom_watch_new(a->loop, a->container->cgroup, on_oom, a, &a->oom);
	r = sockets_new(a->loop, &a->config->connector, a->container->spec, on_open, a, &a->sockets, err);
	if (r < 0)
		return r;
	request.process = &a->container->spec->process;
	r = launch(a, AGENT_INIT, &request, &e, err);
	if (r == 0 && msg->start)
		r = process_start(e->process);
	return r;
}

static int on_create(struct agent *a, const uint8_t *payload, size_t len)
{
	struct agent_create msg = { 0 };
	struct err err = ERR_INIT;
	int r;

	if (a->container || a->reported)
		return -EPROTO;
	r = agent_create_parse((const char *)payload, len, &msg, &err);
	if (r == 0) {
		r = create(a, &msg, &err);
		agent_create_done(&msg);
	}
	if (r < 0) {
		a->reported = true;
		send_failed(a, AGENT_INIT, -r, AGENT_STAGE_SETUP, err.text[0] ? err.text : strerror(-r));
	}
	return 0;
}

static int exec(struct agent *a, uint32_t number, const struct agent_exec *msg, struct err *err)
{
	struct entry *init = find(a, AGENT_INIT), *e;
	int status;

	if (!init || !process_is_ready(init->process) || process_has_exited(init->process, &status))
		return err_set(err, -ESRCH, "cannot exec in a stopped container");
	if (a->n_entries >= PROCESSES_MAX)
		return err_set(err, -EAGAIN, "too many processes");
	return launch(a, number, msg, &e, err);
}

static int on_exec(struct agent *a, uint32_t number, const uint8_t *payload, size_t len)
{
	struct agent_exec msg = { 0 };
	struct err err = ERR_INIT;
	int r;

	if (number == AGENT_INIT || find(a, number))
		return -EPROTO;
	r = agent_exec_parse((const char *)payload, len, &msg, &err);
	if (r == 0) {
		r = exec(a, number, &msg, &err);
		if (r < 0)
			agent_exec_done(&msg);
	}
	if (r < 0)
		send_failed(a, number, -r, AGENT_STAGE_SETUP, err.text[0] ? err.text : strerror(-r));
	return 0;
}

static int on_seccomp(struct agent *a, const uint8_t *payload, size_t len)
{
	if (a->container || a->seccomp)
		return -EPROTO;
	a->seccomp_len = len - sizeof(le32);
	a->seccomp = malloc(a->seccomp_len);
	if (!a->seccomp)
		return -ENOMEM;
	a->seccomp_flags = get_le32(payload);
	memcpy(a->seccomp, payload + sizeof(le32), a->seccomp_len);
	return 0;
}

static int on_start(struct agent *a, uint32_t number)
{
	struct entry *e = find(a, AGENT_INIT);

	if (number != AGENT_INIT || (!a->container && !a->reported))
		return -EPROTO;
	if (e && process_start(e->process) == -EALREADY)
		return -EPROTO;
	return 0;
}

static int on_signal(struct agent *a, uint32_t number, const uint8_t *payload)
{
	struct entry *e = find(a, number);
	uint32_t signo = get_le32(payload);
	bool all = get_le32(payload + 4);

	if (signo == 0 || signo >= _NSIG)
		return -EPROTO;
	if (all && a->container && signo == SIGKILL)
		(void)cgroup_kill(a->container->cgroup);
	else if (all && a->container)
		(void)cgroup_signal(a->container->cgroup, (int)signo);
	else if (e)
		(void)process_signal(e->process, (int)signo);
	return 0;
}

static void on_ps(struct agent *a)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;

	/* Without a container there is nothing to list, which is an answer too. */
	if (a->container)
		(void)ps_list(a->container->cgroup, AGENT_FRAME_MAX_TO_HOST, &text, &len);
	send_frame(a, AGENT_MSG_PS_LIST, AGENT_INIT, text, len);
}

static int on_update(struct agent *a, uint32_t request, const uint8_t *payload, size_t len)
{
	struct agent_update msg = { 0 };
	struct err err = ERR_INIT;
	int r;

	r = agent_update_parse((const char *)payload, len, &msg, &err);
	if (r == 0 && !a->container)
		r = err_set(&err, -ESRCH, "there is no container");
	if (r == 0)
		r = cgroup_update(a->container->cgroup, msg.resources, &err);
	agent_update_done(&msg);
	send_answer(a, request, -r, err.text, r < 0 ? strlen(err.text) : 0);
	return 0;
}

static int on_stats(struct agent *a, uint32_t request)
{
	_cleanup_agent_stats_ struct agent_stats stats = { .pids = 0 };
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = a->container ? 0 : -ESRCH;

	if (r == 0)
		r = stats_read(a->container->cgroup, a->container->init_pid, &stats);
	if (r == 0)
		r = agent_stats_write(&stats, &text, &len);
	send_answer(a, request, -r, r < 0 ? strerror(-r) : text, r < 0 ? strlen(strerror(-r)) : len);
	return 0;
}

static void on_proc(struct agent *a, uint32_t request, const uint8_t *payload)
{
	_cleanup_free_ char *bytes = NULL;
	size_t len = 0;
	int r = a->container ? 0 : -ESRCH;

	if (r == 0)
		r = proc_file_read(a->container->init_pid, a->container->namespaces & CLONE_NEWUSER,
				   get_le32(payload), get_le32(payload + 4), &bytes, &len);
	send_answer(a, request, -r, bytes, len);
}

static int on_frame(void *ctx, enum agent_msg type, uint32_t process, const uint8_t *payload, size_t len)
{
	struct agent *a = ctx;
	struct entry *e;

	switch (type) {
	case AGENT_MSG_SECCOMP:
		return on_seccomp(a, payload, len);
	case AGENT_MSG_CREATE:
		return on_create(a, payload, len);
	case AGENT_MSG_START:
		return on_start(a, process);
	case AGENT_MSG_EXEC:
		return on_exec(a, process, payload, len);
	case AGENT_MSG_SIGNAL:
		return on_signal(a, process, payload);
	case AGENT_MSG_RESIZE:
		e = find(a, process);
		if (e)
			process_resize(e->process, get_le16(payload), get_le16(payload + 2));
		return 0;
	case AGENT_MSG_UPDATE:
		return on_update(a, process, payload, len);
	case AGENT_MSG_STATS:
		return on_stats(a, process);
	case AGENT_MSG_PROC:
		on_proc(a, process, payload);
		return 0;
	case AGENT_MSG_SYNC:
		a->config->flush(true);
		send_frame(a, AGENT_MSG_SYNCED, process, NULL, 0);
		return 0;
	case AGENT_MSG_DEVICES:
		a->config->find_devices();
		return 0;
	case AGENT_MSG_OPENED:
		return sockets_opened(a->sockets, process, get_le32(payload), get_le32(payload + 4));
	case AGENT_MSG_CLOCK:
		return clock_follow(&a->clock, get_le64(payload));
	case AGENT_MSG_PS:
		on_ps(a);
		return 0;
	default:
		return -EPROTO;
	}
}

static const struct agent_link_handlers link_handlers = { .frame = on_frame };

static void on_link(void *ctx, int fd, uint32_t events)
{
	struct agent *a = ctx;
	int r = 0;

	(void)fd;
	if (events & EPOLLOUT)
		r = agent_link_on_writable(a->link);
	if (r == 0 && (events & ~(uint32_t)EPOLLOUT))
		r = agent_link_on_readable(a->link);
	if (r == 0)
		r = loop_set_events(a->link_source,
				    EPOLLIN | (agent_link_wants_write(a->link) ? EPOLLOUT : 0));
	if (r < 0)
		loop_quit(a->loop, r);
}

static int set_up(struct agent *a, struct err *err)
{
	struct loop_source *signals;
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	r = loop_new(&a->loop);
	if (r == 0)
		r = loop_add_signals(a->loop, &set, on_child, a, &signals);
	if (r == 0)
		r = loop_add_defer(a->loop, settle, a, &a->settle_source);
	if (r == 0)
		r = loop_add_timer(a->loop, UINT64_MAX, on_timer, a, &a->timer);
	if (r == 0)
		r = loop_add_fd(a->loop, agent_link_fd(a->link), EPOLLIN, on_link, a, &a->link_source);
	return r < 0 ? err_set_errno(err, r, "setting up the event loop") : 0;
}

int agent_run(const struct agent_config *config, struct err *err)
{
	struct agent a = { .config = config };
	struct agent_hello hello = {
		.version = le32_make(AGENT_PROTO_VERSION),
		.started_ns = le64_make(config->started_ns),
		.prepared_ns = le64_make(config->prepared_ns),
		.mounted_ns = le64_make(config->mounted_ns),
	};
	int r;

	signal(SIGPIPE, SIG_IGN);
	r = agent_link_new(config->take_link, AGENT_FRAME_MAX_TO_GUEST, &link_handlers, &a, &a.link);
	if (r < 0)
		return err_set_errno(err, r, "the link to the host");
	r = set_up(&a, err);
	if (r == 0) {
		hello.sent_ns = le64_make(agent_clock_ns());
		send_frame(&a, AGENT_MSG_HELLO, AGENT_INIT, &hello, sizeof(hello));
		r = loop_run(a.loop);
		err_set_errno(err, r, "the link to the host ended");
	}
	if (a.container)
		(void)cgroup_kill(a.container->cgroup);
	while (a.entries)
		drop(&a, a.entries);
	oom_watch_free(a.oom);
	sockets_free(a.sockets);
	container_free(a.container);
	free(a.seccomp);
	loop_free(a.loop);
	agent_link_free(a.link);
	return r;
}
