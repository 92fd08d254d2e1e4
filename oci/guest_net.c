/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest_net: see guest_net.h. Described by tables as config.json is
 * (spec_schema.h); what is particular to networks are names, MAC addresses and
 * IP addresses, which are written as text.
 */
#include "oci/guest_net.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "oci/spec_schema.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

/* An address is read and written as its struct's family has it. */
_Static_assert(offsetof(struct guest_addr, family) == 0, "address_*() look for the family there");
_Static_assert(offsetof(struct guest_route, family) == 0, "address_*() look for the family there");
_Static_assert(offsetof(struct guest_rule, family) == 0, "address_*() look for the family there");
_Static_assert(offsetof(struct guest_neigh, family) == 0, "address_*() look for the family there");

static const uint8_t zeros[16];

/* --- the types --- */

static int u8_parse(const struct spec_field *f, const struct json *node, void *base, struct err *err)
{
	uint64_t v;
	int r = json_to_u64(node, UINT8_MAX, &v, err);

	if (r == 0)
		*(uint8_t *)spec_at(base, f->offset) = (uint8_t)v;
	return r;
}

static bool u8_present(const struct spec_field *f, const void *base)
{
	return *(const uint8_t *)spec_const_at(base, f->offset) != 0;
}

static void u8_write(const struct spec_field *f, struct json_out *out, const void *base)
{
	json_out_u64(out, *(const uint8_t *)spec_const_at(base, f->offset));
}

static const struct spec_type spec_u8 = { u8_parse, u8_present, u8_write, NULL };

static int family_parse(const struct spec_field *f, const struct json *node, void *base, struct err *err)
{
	int r = u8_parse(f, node, base, err);
	uint8_t family = *(const uint8_t *)base;

	if (r < 0)
		return r;
	if (family != AF_INET && family != AF_INET6)
		return json_error(node, err, "must be %d or %d, not %u", AF_INET, AF_INET6, family);
	return 0;
}

static const struct spec_type spec_family = { family_parse, u8_present, u8_write, NULL };

/* As the kernel's dev_valid_name(). */
static bool name_is_valid(const char *name)
{
	if (!*name || strlen(name) >= IFNAMSIZ || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (; *name; name++)
		if (*name == '/' || *name == ':' || isspace((unsigned char)*name))
			return false;
	return true;
}

static int name_parse(const struct spec_field *f, const struct json *node, void *base, struct err *err)
{
	const char *name;
	int r = json_to_string(node, &name, err);

	if (r < 0)
		return r;
	if (!name_is_valid(name))
		return json_error(node, err, "\"%.64s\" can't name a network interface", name);
	strcpy(spec_at(base, f->offset), name);
	return 0;
}

static bool name_present(const struct spec_field *f, const void *base)
{
	return *(const char *)spec_const_at(base, f->offset) != 0;
}

static void name_write(const struct spec_field *f, struct json_out *out, const void *base)
{
	json_out_string(out, spec_const_at(base, f->offset));
}

static const struct spec_type spec_name = { name_parse, name_present, name_write, NULL };

/* "02:00:0a:00:00:07", nothing looser. */
static bool mac_is_valid(const char *text)
{
	if (strlen(text) != 17)
		return false;
	for (int i = 0; i < 17; i++)
		if (i % 3 == 2 ? text[i] != ':' : !isxdigit((unsigned char)text[i]))
			return false;
	return true;
}

static int mac_parse(const struct spec_field *f, const struct json *node, void *base, struct err *err)
{
	uint8_t *mac = spec_at(base, f->offset);
	const char *text;
	int r = json_to_string(node, &text, err);

	if (r < 0)
		return r;
	if (!mac_is_valid(text))
		return json_error(node, err, "\"%.64s\" is not a MAC address", text);
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)strtoul(text + 3 * i, NULL, 16);
	return 0;
}

static bool mac_present(const struct spec_field *f, const void *base)
{
	return memcmp(spec_const_at(base, f->offset), zeros, 6) != 0;
}

static void mac_write(const struct spec_field *f, struct json_out *out, const void *base)
{
	const uint8_t *mac = spec_const_at(base, f->offset);
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
	json_out_string(out, text);
}

static const struct spec_type spec_mac = { mac_parse, mac_present, mac_write, NULL };

/* The family comes first in every table, so it has been read by now. */
static int address_parse(const struct spec_field *f, const struct json *node, void *base, struct err *err)
{
	uint8_t family = *(const uint8_t *)base;
	const char *text;
	int r = json_to_string(node, &text, err);

	if (r < 0)
		return r;
	if (inet_pton(family, text, spec_at(base, f->offset)) != 1)
		return json_error(node, err, "\"%.64s\" is not an %s address", text,
				  family == AF_INET6 ? "IPv6" : "IPv4");
	if (f->aux != SPEC_NO_AUX)
		*(bool *)spec_at(base, f->aux) = true;
	return 0;
}

/* One without a flag is absent when it is zero, which is what a reader makes of absence. */
static bool address_present(const struct spec_field *f, const void *base)
{
	if (f->aux != SPEC_NO_AUX)
		return *(const bool *)spec_const_at(base, f->aux);
	return memcmp(spec_const_at(base, f->offset), zeros, 16) != 0;
}

