/* SPDX-License-Identifier: Apache-2.0 */
/* net_world: see net_world.h. */
#include "tests/unit/net_world.h"

#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "runtime/netlink.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

/* What a failing step was, in the test's output. */
static void must(int r, const char *what, const char *name)
{
	if (r < 0)
		fail_msg("%s %s: %s", what, name, strerror(-r));
}

static struct netlink *open_in(int ns)
{
	struct netlink *nl;

	must(netlink_open(ns, &nl), "netlink", "");
	return nl;
}

bool world_is_possible(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	bool possible = fd >= 0 && unshare(CLONE_NEWNET) == 0;

	if (possible)
		must(setns(fd, CLONE_NEWNET) < 0 ? -errno : 0, "setns", "");
	else
		print_message("no network namespaces can be made here: %s\n", strerror(errno));
	close_fd(fd);
	return possible;
}

int world_ns(void)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), ns;

	assert_true(home >= 0);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(ns >= 0);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	close_fd(home);
	world_up(ns, "lo", 0);
	return ns;
}

/* --- links --- */

static int on_index(void *ctx, const struct nlmsghdr *nlh)
{
	*(int *)ctx = ((const struct ifinfomsg *)mnl_nlmsg_get_payload(nlh))->ifi_index;
	return 0;
}

static int index_of(struct netlink *nl, const char *name)
{
	struct nlmsghdr *nlh = netlink_begin(nl, RTM_GETLINK, 0, sizeof(struct ifinfomsg), NULL);
	int index = 0;

	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	return netlink_get(nl, nlh, on_index, &index) < 0 ? 0 : index;
}

int world_index(int ns, const char *name)
{
	_cleanup_netlink_ struct netlink *nl = open_in(ns);

	return index_of(nl, name);
}

static void put_mac(struct nlmsghdr *nlh, uint8_t mac)
{
	const uint8_t bytes[6] = { 2, 0, 0, 0, 0, mac };

	mnl_attr_put(nlh, IFLA_ADDRESS, sizeof(bytes), bytes);
}

static struct nlmsghdr *begin_add(struct netlink *nl, const char *name, uint8_t mac)
{
	struct nlmsghdr *nlh =
		netlink_begin(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg), NULL);

	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	put_mac(nlh, mac);
	return nlh;
}

void world_add(int ns, const char *kind, const char *name, uint8_t mac)
{
	_cleanup_netlink_ struct netlink *nl = open_in(ns);
	struct nlmsghdr *nlh = begin_add(nl, name, mac);
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);

	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, kind);
	mnl_attr_nest_end(nlh, info);
	must(netlink_talk(nl, nlh), kind, name);
}

void world_add_veth(int ns, const char *name, uint8_t mac, int peer_ns, const char *peer, uint8_t peer_mac)
{
	_cleanup_netlink_ struct netlink *nl = open_in(ns);
	struct nlmsghdr *nlh = begin_add(nl, name, mac);
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO), *data, *other;

	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	other = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, peer);
	put_mac(nlh, peer_mac);
	mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)peer_ns);
	mnl_attr_nest_end(nlh, other);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	must(netlink_talk(nl, nlh), "veth", name);
}

void world_add_macvlan(int ns, const char *name, uint8_t mac, int lower_ns, const char *lower)
{
	_cleanup_netlink_ struct netlink *nl = open_in(lower_ns);
	int lower_index = index_of(nl, lower);
	struct nlmsghdr *nlh = begin_add(nl, name, mac);
	struct nlattr *info;

	mnl_attr_put_u32(nlh, IFLA_LINK, (uint32_t)lower_index);
	if (ns != lower_ns)
		mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)ns);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "macvlan");
	mnl_attr_nest_end(nlh, info);
	must(netlink_talk(nl, nlh), "macvlan", name);
}

int world_add_tun(int ns, const char *name, bool tap)
{
	struct ifreq ifr = { .ifr_flags = (short)(IFF_NO_PI | (tap ? IFF_TAP : IFF_TUN)) };
	int home, fd;

	must(netns_enter(ns, &home), "netns", "");
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	must(netns_leave(home), "netns", "");
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	must(fd < 0 ? -errno : ioctl(fd, TUNSETIFF, &ifr) < 0 ? -errno : 0, "tun", name);
	return fd;
}

static void change(int ns, const char *name, unsigned flags, void (*put)(struct nlmsghdr *, uint32_t),
		   uint32_t value)
{
	_cleanup_netlink_ struct netlink *nl = open_in(ns);
	int index = index_of(nl, name);
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh = netlink_begin(nl, RTM_NEWLINK, 0, sizeof(*ifi), &ifi);

	ifi->ifi_index = index;
	ifi->ifi_flags = ifi->ifi_change = flags;
	if (put)
		put(nlh, value);
	must(netlink_talk(nl, nlh), "changing", name);
}

static void put_mtu(struct nlmsghdr *nlh, uint32_t mtu)
{
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
}

static void put_master(struct nlmsghdr *nlh, uint32_t index)
{
	mnl_attr_put_u32(nlh, IFLA_MASTER, index);
}

static void put_new_mac(struct nlmsghdr *nlh, uint32_t mac)
{
	put_mac(nlh, (uint8_t)mac);
}

void world_up(int ns, const char *name, uint32_t mtu)
{
	change(ns, name, IFF_UP, mtu ? put_mtu : NULL, mtu);
}

