/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "vmm/kvm/cpuid.h"
#include "vmm/vm_spec.h"

#include <errno.h>
#include <linux/kvm.h>

struct leaf {
	uint32_t function, index, eax, ebx, ecx, edx;
};

static const struct leaf intel[] = {
	{ 0x0, 0, 0x1f, 0x756e6547, 0x6c65746e, 0x49656e69 }, /* GenuineIntel */
	{ 0x1, 0, 0x606a6, 0x07200800, 0x00000020 | 1 << 15, 0x1fabfbff },
	{ 0x4, 0, 0x1c004121, 0x02c0003f, 0x3f, 0 },
	{ 0x4, 1, 0x1c004122, 0x01c0003f, 0x3f, 0 },
	{ 0x4, 2, 0x1c004143, 0x04c0003f, 0x3ff, 0 },
	{ 0x4, 3, 0x1c03c163, 0x02c0003f, 0xffff, 0 },
	{ 0x4, 4, 0, 0, 0, 0 },
	{ 0x7, 0, 0, 0xffffffff, 0xffffffff, 0xffffffff },
	{ 0xa, 0, 0x08300805, 0, 0, 0x603 },
	{ 0xb, 0, 1, 2, 0x100, 7 },
	{ 0xb, 1, 7, 32, 0x201, 7 },
	{ 0xd, 0, 0x602e7, 0, 0, 0 },
	{ 0x14, 0, 1, 0, 0, 0 },
	{ 0x15, 0, 2, 200, 0, 0 },
	{ 0x1f, 0, 1, 2, 0x100, 7 },
	{ 0x40000000, 0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d },
	{ 0x40000001, 0, 0x01007efb | 1 << 15, 0, 0, 0 },
	{ 0x80000000, 0, 0x80000008, 0, 0, 0 },
	{ 0x80000007, 0, 0, 0, 0, 0x100 },
	{ 0x80000008, 0, 0x3030, 0, 0, 0 },
};

static const struct leaf amd[] = {
	{ 0x0, 0, 0x10, 0x68747541, 0x444d4163, 0x69746e65 }, /* AuthenticAMD */
	{ 0x1, 0, 0xa20f10, 0x05100800, 0, 0x178bfbff },
	{ 0x40000000, 0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d },
	{ 0x40000001, 0, 0x01007efb, 0, 0, 0 },
	{ 0x80000000, 0, 0x80000021, 0, 0, 0 },
	{ 0x80000001, 0, 0, 0, 0xffffffff, 0 },
	{ 0x80000008, 0, 0x3030, 0, 0x700f, 0 },
	{ 0x8000000a, 0, 1, 0x8000, 0, 0 },
	{ 0x8000001d, 0, 0x4121, 0, 0, 0 },
	{ 0x8000001d, 3, 0x3c163, 0, 0, 0 },
	{ 0x8000001e, 0, 5, 0x102, 0x301, 0 },
};

static struct kvm_cpuid2 *make(const struct leaf *leaves, unsigned n)
{
	struct kvm_cpuid2 *t = cpuid_new();

	assert_non_null(t);
	t->nent = n;
	for (unsigned i = 0; i < n; i++)
		t->entries[i] = (struct kvm_cpuid_entry2){
			.function = leaves[i].function,
			.index = leaves[i].index,
			.eax = leaves[i].eax,
			.ebx = leaves[i].ebx,
			.ecx = leaves[i].ecx,
			.edx = leaves[i].edx,
		};
	return t;
}

static const struct kvm_cpuid_entry2 *find(const struct kvm_cpuid2 *t, uint32_t function, uint32_t index)
{
	const struct kvm_cpuid_entry2 *found = NULL;

	for (uint32_t i = 0; i < t->nent; i++)
		if (t->entries[i].function == function && t->entries[i].index == index) {
			/* KVM takes the first of two: there must be one. */
			assert_null(found);
			found = &t->entries[i];
		}
	return found;
}

static const struct kvm_cpuid_entry2 *get(const struct kvm_cpuid2 *t, uint32_t function, uint32_t index)
{
	const struct kvm_cpuid_entry2 *e = find(t, function, index);

	assert_non_null(e);
	return e;
}

static struct kvm_cpuid2 *build(const struct leaf *leaves, unsigned n, unsigned cpus, unsigned id)
{
	const struct cpuid_config config = { .cpus = cpus, .id = id, .tsc_khz = 2600000, .tsc_stable = true };
	struct kvm_cpuid2 *in = make(leaves, n), *out = cpuid_new();

	assert_int_equal(cpuid_build(in, &config, out), 0);
	free(in);
	return out;
}

