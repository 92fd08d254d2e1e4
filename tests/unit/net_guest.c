/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "tests/unit/net_guest.h"

#include "base/endian.h"
#include "base/err.h"
#include "base/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

struct net_guest net;
unsigned net_buffers_used;

enum { REGION = 16 << 20, ETH_P_TEST = 0x88b5 /* IEEE 802: local experiments */ };

bool net_enter_namespace(void)
{
	int fd;

	if (access("/dev/net/tun", R_OK | W_OK) < 0 || unshare(CLONE_NEWNET) < 0)
		return false;
	/* Neither router solicitations nor duplicate address detection among our frames. */
	fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		assert_int_equal(write(fd, "1", 1), 1);
		close(fd);
	}
	return true;
}

static void request(unsigned long what, struct ifreq *ifr, const char *name)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
	assert_true(sock >= 0);
	assert_int_equal(ioctl(sock, what, ifr), 0);
	close(sock);
}

int net_open_tap(const char *name, int flags)
{
	struct ifreq ifr = { .ifr_flags = (short)(flags | IFF_NO_PI) };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	assert_true(fd >= 0);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	return fd;
}

void net_set_up(const char *name, bool up)
{
	struct ifreq ifr = { .ifr_flags = up ? IFF_UP : 0 };

	request(SIOCSIFFLAGS, &ifr, name);
}

void net_delete(const char *name)
{
	char buf[8192];
	struct mnl_socket *nl = mnl_socket_open(NETLINK_ROUTE);
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *info;

	msg->nlmsg_type = RTM_DELLINK;
	msg->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	info = mnl_nlmsg_put_extra_header(msg, sizeof(*info));
	info->ifi_index = (int)if_nametoindex(name);
	assert_non_null(nl);
	assert_true(mnl_socket_sendto(nl, msg, msg->nlmsg_len) > 0);
	assert_true(mnl_socket_recvfrom(nl, buf, sizeof(buf)) > 0);
	mnl_socket_close(nl);
}

static void open_host_socket(void)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct ifreq ifr = { .ifr_mtu = NET_TAP_MTU };
	int one = 1, size = 4 << 20;

	request(SIOCSIFMTU, &ifr, net.name);
	net_set_up(net.name, true);
	addr.sll_ifindex = net.ifindex = (int)if_nametoindex(net.name);
	net.sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(net.sock >= 0);
	assert_int_equal(setsockopt(net.sock, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
	assert_int_equal(setsockopt(net.sock, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)), 0);
	assert_int_equal(setsockopt(net.sock, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)), 0);
	assert_int_equal(bind(net.sock, (struct sockaddr *)&addr, sizeof(addr)), 0);
}

enum backing { TAP, TAP_VHOST, STREAM };

static void make(unsigned pairs, uint16_t size, uint64_t features, enum backing backing)
{
	struct vnet_config config = { .tag = "net0",
				      .mac = { 2, 0, 0x5e, 0x10, 0, 1 },
				      .mtu = 1500,
				      .n_pairs = pairs,
				      .vhost = backing == TAP_VHOST,
				      .stream = backing == STREAM };
	struct err err = ERR_INIT;
	int ends[2];

	memset(&net, 0, sizeof(net));
	net.n_pairs = pairs;
	strcpy(net.name, "tap0");
	if (backing == STREAM) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
		config.take_tap_fds[0] = ends[0];
		net.sock = ends[1];
	}
	for (unsigned i = 0; i < pairs && backing != STREAM; i++)
		config.take_tap_fds[i] =
			net_open_tap(net.name, IFF_TAP | IFF_VNET_HDR | (pairs > 1 ? IFF_MULTI_QUEUE : 0));
	assert_int_equal(loop_new(&net.loop), 0);
	if (virtio_net_new(net.loop, &config, &net.dev, &err) < 0)
		fail_msg("%s", err.text);
	if (backing != STREAM)
		open_host_socket();
	ring_host_init(&net.host, net.dev, REGION, size, features);
}

void net_make(unsigned pairs, uint16_t size, uint64_t features)
{
	make(pairs, size, features, TAP);
}

