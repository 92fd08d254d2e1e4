/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest_net: a network namespace's configuration, as captured on the host and
 * repeated in the guest; part of the agent's CREATE message (JSON member "network").
 *
 * Links are known by name; in the guest the agent finds each by its MAC address
 * and renames it. Addresses are in network order; a family is AF_INET or
 * AF_INET6, and 4 or 16 bytes count. Numbers are those of rtnetlink(7).
 */
#ifndef VRUN_OCI_GUEST_NET_H
#define VRUN_OCI_GUEST_NET_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct json;
struct json_out;

enum { GUEST_NET_LINKS_MAX = 16, GUEST_NET_ENTRIES_MAX = 1024 };

struct guest_addr {
	uint8_t family;
	uint8_t prefix_len;
	uint8_t scope;
	bool has_broadcast, has_peer;
	uint8_t addr[16], broadcast[16], peer[16];
	uint32_t flags; /* IFA_F_PERMANENT, IFA_F_NODAD, … without the states that the kernel sets */
};

struct guest_link {
	char name[IFNAMSIZ];
	uint8_t mac[6];
	uint32_t mtu;
	bool up;
	struct guest_addr *addrs;
	size_t n_addrs;
};

struct guest_route {
	uint8_t family, dst_len, src_len, tos, protocol, scope, type;
	uint32_t flags; /* RTNH_F_ONLINK */
	uint32_t table, priority, mtu; /* priority 0, mtu 0: none */
	uint8_t dst[16], src[16], gateway[16], prefsrc[16];
	bool has_gateway, has_prefsrc;
	char dev[IFNAMSIZ]; /* "": none (blackhole, unreachable) */
};

struct guest_rule {
	uint8_t family, dst_len, src_len, tos, action;
	uint32_t priority, table, fwmark, fwmask;
	uint8_t dst[16], src[16];
	char iif[IFNAMSIZ], oif[IFNAMSIZ];
};

struct guest_neigh {
	uint8_t family;
	uint16_t state; /* NUD_PERMANENT, NUD_NOARP: only what was set by hand is carried over */
	uint8_t flags;
	uint8_t addr[16], mac[6];
	char dev[IFNAMSIZ];
};

struct guest_net {
	struct guest_link *links; /* without lo */
	size_t n_links;
	struct guest_route *routes; /* in an order in which they can be added */
	size_t n_routes;
	struct guest_rule *rules;
	size_t n_rules;
	struct guest_neigh *neighs;
	size_t n_neighs;
	char *resolv_conf; /* for a container that has no mount at /etc/resolv.conf; NULL: none */
};

void guest_net_done(struct guest_net *net);

/* The link-local address that the kernel makes: fe80:: and the EUI-64 of a MAC address (RFC 4862 §5.3, RFC 4291 appendix A). */
void guest_net_link_local(const uint8_t mac[static 6], uint8_t ret[static 16]);

/* As a JSON value, and back; errors name the path. */
void guest_net_write(const struct guest_net *net, struct json_out *out);
int guest_net_read(const struct json *node, struct guest_net *ret, struct err *err);

#endif
