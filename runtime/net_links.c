/* SPDX-License-Identifier: Apache-2.0 */
/* net_links: which interfaces a namespace has, and which of them the guest gets. */
#include "base/cleanup.h"
#include "base/err.h"
#include "runtime/net_internal.h"
#include "runtime/netlink.h"

#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* A namespace may hold this many, to be passed over or not. */
enum { LINKS_MAX = 4096 };

/*
 * Those that carry Ethernet frames in and out at tc's ingress. Not ipvlan, whose
 * addresses decide what it gets, macvtap, which hands frames to a descriptor, or
 * a VRF, which is a routing table.
 */
static const char *const bridged_kinds[] = { "",      "veth", "macvlan", "bridge", "bond",   "team", "vlan",
					     "dummy", "tun",  "vxlan",	 "geneve", "gretap", NULL };

static const uint8_t no_mac[6];

static int add(struct net_links *links, const struct net_link *link)
{
	struct net_link *v;

	if (links->n >= LINKS_MAX)
		return -E2BIG;
	v = realloc(links->v, (links->n + 1) * sizeof(*v));
	if (!v)
		return -ENOMEM;
	links->v = v;
	v[links->n++] = *link;
	return 0;
}

/* Once it is up, and that takes the kernel a moment after the carrier is there: addrconf_notify() */
static bool has_link_local(const struct nlattr *af_spec)
{
	const struct nlattr *families[AF_INET6 + 1] = { NULL }, *tb[IFLA_INET6_ADDR_GEN_MODE + 1] = { NULL };
	int32_t conf[DEVCONF_DISABLE_IPV6 + 1];

	netlink_nested(af_spec, families, AF_INET6);
	netlink_nested(families[AF_INET6], tb, IFLA_INET6_ADDR_GEN_MODE);
	if (!tb[IFLA_INET6_ADDR_GEN_MODE] || !tb[IFLA_INET6_CONF] ||
	    mnl_attr_get_payload_len(tb[IFLA_INET6_CONF]) < sizeof(conf))
		return false;
	memcpy(conf, mnl_attr_get_payload(tb[IFLA_INET6_CONF]), sizeof(conf));
	return !conf[DEVCONF_DISABLE_IPV6] &&
	       mnl_attr_get_u8(tb[IFLA_INET6_ADDR_GEN_MODE]) == IN6_ADDR_GEN_MODE_EUI64;
}

static int on_link(void *ctx, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[IFLA_LINK_NETNSID + 1] = { NULL };
	const struct nlattr *info[IFLA_INFO_KIND + 1] = { NULL };
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct net_link link = { .index = ifi->ifi_index, .type = ifi->ifi_type, .flags = ifi->ifi_flags };

	if (nlh->nlmsg_type != RTM_NEWLINK)
		return 0;
	netlink_attrs(nlh, sizeof(*ifi), tb, IFLA_LINK_NETNSID);
	netlink_nested(tb[IFLA_LINKINFO], info, IFLA_INFO_KIND);
	snprintf(link.name, sizeof(link.name), "%s", netlink_str(tb[IFLA_IFNAME]));
	snprintf(link.kind, sizeof(link.kind), "%s", netlink_str(info[IFLA_INFO_KIND]));
	link.mtu = netlink_u32(tb[IFLA_MTU]);
	link.master = (int)netlink_u32(tb[IFLA_MASTER]);
	/* With a namespace of its own it is an index there. */
	if (!tb[IFLA_LINK_NETNSID])
		link.lower = (int)netlink_u32(tb[IFLA_LINK]);
	if (tb[IFLA_ADDRESS] && mnl_attr_get_payload_len(tb[IFLA_ADDRESS]) == sizeof(link.mac))
		memcpy(link.mac, mnl_attr_get_payload(tb[IFLA_ADDRESS]), sizeof(link.mac));
	link.link_local = (link.flags & IFF_UP) && has_link_local(tb[IFLA_AF_SPEC]);
	return add(ctx, &link);
}

int net_links_read(struct netlink *nl, struct net_links *ret, struct err *err)
{
	struct net_links links = { 0 };
	struct nlmsghdr *nlh = netlink_begin(nl, RTM_GETLINK, 0, sizeof(struct ifinfomsg), NULL);
	int r = netlink_dump(nl, nlh, on_link, &links);

	if (r < 0) {
		net_links_done(&links);
		return err_set_errno(err, r, "reading the network interfaces");
	}
	*ret = links;
	return 0;
}

