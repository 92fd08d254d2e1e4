/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net: a network namespace is read, its interfaces are redirected to taps and come
 * back as they were. Needs the right to make namespaces.
 */
#include "tests/unit/net_world.h"
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "runtime/net.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

static const struct net_owner owner = { .id = "owner-of-one" };

static struct net_capture *capture(int ns)
{
	struct net_capture *c = NULL;
	struct err err = ERR_INIT;
	int r = net_capture_open(ns, &c, &err);

	if (r < 0)
		fail_msg("capture: %s", err.text);
	return c;
}

static struct net_capture *capture_and_attach(int ns, unsigned cpus)
{
	struct net_capture *c = capture(ns);
	struct err err = ERR_INIT;
	int r = net_capture_attach(c, &owner, cpus, &err);

	if (r < 0)
		fail_msg("attach: %s", err.text);
	return c;
}

static void assert_refused(int ns, int code, const char *text)
{
	unsigned qdiscs = world_count_qdiscs(ns), links = world_count_links(ns);
	struct net_capture *c = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(net_capture_open(ns, &c, &err), code);
	assert_null(c);
	assert_string_equal(err.text, text);
	assert_int_equal(world_count_qdiscs(ns), qdiscs);
	assert_int_equal(world_count_links(ns), links);
}

/* --- reading --- */

static void a_namespace_with_loopback_alone_has_no_interface(void **state)
{
	int ns = world_ns();
	struct net_capture *c = capture_and_attach(ns, 1);

	(void)state;
	assert_int_equal(net_capture_count(c), 0);
	assert_int_equal(net_capture_config(c)->n_links, 0);
	assert_int_equal(net_capture_config(c)->n_routes, 0);
	assert_int_equal(net_capture_config(c)->n_rules, 0);
	net_capture_free(c);
	close(ns);
}

static void what_the_kernel_adds_is_left_out(void **state)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 7 };
	int ns = world_ns(), peer = world_ns();
	const struct guest_net *net;
	struct net_capture *c;

	(void)state;
	world_add_veth(ns, "eth0", 7, peer, "p0", 8);
	world_up(peer, "p0", 9000);
	world_up(ns, "eth0", 9000);
	world_add_address(ns, "eth0", "10.1.2.3/16");
	world_add_address(ns, "eth0", "fd00::3/64");
	assert_int_equal(world_add_route(ns, "0.0.0.0/0", "10.1.0.1", NULL), 0);
	assert_int_equal(world_add_route(ns, "192.0.2.0/24", NULL, "eth0"), 0);
	assert_int_equal(world_add_route(ns, "::/0", "fd00::1", "eth0"), 0);
	c = capture(ns);
	net = net_capture_config(c);
	assert_int_equal(net->n_links, 1);
	assert_string_equal(net->links[0].name, "eth0");
	assert_memory_equal(net->links[0].mac, mac, 6);
	assert_int_equal(net->links[0].mtu, 9000);
	assert_true(net->links[0].up);
	/* the link-local address too, though the kernel may not have come to it yet */
	assert_int_equal(net->links[0].n_addrs, 3);
	assert_int_equal(net->n_routes, 3);
	assert_false(net->routes[0].has_gateway);
	assert_int_equal(net->routes[0].dst_len, 24);
	assert_true(net->routes[1].has_gateway);
	assert_string_equal(net->routes[1].dev, "eth0");
	assert_int_equal(net->routes[2].family, AF_INET6);
	assert_int_equal(net->n_rules, 0);
	assert_int_equal(net->n_neighs, 0);
	net_capture_free(c);
	close(ns);
	close(peer);
}

static void the_link_local_address_is_known_before_it_is_there(void **state)
{
	static const uint8_t address[16] = { 0xfe, 0x80, [11] = 0xff, 0xfe, 0, 0, 7 };
	int ns = world_ns(), peer = world_ns();

	(void)state;
	world_add_veth(ns, "eth0", 7, peer, "p0", 8);
	world_up(ns, "eth0", 0);
	/* without a carrier first, then whenever the kernel sees it */
	for (int i = 0; i < 2; i++) {
		struct net_capture *c = capture(ns);
		const struct guest_link *link = &net_capture_config(c)->links[0];

		assert_int_equal(link->n_addrs, 1);
		assert_int_equal(link->addrs[0].scope, RT_SCOPE_LINK);
		assert_memory_equal(link->addrs[0].addr, address, 16);
		net_capture_free(c);
		world_up(peer, "p0", 0);
	}
	close(ns);
	close(peer);
}

