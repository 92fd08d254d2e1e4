/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent: the guest's side of the protocol (oci/agent_proto.h): takes requests
 * from the link, runs the one container and its processes, reports.
 *
 * Single-threaded, one loop. It waits for nothing but its own file systems, and
 * for the host to accept a stream.
 */
#ifndef VRUN_AGENT_AGENT_H
#define VRUN_AGENT_AGENT_H

#include "agent/process.h"

#include <stdint.h>

struct err;

struct agent_config {
	int take_link; /* the control connection */
	struct stream_connector connector; /* how streams are connected */
	void (*flush)(bool durable); /* flush.h */
	void (*find_devices)(void); /* boot.h */
	uint64_t started_ns, prepared_ns, mounted_ns; /* agent_clock_ns(), for HELLO */
};

/* CLOCK_BOOTTIME, the guest kernel's age. */
uint64_t agent_clock_ns(void);

/*
 * Say HELLO and serve until the link ends. Always returns an error: -ENODATA
 * when the host closed the link, -EPROTO when it broke the protocol.
 */
int agent_run(const struct agent_config *config, struct err *err);

#endif
