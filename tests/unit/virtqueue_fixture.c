/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "tests/unit/virtqueue_fixture.h"

#include <errno.h>

struct ring_mem rm;
struct virtqueue vq;
struct ring_driver rd;
struct vq_chain chain;

int start(uint64_t features, uint16_t begin_at)
{
	ring_mem_init(&rm);
	ring_mem_add(&rm, BASE, REGION);
	ring_mem_add(&rm, BASE + REGION, REGION);
	vq = (struct virtqueue){ .max_size = 256 };
	ring_driver_init(&rd, &rm, 0, &vq, SIZE, features);
	ring_driver_begin_at(&rd, begin_at);
	return virtqueue_start(&vq);
}

int start_all(void **state)
{
	(void)state;
	return start(INDIRECT | EVENT_IDX, 0);
}

int start_plain(void **state)
{
	(void)state;
	return start(0, 0);
}

int stop(void **state)
{
	(void)state;
	ring_driver_done(&rd);
	ring_mem_done(&rm);
	return 0;
}

uint64_t alloc(size_t len)
{
	return ring_mem_alloc(&rm, 0, len, 1);
}

void expect_broken(const char *why)
{
	ring_driver_publish(&rd, 0);
	assert_int_equal(virtqueue_pop(&vq, &chain), -EPROTO);
	assert_true(vq.broken);
	assert_string_equal(vq.broken_why, why);
	assert_int_equal(virtqueue_pop(&vq, &chain), -EPROTO);
	assert_false(virtqueue_has_available(&vq));
	assert_false(virtqueue_kicks_on(&vq));
}
