/* SPDX-License-Identifier: Apache-2.0 */
/* guest_net: a network arrives in the guest as it was captured; what makes no sense is refused. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "oci/agent_proto.h"
#include "oci/guest_net.h"
#include "oci/spec.h"

#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

static int read_text(const char *text, struct guest_net *ret, struct err *err)
{
	_cleanup_json_doc_ struct json_doc *doc = NULL;

	assert_int_equal(json_parse(text, strlen(text), "network", &doc, err), 0);
	return guest_net_read(json_root(doc), ret, err);
}

static char *write_text(const struct guest_net *net)
{
	struct json_out *out;
	char *text;
	size_t len;

	assert_int_equal(json_out_new(false, &out), 0);
	guest_net_write(net, out);
	assert_int_equal(json_out_finish(out, &text, &len), 0);
	json_out_free(out);
	return text;
}

static struct guest_addr addresses[] = {
	{
		.family = AF_INET,
		.prefix_len = 16,
		.has_broadcast = true,
		.addr = { 10, 88, 0, 5 },
		.broadcast = { 10, 88, 255, 255 },
	},
	{
		.family = AF_INET,
		.prefix_len = 32,
		.scope = RT_SCOPE_HOST,
		.has_peer = true,
		.addr = { 192, 0, 2, 1 },
		/* all zeros, and there all the same */
		.peer = { 0 },
	},
	{
		.family = AF_INET6,
		.prefix_len = 64,
		.scope = RT_SCOPE_LINK,
		.flags = IFA_F_NODAD | IFA_F_NOPREFIXROUTE,
		.addr = { 0xfe, 0x80, [15] = 7 },
	},
};

static struct guest_link links[] = {
	{
		.name = "eth0",
		.mac = { 0x02, 0, 0x0a, 0x58, 0xff, 7 },
		.mtu = 9000,
		.up = true,
		.addrs = addresses,
		.n_addrs = ARRAY_SIZE(addresses),
	},
	{ .name = "a-name-15-chars", .mac = { 0x02, 0, 0, 0, 0, 1 }, .mtu = 68 },
};

static struct guest_route routes[] = {
	{
		.family = AF_INET,
		.dst_len = 24,
		.protocol = RTPROT_STATIC,
		.scope = RT_SCOPE_LINK,
		.type = RTN_UNICAST,
		.table = 1000,
		.dst = { 198, 51, 100 },
		.prefsrc = { 10, 88, 0, 5 },
		.has_prefsrc = true,
		.dev = "eth0",
	},
	{
		.family = AF_INET,
		.tos = 4,
		.type = RTN_UNICAST,
		.flags = RTNH_F_ONLINK,
		.table = RT_TABLE_MAIN,
		.priority = UINT32_MAX,
		.mtu = 1400,
		.gateway = { 10, 88, 0, 1 },
		.has_gateway = true,
		.dev = "eth0",
	},
	{
		.family = AF_INET6,
		.type = RTN_BLACKHOLE,
		.dst_len = 128,
		.src_len = 127,
		.dst = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 },
		.src = { 0x20, 0x01, 0x0d, 0xb8, [15] = 2 },
		.table = RT_TABLE_MAIN,
	},
};

static struct guest_rule rules[] = {
	{
		.family = AF_INET,
		.dst_len = 8,
		.src_len = 32,
		.tos = 8,
		.action = FR_ACT_TO_TBL,
		.priority = 100,
		.table = 1000,
		.fwmark = 1,
		.fwmask = 0xff,
		.dst = { 127 },
		.src = { 10, 88, 0, 5 },
		.iif = "eth0",
		.oif = "lo",
	},
	{ .family = AF_INET6, .action = FR_ACT_PROHIBIT, .priority = 5 },
};

static struct guest_neigh neighs[] = {
	{
		.family = AF_INET6,
		.state = NUD_PERMANENT,
		.flags = NTF_ROUTER,
		.addr = { 0xfe, 0x80, [15] = 1 },
		.mac = { 2, 3, 4, 5, 6, 7 },
		.dev = "eth0",
	},
};

static char resolv_conf[] = "search example\nnameserver 10.0.2.3\n";

