/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_netlink: answers of rtnetlink to what is asked of a container's network namespace, on which the
 * caller has put whatever it likes. The linker hands libmnl's two calls to us (fuzz.mk).
 */
#include "tests/fuzz/fuzz.h"

#include "base/err.h"
#include "oci/guest_net.h"
#include "runtime/net_internal.h"
#include "runtime/netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

static struct fuzz_in in;
static unsigned seq;

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *sock, const void *buf, size_t len);
ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *sock, void *buf, size_t size);

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *sock, const void *buf, size_t len)
{
	(void)sock;
	FUZZ_REQUIRE(len >= sizeof(struct nlmsghdr) && ((const struct nlmsghdr *)buf)->nlmsg_len == len);
	seq = ((const struct nlmsghdr *)buf)->nlmsg_seq;
	return (ssize_t)len;
}

/* Attributes in order, some of them nested; or any bytes. */
static size_t put_attrs(uint8_t *at, size_t room, unsigned depth)
{
	size_t used = 0;

	for (unsigned n = fuzz_u8(&in) % 12; n > 0 && used + NLA_HDRLEN + 256 < room; n--) {
		uint8_t kind = fuzz_u8(&in);
		struct nlattr attr = { .nla_type = kind % 64 };
		uint8_t *body = at + used + NLA_HDRLEN;
		const uint8_t *bytes;
		size_t len;

		if (kind & 0x80 && depth < 3) {
			len = put_attrs(body, room - used - NLA_HDRLEN, depth + 1);
		} else {
			bytes = fuzz_bytes(&in, kind & 0x40 ? fuzz_u8(&in) : 4, &len);
			memcpy(body, bytes, len);
		}
		attr.nla_len = (uint16_t)(NLA_HDRLEN + len);
		if (kind == 0x3f)
			attr.nla_len = fuzz_u16(&in);
		memcpy(at + used, &attr, sizeof(attr));
		used += NLA_HDRLEN + NLA_ALIGN(len);
	}
	return used;
}

/* The kernel keeps to netlink(7)'s framing, mostly; what is in a message is up to the input. */
ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *sock, void *buf, size_t size)
{
	static const uint16_t types[] = { RTM_NEWLINK,	  RTM_NEWADDR,	RTM_NEWROUTE,
					  RTM_NEWRULE,	  RTM_NEWNEIGH, RTM_NEWQDISC,
					  RTM_NEWTFILTER, NLMSG_DONE,	NLMSG_ERROR };
	uint8_t *at = buf;
	size_t used = 0;

	(void)sock;
	if (in.left == 0) {
		errno = ECONNRESET;
		return -1;
	}
	memset(buf, 0, size < 32768 ? size : 32768);
	for (unsigned n = 1 + fuzz_u8(&in) % 6; n > 0 && in.left > 0; n--) {
		uint8_t kind = fuzz_u8(&in);
		struct nlmsghdr h = { .nlmsg_type = types[kind % (sizeof(types) / sizeof(types[0]))],
				      .nlmsg_seq = seq };
		const uint8_t *bytes;
		size_t len;

		if (used + 5000 > size || used > 24000)
			break;
		h.nlmsg_flags = kind & 0x80 ? fuzz_u16(&in) : 0;
		bytes = fuzz_bytes(&in, kind & 0x40 ? fuzz_u8(&in) : 16, &len);
		memcpy(at + used + NLMSG_HDRLEN, bytes, len);
		len = NLMSG_ALIGN(len);
		len += put_attrs(at + used + NLMSG_HDRLEN + len, 4000, 0);
		h.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + len);
		if (kind & 0x20 && kind & 0x10)
			h.nlmsg_len = (uint32_t)fuzz_number(&in);
		memcpy(at + used, &h, sizeof(h));
		used += NLMSG_ALIGN(NLMSG_HDRLEN + len);
	}
	return (ssize_t)used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct net_links all = { .n = 0 }, selected = { .n = 0 };
	struct guest_net net = { .n_links = 0 };
	struct net_redirect redirect;
	struct err err = ERR_INIT;
	struct netlink *nl;
	int index, r;

	in = (struct fuzz_in){ data, size };
	FUZZ_REQUIRE(netlink_open(-EBADF, &nl) == 0);
	r = net_links_read(nl, &all, &err);
	FUZZ_REQUIRE(r == 0 || r == -EINTR || err.text[0]);
	if (r == 0 && net_links_select(&all, &selected, &err) == 0 &&
	    net_config_read(nl, &all, &selected, &net, &err) == 0) {
		FUZZ_REQUIRE(net.n_links <= GUEST_NET_LINKS_MAX);
		guest_net_done(&net);
	}
	(void)net_redirect_find(nl, 1, &redirect);
	(void)net_tap_up(nl, "vrun0", 1500, &index, &err);
	net_links_done(&selected);
	net_links_done(&all);
	netlink_free(nl);
	return 0;
}
