/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message: what vrun and vrun-vmm say to each other, one JSON object a packet on
 * a SOCK_SEQPACKET socket, descriptors beside it.
 *
 * Two kinds of connection: the sync socket, a pair that vrun-vmm is born with
 * (launch.h), and connections to the control socket ROOT/ID/control (control.h).
 *
 * vrun does not trust vrun-vmm, which may have been taken over by its guest: sizes
 * and types are checked, and no descriptor is taken from it but where one is due.
 */
#ifndef VRUN_RUNTIME_MESSAGE_H
#define VRUN_RUNTIME_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

enum message_type {
	/* to vrun-vmm, sync socket */
	MESSAGE_LAUNCH, /* text: launch parameters; descriptors as launch.h says */
	MESSAGE_RELEASE, /* vrun goes, the container stays */
	MESSAGE_NET, /* net_wire.h; on either socket; flag: the first one */

	/* to vrun-vmm, control socket; each is answered by OK or ERROR */
	MESSAGE_START, /* a descriptor, or none: the network's configuration (net_wire.h) */
	MESSAGE_KILL, /* number: the signal; flag: all processes */
	MESSAGE_EXEC, /* control.h */
	MESSAGE_PAUSE,
	MESSAGE_RESUME,
	MESSAGE_PS, /* flag: the guest's list too; OK brings exec's pids as text and the list's descriptor */
	MESSAGE_RESIZE, /* rows, cols; on a connection that did EXEC: that process's terminal */
	MESSAGE_CONSOLE, /* one descriptor: a stream socket that gets the guest's console */
	MESSAGE_UPDATE, /* a descriptor: the limits as agent_update_write() has them */
	MESSAGE_STATS, /* flag: only the interfaces; the OK's text: as agent_stats_write() has it */
	MESSAGE_EVENTS, /* from the OK on: OOM, until either side closes the connection */

	/* from vrun-vmm */
	MESSAGE_OK,
	MESSAGE_ERROR, /* text, number: positive errno; status: the exit status it stands for */
	MESSAGE_CREATED, /* sync: the container's process waits for start */
	MESSAGE_STARTED, /* execve() succeeded */
	MESSAGE_EXITED, /* status: exit status, 128 + n for a signal */
	MESSAGE_OOM, /* the guest's kernel killed processes of the container for want of memory */

	MESSAGE_TYPES,
};

enum { MESSAGE_TEXT_MAX = 16 << 10, MESSAGE_FDS_MAX = 10 };

struct message {
	enum message_type type;
	int number;
	int status;
	bool flag;
	uint16_t rows, cols;
	const char *text; /* to send: borrowed; received: owned, see message_done() */
	int fds[MESSAGE_FDS_MAX]; /* to send: borrowed; received: owned; -EBADF: none */
	size_t n_fds;
};

/* 0, or -errno (-EPIPE: the peer is gone). */
int message_send(int sock, const struct message *msg);

/*
 * A MESSAGE_ERROR as bytes, for a signal handler: no memory, no lock. Its length, or -EMSGSIZE. `text`
 * is plain; what JSON would have to escape becomes a question mark.
 */
int message_error_packet(int number, int status, const char *text, char *buf, size_t size);

/*
 * Receive one. 0: *ret is the caller's, end it with message_done(). -ENODATA: end of file.
 * -EAGAIN: nothing there on a non-blocking socket. -EPROTO: not one of ours.
 */
int message_recv(int sock, struct message *ret);
void message_done(struct message *msg);
#define _cleanup_message_ __attribute__((cleanup(message_done)))

/* Take descriptor `i` of a received message; -EBADF when it has none. */
int message_take_fd(struct message *msg, size_t i);

#endif
