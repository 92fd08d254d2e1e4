/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory: see memory.h.
 */
#include "vmm/vhost_user/memory.h"

#include "vmm/guest_mem.h"
#include "vmm/vhost_user/messages.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static int refuse(int code, const char *why, const char **ret_why)
{
	*ret_why = why;
	return code;
}

/* The page size of what backs the file: mappings of huge pages begin and end on one. */
static int page_size(int fd, uint64_t *ret)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	*ret = fs.f_type == HUGETLBFS_MAGIC ? (uint64_t)fs.f_bsize : (uint64_t)sysconf(_SC_PAGESIZE);
	/* A power of two, or the rounding is wrong. */
	return *ret && !(*ret & (*ret - 1)) ? 0 : -EINVAL;
}

int vu_memory_map(const struct vu_region *region, int fd, bool sealed, struct guest_mem_region *ret,
		  const char **ret_why)
{
	uint64_t last, file_end, map_end, map_start, page = 0;
	struct stat st;
	void *map;
	int r;

	if (region->size == 0 || region->size > SIZE_MAX)
		return refuse(-EINVAL, "empty memory region", ret_why);
	if (__builtin_add_overflow(region->gpa, region->size - 1, &last) ||
	    __builtin_add_overflow(region->user_addr, region->size - 1, &last) ||
	    __builtin_add_overflow(region->mmap_offset, region->size, &file_end))
		return refuse(-EINVAL, "memory region wraps around", ret_why);

	/* A mapping past the end of its file is SIGBUS at the first touch. */
	if (fstat(fd, &st) < 0)
		return refuse(-errno, "can't stat the memory region's file", ret_why);
	if (!S_ISREG(st.st_mode))
		return refuse(-EINVAL, "memory region's descriptor is no file", ret_why);
	if (st.st_size < 0 || file_end > (uint64_t)st.st_size)
		return refuse(-EINVAL, "memory region is larger than its file", ret_why);
	if (sealed) {
		r = fcntl(fd, F_GET_SEALS);
		if (r < 0 || !(r & F_SEAL_SHRINK))
			return refuse(-EPERM, "memory region's file could shrink", ret_why);
	}
	r = page_size(fd, &page);
	if (r < 0)
		return refuse(r, "can't find the memory region's page size", ret_why);

	map_start = region->mmap_offset & ~(page - 1);
	if (__builtin_add_overflow(file_end, page - 1, &map_end))
		return refuse(-EINVAL, "memory region wraps around", ret_why);
	map_end &= ~(page - 1);
	map = mmap(NULL, map_end - map_start, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
		   (off_t)map_start);
	if (map == MAP_FAILED)
		return refuse(-errno, "can't map the memory region", ret_why);
	/* The guest's memory is no part of our core dumps. */
	(void)madvise(map, map_end - map_start, MADV_DONTDUMP);

	*ret = (struct guest_mem_region){
		.gpa = region->gpa,
		.size = region->size,
		.hva = (uint8_t *)map + (region->mmap_offset - map_start),
		.user_addr = region->user_addr,
		.map = map,
		.map_len = map_end - map_start,
		.shared = true,
	};
	return 0;
}