void world_set_mac(int ns, const char *name, uint8_t mac)
{
	change(ns, name, 0, put_new_mac, mac);
}

void world_set_master(int ns, const char *name, const char *master)
{
	change(ns, name, 0, put_master, (uint32_t)world_index(ns, master));
}

void world_remove(int ns, const char *name)
{
	_cleanup_netlink_ struct netlink *nl = open_in(ns);
	int index = index_of(nl, name);
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh = netlink_begin(nl, RTM_DELLINK, 0, sizeof(*ifi), &ifi);

	ifi->ifi_index = index;
	must(netlink_talk(nl, nlh), "removing", name);
}

/* --- addresses and routes --- */

static uint8_t parse_prefix(const char *text, uint8_t address[16], uint8_t *ret_len)
{
	uint8_t family = strchr(text, ':') ? AF_INET6 : AF_INET;
	char copy[64], *slash;

	snprintf(copy, sizeof(copy), "%s", text);
	slash = strchr(copy, '/');
	*ret_len = slash ? (uint8_t)atoi(slash + 1) : family == AF_INET ? 32 : 128;
	if (slash)
		*slash = '\0';
	assert_int_equal(inet_pton(family, copy, address), 1);
	return family;
}

static void put_ip(struct nlmsghdr *nlh, uint16_t type, uint8_t family, const uint8_t *address)
{
	mnl_attr_put(nlh, type, family == AF_INET ? 4 : 16, address);
}

void world_add_address(int ns, const char *name, const char *text)
{
	_cleanup_netlink_ struct netlink *nl = open_in(ns);
	int index = index_of(nl, name);
	struct ifaddrmsg *ifa;
	struct nlmsghdr *nlh = netlink_begin(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(*ifa), &ifa);
	uint8_t address[16], len;

	ifa->ifa_family = parse_prefix(text, address, &len);
	ifa->ifa_prefixlen = len;
	ifa->ifa_index = (uint32_t)index;
	put_ip(nlh, IFA_LOCAL, ifa->ifa_family, address);
	put_ip(nlh, IFA_ADDRESS, ifa->ifa_family, address);
	mnl_attr_put_u32(nlh, IFA_FLAGS, ifa->ifa_family == AF_INET6 ? IFA_F_NODAD : 0);
	must(netlink_talk(nl, nlh), "address", text);
}

int world_add_route(int ns, const char *to, const char *gateway, const char *name)
{
	_cleanup_netlink_ struct netlink *nl = open_in(ns);
	int index = name ? index_of(nl, name) : 0;
	struct rtmsg *rtm;
	struct nlmsghdr *nlh = netlink_begin(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof(*rtm), &rtm);
	uint8_t address[16], len;

	rtm->rtm_family = parse_prefix(to, address, &len);
	rtm->rtm_dst_len = len;
	rtm->rtm_table = RT_TABLE_MAIN;
	rtm->rtm_protocol = RTPROT_STATIC;
	rtm->rtm_scope = gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	rtm->rtm_type = RTN_UNICAST;
	if (rtm->rtm_dst_len)
		put_ip(nlh, RTA_DST, rtm->rtm_family, address);
	if (gateway) {
		parse_prefix(gateway, address, &len);
		put_ip(nlh, RTA_GATEWAY, rtm->rtm_family, address);
	}
	if (index)
		mnl_attr_put_u32(nlh, RTA_OIF, (uint32_t)index);
	return netlink_talk(nl, nlh);
}

/* --- tc --- */

void world_add_qdisc(int ns, const char *name, const char *kind)
{
	_cleanup_netlink_ struct netlink *nl = open_in(ns);
	int index = index_of(nl, name);
	struct tcmsg *tcm;
	struct nlmsghdr *nlh = netlink_begin(nl, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, sizeof(*tcm), &tcm);

	tcm->tcm_ifindex = index;
	tcm->tcm_handle = TC_H_MAKE(TC_H_INGRESS, 0);
	tcm->tcm_parent = TC_H_INGRESS;
	mnl_attr_put_strz(nlh, TCA_KIND, kind);
	must(netlink_talk(nl, nlh), kind, name);
}

static int on_qdisc(void *ctx, const struct nlmsghdr *nlh)
{
	const struct tcmsg *tcm = mnl_nlmsg_get_payload(nlh);

	*(unsigned *)ctx += tcm->tcm_parent == TC_H_INGRESS;
	return 0;
}

unsigned world_count_qdiscs(int ns)
{
	_cleanup_netlink_ struct netlink *nl = open_in(ns);
	unsigned n = 0;

	must(netlink_dump(nl, netlink_begin(nl, RTM_GETQDISC, 0, sizeof(struct tcmsg), NULL), on_qdisc, &n),
	     "qdiscs", "");
	return n;
}

static int on_link(void *ctx, const struct nlmsghdr *nlh)
{
	(void)nlh;
	++*(unsigned *)ctx;
	return 0;
}

unsigned world_count_links(int ns)
{
	_cleanup_netlink_ struct netlink *nl = open_in(ns);
	unsigned n = 0;

	must(netlink_dump(nl, netlink_begin(nl, RTM_GETLINK, 0, sizeof(struct ifinfomsg), NULL), on_link, &n),
	     "links", "");
	return n;
}
