/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnl: requests to rtnetlink(7) in the caller's network namespace, as much of it
 * as the agent needs. One request at a time, each waits for the kernel's answer.
 */
#ifndef VRUN_AGENT_RTNL_H
#define VRUN_AGENT_RTNL_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

enum { RTNL_MSG_MAX = 1024 };

/* A request under construction. What does not fit makes rtnl_talk() fail. */
struct rtnl_msg {
	union {
		struct nlmsghdr header;
		uint32_t words[RTNL_MSG_MAX / 4];
	};
	size_t len;
};

/* A socket in the namespace that the caller is in now, or -errno. */
int rtnl_open(void);

/* `header` is the fixed part that the type asks for. */
void rtnl_begin(struct rtnl_msg *msg, uint16_t type, uint16_t flags, const void *header, size_t len);
void rtnl_put(struct rtnl_msg *msg, uint16_t type, const void *data, size_t len);
void rtnl_put_u32(struct rtnl_msg *msg, uint16_t type, uint32_t value);
/* A nested attribute: what is put up to rtnl_end_nest() is in it. Returns its place. */
size_t rtnl_begin_nest(struct rtnl_msg *msg, uint16_t type);
void rtnl_end_nest(struct rtnl_msg *msg, size_t place);

/* Send it and wait for the verdict: 0 or -errno. */
int rtnl_talk(int sock, struct rtnl_msg *msg);

/* IFF_* of one link: netdevice(7). */
int rtnl_link_flags(int sock, int index, unsigned *ret);

/* Call `fn` for each link; a result other than 0 ends it and is returned. `mac`: NULL when it is not one of 6 bytes. */
typedef int (*rtnl_link_fn)(void *ctx, const struct ifinfomsg *link, const char *name, const uint8_t *mac);
int rtnl_each_link(int sock, rtnl_link_fn fn, void *ctx);

#endif