static struct guest_net whole = {
	.links = links,
	.n_links = ARRAY_SIZE(links),
	.routes = routes,
	.n_routes = ARRAY_SIZE(routes),
	.rules = rules,
	.n_rules = ARRAY_SIZE(rules),
	.neighs = neighs,
	.n_neighs = ARRAY_SIZE(neighs),
	.resolv_conf = resolv_conf,
};

static void assert_whole(const struct guest_net *got)
{
	assert_int_equal(got->n_links, ARRAY_SIZE(links));
	for (size_t i = 0; i < got->n_links; i++) {
		assert_string_equal(got->links[i].name, links[i].name);
		assert_memory_equal(got->links[i].mac, links[i].mac, 6);
		assert_int_equal(got->links[i].mtu, links[i].mtu);
		assert_int_equal(got->links[i].up, links[i].up);
		assert_int_equal(got->links[i].n_addrs, links[i].n_addrs);
	}
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
		assert_memory_equal(&got->links[0].addrs[i], &addresses[i], sizeof(addresses[i]));
	assert_int_equal(got->n_routes, ARRAY_SIZE(routes));
	for (size_t i = 0; i < got->n_routes; i++)
		assert_memory_equal(&got->routes[i], &routes[i], sizeof(routes[i]));
	assert_int_equal(got->n_rules, ARRAY_SIZE(rules));
	for (size_t i = 0; i < got->n_rules; i++)
		assert_memory_equal(&got->rules[i], &rules[i], sizeof(rules[i]));
	assert_int_equal(got->n_neighs, ARRAY_SIZE(neighs));
	assert_memory_equal(got->neighs, neighs, sizeof(neighs));
	assert_string_equal(got->resolv_conf, resolv_conf);
}

static void a_network_arrives_as_captured(void **state)
{
	_cleanup_free_ char *text = write_text(&whole);
	struct guest_net got = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(read_text(text, &got, &err), 0);
	assert_whole(&got);
	guest_net_done(&got);
	assert_null(got.links);
	guest_net_done(&got);
	guest_net_done(NULL);
}

static void an_empty_network_is_empty(void **state)
{
	_cleanup_free_ char *text = write_text(&(struct guest_net){ 0 });
	struct guest_net got = { .n_links = 5 };
	struct err err = ERR_INIT;

	(void)state;
	assert_string_equal(text, "{}");
	assert_int_equal(read_text(text, &got, &err), 0);
	assert_int_equal(got.n_links, 0);
	guest_net_done(&got);
}

static void create_carries_the_network(void **state)
{
	static const char config[] = "{\"ociVersion\":\"1.2.0\"}";
	struct agent_create sent = { .network = &whole }, got = { 0 };
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;
	size_t len;

	(void)state;
	assert_int_equal(oci_spec_parse(config, strlen(config), "config.json", &sent.config, &err), 0);
	assert_int_equal(agent_create_write(&sent, &text, &len), 0);
	assert_int_equal(agent_create_parse(text, len, &got, &err), 0);
	assert_non_null(got.network);
	assert_whole(got.network);
	agent_create_done(&got);
	assert_null(got.network);

	free(TAKE_PTR(text));
	sent.network = NULL;
	assert_int_equal(agent_create_write(&sent, &text, &len), 0);
	assert_null(strstr(text, "network"));
	assert_int_equal(agent_create_parse(text, len, &got, &err), 0);
	assert_null(got.network);
	agent_create_done(&got);
	oci_spec_free(sent.config);
}

static void create_names_the_path_of_a_bad_network(void **state)
{
	static const char text[] =
		"{\"config\":{\"ociVersion\":\"1.2.0\"},\"network\":{\"routes\":[{\"family\":3}]}}";
	struct agent_create got = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(agent_create_parse(text, strlen(text), &got, &err), -EINVAL);
	assert_string_equal(err.text, "network.routes[0].family: must be 2 or 10, not 3");
	assert_null(got.network);
}

