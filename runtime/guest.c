/* SPDX-License-Identifier: Apache-2.0 */
/* guest: see guest.h. */
#include "runtime/guest.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "runtime/text.h"

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

enum { AGENT_TEXT_MAX = 1024 };

enum process_state {
	PROCESS_CREATING, /* init only: CREATED is due */
	PROCESS_CREATED, /* init only */
	PROCESS_STARTING, /* STARTED is due */
	PROCESS_RUNNING,
	PROCESS_EXITED, /* output may still be on its way */
};

/* One offered stream; outlives its process when the guest leaves it open. */
struct stream {
	struct stream *next;
	struct guest *guest;
	struct guest_process *process; /* NULL: nobody cares */
	uint32_t port;
	bool output;
};

struct guest_process {
	struct guest_process *next;
	struct guest *guest;
	uint32_t number;
	enum process_state state;
	unsigned outputs; /* streams with output that have not ended */
	int status; /* once exited */
	uint64_t clock_ns; /* of CREATED or STARTED */
	const struct guest_process_ops *ops; /* NULL: abandoned */
	void *ctx;
};

/* Somebody waits for PS_LIST; answers come in the order of the requests. */
struct ps_request {
	struct ps_request *next;
	void (*fn)(void *ctx, const char *text);
	void *ctx;
};

struct guest {
	struct loop *loop;
	struct loop_source *source;
	struct agent_link *link;
	const struct guest_stream_ops *stream_ops;
	void *stream_ctx;
	const struct guest_ops *ops;
	void *ctx;
	bool hello, lost;
	uint32_t next_number;
	struct guest_process *processes;
	struct stream *streams;
	struct ps_request *ps_requests;
	struct err why; /* what the agent did wrong */
};

static void guest_lose(struct guest *guest, int r)
{
	struct err why = ERR_INIT;

	if (guest->lost)
		return;
	guest->lost = true;
	loop_remove(TAKE_PTR(guest->source));
	if (guest->why.code)
		why = guest->why;
	else if (guest_is_closed(r))
		err_set(&why, r, "the guest's agent closed its connection");
	else
		err_set_errno(&why, r, "connection to the guest's agent");
	guest->ops->lost(guest->ctx, &why);
}

static void update_events(struct guest *guest)
{
	if (guest->source)
		loop_set_events(guest->source,
				EPOLLIN | (agent_link_wants_write(guest->link) ? EPOLLOUT : 0));
}