void net_make_vhost(unsigned pairs, uint16_t size, uint64_t features)
{
	make(pairs, size, features, TAP_VHOST);
}

void net_make_stream(uint16_t size, uint64_t features)
{
	make(1, size, features, STREAM);
}

void net_start(void)
{
	assert_int_equal(vdev_start(net.dev), 0);
	net_turn();
}

void net_done(void)
{
	if (!net.dev)
		return;
	ring_host_done(&net.host);
	vdev_free(net.dev);
	loop_free(net.loop);
	close(net.sock);
	net.dev = NULL;
}

/* The time may be over before anything has run: so it is more than one wait. */
static struct loop_source *turn_timer;
static unsigned turns_left;

static void stop_loop(void *ctx)
{
	(void)ctx;
	if (--turns_left == 0)
		loop_quit(net.loop, 0);
	else
		loop_set_timer(turn_timer, 1);
}

void net_turn(void)
{
	turns_left = 3;
	assert_int_equal(loop_add_timer(net.loop, 1, stop_loop, NULL, &turn_timer), 0);
	assert_int_equal(loop_run(net.loop), 0);
	loop_remove(turn_timer);
}

/* --- The guest --- */

static struct ring_driver *queue(unsigned pair, unsigned which)
{
	return &net.host.queues[2 * pair + which];
}

bool net_add_buffers(unsigned pair, unsigned n, uint32_t len, unsigned pieces)
{
	struct ring_driver *rd = queue(pair, 0);

	for (unsigned i = 0; i < n; i++) {
		struct ring_buf bufs[64];
		uint32_t left = len;

		for (unsigned k = 0; k < pieces; k++) {
			/* The first ones short, so that even a header lies across some. */
			uint32_t part = k + 1 < pieces && left > 5 ? 5 : left;

			bufs[k] = (struct ring_buf){ ring_mem_alloc(&net.host.rm, 0, part, 1), part, true };
			memset(ring_mem_at(&net.host.rm, bufs[k].gpa, part), 0xee, part);
			left -= part;
		}
		assert_true(ring_driver_add(rd, bufs, pieces) >= 0);
	}
	return ring_driver_kick(rd);
}

/* Append the first `len` bytes of a used chain, which may be bytes of a header or a frame. */
static void append_chain(struct ring_driver *rd, uint16_t head, uint32_t len, uint8_t *buf, size_t *used)
{
	uint16_t i = head, flags;

	do {
		const uint8_t *desc = ring_mem_at(&net.host.rm, rd->desc_gpa + 16 * i, 16);
		uint32_t part = get_le32(desc + 8);

		if (part > len)
			part = len;
		assert_true(*used + part <= NET_FRAME_MAX);
		if (part)
			memcpy(buf + *used, ring_mem_at(&net.host.rm, get_le64(desc), part), part);
		*used += part;
		len -= part;
		flags = get_le16(desc + 12);
		i = get_le16(desc + 14);
	} while (flags & RING_F_NEXT);
	assert_int_equal(len, 0);
}

size_t net_receive(unsigned pair, struct virtio_net_hdr_v1 *ret_hdr, void *frame)
{
	static uint8_t buf[NET_FRAME_MAX];
	struct ring_driver *rd = queue(pair, 0);
	uint32_t head, len;
	uint16_t n;
	size_t used = 0;

	if (!ring_driver_used(rd, &head, &len))
		return 0;
	append_chain(rd, (uint16_t)head, len, buf, &used);
	assert_true(used > sizeof(*ret_hdr));
	memcpy(ret_hdr, buf, sizeof(*ret_hdr));
	/* Without mergeable buffers a driver doesn't look: older kernels' vhost-net doesn't write. */
	n = net.dev->acked & F(VIRTIO_NET_F_MRG_RXBUF) ? get_le16(&ret_hdr->num_buffers) : 1;
	assert_true(n >= 1);
	for (unsigned i = 1; i < n; i++) {
		assert_true(ring_driver_used(rd, &head, &len));
		assert_true(len > 0);
		append_chain(rd, (uint16_t)head, len, buf, &used);
	}
	net_buffers_used = n;
	memcpy(frame, buf + sizeof(*ret_hdr), used - sizeof(*ret_hdr));
	return used - sizeof(*ret_hdr);
}

