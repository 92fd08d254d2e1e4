/* SPDX-License-Identifier: Apache-2.0 */
/* virtqueue: the split ring from a driver that behaves; kicks, calls and iovecs. */
#include "tests/unit/test.h"

#include "tests/unit/virtqueue_fixture.h"

#include <errno.h>

/* --- Setting up --- */

static void start_checks_size_alignment_and_memory(void **state)
{
	const uint64_t desc = vq.desc_gpa, avail = vq.avail_gpa, used = vq.used_gpa;

	(void)state;
	vq.size = 0;
	assert_int_equal(virtqueue_start(&vq), -EINVAL);
	vq.size = 12;
	assert_int_equal(virtqueue_start(&vq), -EINVAL);
	vq.size = 512; /* a power of two above max_size */
	assert_int_equal(virtqueue_start(&vq), -EINVAL);
	vq.size = SIZE;

	vq.desc_gpa = desc + 8;
	assert_int_equal(virtqueue_start(&vq), -EINVAL);
	vq.desc_gpa = 0;
	assert_int_equal(virtqueue_start(&vq), -EINVAL);
	vq.desc_gpa = BASE + REGION - 16 * (SIZE - 1); /* its last entry is in the other region */
	assert_int_equal(virtqueue_start(&vq), -EINVAL);
	vq.desc_gpa = UINT64_MAX - 15;
	assert_int_equal(virtqueue_start(&vq), -EINVAL);
	vq.desc_gpa = desc;

	vq.avail_gpa = avail + 1;
	assert_int_equal(virtqueue_start(&vq), -EINVAL);
	vq.avail_gpa = BASE + 2 * REGION - (4 + 2 * SIZE); /* no room for used_event */
	assert_int_equal(virtqueue_start(&vq), -EINVAL);
	vq.avail_gpa = avail;

	vq.used_gpa = used + 2;
	assert_int_equal(virtqueue_start(&vq), -EINVAL);
	vq.used_gpa = BASE + 2 * REGION - (4 + 8 * SIZE); /* no room for avail_event */
	assert_int_equal(virtqueue_start(&vq), -EINVAL);
	vq.used_gpa = used;
	assert_int_equal(virtqueue_start(&vq), 0);
}

static void a_queue_of_one_works(void **state)
{
	const struct ring_buf buf = { alloc(8), 8, false };

	(void)state;
	ring_driver_done(&rd);
	ring_driver_init(&rd, &rm, 0, &vq, 1, 0);
	assert_int_equal(virtqueue_start(&vq), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(ring_driver_add(&rd, &buf, 1), 0);
		assert_int_equal(ring_driver_add(&rd, &buf, 1), -1);
		assert_int_equal(virtqueue_pop(&vq, &chain), 1);
		virtqueue_push(&vq, chain.head, 0);
		assert_true(ring_driver_used(&rd, NULL, NULL));
	}
}

static void reset_keeps_what_the_host_owns(void **state)
{
	const struct guest_mem *mem = vq.mem;

	(void)state;
	vq.next_avail = 5;
	vq.broken = true;
	virtqueue_reset(&vq);
	assert_ptr_equal(vq.mem, mem);
	assert_int_equal(vq.max_size, 256);
	assert_int_equal(vq.size, 256);
	assert_int_equal(vq.kick_fd, rd.kick_fd);
	assert_int_equal(vq.call_fd, rd.call_fd);
	assert_false(vq.enabled || vq.broken || vq.avail || vq.next_avail);
	/* not started: nothing to find, nothing to touch */
	assert_int_equal(virtqueue_pop(&vq, &chain), 0);
	assert_false(virtqueue_has_available(&vq));
	virtqueue_call(&vq);
	virtqueue_kicks_off(&vq);
	assert_false(virtqueue_kicks_on(&vq));
}

/* --- Well-formed chains --- */

