/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-net over a real tap: making it, its control queue, several pairs, and drivers that break the rules. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/loop.h"
#include "tests/unit/net_guest.h"
#include "vmm/virtio/net_tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>

static uint8_t sent[NET_FRAME_MAX], got[NET_FRAME_MAX];

/* --- Making it --- */

static int no_device(void **state)
{
	(void)state;
	memset(&net, 0, sizeof(net));
	return loop_new(&net.loop);
}

static int free_loop(void **state)
{
	(void)state;
	loop_free(net.loop);
	return 0;
}

static struct vnet_config config_of(unsigned n, int a, int b)
{
	return (struct vnet_config){ .tag = "net7",
				     .mac = { 2, 3, 4, 5, 6, 7 },
				     .mtu = 1500,
				     .take_tap_fds = { a, b },
				     .n_pairs = n };
}

/* Refused, with the descriptors consumed. */
static void expect_refused(const struct vnet_config *config, const char *words)
{
	struct vdev *dev = NULL;
	struct err err = ERR_INIT;

	assert_true(virtio_net_new(net.loop, config, &dev, &err) < 0);
	assert_null(dev);
	if (!strstr(err.text, words) || strncmp(err.text, "net7: ", 6) != 0)
		fail_msg("\"%s\" doesn't say \"%s\"", err.text, words);
	for (unsigned i = 0; i < config->n_pairs && i < VNET_PAIRS_MAX; i++)
		if (config->take_tap_fds[i] > 2)
			assert_int_equal(fcntl(config->take_tap_fds[i], F_GETFD), -1);
}

static void what_is_no_proper_tap_is_refused(void **state)
{
	struct vnet_config config;

	(void)state;
	config = config_of(1, open("/dev/null", O_RDWR | O_CLOEXEC), 0);
	expect_refused(&config, "is no tap");
	config = config_of(1, open("/dev/net/tun", O_RDWR | O_CLOEXEC), 0);
	expect_refused(&config, "is no tap");
	config = config_of(1, -1, 0);
	expect_refused(&config, "descriptor -1 is no tap");
	config = config_of(1, net_open_tap("t0", IFF_TAP), 0);
	expect_refused(&config, "t0 is no tap with vnet headers");
	config = config_of(1, net_open_tap("t0", IFF_TUN | IFF_VNET_HDR), 0);
	expect_refused(&config, "t0 is no tap with vnet headers");
	config = config_of(2, net_open_tap("t0", IFF_TAP | IFF_VNET_HDR),
			   net_open_tap("t1", IFF_TAP | IFF_VNET_HDR));
	expect_refused(&config, "t0 is no tap with vnet headers and several queues");
	config = config_of(2, net_open_tap("t0", IFF_TAP | IFF_VNET_HDR | IFF_MULTI_QUEUE),
			   net_open_tap("t1", IFF_TAP | IFF_VNET_HDR | IFF_MULTI_QUEUE));
	expect_refused(&config, "queues of two taps, t0 and t1");
}

static void values_out_of_range_are_refused(void **state)
{
	struct vnet_config config = config_of(1, net_open_tap("t0", IFF_TAP | IFF_VNET_HDR), 0);

	(void)state;
	config.mtu = 67;
	expect_refused(&config, "an MTU of 67 is below 68");
	config = config_of(1, net_open_tap("t0", IFF_TAP | IFF_VNET_HDR), 0);
	config.mac[0] = 1;
	expect_refused(&config, "a group's MAC address");
	config = config_of(0, -1, 0);
	expect_refused(&config, "1 to 8 queue pairs");
	config = config_of(9, -1, 0);
	expect_refused(&config, "1 to 8 queue pairs");
}

