/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_sockets: the container's connections to unix sockets of the host. The agent asks for each, the
 * connector makes it, and it is offered to the guest as a stream that only the agent knows the port of.
 */
#include "runtime/monitor_internal.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "runtime/connector.h"
#include "runtime/guest.h"
#include "runtime/plan.h"
#include "vmm/vm_spec.h"
#include "vmm/vmm.h"

static void on_stream_ended(void *ctx, enum vsock_end why)
{
	struct monitor *m = ctx;

	(void)why;
	m->n_connections--;
}

static void refuse(struct monitor *m, uint32_t request, int error)
{
	m->n_connections--;
	(void)guest_opened(m->guest, request, error, 0);
}

static void on_connected(void *ctx, uint32_t request, int error, int take_fd)
{
	struct monitor *m = ctx;
	uint32_t port = 0;
	int r;

	if (error) {
		refuse(m, request, error);
		return;
	}
	r = plan_port(&port);
	if (r < 0)
		close_fd(take_fd);
	else
		r = virtio_vsock_offer(vmm_vsock(m->vmm), port, false, take_fd, take_fd, on_stream_ended, m);
	if (r < 0)
		refuse(m, request, -r);
	else
		(void)guest_opened(m->guest, request, 0, port);
}

int monitor_open_socket(void *ctx, uint32_t request, uint32_t socket, uint32_t uid, uint32_t gid)
{
	struct monitor *m = ctx;
	int r = -EAGAIN;

	if (socket >= m->spec->n_sockets)
		return -EPROTO;
	/* The agent keeps to it; what asks for more is no agent of ours. */
	if (m->n_connections++ < AGENT_SOCKET_CONNECTIONS_MAX)
		r = connector_ask(m->connector, request, socket, uid, gid);
	if (r < 0)
		refuse(m, request, -r);
	return 0;
}

int monitor_sockets_start(struct monitor *m, struct err *err)
{
	if (m->spec->n_sockets == 0)
		return 0;
	return connector_new(m->loop, m->spec->sockets, m->spec->n_sockets, on_connected, m, &m->connector,
			     err);
}
