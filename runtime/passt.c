/* SPDX-License-Identifier: Apache-2.0 */
/* passt: see passt.h. */
#include "runtime/passt.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "oci/guest_net.h"
#include "runtime/cgroup.h"
#include "runtime/net.h"
#include "runtime/passt_child.h"
#include "runtime/passt_ports.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* The guest's network, of which nobody else is a part; passt answers for all but the guest. */
#define GUEST_IP4 "10.0.2.15"
#define GATEWAY_IP4 "10.0.2.2"
#define DNS_IP4 "10.0.2.3"
#define GUEST_IP6 "fd76:7275:6e::15"
#define GUEST_LINK_LOCAL "fe80::15"
#define GATEWAY_IP6 "fe80::1"
#define DNS_IP6 "fd76:7275:6e::3"
#define GATEWAY_MAC "02:76:72:75:6e:01"
static const uint8_t guest_mac[6] = { 2, 0x76, 0x72, 0x75, 0x6e, 2 };

enum { PREFIX_IP4 = 24, PREFIX_IP6 = 64, MTU = 65520, RESOLV_MAX = 64 << 10 };

#define RESOLV_CONF "/etc/resolv.conf"

struct passt {
	struct guest_net config;
	struct net_tap device;
	bool ip4, ip6; /* what the host has a default route for */
};

int passt_check_publish(const char *publish, struct err *err)
{
	struct passt_ports ports[PASST_PORTS_MAX];
	unsigned n;

	return passt_ports_parse(publish, ports, &n, err);
}

/* Nothing is sent by connect(). The addresses are those of RFC 5737 and RFC 3849, which nobody has. */
static bool has_route(int family)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(9) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
	_cleanup_close_ int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, "198.51.100.1", &in.sin_addr);
	inet_pton(AF_INET6, "2001:db8::1", &in6.sin6_addr);
	if (fd < 0)
		return false;
	return family == AF_INET ? connect(fd, (const struct sockaddr *)&in, sizeof(in)) == 0
				 : connect(fd, (const struct sockaddr *)&in6, sizeof(in6)) == 0;
}

/* --- resolv.conf --- */

static bool is_loopback(const char *address)
{
	struct in6_addr in6;
	struct in_addr in;

	if (inet_pton(AF_INET, address, &in) == 1)
		return (ntohl(in.s_addr) >> 24) == IN_LOOPBACKNET;
	return inet_pton(AF_INET6, address, &in6) == 1 && IN6_IS_ADDR_LOOPBACK(&in6);
}

/* "nameserver ADDRESS" with an address that means another machine in the guest. */
static bool is_local_server(const char *line)
{
	char address[INET6_ADDRSTRLEN];

	if (strncmp(line, "nameserver", 10) != 0 || !isblank((unsigned char)line[10]))
		return false;
	line += 10 + strspn(line + 10, " \t");
	snprintf(address, sizeof(address), "%s", line);
	address[strcspn(address, " \t\r%")] = '\0';
	return is_loopback(address);
}

/*
 * The host's, where a server on the host's loopback becomes the address whose questions passt hands on to the
 * first server that it finds in that file.
 */
static int make_resolv_conf(struct passt *passt, struct err *err)
{
	_cleanup_free_ char *host = NULL, *text = NULL;
	char *next, *line, *at;
	bool used = false;
	size_t len;
	int r;

	r = file_read(AT_FDCWD, RESOLV_CONF, RESOLV_MAX, &host, &len);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_set_errno(err, r, RESOLV_CONF);
	/* Each line grows by less than a line of ours is long, and only one does. */
	text = malloc(len + 128);
	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	at = text;
	for (next = host; (line = strsep(&next, "\n"));) {
		if (!is_local_server(line)) {
			at += sprintf(at, next ? "%s\n" : "%s", line);
		} else if (!used) {
			at += sprintf(at, "nameserver %s\n", passt->ip4 ? DNS_IP4 : DNS_IP6);
			used = true;
		}
	}
	passt->config.resolv_conf = TAKE_PTR(text);
	return 0;
}

/* --- what the agent configures --- */

static void set_address(struct guest_addr *a, int family, const char *text, uint8_t prefix_len, uint8_t scope)
{
	*a = (struct guest_addr){ .family = (uint8_t)family, .prefix_len = prefix_len, .scope = scope };
	inet_pton(family, text, a->addr);
}

static void set_default_route(struct guest_route *route, int family, const char *gateway)
{
	*route = (struct guest_route){
		.family = (uint8_t)family,
		.table = RT_TABLE_MAIN,
		.protocol = RTPROT_STATIC,
		.scope = RT_SCOPE_UNIVERSE,
		.type = RTN_UNICAST,
		.has_gateway = true,
		.dev = "eth0",
	};
	inet_pton(family, gateway, route->gateway);
}

static int make_config(struct passt *passt, struct err *err)
{
	struct guest_net *net = &passt->config;
	struct guest_link *link = calloc(1, sizeof(*link));

	net->links = link;
	net->routes = calloc(2, sizeof(*net->routes));
	if (link)
		link->addrs = calloc(3, sizeof(*link->addrs));
	if (!link || !link->addrs || !net->routes)
		return err_set(err, -ENOMEM, "out of memory");
	net->n_links = 1;
	strcpy(link->name, "eth0");
	memcpy(link->mac, guest_mac, sizeof(guest_mac));
	link->mtu = MTU;
	link->up = true;
	if (passt->ip4) {
		set_address(&link->addrs[link->n_addrs++], AF_INET, GUEST_IP4, PREFIX_IP4, RT_SCOPE_UNIVERSE);
		set_default_route(&net->routes[net->n_routes++], AF_INET, GATEWAY_IP4);
	}
	if (passt->ip6) {
		set_address(&link->addrs[link->n_addrs++], AF_INET6, GUEST_IP6, PREFIX_IP6,
			    RT_SCOPE_UNIVERSE);
		set_address(&link->addrs[link->n_addrs++], AF_INET6, GUEST_LINK_LOCAL, PREFIX_IP6,
			    RT_SCOPE_LINK);
		set_default_route(&net->routes[net->n_routes++], AF_INET6, GATEWAY_IP6);
	}
	return make_resolv_conf(passt, err);
}