static void chain_parts_arrive_as_the_driver_laid_them_out(void **state)
{
	const struct ring_buf bufs[] = { { alloc(10), 10, false },
					 { alloc(20), 20, false },
					 { alloc(5), 5, true },
					 { alloc(1), 1, true } };
	uint32_t head, len;
	int first;

	(void)state;
	assert_int_equal(virtqueue_pop(&vq, &chain), 0);
	first = ring_driver_add(&rd, bufs, 4);
	assert_true(virtqueue_has_available(&vq));
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_int_equal(chain.head, first);
	assert_int_equal(chain.n_readable, 2);
	assert_int_equal(chain.n_writable, 2);
	assert_int_equal(chain.readable_len, 30);
	assert_int_equal(chain.writable_len, 6);
	assert_ptr_equal(chain.readable[1].iov_base, ring_mem_at(&rm, bufs[1].gpa, 1));
	assert_ptr_equal(chain.writable[0].iov_base, ring_mem_at(&rm, bufs[2].gpa, 1));
	assert_int_equal(chain.writable[1].iov_len, 1);
	assert_false(virtqueue_has_available(&vq));
	assert_int_equal(virtqueue_pop(&vq, &chain), 0);

	assert_false(ring_driver_used(&rd, NULL, NULL));
	virtqueue_push(&vq, chain.head, 6);
	assert_true(ring_driver_used(&rd, &head, &len));
	assert_int_equal(head, first);
	assert_int_equal(len, 6);
	assert_int_equal(rd.n_free, SIZE);
}

static void a_buffer_across_two_regions_is_split(void **state)
{
	const struct ring_buf bufs[] = { { BASE + REGION - 3, 8, false }, { BASE + REGION - 1, 2, true } };

	(void)state;
	ring_driver_add(&rd, bufs, 2);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_int_equal(chain.n_readable, 2);
	assert_int_equal(chain.readable_len, 8);
	assert_int_equal(chain.readable[0].iov_len, 3);
	assert_ptr_equal(chain.readable[1].iov_base, rm.hva[1]);
	assert_int_equal(chain.n_writable, 2);
	assert_int_equal(chain.writable_len, 2);
}

static void an_indirect_chain_reads_like_a_direct_one(void **state)
{
	const struct ring_buf bufs[] = { { alloc(10), 10, false },
					 { alloc(20), 20, true },
					 { alloc(4), 4, true } };

	(void)state;
	ring_driver_add_indirect(&rd, ring_mem_alloc(&rm, 0, 48, 16), bufs, 3);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_int_equal(chain.n_readable, 1);
	assert_int_equal(chain.n_writable, 2);
	assert_int_equal(chain.readable_len, 10);
	assert_int_equal(chain.writable_len, 24);
}

static void an_indirect_table_may_lie_unaligned_and_across_regions(void **state)
{
	const struct ring_buf bufs[] = { { alloc(10), 10, false },
					 { alloc(20), 20, false },
					 { alloc(4), 4, true } };

	(void)state;
	ring_driver_add_indirect(&rd, ring_mem_alloc(&rm, 0, 49, 1) + 1, bufs, 3);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_int_equal(chain.readable_len, 30);
	ring_driver_add_indirect(&rd, BASE + REGION - 21, bufs, 3);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_int_equal(chain.readable_len, 30);
	assert_int_equal(chain.writable_len, 4);
}

static void an_indirect_table_may_end_a_direct_chain(void **state)
{
	const uint64_t table = ring_mem_alloc(&rm, 0, 16, 16);

	(void)state;
	ring_mem_set_desc(&rm, table, 0, alloc(7), 7, RING_F_WRITE, 0);
	ring_driver_set_desc(&rd, 0, alloc(3), 3, RING_F_NEXT, 1);
	/* WRITE on the table's descriptor is ignored */
	ring_driver_set_desc(&rd, 1, table, 16, RING_F_INDIRECT | RING_F_WRITE, 0);
	ring_driver_publish(&rd, 0);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_int_equal(chain.readable_len, 3);
	assert_int_equal(chain.writable_len, 7);
}

static void an_empty_buffer_adds_nothing(void **state)
{
	const struct ring_buf bufs[] = { { 0, 0, false }, { alloc(4), 4, false }, { 0, 0, true } };

	(void)state;
	ring_driver_add(&rd, bufs, 3);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_int_equal(chain.n_readable, 1);
	assert_int_equal(chain.n_writable, 0);
	ring_driver_add(&rd, bufs, 1);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_int_equal(chain.readable_len + chain.writable_len, 0);
}

static void a_chain_may_fill_the_queue(void **state)
{
	struct ring_buf bufs[SIZE];

	(void)state;
	for (unsigned i = 0; i < SIZE; i++)
		bufs[i] = (struct ring_buf){ alloc(2), 2, i >= 10 };
	ring_driver_add(&rd, bufs, SIZE);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_int_equal(chain.n_readable, 10);
	assert_int_equal(chain.n_writable, SIZE - 10);
	ring_driver_add_indirect(&rd, alloc(16 * SIZE), bufs, SIZE);
	virtqueue_push(&vq, chain.head, 0);
	ring_driver_used(&rd, NULL, NULL);
	ring_driver_add_indirect(&rd, alloc(16 * SIZE), bufs, SIZE);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_int_equal(chain.n_readable + chain.n_writable, SIZE);
}

