/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_guest: a guest's network driver over ring_driver, and the host's side of its
 * tap: a packet socket with vnet headers. In a network namespace of the test's own, where
 * nothing but the tests sends.
 */
#ifndef VRUN_TESTS_UNIT_NET_GUEST_H
#define VRUN_TESTS_UNIT_NET_GUEST_H

#include "tests/unit/ring_driver.h"
#include "vmm/virtio/net.h"

#include <linux/virtio_net.h>
#include <stddef.h>
#include <stdint.h>

#define F(bit) (1ULL << (bit))
#define NET_PLAIN (F(32) | F(28) | F(29) | F(VIRTIO_NET_F_CTRL_VQ))
#define NET_MERGEABLE (NET_PLAIN | F(VIRTIO_NET_F_MRG_RXBUF))
#define NET_GUEST_TSO                                                                                        \
	(F(VIRTIO_NET_F_GUEST_CSUM) | F(VIRTIO_NET_F_GUEST_TSO4) | F(VIRTIO_NET_F_GUEST_TSO6) |              \
	 F(VIRTIO_NET_F_GUEST_ECN))
#define NET_ALL (~F(VIRTIO_NET_F_MQ))

enum { NET_FRAME_MAX = 70000, NET_TAP_MTU = 9000, ETH_LEN = 14, IP_LEN = 20, TCP_LEN = 20, UDP_LEN = 8 };

struct net_guest {
	struct loop *loop;
	struct vdev *dev;
	struct ring_host host;
	char name[16];
	int ifindex;
	int sock; /* the host's: a packet socket, or the stream's other end */
	unsigned n_pairs;
};

extern struct net_guest net;

/* Enter an empty namespace. False: that can't be done here. */
bool net_enter_namespace(void);

/* A queue of the tap `name` (made when it is not there), with IFF_* flags besides IFF_NO_PI. */
int net_open_tap(const char *name, int flags);
void net_set_up(const char *name, bool up);
void net_delete(const char *name);

/* A device of `pairs` pairs over a tap that is up, hosted with rings of `size`; then net_start(). */
void net_make(unsigned pairs, uint16_t size, uint64_t features);
/* The same; with vhost-net where there is one. */
void net_make_vhost(unsigned pairs, uint16_t size, uint64_t features);
/* Over a stream socket, whose other end is net.sock, blocking. */
void net_make_stream(uint16_t size, uint64_t features);
void net_start(void);
void net_done(void);
/* Let the loop handle what is there. */
void net_turn(void);

/* --- The guest --- */

/* `n` receive buffers of `len` bytes in `pieces` descriptors; then kick. True when that was wanted. */
bool net_add_buffers(unsigned pair, unsigned n, uint32_t len, unsigned pieces);
/* Take a frame with its header; 0: none. Checks that num_buffers and lengths agree. */
size_t net_receive(unsigned pair, struct virtio_net_hdr_v1 *ret_hdr, void *frame);
/* The same for one that is due: turns until it is there. */
size_t net_receive_soon(unsigned pair, struct virtio_net_hdr_v1 *ret_hdr, void *frame);
/* The guest's next frame of the first pair is the one of `len` bytes from `seed`, as it was sent; there is none. */
void net_expect_received(size_t len, unsigned seed);
void net_expect_nothing_received(void);
/* Buffers used by the last net_receive(). */
extern unsigned net_buffers_used;
/* Make a frame available, header and frame apart; does not kick. */
void net_add_frame(unsigned pair, const struct virtio_net_hdr_v1 *hdr, const void *frame, uint32_t len);
/* And kick, and let the device work. */
void net_transmit(unsigned pair, const struct virtio_net_hdr_v1 *hdr, const void *frame, uint32_t len);
/* A control command; the ack, or -1 when the device took none. */
int net_control(uint8_t class, uint8_t command, const void *data, uint32_t len);

/* --- The host --- */

void net_host_send(const struct virtio_net_hdr *hdr, const void *frame, size_t len);
/* 0: none. */
size_t net_host_receive(struct virtio_net_hdr *ret_hdr, void *frame);
size_t net_host_receive_soon(struct virtio_net_hdr *ret_hdr, void *frame);

/* --- Frames --- */

/* An experimental Ethernet type, `len` bytes in all, filled from `seed`. */
void net_fill(uint8_t *frame, size_t len, unsigned seed);
/* IPv4: a UDP datagram or a TCP segment with `payload` bytes; the length in all. */
size_t net_fill_udp(uint8_t *frame, uint16_t port, size_t payload);
size_t net_fill_tcp(uint8_t *frame, size_t payload);

#endif
