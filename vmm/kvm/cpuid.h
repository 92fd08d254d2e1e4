/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpuid: what the guest's CPUs say they are. The host's features as KVM offers
 * them, less what a container's VM has no use for; one package of `cpus` cores
 * with one thread each; and the clock frequencies, so that the guest calibrates
 * nothing.
 */
#ifndef VRUN_VMM_KVM_CPUID_H
#define VRUN_VMM_KVM_CPUID_H

#include <stdbool.h>
#include <stdint.h>

struct kvm_cpuid2;

enum { CPUID_ENTRIES_MAX = 256 }; /* KVM's own limit */

struct cpuid_config {
	unsigned cpus; /* 1 to VM_CPUS_MAX */
	unsigned id; /* this CPU's index and APIC id */
	uint32_t tsc_khz;
	bool tsc_stable; /* the host keeps time by the TSC: the guest may */
};

/* An empty table with room for CPUID_ENTRIES_MAX; the caller frees it. NULL: no memory. */
struct kvm_cpuid2 *cpuid_new(void);

/*
 * Make `out` (from cpuid_new()) of `supported` (KVM_GET_SUPPORTED_CPUID's answer).
 * -ENOSPC when it does not fit.
 */
int cpuid_build(const struct kvm_cpuid2 *supported, const struct cpuid_config *config,
		struct kvm_cpuid2 *out);

#endif
