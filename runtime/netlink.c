/* SPDX-License-Identifier: Apache-2.0 */
/* netlink: see netlink.h. */
#include "runtime/netlink.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

/* An answer to a dump is at most as large as the buffer it is read with, from 32 KiB on. */
enum { ANSWER_MAX = 64 << 10, REQUEST_MAX = NETLINK_ROOM + 256 };

struct netlink {
	struct mnl_socket *sock;
	unsigned seq;
	char text[256];
	/* Of integers: messages are aligned to 4 bytes. */
	uint32_t request[REQUEST_MAX / 4];
	uint32_t answer[ANSWER_MAX / 4];
};

int netns_enter(int ns_fd, int *ret_home)
{
	_cleanup_close_ int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (home < 0 || setns(ns_fd, CLONE_NEWNET) < 0)
		return -errno;
	*ret_home = TAKE_FD(home);
	return 0;
}

int netns_leave(int take_home)
{
	int r = setns(take_home, CLONE_NEWNET) < 0 ? -errno : 0;

	close_fd(take_home);
	return r;
}

static int open_socket(int ns_fd, struct mnl_socket **ret)
{
	int home, r, back;

	if (ns_fd < 0) {
		*ret = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
		return *ret ? 0 : -errno;
	}
	r = netns_enter(ns_fd, &home);
	if (r < 0)
		return r;
	*ret = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	r = *ret ? 0 : -errno;
	back = netns_leave(home);
	return r < 0 ? r : back;
}

int netlink_open(int ns_fd, struct netlink **ret)
{
	_cleanup_netlink_ struct netlink *nl = calloc(1, sizeof(*nl));
	int on = 1, r;

	if (!nl)
		return -ENOMEM;
	r = open_socket(ns_fd, &nl->sock);
	if (r < 0)
		return r;
	if (mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	/* Only for better messages. */
	(void)mnl_socket_setsockopt(nl->sock, NETLINK_EXT_ACK, &on, sizeof(on));
	*ret = TAKE_PTR(nl);
	return 0;
}

void netlink_free(struct netlink *nl)
{
	if (nl && nl->sock)
		mnl_socket_close(nl->sock);
	free(nl);
}

struct nlmsghdr *netlink_begin(struct netlink *nl, uint16_t type, uint16_t flags, size_t size,
			       void *ret_header)
{
	struct nlmsghdr *nlh;

	memset(nl->request, 0, sizeof(nl->request));
	nlh = mnl_nlmsg_put_header(nl->request);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	if (ret_header)
		*(void **)ret_header = mnl_nlmsg_put_extra_header(nlh, size);
	else
		mnl_nlmsg_put_extra_header(nlh, size);
	return nlh;
}

enum { ERRNO_MAX = 4095 }; /* the kernel's MAX_ERRNO */

/* netlink(7), NLMSG_ERROR, and "Extended ACK": the request's header comes back, whole unless capped. */
static int read_verdict(struct netlink *nl, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[NLMSGERR_ATTR_MAX + 1] = { NULL };
	size_t offset = sizeof(*e);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*e) || e->error > 0 || e->error < -ERRNO_MAX)
		return -EBADMSG;
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS) || e->error == 0)
		return e->error;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		offset += MNL_ALIGN(e->msg.nlmsg_len) - sizeof(e->msg);
	netlink_attrs(nlh, offset, tb, NLMSGERR_ATTR_MAX);
	if (*netlink_str(tb[NLMSGERR_ATTR_MSG]))
		snprintf(nl->text, sizeof(nl->text), ": %s", netlink_str(tb[NLMSGERR_ATTR_MSG]));
	return e->error;
}

static int send_request(struct netlink *nl, struct nlmsghdr *nlh)
{
	nl->text[0] = '\0';
	nlh->nlmsg_seq = ++nl->seq;
	return mnl_socket_sendto(nl->sock, nlh, nlh->nlmsg_len) < 0 ? -errno : 0;
}

/* As mnl_nlmsg_ok(), which takes a length with the highest bit set for a negative one, and so for one that fits. */
static bool is_whole(const struct nlmsghdr *nlh, int left)
{
	return left >= (int)sizeof(*nlh) && nlh->nlmsg_len >= sizeof(*nlh) &&
	       nlh->nlmsg_len <= (unsigned)left;
}

/* The answers to one request, up to its end. */
static int receive(struct netlink *nl, netlink_fn fn, void *ctx)
{
	bool torn = false;
	int r = 0;

	for (;;) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)nl->answer;
		ssize_t n = mnl_socket_recvfrom(nl->sock, nl->answer, sizeof(nl->answer));
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		for (; is_whole(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			if (nlh->nlmsg_seq != nl->seq)
				continue;
			torn |= nlh->nlmsg_flags & NLM_F_DUMP_INTR;
			if (nlh->nlmsg_type == NLMSG_ERROR)
				return read_verdict(nl, nlh);
			if (nlh->nlmsg_type == NLMSG_DONE)
				return r == 0 && torn ? -EINTR : r;
			if (r == 0 && fn && nlh->nlmsg_type >= NLMSG_MIN_TYPE)
				r = fn(ctx, nlh);
		}
	}
}

static int ask(struct netlink *nl, struct nlmsghdr *nlh, uint16_t flags, netlink_fn fn, void *ctx)
{
	int r;

	nlh->nlmsg_flags |= flags;
	r = send_request(nl, nlh);
	return r < 0 ? r : receive(nl, fn, ctx);
}

int netlink_talk(struct netlink *nl, struct nlmsghdr *nlh)
{
	return ask(nl, nlh, NLM_F_ACK, NULL, NULL);
}

const char *netlink_text(const struct netlink *nl)
{
	return nl->text;
}

int netlink_get(struct netlink *nl, struct nlmsghdr *nlh, netlink_fn fn, void *ctx)
{
	return ask(nl, nlh, NLM_F_ACK, fn, ctx);
}

int netlink_dump(struct netlink *nl, struct nlmsghdr *nlh, netlink_fn fn, void *ctx)
{
	return ask(nl, nlh, NLM_F_DUMP, fn, ctx);
}

void netlink_attrs(const struct nlmsghdr *nlh, size_t offset, const struct nlattr **tb, size_t max)
{
	const struct nlattr *attr;

	/* libmnl begins at the offset, whatever is there. */
	if (offset > mnl_nlmsg_get_payload_len(nlh))
		return;
	mnl_attr_for_each(attr, nlh, offset)
	{
		if (mnl_attr_get_type(attr) <= max)
			tb[mnl_attr_get_type(attr)] = attr;
	}
}

void netlink_nested(const struct nlattr *nest, const struct nlattr **tb, size_t max)
{
	const struct nlattr *attr;

	if (!nest)
		return;
	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) <= max)
			tb[mnl_attr_get_type(attr)] = attr;
	}
}

uint32_t netlink_u32(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) >= sizeof(uint32_t) ? mnl_attr_get_u32(attr) : 0;
}

const char *netlink_str(const struct nlattr *attr)
{
	return attr && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 ? mnl_attr_get_str(attr) : "";
}
