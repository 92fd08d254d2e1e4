/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control: vrun-vmm's control socket, ROOT/ID/control (0600): packets as
 * message.h has them.
 *
 * A command connects, asks, reads OK or ERROR, and goes. A connection that did
 * EXEC lives as long as its process: STARTED (or ERROR) and EXITED come back,
 * KILL and RESIZE on it concern that process, and when it is closed before
 * EXITED the process is killed.
 *
 * UPDATE is done when the guest has done it; a guest that is not there yet, or is paused, does it
 * later, and OK comes at once. A connection that did EVENTS gets OOM until it is closed.
 *
 * EXEC's text: the cgroup, or none. Its descriptors: the process as JSON; then the terminal's
 * slave (`flag`) or standard input, output and error, which the sender has made its own
 * (stdio_private()).
 */
#ifndef VRUN_RUNTIME_CONTROL_H
#define VRUN_RUNTIME_CONTROL_H

#include "runtime/message.h"

#include <sys/types.h>

struct control;
struct control_conn;
struct err;
struct loop;

enum { CONTROL_CONNS_MAX = 1024 };

/* A request handler's result beside 0 (answer OK) and -errno (answer ERROR with `err`): it answers itself. */
enum { CONTROL_LATER = 1 };

struct control_ops {
	/* The message is the server's; take what you keep. */
	int (*request)(void *ctx, struct control_conn *conn, struct message *msg, struct err *err);
	/* The connection is about to go. */
	void (*closed)(void *ctx, struct control_conn *conn);
};

/* --- vrun-vmm's side --- */

int control_new(struct loop *loop, int take_listen_fd, const struct control_ops *ops, void *ctx,
		struct control **ret);
/* Closes all connections; `closed` is not called. NULL is fine. */
void control_free(struct control *control);

/* Send a message; a peer that does not take it loses its connection at the next turn of the loop. */
void control_reply(struct control_conn *conn, const struct message *msg);
/* Who connected: its pid then, 0 when it is not to be seen from here. */
pid_t control_peer(const struct control_conn *conn);
/* A word of the handler's about a connection; NULL at first. */
void control_set_data(struct control_conn *conn, void *data);
void *control_data(const struct control_conn *conn);

/* --- commands' side --- */

/* A listening socket in a container's directory. */
int control_listen(int dirfd);
/* -ECONNREFUSED or -ENOENT: no vrun-vmm is there. `timeout_ms`: of each wait for an answer; 0: none. */
int control_connect(int dirfd, unsigned timeout_ms);
/*
 * Ask and wait for the answer, which is the caller's to end with message_done() in any case. An
 * ERROR is returned as its errno and text.
 */
int control_ask(int sock, const struct message *msg, struct message *ret, struct err *err);
/*
 * The same for an answer that is only a word: 0 for OK (or for `also`, if that came), else the
 * errno and text of the ERROR. *ret_status (may be NULL): the exit status that an ERROR names.
 */
int control_call(int sock, const struct message *msg, enum message_type also, int *ret_status,
		 struct err *err);

#endif
