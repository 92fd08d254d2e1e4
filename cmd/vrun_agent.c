/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vrun-agent: /init of the guest's initramfs, PID 1. Never ends: what can't go
 * on resets the machine, after a line on its console.
 */
#include "agent/agent.h"
#include "agent/boot.h"
#include "agent/console.h"
#include "agent/flush.h"
#include "agent/stream.h"
#include "base/cleanup.h"
#include "base/err.h"

#include <stdint.h>
#include <sys/prctl.h>

static int serve(uint64_t started_ns, struct err *err)
{
	struct agent_config config = { .connector = { .connect = stream_connect_vsock },
				       .flush = flush_file_systems,
				       .find_devices = boot_find_devices,
				       .started_ns = started_ns };
	int r;

	/* Processes of the container that see the agent must not look into it. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	r = boot_prepare(err);
	if (r < 0)
		return r;
	config.prepared_ns = agent_clock_ns();
	r = boot_mount_shares(err);
	if (r < 0)
		return r;
	config.mounted_ns = agent_clock_ns();
	config.take_link = stream_connect_control(err);
	if (config.take_link < 0)
		return config.take_link;
	return agent_run(&config, err);
}

int main(void)
{
	uint64_t started_ns = agent_clock_ns();
	struct err err = ERR_INIT;
	int r;

	if (getpid() != 1) {
		fprintf(stderr, "vrun-agent: runs as PID 1 of a vrun guest only\n");
		return 1;
	}
	r = serve(started_ns, &err);
	/* The host closing the link is how a machine is told to end. */
	if (r != -ENODATA)
		console_error("%s", err.text);
	boot_end_machine();
}