void net_links_done(struct net_links *links)
{
	free(links->v);
	*links = (struct net_links){ 0 };
}

const struct net_link *net_links_find(const struct net_links *links, int index)
{
	for (size_t i = 0; i < links->n; i++)
		if (links->v[i].index == index)
			return &links->v[i];
	return NULL;
}

/* tunl0, sit0, gretap0 and their like are in every namespace once their module is loaded. */
static bool is_unused(const struct net_link *link)
{
	return !(link->flags & IFF_UP) &&
	       (link->type != ARPHRD_ETHER || !memcmp(link->mac, no_mac, sizeof(no_mac)));
}

/* Made beside an interface that is captured, by us or for another VM: net_tap.c */
static bool is_our_tap(const struct net_link *link)
{
	const char *digits = link->name + strlen(NET_TAP_PREFIX);

	return !strcmp(link->kind, "tun") && !strncmp(link->name, NET_TAP_PREFIX, strlen(NET_TAP_PREFIX)) &&
	       *digits && !digits[strspn(digits, "0123456789")];
}

static bool is_bridged_kind(const char *kind)
{
	for (const char *const *k = bridged_kinds; *k; k++)
		if (!strcmp(kind, *k))
			return true;
	return false;
}

static const char *kind_name(const struct net_link *link)
{
	if (link->kind[0])
		return link->kind;
	return link->type == ARPHRD_ETHER ? "Ethernet" : "hardware that is not Ethernet";
}

static int check_link(const struct net_links *all, const struct net_link *link, struct err *err)
{
	const struct net_link *lower = net_links_find(all, link->lower);

	if (link->type != ARPHRD_ETHER || !is_bridged_kind(link->kind))
		return err_set(err, -ENOTSUP,
			       "network interface %s: its type, %s, can't be carried over into a VM",
			       link->name, kind_name(link));
	/* Both would be captured, and the frames of the upper one go with the lower. */
	if (lower && lower != link && strcmp(link->kind, "veth") != 0)
		return err_set(
			err, -ENOTSUP,
			"network interface %s: a %s on %s, which is in the same network namespace, can't be "
			"carried over into a VM",
			link->name, kind_name(link), lower->name);
	if (link->mtu < NET_MTU_MIN || link->mtu > NET_MTU_MAX)
		return err_set(err, -ENOTSUP,
			       "network interface %s: its MTU is %u; a VM's can be from %d to %d", link->name,
			       link->mtu, NET_MTU_MIN, NET_MTU_MAX);
	if ((link->mac[0] & 1) || !memcmp(link->mac, no_mac, sizeof(no_mac)))
		return err_set(err, -ENOTSUP, "network interface %s: it has no usable MAC address",
			       link->name);
	return 0;
}

static int check_unique(const struct net_links *links, struct err *err)
{
	if (links->n > GUEST_NET_LINKS_MAX)
		return err_set(err, -ENOTSUP,
			       "the network namespace has %zu interfaces; a VM can have at most %d", links->n,
			       GUEST_NET_LINKS_MAX);
	for (size_t i = 0; i < links->n; i++)
		for (size_t k = 0; k < i; k++)
			if (!memcmp(links->v[i].mac, links->v[k].mac, sizeof(links->v[i].mac)))
				return err_set(err, -ENOTSUP,
					       "network interfaces %s and %s have the same MAC address; a VM "
					       "can't tell them apart",
					       links->v[k].name, links->v[i].name);
	return 0;
}

int net_links_select(const struct net_links *all, struct net_links *ret, struct err *err)
{
	struct net_links chosen = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < all->n; i++) {
		const struct net_link *link = &all->v[i];

		if ((link->flags & IFF_LOOPBACK) || is_unused(link) || is_our_tap(link) ||
		    net_links_find(all, link->master))
			continue;
		r = check_link(all, link, err);
		if (r == 0 && add(&chosen, link) < 0)
			r = err_set(err, -ENOMEM, "out of memory");
	}
	if (r == 0)
		r = check_unique(&chosen, err);
	if (r < 0)
		net_links_done(&chosen);
	else
		*ret = chosen;
	return r;
}