void net_add_frame(unsigned pair, const struct virtio_net_hdr_v1 *hdr, const void *frame, uint32_t len)
{
	static const struct virtio_net_hdr_v1 no_offload;
	struct ring_buf bufs[] = {
		{ ring_mem_alloc(&net.host.rm, 1, sizeof(*hdr), 1), sizeof(*hdr), false },
		{ ring_mem_alloc(&net.host.rm, 1, len, 1), len, false },
	};

	memcpy(ring_mem_at(&net.host.rm, bufs[0].gpa, sizeof(*hdr)), hdr ? hdr : &no_offload, sizeof(*hdr));
	if (len)
		memcpy(ring_mem_at(&net.host.rm, bufs[1].gpa, len), frame, len);
	assert_true(ring_driver_add(queue(pair, 1), bufs, len ? 2 : 1) >= 0);
}

void net_transmit(unsigned pair, const struct virtio_net_hdr_v1 *hdr, const void *frame, uint32_t len)
{
	net_add_frame(pair, hdr, frame, len);
	ring_driver_kick(queue(pair, 1));
	net_turn();
	assert_true(ring_driver_used(queue(pair, 1), NULL, NULL));
}

int net_control(uint8_t class, uint8_t command, const void *data, uint32_t len)
{
	unsigned q = net.dev->acked & F(VIRTIO_NET_F_MQ) ? 2 * net.n_pairs : 2;
	struct ring_driver *rd = &net.host.queues[q];
	struct ring_buf bufs[] = {
		{ ring_mem_alloc(&net.host.rm, 1, 2, 1), 2, false },
		{ ring_mem_alloc(&net.host.rm, 1, len + 1, 1), len, false },
		{ ring_mem_alloc(&net.host.rm, 1, 1, 1), 1, true },
	};
	uint8_t *ack = ring_mem_at(&net.host.rm, bufs[2].gpa, 1);
	uint32_t written;

	memcpy(ring_mem_at(&net.host.rm, bufs[0].gpa, 2), (uint8_t[]){ class, command }, 2);
	if (len)
		memcpy(ring_mem_at(&net.host.rm, bufs[1].gpa, len), data, len);
	*ack = 0xee;
	assert_true(ring_driver_add(rd, bufs, 3) >= 0);
	ring_driver_kick(rd);
	net_turn();
	if (!ring_driver_used(rd, NULL, &written))
		return -1;
	assert_int_equal(written, 1);
	return *ack;
}

/* --- The host --- */

void net_host_send(const struct virtio_net_hdr *hdr, const void *frame, size_t len)
{
	static const struct virtio_net_hdr no_offload;
	struct iovec iov[] = {
		{ (void *)(hdr ? hdr : &no_offload), sizeof(*hdr) },
		{ (void *)frame, len },
	};

	assert_int_equal(writev(net.sock, iov, 2), sizeof(*hdr) + len);
}

size_t net_host_receive(struct virtio_net_hdr *ret_hdr, void *frame)
{
	struct iovec iov[] = { { ret_hdr, sizeof(*ret_hdr) }, { frame, NET_FRAME_MAX } };
	ssize_t n = readv(net.sock, iov, 2);

	if (n < 0 && (errno == EAGAIN || errno == ENETDOWN))
		return 0;
	assert_true(n > (ssize_t)sizeof(*ret_hdr));
	return (size_t)n - sizeof(*ret_hdr);
}

/* On a busy machine the kernel's part takes longer than a turn. */
enum { TURNS_MAX = 1000 };

size_t net_receive_soon(unsigned pair, struct virtio_net_hdr_v1 *ret_hdr, void *frame)
{
	size_t len = net_receive(pair, ret_hdr, frame);

	for (unsigned i = 0; len == 0 && i < TURNS_MAX; i++) {
		net_turn();
		len = net_receive(pair, ret_hdr, frame);
	}
	return len;
}

static uint8_t wanted[NET_FRAME_MAX], received[NET_FRAME_MAX];

