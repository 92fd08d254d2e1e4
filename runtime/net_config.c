/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_config: addresses, routes, rules and neighbours of a namespace, as far as
 * they were set by somebody. What the kernel makes of them by itself, the guest's
 * kernel makes too: it is left out.
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "runtime/net_internal.h"
#include "runtime/netlink.h"

#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

/* What can be asked for when an address is added; the others are states. */
enum {
	ADDR_FLAGS = IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE |
		     IFA_F_MCAUTOJOIN
};

struct reader {
	const struct net_links *all, *links;
	struct guest_net *net;
	struct err *err;
};

/* One more element of an array, zeroed; NULL once it is full or memory is short, which is said. */
static void *append(void *array, size_t *n, size_t size, const char *what, struct err *err)
{
	char *v;

	if (*n >= GUEST_NET_ENTRIES_MAX) {
		err_set(err, -E2BIG, "the network namespace has more than %d %s", GUEST_NET_ENTRIES_MAX,
			what);
		return NULL;
	}
	v = realloc(*(void **)array, (*n + 1) * size);
	if (!v) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	*(void **)array = v;
	v += (*n)++ * size;
	memset(v, 0, size);
	return v;
}

static size_t address_len(uint8_t family)
{
	return family == AF_INET6 ? 16 : 4;
}

static bool is_ip(uint8_t family)
{
	return family == AF_INET || family == AF_INET6;
}

/* False when it is absent. */
static bool get_address(const struct nlattr *attr, uint8_t family, uint8_t ret[static 16])
{
	if (!attr || mnl_attr_get_payload_len(attr) < address_len(family))
		return false;
	memcpy(ret, mnl_attr_get_payload(attr), address_len(family));
	return true;
}

/* "10.0.0.0/8" in a buffer of the caller's. */
static const char *prefix_text(uint8_t family, const uint8_t *address, uint8_t len, char *buf, size_t size)
{
	char text[INET6_ADDRSTRLEN];

	snprintf(buf, size, "%s/%u", inet_ntop(family, address, text, sizeof(text)), len);
	return buf;
}

enum { PREFIX_TEXT_MAX = INET6_ADDRSTRLEN + 4 };

/* --- addresses --- */

static int on_addr(void *ctx, const struct nlmsghdr *nlh)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[IFA_FLAGS + 1] = { NULL };
	struct reader *reader = ctx;
	const struct net_link *link = net_links_find(reader->links, (int)ifa->ifa_index);
	struct guest_link *into;
	struct guest_addr *a;
	bool has_local;

	if (nlh->nlmsg_type != RTM_NEWADDR || !is_ip(ifa->ifa_family) || !link)
		return 0;
	/* Somebody else's: the kernel does not use it. */
	if (ifa->ifa_flags & IFA_F_DADFAILED)
		return 0;
	netlink_attrs(nlh, sizeof(*ifa), tb, IFA_FLAGS);
	into = &reader->net->links[link - reader->links->v];
	a = append(&into->addrs, &into->n_addrs, sizeof(*a), "addresses on an interface", reader->err);
	if (!a)
		return reader->err->code;
	a->family = ifa->ifa_family;
	a->prefix_len = ifa->ifa_prefixlen;
	a->scope = ifa->ifa_scope;
	a->flags = (tb[IFA_FLAGS] ? netlink_u32(tb[IFA_FLAGS]) : ifa->ifa_flags) & ADDR_FLAGS;
	/* IFA_ADDRESS is the peer's where IFA_LOCAL is there and another: linux/if_addr.h */
	has_local = get_address(tb[IFA_LOCAL], a->family, a->addr);
	if (!has_local && !get_address(tb[IFA_ADDRESS], a->family, a->addr))
		return err_set(reader->err, -EBADMSG,
			       "network interface %s has an address without an address", link->name);
	if (has_local && get_address(tb[IFA_ADDRESS], a->family, a->peer))
		a->has_peer = memcmp(a->addr, a->peer, address_len(a->family)) != 0;
	if (!a->has_peer)
		memset(a->peer, 0, sizeof(a->peer));
	a->has_broadcast = get_address(tb[IFA_BROADCAST], a->family, a->broadcast);
	return 0;
}

static bool is_link_local(const struct guest_addr *a)
{
	return a->family == AF_INET6 && a->scope == RT_SCOPE_LINK;
}

