/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpu_state: make vCPUs and give them the state that they start with. The first
 * enters the kernel in 64-bit mode; the others wait in KVM's local APIC for
 * the kernel's startup message.
 */
#include "vmm/kvm/vcpu.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/arch/x86/boot.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/kvm/cpuid.h"
#include "vmm/kvm/vm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

enum {
	CR0_PE = 1U << 0,
	CR0_MP = 1U << 1,
	CR0_ET = 1U << 4,
	CR0_NE = 1U << 5,
	CR0_WP = 1U << 16,
	CR0_AM = 1U << 18,
	CR4_PAE = 1U << 5,
	EFER_LME = 1U << 8,
	EFER_LMA = 1U << 10,
	RFLAGS_FIXED = 1U << 1,
	MSR_MISC_ENABLE = 0x1a0,
	MISC_ENABLE_FAST_STRING = 1U << 0,
	MSR_MTRR_DEF_TYPE = 0x2ff,
	MTRR_ENABLED = 1U << 11,
	MTRR_WRITE_BACK = 6,
};
#define CR0_PG (1ULL << 31)

/* The host itself keeps time by its TSC. */
static bool host_tsc_is_stable(void)
{
	char name[16] = "";
	_cleanup_fclose_ FILE *f =
		fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");

	return f && fgets(name, sizeof(name), f) && strcmp(name, "tsc\n") == 0;
}

static int set_cpuid(const struct kvm_vcpu *vcpu, const struct kvm_cpuid2 *supported,
		     struct cpuid_config config, struct err *err)
{
	_cleanup_free_ struct kvm_cpuid2 *table = cpuid_new();
	int r;

	if (!table)
		return err_set(err, -ENOMEM, "out of memory");
	r = ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);
	if (r <= 0)
		return err_set(err, -ENOTSUP, "KVM_GET_TSC_KHZ: this host does not know its TSC's frequency");
	config.tsc_khz = (uint32_t)r;
	config.id = vcpu->id;
	r = cpuid_build(supported, &config, table);
	if (r < 0)
		return err_set_errno(err, r, "CPUID of vCPU %u", vcpu->id);
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, table) < 0)
		return err_set_errno(err, -errno, "KVM_SET_CPUID2 of vCPU %u", vcpu->id);
	return 0;
}

/* What firmware would have set: fast string instructions, and all memory write-back. */
static void set_msrs(const struct kvm_vcpu *vcpu)
{
	static const struct kvm_msr_entry entries[] = {
		{ .index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLED | MTRR_WRITE_BACK },
		{ .index = MSR_MISC_ENABLE, .data = MISC_ENABLE_FAST_STRING },
	};

	/* One by one, as KVM stops at the first that this CPU does not have; none is vital. */
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		struct {
			struct kvm_msrs head;
			struct kvm_msr_entry entry;
		} msrs = { .head = { .nmsrs = 1 }, .entry = entries[i] };

		(void)ioctl(vcpu->fd, KVM_SET_MSRS, &msrs);
	}
}

/* Linux, Documentation/arch/x86/boot.rst, "64-bit BOOT PROTOCOL" */
static int set_entry_state(const struct kvm_vcpu *vcpu, uint64_t entry, struct err *err)
{
	struct kvm_regs regs = {
		.rip = entry,
		.rsi = LAYOUT_ZERO_PAGE,
		.rflags = RFLAGS_FIXED,
	};
	const struct kvm_segment code = {
		.limit = 0xffffffff,
		.selector = BOOT_CS,
		.type = 11, /* execute, read, accessed */
		.present = 1,
		.s = 1,
		.l = 1,
		.g = 1,
	};
	const struct kvm_segment data = {
		.limit = 0xffffffff,
		.selector = BOOT_DS,
		.type = 3, /* read, write, accessed */
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0)
		return err_set_errno(err, -errno, "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.gdt.base = LAYOUT_GDT;
	sregs.gdt.limit = BOOT_GDT_ENTRIES * 8 - 1;
	sregs.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
	sregs.cr3 = LAYOUT_PAGE_TABLES;
	sregs.cr4 = CR4_PAE;
	sregs.efer = EFER_LME | EFER_LMA;
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) < 0)
		return err_set_errno(err, -errno, "KVM_SET_SREGS");
	if (ioctl(vcpu->fd, KVM_SET_REGS, &regs) < 0)
		return err_set_errno(err, -errno, "KVM_SET_REGS");
	return 0;
}

static int create_vcpu(struct kvm_vcpu *vcpu, const struct kvm_vm *vm, struct err *err)
{
	void *run;

	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)vcpu->id);
	if (vcpu->fd < 0)
		return err_set_errno(err, -errno, "KVM_CREATE_VCPU %u", vcpu->id);
	run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (run == MAP_FAILED)
		return err_set_errno(err, -errno, "shared page of vCPU %u", vcpu->id);
	vcpu->run = run;
	vcpu->run_size = vm->run_size;
	vcpu->stats_fd = ioctl(vcpu->fd, KVM_GET_STATS_FD, NULL);
	return 0;
}

int kvm_vcpus_init(struct kvm_vcpus *set, const struct kvm_vm *vm, unsigned n, uint64_t entry,
		   const struct kvm_vcpu_handlers *handlers, void *ctx, struct err *err)
{
	struct cpuid_config config = { .cpus = n, .tsc_stable = host_tsc_is_stable() };
	_cleanup_free_ struct kvm_cpuid2 *supported = NULL;
	int max, r;

	*set = (struct kvm_vcpus){ .handlers = handlers, .ctx = ctx, .n = n, .mode = KVM_VCPU_PAUSED };
	pthread_mutex_init(&set->lock, NULL);
	pthread_cond_init(&set->changed, NULL);
	for (unsigned i = 0; i < n; i++)
		set->vcpu[i] = (struct kvm_vcpu){ .set = set, .id = i, .fd = -EBADF, .stats_fd = -EBADF };

	r = kvm_vcpu_install_kick(err);
	if (r < 0)
		return r;
	max = ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	if (max > 0 && n > (unsigned)max)
		return err_set(err, -EINVAL, "%u CPUs: this KVM runs at most %d in a VM", n, max);
	supported = cpuid_new();
	if (!supported)
		return err_set(err, -ENOMEM, "out of memory");
	if (ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, supported) < 0)
		return err_set_errno(err, -errno, "KVM_GET_SUPPORTED_CPUID");
	for (unsigned i = 0; i < n; i++) {
		r = create_vcpu(&set->vcpu[i], vm, err);
		if (r == 0)
			r = set_cpuid(&set->vcpu[i], supported, config, err);
		if (r < 0)
			return r;
		set_msrs(&set->vcpu[i]);
	}
	return set_entry_state(&set->vcpu[0], entry, err);
}

void kvm_vcpus_done(struct kvm_vcpus *set)
{
	kvm_vcpus_stop(set);
	for (unsigned i = 0; i < set->n; i++) {
		struct kvm_vcpu *vcpu = &set->vcpu[i];

		if (vcpu->run)
			munmap(vcpu->run, vcpu->run_size);
		vcpu->run = NULL;
		vcpu->stats_fd = close_fd(vcpu->stats_fd);
		vcpu->fd = close_fd(vcpu->fd);
	}
	pthread_cond_destroy(&set->changed);
	pthread_mutex_destroy(&set->lock);
}
