/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sockets: unix sockets of the host in the container. For each that is bind mounted the agent
 * listens on one of its own, with the owner and mode of the host's, so that the guest's kernel says who may
 * connect. What connects is joined to a stream, which the host joins to its socket (oci/agent_proto.h).
 *
 * Streams of bytes only: no descriptors and no credentials are passed on.
 */
#ifndef VRUN_AGENT_SOCKETS_H
#define VRUN_AGENT_SOCKETS_H

#include <stdint.h>

struct agent_open;
struct err;
struct loop;
struct oci_spec;
struct sockets;
struct stream_connector;

/* To send an OPEN with this number. */
typedef void (*sockets_open_fn)(void *ctx, uint32_t request, const struct agent_open *msg);

/* Listen on those that the mounts name; before these are made. *ret is NULL when there are none. */
int sockets_new(struct loop *loop, const struct stream_connector *connector, const struct oci_spec *spec,
		sockets_open_fn open, void *ctx, struct sockets **ret, struct err *err);
/* The answer. -EPROTO when that was not asked. */
int sockets_opened(struct sockets *sockets, uint32_t request, uint32_t error, uint32_t port);
/* Hangs up. NULL is fine. */
void sockets_free(struct sockets *sockets);

#endif