static void the_tap_is_made_ready(void **state)
{
	struct vnet_config config = config_of(1, net_open_tap("t0", IFF_TAP | IFF_VNET_HDR), 0);
	int fd = config.take_tap_fds[0];
	struct vdev *dev;

	(void)state;
	assert_int_equal(fcntl(fd, F_SETFD, 0), 0);
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	assert_int_equal(virtio_net_new(net.loop, &config, &dev, NULL), 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	vdev_free(dev);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

/* --- With a device --- */

struct shape {
	unsigned pairs;
	uint64_t features;
};

static int set_up(void **state)
{
	const struct shape *shape = *state;

	net_make(shape->pairs, 64, shape->features);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	net_done();
	return 0;
}

static void the_config_space_describes_the_device(void **state)
{
	(void)state;
	assert_int_equal(net.dev->n_vqs, 5);
	assert_int_equal(net.dev->config_len, 12);
	assert_memory_equal(net.dev->config, "\x02\x00\x5e\x10\x00\x01", 6);
	assert_int_equal(get_le16(net.dev->config + 6), VIRTIO_NET_S_LINK_UP);
	assert_int_equal(get_le16(net.dev->config + 8), 2);
	assert_int_equal(get_le16(net.dev->config + 10), 1500);
	assert_true(net.dev->features & F(VIRTIO_NET_F_MQ));
	/* What each kernel of the last fifteen years knows. */
	for (unsigned bit = VIRTIO_NET_F_GUEST_TSO4; bit <= VIRTIO_NET_F_GUEST_ECN; bit++)
		assert_true(net.dev->features & F(bit));
	for (unsigned bit = VIRTIO_NET_F_HOST_TSO4; bit <= VIRTIO_NET_F_HOST_ECN; bit++)
		assert_true(net.dev->features & F(bit));
	assert_false(net.dev->features & F(VIRTIO_NET_F_CTRL_RX));
}

static void the_tap_s_counters_are_seen_from_the_guest(void **state)
{
	struct vnet_stats stats = { 0 };
	struct virtio_net_hdr_v1 hdr;
	int counters = open("/proc/self/net/dev", O_RDONLY | O_CLOEXEC);
	int other = net_open_tap("tap", IFF_TAP | IFF_VNET_HDR); /* a name that begins ours */
	int none = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	net_start();
	net_add_buffers(0, 4, 2000, 1);
	net_fill(sent, 300, 1);
	net_host_send(NULL, sent, 300);
	net_host_send(NULL, sent, 200);
	net_turn();
	assert_int_equal(net_receive_soon(0, &hdr, got), 300);
	net_transmit(0, NULL, sent, 150);
	assert_int_equal(net_tap_counters(other, counters, &stats), 0);
	assert_int_equal(stats.rx_packets + stats.tx_packets, 0);
	close(other);
	other = net_open_tap(net.name, IFF_TAP | IFF_VNET_HDR | IFF_MULTI_QUEUE);
	for (unsigned i = 0; i < 2; i++) {
		/* Again and again, each time from the beginning. */
		assert_int_equal(net_tap_counters(other, counters, &stats), 0);
		assert_int_equal(stats.rx_packets, 2);
		assert_int_equal(stats.rx_bytes, 500);
		assert_int_equal(stats.tx_packets, 1);
		assert_int_equal(stats.tx_bytes, 150);
	}
	assert_int_equal(net_tap_counters(other, none, &stats), -ENOENT);
	assert_int_equal(net_tap_counters(none, counters, &stats), -ENOTTY);
	close(other);
	close(none);
	close(counters);
}

/* --- Control --- */

static void unknown_commands_are_refused(void **state)
{
	uint8_t data[100] = { 0 };

	(void)state;
	net_start();
	assert_int_equal(net_control(0, 0, data, 1), VIRTIO_NET_ERR);
	assert_int_equal(net_control(99, 0, data, 0), VIRTIO_NET_ERR);
	assert_int_equal(net_control(255, 255, data, 100), VIRTIO_NET_ERR);
	assert_int_equal(net_control(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, data, 8),
			 VIRTIO_NET_ERR);
	assert_int_equal(net_control(VIRTIO_NET_CTRL_MQ, 1, data, 2), VIRTIO_NET_ERR);
	assert_int_equal(net_control(VIRTIO_NET_CTRL_GUEST_OFFLOADS, 1, data, 8), VIRTIO_NET_ERR);
	assert_int_equal(net.host.failures, 0);
}

static void an_address_can_be_set(void **state)
{
	(void)state;
	net_start();
	assert_int_equal(net_control(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, "\2\0\0\0\0\5", 6),
			 VIRTIO_NET_OK);
	assert_int_equal(net_control(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, "\3\0\0\0\0\5", 6),
			 VIRTIO_NET_ERR);
	assert_int_equal(net_control(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, "\2\0\0\0\0", 5),
			 VIRTIO_NET_ERR);
	assert_int_equal(net_control(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, "", 0),
			 VIRTIO_NET_ERR);
}

static int control_offloads(uint64_t features, uint32_t len)
{
	uint8_t data[16] = { 0 };

	put_le64(data, features);
	return net_control(VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, data, len);
}

static void send_segment(void)
{
	const struct virtio_net_hdr hdr = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = htole16(54),
		.gso_size = htole16(1000),
		.csum_start = htole16(34),
		.csum_offset = htole16(16),
	};

	net_host_send(&hdr, sent, net_fill_tcp(sent, 3000));
	net_turn();
}

static void offloads_go_off_and_on(void **state)
{
	struct virtio_net_hdr_v1 hdr;

	(void)state;
	net_start();
	net_add_buffers(0, 60, 2000, 1);
	send_segment();
	assert_int_equal(net_receive_soon(0, &hdr, got), 3054);
	assert_int_equal(hdr.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(control_offloads(0, 8), VIRTIO_NET_OK);
	send_segment();
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(net_receive_soon(0, &hdr, got), 1054);
		assert_int_equal(hdr.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	}
	assert_int_equal(control_offloads(NET_GUEST_TSO, 8), VIRTIO_NET_OK);
	send_segment();
	assert_int_equal(net_receive_soon(0, &hdr, got), 3054);
}

static void only_negotiated_offloads_can_be_set(void **state)
{
	(void)state;
	net_start();
	assert_int_equal(control_offloads(F(VIRTIO_NET_F_GUEST_CSUM), 8), VIRTIO_NET_OK);
	assert_int_equal(control_offloads(F(VIRTIO_NET_F_GUEST_TSO4), 8), VIRTIO_NET_ERR);
	assert_int_equal(control_offloads(F(VIRTIO_NET_F_CSUM), 8), VIRTIO_NET_ERR);
	assert_int_equal(control_offloads(F(63), 8), VIRTIO_NET_ERR);
	assert_int_equal(control_offloads(0, 7), VIRTIO_NET_ERR);
	assert_int_equal(control_offloads(0, 9), VIRTIO_NET_ERR);
	assert_int_equal(control_offloads(0, 0), VIRTIO_NET_ERR);
}

static void commands_of_features_not_negotiated_are_refused(void **state)
{
	(void)state;
	net_start();
	assert_int_equal(control_offloads(0, 8), VIRTIO_NET_ERR);
	assert_int_equal(net_control(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, "\2\0\0\0\0\5", 6),
			 VIRTIO_NET_ERR);
	assert_int_equal(net_control(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, "\1\0", 2),
			 VIRTIO_NET_ERR);
}

static void many_commands_are_all_answered(void **state)
{
	struct ring_driver *rd = &net.host.queues[2];
	struct ring_buf bufs[] = {
		{ ring_mem_alloc(&net.host.rm, 0, 2, 1), 2, false },
		{ ring_mem_alloc(&net.host.rm, 0, 1, 1), 1, true },
	};

	(void)state;
	for (unsigned i = 0; i < 32; i++)
		assert_true(ring_driver_add(rd, bufs, 2) >= 0);
	assert_int_equal(vdev_start(net.dev), 0);
	assert_int_equal(ring_driver_device_idx(rd), 4);
	net_turn();
	assert_int_equal(ring_driver_device_idx(rd), 32);
	while (ring_driver_used(rd, NULL, NULL))
		;
	assert_true(ring_driver_add(rd, bufs, 2) >= 0);
	assert_true(ring_driver_kick(rd));
}

static void impossible_offloads_don_t_keep_the_device_from_starting(void **state)
{
	(void)state;
	/* §5.1.3.1: each of these needs another one, which isn't there. */
	net.dev->acked = NET_MERGEABLE | F(VIRTIO_NET_F_GUEST_ECN) | F(VIRTIO_NET_F_GUEST_TSO6);
	net_start();
	net.dev->acked |= F(VIRTIO_NET_F_GUEST_CSUM);
	net.dev->acked &= ~F(VIRTIO_NET_F_GUEST_TSO6);
	ring_host_reset(&net.host);
	net_start();
	assert_int_equal(net.host.failures, 0);
}

/* --- Several pairs --- */

/* Frames of many flows from the host; how many reached each pair. */
static void spread(unsigned counts[3])
{
	struct virtio_net_hdr_v1 hdr;

	for (uint16_t port = 1; port <= 48; port++)
		net_host_send(NULL, sent, net_fill_udp(sent, port, 100));
	net_turn();
	for (unsigned i = 0; i < net.n_pairs; i++) {
		counts[i] = 0;
		while (net_receive(i, &hdr, got) > 0)
			counts[i]++;
		net_add_buffers(i, counts[i], 2000, 1);
	}
}

static int set_pairs(uint16_t n, uint32_t len)
{
	uint8_t data[4] = { (uint8_t)n, (uint8_t)(n >> 8) };

	return net_control(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, data, len);
}

static void pairs_are_used_as_the_driver_says(void **state)
{
	struct virtio_net_hdr hdr;
	unsigned counts[3];

	(void)state;
	net_start();
	for (unsigned i = 0; i < 3; i++)
		net_add_buffers(i, 60, 2000, 1);
	spread(counts);
	assert_int_equal(counts[0], 48);
	assert_int_equal(set_pairs(3, 2), VIRTIO_NET_OK);
	spread(counts);
	assert_true(counts[0] > 0 && counts[1] > 0 && counts[2] > 0);
	assert_int_equal(counts[0] + counts[1] + counts[2], 48);
	for (unsigned i = 0; i < 3; i++) {
		net_fill(sent, 100 + i, i);
		net_transmit(i, NULL, sent, 100 + i);
		assert_int_equal(net_host_receive_soon(&hdr, got), 100 + i);
	}
	assert_int_equal(set_pairs(2, 2), VIRTIO_NET_OK);
	spread(counts);
	assert_true(counts[0] > 0 && counts[1] > 0);
	assert_int_equal(counts[0] + counts[1], 48);
	/* A frame that was on its way in the third is still sent. */
	net_transmit(2, NULL, sent, 102);
	assert_int_equal(net_host_receive_soon(&hdr, got), 102);
	assert_int_equal(set_pairs(3, 2), VIRTIO_NET_OK);
	/* A new driver begins with one. */
	ring_host_reset(&net.host);
	net_start();
	net_add_buffers(0, 60, 2000, 1);
	spread(counts);
	assert_int_equal(counts[0], 48);
}

static void an_impossible_number_of_pairs_is_refused(void **state)
{
	(void)state;
	net_start();
	assert_int_equal(set_pairs(0, 2), VIRTIO_NET_ERR);
	assert_int_equal(set_pairs(4, 2), VIRTIO_NET_ERR);
	assert_int_equal(set_pairs(0x8000, 2), VIRTIO_NET_ERR);
	assert_int_equal(set_pairs(1, 1), VIRTIO_NET_ERR);
	assert_int_equal(set_pairs(1, 3), VIRTIO_NET_ERR);
	assert_int_equal(set_pairs(1, 0), VIRTIO_NET_ERR);
	assert_int_equal(set_pairs(3, 2), VIRTIO_NET_OK);
}

/* §5.1.2: the control queue then is where the second pair would begin. */
static void a_driver_without_multiple_queues_has_one_pair(void **state)
{
	unsigned counts[3];

	(void)state;
	net_start();
	net_add_buffers(0, 60, 2000, 1);
	assert_int_equal(set_pairs(1, 2), VIRTIO_NET_ERR);
	assert_int_equal(control_offloads(0, 8), VIRTIO_NET_OK);
	spread(counts);
	assert_int_equal(counts[0], 48);
	/* Queues that are no queues any more: nothing happens. */
	net_add_buffers(2, 1, 2000, 1);
	net_add_frame(2, NULL, sent, 100);
	ring_driver_kick(&net.host.queues[5]);
	net_turn();
	assert_int_equal(ring_driver_device_idx(&net.host.queues[5]), 0);
}

static void a_host_that_keeps_the_control_queue_enables_the_pairs(void **state)
{
	unsigned counts[3];

	(void)state;
	net.dev->vqs[6].enabled = false;
	net.dev->vqs[4].enabled = net.dev->vqs[5].enabled = false;
	net_start();
	net_add_buffers(0, 60, 2000, 1);
	net_add_buffers(1, 60, 2000, 1);
	spread(counts);
	assert_true(counts[0] > 0 && counts[1] > 0);
	assert_int_equal(counts[0] + counts[1], 48);
	vdev_stop(net.dev);
	net.dev->vqs[2].enabled = net.dev->vqs[3].enabled = false;
	net_start();
	spread(counts);
	assert_int_equal(counts[0], 48);
}

static void a_missing_receive_queue_is_left_alone(void **state)
{
	struct virtio_net_hdr hdr;

	(void)state;
	net.dev->vqs[0].enabled = false;
	net_start();
	net_fill(sent, 100, 1);
	net_host_send(NULL, sent, 100);
	net_transmit(0, NULL, sent, 100);
	assert_int_equal(net_host_receive_soon(&hdr, got), 100);
	assert_int_equal(net.host.failures, 0);
}

/* --- Drivers that break the rules --- */

/* One chain on queue `q` fails the device, once; after a reset it works again. */
static void expect_failure(unsigned q, const struct ring_buf *bufs, unsigned n, const char *why)
{
	struct virtio_net_hdr_v1 hdr;

	net.host.failures = 0;
	net_start();
	assert_true(ring_driver_add(&net.host.queues[q], bufs, n) >= 0);
	ring_driver_kick(&net.host.queues[q]);
	/* Buffers are looked at when there is a frame. */
	net_fill(sent, 100, 1);
	net_host_send(NULL, sent, 100);
	net_turn();
	assert_int_equal(net.host.failures, 1);
	assert_string_equal(net.host.why, why);
	net_host_send(NULL, sent, 100);
	ring_driver_kick(&net.host.queues[q]);
	net_turn();
	assert_int_equal(net.host.failures, 1);

	ring_host_reset(&net.host);
	net_start();
	net_add_buffers(0, 8, 2000, 1);
	net_turn();
	while (net_receive(0, &hdr, got) > 0)
		;
	net_host_send(NULL, sent, 100);
	net_turn();
	assert_int_equal(net_receive_soon(0, &hdr, got), 100);
	assert_int_equal(net.host.failures, 1);
	ring_host_reset(&net.host);
}

static struct ring_buf piece(uint32_t len, bool writable)
{
	return (struct ring_buf){ ring_mem_alloc(&net.host.rm, 0, len, 1), len, writable };
}

#define EXPECT_FAILURE(q, why, ...)                                                                          \
	do {                                                                                                 \
		const struct ring_buf bufs_[] = { __VA_ARGS__ };                                             \
		expect_failure(q, bufs_, ARRAY_SIZE(bufs_), why);                                            \
	} while (0)

enum { RX, TX, CTRL };

static void chains_of_the_wrong_shape_break_the_device(void **state)
{
	const char *rx = "receive buffer that can't hold a header", *tx = "transmit buffer without a header",
		   *ctrl = "control buffer without a command or room for its ack";

	(void)state;
	EXPECT_FAILURE(RX, rx, piece(2000, false));
	EXPECT_FAILURE(RX, rx, piece(1, false), piece(2000, true));
	EXPECT_FAILURE(RX, rx, piece(11, true));
	EXPECT_FAILURE(RX, rx, { 1 << 20, 0, true });
	EXPECT_FAILURE(TX, tx, piece(2000, true));
	EXPECT_FAILURE(TX, tx, piece(2000, false), piece(1, true));
	EXPECT_FAILURE(TX, tx, piece(11, false));
	EXPECT_FAILURE(TX, tx, { 1 << 20, 0, false });
	EXPECT_FAILURE(CTRL, ctrl, piece(1, false), piece(1, true));
	EXPECT_FAILURE(CTRL, ctrl, piece(2, false));
	EXPECT_FAILURE(CTRL, ctrl, piece(1, true));
	EXPECT_FAILURE(CTRL, ctrl, { 1 << 20, 0, true });
}

static void buffers_outside_memory_break_the_device(void **state)
{
	(void)state;
	for (unsigned q = RX; q <= CTRL; q++) {
		EXPECT_FAILURE(q, "descriptor outside guest memory", { 1 << 19, 2000, q == RX });
		EXPECT_FAILURE(q, "descriptor outside guest memory", { UINT64_MAX - 5, 2000, q == RX });
	}
}

/* The second buffer of a frame that waits is bad: what waits is lost with the device. */
static void a_bad_buffer_for_a_frame_that_waits_breaks_the_device(void **state)
{
	struct ring_buf bad = piece(5, true);

	(void)state;
	net_start();
	net_add_buffers(0, 1, 100, 1);
	net_fill(sent, 1000, 1);
	net_host_send(NULL, sent, 1000);
	net_turn();
	assert_int_equal(net.host.failures, 0);
	assert_true(ring_driver_add(&net.host.queues[RX], &bad, 1) >= 0);
	assert_true(ring_driver_kick(&net.host.queues[RX]));
	net_turn();
	assert_int_equal(net.host.failures, 1);
	assert_int_equal(ring_driver_device_idx(&net.host.queues[RX]), 0);
}

static void a_reset_inside_a_failure_is_survived(void **state)
{
	(void)state;
	net.host.reset_on_failure = true;
	for (unsigned q = RX; q <= CTRL; q++) {
		net_start();
		net_add_buffers(0, 4, 2000, 1);
		net_fill(sent, 1000, 1);
		for (unsigned i = 0; i < 100; i++)
			net_host_send(NULL, sent, 1000);
		ring_driver_publish(&net.host.queues[q], 999);
		ring_driver_kick(&net.host.queues[q]);
		net_turn();
		assert_int_equal(net.host.failures, q + 1);
		assert_false(net.dev->started);
		net_turn();
		ring_host_reset(&net.host);
	}
}

/* Turn after turn of work for the device, and then a violation in the midst of it. */
static void a_failure_in_a_later_turn_is_survived(void **state)
{
	(void)state;
	net.host.reset_on_failure = true;
	net_fill(sent, 100, 1);
	for (unsigned i = 0; i < 20; i++)
		net_add_frame(0, NULL, sent, 100);
	assert_int_equal(vdev_start(net.dev), 0);
	ring_driver_publish(&net.host.queues[TX], 999);
	ring_driver_publish(&net.host.queues[CTRL], 999);
	ring_driver_kick(&net.host.queues[TX]);
	ring_driver_kick(&net.host.queues[CTRL]);
	net_turn();
	assert_int_equal(net.host.failures, 1);
}

static void wild_indices_break_the_device(void **state)
{
	(void)state;
	for (unsigned q = RX; q <= CTRL; q++) {
		net_start();
		ring_driver_set_avail_idx(&net.host.queues[q], 1000);
		ring_driver_kick(&net.host.queues[q]);
		net_fill(sent, 100, 1);
		net_host_send(NULL, sent, 100);
		net_turn();
		assert_int_equal(net.host.failures, q + 1);
		ring_host_reset(&net.host);
	}
}

/* The same buffer, over and over: more of them than the ring has places. */
static void buffers_given_twice_hurt_nobody_else(void **state)
{
	struct ring_driver *rd = &net.host.queues[RX];
	struct ring_buf buf = piece(16, true);
	int head;

	(void)state;
	net_start();
	head = ring_driver_add(rd, &buf, 1);
	assert_true(head >= 0);
	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < 60; i++)
			ring_driver_publish(rd, (uint16_t)head);
		ring_driver_kick(rd);
		net_fill(sent, 3000, round);
		net_host_send(NULL, sent, 3000);
		net_turn();
	}
	assert_int_equal(net.host.failures, 0);
}

