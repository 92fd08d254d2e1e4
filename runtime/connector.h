/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector: connects to unix sockets of the host for vrun-vmm, which can't once it is in its jail.
 *
 * A process that is forked before, holds the sockets by O_PATH descriptors, and for each request
 * connects to one of them and hands the connection over. It does so as the user that the guest names, so that
 * the host's kernel checks that user and tells the other side of it (SO_PEERCRED), as with a container of
 * runc's; vrun-vmm, if it was taken over, can ask for these sockets and no more. The user's other
 * groups are not known: they don't count.
 *
 * It ends with vrun-vmm.
 */
#ifndef VRUN_RUNTIME_CONNECTOR_H
#define VRUN_RUNTIME_CONNECTOR_H

#include <stddef.h>
#include <stdint.h>

struct connector;
struct err;
struct loop;

/* The outcome of `request`: a connected socket, the callee's to close, or a positive errno. */
typedef void (*connector_fn)(void *ctx, uint32_t request, int error, int take_fd);

/* From a process with one thread. `paths` without symlinks. */
int connector_new(struct loop *loop, char *const *paths, size_t n, connector_fn fn, void *ctx,
		  struct connector **ret, struct err *err);
/* 0, and `fn` is called once; or -errno, -EAGAIN when too many wait. */
int connector_ask(struct connector *connector, uint32_t request, uint32_t socket, uint32_t uid, uint32_t gid);
/* Waits for the process's end. NULL is fine. */
void connector_free(struct connector *connector);

#endif