static void malformed_networks_are_refused(void **state)
{
#define LINK "{\"name\":\"eth0\",\"mac\":\"02:00:00:00:00:01\""
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "[]", "network: must be an object, not an array" },
		{ "{\"links\":{}}", "links: must be an array, not an object" },
		{ "{\"links\":[{\"mac\":\"02:00:00:00:00:01\"}]}", "links[0].name: is required" },
		{ "{\"links\":[{\"name\":\"eth0\"}]}", "links[0].mac: is required" },
		{ "{\"links\":[{\"name\":\"\"}]}", "links[0].name: \"\" can't name a network interface" },
		{ "{\"links\":[{\"name\":\"..\"}]}", "links[0].name: \"..\" can't name a network interface" },
		{ "{\"links\":[{\"name\":\"a/b\"}]}",
		  "links[0].name: \"a/b\" can't name a network interface" },
		{ "{\"links\":[{\"name\":\"a b\"}]}",
		  "links[0].name: \"a b\" can't name a network interface" },
		{ "{\"links\":[{\"name\":\"sixteen-chars-16\"}]}",
		  "links[0].name: \"sixteen-chars-16\" can't name a network interface" },
		{ "{\"links\":[{\"name\":\"lo\",\"mac\":\"02:00:00:00:00:01\"}]}",
		  "links[0].name: every guest has its own lo" },
		{ "{\"links\":[{\"name\":\"eth0\",\"mac\":\"02:00:00:00:00\"}]}",
		  "links[0].mac: \"02:00:00:00:00\" is not a MAC address" },
		{ "{\"links\":[{\"name\":\"eth0\",\"mac\":\" 2:00:00:00:00:01\"}]}",
		  "links[0].mac: \" 2:00:00:00:00:01\" is not a MAC address" },
		{ "{\"links\":[{\"name\":\"eth0\",\"mac\":\"02:00:00:00:00:0g\"}]}",
		  "links[0].mac: \"02:00:00:00:00:0g\" is not a MAC address" },
		{ "{\"links\":[{\"name\":\"eth0\",\"mac\":\"02:00:00:00:00:011\"}]}",
		  "links[0].mac: \"02:00:00:00:00:011\" is not a MAC address" },
		{ "{\"links\":[{\"name\":\"eth0\",\"mac\":\"01:00:5e:00:00:01\"}]}",
		  "links[0].mac: is no address of one interface" },
		{ "{\"links\":[{\"name\":\"eth0\",\"mac\":\"00:00:00:00:00:00\"}]}",
		  "links[0].mac: is no address of one interface" },
		{ "{\"links\":[" LINK "}," LINK "}]}", "links[1].name: eth0 is there twice" },
		{ "{\"links\":[" LINK "},{\"name\":\"eth1\",\"mac\":\"02:00:00:00:00:01\"}]}",
		  "links[1].mac: is that of eth0 too" },
		{ "{\"links\":[" LINK ",\"mtu\":4294967296}]}",
		  "links[0].mtu: must be an integer from 0 to 4294967295, not 4294967296" },
		{ "{\"links\":[" LINK ",\"addresses\":[{\"address\":\"10.0.0.1\"}]}]}",
		  "links[0].addresses[0].family: is required" },
		{ "{\"links\":[" LINK ",\"addresses\":[{\"family\":2}]}]}",
		  "links[0].addresses[0].address: is required" },
		{ "{\"links\":[" LINK ",\"addresses\":[{\"family\":258,\"address\":\"10.0.0.1\"}]}]}",
		  "links[0].addresses[0].family: must be an integer from 0 to 255, not 258" },
		{ "{\"links\":[" LINK ",\"addresses\":[{\"family\":2,\"address\":\"::1\"}]}]}",
		  "links[0].addresses[0].address: \"::1\" is not an IPv4 address" },
		{ "{\"links\":[" LINK ",\"addresses\":[{\"family\":10,\"address\":\"10.0.0.1\"}]}]}",
		  "links[0].addresses[0].address: \"10.0.0.1\" is not an IPv6 address" },
		{ "{\"links\":[" LINK
		  ",\"addresses\":[{\"family\":2,\"address\":\"10.0.0.1\",\"prefixLen\":33}]}]}",
		  "links[0].addresses[0].prefixLen: must be at most 32, not 33" },
		{ "{\"links\":[" LINK
		  ",\"addresses\":[{\"family\":10,\"address\":\"::1\",\"prefixLen\":129}]}]}",
		  "links[0].addresses[0].prefixLen: must be at most 128, not 129" },
		{ "{\"routes\":[{\"family\":2}]}", "routes[0].type: is required" },
		{ "{\"routes\":[{\"family\":2,\"type\":1,\"dstLen\":33}]}",
		  "routes[0].dstLen: must be at most 32, not 33" },
		{ "{\"routes\":[{\"family\":2,\"type\":1,\"srcLen\":64}]}",
		  "routes[0].srcLen: must be at most 32, not 64" },
		{ "{\"routes\":[{\"family\":2,\"type\":1,\"gateway\":\"1.2.3\"}]}",
		  "routes[0].gateway: \"1.2.3\" is not an IPv4 address" },
		{ "{\"routes\":[{\"family\":2,\"type\":1,\"dev\":\"\"}]}",
		  "routes[0].dev: \"\" can't name a network interface" },
		{ "{\"rules\":[{\"family\":10}]}", "rules[0].action: is required" },
		{ "{\"rules\":[{\"family\":10,\"action\":1,\"dstLen\":129}]}",
		  "rules[0].dstLen: must be at most 128, not 129" },
		{ "{\"rules\":[{\"family\":2,\"action\":1,\"srcLen\":129}]}",
		  "rules[0].srcLen: must be at most 32, not 129" },
		{ "{\"neighbours\":[{\"family\":2,\"address\":\"10.0.0.1\",\"state\":128}]}",
		  "neighbours[0].dev: is required" },
		{ "{\"neighbours\":[{\"family\":2,\"address\":\"10.0.0.1\",\"state\":65536,\"dev\":\"eth0\"}]}",
		  "neighbours[0].state: must be an integer from 0 to 65535, not 65536" },
	};
