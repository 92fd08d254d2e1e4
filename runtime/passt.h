/* SPDX-License-Identifier: Apache-2.0 */
/*
 * passt: user-mode networking for a container that has no network namespace, by
 * Debian's package passt.
 *
 * passt translates between the guest's frames and sockets of its own in the network
 * namespace that vrun is called in: outgoing TCP, UDP and ICMP echo go out as an ordinary
 * process's, and published ports are sockets of it that listen. The host's own loopback
 * addresses are out of the guest's reach, but for the resolver's.
 *
 * The VM's end is a virtio-net device over a stream socket (vmm/virtio/net_stream.h). The
 * guest has fixed addresses, and a resolv.conf made of the host's.
 *
 * passt confines itself before it reads a frame: the user nobody, without capabilities, in
 * namespaces of its own with an empty root, a list of system calls. It is in the container's cgroup,
 * and ends when the VM's end of the socket is closed, however vrun-vmm ends.
 */
#ifndef VRUN_RUNTIME_PASST_H
#define VRUN_RUNTIME_PASST_H

struct cgroup;
struct err;
struct guest_net;
struct net_tap;
struct passt;

/*
 * `publish`: [ADDRESS:]PORT:PORT[/tcp|/udp], the host's and the guest's; an IPv6 address in
 * brackets, a range FROM-TO for a port; more behind commas. NULL: none.
 */
int passt_check_publish(const char *publish, struct err *err);

/* Started and ready, in `cgroup`. -EADDRINUSE: a published port is not free. */
int passt_start(const char *publish, const struct cgroup *cgroup, struct passt **ret, struct err *err);
/* What the agent configures, and the device; valid as long as `passt`. */
const struct guest_net *passt_config(const struct passt *passt);
struct net_tap *passt_device(struct passt *passt);
/* Ends it, unless vrun-vmm has the device. NULL is fine. */
void passt_free(struct passt *passt);

#endif
