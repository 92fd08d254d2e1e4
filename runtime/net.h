/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net: the container's network namespace reaches into its VM.
 *
 * Theory of operation
 *
 * The caller (podman, a CNI plugin, docker's hook) has put interfaces with their
 * addresses and routes into a network namespace. All of that is read (struct
 * guest_net) and repeated by the agent inside the guest. For each interface a tap
 * device is made beside it, and every frame that arrives at either goes out of
 * the other (tc: an ingress qdisc with one filter that redirects everything). The
 * guest's interface has the same MAC address, so the network can't tell the
 * guest from the namespace. The namespace's own stack gets nothing any more; its
 * configuration stays as it was.
 *
 *	network <-> eth0  --ingress, redirect-->  vrun0 (tap) <-> virtio-net <-> eth0 in the guest
 *	                  <--redirect, ingress--
 *
 * The tap goes with its descriptors. The ingress qdisc on the interface stays: it
 * is removed by net_release(): by `vrun delete`, or when vrun-vmm ends where the
 * namespace has no path to it (undertaker.h). The filter's action carries the capture's `struct
 * net_owner` as its cookie, so nobody removes what is another's, and a capture
 * whose tap is gone is known as left behind and taken over. The kernel allows one
 * ingress qdisc an interface, so two VMs can't both have one.
 *
 * When
 *
 * A VM's devices are fixed when it boots, but interfaces may come late:
 *
 *	containerd with CNI, podman	the namespace is complete before `create`
 *	docker before 27		a hook that `create` runs, which finds the namespace as /proc/PID/ns/net
 *	docker since, podman with a	between `create` and `start`, by /proc/PID/ns/net
 *	user namespace of its own
 *
 * So vrun-vmm, whose pid the container's is on the host, is born in the
 * container's network namespace, and the capture comes as late as it can: after
 * the hooks of `create`. When there is no interface by then and the namespace
 * was made for the container (no path), the VM does not boot before `start`, and
 * the capture is tried again then. Interfaces that appear in a namespace after
 * its capture are not seen by the guest; `start` refuses when there are some.
 *
 * Everything here is called from a process with one thread: it enters the
 * namespace for moments. CAP_SYS_ADMIN and CAP_NET_ADMIN are needed.
 */
#ifndef VRUN_RUNTIME_NET_H
#define VRUN_RUNTIME_NET_H

#include "oci/guest_net.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

enum {
	NET_QUEUES_MAX = 8,
	NET_MTU_MIN = 68,
	NET_MTU_MAX = 65521 /* drivers/net/tun.c: 65535 less a header */
};

/* Random, made for each container and kept in its state. */
enum { NET_OWNER_LEN = 12 };
struct net_owner {
	uint8_t id[NET_OWNER_LEN];
};
int net_owner_new(struct net_owner *ret);

/* One captured interface. */
struct net_tap {
	char name[IFNAMSIZ]; /* of the interface */
	uint8_t mac[6];
	uint32_t mtu;
	int fds[NET_QUEUES_MAX]; /* the tap's, one per pair of queues; take them by TAKE_FD() */
	unsigned n_fds;
	bool stream; /* no tap, but passt.h's socket */
};

struct net_capture;

/* A network namespace by its path. Messages name the path. */
int net_ns_open(const char *path, int *ret_fd, struct err *err);
/* A new one, where only lo is, up. It is gone when its descriptor and all processes in it are. */
int net_ns_new(int *ret_fd);

/*
 * Read what is in the namespace; nothing is changed. -ENOTSUP: it holds an interface
 * that can't be carried over; -EBUSY: one that has tc in use, or is another VM's.
 */
int net_capture_open(int ns_fd, struct net_capture **ret, struct err *err);
/* Let the frames go to new taps with `cpus` queues (at most NET_QUEUES_MAX) each. Undone on failure. */
int net_capture_attach(struct net_capture *capture, const struct net_owner *owner, unsigned cpus,
		       struct err *err);
/* Valid as long as the capture. */
const struct guest_net *net_capture_config(const struct net_capture *capture);
size_t net_capture_count(const struct net_capture *capture);
/* The `i`th interface, attached. */
struct net_tap *net_capture_tap(struct net_capture *capture, size_t i);
/* The redirection outlives the capture: net_release() ends it. */
void net_capture_keep(struct net_capture *capture);
/* Undoes it unless it is kept. NULL is fine. */
void net_capture_free(struct net_capture *capture);
static inline void cleanup_net_capture(struct net_capture **p)
{
	net_capture_free(*p);
}
#define _cleanup_net_capture_ __attribute__((cleanup(cleanup_net_capture)))

/* -EBUSY: the namespace has an interface that the guest would get, had it been there when `owner` captured. */
int net_check_complete(int ns_fd, const struct net_owner *owner, struct err *err);

/*
 * Take away what `owner` captured in the namespace (-EBADF: our own). Harmless when
 * that is gone already.
 */
int net_release(int ns_fd, const struct net_owner *owner);

#endif
