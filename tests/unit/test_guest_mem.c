/* SPDX-License-Identifier: Apache-2.0 */
/* guest_mem: the region table, checked slices, ranges that cross regions or wrap. */
#include "tests/unit/test.h"

#include "vmm/guest_mem.h"

#include <errno.h>
#include <sys/mman.h>

static uint8_t low[0x3000], mid[0x1000], high[0x2000], top[0x1000];

/* low and mid adjoin in guest memory, high lies apart, top ends with the last byte of the address space. */
enum { LOW = 0x1000, MID = 0x4000, HIGH = 0x100000 };
static const uint64_t TOP = UINT64_MAX - 0xfff;

static struct guest_mem mem;

static int add(uint64_t gpa, uint64_t size, uint8_t *hva, uint64_t user_addr)
{
	return guest_mem_add(&mem, &(struct guest_mem_region){
					   .gpa = gpa, .size = size, .hva = hva, .user_addr = user_addr });
}

static int fill(void **state)
{
	(void)state;
	mem = (struct guest_mem)GUEST_MEM_INIT;
	/* out of order, on purpose */
	assert_int_equal(add(HIGH, sizeof(high), high, 0x7f0000000000), 0);
	assert_int_equal(add(LOW, sizeof(low), low, 0x10000), 0);
	assert_int_equal(add(TOP, sizeof(top), top, 0), 0);
	assert_int_equal(add(MID, sizeof(mid), mid, 0x20000), 0);
	return 0;
}

static void regions_are_kept_sorted(void **state)
{
	(void)state;
	assert_int_equal(mem.n_regions, 4);
	for (unsigned i = 1; i < mem.n_regions; i++)
		assert_true(mem.regions[i - 1].gpa < mem.regions[i].gpa);
}

static void overlaps_are_refused(void **state)
{
	(void)state;
	assert_int_equal(add(LOW, 1, low, 0), -EINVAL);
	assert_int_equal(add(0, LOW + 1, low, 0), -EINVAL);
	assert_int_equal(add(MID + 0xfff, 1, low, 0), -EINVAL);
	assert_int_equal(add(0x2000, 0x100, low, 0), -EINVAL); /* inside */
	assert_int_equal(add(0, HIGH, low, 0), -EINVAL); /* around two */
	assert_int_equal(add(UINT64_MAX, 1, low, 0), -EINVAL);
	assert_int_equal(mem.n_regions, 4);
	/* the gaps are free to the last byte */
	assert_int_equal(add(0, LOW, low, 0), 0);
	assert_int_equal(add(MID + 0x1000, HIGH - MID - 0x1000, low, 0), 0);
}

static void empty_and_wrapping_regions_are_refused(void **state)
{
	(void)state;
	assert_int_equal(add(0x10000, 0, low, 0), -EINVAL);
	assert_int_equal(add(UINT64_MAX - 10, 12, low, 0), -EINVAL);
	assert_int_equal(add(0x10000, UINT64_MAX, low, 0), -EINVAL);
	assert_int_equal(add(0x10000, 1, NULL, 0), -EINVAL);
}

static void the_table_is_bounded(void **state)
{
	uint64_t gpa = 0x200000;

	(void)state;
	while (mem.n_regions < GUEST_MEM_REGIONS_MAX) {
		assert_int_equal(add(gpa, 16, low, 0), 0);
		gpa += 16;
	}
	assert_int_equal(add(gpa, 16, low, 0), -ENOSPC);
}

static void remove_wants_the_exact_region_and_unmaps(void **state)
{
	uint8_t *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct guest_mem_region region = {
		.gpa = 0x50000, .size = 4096, .hva = map, .map = map, .map_len = 4096
	};
	unsigned char vec;

	(void)state;
	assert_ptr_not_equal(map, MAP_FAILED);
	assert_int_equal(guest_mem_add(&mem, &region), 0);
	assert_int_equal(guest_mem_remove(&mem, 0x50000, 4095), -ENOENT);
	assert_int_equal(guest_mem_remove(&mem, 0x50001, 4096), -ENOENT);
	assert_int_equal(guest_mem_remove(&mem, 0x50000, 4096), 0);
	assert_int_equal(guest_mem_remove(&mem, 0x50000, 4096), -ENOENT);
	assert_int_equal(mincore(map, 4096, &vec), -1); /* gone */
	assert_null(guest_mem_slice(&mem, 0x50000, 1));
	assert_ptr_equal(guest_mem_slice(&mem, HIGH, 1), high); /* the others moved up intact */
}

static void slices_stay_in_one_region(void **state)
{
	(void)state;
	assert_ptr_equal(guest_mem_slice(&mem, LOW, sizeof(low)), low);
	assert_ptr_equal(guest_mem_slice(&mem, LOW + 5, 7), low + 5);
	assert_ptr_equal(guest_mem_slice(&mem, MID, 1), mid);
	assert_null(guest_mem_slice(&mem, LOW, 0));
	assert_null(guest_mem_slice(&mem, LOW, sizeof(low) + 1)); /* into mid, which adjoins */
	assert_null(guest_mem_slice(&mem, LOW - 1, 2));
	assert_null(guest_mem_slice(&mem, 0, 1));
	assert_null(guest_mem_slice(&mem, HIGH + sizeof(high), 1));
	assert_null(guest_mem_slice(&mem, HIGH, UINT64_MAX));
	assert_null(guest_mem_slice(&mem, HIGH + 1, UINT64_MAX)); /* the sum wraps */
	assert_ptr_equal(guest_mem_slice(&mem, UINT64_MAX, 1), top + 0xfff);
	assert_null(guest_mem_slice(&mem, UINT64_MAX, 2));
}

