/* SPDX-License-Identifier: Apache-2.0 */
/* rtnl: see rtnl.h. */
#include "agent/rtnl.h"

#include "base/cleanup.h"

#include <string.h>
#include <sys/socket.h>

enum { ANSWER_MAX = 32 << 10 };

int rtnl_open(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 ? -errno : fd;
}

/* Room for `len` more bytes, zeroed with their padding; NULL when there is none, for good. */
static void *extend(struct rtnl_msg *msg, size_t len)
{
	size_t at = msg->len;

	if (len > RTNL_MSG_MAX || at + NLMSG_ALIGN(len) > RTNL_MSG_MAX) {
		msg->len = RTNL_MSG_MAX + 1;
		return NULL;
	}
	msg->len += NLMSG_ALIGN(len);
	return memset((char *)msg->words + at, 0, NLMSG_ALIGN(len));
}

void rtnl_begin(struct rtnl_msg *msg, uint16_t type, uint16_t flags, const void *header, size_t len)
{
	void *p;

	msg->len = 0;
	(void)extend(msg, NLMSG_HDRLEN);
	msg->header.nlmsg_type = type;
	msg->header.nlmsg_flags = NLM_F_REQUEST | flags;
	p = extend(msg, len);
	if (p)
		memcpy(p, header, len);
}

void rtnl_put(struct rtnl_msg *msg, uint16_t type, const void *data, size_t len)
{
	struct rtattr *attr = extend(msg, RTA_LENGTH(len));

	if (!attr)
		return;
	attr->rta_type = type;
	attr->rta_len = (unsigned short)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(attr), data, len);
}

void rtnl_put_u32(struct rtnl_msg *msg, uint16_t type, uint32_t value)
{
	rtnl_put(msg, type, &value, sizeof(value));
}

size_t rtnl_begin_nest(struct rtnl_msg *msg, uint16_t type)
{
	size_t place = msg->len;

	rtnl_put(msg, type | NLA_F_NESTED, NULL, 0);
	return place;
}

void rtnl_end_nest(struct rtnl_msg *msg, size_t place)
{
	if (msg->len <= RTNL_MSG_MAX)
		((struct rtattr *)((char *)msg->words + place))->rta_len = (unsigned short)(msg->len - place);
}

static ssize_t receive(int sock, void *buf, size_t size)
{
	ssize_t n;

	do
		n = recv(sock, buf, size, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int send_msg(int sock, struct rtnl_msg *msg)
{
	if (msg->len > RTNL_MSG_MAX)
		return -EMSGSIZE;
	msg->header.nlmsg_len = (uint32_t)msg->len;
	return send(sock, msg->words, msg->len, 0) < 0 ? -errno : 0;
}

int rtnl_talk(int sock, struct rtnl_msg *msg)
{
	union {
		struct nlmsghdr header;
		uint32_t words[ANSWER_MAX / 4];
	} answer;
	const struct nlmsgerr *verdict = NLMSG_DATA(&answer.header);
	ssize_t n;
	int r;

	msg->header.nlmsg_flags |= NLM_F_ACK;
	r = send_msg(sock, msg);
	if (r < 0)
		return r;
	n = receive(sock, &answer, sizeof(answer));
	if (n < 0)
		return (int)n;
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(*verdict)) || answer.header.nlmsg_type != NLMSG_ERROR)
		return -EBADMSG;
	return verdict->error;
}

int rtnl_link_flags(int sock, int index, unsigned *ret)
{
	const struct ifinfomsg wanted = { .ifi_index = index };
	const struct ifinfomsg *link;
	union {
		struct nlmsghdr header;
		uint32_t words[ANSWER_MAX / 4];
	} answer;
	struct rtnl_msg msg;
	ssize_t n;
	int r;

	rtnl_begin(&msg, RTM_GETLINK, 0, &wanted, sizeof(wanted));
	r = send_msg(sock, &msg);
	if (r < 0)
		return r;
	n = receive(sock, &answer, sizeof(answer));
	if (n < 0)
		return (int)n;
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(*link)) || answer.header.nlmsg_type != RTM_NEWLINK)
		return -EBADMSG;
	link = NLMSG_DATA(&answer.header);
	*ret = link->ifi_flags;
	return 0;
}

static int on_link(const struct nlmsghdr *h, rtnl_link_fn fn, void *ctx)
{
	const struct ifinfomsg *link = NLMSG_DATA(h);
	size_t left = h->nlmsg_len - NLMSG_LENGTH(sizeof(*link));
	const uint8_t *mac = NULL;
	const char *name = "";

	if (h->nlmsg_type != RTM_NEWLINK)
		return 0;
	for (const struct rtattr *a = IFLA_RTA(link); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFLA_IFNAME)
			name = RTA_DATA(a);
		else if (a->rta_type == IFLA_ADDRESS && RTA_PAYLOAD(a) == 6)
			mac = RTA_DATA(a);
	}
	return fn(ctx, link, name, mac);
}

int rtnl_each_link(int sock, rtnl_link_fn fn, void *ctx)
{
	union {
		struct nlmsghdr header;
		uint32_t words[ANSWER_MAX / 4];
	} answer;
	const struct ifinfomsg any = { .ifi_family = AF_UNSPEC };
	struct rtnl_msg msg;
	int r;

	rtnl_begin(&msg, RTM_GETLINK, NLM_F_DUMP, &any, sizeof(any));
	r = send_msg(sock, &msg);
	if (r < 0)
		return r;
	for (;;) {
		ssize_t n = receive(sock, &answer, sizeof(answer));
		const struct nlmsghdr *h = &answer.header;

		if (n < 0)
			return (int)n;
		for (; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_type == NLMSG_DONE)
				return r;
			if (h->nlmsg_type == NLMSG_ERROR)
				return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
			/* The rest is read all the same: the socket has other questions to answer. */
			if (r == 0)
				r = on_link(h, fn, ctx);
		}
	}
}