static void an_interface_that_is_down_stays_down(void **state)
{
	int ns = world_ns(), peer = world_ns();
	struct net_capture *c;

	(void)state;
	world_add_veth(ns, "eth0", 7, peer, "p0", 8);
	c = capture(ns);
	assert_int_equal(net_capture_config(c)->n_links, 1);
	assert_false(net_capture_config(c)->links[0].up);
	net_capture_free(c);
	close(ns);
	close(peer);
}

static void a_bridge_stands_for_its_ports(void **state)
{
	int ns = world_ns(), peer = world_ns();
	struct net_capture *c;

	(void)state;
	world_add(ns, "bridge", "br0", 1);
	world_add_veth(ns, "port0", 2, peer, "p0", 3);
	world_set_master(ns, "port0", "br0");
	world_up(ns, "port0", 0);
	world_up(ns, "br0", 0);
	c = capture(ns);
	assert_int_equal(net_capture_count(c), 1);
	assert_string_equal(net_capture_config(c)->links[0].name, "br0");
	net_capture_free(c);
	close(ns);
	close(peer);
}

static void a_macvlan_on_an_interface_elsewhere_is_carried_over(void **state)
{
	int ns = world_ns(), outside = world_ns(), peer = world_ns();
	struct net_capture *c;

	(void)state;
	world_add_veth(outside, "eth9", 1, peer, "p0", 2);
	world_add_macvlan(ns, "mv0", 3, outside, "eth9");
	world_up(ns, "mv0", 0);
	c = capture_and_attach(ns, 1);
	assert_int_equal(net_capture_count(c), 1);
	net_capture_free(c);
	close(ns);
	close(outside);
	close(peer);
}

/* --- refusing --- */

static void a_macvlan_on_an_interface_beside_it_is_refused(void **state)
{
	int ns = world_ns(), peer = world_ns();

	(void)state;
	world_add_veth(ns, "eth0", 1, peer, "p0", 2);
	world_add_macvlan(ns, "mv0", 3, ns, "eth0");
	assert_refused(
		ns, -ENOTSUP,
		"network interface mv0: a macvlan on eth0, which is in the same network namespace, can't "
		"be carried over into a VM");
	close(ns);
	close(peer);
}

static void an_interface_without_ethernet_is_refused_once_it_is_up(void **state)
{
	int ns = world_ns(), tun = world_add_tun(ns, "tun7", false);
	struct net_capture *c = capture(ns);

	(void)state;
	assert_int_equal(net_capture_count(c), 0);
	net_capture_free(c);
	world_up(ns, "tun7", 0);
	assert_refused(ns, -ENOTSUP,
		       "network interface tun7: its type, tun, can't be carried over into a VM");
	close(tun);
	close(ns);
}

static void an_mtu_that_no_tap_can_have_is_refused(void **state)
{
	int ns = world_ns(), peer = world_ns();
	struct net_capture *c;

	(void)state;
	world_add_veth(ns, "eth0", 1, peer, "p0", 2);
	world_up(ns, "eth0", 65535);
	assert_refused(ns, -ENOTSUP,
		       "network interface eth0: its MTU is 65535; a VM's can be from 68 to 65521");
	world_up(ns, "eth0", 65521);
	c = capture_and_attach(ns, 1);
	net_capture_free(c);
	world_up(ns, "eth0", 68);
	c = capture_and_attach(ns, 1);
	net_capture_free(c);
	close(ns);
	close(peer);
}

static void twenty_interfaces_are_refused(void **state)
{
	int ns = world_ns(), peer = world_ns();
	char name[16], other[16];

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "eth%u", i);
		snprintf(other, sizeof(other), "p%u", i);
		world_add_veth(ns, name, (uint8_t)(2 * i), peer, other, (uint8_t)(2 * i + 1));
	}
	assert_refused(ns, -ENOTSUP, "the network namespace has 20 interfaces; a VM can have at most 16");
	close(ns);
	close(peer);
}

static void two_interfaces_with_one_mac_address_are_refused(void **state)
{
	int ns = world_ns(), peer = world_ns();

	(void)state;
	world_add_veth(ns, "eth0", 1, peer, "p0", 2);
	world_add_veth(ns, "eth1", 1, peer, "p1", 3);
	assert_refused(
		ns, -ENOTSUP,
		"network interfaces eth0 and eth1 have the same MAC address; a VM can't tell them apart");
	close(ns);
	close(peer);
}