static void unpop_gives_the_same_chain_again(void **state)
{
	const struct ring_buf bufs[] = { { alloc(1), 1, false },
					 { alloc(2), 2, false },
					 { alloc(3), 3, false } };

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		ring_driver_add(&rd, &bufs[i], 1);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	virtqueue_unpop(&vq);
	virtqueue_unpop(&vq);
	assert_true(virtqueue_has_available(&vq));
	for (unsigned i = 1; i < 3; i++) {
		assert_int_equal(virtqueue_pop(&vq, &chain), 1);
		assert_int_equal(chain.readable_len, i + 1);
	}
	assert_int_equal(virtqueue_pop(&vq, &chain), 0);
}

static void indexes_wrap_at_16_bits(void **state)
{
	const struct ring_buf bufs[] = { { alloc(9), 9, false }, { alloc(9), 9, true } };
	uint32_t head, len;

	(void)state;
	stop(NULL);
	assert_int_equal(start(EVENT_IDX, 65530), 0);
	for (unsigned i = 0; i < 40; i++) {
		ring_driver_calls_on(&rd);
		for (unsigned k = 0; k < 5; k++)
			assert_true(ring_driver_add(&rd, bufs, 2) >= 0);
		assert_true(ring_driver_kick(&rd));
		for (unsigned k = 0; k < 5; k++) {
			assert_int_equal(virtqueue_pop(&vq, &chain), 1);
			virtqueue_push(&vq, chain.head, i + k);
		}
		assert_int_equal(virtqueue_pop(&vq, &chain), 0);
		virtqueue_call(&vq);
		assert_true(ring_driver_called(&rd));
		for (unsigned k = 0; k < 5; k++) {
			assert_true(ring_driver_used(&rd, &head, &len));
			assert_int_equal(len, i + k);
		}
		assert_false(ring_driver_used(&rd, NULL, NULL));
	}
	assert_int_equal(vq.next_avail, (uint16_t)(65530 + 200));
	assert_int_equal(vq.next_used, (uint16_t)(65530 + 200));
}

static void chains_may_be_pushed_out_of_order(void **state)
{
	const struct ring_buf bufs[] = { { alloc(1), 1, true }, { alloc(1), 1, true } };
	uint16_t first;
	uint32_t head, len;

	(void)state;
	ring_driver_add(&rd, &bufs[0], 1);
	ring_driver_add(&rd, &bufs[1], 1);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	first = chain.head;
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	virtqueue_push(&vq, chain.head, 1);
	virtqueue_push(&vq, first, 0);
	assert_true(ring_driver_used(&rd, &head, &len));
	assert_int_equal(head, chain.head);
	assert_int_equal(len, 1);
	assert_true(ring_driver_used(&rd, &head, &len));
	assert_int_equal(head, first);
	assert_int_equal(len, 0);
}

static void filled_chains_are_seen_when_they_are_published(void **state)
{
	const struct ring_buf buf = { alloc(8), 8, true };
	uint32_t head, len;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_true(ring_driver_add(&rd, &buf, 1) >= 0);
		assert_int_equal(virtqueue_pop(&vq, &chain), 1);
		virtqueue_fill(&vq, chain.head, i);
	}
	assert_false(ring_driver_used(&rd, NULL, NULL));
	virtqueue_publish(&vq);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(ring_driver_used(&rd, &head, &len));
		assert_int_equal(head, i);
		assert_int_equal(len, i);
	}
	assert_false(ring_driver_used(&rd, NULL, NULL));
}

/* --- Kicks and calls --- */

static void push_chains(unsigned n)
{
	const struct ring_buf buf = { BASE + REGION, 4, true };

	for (unsigned i = 0; i < n; i++) {
		assert_true(ring_driver_add(&rd, &buf, 1) >= 0);
		assert_int_equal(virtqueue_pop(&vq, &chain), 1);
		virtqueue_push(&vq, chain.head, 1);
	}
}

static void take_used(void)
{
	while (ring_driver_used(&rd, NULL, NULL))
		;
}