static void iov_splits_where_regions_meet(void **state)
{
	struct iovec iov[3];

	(void)state;
	assert_int_equal(guest_mem_iov(&mem, MID - 8, 24, iov, 3), 2);
	assert_ptr_equal(iov[0].iov_base, low + sizeof(low) - 8);
	assert_int_equal(iov[0].iov_len, 8);
	assert_ptr_equal(iov[1].iov_base, mid);
	assert_int_equal(iov[1].iov_len, 16);
	assert_int_equal(guest_mem_iov(&mem, MID - 8, 8, iov, 3), 1);
	assert_int_equal(guest_mem_iov(&mem, MID - 8, 0, iov, 3), 0);
}

static void iov_refuses_holes_and_wraps(void **state)
{
	struct iovec iov[3];

	(void)state;
	assert_int_equal(guest_mem_iov(&mem, 0, 8, iov, 3), -EFAULT);
	assert_int_equal(guest_mem_iov(&mem, MID, 0x1001, iov, 3), -EFAULT);
	assert_int_equal(guest_mem_iov(&mem, UINT64_MAX - 3, 4, iov, 3), 1);
	assert_int_equal(guest_mem_iov(&mem, UINT64_MAX - 3, 5, iov, 3), -EFAULT);
	assert_int_equal(guest_mem_iov(&mem, LOW, UINT64_MAX, iov, 3), -EFAULT);
}

static void iov_never_writes_past_max(void **state)
{
	struct iovec iov[2] = { { 0 } };

	(void)state;
	iov[1].iov_base = (void *)0x5a;
	assert_int_equal(guest_mem_iov(&mem, MID - 8, 16, iov, 1), -ENOBUFS);
	assert_ptr_equal(iov[1].iov_base, (void *)0x5a);
	assert_int_equal(guest_mem_iov(&mem, MID, 1, iov, 0), -ENOBUFS);
}

static void user_addresses_translate_within_a_region(void **state)
{
	uint64_t gpa = 1;

	(void)state;
	assert_true(guest_mem_from_user_addr(&mem, 0x7f0000000010, 16, &gpa));
	assert_int_equal(gpa, HIGH + 0x10);
	assert_true(guest_mem_from_user_addr(&mem, 0x20000, 0x1000, &gpa));
	assert_int_equal(gpa, MID);
	gpa = 7;
	assert_false(guest_mem_from_user_addr(&mem, 0x20000, 0x1001, &gpa));
	assert_false(guest_mem_from_user_addr(&mem, 0x20ff8, 9, &gpa));
	assert_false(guest_mem_from_user_addr(&mem, 0x20ff8, UINT64_MAX, &gpa));
	assert_false(guest_mem_from_user_addr(&mem, 0x30000, 1, &gpa));
	assert_int_equal(gpa, 7); /* untouched on failure */
}

static void copies_cross_regions(void **state)
{
	uint8_t buf[32], back[32];

	(void)state;
	for (unsigned i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i + 1);
	assert_int_equal(guest_mem_write(&mem, MID - 20, buf, sizeof(buf)), 0);
	assert_int_equal(low[sizeof(low) - 20], 1);
	assert_int_equal(mid[0], 21);
	assert_int_equal(guest_mem_read(&mem, MID - 20, back, sizeof(back)), 0);
	assert_memory_equal(buf, back, sizeof(buf));
	assert_int_equal(guest_mem_read(&mem, MID + 0xff0, back, sizeof(back)), -EFAULT);
	assert_int_equal(guest_mem_write(&mem, UINT64_MAX - 3, buf, 5), -EFAULT);
	assert_int_equal(guest_mem_read(&mem, UINT64_MAX - 3, back, 4), 0);
	assert_int_equal(guest_mem_read(&mem, 0, back, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(regions_are_kept_sorted, fill),
		cmocka_unit_test_setup(overlaps_are_refused, fill),
		cmocka_unit_test_setup(empty_and_wrapping_regions_are_refused, fill),
		cmocka_unit_test_setup(the_table_is_bounded, fill),
		cmocka_unit_test_setup(remove_wants_the_exact_region_and_unmaps, fill),
		cmocka_unit_test_setup(slices_stay_in_one_region, fill),
		cmocka_unit_test_setup(iov_splits_where_regions_meet, fill),
		cmocka_unit_test_setup(iov_refuses_holes_and_wraps, fill),
		cmocka_unit_test_setup(iov_never_writes_past_max, fill),
		cmocka_unit_test_setup(user_addresses_translate_within_a_region, fill),
		cmocka_unit_test_setup(copies_cross_regions, fill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