static void tc_in_use_is_refused(void **state)
{
	static const char *const kinds[] = { "ingress", "clsact" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		int ns = world_ns(), peer = world_ns();
		char text[200];

		world_add_veth(ns, "eth0", 1, peer, "p0", 2);
		world_add_qdisc(ns, "eth0", kinds[i]);
		snprintf(
			text, sizeof(text),
			"network interface eth0: tc is in use on it (a%s %s qdisc), which a VM's network needs "
			"for itself",
			"", kinds[i]);
		assert_refused(ns, -EBUSY, text);
		/* what is another's is not released */
		assert_int_equal(net_release(ns, &owner), 0);
		assert_int_equal(world_count_qdiscs(ns), 1);
		close(ns);
		close(peer);
	}
}

static void an_interface_of_another_vm_is_refused(void **state)
{
	int ns = world_ns(), peer = world_ns();
	struct net_capture *first, *second;
	struct err err = ERR_INIT;

	(void)state;
	world_add_veth(ns, "eth0", 1, peer, "p0", 2);
	/* both have looked before either acts */
	first = capture(ns);
	second = capture(ns);
	assert_int_equal(net_capture_attach(first, &owner, 1, &err), 0);
	assert_int_equal(net_capture_attach(second, &owner, 1, &err), -EBUSY);
	assert_string_equal(err.text, "network interface eth0: tc is in use on it");
	net_capture_free(second);
	/* eth0 and the first one's tap, which is an interface too */
	assert_int_equal(world_count_links(ns), 3);
	assert_int_equal(world_count_qdiscs(ns), 2);
	assert_refused(ns, -EBUSY, "network interface eth0 belongs to another container's VM");
	net_capture_free(first);
	close(ns);
	close(peer);
}

static void a_path_that_is_no_namespace_is_refused(void **state)
{
	struct err err = ERR_INIT;
	int fd = -1;

	(void)state;
	assert_int_equal(net_ns_open("/run/netns/gone", &fd, &err), -ENOENT);
	assert_string_equal(err.text, "network namespace /run/netns/gone: No such file or directory");
	assert_int_equal(net_ns_open("/proc/self/ns/mnt", &fd, &err), -EINVAL);
	assert_string_equal(err.text, "/proc/self/ns/mnt: not a network namespace");
	assert_int_equal(net_ns_open("/dev/null", &fd, &err), -EINVAL);
	assert_string_equal(err.text, "/dev/null: not a network namespace");
	assert_int_equal(net_ns_open("/proc/self/ns/net", &fd, &err), 0);
	close(fd);
}

/* In a process of its own: what it does to /dev stays there. */
static void a_host_without_tun_is_told(void **state)
{
	static const char text[] =
		"network interface eth0: the host has no /dev/net/tun, which a VM's network needs "
		"(is the kernel's module tun loaded?)";
	int ns = world_ns(), peer = world_ns(), status;
	pid_t pid;

	(void)state;
	world_add_veth(ns, "eth0", 1, peer, "p0", 2);
	pid = fork();
	if (pid == 0) {
		struct err err = ERR_INIT;
		struct net_capture *c;
		int r;

		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("none", "/dev/net", "tmpfs", 0, NULL) < 0)
			_exit(77);
		r = net_capture_open(ns, &c, &err);
		if (r == 0)
			r = net_capture_attach(c, &owner, 1, &err);
		net_capture_free(c);
		if (r == -ENODEV && !strcmp(err.text, text))
			_exit(0);
		print_message("%d: %s\n", r, err.text);
		fflush(NULL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(world_count_qdiscs(ns), 0);
	assert_int_equal(world_count_links(ns), 2);
	close(ns);
	close(peer);
}

/* --- redirecting --- */

/* A packet socket on an interface: what arrives there and what is sent. */
static int packet_socket(int ns, const char *name)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = world_index(ns, name),
	};
	int fd;

	assert_int_equal(setns(ns, CLONE_NEWNET), 0);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	close(home);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sll, sizeof(sll)), 0);
	return fd;
}

/* A frame of a protocol of our own, so that nobody answers or takes it for something. */
static void make_frame(uint8_t *frame, size_t len, uint8_t mark)
{
	memset(frame, mark, len);
	memset(frame, 0xff, 6);
	frame[12] = 0x88;
	frame[13] = 0xb5; /* IEEE 802: local experimental */
}

/* The next frame with our protocol; false after a second without. */
static bool receive_frame(int fd, size_t skip, uint8_t *frame, size_t *len)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint8_t buf[70000];

	while (poll(&pfd, 1, 1000) == 1) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n < (ssize_t)skip + 14 || buf[skip + 12] != 0x88 || buf[skip + 13] != 0xb5)
			continue;
		*len = (size_t)n - skip;
		memcpy(frame, buf + skip, *len);
		return true;
	}
	return false;
}

