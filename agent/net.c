/* SPDX-License-Identifier: Apache-2.0 */
/* net: see net.h. */
#include "agent/net.h"

#include "agent/backoff.h"
#include "agent/namespaces.h"
#include "agent/rtnl.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "oci/guest_net.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

enum {
	CARRIER_WAIT_US = 500000,
	LOWER_UP = 1 << 16, /* IFF_LOWER_UP: linux/if.h and net/if.h do not go together */
};

#define NAME_PREFIX "vrun-tmp" /* short enough for a number after it */

static size_t address_len(uint8_t family)
{
	return family == AF_INET6 ? 16 : 4;
}

static const char *address_text(uint8_t family, const uint8_t *address, char buf[static INET6_ADDRSTRLEN])
{
	return inet_ntop(family, address, buf, INET6_ADDRSTRLEN);
}

static void put_address(struct rtnl_msg *msg, uint16_t type, uint8_t family, const uint8_t *address)
{
	rtnl_put(msg, type, address, address_len(family));
}

/* --- links --- */

struct search {
	const struct guest_net *net;
	int *indexes; /* of the links, 0: not found */
	size_t found;
};

static int on_link(void *ctx, const struct ifinfomsg *link, const char *name, const uint8_t *mac)
{
	struct search *search = ctx;

	(void)name;
	for (size_t i = 0; mac && i < search->net->n_links; i++) {
		if (memcmp(search->net->links[i].mac, mac, 6) != 0 || search->indexes[i])
			continue;
		search->indexes[i] = link->ifi_index;
		search->found++;
	}
	return 0;
}

static int find_links(int sock, const struct guest_net *net, int *indexes, struct err *err)
{
	struct search search = { .net = net, .indexes = indexes };
	int r;

	memset(indexes, 0, net->n_links * sizeof(*indexes));
	r = rtnl_each_link(sock, on_link, &search);
	if (r < 0)
		return err_set_errno(err, r, "looking for the network interfaces");
	if (search.found == net->n_links)
		return 0;
	for (size_t i = 0; i < net->n_links; i++)
		if (!indexes[i])
			return err_set(err, -ENODEV, "network interface %s: the guest has no device for it",
				       net->links[i].name);
	return 0;
}

static int wait_for_links(int sock, const struct guest_net *net, int *indexes, struct err *err)
{
	struct backoff backoff = BACKOFF_INIT;
	int r;

	do
		r = find_links(sock, net, indexes, err);
	while (r == -ENODEV && backoff_wait(&backoff));
	return r;
}

