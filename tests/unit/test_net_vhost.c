/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-net whose pairs the host's kernel serves: where /dev/vhost-net is; elsewhere,
 * that the device does without it.
 */
#include "tests/unit/test.h"

#include "base/endian.h"
#include "tests/unit/net_guest.h"

#include <unistd.h>

static uint8_t sent[NET_FRAME_MAX], got[NET_FRAME_MAX];
static bool have_vhost;

struct shape {
	unsigned pairs;
	uint64_t features;
};

static int set_up(void **state)
{
	const struct shape *shape = *state;

	net_make_vhost(shape->pairs, 256, shape->features);
	assert_int_equal(virtio_net_has_vhost(net.dev), have_vhost);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	net_done();
	return 0;
}

/* The kernel's thread takes its time. */
enum { TRIES = 1000 };

static size_t receive(unsigned pair, struct virtio_net_hdr_v1 *hdr)
{
	size_t n = 0;

	for (unsigned i = 0; i < TRIES && n == 0; i++) {
		n = net_receive(pair, hdr, got);
		if (n == 0)
			net_turn();
	}
	return n;
}

static size_t receive_at_host(struct virtio_net_hdr *hdr)
{
	size_t n = 0;

	for (unsigned i = 0; i < TRIES && n == 0; i++) {
		n = net_host_receive(hdr, got);
		if (n == 0)
			net_turn();
	}
	return n;
}

static void expect_to_guest(size_t len, unsigned seed)
{
	struct virtio_net_hdr_v1 hdr;

	net_fill(sent, len, seed);
	net_host_send(NULL, sent, len);
	assert_int_equal(receive(0, &hdr), len);
	assert_memory_equal(got, sent, len);
}

static void expect_to_host(unsigned pair, size_t len, unsigned seed)
{
	struct virtio_net_hdr hdr;

	net_fill(sent, len, seed);
	net_add_frame(pair, NULL, sent, (uint32_t)len);
	ring_driver_kick(&net.host.queues[2 * pair + 1]);
	assert_int_equal(receive_at_host(&hdr), len);
	assert_memory_equal(got, sent, len);
}

static void frames_pass_both_ways(void **state)
{
	static const size_t sizes[] = { 60, 61, 1514, NET_TAP_MTU + ETH_LEN };

	(void)state;
	net_start();
	net_add_buffers(0, 100, 2000, 2);
	for (unsigned i = 0; i < 4; i++) {
		if (sizes[i] <= 1514 || (net.dev->acked & F(VIRTIO_NET_F_MRG_RXBUF)))
			expect_to_guest(sizes[i], i);
		expect_to_host(0, sizes[i], i);
	}
	assert_int_equal(net.host.failures, 0);
}