/* An interface that has just come up is about to have one; the guest must not be without. */
static int add_link_local(const struct net_link *link, struct guest_link *into, struct err *err)
{
	struct guest_addr *a;

	for (size_t i = 0; i < into->n_addrs; i++)
		if (is_link_local(&into->addrs[i]))
			return 0;
	if (!link->link_local)
		return 0;
	a = append(&into->addrs, &into->n_addrs, sizeof(*a), "addresses on an interface", err);
	if (!a)
		return err->code;
	a->family = AF_INET6;
	a->prefix_len = 64;
	a->scope = RT_SCOPE_LINK;
	guest_net_link_local(link->mac, a->addr);
	return 0;
}

/* --- routes --- */

static bool is_own_route(const struct rtmsg *rtm, uint32_t table)
{
	if (!is_ip(rtm->rtm_family) || table == RT_TABLE_LOCAL || (rtm->rtm_flags & RTM_F_CLONED))
		return false;
	/* Made by the kernel for addresses and interfaces that are up, redirects, and for itself. */
	if (rtm->rtm_protocol == RTPROT_KERNEL || rtm->rtm_protocol == RTPROT_REDIRECT)
		return false;
	return rtm->rtm_type == RTN_UNICAST || rtm->rtm_type == RTN_BLACKHOLE ||
	       rtm->rtm_type == RTN_UNREACHABLE || rtm->rtm_type == RTN_PROHIBIT ||
	       rtm->rtm_type == RTN_THROW;
}

/* By name; false when the route leads to an interface that the guest does not get. */
static bool get_dev(const struct reader *reader, const struct nlattr *attr, char ret[static IFNAMSIZ])
{
	const struct net_link *link;

	ret[0] = '\0';
	if (!attr)
		return true;
	link = net_links_find(reader->links, (int)netlink_u32(attr));
	if (!link) {
		link = net_links_find(reader->all, (int)netlink_u32(attr));
		if (!link || !(link->flags & IFF_LOOPBACK))
			return false;
	}
	strcpy(ret, link->name);
	return true;
}

static const char *unsupported_route(const struct nlattr *const *tb)
{
	if (tb[RTA_MULTIPATH])
		return "with several next hops";
	if (tb[RTA_VIA])
		return "with a next hop of another address family";
	if (tb[RTA_ENCAP])
		return "with an encapsulation";
	return NULL;
}

static int on_route(void *ctx, const struct nlmsghdr *nlh)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[RTA_MAX + 1] = { NULL }, *metrics[RTAX_MTU + 1] = { NULL };
	struct reader *reader = ctx;
	struct guest_route route = { .family = rtm->rtm_family };
	char text[PREFIX_TEXT_MAX], dev[IFNAMSIZ];
	struct guest_route *into;
	uint32_t table;

	netlink_attrs(nlh, sizeof(*rtm), tb, RTA_MAX);
	table = tb[RTA_TABLE] ? netlink_u32(tb[RTA_TABLE]) : rtm->rtm_table;
	if (nlh->nlmsg_type != RTM_NEWROUTE || !is_own_route(rtm, table))
		return 0;
	get_address(tb[RTA_DST], route.family, route.dst);
	prefix_text(route.family, route.dst, rtm->rtm_dst_len, text, sizeof(text));
	if (unsupported_route(tb))
		return err_set(reader->err, -ENOTSUP, "route %s: one %s can't be carried over into a VM",
			       text, unsupported_route(tb));
	if (!get_dev(reader, tb[RTA_OIF], dev)) {
		log_debug("route %s: not carried over, its interface is not", text);
		return 0;
	}
	into = append(&reader->net->routes, &reader->net->n_routes, sizeof(*into), "routes", reader->err);
	if (!into)
		return reader->err->code;
	netlink_nested(tb[RTA_METRICS], metrics, RTAX_MTU);
	strcpy(route.dev, dev);
	route.dst_len = rtm->rtm_dst_len;
	route.src_len = rtm->rtm_src_len;
	route.tos = rtm->rtm_tos;
	route.protocol = rtm->rtm_protocol;
	route.scope = rtm->rtm_scope;
	route.type = rtm->rtm_type;
	route.flags = rtm->rtm_flags & RTNH_F_ONLINK;
	route.table = table;
	route.priority = netlink_u32(tb[RTA_PRIORITY]);
	route.mtu = netlink_u32(metrics[RTAX_MTU]);
	get_address(tb[RTA_SRC], route.family, route.src);
	route.has_gateway = get_address(tb[RTA_GATEWAY], route.family, route.gateway);
	route.has_prefsrc = get_address(tb[RTA_PREFSRC], route.family, route.prefsrc);
	*into = route;
	return 0;
}

