/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_net: vrun-vmm's part in the container's network: interfaces that
 * commands have captured come in, become devices, and are given back at the end.
 */
#include "runtime/monitor_internal.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "oci/agent_proto.h"
#include "oci/guest_net.h"
#include "runtime/net_wire.h"
#include "vmm/vm_spec.h"

#include <string.h>

/* Those that no machine has taken. */
static void drop_nets(struct monitor *m)
{
	for (size_t i = 0; i < m->n_nets; i++) {
		for (unsigned k = 0; k < m->nets[i].n_pairs; k++)
			close_fd(m->nets[i].tap_fds[k]);
		free(m->nets[i].name);
	}
	free(TAKE_PTR(m->nets));
	m->n_nets = 0;
}

int monitor_net_take(struct monitor *m, struct message *msg, struct err *err)
{
	struct vm_net *nets, net;
	int r;

	/* A `start` before this one gave up halfway. */
	if (msg->flag)
		drop_nets(m);
	if (m->n_nets >= VM_NETS_MAX)
		return err_set(err, -E2BIG, "more than %d network interfaces", VM_NETS_MAX);
	nets = realloc(m->nets, (m->n_nets + 1) * sizeof(*nets));
	if (!nets)
		return err_set(err, -ENOMEM, "out of memory");
	m->nets = nets;
	r = net_wire_read(msg, &net, &m->net_owner, err);
	if (r < 0)
		return err_wrap(err, r, "network interface");
	m->nets[m->n_nets++] = net;
	return 0;
}

int monitor_net_plug(struct monitor *m, struct err *err)
{
	m->has_net = m->n_nets > 0;
	m->spec->nets = TAKE_PTR(m->nets);
	m->spec->n_nets = m->n_nets;
	m->n_nets = 0;
	return vm_spec_check(m->spec, err);
}

int monitor_net_configure(int config_fd, bool start, char **text, size_t *len, struct err *err)
{
	_cleanup_(agent_create_done) struct agent_create create = { 0 };
	int r = agent_create_parse(*text, *len, &create, err);

	if (r < 0)
		return r;
	create.start = start;
	if (config_fd >= 0) {
		create.network = calloc(1, sizeof(*create.network));
		if (!create.network)
			return err_set(err, -ENOMEM, "out of memory");
		r = net_wire_config_read(config_fd, create.network, err);
		if (r < 0)
			return r;
	}
	free(TAKE_PTR(*text));
	r = agent_create_write(&create, text, len);
	return r < 0 ? err_set_errno(err, r, "the container's request") : 0;
}

void monitor_net_done(struct monitor *m)
{
	int r = 0;

	/* In the jail we have no right to: the undertaker does it, or `vrun delete` where there is a path. */
	if ((m->has_net || m->n_nets > 0) && !(m->spec && m->spec->jail))
		r = net_release(-EBADF, &m->net_owner);
	drop_nets(m);
	/* `vrun delete` may do what we may not. */
	if (r < 0)
		log_debug("the network interfaces can't be put back by vrun-vmm: %s", strerror(-r));
}
