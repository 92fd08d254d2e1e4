/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_world: network namespaces with interfaces for tests, made by rtnetlink
 * alone. Everything fails the test that it is called from.
 */
#ifndef VRUN_TESTS_UNIT_NET_WORLD_H
#define VRUN_TESTS_UNIT_NET_WORLD_H

#include <stdbool.h>
#include <stdint.h>

struct nlattr;
struct nlmsghdr;

/* False where no namespaces can be made: skip the test. */
bool world_is_possible(void);

/* A new namespace with lo alone, up. It goes with its descriptor. */
int world_ns(void);

/* An interface of a kind with a MAC address (last byte `mac`), down. */
void world_add(int ns, const char *kind, const char *name, uint8_t mac);
/* A pair: `name` in `ns`, `peer` in `peer_ns`. */
void world_add_veth(int ns, const char *name, uint8_t mac, int peer_ns, const char *peer, uint8_t peer_mac);
void world_add_macvlan(int ns, const char *name, uint8_t mac, int lower_ns, const char *lower);
/* A tap or a tun device; the descriptor holds it. */
int world_add_tun(int ns, const char *name, bool tap);
void world_set_mac(int ns, const char *name, uint8_t mac);
void world_set_master(int ns, const char *name, const char *master);
/* 0: as it is. */
void world_up(int ns, const char *name, uint32_t mtu);
void world_remove(int ns, const char *name);
int world_index(int ns, const char *name);
/* "10.0.0.1/24", "fd00::1/64" */
void world_add_address(int ns, const char *name, const char *address);
/* "10.0.0.0/8"; `gateway` and `name` may be NULL. Returns -errno. */
int world_add_route(int ns, const char *to, const char *gateway, const char *name);
/* A qdisc of that kind at the interface's ingress: ingress or clsact. */
void world_add_qdisc(int ns, const char *name, const char *kind);
unsigned world_count_qdiscs(int ns); /* at ingress */
unsigned world_count_links(int ns); /* lo too */

#endif
