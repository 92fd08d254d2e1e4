/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener: a socket that QEMU connects to itself.
 *
 * A connected socket is simpler to give it, but QEMU passes descriptors for a
 * vhost-user network device only over one that it opened by address. The address
 * is abstract, so there is no file to make and to remove; whoever else in the
 * network namespace finds it is hung up on, as only the one process is expected.
 */
#ifndef VRUN_VMM_QEMU_LISTENER_H
#define VRUN_VMM_QEMU_LISTENER_H

#include <sys/types.h>

struct loop;
struct qemu_listener;

/* The connection, once; `take_sock` is the callee's. The listener hears no more and may be freed there. */
typedef void (*qemu_connected_fn)(void *ctx, int take_sock);

int qemu_listener_new(struct loop *loop, qemu_connected_fn connected, void *ctx, struct qemu_listener **ret);
/* NULL is fine. */
void qemu_listener_free(struct qemu_listener *listener);

/* The abstract address without its leading zero byte. */
const char *qemu_listener_address(const struct qemu_listener *listener);
/* Who is to connect. Until this is called, nobody is. */
void qemu_listener_expect(struct qemu_listener *listener, pid_t pid);

#endif
