/* SPDX-License-Identifier: Apache-2.0 */
/* netlink: answers that no kernel should give. They come from here: the linker hands libmnl's two calls over (netns.mk). */
#include "tests/unit/test.h"

#include "runtime/netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>

static struct {
	uint8_t bytes[256];
	size_t len;
	unsigned seq;
} answer;

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *sock, const void *buf, size_t len);
ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *sock, void *buf, size_t size);

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *sock, const void *buf, size_t len)
{
	(void)sock;
	answer.seq = ((const struct nlmsghdr *)buf)->nlmsg_seq;
	return (ssize_t)len;
}

/* Once; then the other end is gone. */
ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *sock, void *buf, size_t size)
{
	size_t len = answer.len;

	(void)sock;
	assert_true(len <= size);
	if (len == 0) {
		errno = ECONNRESET;
		return -1;
	}
	((struct nlmsghdr *)answer.bytes)->nlmsg_seq = answer.seq;
	memcpy(buf, answer.bytes, len);
	answer.len = 0;
	return (ssize_t)len;
}

static int count(void *ctx, const struct nlmsghdr *nlh)
{
	(void)nlh;
	++*(unsigned *)ctx;
	return 0;
}

static int dump(unsigned *ret_seen)
{
	struct netlink *nl;
	int r;

	*ret_seen = 0;
	assert_int_equal(netlink_open(-EBADF, &nl), 0);
	r = netlink_dump(nl, netlink_begin(nl, RTM_GETLINK, 0, sizeof(struct ifinfomsg), NULL), count,
			 ret_seen);
	assert_string_equal(netlink_text(nl), "");
	netlink_free(nl);
	return r;
}

static void a_message_longer_than_the_answer_is_not_read(void **state)
{
	static const uint32_t lens[] = { 17, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff0, 15, 0 };
	unsigned seen;

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct nlmsghdr h = { .nlmsg_len = lens[i], .nlmsg_type = RTM_NEWLINK };

		memcpy(answer.bytes, &h, sizeof(h));
		answer.len = sizeof(h);
		assert_int_equal(dump(&seen), -ECONNRESET);
		assert_int_equal(seen, 0);
	}
}

static void a_verdict_about_a_request_that_does_not_fit_in_it_has_no_text(void **state)
{
	static const uint32_t lens[] = { 64, 0x7fffffff, 0x80000000, 0xffffffff, 0 };
	unsigned seen;

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct nlmsghdr h = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct nlmsgerr)),
				      .nlmsg_type = NLMSG_ERROR,
				      .nlmsg_flags = NLM_F_ACK_TLVS };
		struct nlmsgerr e = { .error = -EPERM, .msg = { .nlmsg_len = lens[i] } };

		memcpy(answer.bytes, &h, sizeof(h));
		memcpy(answer.bytes + NLMSG_HDRLEN, &e, sizeof(e));
		answer.len = h.nlmsg_len;
		assert_int_equal(dump(&seen), -EPERM);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_longer_than_the_answer_is_not_read),
		cmocka_unit_test(a_verdict_about_a_request_that_does_not_fit_in_it_has_no_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