static void frames_pass_both_ways(void **state)
{
	/* From the least (an ARP packet's 28 bytes are more) to the largest for the MTU. */
	static const size_t sizes[] = { 14, 15, 17, 60, 1514, 9014 };
	enum { HEADER = sizeof(struct virtio_net_hdr) };
	uint8_t sent[HEADER + 9014] = { 0 }, got[70000];
	int ns = world_ns(), peer = world_ns(), outside;
	struct net_capture *c;
	size_t len;
	int tap;

	(void)state;
	world_add_veth(ns, "eth0", 1, peer, "p0", 2);
	world_up(ns, "eth0", 9000);
	world_up(peer, "p0", 9000);
	c = capture_and_attach(ns, 1);
	tap = net_capture_tap(c, 0)->fds[0];
	outside = packet_socket(peer, "p0");
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		make_frame(sent + HEADER, sizes[i], (uint8_t)(i + 1));
		assert_int_equal(write(outside, sent + HEADER, sizes[i]), sizes[i]);
		assert_true(receive_frame(tap, HEADER, got, &len));
		assert_int_equal(len, sizes[i]);
		assert_memory_equal(got, sent + HEADER, len);

		make_frame(sent + HEADER, sizes[i], (uint8_t)(i + 101));
		assert_int_equal(write(tap, sent, HEADER + sizes[i]), HEADER + sizes[i]);
		assert_true(receive_frame(outside, 0, got, &len));
		assert_int_equal(len, sizes[i]);
		assert_memory_equal(got, sent + HEADER, len);
	}
	close(outside);
	net_capture_free(c);
	close(ns);
	close(peer);
}

static void nothing_is_left_when_it_ends(void **state)
{
	int ns = world_ns(), peer = world_ns();
	struct net_capture *c;

	(void)state;
	world_add_veth(ns, "eth0", 1, peer, "p0", 2);
	world_add_veth(ns, "eth1", 3, peer, "p1", 4);
	c = capture_and_attach(ns, 4);
	assert_int_equal(net_capture_count(c), 2);
	assert_int_equal(net_capture_tap(c, 1)->n_fds, 4);
	assert_string_equal(net_capture_tap(c, 1)->name, "eth1");
	assert_int_equal(world_count_links(ns), 5);
	assert_int_equal(world_count_qdiscs(ns), 4);
	net_capture_free(c);
	assert_int_equal(world_count_links(ns), 3);
	assert_int_equal(world_count_qdiscs(ns), 0);
	close(ns);
	close(peer);
}

static void queues_are_as_many_as_cpus_up_to_eight(void **state)
{
	static const struct {
		unsigned cpus, queues;
	} cases[] = { { 0, 1 }, { 1, 1 }, { 2, 2 }, { 8, 8 }, { 32, 8 } };
	int ns = world_ns(), peer = world_ns();

	(void)state;
	world_add_veth(ns, "eth0", 1, peer, "p0", 2);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct net_capture *c = capture_and_attach(ns, cases[i].cpus);
		struct ifreq ifr;

		assert_int_equal(net_capture_tap(c, 0)->n_fds, cases[i].queues);
		for (unsigned k = 0; k < cases[i].queues; k++) {
			assert_int_equal(ioctl(net_capture_tap(c, 0)->fds[k], TUNGETIFF, &ifr), 0);
			assert_true(ifr.ifr_flags & IFF_VNET_HDR);
			assert_int_equal(!!(ifr.ifr_flags & IFF_MULTI_QUEUE), cases[i].queues > 1);
			assert_true(fcntl(net_capture_tap(c, 0)->fds[k], F_GETFL) & O_NONBLOCK);
		}
		net_capture_free(c);
	}
	close(ns);
	close(peer);
}

static void a_failure_halfway_undoes_the_first_half(void **state)
{
	int ns = world_ns(), peer = world_ns();
	struct net_capture *c;
	struct err err = ERR_INIT;

	(void)state;
	world_add_veth(ns, "eth0", 1, peer, "p0", 2);
	world_add_veth(ns, "eth1", 3, peer, "p1", 4);
	c = capture(ns);
	world_add_qdisc(ns, "eth1", "ingress");
	assert_int_equal(net_capture_attach(c, &owner, 1, &err), -EBUSY);
	assert_string_equal(err.text, "network interface eth1: tc is in use on it");
	assert_int_equal(world_count_qdiscs(ns), 1);
	assert_int_equal(world_count_links(ns), 3);
	net_capture_free(c);
	assert_int_equal(world_count_qdiscs(ns), 1);
	close(ns);
	close(peer);
}