static void on_link(void *ctx, int fd, uint32_t events)
{
	struct guest *guest = ctx;
	int r = 0;

	(void)fd;
	if (events & EPOLLOUT)
		r = agent_link_on_writable(guest->link);
	if (r == 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		r = agent_link_on_readable(guest->link);
	if (r < 0)
		guest_lose(guest, r);
	else
		update_events(guest);
}

static int send_frame(struct guest *guest, enum agent_msg type, uint32_t process, const void *payload,
		      size_t len)
{
	int r;

	if (guest->lost)
		return -EPIPE;
	r = agent_link_send(guest->link, type, process, payload, len);
	update_events(guest);
	return r;
}

static struct guest_process *find_process(struct guest *guest, uint32_t number)
{
	struct guest_process *p = guest->processes;

	while (p && p->number != number)
		p = p->next;
	return p;
}

static void stream_unlink(struct stream *stream)
{
	struct stream **link = &stream->guest->streams;

	while (*link != stream)
		link = &(*link)->next;
	*link = stream->next;
	free(stream);
}

/* The process is gone: take back what the guest did not connect to, leave the rest to end by itself. */
static void process_free(struct guest_process *process)
{
	struct guest *guest = process->guest;
	struct guest_process **link = &guest->processes;
	struct stream *next;

	for (struct stream *s = guest->streams; s; s = next) {
		next = s->next;
		if (s->process != process)
			continue;
		s->process = NULL;
		if (guest->stream_ops->withdraw(guest->stream_ctx, s->port) == 0)
			stream_unlink(s);
	}
	while (*link != process)
		link = &(*link)->next;
	*link = process->next;
	free(process);
}

static void process_check_ended(struct guest_process *process)
{
	const struct guest_process_ops *ops = process->ops;
	void *ctx = process->ctx;
	int status = process->status;

	if (process->state != PROCESS_EXITED || process->outputs > 0)
		return;
	process_free(process);
	if (ops)
		ops->ended(ctx, status);
}

static void on_stream_ended(void *ctx, enum vsock_end why)
{
	struct stream *stream = ctx;
	struct guest_process *process = stream->process;
	bool output = stream->output;

	if (why == VSOCK_END_RESET || why == VSOCK_END_ERROR)
		log_debug("stream on port %u was %s", stream->port,
			  why == VSOCK_END_RESET ? "reset" : "broken");
	stream_unlink(stream);
	if (!process || !output)
		return;
	process->outputs--;
	process_check_ended(process);
}

/* --- what the agent says --- */

static int violation(struct guest *guest, const char *what)
{
	return err_set(&guest->why, -EPROTO, "the guest's agent broke the protocol: %s", what);
}

static int on_hello(struct guest *guest, const uint8_t *payload, size_t len)
{
	uint32_t version = get_le32(payload);
	struct agent_hello hello;

	if (guest->hello)
		return violation(guest, "a second HELLO");
	if (version != AGENT_PROTO_VERSION)
		return err_set(
			&guest->why, -EPROTO,
			"the guest's agent speaks protocol %u, this vrun %d: the initramfs is of another "
			"version (`make guest` makes it anew)",
			version, AGENT_PROTO_VERSION);
	if (len != sizeof(hello))
		return violation(guest, "a HELLO of the wrong size");
	memcpy(&hello, payload, sizeof(hello));
	guest->hello = true;
	guest->ops->hello(guest->ctx, &(struct guest_times){
					      .started = le64_get(hello.started_ns),
					      .prepared = le64_get(hello.prepared_ns),
					      .mounted = le64_get(hello.mounted_ns),
					      .sent = le64_get(hello.sent_ns),
				      });
	return 0;
}

static int on_created(struct guest_process *process)
{
	if (process->state != PROCESS_CREATING)
		return violation(process->guest, "CREATED of a process that was not being created");
	process->state = PROCESS_CREATED;
	if (process->ops)
		process->ops->created(process->ctx);
	return 0;
}

static int on_started(struct guest_process *process)
{
	/* An init that was created with `start` may skip CREATED. */
	if (process->state == PROCESS_RUNNING || process->state == PROCESS_EXITED)
		return violation(process->guest, "STARTED of a process that was running");
	process->state = PROCESS_RUNNING;
	if (process->ops)
		process->ops->started(process->ctx);
	return 0;
}

/* The exit status that a shell gives a command it could not run. */
static int failure_status(int error, uint32_t stage)
{
	if (stage != AGENT_STAGE_EXEC)
		return 1;
	return error == ENOENT ? 127 : 126;
}

static int on_failed(struct guest_process *process, const uint8_t *payload, size_t len)
{
	const struct guest_process_ops *ops = process->ops;
	struct agent_failed failed;
	char text[AGENT_TEXT_MAX];
	void *ctx = process->ctx;
	int error;

	memcpy(&failed, payload, sizeof(failed));
	if (process->state >= PROCESS_RUNNING)
		return violation(process->guest, "FAILED of a process that was running");
	text_from_guest(payload + sizeof(failed), len - sizeof(failed), text, sizeof(text));
	error = le32_get(failed.error) < 4096 ? (int)le32_get(failed.error) : EIO;
	process_free(process);
	if (ops)
		ops->failed(ctx, failure_status(error, le32_get(failed.stage)), error,
			    text[0] ? text : strerror(error));
	return 0;
}

static int on_exited(struct guest_process *process, const uint8_t *payload)
{
	struct agent_exited exited;
	uint32_t status, signo;

	memcpy(&exited, payload, sizeof(exited));
	status = le32_get(exited.status);
	signo = le32_get(exited.signo);
	if (process->state == PROCESS_EXITED)
		return violation(process->guest, "a second EXITED");
	if (status > 255 || signo > 64)
		return violation(process->guest, "an exit status that can't be");
	process->state = PROCESS_EXITED;
	process->status = signo ? 128 + (int)signo : (int)status;
	process_check_ended(process);
	return 0;
}

static int on_answer(struct guest *guest, uint32_t request, const uint8_t *payload, size_t len)
{
	struct agent_answer answer;
	uint32_t error;

	memcpy(&answer, payload, sizeof(answer));
	error = le32_get(answer.error);
	if (guest->ops->answer(guest->ctx, request, error < 4096 ? (int)error : EIO, payload + sizeof(answer),
			       len - sizeof(answer)) < 0)
		return violation(guest, "an answer to what was not asked");
	return 0;
}

static int on_open(struct guest *guest, uint32_t request, const uint8_t *payload)
{
	struct agent_open open;

	memcpy(&open, payload, sizeof(open));
	if (!guest->ops->open || guest->ops->open(guest->ctx, request, le32_get(open.socket), le32_get(open.uid),
						  le32_get(open.gid)) < 0)
		return violation(guest, "OPEN of a socket that it was not given");
	return 0;
}

static int on_oom(struct guest *guest, const uint8_t *payload)
{
	struct agent_oom oom;

	memcpy(&oom, payload, sizeof(oom));
	guest->ops->oom(guest->ctx, le64_get(oom.kills));
	return 0;
}

static int on_log(const uint8_t *payload, size_t len)
{
	char text[AGENT_TEXT_MAX];

	if (!log_enabled(LOG_LEVEL_DEBUG))
		return 0;
	text_from_guest(payload, len, text, sizeof(text));
	LOG_RATELIMITED(LOG_LEVEL_DEBUG, "agent: %s", text);
	return 0;
}

static int on_ps_list(struct guest *guest, const uint8_t *payload, size_t len)
{
	_cleanup_free_ struct ps_request *request = guest->ps_requests;
	_cleanup_free_ char *text = NULL;
	size_t start = 0;

	if (!request)
		return violation(guest, "a list of processes that nobody asked for");
	guest->ps_requests = request->next;
	text = malloc(len + 1);
	if (!text)
		return -ENOMEM;
	/* Line by line: the line ends are the only control characters that may stay. */
	while (start < len) {
		const uint8_t *end = memchr(payload + start, '\n', len - start);
		size_t line = end ? (size_t)(end - (payload + start)) : len - start;

		text_from_guest(payload + start, line, text + start, line + 1);
		start += line;
		if (end)
			text[start++] = '\n';
	}
	text[len] = '\0';
	request->fn(request->ctx, text);
	return 0;
}

static int on_frame(void *ctx, enum agent_msg type, uint32_t number, const uint8_t *payload, size_t len)
{
	struct guest *guest = ctx;
	struct guest_process *process;

	if (guest->lost)
		return -EPIPE;
	if (type == AGENT_MSG_HELLO)
		return on_hello(guest, payload, len);
	if (type == AGENT_MSG_LOG)
		return on_log(payload, len);
	if (!guest->hello)
		return violation(guest, "no HELLO");
	if (type == AGENT_MSG_SYNCED)
		return 0;
	if (type == AGENT_MSG_PS_LIST)
		return on_ps_list(guest, payload, len);
	if (type == AGENT_MSG_ANSWER)
		return on_answer(guest, number, payload, len);
	if (type == AGENT_MSG_OOM)
		return on_oom(guest, payload);
	if (type == AGENT_MSG_OPEN)
		return on_open(guest, number, payload);
	process = find_process(guest, number);
	if (!process)
		return violation(guest, "an unknown process");
	if ((type == AGENT_MSG_CREATED || type == AGENT_MSG_STARTED) && len > 0)
		process->clock_ns = get_le64(payload);
	switch (type) {
	case AGENT_MSG_CREATED:
		return on_created(process);
	case AGENT_MSG_STARTED:
		return on_started(process);
	case AGENT_MSG_FAILED:
		return on_failed(process, payload, len);
	case AGENT_MSG_EXITED:
		return on_exited(process, payload);
	default:
		return violation(guest, "a message of the host's");
	}
}

static const struct agent_link_handlers link_handlers = { .frame = on_frame };

/* --- what we say --- */

int guest_new(struct loop *loop, int take_fd, const struct guest_stream_ops *stream_ops, void *stream_ctx,
	      const struct guest_ops *ops, void *ctx, struct guest **ret)
{
	_cleanup_close_ int fd = take_fd;
	struct guest *guest = calloc(1, sizeof(*guest));
	int r;

	if (!guest)
		return -ENOMEM;
	guest->loop = loop;
	guest->stream_ops = stream_ops;
	guest->stream_ctx = stream_ctx;
	guest->ops = ops;
	guest->ctx = ctx;
	guest->next_number = AGENT_INIT + 1;
	r = agent_link_new(TAKE_FD(fd), AGENT_FRAME_MAX_TO_HOST, &link_handlers, guest, &guest->link);
	if (r == 0)
		r = loop_add_fd(loop, agent_link_fd(guest->link), EPOLLIN, on_link, guest, &guest->source);
	if (r < 0) {
		guest_free(guest);
		return r;
	}
	*ret = guest;
	return 0;
}

void guest_free(struct guest *guest)
{
	if (!guest)
		return;
	loop_remove(guest->source);
	agent_link_free(guest->link);
	while (guest->streams)
		stream_unlink(guest->streams);
	while (guest->ps_requests) {
		struct ps_request *request = guest->ps_requests;

		guest->ps_requests = request->next;
		free(request);
	}
	while (guest->processes) {
		struct guest_process *process = guest->processes;

		guest->processes = process->next;
		free(process);
	}
	free(guest);
}

int guest_seccomp(struct guest *guest, const void *bpf, size_t len, uint32_t flags)
{
	_cleanup_free_ uint8_t *payload = malloc(sizeof(le32) + len);
	le32 wire = le32_make(flags);

	if (!payload)
		return -ENOMEM;
	memcpy(payload, &wire, sizeof(wire));
	memcpy(payload + sizeof(wire), bpf, len);
	return send_frame(guest, AGENT_MSG_SECCOMP, AGENT_INIT, payload, sizeof(wire) + len);
}

static int add_stream(struct guest_process *process, uint32_t port, int take_rfd, int take_wfd, bool output)
{
	_cleanup_close_ int rfd = take_rfd;
	_cleanup_close_ int wfd = take_rfd == take_wfd ? -EBADF : take_wfd;
	struct guest *guest = process->guest;
	struct stream *stream;
	int r;

	if (port == 0)
		return 0;
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return -ENOMEM;
	*stream = (struct stream){ guest->streams, guest, process, port, output };
	guest->streams = stream;
	process->outputs += output;
	TAKE_FD(rfd);
	TAKE_FD(wfd);
	r = guest->stream_ops->offer(guest->stream_ctx, port, take_rfd, take_wfd, on_stream_ended, stream);
	if (r < 0) {
		process->outputs -= output;
		stream_unlink(stream);
	}
	return r;
}

static int add_streams(struct guest_process *process, struct guest_stdio *stdio)
{
	const struct agent_stdio *wire = &stdio->wire;
	bool terminal = wire->stdin_port && !wire->stdout_port && !wire->stderr_port;
	int in = TAKE_FD(stdio->fds[0]);
	int r;

	if (terminal)
		return add_stream(process, wire->stdin_port, in, in, true);
	r = add_stream(process, wire->stdin_port, in, -EBADF, false);
	if (r == 0)
		r = add_stream(process, wire->stdout_port, -EBADF, TAKE_FD(stdio->fds[1]), true);
	if (r == 0)
		r = add_stream(process, wire->stderr_port, -EBADF, TAKE_FD(stdio->fds[2]), true);
	return r;
}

static int add_process(struct guest *guest, uint32_t number, enum process_state state, enum agent_msg type,
		       const char *text, size_t len, struct guest_stdio *stdio,
		       const struct guest_process_ops *ops, void *ctx, struct guest_process **ret)
{
	struct guest_process *process = calloc(1, sizeof(*process));
	int r = process ? 0 : -ENOMEM;

	if (process) {
		*process = (struct guest_process){
			.next = guest->processes,
			.guest = guest,
			.number = number,
			.state = state,
			.ops = ops,
			.ctx = ctx,
		};
		guest->processes = process;
		r = add_streams(process, stdio);
		if (r == 0)
			r = send_frame(guest, type, number, text, len);
		if (r < 0)
			process_free(process);
	}
	for (unsigned i = 0; i < 3; i++)
		stdio->fds[i] = close_fd(stdio->fds[i]);
	if (r == 0)
		*ret = process;
	return r;
}

int guest_create(struct guest *guest, const char *text, size_t len, struct guest_stdio *stdio,
		 const struct guest_process_ops *ops, void *ctx, struct guest_process **ret)
{
	return add_process(guest, AGENT_INIT, PROCESS_CREATING, AGENT_MSG_CREATE, text, len, stdio, ops, ctx,
			   ret);
}

int guest_exec(struct guest *guest, const char *text, size_t len, struct guest_stdio *stdio,
	       const struct guest_process_ops *ops, void *ctx, struct guest_process **ret)
{
	return add_process(guest, guest->next_number++, PROCESS_STARTING, AGENT_MSG_EXEC, text, len, stdio,
			   ops, ctx, ret);
}

int guest_ps(struct guest *guest, void (*fn)(void *ctx, const char *text), void *ctx)
{
	struct ps_request **link = &guest->ps_requests;
	int r;

	while (*link)
		link = &(*link)->next;
	*link = malloc(sizeof(**link));
	if (!*link)
		return -ENOMEM;
	**link = (struct ps_request){ .fn = fn, .ctx = ctx };
	r = send_frame(guest, AGENT_MSG_PS, AGENT_INIT, NULL, 0);
	if (r < 0)
		free(TAKE_PTR(*link));
	return r;
}

int guest_request(struct guest *guest, enum agent_msg type, uint32_t request, const void *payload, size_t len)
{
	return send_frame(guest, type, request, payload, len);
}

int guest_opened(struct guest *guest, uint32_t request, int error, uint32_t port)
{
	const struct agent_opened msg = { .error = le32_make((uint32_t)error), .port = le32_make(port) };

	return send_frame(guest, AGENT_MSG_OPENED, request, &msg, sizeof(msg));
}

int guest_set_clock(struct guest *guest)
{
	struct timespec ts;
	le64 wire;

	clock_gettime(CLOCK_REALTIME, &ts);
	wire = le64_make((uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec);
	return send_frame(guest, AGENT_MSG_CLOCK, AGENT_INIT, &wire, sizeof(wire));
}

int guest_find_devices(struct guest *guest)
{
	return send_frame(guest, AGENT_MSG_DEVICES, AGENT_INIT, NULL, 0);
}

int guest_start(struct guest_process *process)
{
	return send_frame(process->guest, AGENT_MSG_START, process->number, NULL, 0);
}

int guest_signal(struct guest_process *process, int signo, bool all)
{
	const struct agent_signal wire = {
		.signo = le32_make((uint32_t)signo),
		.all = le32_make(all),
	};

	if (process->state == PROCESS_EXITED)
		return -ESRCH;
	return send_frame(process->guest, AGENT_MSG_SIGNAL, process->number, &wire, sizeof(wire));
}

int guest_resize(struct guest_process *process, uint16_t rows, uint16_t cols)
{
	const struct agent_winsize wire = { .rows = le16_make(rows), .cols = le16_make(cols) };

	if (process->state == PROCESS_EXITED)
		return -ESRCH;
	return send_frame(process->guest, AGENT_MSG_RESIZE, process->number, &wire, sizeof(wire));
}

uint64_t guest_process_clock(const struct guest_process *process)
{
	return process->clock_ns;
}

bool guest_has_exited(const struct guest_process *process, int *ret_status)
{
	if (process->state != PROCESS_EXITED)
		return false;
	*ret_status = process->status;
	return true;
}

void guest_abandon(struct guest_process *process)
{
	process->ops = NULL;
	if (process->state != PROCESS_EXITED)
		guest_signal(process, SIGKILL, false);
}
