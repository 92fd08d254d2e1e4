/* SPDX-License-Identifier: Apache-2.0 */
/* virtqueue_fixture: one queue and its driver, for the tests of virtqueues. */
#ifndef VRUN_TESTS_UNIT_VIRTQUEUE_FIXTURE_H
#define VRUN_TESTS_UNIT_VIRTQUEUE_FIXTURE_H

#include "tests/unit/ring_driver.h"

enum { SIZE = 16, REGION = 0x40000, BASE = 0x100000 };
enum { INDIRECT = 1 << 28, EVENT_IDX = 1 << 29 };

extern struct ring_mem rm;
extern struct virtqueue vq;
extern struct ring_driver rd;
extern struct vq_chain chain;

/* Lay out a queue of SIZE in the first of two adjoining regions, and start it. */
int start(uint64_t features, uint16_t begin_at);

/* cmocka set-up with all ring features, or none, and tear-down. */
int start_all(void **state);
int start_plain(void **state);
int stop(void **state);

/* Bytes of guest memory. */
uint64_t alloc(size_t len);

/* Publish descriptor 0 and expect the queue to break, for good. */
void expect_broken(const char *why);

#endif