static struct shape plain = { 1, NET_PLAIN }, all = { 1, NET_ALL }, three = { 3, ~0ULL };
static struct shape two = { 2, ~0ULL }, three_as_one = { 3, NET_ALL };
static struct shape tso = { 1, NET_MERGEABLE | NET_GUEST_TSO | F(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) };
static struct shape no_tso = { 1, NET_MERGEABLE | F(VIRTIO_NET_F_GUEST_CSUM) |
					  F(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) };

#define ALONE(name) cmocka_unit_test_setup_teardown(name, no_device, free_loop)
#define TEST(name, shape) cmocka_unit_test_prestate_setup_teardown(name, set_up, tear_down, &shape)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALONE(what_is_no_proper_tap_is_refused),
		ALONE(values_out_of_range_are_refused),
		ALONE(the_tap_is_made_ready),
		TEST(the_config_space_describes_the_device, two),
		TEST(the_tap_s_counters_are_seen_from_the_guest, two),
		TEST(unknown_commands_are_refused, all),
		TEST(unknown_commands_are_refused, three),
		TEST(an_address_can_be_set, all),
		TEST(offloads_go_off_and_on, tso),
		TEST(only_negotiated_offloads_can_be_set, no_tso),
		TEST(commands_of_features_not_negotiated_are_refused, plain),
		TEST(many_commands_are_all_answered, all),
		TEST(impossible_offloads_don_t_keep_the_device_from_starting, all),
		TEST(pairs_are_used_as_the_driver_says, three),
		TEST(an_impossible_number_of_pairs_is_refused, three),
		TEST(a_driver_without_multiple_queues_has_one_pair, three_as_one),
		TEST(a_host_that_keeps_the_control_queue_enables_the_pairs, three),
		TEST(a_missing_receive_queue_is_left_alone, all),
		TEST(chains_of_the_wrong_shape_break_the_device, all),
		TEST(chains_of_the_wrong_shape_break_the_device, plain),
		TEST(buffers_outside_memory_break_the_device, all),
		TEST(a_bad_buffer_for_a_frame_that_waits_breaks_the_device, all),
		TEST(a_reset_inside_a_failure_is_survived, all),
		TEST(a_reset_inside_a_failure_is_survived, plain),
		TEST(a_failure_in_a_later_turn_is_survived, all),
		TEST(wild_indices_break_the_device, all),
		TEST(buffers_given_twice_hurt_nobody_else, all),
	};

	if (!net_enter_namespace()) {
		print_message("test_net_control: skipped: needs root and /dev/net/tun\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