static void release_takes_away_what_the_owner_has(void **state)
{
	const struct net_owner another = { .id = "somebodyelse" };
	int ns = world_ns(), peer = world_ns();
	struct net_capture *c;

	(void)state;
	world_add_veth(ns, "eth0", 1, peer, "p0", 2);
	c = capture_and_attach(ns, 1);
	net_capture_keep(c);
	net_capture_free(c);
	/* the tap went with its descriptor, as when vrun-vmm is killed */
	assert_int_equal(world_count_links(ns), 2);
	assert_int_equal(world_count_qdiscs(ns), 1);
	assert_int_equal(net_release(ns, &another), 0);
	assert_int_equal(world_count_qdiscs(ns), 1);
	assert_int_equal(net_release(ns, &owner), 0);
	assert_int_equal(world_count_qdiscs(ns), 0);
	assert_int_equal(net_release(ns, &owner), 0);
	/* by a process that is in the namespace */
	c = capture_and_attach(ns, 1);
	net_capture_keep(c);
	net_capture_free(c);
	if (fork() == 0)
		_exit(setns(ns, CLONE_NEWNET) < 0 || net_release(-EBADF, &owner) < 0);
	wait(NULL);
	assert_int_equal(world_count_qdiscs(ns), 0);
	close(ns);
	close(peer);
}

static void what_a_killed_vm_left_is_taken_over(void **state)
{
	const struct net_owner dead = { .id = "was-killed.." };
	int ns = world_ns(), peer = world_ns();
	struct net_capture *c;
	struct err err = ERR_INIT;

	(void)state;
	world_add_veth(ns, "eth0", 1, peer, "p0", 2);
	c = capture(ns);
	assert_int_equal(net_capture_attach(c, &dead, 1, &err), 0);
	net_capture_keep(c);
	net_capture_free(c);
	assert_int_equal(world_count_qdiscs(ns), 1);
	c = capture_and_attach(ns, 1);
	assert_int_equal(world_count_qdiscs(ns), 2);
	/* and is not the dead one's any more */
	assert_int_equal(net_release(ns, &dead), 0);
	assert_int_equal(world_count_qdiscs(ns), 2);
	net_capture_free(c);
	assert_int_equal(world_count_qdiscs(ns), 0);
	close(ns);
	close(peer);
}

static void the_tap_has_nothing_to_say(void **state)
{
	int ns = world_ns(), peer = world_ns();
	struct pollfd pfd = { .events = POLLIN };
	struct net_capture *c;

	(void)state;
	world_add_veth(ns, "eth0", 1, peer, "p0", 2);
	c = capture_and_attach(ns, 1);
	pfd.fd = net_capture_tap(c, 0)->fds[0];
	/* a router solicitation would come at once, the first report of groups within a second */
	assert_int_equal(poll(&pfd, 1, 1500), 0);
	net_capture_free(c);
	close(ns);
	close(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_namespace_with_loopback_alone_has_no_interface),
		cmocka_unit_test(what_the_kernel_adds_is_left_out),
		cmocka_unit_test(the_link_local_address_is_known_before_it_is_there),
		cmocka_unit_test(an_interface_that_is_down_stays_down),
		cmocka_unit_test(a_bridge_stands_for_its_ports),
		cmocka_unit_test(a_macvlan_on_an_interface_elsewhere_is_carried_over),
		cmocka_unit_test(a_macvlan_on_an_interface_beside_it_is_refused),
		cmocka_unit_test(an_interface_without_ethernet_is_refused_once_it_is_up),
		cmocka_unit_test(an_mtu_that_no_tap_can_have_is_refused),
		cmocka_unit_test(twenty_interfaces_are_refused),
		cmocka_unit_test(two_interfaces_with_one_mac_address_are_refused),
		cmocka_unit_test(tc_in_use_is_refused),
		cmocka_unit_test(an_interface_of_another_vm_is_refused),
		cmocka_unit_test(a_path_that_is_no_namespace_is_refused),
		cmocka_unit_test(a_host_without_tun_is_told),
		cmocka_unit_test(frames_pass_both_ways),
		cmocka_unit_test(nothing_is_left_when_it_ends),
		cmocka_unit_test(queues_are_as_many_as_cpus_up_to_eight),
		cmocka_unit_test(a_failure_halfway_undoes_the_first_half),
		cmocka_unit_test(release_takes_away_what_the_owner_has),
		cmocka_unit_test(what_a_killed_vm_left_is_taken_over),
		cmocka_unit_test(the_tap_has_nothing_to_say),
	};

	if (!world_is_possible())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