/* A gateway must be in reach when it is named: the routes without one come first. The order is kept otherwise. */
static int sort_routes(struct guest_net *net)
{
	struct guest_route *sorted = calloc(net->n_routes ? net->n_routes : 1, sizeof(*sorted));
	size_t n = 0;

	if (!sorted)
		return -ENOMEM;
	for (int gateway = 0; gateway <= 1; gateway++)
		for (size_t i = 0; i < net->n_routes; i++)
			if (net->routes[i].has_gateway == gateway)
				sorted[n++] = net->routes[i];
	free(net->routes);
	net->routes = sorted;
	return 0;
}

/* --- rules --- */

/* Those that every namespace is born with: ip-rule(8). */
static bool is_default_rule(const struct guest_rule *rule)
{
	if (rule->dst_len || rule->src_len || rule->tos || rule->fwmark || rule->fwmask || *rule->iif ||
	    *rule->oif || rule->action != FR_ACT_TO_TBL)
		return false;
	return (rule->priority == 0 && rule->table == RT_TABLE_LOCAL) ||
	       (rule->priority == 32766 && rule->table == RT_TABLE_MAIN) ||
	       (rule->priority == 32767 && rule->table == RT_TABLE_DEFAULT);
}

static const char *unsupported_rule(const struct fib_rule_hdr *frh, const struct nlattr *const *tb)
{
	if (frh->action == FR_ACT_GOTO || frh->action == FR_ACT_NOP)
		return "that jumps";
	if (frh->flags & FIB_RULE_INVERT)
		return "that is inverted";
	if (tb[FRA_UID_RANGE] || tb[FRA_IP_PROTO] || tb[FRA_SPORT_RANGE] || tb[FRA_DPORT_RANGE])
		return "for users, protocols or ports";
	if (tb[FRA_TUN_ID] || tb[FRA_L3MDEV])
		return "for tunnels or VRFs";
	/* ~0 is the kernel's way to say none. */
	if ((tb[FRA_SUPPRESS_PREFIXLEN] && netlink_u32(tb[FRA_SUPPRESS_PREFIXLEN]) != UINT32_MAX) ||
	    (tb[FRA_SUPPRESS_IFGROUP] && netlink_u32(tb[FRA_SUPPRESS_IFGROUP]) != UINT32_MAX))
		return "that suppresses routes";
	return NULL;
}

static int on_rule(void *ctx, const struct nlmsghdr *nlh)
{
	const struct fib_rule_hdr *frh = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[FRA_MAX + 1] = { NULL };
	struct guest_rule rule, *into;
	struct reader *reader = ctx;

	if (nlh->nlmsg_type != RTM_NEWRULE || !is_ip(frh->family))
		return 0;
	netlink_attrs(nlh, sizeof(*frh), tb, FRA_MAX);
	memset(&rule, 0, sizeof(rule));
	rule.family = frh->family;
	rule.dst_len = frh->dst_len;
	rule.src_len = frh->src_len;
	rule.tos = frh->tos;
	rule.action = frh->action;
	rule.priority = netlink_u32(tb[FRA_PRIORITY]);
	rule.table = tb[FRA_TABLE] ? netlink_u32(tb[FRA_TABLE]) : frh->table;
	rule.fwmark = netlink_u32(tb[FRA_FWMARK]);
	rule.fwmask = netlink_u32(tb[FRA_FWMASK]);
	get_address(tb[FRA_DST], rule.family, rule.dst);
	get_address(tb[FRA_SRC], rule.family, rule.src);
	snprintf(rule.iif, sizeof(rule.iif), "%s", netlink_str(tb[FRA_IIFNAME]));
	snprintf(rule.oif, sizeof(rule.oif), "%s", netlink_str(tb[FRA_OIFNAME]));
	if (unsupported_rule(frh, tb))
		return err_set(reader->err, -ENOTSUP,
			       "routing rule %u: one %s can't be carried over into a VM", rule.priority,
			       unsupported_rule(frh, tb));
	if (is_default_rule(&rule))
		return 0;
	into = append(&reader->net->rules, &reader->net->n_rules, sizeof(*into), "routing rules",
		      reader->err);
	if (!into)
		return reader->err->code;
	*into = rule;
	return 0;
}