static void address_write(const struct spec_field *f, struct json_out *out, const void *base)
{
	char text[INET6_ADDRSTRLEN];

	json_out_string(
		out, inet_ntop(*(const uint8_t *)base, spec_const_at(base, f->offset), text, sizeof(text)));
}

static const struct spec_type spec_address = { address_parse, address_present, address_write, NULL };

/* --- the tables --- */

static int check_prefix(const struct json *node, const char *name, uint8_t family, uint8_t len,
			struct err *err)
{
	uint8_t max = family == AF_INET6 ? 128 : 32;

	if (len > max)
		return json_error(json_get(node, name), err, "must be at most %u, not %u", max, len);
	return 0;
}

static int check_addr(const struct json *node, void *obj, struct err *err)
{
	const struct guest_addr *a = obj;

	return check_prefix(node, "prefixLen", a->family, a->prefix_len, err);
}

static const struct spec_field addr_fields[] = {
	SPEC_FIELD("family", guest_addr, family, family, .flags = SPEC_REQUIRED),
	SPEC_FIELD("address", guest_addr, addr, address, .flags = SPEC_REQUIRED),
	SPEC_FIELD("prefixLen", guest_addr, prefix_len, u8),
	SPEC_FIELD("scope", guest_addr, scope, u8),
	SPEC_FIELD_AUX("broadcast", guest_addr, broadcast, has_broadcast, address),
	SPEC_FIELD_AUX("peer", guest_addr, peer, has_peer, address),
	SPEC_FIELD("flags", guest_addr, flags, u32),
	{ 0 },
};

static const struct spec_schema addr_schema = {
	.size = sizeof(struct guest_addr),
	.fields = addr_fields,
	.check = check_addr,
};

static int check_count(const struct json *node, const char *name, size_t n, size_t max, struct err *err)
{
	if (n > max)
		return json_error(json_get(node, name), err, "must be at most %zu, not %zu", max, n);
	return 0;
}

static int check_link(const struct json *node, void *obj, struct err *err)
{
	const struct guest_link *l = obj;

	if ((l->mac[0] & 1) || !memcmp(l->mac, zeros, sizeof(l->mac)))
		return json_error(json_get(node, "mac"), err, "is no address of one interface");
	return check_count(node, "addresses", l->n_addrs, GUEST_NET_ENTRIES_MAX, err);
}

static const struct spec_field link_fields[] = {
	SPEC_FIELD("name", guest_link, name, name, .flags = SPEC_REQUIRED),
	SPEC_FIELD("mac", guest_link, mac, mac, .flags = SPEC_REQUIRED),
	SPEC_FIELD("mtu", guest_link, mtu, u32),
	SPEC_FIELD("up", guest_link, up, bool),
	SPEC_FIELD_AUX("addresses", guest_link, addrs, n_addrs, array, .schema = &addr_schema),
	{ 0 },
};

static const struct spec_schema link_schema = {
	.size = sizeof(struct guest_link),
	.fields = link_fields,
	.check = check_link,
};

static int check_route(const struct json *node, void *obj, struct err *err)
{
	const struct guest_route *route = obj;
	int r = check_prefix(node, "dstLen", route->family, route->dst_len, err);

	return r < 0 ? r : check_prefix(node, "srcLen", route->family, route->src_len, err);
}

static const struct spec_field route_fields[] = {
	SPEC_FIELD("family", guest_route, family, family, .flags = SPEC_REQUIRED),
	SPEC_FIELD("dst", guest_route, dst, address),
	SPEC_FIELD("dstLen", guest_route, dst_len, u8),
	SPEC_FIELD("src", guest_route, src, address),
	SPEC_FIELD("srcLen", guest_route, src_len, u8),
	SPEC_FIELD("tos", guest_route, tos, u8),
	SPEC_FIELD("protocol", guest_route, protocol, u8),
	SPEC_FIELD("scope", guest_route, scope, u8),
	SPEC_FIELD("type", guest_route, type, u8, .flags = SPEC_REQUIRED),
	SPEC_FIELD("flags", guest_route, flags, u32),
	SPEC_FIELD("table", guest_route, table, u32),
	SPEC_FIELD("priority", guest_route, priority, u32),
	SPEC_FIELD("mtu", guest_route, mtu, u32),
	SPEC_FIELD_AUX("gateway", guest_route, gateway, has_gateway, address),
	SPEC_FIELD_AUX("prefSrc", guest_route, prefsrc, has_prefsrc, address),
	SPEC_FIELD("dev", guest_route, dev, name),
	{ 0 },
};

static const struct spec_schema route_schema = {
	.size = sizeof(struct guest_route),
	.fields = route_fields,
	.check = check_route,
};

static int check_rule(const struct json *node, void *obj, struct err *err)
{
	const struct guest_rule *rule = obj;
	int r = check_prefix(node, "dstLen", rule->family, rule->dst_len, err);

	return r < 0 ? r : check_prefix(node, "srcLen", rule->family, rule->src_len, err);
}

