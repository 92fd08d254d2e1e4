/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's network: it sets up what was captured on the host, so both sides are
 * tested against each other. Needs the right to make namespaces.
 */
#include "tests/unit/net_world.h"
#include "tests/unit/test.h"

#include "agent/net.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "runtime/net.h"

#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/socket.h>

static struct net_capture *capture(int ns)
{
	struct net_capture *c = NULL;
	struct err err = ERR_INIT;
	int r = net_capture_open(ns, &c, &err);

	if (r < 0)
		fail_msg("capture: %s", err.text);
	return c;
}

static struct guest_addr eth0_addrs[] = {
	{ .family = AF_INET,
	  .prefix_len = 16,
	  .has_broadcast = true,
	  .addr = { 10, 1, 0, 5 },
	  .broadcast = { 10, 1, 255, 255 } },
	{ .family = AF_INET, .prefix_len = 32, .scope = RT_SCOPE_LINK, .addr = { 192, 0, 2, 9 } },
	{ .family = AF_INET,
	  .prefix_len = 30,
	  .has_peer = true,
	  .addr = { 10, 9, 0, 1 },
	  .peer = { 10, 9, 0, 2 },
	  .flags = IFA_F_NOPREFIXROUTE },
	{ .family = AF_INET6, .prefix_len = 64, .flags = IFA_F_NODAD, .addr = { 0xfd, 0, [15] = 5 } },
	{ .family = AF_INET6,
	  .prefix_len = 64,
	  .scope = RT_SCOPE_LINK,
	  .flags = IFA_F_NODAD,
	  .addr = { 0xfe, 0x80, [15] = 5 } },
};

/* Names that were the other's, and the kernel's. */
static struct guest_link both_links[] = {
	{ .name = "eth1",
	  .mac = { 2, 0, 0, 0, 0, 1 },
	  .mtu = 9000,
	  .up = true,
	  .addrs = eth0_addrs,
	  .n_addrs = ARRAY_SIZE(eth0_addrs) },
	{ .name = "eth0", .mac = { 2, 0, 0, 0, 0, 3 }, .mtu = 1400, .up = true },
	{ .name = "off", .mac = { 2, 0, 0, 0, 0, 5 }, .mtu = 600 },
};

static struct guest_route both_routes[] = {
	{ .family = AF_INET,
	  .dst = { 198, 51, 100 },
	  .dst_len = 24,
	  .protocol = RTPROT_STATIC,
	  .scope = RT_SCOPE_LINK,
	  .type = RTN_UNICAST,
	  .table = RT_TABLE_MAIN,
	  .prefsrc = { 10, 1, 0, 5 },
	  .has_prefsrc = true,
	  .dev = "eth0" },
	{ .family = AF_INET,
	  .dst = { 203, 0, 113 },
	  .dst_len = 24,
	  .protocol = RTPROT_BOOT,
	  .type = RTN_BLACKHOLE,
	  .table = RT_TABLE_MAIN },
	{ .family = AF_INET,
	  .dst = { 172, 16 },
	  .dst_len = 12,
	  .protocol = RTPROT_STATIC,
	  .type = RTN_UNICAST,
	  .table = RT_TABLE_MAIN,
	  .priority = 50,
	  .mtu = 1300,
	  .gateway = { 10, 1, 0, 1 },
	  .has_gateway = true,
	  .dev = "eth1" },
	{ .family = AF_INET,
	  .protocol = RTPROT_STATIC,
	  .type = RTN_UNICAST,
	  .table = 1000,
	  .flags = RTNH_F_ONLINK,
	  .gateway = { 169, 254, 1, 1 },
	  .has_gateway = true,
	  .dev = "eth1" },
	{ .family = AF_INET6,
	  .protocol = RTPROT_STATIC,
	  .type = RTN_UNICAST,
	  .table = RT_TABLE_MAIN,
	  .priority = 1024,
	  .gateway = { 0xfe, 0x80, [15] = 1 },
	  .has_gateway = true,
	  .dev = "eth1" },
};

static struct guest_rule both_rules[] = {
	{ .family = AF_INET,
	  .src = { 10, 1, 0, 5 },
	  .src_len = 32,
	  .action = FR_ACT_TO_TBL,
	  .priority = 100,
	  .table = 1000 },
	{ .family = AF_INET,
	  .action = FR_ACT_TO_TBL,
	  .priority = 200,
	  .table = 254,
	  .fwmark = 5,
	  .fwmask = 0xff,
	  .iif = "eth1",
	  .oif = "eth0" },
	{ .family = AF_INET6, .dst = { 0xfd, 1 }, .dst_len = 16, .action = FR_ACT_PROHIBIT, .priority = 300 },
};

static struct guest_neigh both_neighs[] = {
	{ .family = AF_INET,
	  .addr = { 10, 1, 0, 1 },
	  .mac = { 2, 9, 9, 9, 9, 1 },
	  .state = NUD_PERMANENT,
	  .dev = "eth1" },
	{ .family = AF_INET6,
	  .addr = { 0xfe, 0x80, [15] = 1 },
	  .mac = { 2, 9, 9, 9, 9, 1 },
	  .state = NUD_PERMANENT,
	  .flags = NTF_ROUTER,
	  .dev = "eth1" },
};

