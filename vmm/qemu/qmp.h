/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qmp: a client of QEMU's machine protocol (QEMU, docs/interop/qmp-spec) on a
 * connected socket, in the loop's thread: JSON objects, one a line; replies in
 * the order of the commands, events between them.
 *
 * QEMU runs the guest and may be the guest's by now: lines are bounded, and
 * anything unexpected ends the conversation.
 */
#ifndef VRUN_VMM_QEMU_QMP_H
#define VRUN_VMM_QEMU_QMP_H

struct json;
struct loop;
struct qmp;

struct qmp_callbacks {
	/* QEMU has introduced itself; commands may follow, qmp_capabilities first. */
	void (*greeted)(void *ctx, unsigned major, unsigned minor);
	/* `data` may be NULL. */
	void (*event)(void *ctx, const char *name, const struct json *data);
	/* The conversation is over: end of file (NULL), or what QEMU did wrong. Once. */
	void (*broken)(void *ctx, const char *why);
};

/* `take_sock` is consumed even on failure; `callbacks` is borrowed. No callback may free the qmp. */
int qmp_new(struct loop *loop, int take_sock, const struct qmp_callbacks *callbacks, void *ctx,
	    struct qmp **ret);
void qmp_free(struct qmp *qmp);

/* `error` is QEMU's words, or NULL when the command went well. */
typedef void (*qmp_reply_fn)(void *ctx, const char *error);

/* Send a command without arguments; `fn` (may be NULL) gets its outcome. -ENOBUFS: too many outstanding. */
int qmp_command(struct qmp *qmp, const char *command, qmp_reply_fn fn);

/* Handle what has come already, without waiting: before the process's end is reported. */
void qmp_drain(struct qmp *qmp);

#endif
