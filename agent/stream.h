/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream: connections from the agent to the host.
 *
 * In the guest they are vsock streams to CID 2. A connection is begun and
 * finished in two steps, so that several are under way at once while the
 * container is being made.
 */
#ifndef VRUN_AGENT_STREAM_H
#define VRUN_AGENT_STREAM_H

#include <stdint.h>

struct err;

enum { STREAM_TIMEOUT_MS = 30000 };

/* A non-blocking socket that connects to `port`, or a negative errno. */
int stream_connect_vsock(void *ctx, uint32_t port);

/* Wait until the connection stands. */
int stream_finish(int fd, struct err *err);

/* The control connection: from a privileged port, tried until the device is there. A descriptor or -errno. */
int stream_connect_control(struct err *err);

#endif