static struct guest_net both = {
	.links = both_links,
	.n_links = ARRAY_SIZE(both_links),
	.routes = both_routes,
	.n_routes = ARRAY_SIZE(both_routes),
	.rules = both_rules,
	.n_rules = ARRAY_SIZE(both_rules),
	.neighs = both_neighs,
	.n_neighs = ARRAY_SIZE(both_neighs),
};

/* As in the guest: in a namespace of its own, where the devices appear. */
static void apply(int guest, const struct guest_net *net, int container)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), r;
	struct err err = ERR_INIT;

	assert_int_equal(setns(guest, CLONE_NEWNET), 0);
	r = net_apply(net, container, &err);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	close(home);
	if (r < 0)
		fail_msg("apply: %s", err.text);
}

static bool has_address(const struct guest_link *link, const struct guest_addr *a)
{
	for (size_t i = 0; i < link->n_addrs; i++)
		if (!memcmp(&link->addrs[i], a, sizeof(*a)))
			return true;
	return false;
}

static const struct guest_link *find_link(const struct guest_net *net, const char *name)
{
	for (size_t i = 0; i < net->n_links; i++)
		if (!strcmp(net->links[i].name, name))
			return &net->links[i];
	fail_msg("no interface %s", name);
	return NULL;
}

static void assert_same(const struct guest_net *got, const struct guest_net *want)
{
	assert_int_equal(got->n_links, want->n_links);
	for (size_t i = 0; i < want->n_links; i++) {
		const struct guest_link *a = find_link(got, want->links[i].name), *b = &want->links[i];

		assert_memory_equal(a->mac, b->mac, 6);
		assert_int_equal(a->mtu, b->mtu);
		assert_int_equal(a->up, b->up);
		assert_int_equal(a->n_addrs, b->n_addrs);
		for (size_t k = 0; k < b->n_addrs; k++)
			assert_true(has_address(a, &b->addrs[k]));
	}
	assert_int_equal(got->n_routes, want->n_routes);
	for (size_t i = 0; i < want->n_routes; i++) {
		bool found = false;

		for (size_t k = 0; k < got->n_routes; k++)
			found |= !memcmp(&got->routes[k], &want->routes[i], sizeof(want->routes[i]));
		if (!found)
			fail_msg("route %zu is not there", i);
	}
	assert_int_equal(got->n_rules, want->n_rules);
	for (size_t i = 0; i < want->n_rules; i++)
		assert_memory_equal(&got->rules[i], &want->rules[i], sizeof(want->rules[i]));
	assert_int_equal(got->n_neighs, want->n_neighs);
	for (size_t i = 0; i < want->n_neighs; i++)
		assert_memory_equal(&got->neighs[i], &want->neighs[i], sizeof(want->neighs[i]));
}

static int make_guest(int peer)
{
	int guest = world_ns();

	world_add_veth(guest, "eth0", 1, peer, "p0", 2);
	world_add_veth(guest, "eth1", 3, peer, "p1", 4);
	world_add_veth(guest, "eth2", 5, peer, "p2", 6);
	world_up(peer, "p0", 9000);
	world_up(peer, "p1", 9000);
	return guest;
}

static void what_the_agent_sets_up_is_what_was_captured(void **state)
{
	int peer = world_ns(), container = world_ns(), guest = make_guest(peer);
	struct net_capture *c;

	(void)state;
	apply(guest, &both, container);
	assert_int_equal(world_count_links(guest), 1);
	c = capture(container);
	assert_same(net_capture_config(c), &both);
	net_capture_free(c);
	close(guest);
	close(container);
	close(peer);
}

static void a_container_in_the_guests_own_namespace_gets_it_too(void **state)
{
	int peer = world_ns(), guest = make_guest(peer);
	struct net_capture *c;

	(void)state;
	apply(guest, &both, -EBADF);
	c = capture(guest);
	assert_same(net_capture_config(c), &both);
	net_capture_free(c);
	close(guest);
	close(peer);
}

static void the_agent_names_what_it_cant_do(void **state)
{
	struct guest_link link = { .name = "eth0", .mac = { 2, 0, 0, 0, 0, 1 }, .mtu = 1500, .up = true };
	struct guest_route route = {
		.family = AF_INET,
		.type = RTN_UNICAST,
		.table = RT_TABLE_MAIN,
		.gateway = { 10, 0, 0, 1 },
		.has_gateway = true,
		.dev = "eth0",
	};
	struct guest_net net = { .links = &link, .n_links = 1, .routes = &route, .n_routes = 1 };
	int peer = world_ns(), guest = make_guest(peer), home, r;
	struct err err = ERR_INIT;

	(void)state;
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_int_equal(setns(guest, CLONE_NEWNET), 0);
	r = net_apply(&net, -EBADF, &err);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	close(home);
	assert_int_equal(r, -ENETUNREACH);
	assert_string_equal(err.text, "network: adding route 0.0.0.0/0 by eth0: Network is unreachable");
	close(guest);
	close(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_agent_sets_up_is_what_was_captured),
		cmocka_unit_test(a_container_in_the_guests_own_namespace_gets_it_too),
		cmocka_unit_test(the_agent_names_what_it_cant_do),
	};

	if (!world_is_possible())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
