/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlink: requests to rtnetlink(7) in some network namespace, over libmnl.
 *
 * One request at a time. The socket belongs to the namespace that it was opened
 * in, so the caller's own namespace does not matter afterwards.
 */
#ifndef VRUN_RUNTIME_NETLINK_H
#define VRUN_RUNTIME_NETLINK_H

#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

struct netlink;

/* Be in a network namespace for a while; only for a process with one thread. *ret_home is for netns_leave(). */
int netns_enter(int ns_fd, int *ret_home);
/* Consumes `take_home`. A failure leaves the process where it does not belong: give up then. */
int netns_leave(int take_home);

/* A socket in the namespace `ns_fd`, or in our own (-EBADF). */
int netlink_open(int ns_fd, struct netlink **ret);
/* NULL is fine. */
void netlink_free(struct netlink *nl);
static inline void cleanup_netlink(struct netlink **p)
{
	netlink_free(*p);
}
#define _cleanup_netlink_ __attribute__((cleanup(cleanup_netlink)))

/*
 * Begin a request with a zeroed header of `size` bytes; *ret_header (may be NULL) is
 * where it lies. NLM_F_REQUEST is added. Attributes follow by mnl_attr_put*(); there
 * is room for NETLINK_ROOM bytes of them. Valid until the next call.
 */
enum { NETLINK_ROOM = 4000 };
struct nlmsghdr *netlink_begin(struct netlink *nl, uint16_t type, uint16_t flags, size_t size,
			       void *ret_header);

/* Send it and wait for the kernel's verdict: 0 or -errno. */
int netlink_talk(struct netlink *nl, struct nlmsghdr *nlh);
/* The kernel's own words for the last failure, as ": words"; "" when it said nothing. */
const char *netlink_text(const struct netlink *nl);

/* The same, calling `fn` with the answer; its failure is returned. */
typedef int (*netlink_fn)(void *ctx, const struct nlmsghdr *nlh);
int netlink_get(struct netlink *nl, struct nlmsghdr *nlh, netlink_fn fn, void *ctx);
/*
 * For a whole table: `fn` is called for each entry; its first failure is returned.
 * -EINTR: the table changed meanwhile, so the answers may not fit together.
 */
int netlink_dump(struct netlink *nl, struct nlmsghdr *nlh, netlink_fn fn, void *ctx);

/* Attributes after a header of `offset` bytes, or nested ones, by type up to `max`; others are passed over. */
void netlink_attrs(const struct nlmsghdr *nlh, size_t offset, const struct nlattr **tb, size_t max);
void netlink_nested(const struct nlattr *nest, const struct nlattr **tb, size_t max);
/* 0 for an attribute that is absent or too short. */
uint32_t netlink_u32(const struct nlattr *attr);
/* "" for one that is absent or not terminated. */
const char *netlink_str(const struct nlattr *attr);

#endif