#define BUILD(leaves, cpus, id) build(leaves, sizeof(leaves) / sizeof((leaves)[0]), cpus, id)

static unsigned bits_for(unsigned cpus)
{
	unsigned bits = 0;

	while (1U << bits < cpus)
		bits++;
	return bits;
}

static void test_intel_topology_for_all_sizes(void **state)
{
	(void)state;
	for (unsigned cpus = 1; cpus <= VM_CPUS_MAX; cpus++)
		for (unsigned id = 0; id < cpus; id++) {
			struct kvm_cpuid2 *t = BUILD(intel, cpus, id);
			unsigned ids = 1U << bits_for(cpus);

			assert_int_equal(get(t, 1, 0)->ebx >> 24, id);
			assert_int_equal(get(t, 1, 0)->ebx >> 16 & 0xff, ids);
			assert_int_equal(get(t, 1, 0)->ebx >> 8 & 0xff, 8);
			assert_int_equal(get(t, 1, 0)->edx >> 28 & 1, cpus > 1);
			for (uint32_t leaf = 0xb; leaf <= 0x1f; leaf += 0x14) {
				assert_int_equal(get(t, leaf, 0)->eax, 0);
				assert_int_equal(get(t, leaf, 0)->ebx, 1);
				assert_int_equal(get(t, leaf, 0)->ecx, 0x100);
				assert_int_equal(get(t, leaf, 1)->eax, bits_for(cpus));
				assert_int_equal(get(t, leaf, 1)->ebx, cpus);
				assert_int_equal(get(t, leaf, 1)->ecx, 0x201);
				assert_int_equal(get(t, leaf, 2)->ebx, 0);
				for (uint32_t i = 0; i < 3; i++)
					assert_int_equal(get(t, leaf, i)->edx, id);
			}
			/* Caches: cores of the package, private first levels, a common last one. */
			assert_int_equal(get(t, 4, 0)->eax >> 26, ids - 1);
			assert_int_equal(get(t, 4, 0)->eax >> 14 & 0xfff, 0);
			assert_int_equal(get(t, 4, 2)->eax >> 14 & 0xfff, 0);
			assert_int_equal(get(t, 4, 3)->eax >> 14 & 0xfff, ids - 1);
			assert_int_equal(get(t, 4, 3)->eax & 0x3fff, 0x163);
			assert_int_equal(get(t, 4, 4)->eax, 0);
			free(t);
		}
}

static void test_amd_topology_for_all_sizes(void **state)
{
	(void)state;
	for (unsigned cpus = 1; cpus <= VM_CPUS_MAX; cpus++) {
		unsigned id = cpus - 1;
		struct kvm_cpuid2 *t = BUILD(amd, cpus, id);

		assert_int_equal(get(t, 1, 0)->ebx >> 24, id);
		assert_int_equal(get(t, 0x80000008, 0)->ecx & 0xff, cpus - 1);
		assert_int_equal(get(t, 0x80000008, 0)->ecx >> 12, bits_for(cpus));
		assert_int_equal(get(t, 0x80000001, 0)->ecx >> 1 & 1, cpus > 1);
		assert_int_equal(get(t, 0x8000001e, 0)->eax, id);
		assert_int_equal(get(t, 0x8000001e, 0)->ebx, id);
		assert_int_equal(get(t, 0x8000001e, 0)->ecx, 0);
		assert_int_equal(get(t, 0x8000001d, 0)->eax, 0x121);
		assert_int_equal(get(t, 0x8000001d, 3)->eax, 0x163 | ((1U << bits_for(cpus)) - 1) << 14);
		assert_int_equal(get(t, 0xb, 1)->ebx, cpus);
		assert_null(find(t, 0x1f, 0));
		assert_int_equal(get(t, 0, 0)->eax, 0x10);
		free(t);
	}
}

static void test_hypervisor_and_its_timers_are_announced(void **state)
{
	struct kvm_cpuid2 *t = BUILD(intel, 1, 0);
	uint32_t ecx = get(t, 1, 0)->ecx;

	(void)state;
	assert_true(ecx & 1U << 31);
	assert_true(ecx & 1U << 24); /* TSC deadline */
	assert_true(ecx & 1U << 21); /* x2APIC */
	assert_int_equal(get(t, 0x40000000, 0)->eax, 0x40000010);
	assert_int_equal(get(t, 0x40000010, 0)->eax, 2600000);
	assert_int_equal(get(t, 0x40000010, 0)->ebx, 1000000);
	/* TSC Hz = ecx * ebx / eax */
	assert_int_equal((uint64_t)get(t, 0x15, 0)->ecx * get(t, 0x15, 0)->ebx / get(t, 0x15, 0)->eax,
			 2600000000ULL);
	free(t);
}

