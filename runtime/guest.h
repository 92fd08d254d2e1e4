/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest: the host's side of the agent protocol (oci/agent_proto.h): the
 * container's first process and each exec, from request to end.
 *
 * Theory of operation
 *
 * The control stream is one end of a socket pair, the other belongs to the vsock
 * device; a test puts an agent of its own there. Frames may be sent before the
 * guest boots: they wait in the link.
 *
 * Each process has up to three streams, offered to the guest on ports of their
 * own. A process has ended when the agent said EXITED and all streams that carry
 * its output have ended, so that nothing is lost.
 *
 * The agent is not trusted: a frame that does not fit the state of its process
 * ends the link, and that the VM.
 */
#ifndef VRUN_RUNTIME_GUEST_H
#define VRUN_RUNTIME_GUEST_H

#include "oci/agent_proto.h"
#include "vmm/virtio/vsock.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct guest;
struct guest_process;
struct loop;

/* How streams reach the guest: the vsock device, or a test. */
struct guest_stream_ops {
	/* As virtio_vsock_offer(): consumes the descriptors; `ended` is called once unless it fails. */
	int (*offer)(void *ctx, uint32_t port, int take_rfd, int take_wfd, vsock_end_fn ended, void *stream);
	/* -ENOENT when the guest has connected already. */
	int (*withdraw)(void *ctx, uint32_t port);
};

/* The guest's clock, ns, at points of its agent's start (struct agent_hello). The guest's word, for display only. */
struct guest_times {
	uint64_t started, prepared, mounted, sent;
};

struct guest_ops {
	/* The agent is up. */
	void (*hello)(void *ctx, const struct guest_times *times);
	/* What guest_request() brought: `error` is a positive errno with a text, or 0 with a result. -errno: nonsense. */
	int (*answer)(void *ctx, uint32_t request, int error, const uint8_t *body, size_t len);
	/*
	 * A process has connected to a socket of the host's, as `uid` and `gid`: to be answered by guest_opened().
	 * -errno: nonsense. NULL: there are no sockets.
	 */
	int (*open)(void *ctx, uint32_t request, uint32_t socket, uint32_t uid, uint32_t gid);
	/* The guest's kernel has killed processes of the container for want of memory: so many so far. */
	void (*oom)(void *ctx, uint64_t kills);
	/* The link is lost (guest_is_closed()) or the agent broke the protocol; nothing more comes. */
	void (*lost)(void *ctx, const struct err *why);
};

/* What becomes of a process. `failed` or `ended` comes last, once; the process is gone then. */
struct guest_process_ops {
	void (*created)(void *ctx);
	void (*started)(void *ctx);
	/* It was never started. `text` says why, in the agent's words made harmless. */
	void (*failed)(void *ctx, int status, int error, const char *text);
	/* `status`: exit status, or 128 + signal. */
	void (*ended)(void *ctx, int status);
};

/* A process's streams on the host. With a terminal, fds[0] serves both directions and the others are absent. */
struct guest_stdio {
	struct agent_stdio wire; /* ports: 0 is none */
	int fds[3]; /* -EBADF: none */
};

int guest_new(struct loop *loop, int take_fd, const struct guest_stream_ops *stream_ops, void *stream_ctx,
	      const struct guest_ops *ops, void *ctx, struct guest **ret);
/* The stream ops' owner is gone by now: `ended` of no stream is called later. NULL is fine. */
void guest_free(struct guest *guest);

/* Queue a seccomp filter for the container; before guest_create(). */
int guest_seccomp(struct guest *guest, const void *bpf, size_t len, uint32_t flags);

/*
 * Queue CREATE (`text`: plan_create_text()) or EXEC and offer the streams, whose
 * descriptors are consumed in any case.
 */
int guest_create(struct guest *guest, const char *text, size_t len, struct guest_stdio *stdio,
		 const struct guest_process_ops *ops, void *ctx, struct guest_process **ret);
int guest_exec(struct guest *guest, const char *text, size_t len, struct guest_stdio *stdio,
	       const struct guest_process_ops *ops, void *ctx, struct guest_process **ret);

/*
 * Ask for the container's processes: `fn` is called once with lines of "PID PPID UID SECONDS COMMAND",
 * made harmless; not at all when the guest ends first.
 */
int guest_ps(struct guest *guest, void (*fn)(void *ctx, const char *text), void *ctx);

/* UPDATE, STATS or PROC, with a number that the answer will have. */
int guest_request(struct guest *guest, enum agent_msg type, uint32_t request, const void *payload,
		  size_t len);

/* `error`: positive errno, or 0 with the port that a stream is offered on. */
int guest_opened(struct guest *guest, uint32_t request, int error, uint32_t port);

/* Of guest_ops.lost: the connection has ended, which a guest that goes down does too. */
static inline bool guest_is_closed(int code)
{
	return code == -ENODATA || code == -EPIPE || code == -ECONNRESET;
}

/* Tell the guest the host's time of day, which its own is to follow. */
int guest_set_clock(struct guest *guest);

/* Have its kernel look for devices that it was started without. */
int guest_find_devices(struct guest *guest);

int guest_start(struct guest_process *process);
int guest_signal(struct guest_process *process, int signo, bool all);
int guest_resize(struct guest_process *process, uint16_t rows, uint16_t cols);
/* The guest's clock, ns, when CREATED or, later, STARTED was sent; the guest's word, 0 when it did not say. */
uint64_t guest_process_clock(const struct guest_process *process);
/* EXITED came, whatever of its output is still on its way. */
bool guest_has_exited(const struct guest_process *process, int *ret_status);
/* Nobody waits for it any more: it is killed, and no more of its callbacks come. */
void guest_abandon(struct guest_process *process);

#endif
