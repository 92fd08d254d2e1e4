/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpuid: see cpuid.h. Leaves as in Intel SDM 2A "CPUID", AMD APM 3 appendix E, and
 * Linux, Documentation/virt/kvm/x86/cpuid.rst.
 */
#include "vmm/kvm/cpuid.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

enum {
	LEAF_VENDOR = 0x0,
	LEAF_FEATURES = 0x1,
	LEAF_CACHES = 0x4, /* Intel */
	LEAF_EXTENDED_FEATURES = 0x7,
	LEAF_PMU = 0xa,
	LEAF_TOPOLOGY = 0xb,
	LEAF_XSAVE = 0xd,
	LEAF_SGX = 0x12,
	LEAF_PROCESSOR_TRACE = 0x14,
	LEAF_TSC = 0x15,
	LEAF_TILE = 0x1d,
	LEAF_TMUL = 0x1e,
	LEAF_TOPOLOGY_V2 = 0x1f,
};
#define LEAF_KVM 0x40000000U
#define LEAF_KVM_FEATURES 0x40000001U
#define LEAF_HYPERVISOR_TIMING 0x40000010U
#define LEAF_AMD_MAX 0x80000000U
#define LEAF_AMD_FEATURES 0x80000001U
#define LEAF_AMD_POWER 0x80000007U
#define LEAF_AMD_SIZES 0x80000008U
#define LEAF_AMD_SVM 0x8000000aU
#define LEAF_AMD_CACHES 0x8000001dU
#define LEAF_AMD_TOPOLOGY 0x8000001eU
#define LEAF_AMD_PMU 0x80000022U

#define BIT(n) (1U << (n))

/* KVM's local APIC timer counts nanoseconds. */
#define APIC_BUS_KHZ 1000000U

struct kvm_cpuid2 *cpuid_new(void)
{
	struct kvm_cpuid2 *table;

	table = calloc(1, sizeof(*table) + CPUID_ENTRIES_MAX * sizeof(table->entries[0]));
	if (table)
		table->nent = CPUID_ENTRIES_MAX;
	return table;
}

static struct kvm_cpuid_entry2 *find(struct kvm_cpuid2 *table, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < table->nent; i++)
		if (table->entries[i].function == function && table->entries[i].index == index)
			return &table->entries[i];
	return NULL;
}

static void drop(struct kvm_cpuid2 *table, uint32_t function)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < table->nent; i++)
		if (table->entries[i].function != function)
			table->entries[kept++] = table->entries[i];
	table->nent = kept;
}

static int add(struct kvm_cpuid2 *table, const struct kvm_cpuid_entry2 *entry)
{
	if (table->nent == CPUID_ENTRIES_MAX)
		return -ENOSPC;
	table->entries[table->nent++] = *entry;
	return 0;
}

static bool is_vendor(const struct kvm_cpuid_entry2 *e, const char *name)
{
	return memcmp(&e->ebx, name, 4) == 0 && memcmp(&e->edx, name + 4, 4) == 0 &&
	       memcmp(&e->ecx, name + 8, 4) == 0;
}

/* The number of bits that `n` ids take. */
static uint32_t id_bits(unsigned n)
{
	uint32_t bits = 0;

	while ((1U << bits) < n)
		bits++;
	return bits;
}

/*
 * Out of a container's VM: nested virtualization, enclaves, processor trace and
 * the PMU (each MSR of it is an exit, and its watchdog would never rest), and AMX,
 * whose state needs the host's leave first.
 */