static void test_amd_has_no_leaf_of_intels_for_the_tsc(void **state)
{
	struct kvm_cpuid2 *t = BUILD(amd, 1, 0);

	(void)state;
	assert_null(find(t, 0x15, 0));
	assert_int_equal(get(t, 0x40000010, 0)->eax, 2600000);
	free(t);
}

static void test_invariant_tsc_only_where_the_host_trusts_it(void **state)
{
	struct cpuid_config config = { .cpus = 1, .tsc_khz = 1000 };
	struct kvm_cpuid2 *in = make(intel, sizeof(intel) / sizeof(intel[0])), *out = cpuid_new();

	(void)state;
	assert_int_equal(cpuid_build(in, &config, out), 0);
	assert_int_equal(get(out, 0x80000007, 0)->edx, 0);
	config.tsc_stable = true;
	assert_int_equal(cpuid_build(in, &config, out), 0);
	assert_int_equal(get(out, 0x80000007, 0)->edx, 0x100);
	free(in);
	free(out);
}

static void test_features_that_no_container_needs_are_gone(void **state)
{
	struct kvm_cpuid2 *t = BUILD(intel, 2, 1);

	(void)state;
	assert_int_equal(get(t, 1, 0)->ecx & (1 << 5 | 1 << 15), 0); /* VMX, PDCM */
	assert_int_equal(get(t, 7, 0)->ebx & (1 << 2 | 1 << 25), 0); /* SGX, PT */
	assert_int_equal(get(t, 7, 0)->ecx & 1 << 30, 0);
	assert_int_equal(get(t, 7, 0)->edx & (1 << 22 | 1 << 24 | 1 << 25), 0); /* AMX */
	assert_int_equal(get(t, 0xd, 0)->eax, 0x2e7);
	assert_null(find(t, 0xa, 0));
	assert_null(find(t, 0x14, 0));
	assert_int_equal(get(t, 0x40000001, 0)->eax & 1 << 15, 0);
	free(t);

	t = BUILD(amd, 2, 1);
	assert_int_equal(get(t, 0x80000001, 0)->ecx & (1 << 2 | 1 << 23 | 1 << 24 | 1 << 28), 0);
	assert_null(find(t, 0x8000000a, 0));
	free(t);
}

static void test_old_cpu_gets_the_leaves_that_it_lacks(void **state)
{
	static const struct leaf old[] = {
		{ 0x0, 0, 0x4, 0x756e6547, 0x6c65746e, 0x49656e69 },
		{ 0x1, 0, 0x6f0, 0x00010800, 0, 1 << 28 },
	};
	struct kvm_cpuid2 *t = BUILD(old, 1, 0);

	(void)state;
	assert_int_equal(get(t, 0, 0)->eax, 0x15);
	assert_int_equal(get(t, 0xb, 0)->ebx, 1);
	assert_int_equal(get(t, 1, 0)->edx, 0);
	assert_null(find(t, 0x40000010, 0));
	free(t);
}

static void test_full_or_foreign_table_is_an_error(void **state)
{
	const struct cpuid_config config = { .cpus = 1, .tsc_khz = 1000 };
	struct kvm_cpuid2 *in = make(intel, 1), *out = cpuid_new();

	(void)state;
	in->nent = CPUID_ENTRIES_MAX;
	for (unsigned i = 1; i < CPUID_ENTRIES_MAX; i++)
		in->entries[i].function = 0x1000 + i;
	assert_int_equal(cpuid_build(in, &config, out), -ENOSPC);
	in->nent = CPUID_ENTRIES_MAX + 1;
	assert_int_equal(cpuid_build(in, &config, out), -ENOSPC);
	in->nent = 0;
	assert_int_equal(cpuid_build(in, &config, out), -EINVAL);
	free(in);
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_intel_topology_for_all_sizes),
		cmocka_unit_test(test_amd_topology_for_all_sizes),
		cmocka_unit_test(test_hypervisor_and_its_timers_are_announced),
		cmocka_unit_test(test_amd_has_no_leaf_of_intels_for_the_tsc),
		cmocka_unit_test(test_invariant_tsc_only_where_the_host_trusts_it),
		cmocka_unit_test(test_features_that_no_container_needs_are_gone),
		cmocka_unit_test(test_old_cpu_gets_the_leaves_that_it_lacks),
		cmocka_unit_test(test_full_or_foreign_table_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
