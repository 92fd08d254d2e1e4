/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory: maps the guest memory that a vhost-user front-end shares. Everything
 * in a region's description is the front-end's claim and checked here.
 */
#ifndef VRUN_VMM_VHOST_USER_MEMORY_H
#define VRUN_VMM_VHOST_USER_MEMORY_H

#include <stdbool.h>

struct guest_mem_region;
struct vu_region;

/*
 * Map `region` from the borrowed `fd`, which may be closed after. `sealed`: the
 * file must be a memfd that can't shrink (F_SEAL_SHRINK), so that no later
 * truncation ends this process by SIGBUS. -EINVAL and the like with *ret_why,
 * a static text. The caller gives *ret to guest_mem_add(), or munmap()s it.
 */
int vu_memory_map(const struct vu_region *region, int fd, bool sealed, struct guest_mem_region *ret,
		  const char **ret_why);

#endif