/* --- starting it --- */

/* Addresses come from the agent: nothing is to be said of them by DHCP or router advertisements. */
static void add_fixed_args(const struct passt *passt, struct passt_args *args)
{
	static const char *const fixed[] = {
		"--no-map-gw", "--no-dhcp", "--no-dhcpv6", "--no-ra", "-M", GATEWAY_MAC,
	};
	static const char *const ip4[] = { "-a",	GUEST_IP4,	 "-n",	 "24", "-g",
					   GATEWAY_IP4, "--dns-forward", DNS_IP4 };
	static const char *const ip6[] = { "-a", GUEST_IP6, "-g", GATEWAY_IP6, "--dns-forward", DNS_IP6 };

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		passt_args_add(args, fixed[i]);
	for (size_t i = 0; passt->ip4 && i < ARRAY_SIZE(ip4); i++)
		passt_args_add(args, ip4[i]);
	for (size_t i = 0; passt->ip6 && i < ARRAY_SIZE(ip6); i++)
		passt_args_add(args, ip6[i]);
	if (!passt->ip6)
		passt_args_add(args, "-4");
	if (!passt->ip4)
		passt_args_add(args, "-6");
}

static int add_ports(const char *publish, struct passt_args *args, struct err *err)
{
	struct passt_ports ports[PASST_PORTS_MAX];
	char spec[PASST_SPEC_MAX];
	unsigned n;
	int r = passt_ports_parse(publish, ports, &n, err);

	for (unsigned i = 0; r == 0 && i < n; i++) {
		passt_ports_spec(&ports[i], spec);
		passt_args_add(args, ports[i].udp ? "-u" : "-t");
		passt_args_add(args, spec);
		r = passt_ports_check_free(&ports[i], err);
	}
	return r;
}

/*
 * passt learns the guest's MAC address from its first frame, and until then answers those who come to a published
 * port on its behalf. So the first frame is there before the guest is: an ARP announcement (RFC 5227 §3).
 */
static int announce(int sock, struct err *err)
{
	struct __attribute__((packed)) {
		uint32_t len;
		struct ethhdr eth;
		struct arphdr arp;
		uint8_t sender_mac[6], sender_ip[4], target_mac[6], target_ip[4];
	} frame = {
		.len = htonl(sizeof(frame) - sizeof(frame.len)),
		.eth = { .h_dest = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, .h_proto = htons(ETH_P_ARP) },
		.arp = { htons(ARPHRD_ETHER), htons(ETH_P_IP), 6, 4, htons(ARPOP_REQUEST) },
	};

	memcpy(frame.eth.h_source, guest_mac, sizeof(guest_mac));
	memcpy(frame.sender_mac, guest_mac, sizeof(guest_mac));
	inet_pton(AF_INET, GUEST_IP4, frame.sender_ip);
	inet_pton(AF_INET, GUEST_IP4, frame.target_ip);
	if (send(sock, &frame, sizeof(frame), MSG_NOSIGNAL) != sizeof(frame))
		return err_set_errno(err, -errno, "passt can't be talked to");
	return 0;
}

static int start(struct passt *passt, const char *publish, const struct cgroup *cgroup, struct err *err)
{
	_cleanup_(passt_args_done) struct passt_args args;
	_cleanup_close_ int ours = -EBADF, theirs = -EBADF;
	int pair[2], r;

	passt_args_init(&args);
	passt->ip4 = has_route(AF_INET);
	passt->ip6 = has_route(AF_INET6);
	if (!passt->ip4 && !passt->ip6)
		return err_set(err, -ENETUNREACH,
			       "the host has no default route, so there is nothing to reach");
	r = make_config(passt, err);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set_errno(err, -errno, "socketpair");
	ours = pair[0];
	theirs = pair[1];
	add_fixed_args(passt, &args);
	r = add_ports(publish, &args, err);
	if (r == 0)
		r = passt_child_run(&args, theirs, cgroup, err);
	if (r == 0)
		r = announce(ours, err);
	if (r < 0)
		return r;
	passt->device.fds[0] = TAKE_FD(ours);
	passt->device.n_fds = 1;
	return 0;
}

int passt_start(const char *publish, const struct cgroup *cgroup, struct passt **ret, struct err *err)
{
	struct passt *passt = calloc(1, sizeof(*passt));
	int r;

	if (!passt)
		return err_set(err, -ENOMEM, "out of memory");
	passt->device = (struct net_tap){ .name = "eth0", .mtu = MTU, .stream = true };
	memcpy(passt->device.mac, guest_mac, sizeof(guest_mac));
	r = start(passt, publish, cgroup, err);
	if (r < 0) {
		passt_free(passt);
		return err_wrap(err, r, "network by passt");
	}
	*ret = passt;
	return 0;
}

const struct guest_net *passt_config(const struct passt *passt)
{
	return &passt->config;
}

struct net_tap *passt_device(struct passt *passt)
{
	return &passt->device;
}

void passt_free(struct passt *passt)
{
	if (!passt)
		return;
	if (passt->device.n_fds > 0)
		close_fd(passt->device.fds[0]);
	guest_net_done(&passt->config);
	free(passt);
}