static void flags_suppress_calls(void **state)
{
	(void)state;
	push_chains(1);
	virtqueue_call(&vq);
	assert_true(ring_driver_called(&rd));
	virtqueue_call(&vq); /* nothing new */
	assert_false(ring_driver_called(&rd));
	ring_driver_calls_off(&rd);
	push_chains(2);
	virtqueue_call(&vq);
	assert_false(ring_driver_called(&rd));
	take_used();
	assert_false(ring_driver_calls_on(&rd));
	push_chains(1);
	assert_true(ring_driver_calls_on(&rd));
	virtqueue_call(&vq);
	assert_true(ring_driver_called(&rd));
}

static void used_event_suppresses_calls(void **state)
{
	(void)state;
	push_chains(1);
	virtqueue_call(&vq); /* the first always goes out */
	assert_true(ring_driver_called(&rd));
	take_used();

	/* the driver wants to hear about entry 4 */
	ring_driver_set_used_event(&rd, 4);
	push_chains(3); /* entries 1 to 3 */
	virtqueue_call(&vq);
	assert_false(ring_driver_called(&rd));
	push_chains(1);
	virtqueue_call(&vq);
	assert_true(ring_driver_called(&rd));
	push_chains(1);
	virtqueue_call(&vq);
	assert_false(ring_driver_called(&rd));
	/* an event in the past never fires */
	take_used();
	ring_driver_set_used_event(&rd, 2);
	push_chains(5);
	virtqueue_call(&vq);
	assert_false(ring_driver_called(&rd));
}

static void used_event_is_found_in_the_middle_of_a_batch_across_the_wrap(void **state)
{
	(void)state;
	stop(NULL);
	assert_int_equal(start(EVENT_IDX, 65530), 0);
	push_chains(1);
	virtqueue_call(&vq);
	assert_true(ring_driver_called(&rd));
	take_used();
	ring_driver_set_used_event(&rd, 1);
	push_chains(4); /* 65531 to 65534 */
	virtqueue_call(&vq);
	assert_false(ring_driver_called(&rd));
	push_chains(6); /* 65535 to 4 */
	virtqueue_call(&vq);
	assert_true(ring_driver_called(&rd));
}

static void a_call_that_was_65536_pushes_ago_counts_for_nothing(void **state)
{
	(void)state;
	push_chains(1);
	virtqueue_call(&vq);
	assert_true(ring_driver_called(&rd));
	ring_driver_set_used_event(&rd, 9);
	for (unsigned i = 0; i < 65536; i++) {
		push_chains(1);
		take_used();
	}
	virtqueue_call(&vq);
	assert_true(ring_driver_called(&rd));
}

static void flags_suppress_kicks(void **state)
{
	const struct ring_buf buf = { BASE + REGION, 4, true };

	(void)state;
	assert_int_equal(ring_driver_used_flags(&rd), 0);
	virtqueue_kicks_off(&vq);
	assert_int_equal(ring_driver_used_flags(&rd), 1);
	ring_driver_add(&rd, &buf, 1);
	assert_false(ring_driver_kick(&rd));
	assert_true(virtqueue_kicks_on(&vq)); /* it came meanwhile */
	assert_int_equal(ring_driver_used_flags(&rd), 0);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_false(virtqueue_kicks_on(&vq));
	ring_driver_add(&rd, &buf, 1);
	assert_true(ring_driver_kick(&rd));
}

static void avail_event_suppresses_kicks(void **state)
{
	const struct ring_buf buf = { BASE + REGION, 4, true };

	(void)state;
	ring_driver_add(&rd, &buf, 1);
	assert_true(ring_driver_kick(&rd));
	virtqueue_kicks_off(&vq);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_int_equal(virtqueue_pop(&vq, &chain), 0);
	ring_driver_add(&rd, &buf, 1);
	assert_false(ring_driver_kick(&rd));
	assert_true(virtqueue_kicks_on(&vq));
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_false(virtqueue_kicks_on(&vq));
	assert_int_equal(ring_driver_avail_event(&rd), 2);
	ring_driver_add(&rd, &buf, 1);
	assert_true(ring_driver_kick(&rd));
	ring_driver_add(&rd, &buf, 1);
	assert_false(ring_driver_kick(&rd)); /* one was enough */
}