void net_expect_received(size_t len, unsigned seed)
{
	struct virtio_net_hdr_v1 hdr;

	net_fill(wanted, len, seed);
	assert_int_equal(net_receive_soon(0, &hdr, received), len);
	assert_memory_equal(received, wanted, len);
	assert_int_equal(get_le16(&hdr.num_buffers), net_buffers_used);
	assert_int_equal(hdr.flags, 0);
	assert_int_equal(hdr.gso_type, VIRTIO_NET_HDR_GSO_NONE);
}

void net_expect_nothing_received(void)
{
	struct virtio_net_hdr_v1 hdr;

	assert_int_equal(net_receive(0, &hdr, received), 0);
}

size_t net_host_receive_soon(struct virtio_net_hdr *ret_hdr, void *frame)
{
	size_t len = net_host_receive(ret_hdr, frame);

	for (unsigned i = 0; len == 0 && i < TURNS_MAX; i++) {
		net_turn();
		len = net_host_receive(ret_hdr, frame);
	}
	return len;
}

/* --- Frames --- */

static void fill_ethernet(uint8_t *frame, uint16_t type)
{
	memcpy(frame, "\x02\x00\x5e\x10\x00\x01\x02\x00\x5e\x10\x00\x02", 12);
	type = htons(type);
	memcpy(frame + 12, &type, 2);
}

static void fill_bytes(uint8_t *p, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)((i + seed) * 131 >> 3 ^ seed);
}

void net_fill(uint8_t *frame, size_t len, unsigned seed)
{
	fill_ethernet(frame, ETH_P_TEST);
	fill_bytes(frame + ETH_LEN, len - ETH_LEN, seed);
}

static void put_be16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static uint16_t sum(const uint8_t *p, size_t len)
{
	uint32_t total = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		total += (uint32_t)(p[i] << 8 | p[i + 1]);
	total = (total & 0xffff) + (total >> 16);
	return (uint16_t)(total + (total >> 16));
}

static void fill_ip(uint8_t *frame, uint8_t protocol, size_t len)
{
	uint8_t *ip = frame + ETH_LEN;

	fill_ethernet(frame, ETH_P_IP);
	memset(ip, 0, IP_LEN);
	ip[0] = 0x45;
	put_be16(ip + 2, (uint16_t)len);
	put_be16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = protocol;
	/* RFC 5737: addresses for documentation */
	memcpy(ip + 12, "\xc0\x00\x02\x01\xc0\x00\x02\x02", 8);
	put_be16(ip + 10, (uint16_t)~sum(ip, IP_LEN));
}

size_t net_fill_udp(uint8_t *frame, uint16_t port, size_t payload)
{
	uint8_t *udp = frame + ETH_LEN + IP_LEN;

	fill_ip(frame, IPPROTO_UDP, IP_LEN + UDP_LEN + payload);
	put_be16(udp, port);
	put_be16(udp + 2, 7);
	put_be16(udp + 4, (uint16_t)(UDP_LEN + payload));
	put_be16(udp + 6, 0);
	fill_bytes(udp + UDP_LEN, payload, port);
	return ETH_LEN + IP_LEN + UDP_LEN + payload;
}

size_t net_fill_tcp(uint8_t *frame, size_t payload)
{
	uint8_t *ip = frame + ETH_LEN, *tcp = ip + IP_LEN;

	fill_ip(frame, IPPROTO_TCP, IP_LEN + TCP_LEN + payload);
	memset(tcp, 0, TCP_LEN);
	put_be16(tcp, 7000);
	put_be16(tcp + 2, 7);
	tcp[12] = TCP_LEN / 4 << 4;
	tcp[13] = 0x10; /* ACK */
	put_be16(tcp + 14, 1000);
	/* The pseudo header's sum, for the offload to go on from. */
	put_be16(tcp + 16, (uint16_t)(sum(ip + 12, 8) + IPPROTO_TCP + TCP_LEN + payload));
	fill_bytes(tcp + TCP_LEN, payload, 3);
	return ETH_LEN + IP_LEN + TCP_LEN + payload;
}
