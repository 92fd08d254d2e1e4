/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_wire: a captured network on its way from a command to vrun-vmm.
 *
 * One MESSAGE_NET an interface, with the descriptors of its tap; `create` sends
 * them on the sync socket before LAUNCH, `start` on the control socket before
 * START. What the agent is told of the network goes in CREATE, or, when the VM
 * boots only at `start`, as a descriptor of START.
 */
#ifndef VRUN_RUNTIME_NET_WIRE_H
#define VRUN_RUNTIME_NET_WIRE_H

#include "runtime/message.h"
#include "runtime/net.h"

struct err;
struct vm_net;

/* The descriptors are borrowed from `tap`; *ret_text is what `ret` points to, freed by the caller. */
int net_wire_message(const struct net_tap *tap, const struct net_owner *owner, struct message *ret,
		     char **ret_text);
/* Takes the descriptors out of the message. ret->name is the caller's to free. */
int net_wire_read(struct message *msg, struct vm_net *ret, struct net_owner *ret_owner, struct err *err);

/* A descriptor that holds a network as JSON, and back; the result's contents are for guest_net_done(). */
int net_wire_config_fd(const struct guest_net *net);
int net_wire_config_read(int fd, struct guest_net *ret, struct err *err);

/* As hexadecimal digits. */
enum { NET_OWNER_TEXT_LEN = 2 * NET_OWNER_LEN };
void net_owner_text(const struct net_owner *owner, char ret[static NET_OWNER_TEXT_LEN + 1]);
int net_owner_parse(const char *text, struct net_owner *ret);

#endif
