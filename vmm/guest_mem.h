/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest_mem: the guest's physical memory as checked slices.
 *
 * A table of regions, sorted by guest physical address and never overlapping.
 * Devices reach guest RAM only through it, so its backing may be a shared memfd,
 * private memory, or a front-end's regions, without any of them knowing.
 *
 * Threads: the table is changed only while no device is started; look-ups need
 * no lock. The memory behind a slice is shared with the guest, which may change
 * it at any moment: copy once, check the copy, use the copy.
 */
#ifndef VRUN_VMM_GUEST_MEM_H
#define VRUN_VMM_GUEST_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct guest_mem_region {
	uint64_t gpa; /* first guest physical address */
	uint64_t size; /* bytes, > 0 */
	uint8_t *hva; /* our mapping of it */
	uint64_t user_addr; /* the front-end's virtual address (vhost-user), else 0 */
	void *map; /* what guest_mem_done() unmaps, NULL: not ours */
	size_t map_len;
	bool shared; /* MAP_SHARED: others have the same pages */
};

enum { GUEST_MEM_REGIONS_MAX = 32 };

struct guest_mem {
	struct guest_mem_region regions[GUEST_MEM_REGIONS_MAX];
	unsigned n_regions;
};

#define GUEST_MEM_INIT { .n_regions = 0 }

/* -EINVAL for an empty, wrapping or overlapping region, -ENOSPC when the table is full. Copies `region`. */
int guest_mem_add(struct guest_mem *mem, const struct guest_mem_region *region);
/* Remove the region that starts at `gpa` with that size and unmap it. -ENOENT. */
int guest_mem_remove(struct guest_mem *mem, uint64_t gpa, uint64_t size);
/* Unmap all that is ours and empty the table. */
void guest_mem_done(struct guest_mem *mem);

/*
 * The host address of [gpa, gpa + len), or NULL unless all of it lies in one
 * region. A `len` of 0 is NULL too. Alignment is the caller's check.
 */
void *guest_mem_slice(const struct guest_mem *mem, uint64_t gpa, uint64_t len);

/*
 * Append [gpa, gpa + len) to `iov`, split where regions meet. Returns the
 * number of entries added (0 for len == 0), -EFAULT when part of it is no
 * memory, -ENOBUFS when it takes more than `max` entries.
 */
int guest_mem_iov(const struct guest_mem *mem, uint64_t gpa, uint64_t len, struct iovec *iov, unsigned max);

/* Front-end virtual address to guest physical (vhost-user ring addresses). False when `len` bytes don't fit. */
bool guest_mem_from_user_addr(const struct guest_mem *mem, uint64_t user_addr, uint64_t len, uint64_t *ret_gpa);

/* Copies for the boot loader and tables; -EFAULT. May span regions. */
int guest_mem_write(const struct guest_mem *mem, uint64_t gpa, const void *buf, size_t len);
int guest_mem_read(const struct guest_mem *mem, uint64_t gpa, void *buf, size_t len);

/*
 * Give the host back the pages of a slice (whole ones, of one region): what the guest then finds there is
 * undefined until it writes. -EINVAL: not whole pages, or not all of one region; other errors are the host's.
 */
int guest_mem_discard(const struct guest_mem *mem, const struct iovec *slice);

#endif
