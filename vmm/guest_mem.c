/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest_mem: look-ups in the table of guest memory regions.
 *
 * Every address here comes from the guest. Sums are made only where they can't
 * wrap: a region's last byte is known to fit 64 bits since guest_mem_add().
 */
#include "vmm/guest_mem.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int guest_mem_add(struct guest_mem *mem, const struct guest_mem_region *region)
{
	uint64_t last, other_last;
	unsigned at;

	if (region->size == 0 || !region->hva || __builtin_add_overflow(region->gpa, region->size - 1, &last))
		return -EINVAL;
	if (mem->n_regions == GUEST_MEM_REGIONS_MAX)
		return -ENOSPC;

	for (at = 0; at < mem->n_regions; at++) {
		other_last = mem->regions[at].gpa + (mem->regions[at].size - 1);
		if (region->gpa <= other_last && mem->regions[at].gpa <= last)
			return -EINVAL;
		if (region->gpa < mem->regions[at].gpa)
			break;
	}
	memmove(&mem->regions[at + 1], &mem->regions[at], (mem->n_regions - at) * sizeof(*region));
	mem->regions[at] = *region;
	mem->n_regions++;
	return 0;
}

static void region_unmap(struct guest_mem_region *region)
{
	if (region->map)
		munmap(region->map, region->map_len);
	region->map = NULL;
}

int guest_mem_remove(struct guest_mem *mem, uint64_t gpa, uint64_t size)
{
	for (unsigned i = 0; i < mem->n_regions; i++) {
		struct guest_mem_region *region = &mem->regions[i];

		if (region->gpa != gpa || region->size != size)
			continue;
		region_unmap(region);
		memmove(region, region + 1, (mem->n_regions - i - 1) * sizeof(*region));
		mem->n_regions--;
		return 0;
	}
	return -ENOENT;
}

void guest_mem_done(struct guest_mem *mem)
{
	if (!mem)
		return;
	for (unsigned i = 0; i < mem->n_regions; i++)
		region_unmap(&mem->regions[i]);
	mem->n_regions = 0;
}

/*
 * The region that holds `gpa`, and how many bytes of it follow from there. A
 * linear search: a machine has two or three regions, a vhost-user front-end a few more.
 */
static const struct guest_mem_region *find_region(const struct guest_mem *mem, uint64_t gpa,
						  uint64_t *ret_left)
{
	for (unsigned i = 0; i < mem->n_regions; i++) {
		const struct guest_mem_region *region = &mem->regions[i];

		if (gpa >= region->gpa && gpa - region->gpa < region->size) {
			*ret_left = region->size - (gpa - region->gpa);
			return region;
		}
	}
	return NULL;
}

void *guest_mem_slice(const struct guest_mem *mem, uint64_t gpa, uint64_t len)
{
	const struct guest_mem_region *region;
	uint64_t left;

	if (len == 0)
		return NULL;
	region = find_region(mem, gpa, &left);
	if (!region || len > left)
		return NULL;
	return region->hva + (gpa - region->gpa);
}

int guest_mem_iov(const struct guest_mem *mem, uint64_t gpa, uint64_t len, struct iovec *iov, unsigned max)
{
	unsigned n = 0;

	while (len > 0) {
		uint64_t left;
		const struct guest_mem_region *region = find_region(mem, gpa, &left);

		if (!region)
			return -EFAULT;
		if (n == max)
			return -ENOBUFS;
		if (left > len)
			left = len;
		iov[n].iov_base = region->hva + (gpa - region->gpa);
		iov[n].iov_len = left;
		n++;
		len -= left;
		/* More to come past the end of the address space is no memory either. */
		if (__builtin_add_overflow(gpa, left, &gpa) && len > 0)
			return -EFAULT;
	}
	return (int)n;
}

bool guest_mem_from_user_addr(const struct guest_mem *mem, uint64_t user_addr, uint64_t len,
			      uint64_t *ret_gpa)
{
	for (unsigned i = 0; i < mem->n_regions; i++) {
		const struct guest_mem_region *region = &mem->regions[i];
		uint64_t offset = user_addr - region->user_addr;

		if (user_addr < region->user_addr || offset >= region->size)
			continue;
		if (len > region->size - offset)
			return false;
		*ret_gpa = region->gpa + offset;
		return true;
	}
	return false;
}

/* Where the part of [gpa, gpa + len) in gpa's region lies; NULL and 0 for no memory. */
static void *next_part(const struct guest_mem *mem, uint64_t gpa, size_t len, size_t *ret_part)
{
	uint64_t left;
	const struct guest_mem_region *region = find_region(mem, gpa, &left);

	if (!region)
		return NULL;
	*ret_part = left < len ? left : len;
	return region->hva + (gpa - region->gpa);
}

int guest_mem_write(const struct guest_mem *mem, uint64_t gpa, const void *buf, size_t len)
{
	const uint8_t *from = buf;
	size_t part;

	while (len > 0) {
		void *to = next_part(mem, gpa, len, &part);

		if (!to)
			return -EFAULT;
		memcpy(to, from, part);
		from += part;
		len -= part;
		if (__builtin_add_overflow(gpa, part, &gpa) && len > 0)
			return -EFAULT;
	}
	return 0;
}

int guest_mem_read(const struct guest_mem *mem, uint64_t gpa, void *buf, size_t len)
{
	uint8_t *to = buf;
	size_t part;

	while (len > 0) {
		const void *from = next_part(mem, gpa, len, &part);

		if (!from)
			return -EFAULT;
		memcpy(to, from, part);
		to += part;
		len -= part;
		if (__builtin_add_overflow(gpa, part, &gpa) && len > 0)
			return -EFAULT;
	}
	/* The compiler must not go back to the guest's bytes instead of using the copy. */
	atomic_signal_fence(memory_order_acq_rel);
	return 0;
}

int guest_mem_discard(const struct guest_mem *mem, const struct iovec *slice)
{
	const uintptr_t start = (uintptr_t)slice->iov_base, page = (uintptr_t)sysconf(_SC_PAGESIZE);

	if (slice->iov_len == 0 || start % page || slice->iov_len % page)
		return -EINVAL;
	for (unsigned i = 0; i < mem->n_regions; i++) {
		const struct guest_mem_region *region = &mem->regions[i];
		uintptr_t offset = start - (uintptr_t)region->hva;

		if (offset >= region->size || slice->iov_len > region->size - offset)
			continue;
		/* Of shared memory the file has to let go, or the pages would only leave our mapping. */
		return madvise(slice->iov_base, slice->iov_len,
			       region->shared ? MADV_REMOVE : MADV_DONTNEED) < 0
			       ? -errno
			       : 0;
	}
	return -EINVAL;
}
