/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent_proto: what the host (vrun-vmm) and the guest's agent say to each other.
 *
 * Theory of operation
 *
 * The agent, once up, connects a vsock stream from a privileged port to the
 * host (CID 2) on AGENT_PORT_CONTROL. Exactly one such connection is taken in a
 * VM's life. Both sides then send frames: a 16-byte header and `len` bytes of
 * payload. The host does not wait for the agent's HELLO: its frames are queued
 * before the guest boots, so a start costs one round trip.
 *
 * Standard streams of a process are streams of their own. The host picks an
 * unguessable 32-bit port for each and names it in the request; the agent connects
 * once to each port before it answers, so that no process of the container can
 * take its place. Port 0 means: none (the process gets /dev/null). With a
 * terminal only `stdin_port` is used, for both directions.
 *
 * A bind mount of a host's unix socket has AGENT_SOCKET_DIR "/NUMBER-MODE-UID-GID" as its source: the
 * agent listens there, and for each process that connects asks for the host's socket by OPEN. OPENED
 * names a port, on which the agent then connects, once, as for a standard stream.
 *
 * Shutdown of either direction is end of file of that stream. The agent sends
 * EXITED only after all output of the process was written to its streams and
 * their sending side was shut down.
 *
 * Neither side trusts the other: a frame with an unknown type, a wrong size or
 * a process that does not exist ends the connection, and that ends the VM. The
 * guest's frames are bounded by AGENT_FRAME_MAX_TO_HOST.
 */
#ifndef VRUN_OCI_AGENT_PROTO_H
#define VRUN_OCI_AGENT_PROTO_H

#include "base/endian.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

enum {
	AGENT_PORT_CONTROL = 1024,
	AGENT_PROTO_VERSION = 8,
	AGENT_FRAME_MAX_TO_GUEST = 16 << 20,
	AGENT_FRAME_MAX_TO_HOST = 64 << 10,
	AGENT_PROC_MAX = 32 << 10, /* bytes of an answer to PROC; what is longer is cut off */
	AGENT_PID_MAX = 4 << 20, /* no process of a Linux has a greater number (proc(5), pid_max) */
	AGENT_INIT = 0, /* the process number of the container's first process */
};

enum agent_msg {
	/* host to guest */
	AGENT_MSG_SECCOMP = 1, /* le32 flags, then sock_filter[]; applies to the container; before CREATE */
	AGENT_MSG_CREATE = 2, /* JSON: struct agent_create */
	AGENT_MSG_START = 3, /* empty: let the created process execve() */
	AGENT_MSG_EXEC = 4, /* JSON: struct agent_exec; `process` is its new number, > 0 */
	AGENT_MSG_SIGNAL = 5, /* struct agent_signal */
	AGENT_MSG_RESIZE = 6, /* struct agent_winsize */
	AGENT_MSG_SYNC = 7, /* empty: flush file systems; answered by SYNCED */
	/* `process` is a number of the host's choice for the request; these three are answered by ANSWER. */
	AGENT_MSG_UPDATE = 8, /* JSON: struct agent_update: the container's limits, anew */
	AGENT_MSG_STATS = 9, /* empty: what does the container use? */
	AGENT_MSG_PROC = 14, /* struct agent_proc: a file of the container's /proc */
	AGENT_MSG_PS = 10, /* empty: list the container's processes; answered by PS_LIST, in order */
	AGENT_MSG_CLOCK = 11, /* le64: the host's CLOCK_REALTIME, ns, which the guest's is to follow */
	AGENT_MSG_DEVICES = 12, /* empty: devices came that its kernel is to look for */
	AGENT_MSG_OPENED = 13, /* struct agent_opened; `process` is OPEN's */

	/* guest to host */
	AGENT_MSG_HELLO = 64, /* struct agent_hello */
	/* Both: CLOCK_BOOTTIME as le64, for the phase timeline, or empty. */
	AGENT_MSG_CREATED = 65, /* the container is set up, its process waits for START */
	AGENT_MSG_STARTED = 66, /* execve() succeeded; for init and exec */
	AGENT_MSG_FAILED = 67, /* struct agent_failed + message text (not NUL-terminated) */
	AGENT_MSG_EXITED = 68, /* struct agent_exited */
	AGENT_MSG_SYNCED = 69, /* empty */
	AGENT_MSG_LOG = 70, /* a line for the debug log */
	/*
	 * struct agent_answer, then why it failed, or STATS' JSON (agent_stats.h), or PROC's bytes; `process` is
	 * the request's
	 */
	AGENT_MSG_ANSWER = 71,
	AGENT_MSG_OOM = 72, /* struct agent_oom: processes were killed for want of memory */
	/* struct agent_open: a process has connected to a socket of the host's; `process` is a number of the agent's */
	AGENT_MSG_OPEN = 74,
	AGENT_MSG_PS_LIST = 73, /* text: lines of "PID PPID UID STARTED TTY SECONDS COMMAND" (agent/ps.h) */
};

struct agent_frame {
	le32 len; /* payload bytes after this header */
	le16 type; /* enum agent_msg */
	le16 reserved; /* 0 */
	le32 process; /* 0 = init */
	le32 reserved2; /* 0 */
};

struct agent_hello {
	le32 version; /* AGENT_PROTO_VERSION */
	le32 reserved;
	/* For the phase timeline, CLOCK_BOOTTIME: */
	le64 started_ns; /* the agent's first instruction */
	le64 prepared_ns; /* file systems and modules are there */
	le64 mounted_ns; /* the shares too */
	le64 sent_ns; /* this message */
};

/* Why a process did not start; the host turns it into runc's exit status. */
struct agent_failed {
	le32 error; /* positive errno */
	le32 stage; /* enum agent_stage */
};

