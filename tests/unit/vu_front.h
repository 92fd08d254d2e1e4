/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vu_front: a vhost-user front-end for unit tests, which says what a good one
 * would say or whatever else it is told to. It drives a device of its own that
 * answers each chain by filling its writable part.
 *
 * Failures of the test's own making abort or fail the test.
 */
#ifndef VRUN_TESTS_UNIT_VU_FRONT_H
#define VRUN_TESTS_UNIT_VU_FRONT_H

#include "tests/unit/ring_driver.h"
#include "vmm/vhost_user/backend.h"
#include "vmm/vhost_user/messages.h"

enum {
	FRONT_QUEUES = 2,
	FRONT_QUEUE_SIZE = 16,
	FRONT_REGION = 64 << 10, /* bytes of each of the two memory regions */
	FRONT_FILL = 0x5a, /* what the device writes */
	FRONT_CONFIG = 8, /* bytes of config space */
};

#define FRONT_GPA 0x100000ULL /* of the first region; the second is FRONT_REGION * 4 further */
#define FRONT_USER 0x7f1200000000ULL /* what we call the first region's address */
#define FRONT_FEATURES (VDEV_RING_FEATURES | VU_F_PROTOCOL_FEATURES)
#define FRONT_PROTOCOL_FEATURES                                                                              \
	(VU_PROTOCOL_F_MQ | VU_PROTOCOL_F_REPLY_ACK | VU_PROTOCOL_F_BACKEND_REQ | VU_PROTOCOL_F_CONFIG |     \
	 VU_PROTOCOL_F_RESET_DEVICE | VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS)

struct front_dev {
	struct vdev vdev; /* first */
	unsigned starts, stops, kicks;
	bool fail_in_kick, refuse_start;
	unsigned config_writes;
};

struct front {
	struct loop *loop;
	struct front_dev dev;
	struct vhost_user *backend;
	bool closed; /* the back-end said so */
	char why[160]; /* and gave this reason, or "" */
	int sock;
	int memfd; /* both regions, one after the other; sealed against shrinking */
	struct ring_mem rm; /* our view of it */
	struct virtqueue vqs[FRONT_QUEUES]; /* ring_driver's notes */
	struct ring_driver rings[FRONT_QUEUES];
};

/* A device and a connected back-end; no message sent. */
void front_init(struct front *front, bool sealed_memory, bool config_writable);
/* The same for QEMU's network device. */
void front_init_network(struct front *front);
void front_done(struct front *front);
/* Let the loop handle all that waits. */
void front_settle(struct front *front);

/* Send a message as it is, descriptors duplicated. */
void front_send_raw(struct front *front, const struct vu_header *header, const void *payload, size_t size,
		    const int *fds, size_t n_fds);
/* A well-formed header. */
void front_send(struct front *front, uint32_t request, const void *payload, size_t size);
void front_send_fd(struct front *front, uint32_t request, uint64_t value, int fd);
void front_send_u64(struct front *front, uint32_t request, uint64_t value);
void front_send_state(struct front *front, uint32_t request, uint32_t index, uint32_t num);
/* Settle, then take the reply to `request`; fails the test when there is none. */
void front_reply(struct front *front, uint32_t request, struct vu_message *ret);
uint64_t front_reply_u64(struct front *front, uint32_t request);
/* Settle; true when the back-end has hung up (and said so). */
bool front_hung_up(struct front *front);
/* Settle; true when the connection is there and nothing waits to be read. */
bool front_quiet(struct front *front);

struct vu_region front_region(unsigned i);
/* Front-end address of a guest address in our regions. */
uint64_t front_user_addr(uint64_t gpa);

/* The steps of bringing the device up. */
void front_negotiate(struct front *front, uint64_t features);
void front_share_memory(struct front *front);
void front_set_ring(struct front *front, unsigned i); /* NUM, BASE, ADDR, KICK, CALL */
void front_start(struct front *front); /* all of it, both rings enabled */

/* Make a chain of one writable buffer available and kick; true when the device has filled it after settling. */
bool front_round_trip(struct front *front, unsigned ring);

#endif