static void whole_segments_pass_both_ways(void **state)
{
	const struct virtio_net_hdr hdr = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = htole16(54),
		.gso_size = htole16(1448),
		.csum_start = htole16(34),
		.csum_offset = htole16(16),
	};
	struct virtio_net_hdr_v1 v1 = { .num_buffers = 0 };
	struct virtio_net_hdr seen;
	size_t len = net_fill_tcp(sent, 60000);

	(void)state;
	net_start();
	net_add_buffers(0, 100, 1536, 1);
	net_host_send(&hdr, sent, len);
	assert_int_equal(receive(0, &v1), len);
	assert_memory_equal(got, sent, len);
	assert_int_equal(v1.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_true(net_buffers_used > 1);

	memcpy(&v1, &hdr, sizeof(hdr));
	net_add_frame(0, &v1, sent, (uint32_t)len);
	ring_driver_kick(&net.host.queues[1]);
	assert_int_equal(receive_at_host(&seen), len);
	assert_memory_equal(got, sent, len);
	assert_int_equal(seen.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
}

static void a_restart_goes_on_where_it_stopped(void **state)
{
	(void)state;
	net_start();
	net_add_buffers(0, 20, 2000, 1);
	for (unsigned i = 0; i < 3; i++) {
		expect_to_guest(500, i);
		expect_to_host(0, 500, i);
	}
	vdev_stop(net.dev);
	assert_int_equal(net.dev->vqs[0].next_avail, 3);
	assert_int_equal(net.dev->vqs[0].next_used, 3);
	assert_int_equal(net.dev->vqs[1].next_avail, 3);
	assert_int_equal(net.dev->vqs[1].next_used, 3);
	/* While it is stopped, nothing reaches guest memory. */
	net_fill(sent, 400, 7);
	net_host_send(NULL, sent, 400);
	net_add_frame(0, NULL, sent, 400);
	ring_driver_kick(&net.host.queues[1]);
	for (unsigned i = 0; i < 10; i++)
		net_turn();
	assert_int_equal(ring_driver_device_idx(&net.host.queues[0]), 3);
	assert_int_equal(ring_driver_device_idx(&net.host.queues[1]), 3);
	net_start();
	assert_int_equal(receive(0, &(struct virtio_net_hdr_v1){ 0 }), 400);
	assert_int_equal(receive_at_host(&(struct virtio_net_hdr){ 0 }), 400);
	expect_to_guest(500, 9);
	expect_to_host(0, 500, 9);
}

static void a_new_driver_begins_anew(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 5; round++) {
		net_start();
		net_add_buffers(0, 20, 2000, 1);
		expect_to_guest(500, round);
		expect_to_host(0, 500, round);
		ring_host_reset(&net.host);
		if (round == 2)
			net.dev->acked = NET_PLAIN & net.dev->features;
	}
}

static void a_broken_ring_breaks_the_device(void **state)
{
	struct ring_driver *tx = &net.host.queues[1];

	(void)state;
	net_start();
	ring_driver_publish(tx, 999);
	ring_driver_kick(tx);
	for (unsigned i = 0; i < TRIES && net.host.failures == 0; i++)
		net_turn();
	assert_int_equal(net.host.failures, 1);
	assert_string_equal(net.host.why, "vhost-net found a broken ring");
	ring_host_reset(&net.host);
	net_start();
	net_add_buffers(0, 20, 2000, 1);
	expect_to_guest(500, 1);
	expect_to_host(0, 500, 1);
	assert_int_equal(net.host.failures, 1);
}

static void a_buffer_outside_memory_breaks_the_device(void **state)
{
	const struct ring_buf buf = { 1 << 19, 2000, true };

	(void)state;
	net.host.reset_on_failure = true;
	net_start();
	assert_true(ring_driver_add(&net.host.queues[0], &buf, 1) >= 0);
	ring_driver_kick(&net.host.queues[0]);
	net_fill(sent, 500, 1);
	net_host_send(NULL, sent, 500);
	for (unsigned i = 0; i < TRIES && net.host.failures == 0; i++)
		net_turn();
	assert_int_equal(net.host.failures, 1);
	assert_false(net.dev->started);
}

static void the_control_queue_is_ours(void **state)
{
	(void)state;
	net_start();
	assert_int_equal(net_control(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, "\2\0\0\0\0\5", 6),
			 VIRTIO_NET_OK);
	assert_int_equal(net_control(99, 0, NULL, 0), VIRTIO_NET_ERR);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(net_control(VIRTIO_NET_CTRL_GUEST_OFFLOADS,
					     VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, "\0\0\0\0\0\0\0\0", 8),
				 VIRTIO_NET_OK);
	ring_driver_publish(&net.host.queues[2], 999);
	ring_driver_kick(&net.host.queues[2]);
	net_turn();
	assert_int_equal(net.host.failures, 1);
}