#undef LINK

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct guest_net got = { 0 };
		struct err err = ERR_INIT;

		assert_int_equal(read_text(cases[i].text, &got, &err), -EINVAL);
		assert_string_equal(err.text, cases[i].message);
		assert_null(got.links);
		assert_null(got.routes);
	}
}

static void more_than_the_limits_is_refused(void **state)
{
	enum { TOO_MANY = GUEST_NET_ENTRIES_MAX + 1 };
	struct guest_link many[GUEST_NET_LINKS_MAX + 1] = { 0 };
	struct guest_rule *entries = calloc(TOO_MANY, sizeof(*entries));
	struct guest_net net = { .links = many, .n_links = ARRAY_SIZE(many) }, got = { 0 };
	struct err err = ERR_INIT;
	char *text;

	(void)state;
	assert_non_null(entries);
	for (unsigned i = 0; i < ARRAY_SIZE(many); i++) {
		snprintf(many[i].name, sizeof(many[i].name), "eth%u", i);
		many[i].mac[0] = 2;
		many[i].mac[5] = (uint8_t)i;
	}
	text = write_text(&net);
	assert_int_equal(read_text(text, &got, &err), -EINVAL);
	assert_string_equal(err.text, "links: must be at most 16, not 17");
	free(text);

	for (unsigned i = 0; i < TOO_MANY; i++)
		entries[i].family = AF_INET;
	net = (struct guest_net){ .rules = entries, .n_rules = TOO_MANY };
	text = write_text(&net);
	assert_int_equal(read_text(text, &got, &err), -EINVAL);
	assert_string_equal(err.text, "rules: must be at most 1024, not 1025");
	free(text);

	net.n_rules--;
	text = write_text(&net);
	assert_int_equal(read_text(text, &got, &err), 0);
	assert_int_equal(got.n_rules, GUEST_NET_ENTRIES_MAX);
	guest_net_done(&got);
	free(text);
	free(entries);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_network_arrives_as_captured),
		cmocka_unit_test(an_empty_network_is_empty),
		cmocka_unit_test(create_carries_the_network),
		cmocka_unit_test(create_names_the_path_of_a_bad_network),
		cmocka_unit_test(malformed_networks_are_refused),
		cmocka_unit_test(more_than_the_limits_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