/* --- neighbours --- */

static int on_neigh(void *ctx, const struct nlmsghdr *nlh)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[NDA_LLADDR + 1] = { NULL };
	struct reader *reader = ctx;
	const struct net_link *link = net_links_find(reader->links, ndm->ndm_ifindex);
	struct guest_neigh neigh = { .family = ndm->ndm_family, .state = NUD_PERMANENT }, *into;

	/* NUD_NOARP is the kernel's, for multicast and the like. */
	if (nlh->nlmsg_type != RTM_NEWNEIGH || !is_ip(ndm->ndm_family) || !link ||
	    !(ndm->ndm_state & NUD_PERMANENT))
		return 0;
	netlink_attrs(nlh, sizeof(*ndm), tb, NDA_LLADDR);
	if (!get_address(tb[NDA_DST], neigh.family, neigh.addr) || !tb[NDA_LLADDR] ||
	    mnl_attr_get_payload_len(tb[NDA_LLADDR]) != sizeof(neigh.mac))
		return 0;
	memcpy(neigh.mac, mnl_attr_get_payload(tb[NDA_LLADDR]), sizeof(neigh.mac));
	neigh.flags = ndm->ndm_flags & NTF_ROUTER;
	strcpy(neigh.dev, link->name);
	into = append(&reader->net->neighs, &reader->net->n_neighs, sizeof(*into), "neighbours", reader->err);
	if (!into)
		return reader->err->code;
	*into = neigh;
	return 0;
}

/* --- all of it --- */

static int make_links(const struct net_links *links, struct guest_net *net)
{
	net->links = calloc(links->n ? links->n : 1, sizeof(*net->links));
	if (!net->links)
		return -ENOMEM;
	net->n_links = links->n;
	for (size_t i = 0; i < links->n; i++) {
		struct guest_link *l = &net->links[i];

		strcpy(l->name, links->v[i].name);
		memcpy(l->mac, links->v[i].mac, sizeof(l->mac));
		l->mtu = links->v[i].mtu;
		l->up = links->v[i].flags & IFF_UP;
	}
	return 0;
}

static int read_all(struct netlink *nl, struct reader *reader)
{
	const struct {
		uint16_t type;
		size_t header;
		netlink_fn fn;
		const char *what;
	} tables[] = {
		{ RTM_GETADDR, sizeof(struct ifaddrmsg), on_addr, "addresses" },
		{ RTM_GETROUTE, sizeof(struct rtmsg), on_route, "routes" },
		{ RTM_GETRULE, sizeof(struct fib_rule_hdr), on_rule, "routing rules" },
		{ RTM_GETNEIGH, sizeof(struct ndmsg), on_neigh, "neighbours" },
	};
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		r = netlink_dump(nl, netlink_begin(nl, tables[i].type, 0, tables[i].header, NULL),
				 tables[i].fn, reader);
		/* A kernel without policy routing has no rules. */
		if (r == -EOPNOTSUPP && tables[i].type == RTM_GETRULE)
			continue;
		if (r < 0)
			return reader->err->code
				       ? r
				       : err_set_errno(reader->err, r, "reading %s", tables[i].what);
	}
	return 0;
}

int net_config_read(struct netlink *nl, const struct net_links *all, const struct net_links *selected,
		    struct guest_net *ret, struct err *err)
{
	struct guest_net net = { 0 };
	struct err why = ERR_INIT;
	struct reader reader = { .all = all, .links = selected, .net = &net, .err = &why };
	int r = make_links(selected, &net);

	if (r == 0)
		r = read_all(nl, &reader);
	for (size_t i = 0; r == 0 && i < selected->n; i++)
		r = add_link_local(&selected->v[i], &net.links[i], &why);
	if (r == 0)
		r = sort_routes(&net);
	if (r < 0) {
		guest_net_done(&net);
		return why.code ? err_set(err, r, "%s", why.text)
				: err_set_errno(err, r, "reading the network");
	}
	*ret = net;
	return 0;
}
