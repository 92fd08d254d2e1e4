/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net: the container's network, repeated in the guest as the host captured it
 * (oci/guest_net.h).
 *
 * The links appear in the agent's own network namespace, under names that the
 * kernel chose; each is known by its MAC address. They are moved to the container's
 * namespace, if it has one of its own, and set up there: names, MTU, addresses,
 * up; then routes, rules and neighbours.
 */
#ifndef VRUN_AGENT_NET_H
#define VRUN_AGENT_NET_H

struct err;
struct guest_net;

/*
 * Waits until the devices are there. `ns`: the container's network namespace,
 * -EBADF: the agent's. Loopback is brought up there, too.
 */
int net_apply(const struct guest_net *net, int ns, struct err *err);

#endif