static const struct spec_field rule_fields[] = {
	SPEC_FIELD("family", guest_rule, family, family, .flags = SPEC_REQUIRED),
	SPEC_FIELD("dst", guest_rule, dst, address),
	SPEC_FIELD("dstLen", guest_rule, dst_len, u8),
	SPEC_FIELD("src", guest_rule, src, address),
	SPEC_FIELD("srcLen", guest_rule, src_len, u8),
	SPEC_FIELD("tos", guest_rule, tos, u8),
	SPEC_FIELD("action", guest_rule, action, u8, .flags = SPEC_REQUIRED),
	SPEC_FIELD("priority", guest_rule, priority, u32),
	SPEC_FIELD("table", guest_rule, table, u32),
	SPEC_FIELD("fwmark", guest_rule, fwmark, u32),
	SPEC_FIELD("fwmask", guest_rule, fwmask, u32),
	SPEC_FIELD("iif", guest_rule, iif, name),
	SPEC_FIELD("oif", guest_rule, oif, name),
	{ 0 },
};

static const struct spec_schema rule_schema = {
	.size = sizeof(struct guest_rule),
	.fields = rule_fields,
	.check = check_rule,
};

static const struct spec_field neigh_fields[] = {
	SPEC_FIELD("family", guest_neigh, family, family, .flags = SPEC_REQUIRED),
	SPEC_FIELD("address", guest_neigh, addr, address, .flags = SPEC_REQUIRED),
	SPEC_FIELD("mac", guest_neigh, mac, mac),
	SPEC_FIELD("state", guest_neigh, state, u16, .flags = SPEC_REQUIRED),
	SPEC_FIELD("flags", guest_neigh, flags, u8),
	SPEC_FIELD("dev", guest_neigh, dev, name, .flags = SPEC_REQUIRED),
	{ 0 },
};

static const struct spec_schema neigh_schema = {
	.size = sizeof(struct guest_neigh),
	.fields = neigh_fields,
};

/* --- the whole --- */

/* Links are found by MAC address and then called by name: both must be unique. */
static int check_links(const struct json *links, const struct guest_net *net, struct err *err)
{
	for (size_t i = 0; i < net->n_links; i++) {
		const struct guest_link *l = &net->links[i];
		const struct json *node = json_at(links, i);

		if (!strcmp(l->name, "lo"))
			return json_error(json_get(node, "name"), err, "every guest has its own lo");
		for (size_t k = 0; k < i; k++) {
			if (!strcmp(l->name, net->links[k].name))
				return json_error(json_get(node, "name"), err, "%s is there twice", l->name);
			if (!memcmp(l->mac, net->links[k].mac, sizeof(l->mac)))
				return json_error(json_get(node, "mac"), err, "is that of %s too",
						  net->links[k].name);
		}
	}
	return 0;
}

static int check_net(const struct json *node, void *obj, struct err *err)
{
	const struct guest_net *net = obj;
	int r = check_count(node, "links", net->n_links, GUEST_NET_LINKS_MAX, err);

	if (r == 0)
		r = check_count(node, "routes", net->n_routes, GUEST_NET_ENTRIES_MAX, err);
	if (r == 0)
		r = check_count(node, "rules", net->n_rules, GUEST_NET_ENTRIES_MAX, err);
	if (r == 0)
		r = check_count(node, "neighbours", net->n_neighs, GUEST_NET_ENTRIES_MAX, err);
	return r < 0 ? r : check_links(json_get(node, "links"), net, err);
}

static const struct spec_field net_fields[] = {
	SPEC_FIELD_AUX("links", guest_net, links, n_links, array, .schema = &link_schema),
	SPEC_FIELD_AUX("routes", guest_net, routes, n_routes, array, .schema = &route_schema),
	SPEC_FIELD_AUX("rules", guest_net, rules, n_rules, array, .schema = &rule_schema),
	SPEC_FIELD_AUX("neighbours", guest_net, neighs, n_neighs, array, .schema = &neigh_schema),
	SPEC_FIELD("resolvConf", guest_net, resolv_conf, string),
	{ 0 },
};

const struct spec_schema guest_net_schema = {
	.size = sizeof(struct guest_net),
	.fields = net_fields,
	.check = check_net,
};

void guest_net_link_local(const uint8_t mac[static 6], uint8_t ret[static 16])
{
	memset(ret, 0, 16);
	ret[0] = 0xfe;
	ret[1] = 0x80;
	memcpy(ret + 8, mac, 3);
	ret[8] ^= 2;
	ret[11] = 0xff;
	ret[12] = 0xfe;
	memcpy(ret + 13, mac + 3, 3);
}

void guest_net_done(struct guest_net *net)
{
	if (net)
		spec_schema_free(&guest_net_schema, net);
}

void guest_net_write(const struct guest_net *net, struct json_out *out)
{
	spec_schema_write(&guest_net_schema, out, net);
}

int guest_net_read(const struct json *node, struct guest_net *ret, struct err *err)
{
	struct guest_net net = { 0 };
	int r = spec_schema_parse(&guest_net_schema, node, &net, err);

	if (r < 0)
		guest_net_done(&net);
	else
		*ret = net;
	return r;
}