enum agent_stage {
	AGENT_STAGE_SETUP = 0, /* anything before execve(): exit status 1 */
	AGENT_STAGE_EXEC = 1, /* execve() or the look-up in $PATH: 127 for ENOENT, 126 otherwise */
};

struct agent_signal {
	le32 signo;
	le32 all; /* 1: every process of the container */
};

struct agent_winsize {
	le16 rows, cols;
};

struct agent_exited {
	le32 status; /* exit status, 0 to 255 */
	le32 signo; /* 0, or the signal that ended it */
};

struct agent_answer {
	le32 error; /* positive errno, 0: done */
	le32 reserved; /* 0 */
};

/* What can be read of the container's /proc. */
enum agent_proc_file {
	AGENT_PROC_DIRECTORY, /* of the system: the numbers of all processes, le32[]; of a process: it is there */
	AGENT_PROC_STAT,
	AGENT_PROC_STATUS, /* and the following: of a process only */
	AGENT_PROC_CMDLINE,
	AGENT_PROC_FILES,
};

struct agent_proc {
	le32 pid; /* as the container's /proc numbers them; 0: the system's file */
	le32 file; /* enum agent_proc_file */
};

struct agent_oom {
	le64 kills; /* processes killed since the container was made; grows */
};

struct agent_open {
	le32 socket; /* its number */
	le32 uid, gid; /* who asks */
	le32 reserved; /* 0 */
};

struct agent_opened {
	le32 error; /* positive errno, 0: connected */
	le32 port; /* for the stream, with 0 */
};

/* CREATE's payload as JSON: {"config": {…}, "stdio": {"stdinPort": n, …}, "start": …, "network": {…}}. */
struct agent_stdio {
	uint32_t stdin_port, stdout_port, stderr_port; /* 0: none */
	uint16_t rows, cols; /* the terminal's first size, 0: unknown */
};

struct guest_net;
struct oci_spec;
struct oci_process;

/* Annotations of the guest's config.json by which the agent knows what hooks are told. */
#define AGENT_ANNOTATIONS "org.vrun.internal."
#define AGENT_ANNOTATION_ID AGENT_ANNOTATIONS "id"
#define AGENT_ANNOTATION_BUNDLE AGENT_ANNOTATIONS "bundle" /* on the host */

struct agent_create {
	/*
	 * config.json as the guest's runtime sees it: root.path and the sources
	 * of bind mounts are guest paths, below AGENT_SHARE_DIR for shares.
	 */
	struct oci_spec *config;
	struct agent_stdio stdio;
	bool start; /* go on to execve() at once, without waiting for START */
	struct guest_net *network; /* the links and all that belongs to them; NULL: only loopback */
};

struct agent_exec {
	struct oci_process *process;
	struct agent_stdio stdio;
	/* A path below the container's; NULL: the container's, or its first process's where none may be in that. */
	char *cgroup;
};

struct oci_resources;

struct agent_update {
	struct oci_resources *resources; /* all of linux.resources as it is to be */
};

/* Where the agent mounts the virtio-fs device with tag AGENT_SHARE_TAG; each share is an entry in it. */
#define AGENT_SHARE_TAG "vrun"
#define AGENT_SHARE_DIR "/run/vrun/shares"

/* Where it makes the sockets that stand for the host's; MODE in octal. */
#define AGENT_SOCKET_DIR "/run/vrun/sockets"
/* Connections to them at a time; the next ones are closed. */
enum { AGENT_SOCKET_CONNECTIONS_MAX = 128 };

/* Payload codecs. The `_write` results are freed by the caller; the `_parse` results by `_done`. */
int agent_create_write(const struct agent_create *msg, char **ret_text, size_t *ret_len);
int agent_create_parse(const char *text, size_t len, struct agent_create *ret, struct err *err);
void agent_create_done(struct agent_create *msg);
int agent_exec_write(const struct agent_exec *msg, char **ret_text, size_t *ret_len);
int agent_exec_parse(const char *text, size_t len, struct agent_exec *ret, struct err *err);
void agent_exec_done(struct agent_exec *msg);
int agent_update_write(const struct agent_update *msg, char **ret_text, size_t *ret_len);
int agent_update_parse(const char *text, size_t len, struct agent_update *ret, struct err *err);
void agent_update_done(struct agent_update *msg);

/*
 * Framing over a non-blocking stream, for both sides. A `struct agent_link`
 * reads into a buffer that grows up to the side's limit, and queues what it
 * sends.
 */
struct agent_link;
struct agent_link_handlers {
	/*
	 * One whole frame; `payload` is valid during the call. A negative return
	 * value ends the link with that error.
	 */
	int (*frame)(void *ctx, enum agent_msg type, uint32_t process, const uint8_t *payload, size_t len);
};

/* Takes the descriptor (set non-blocking). `max_in` bounds received payloads. */
int agent_link_new(int take_fd, size_t max_in, const struct agent_link_handlers *handlers, void *ctx,
		   struct agent_link **ret);
void agent_link_free(struct agent_link *link);
int agent_link_fd(const struct agent_link *link);
/* Queue a frame and try to send. -EPIPE once the link has failed. */
int agent_link_send(struct agent_link *link, enum agent_msg type, uint32_t process, const void *payload,
		    size_t len);
/* True while something waits for EPOLLOUT. */
bool agent_link_wants_write(const struct agent_link *link);
/* Call on EPOLLIN / EPOLLOUT. 0, -ENODATA at end of file, -EPROTO for a bad frame, or the handler's error. */
int agent_link_on_readable(struct agent_link *link);
int agent_link_on_writable(struct agent_link *link);

#endif