/* §5.1.2: the control queue is where the second pair would begin. */
static void a_driver_without_multiple_queues_has_one_pair(void **state)
{
	(void)state;
	net_start();
	net_add_buffers(0, 20, 2000, 1);
	for (unsigned round = 0; round < 2; round++) {
		expect_to_guest(500, 1);
		expect_to_host(0, 500, 1);
		assert_int_equal(net_control(99, 0, NULL, 0), VIRTIO_NET_ERR);
		vdev_stop(net.dev);
		net_start();
	}
}

static void pairs_are_used_as_the_driver_says(void **state)
{
	struct virtio_net_hdr_v1 hdr;
	unsigned counts[2] = { 0 };

	(void)state;
	net_start();
	net_add_buffers(0, 60, 2000, 1);
	net_add_buffers(1, 60, 2000, 1);
	for (uint16_t port = 1; port <= 10; port++) {
		net_host_send(NULL, sent, net_fill_udp(sent, port, 100));
		assert_true(receive(0, &hdr) > 0);
	}
	assert_int_equal(net_control(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, "\2\0", 2),
			 VIRTIO_NET_OK);
	for (uint16_t port = 1; port <= 40; port++)
		net_host_send(NULL, sent, net_fill_udp(sent, port, 100));
	for (unsigned i = 0; i < TRIES && counts[0] + counts[1] < 40; i++) {
		net_turn();
		for (unsigned k = 0; k < 2; k++)
			while (net_receive(k, &hdr, got) > 0)
				counts[k]++;
	}
	assert_int_equal(counts[0] + counts[1], 40);
	assert_true(counts[0] > 0 && counts[1] > 0);
	expect_to_host(0, 100, 1);
	expect_to_host(1, 100, 2);
}

static void the_tap_counts(void **state)
{
	struct vnet_stats stats;

	(void)state;
	net_start();
	net_add_buffers(0, 20, 2000, 1);
	expect_to_guest(500, 1);
	expect_to_guest(600, 1);
	expect_to_host(0, 700, 1);
	virtio_net_stats(net.dev, &stats);
	assert_int_equal(stats.rx_packets, 2);
	assert_int_equal(stats.rx_bytes, 1100);
	assert_int_equal(stats.tx_packets, 1);
	assert_int_equal(stats.tx_bytes, 700);
	assert_int_equal(stats.rx_dropped + stats.tx_dropped, 0);
}

static struct shape all = { 1, NET_ALL }, plain = { 1, NET_PLAIN }, two = { 2, ~0ULL },
		    two_as_one = { 2, NET_ALL };

#define TEST(name, shape) cmocka_unit_test_prestate_setup_teardown(name, set_up, tear_down, &shape)

int main(void)
{
	/* These hold for either kind. */
	const struct CMUnitTest always[] = {
		TEST(frames_pass_both_ways, all),
		TEST(frames_pass_both_ways, plain),
		TEST(whole_segments_pass_both_ways, all),
		TEST(a_new_driver_begins_anew, all),
		TEST(a_buffer_outside_memory_breaks_the_device, all),
		TEST(the_control_queue_is_ours, all),
		TEST(a_driver_without_multiple_queues_has_one_pair, two_as_one),
		TEST(pairs_are_used_as_the_driver_says, two),
		TEST(a_restart_goes_on_where_it_stopped, all),
		TEST(the_tap_counts, all),
	};
	const struct CMUnitTest vhost_only[] = {
		TEST(a_broken_ring_breaks_the_device, all),
		TEST(a_broken_ring_breaks_the_device, plain),
	};
	int r;

	have_vhost = access("/dev/vhost-net", R_OK | W_OK) == 0;
	if (!net_enter_namespace()) {
		print_message("test_net_vhost: skipped: needs root and /dev/net/tun\n");
		return 0;
	}
	print_message("test_net_vhost: %s vhost-net\n", have_vhost ? "with" : "without");
	r = cmocka_run_group_tests(always, NULL, NULL);
	return have_vhost ? r + cmocka_run_group_tests(vhost_only, NULL, NULL) : r;
}
