/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmdline: the guest kernel's command line.
 *
 * It is put together from parameters that every guest of ours gets, those of
 * the engine, and the caller's own (spec->cmdline) last, so that these win
 * where the kernel takes the last value.
 */
#ifndef VRUN_VMM_CMDLINE_H
#define VRUN_VMM_CMDLINE_H

#include <stddef.h>

struct err;
struct vm_spec;

/*
 * Write the command line for `spec` (its engine, debug and cmdline), NUL-terminated, to `buf`.
 * -E2BIG above VM_CMDLINE_MAX bytes or `size`, -EINVAL for control characters in spec->cmdline.
 * `buf` is untouched on failure.
 */
int vmm_cmdline(const struct vm_spec *spec, char *buf, size_t size, struct err *err);

#endif
