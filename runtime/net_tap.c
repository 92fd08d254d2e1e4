/* SPDX-License-Identifier: Apache-2.0 */
/* net_tap: the tap device beside each captured interface. */
#include "base/cleanup.h"
#include "base/err.h"
#include "runtime/net_internal.h"
#include "runtime/netlink.h"

#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define TUN_PATH "/dev/net/tun"

static void close_all(int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fds[i] = close_fd(fds[i]);
}

/* A tap belongs to the namespace in which the device file was opened: tun_chr_open() */
static int open_queue(struct ifreq *ifr)
{
	_cleanup_close_ int fd = open(TUN_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return errno == ENOENT || errno == ENXIO || errno == ENODEV ? -ENODEV : -errno;
	/* The first queue gets the name, the others join it. */
	if (ioctl(fd, TUNSETIFF, ifr) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int open_queues(unsigned queues, struct ifreq *ifr, int *ret_fds)
{
	ifr->ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if (queues > 1)
		ifr->ifr_flags |= IFF_MULTI_QUEUE;
	for (unsigned i = 0; i < queues; i++) {
		int fd = open_queue(ifr);

		if (fd < 0) {
			close_all(ret_fds, i);
			return fd;
		}
		ret_fds[i] = fd;
	}
	return 0;
}

int net_tap_open(int ns_fd, unsigned queues, char ret_name[static IFNAMSIZ], int *ret_fds, struct err *err)
{
	struct ifreq ifr = { .ifr_name = NET_TAP_PREFIX "%d" };
	int home, r, back;

	r = netns_enter(ns_fd, &home);
	if (r < 0)
		return err_set_errno(err, r, "entering the network namespace");
	r = open_queues(queues, &ifr, ret_fds);
	back = netns_leave(home);
	if (r == 0 && back < 0) {
		close_all(ret_fds, queues);
		r = back;
	}
	if (r == -ENODEV)
		return err_set(err, r,
			       "the host has no " TUN_PATH
			       ", which a VM's network needs (is the kernel's module tun loaded?)");
	if (r < 0)
		return err_set_errno(err, r, "making a tap device");
	memcpy(ret_name, ifr.ifr_name, IFNAMSIZ);
	return 0;
}

static int on_link(void *ctx, const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);

	*(int *)ctx = ifi->ifi_index;
	return 0;
}

static int find_index(struct netlink *nl, const char *name, int *ret)
{
	struct nlmsghdr *nlh = netlink_begin(nl, RTM_GETLINK, 0, sizeof(struct ifinfomsg), NULL);

	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	return netlink_get(nl, nlh, on_link, ret);
}

/* Without addresses of its own it has nothing to say to the guest (router solicitations). */
static int configure(struct netlink *nl, int index, uint32_t mtu, bool no_addresses)
{
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh = netlink_begin(nl, RTM_NEWLINK, 0, sizeof(*ifi), &ifi);

	ifi->ifi_index = index;
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	if (no_addresses) {
		struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
		struct nlattr *inet6 = mnl_attr_nest_start(nlh, AF_INET6);

		mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
		mnl_attr_nest_end(nlh, inet6);
		mnl_attr_nest_end(nlh, spec);
	}
	return netlink_talk(nl, nlh);
}

static int bring_up(struct netlink *nl, int index)
{
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh = netlink_begin(nl, RTM_NEWLINK, 0, sizeof(*ifi), &ifi);

	ifi->ifi_index = index;
	ifi->ifi_flags = ifi->ifi_change = IFF_UP;
	return netlink_talk(nl, nlh);
}

int net_tap_up(struct netlink *nl, const char *name, uint32_t mtu, int *ret_index, struct err *err)
{
	int index, r;

	r = find_index(nl, name, &index);
	if (r == 0)
		r = configure(nl, index, mtu, true);
	/* No IPv6 in this kernel, or an MTU that is too small for it. */
	if (r == -EAFNOSUPPORT)
		r = configure(nl, index, mtu, false);
	if (r == 0)
		r = bring_up(nl, index);
	if (r < 0)
		return err_set(err, r, "setting up tap device %s: %s%s", name, strerror(-r),
			       netlink_text(nl));
	*ret_index = index;
	return 0;
}
