/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock_guest: a guest's vsock driver for the tests of the device: it lays
 * packets into the tx queue, keeps the rx queue filled and reads what comes.
 */
#ifndef VRUN_TESTS_UNIT_VSOCK_GUEST_H
#define VRUN_TESTS_UNIT_VSOCK_GUEST_H

#include "tests/unit/ring_driver.h"
#include "vmm/virtio/vsock_internal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GUEST_CID = 42, GUEST_QUEUE = 128, GUEST_RX_BUF = 4096, GUEST_BUF_ALLOC = 256 << 10 };

struct guest_packet {
	struct vsock_hdr hdr;
	uint8_t payload[VSOCK_PAYLOAD_MAX];
};

struct guest {
	struct loop *loop;
	struct vdev *dev;
	struct ring_host host;
	struct ring_driver *rx, *tx;
	uint64_t rx_gpa[GUEST_QUEUE], tx_gpa; /* rx buffers by head; tx packets by head */
	uint64_t spare; /* a page to misuse */
	bool refill; /* give rx buffers back as they are read */
	unsigned rx_calls, tx_kicks, rx_kicks;
};

/* A started device; `config` may be NULL. */
void guest_init(struct guest *g, const struct vsock_config *config);
/* Frees the device too. */
void guest_done(struct guest *g);
/* Let the loop turn until nothing is left to do, or `n` times. */
void guest_turn(struct guest *g);
void guest_turns(struct guest *g, unsigned n);

/* Give `n` rx buffers to the device. */
void guest_fill_rx(struct guest *g, unsigned n);
/* Send any header; false when the tx queue is full. Kicks as a driver would, does not turn. */
bool guest_send(struct guest *g, const struct vsock_hdr *hdr, const void *payload);
/* A well-formed header from `port` to `host_port`. */
struct vsock_hdr guest_hdr(uint16_t op, uint32_t port, uint32_t host_port);
/* The next packet from the device; false when there is none. */
bool guest_receive(struct guest *g, struct guest_packet *packet);

#endif