static int move_links(int sock, const struct guest_net *net, const int *indexes, int ns, struct err *err)
{
	for (size_t i = 0; i < net->n_links; i++) {
		const struct ifinfomsg ifi = { .ifi_index = indexes[i] };
		struct rtnl_msg msg;
		int r;

		rtnl_begin(&msg, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
		rtnl_put_u32(&msg, IFLA_NET_NS_FD, (uint32_t)ns);
		r = rtnl_talk(sock, &msg);
		if (r < 0)
			return err_set_errno(err, r,
					     "network interface %s: moving it to the container's namespace",
					     net->links[i].name);
	}
	return 0;
}

static int rename_link(int sock, int index, const char *name)
{
	const struct ifinfomsg ifi = { .ifi_index = index };
	struct rtnl_msg msg;

	rtnl_begin(&msg, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	rtnl_put(&msg, IFLA_IFNAME, name, strlen(name) + 1);
	return rtnl_talk(sock, &msg);
}

/* One link's name may be what another is still called. */
static int rename_links(int sock, const struct guest_net *net, const int *indexes, struct err *err)
{
	char name[IFNAMSIZ];
	int r = 0;

	for (size_t i = 0; r == 0 && net->n_links > 1 && i < net->n_links; i++) {
		snprintf(name, sizeof(name), NAME_PREFIX "%hhu", (uint8_t)i);
		r = rename_link(sock, indexes[i], name);
	}
	for (size_t i = 0; r == 0 && i < net->n_links; i++) {
		snprintf(name, sizeof(name), "%s", net->links[i].name);
		r = rename_link(sock, indexes[i], name);
	}
	return r < 0 ? err_set_errno(err, r, "network interface: naming it %s", name) : 0;
}

/* Which IPv6 addresses the kernel makes up for a link that goes up. */
static int set_addr_gen_mode(int sock, int index, uint8_t mode)
{
	const struct ifinfomsg ifi = { .ifi_index = index };
	struct rtnl_msg msg;
	size_t spec, inet6;
	int r;

	rtnl_begin(&msg, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	spec = rtnl_begin_nest(&msg, IFLA_AF_SPEC);
	inet6 = rtnl_begin_nest(&msg, AF_INET6);
	rtnl_put(&msg, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
	rtnl_end_nest(&msg, inet6);
	rtnl_end_nest(&msg, spec);
	r = rtnl_talk(sock, &msg);
	/* A kernel without IPv6, or an MTU that is too small for it. */
	return r == -EAFNOSUPPORT ? 0 : r;
}

static int set_mtu(int sock, int index, uint32_t mtu)
{
	const struct ifinfomsg ifi = { .ifi_index = index };
	struct rtnl_msg msg;

	rtnl_begin(&msg, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	rtnl_put_u32(&msg, IFLA_MTU, mtu);
	return rtnl_talk(sock, &msg);
}

static int bring_up(int sock, int index)
{
	const struct ifinfomsg ifi = { .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct rtnl_msg msg;

	rtnl_begin(&msg, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	return rtnl_talk(sock, &msg);
}

static int add_address(int sock, int index, const struct guest_addr *a)
{
	/* The address is in use on the host already: it needs no looking for duplicates (RFC 4862 §5.4). */
	uint32_t flags = a->flags | (a->family == AF_INET6 ? IFA_F_NODAD : 0);
	const struct ifaddrmsg ifa = {
		.ifa_family = a->family,
		.ifa_prefixlen = a->prefix_len,
		.ifa_scope = a->scope,
		.ifa_index = (uint32_t)index,
	};
	struct rtnl_msg msg;
	int r;

	rtnl_begin(&msg, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &ifa, sizeof(ifa));
	put_address(&msg, IFA_LOCAL, a->family, a->addr);
	put_address(&msg, IFA_ADDRESS, a->family, a->has_peer ? a->peer : a->addr);
	if (a->has_broadcast)
		put_address(&msg, IFA_BROADCAST, a->family, a->broadcast);
	rtnl_put_u32(&msg, IFA_FLAGS, flags);
	r = rtnl_talk(sock, &msg);
	return r == -EEXIST ? 0 : r;
}

/* The one that the kernel would make itself. */
static bool is_own_link_local(const struct guest_link *link, const struct guest_addr *a)
{
	uint8_t own[16];

	guest_net_link_local(link->mac, own);
	return a->family == AF_INET6 && !memcmp(a->addr, own, sizeof(own));
}

static int add_addresses(int sock, int index, const struct guest_link *link, struct err *err)
{
	char text[INET6_ADDRSTRLEN];
	bool link_local = false;
	int r;

	for (size_t i = 0; i < link->n_addrs; i++) {
		const struct guest_addr *a = &link->addrs[i];

		r = add_address(sock, index, a);
		if (r < 0)
			return err_set_errno(err, r, "network interface %s: adding address %s/%u", link->name,
					     address_text(a->family, a->addr, text), a->prefix_len);
		link_local |= is_own_link_local(link, a);
	}
	/*
	 * As it was on the host, should the link go down and up again. Not beside another address: the kernel
	 * would add its own when the carrier comes.
	 */
	if (link_local)
		(void)set_addr_gen_mode(sock, index, IN6_ADDR_GEN_MODE_EUI64);
	return 0;
}

static int set_up_link(int sock, int index, const struct guest_link *link, struct err *err)
{
	int r = 0;

	if (link->mtu)
		r = set_mtu(sock, index, link->mtu);
	if (r < 0)
		return err_set_errno(err, r, "network interface %s: setting its MTU to %u", link->name,
				     link->mtu);
	/* Its link-local address, if it has one, is among those that follow. */
	r = set_addr_gen_mode(sock, index, IN6_ADDR_GEN_MODE_NONE);
	if (r == 0 && link->up)
		r = bring_up(sock, index);
	if (r < 0)
		return err_set_errno(err, r, "network interface %s: bringing it up", link->name);
	return add_addresses(sock, index, link, err);
}

/* --- what refers to links by name --- */

/* 0 for no name. */
static int find_index(const struct guest_net *net, const int *indexes, const char *name, int *ret)
{
	*ret = 0;
	if (!*name)
		return 0;
	/* register_netdevice(): lo is the first in every namespace (LOOPBACK_IFINDEX). */
	if (!strcmp(name, "lo"))
		*ret = 1;
	for (size_t i = 0; i < net->n_links; i++)
		if (!strcmp(net->links[i].name, name))
			*ret = indexes[i];
	return *ret ? 0 : -ENODEV;
}

static int add_route(int sock, const struct guest_route *route, int index)
{
	const struct rtmsg rtm = {
		.rtm_family = route->family,
		.rtm_dst_len = route->dst_len,
		.rtm_src_len = route->src_len,
		.rtm_tos = route->tos,
		.rtm_table = route->table < 256 ? (uint8_t)route->table : RT_TABLE_UNSPEC,
		.rtm_protocol = route->protocol,
		.rtm_scope = route->scope,
		.rtm_type = route->type,
		.rtm_flags = route->flags,
	};
	struct rtnl_msg msg;
	size_t metrics;
	int r;

	rtnl_begin(&msg, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &rtm, sizeof(rtm));
	rtnl_put_u32(&msg, RTA_TABLE, route->table);
	if (route->dst_len)
		put_address(&msg, RTA_DST, route->family, route->dst);
	if (route->src_len)
		put_address(&msg, RTA_SRC, route->family, route->src);
	if (route->has_gateway)
		put_address(&msg, RTA_GATEWAY, route->family, route->gateway);
	if (route->has_prefsrc)
		put_address(&msg, RTA_PREFSRC, route->family, route->prefsrc);
	if (index)
		rtnl_put_u32(&msg, RTA_OIF, (uint32_t)index);
	if (route->priority)
		rtnl_put_u32(&msg, RTA_PRIORITY, route->priority);
	if (route->mtu) {
		metrics = rtnl_begin_nest(&msg, RTA_METRICS);
		rtnl_put_u32(&msg, RTAX_MTU, route->mtu);
		rtnl_end_nest(&msg, metrics);
	}
	r = rtnl_talk(sock, &msg);
	/* The kernel has made the same one for an address. */
	return r == -EEXIST ? 0 : r;
}

static int add_routes(int sock, const struct guest_net *net, const int *indexes, struct err *err)
{
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < net->n_routes; i++) {
		const struct guest_route *route = &net->routes[i];
		int index, r = find_index(net, indexes, route->dev, &index);

		if (r == 0)
			r = add_route(sock, route, index);
		if (r < 0)
			return err_set_errno(err, r, "network: adding route %s/%u%s%s",
					     address_text(route->family, route->dst, text), route->dst_len,
					     *route->dev ? " by " : "", route->dev);
	}
	return 0;
}

static int add_rule(int sock, const struct guest_rule *rule)
{
	const struct fib_rule_hdr frh = {
		.family = rule->family,
		.dst_len = rule->dst_len,
		.src_len = rule->src_len,
		.tos = rule->tos,
		.table = rule->table < 256 ? (uint8_t)rule->table : RT_TABLE_UNSPEC,
		.action = rule->action,
	};
	struct rtnl_msg msg;

	rtnl_begin(&msg, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &frh, sizeof(frh));
	rtnl_put_u32(&msg, FRA_PRIORITY, rule->priority);
	if (rule->table)
		rtnl_put_u32(&msg, FRA_TABLE, rule->table);
	if (rule->dst_len)
		put_address(&msg, FRA_DST, rule->family, rule->dst);
	if (rule->src_len)
		put_address(&msg, FRA_SRC, rule->family, rule->src);
	if (rule->fwmark || rule->fwmask) {
		rtnl_put_u32(&msg, FRA_FWMARK, rule->fwmark);
		rtnl_put_u32(&msg, FRA_FWMASK, rule->fwmask);
	}
	if (*rule->iif)
		rtnl_put(&msg, FRA_IIFNAME, rule->iif, strlen(rule->iif) + 1);
	if (*rule->oif)
		rtnl_put(&msg, FRA_OIFNAME, rule->oif, strlen(rule->oif) + 1);
	return rtnl_talk(sock, &msg);
}

static int add_rules(int sock, const struct guest_net *net, struct err *err)
{
	for (size_t i = 0; i < net->n_rules; i++) {
		int r = add_rule(sock, &net->rules[i]);

		if (r < 0 && r != -EEXIST)
			return err_set_errno(err, r, "network: adding routing rule %u",
					     net->rules[i].priority);
	}
	return 0;
}

static int add_neigh(int sock, const struct guest_neigh *neigh, int index)
{
	const struct ndmsg ndm = {
		.ndm_family = neigh->family,
		.ndm_ifindex = index,
		.ndm_state = neigh->state,
		.ndm_flags = neigh->flags,
	};
	struct rtnl_msg msg;

	rtnl_begin(&msg, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &ndm, sizeof(ndm));
	put_address(&msg, NDA_DST, neigh->family, neigh->addr);
	rtnl_put(&msg, NDA_LLADDR, neigh->mac, sizeof(neigh->mac));
	return rtnl_talk(sock, &msg);
}

static int add_neighs(int sock, const struct guest_net *net, const int *indexes, struct err *err)
{
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < net->n_neighs; i++) {
		const struct guest_neigh *neigh = &net->neighs[i];
		int index, r = find_index(net, indexes, neigh->dev, &index);

		if (r == 0)
			r = add_neigh(sock, neigh, index);
		if (r < 0)
			return err_set_errno(err, r, "network interface %s: adding neighbour %s", neigh->dev,
					     address_text(neigh->family, neigh->addr, text));
	}
	return 0;
}

/* --- all of it --- */

/*
 * A device may need a moment for its carrier, and the kernel drops what is sent before. Asking for
 * one link alone also makes a kernel from 6.8 on take note of a carrier that is there (IFF_RUNNING),
 * which it may put off for a second otherwise.
 */
static void wait_for_carrier(int sock, int index)
{
	struct backoff backoff = BACKOFF_INIT;
	unsigned flags;

	while (rtnl_link_flags(sock, index, &flags) == 0 && !(flags & LOWER_UP) &&
	       backoff.waited_us < CARRIER_WAIT_US && backoff_wait(&backoff))
		;
}

/* In the namespace where the links are by now. */
static int configure(const struct guest_net *net, struct err *err)
{
	_cleanup_close_ int sock = rtnl_open();
	int indexes[GUEST_NET_LINKS_MAX];
	int r;

	if (sock < 0)
		return err_set_errno(err, sock, "a socket for the network's settings");
	r = namespaces_loopback_up(err);
	if (r == 0)
		r = find_links(sock, net, indexes, err);
	if (r == 0)
		r = rename_links(sock, net, indexes, err);
	for (size_t i = 0; r == 0 && i < net->n_links; i++)
		r = set_up_link(sock, indexes[i], &net->links[i], err);
	if (r == 0)
		r = add_routes(sock, net, indexes, err);
	if (r == 0)
		r = add_rules(sock, net, err);
	if (r == 0)
		r = add_neighs(sock, net, indexes, err);
	for (size_t i = 0; r == 0 && i < net->n_links; i++)
		if (net->links[i].up)
			wait_for_carrier(sock, indexes[i]);
	return r;
}

static int configure_in(const struct guest_net *net, int ns, struct err *err)
{
	_cleanup_close_ int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int r;

	if (home < 0)
		return err_set_errno(err, -errno, "opening the agent's network namespace");
	if (setns(ns, CLONE_NEWNET) < 0)
		return err_set_errno(err, -errno, "entering the container's network namespace");
	r = configure(net, err);
	if (setns(home, CLONE_NEWNET) < 0)
		return err_set_errno(err, -errno, "the agent can't get back to its network namespace");
	return r;
}

int net_apply(const struct guest_net *net, int ns, struct err *err)
{
	_cleanup_close_ int sock = rtnl_open();
	int indexes[GUEST_NET_LINKS_MAX];
	int r;

	if (sock < 0)
		return err_set_errno(err, sock, "a socket for the network's settings");
	if (net->n_links > GUEST_NET_LINKS_MAX)
		return err_set(err, -E2BIG, "the network has more than %d interfaces", GUEST_NET_LINKS_MAX);
	r = wait_for_links(sock, net, indexes, err);
	if (r == 0 && ns >= 0)
		r = move_links(sock, net, indexes, ns, err);
	if (r < 0)
		return r;
	return ns >= 0 ? configure_in(net, ns, err) : configure(net, err);
}