static void a_plain_pop_loop_misses_no_kick(void **state)
{
	const struct ring_buf buf = { BASE + REGION, 4, true };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		ring_driver_add(&rd, &buf, 1);
		assert_true(ring_driver_kick(&rd));
		assert_int_equal(virtqueue_pop(&vq, &chain), 1);
		assert_int_equal(virtqueue_pop(&vq, &chain), 0);
	}
}

static void starting_again_goes_on_where_it_stopped(void **state)
{
	const struct ring_buf buf = { BASE + REGION, 4, true };

	(void)state;
	push_chains(3);
	virtqueue_call(&vq);
	take_used();
	ring_driver_called(&rd);
	assert_int_equal(virtqueue_start(&vq), 0);
	ring_driver_add(&rd, &buf, 1);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	virtqueue_push(&vq, chain.head, 4);
	virtqueue_call(&vq);
	assert_true(ring_driver_called(&rd));
	assert_int_equal(ring_driver_device_idx(&rd), 4);
}

/* --- iovecs --- */

static void iov_copies_and_slices_follow_the_bytes(void **state)
{
	char a[] = "abc", b[] = "", c[] = "defgh", buf[16] = { 0 };
	struct iovec iov[] = { { a, 3 }, { b, 0 }, { c, 5 } }, out[3];

	(void)state;
	assert_int_equal(iov_read(iov, 3, 0, buf, sizeof(buf)), 8);
	assert_memory_equal(buf, "abcdefgh", 8);
	assert_int_equal(iov_read(iov, 3, 2, buf, 3), 3);
	assert_memory_equal(buf, "cde", 3);
	assert_int_equal(iov_read(iov, 3, 8, buf, 3), 0);
	assert_int_equal(iov_read(iov, 3, SIZE_MAX, buf, 3), 0);
	assert_int_equal(iov_read(iov, 0, 0, buf, 3), 0);
	assert_int_equal(iov_write(iov, 3, 1, "XYZW", 4), 4);
	assert_memory_equal(a, "aXY", 3);
	assert_memory_equal(c, "ZWfgh", 5);
	assert_int_equal(iov_write(iov, 3, 7, "12", 2), 1);
	assert_memory_equal(c, "ZWfg1", 5);

	assert_int_equal(iov_slice(iov, 3, 1, 4, out, 3), 2);
	assert_ptr_equal(out[0].iov_base, a + 1);
	assert_int_equal(out[0].iov_len, 2);
	assert_ptr_equal(out[1].iov_base, c);
	assert_int_equal(out[1].iov_len, 2);
	assert_int_equal(iov_slice(iov, 3, 3, 100, out, 3), 1);
	assert_int_equal(out[0].iov_len, 5);
	assert_int_equal(iov_slice(iov, 3, 1, 4, out, 1), -ENOBUFS);
	assert_int_equal(iov_slice(iov, 3, 1, 0, out, 0), 0);
	assert_int_equal(iov_slice(iov, 3, 8, 1, out, 3), 0);
}

#define ALL(fn) cmocka_unit_test_setup_teardown(fn, start_all, stop)
#define PLAIN(fn) cmocka_unit_test_setup_teardown(fn, start_plain, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALL(start_checks_size_alignment_and_memory),
		ALL(a_queue_of_one_works),
		ALL(reset_keeps_what_the_host_owns),
		ALL(chain_parts_arrive_as_the_driver_laid_them_out),
		ALL(a_buffer_across_two_regions_is_split),
		ALL(an_indirect_chain_reads_like_a_direct_one),
		ALL(an_indirect_table_may_lie_unaligned_and_across_regions),
		ALL(an_indirect_table_may_end_a_direct_chain),
		ALL(an_empty_buffer_adds_nothing),
		ALL(a_chain_may_fill_the_queue),
		ALL(unpop_gives_the_same_chain_again),
		ALL(indexes_wrap_at_16_bits),
		ALL(chains_may_be_pushed_out_of_order),
		ALL(filled_chains_are_seen_when_they_are_published),
		PLAIN(flags_suppress_calls),
		ALL(used_event_suppresses_calls),
		ALL(used_event_is_found_in_the_middle_of_a_batch_across_the_wrap),
		ALL(a_call_that_was_65536_pushes_ago_counts_for_nothing),
		PLAIN(flags_suppress_kicks),
		ALL(avail_event_suppresses_kicks),
		ALL(a_plain_pop_loop_misses_no_kick),
		ALL(starting_again_goes_on_where_it_stopped),
		ALL(iov_copies_and_slices_follow_the_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