static void drop_features(struct kvm_cpuid2 *t)
{
	static const uint32_t leaves[] = { LEAF_PMU,  LEAF_SGX,	    LEAF_PROCESSOR_TRACE, LEAF_TILE,
					   LEAF_TMUL, LEAF_AMD_SVM, LEAF_AMD_PMU };
	struct kvm_cpuid_entry2 *e;

	for (unsigned i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		drop(t, leaves[i]);
	e = find(t, LEAF_FEATURES, 0);
	if (e)
		e->ecx &= ~(BIT(5) /* VMX */ | BIT(15) /* PDCM */);
	e = find(t, LEAF_EXTENDED_FEATURES, 0);
	if (e) {
		e->ebx &= ~(BIT(2) /* SGX */ | BIT(25) /* processor trace */);
		e->ecx &= ~BIT(30) /* SGX_LC */;
		e->edx &= ~(BIT(22) | BIT(24) | BIT(25)) /* AMX */;
	}
	e = find(t, LEAF_XSAVE, 0);
	if (e)
		e->eax &= ~(BIT(17) | BIT(18)) /* AMX tiles */;
	e = find(t, LEAF_AMD_FEATURES, 0);
	if (e)
		e->ecx &= ~(BIT(2) /* SVM */ | BIT(23) | BIT(24) | BIT(28) /* performance counters */);
	e = find(t, LEAF_KVM_FEATURES, 0);
	if (e)
		e->eax &= ~BIT(15) /* MSI_EXT_DEST_ID: our APIC ids are short */;
}

static void set_features(struct kvm_cpuid2 *t, const struct cpuid_config *config)
{
	struct kvm_cpuid_entry2 *e = find(t, LEAF_FEATURES, 0);

	if (!e)
		return;
	/* CLFLUSH's line size stays; one logical CPU has no HTT flag and no count. */
	e->ebx = (e->ebx & 0xff00) | config->id << 24 | (1U << id_bits(config->cpus)) << 16;
	e->ecx |= BIT(21) /* x2APIC */ | BIT(24) /* TSC deadline */ | BIT(31) /* hypervisor */;
	if (config->cpus > 1)
		e->edx |= BIT(28);
	else
		e->edx &= ~BIT(28);
}

/* Intel's leaf 4, AMD's 0x8000001d: which CPUs share a cache. The last level is common to all. */
static void set_caches(struct kvm_cpuid2 *t, const struct cpuid_config *config)
{
	uint32_t ids = 1U << id_bits(config->cpus);

	for (uint32_t i = 0; i < t->nent; i++) {
		struct kvm_cpuid_entry2 *e = &t->entries[i];
		uint32_t level = e->eax >> 5 & 7;
		uint32_t sharing = level >= 3 ? ids - 1 : 0;

		if (e->function != LEAF_CACHES && e->function != LEAF_AMD_CACHES)
			continue;
		if ((e->eax & 0x1f) == 0)
			continue;
		e->eax = (e->eax & 0x3fff) | sharing << 14;
		if (e->function == LEAF_CACHES)
			e->eax |= (ids - 1) << 26;
	}
}

/* Leaves 0xb and 0x1f: a level of threads, one each, and one of cores. */
static int set_topology(struct kvm_cpuid2 *t, uint32_t function, const struct cpuid_config *config)
{
	const struct kvm_cpuid_entry2 levels[] = {
		{ .index = 0, .eax = 0, .ebx = 1, .ecx = 1U << 8 | 0 },
		{ .index = 1, .eax = id_bits(config->cpus), .ebx = config->cpus, .ecx = 2U << 8 | 1 },
		{ .index = 2, .ecx = 2 },
	};
	int r = 0;

	drop(t, function);
	for (unsigned i = 0; i < sizeof(levels) / sizeof(levels[0]) && r == 0; i++) {
		struct kvm_cpuid_entry2 e = levels[i];

		e.function = function;
		e.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
		e.edx = config->id;
		r = add(t, &e);
	}
	return r;
}

static void set_amd_topology(struct kvm_cpuid2 *t, const struct cpuid_config *config)
{
	struct kvm_cpuid_entry2 *e;

	e = find(t, LEAF_AMD_FEATURES, 0);
	if (e)
		/* CmpLegacy: leaf 1's count is one of cores. */
		e->ecx = config->cpus > 1 ? e->ecx | BIT(1) : e->ecx & ~BIT(1);
	e = find(t, LEAF_AMD_SIZES, 0);
	if (e)
		e->ecx = id_bits(config->cpus) << 12 | (config->cpus - 1);
	e = find(t, LEAF_AMD_TOPOLOGY, 0);
	if (e) {
		e->eax = config->id;
		e->ebx = config->id; /* core id; one thread per core */
		e->ecx = 0; /* one node */
		e->edx = 0;
	}
}

static int set_clocks(struct kvm_cpuid2 *t, bool intel, const struct cpuid_config *config)
{
	struct kvm_cpuid_entry2 *e;
	int r = 0;

	/* The TSC as a multiple of the clock that also drives the local APIC's timer. */
	drop(t, LEAF_TSC);
	if (intel)
		r = add(t, &(struct kvm_cpuid_entry2){
				   .function = LEAF_TSC,
				   .eax = APIC_BUS_KHZ,
				   .ebx = config->tsc_khz,
				   .ecx = APIC_BUS_KHZ * 1000,
			   });
	e = find(t, LEAF_KVM, 0);
	if (e) {
		drop(t, LEAF_HYPERVISOR_TIMING);
		e = find(t, LEAF_KVM, 0);
		e->eax = LEAF_HYPERVISOR_TIMING;
		if (r == 0)
			r = add(t, &(struct kvm_cpuid_entry2){
					   .function = LEAF_HYPERVISOR_TIMING,
					   .eax = config->tsc_khz,
					   .ebx = APIC_BUS_KHZ,
				   });
	}
	e = find(t, LEAF_AMD_POWER, 0);
	if (e && !config->tsc_stable)
		e->edx &= ~BIT(8); /* invariant TSC */
	return r;
}

int cpuid_build(const struct kvm_cpuid2 *supported, const struct cpuid_config *config, struct kvm_cpuid2 *out)
{
	struct kvm_cpuid_entry2 *vendor;
	bool intel, amd;
	uint32_t last;
	int r;

	if (supported->nent > CPUID_ENTRIES_MAX)
		return -ENOSPC;
	out->nent = supported->nent;
	memcpy(out->entries, supported->entries, supported->nent * sizeof(out->entries[0]));

	vendor = find(out, LEAF_VENDOR, 0);
	if (!vendor)
		return -EINVAL;
	intel = is_vendor(vendor, "GenuineIntel");
	amd = is_vendor(vendor, "AuthenticAMD") || is_vendor(vendor, "HygonGenuine");

	drop_features(out);
	set_features(out, config);
	set_caches(out, config);
	r = set_topology(out, LEAF_TOPOLOGY, config);
	if (r == 0 && find(out, LEAF_TOPOLOGY_V2, 0))
		r = set_topology(out, LEAF_TOPOLOGY_V2, config);
	if (r == 0)
		r = set_clocks(out, intel, config);
	if (r < 0)
		return r;
	if (amd)
		set_amd_topology(out, config);

	/* Entries moved: look the vendor's up again. */
	vendor = find(out, LEAF_VENDOR, 0);
	last = intel ? LEAF_TSC : LEAF_TOPOLOGY;
	if (vendor->eax < last)
		vendor->eax = last;
	return 0;
}
