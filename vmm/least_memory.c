/* SPDX-License-Identifier: Apache-2.0 */
/*
 * least_memory: what a VM must have for its kernel to come up; see vmm.h. Apart from
 * vmm.c, so that a planner gets no engine with it.
 */
#include "vmm/vmm.h"

#include "base/err.h"
#include "vmm/arch/x86/kernel_image.h"
#include "vmm/vm_spec.h"

#include <errno.h>

int vmm_least_memory(const struct vm_spec *spec, uint64_t *ret, struct err *err)
{
	return kernel_image_least_memory(spec->kernel, spec->initrd, ret, err);
}

int vmm_check(const struct vm_spec *spec, struct err *err)
{
	uint64_t least;
	int r = vmm_least_memory(spec, &least, err);

	if (r < 0)
		return r;
	if (spec->memory < least)
		return err_set(err, -EINVAL, "memory: %llu MiB, but the guest kernel %s needs at least %llu MiB",
			       (unsigned long long)(spec->memory >> 20), spec->kernel,
			       (unsigned long long)(least >> 20));
	return 0;
}
