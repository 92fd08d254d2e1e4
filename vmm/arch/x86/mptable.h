/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mptable: the MultiProcessor Specification 1.4's table, for kernels without ACPI.
 */
#ifndef VRUN_VMM_ARCH_X86_MPTABLE_H
#define VRUN_VMM_ARCH_X86_MPTABLE_H

#include <stddef.h>
#include <stdint.h>

enum { MPTABLE_MAX = 1024 }; /* the last KiB of base memory, where kernels look (§4) */

/*
 * The floating pointer at `gpa` with the configuration table behind it, for `cpus` CPUs
 * with APIC ids 0 to cpus - 1. -ENOSPC when `size` is too small.
 */
int mptable_build(unsigned cpus, uint64_t gpa, uint8_t *buf, size_t size, size_t *ret_len);

#endif
