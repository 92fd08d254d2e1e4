/* SPDX-License-Identifier: Apache-2.0 */
/* net_internal: what net.c, net_links.c, net_config.c, net_tap.c and net_redirect.c share. */
#ifndef VRUN_RUNTIME_NET_INTERNAL_H
#define VRUN_RUNTIME_NET_INTERNAL_H

#include "runtime/net.h"

struct err;
struct netlink;

#define NET_TAP_PREFIX "vrun" /* the kernel adds a number */

/* --- net_links.c --- */

/* An interface of the namespace, as rtnetlink(7) tells of it. */
struct net_link {
	int index;
	char name[IFNAMSIZ];
	char kind[16]; /* IFLA_INFO_KIND, "": a hardware device */
	uint16_t type; /* ARPHRD_* */
	unsigned flags; /* IFF_* */
	uint32_t mtu;
	uint8_t mac[6];
	int master, lower; /* interfaces in the same namespace, 0: none */
	bool link_local; /* the kernel gives it an IPv6 link-local address made of its MAC address */
};

struct net_links {
	struct net_link *v;
	size_t n;
};

/* All of them. -EINTR: try again. */
int net_links_read(struct netlink *nl, struct net_links *ret, struct err *err);
void net_links_done(struct net_links *links);
/*
 * Those that the guest gets: not lo, not what belongs to a bridge or bond that is
 * there too, not what the kernel adds to every namespace, no taps of vrun's.
 */
int net_links_select(const struct net_links *all, struct net_links *ret, struct err *err);
const struct net_link *net_links_find(const struct net_links *links, int index);

/* --- net_config.c --- */

/* What belongs to the selected links. `all`: every interface of the namespace. -EINTR: try again. */
int net_config_read(struct netlink *nl, const struct net_links *all, const struct net_links *selected,
		    struct guest_net *ret, struct err *err);

/* --- net_tap.c --- */

/* A tap in the namespace, down. */
int net_tap_open(int ns_fd, unsigned queues, char ret_name[static IFNAMSIZ], int *ret_fds, struct err *err);
/* Its MTU set, without addresses of its own, up. */
int net_tap_up(struct netlink *nl, const char *name, uint32_t mtu, int *ret_index, struct err *err);

/* --- net_redirect.c --- */

/* All that arrives at one interface goes out of the other. -EBUSY: tc is in use there. */
int net_redirect_add(struct netlink *nl, int from, int to, const struct net_owner *owner, struct err *err);
/* No error when it is not there (any more). */
int net_redirect_remove(struct netlink *nl, int from);

struct net_redirect {
	bool used; /* there is an ingress qdisc */
	char kind[16]; /* "ingress", "clsact" */
	bool vrun; /* it is of our making, by: */
	struct net_owner owner;
	bool stale; /* and its tap is gone */
};
int net_redirect_find(struct netlink *nl, int from, struct net_redirect *ret);

#endif
