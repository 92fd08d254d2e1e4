/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm: the machine and its memory. Interrupts are in irq.c.
 */
#include "vmm/kvm/vm.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/arch/x86/boot.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/kvm/kvm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define HUGE_PAGE (2ULL << 20)

/* A `size` of 0 takes the slot away. */
static int set_slot(struct kvm_vm *vm, unsigned slot, uint64_t gpa, uint64_t size, void *hva, uint32_t flags)
{
	const struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0 ? -errno : 0;
}

static int add_slot(struct kvm_vm *vm, uint64_t gpa, uint64_t size, void *hva, uint32_t flags,
		    struct err *err)
{
	int r = set_slot(vm, vm->n_slots, gpa, size, hva, flags);

	if (r < 0)
		return err_set_errno(err, r, "KVM: memory of %llu MiB at %#llx",
				     (unsigned long long)(size >> 20), (unsigned long long)gpa);
	vm->n_slots++;
	return 0;
}

int kvm_vm_map(void *host, int *slot, uint64_t gpa, uint64_t size, void *hva, bool writable)
{
	struct kvm_vm *vm = host;
	int r;

	/* KVM moves no slot whose flags or memory could differ: away, and anew. */
	if (*slot >= 0)
		(void)set_slot(vm, (unsigned)*slot, 0, 0, NULL, 0);
	if (gpa == 0)
		return 0;
	r = set_slot(vm, *slot >= 0 ? (unsigned)*slot : vm->n_slots, gpa, size, hva,
		     writable ? 0 : KVM_MEM_READONLY);
	if (r == 0 && *slot < 0)
		*slot = (int)vm->n_slots++;
	return r;
}

/*
 * Private anonymous memory, nothing reserved: what the guest never touches costs
 * nothing. Aligned like the guest's addresses, so that large pages fit both.
 */
static int add_ram(struct kvm_vm *vm, uint64_t gpa, uint64_t size, struct err *err)
{
	struct guest_mem_region region = { .gpa = gpa, .size = size };
	uintptr_t start;
	void *map;
	int r;

	if (size == 0)
		return 0;
	map = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return err_set_errno(err, -errno, "guest memory of %llu MiB",
				     (unsigned long long)(size >> 20));
	start = ((uintptr_t)map + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
	region.hva = (uint8_t *)start;
	region.map = map;
	region.map_len = size + HUGE_PAGE;
	r = guest_mem_add(&vm->mem, &region);
	if (r < 0) {
		munmap(map, size + HUGE_PAGE);
		return err_set_errno(err, r, "guest memory at %#llx", (unsigned long long)gpa);
	}
	/*
	 * Large pages, where the host leaves it to us: thousands of faults less, each an exit, for
	 * some 5 MiB more after a boot. And a core dump is not the place for a container's memory.
	 */
	(void)madvise(region.hva, size, MADV_HUGEPAGE);
	(void)madvise(region.hva, size, MADV_DONTDUMP);
	return add_slot(vm, gpa, size, region.hva, 0, err);
}

static int create_irqchip(struct kvm_vm *vm, struct err *err)
{
	const struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 0 } };
	uint64_t identity_map = LAYOUT_IDENTITY_MAP;

	/* Intel needs both for real mode, in which secondary CPUs start (KVM api.rst, KVM_SET_TSS_ADDR). */
	if (ioctl(vm->fd, KVM_SET_TSS_ADDR, LAYOUT_TSS) < 0)
		return err_set_errno(err, -errno, "KVM_SET_TSS_ADDR");
	if (ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0)
		return err_set_errno(err, -errno, "KVM_SET_IDENTITY_MAP_ADDR");
	/*
	 * Local APICs alone. All interrupts are messages: no IO-APIC of KVM's (ioapic.h has why) and
	 * no 8259. And no PIT: kvmclock and the local APIC's deadline timer need none.
	 */
	if (ioctl(vm->fd, KVM_ENABLE_CAP, &split) < 0)
		return err_set_errno(err, -errno, "KVM_CAP_SPLIT_IRQCHIP");
	return 0;
}

static int create_vm(struct kvm_vm *vm, struct err *err)
{
	const struct kvm_enable_cap no_pmu = { .cap = KVM_CAP_PMU_CAPABILITY,
					       .args = { KVM_PMU_CAP_DISABLE } };
	int r;

	vm->kvm_fd = kvm_open(err);
	if (vm->kvm_fd < 0)
		return vm->kvm_fd;
	r = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (r < 0)
		return err_set_errno(err, -errno, "KVM_GET_VCPU_MMAP_SIZE");
	vm->run_size = (size_t)r;
	do {
		/* A signal during the call makes some kernels give up with EINTR. */
		vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	} while (vm->fd < 0 && errno == EINTR);
	if (vm->fd < 0)
		return err_set_errno(err, -errno, "KVM_CREATE_VM");
	/*
	 * No PMU, as CPUID says (cpuid.c): AMD's has MSRs that are there without it, and Linux patches its
	 * own code for the ones it finds. Hosts before 5.18 can't leave it out.
	 */
	(void)ioctl(vm->fd, KVM_ENABLE_CAP, &no_pmu);
	return 0;
}

int kvm_vm_init(struct kvm_vm *vm, uint64_t memory, struct err *err)
{
	uint64_t below = boot_ram_below(memory);
	int r;

	*vm = (struct kvm_vm){ .kvm_fd = -EBADF, .fd = -EBADF, .mem = GUEST_MEM_INIT };
	pthread_mutex_init(&vm->irq_lock, NULL);
	r = create_vm(vm, err);
	if (r == 0)
		r = create_irqchip(vm, err);
	if (r == 0)
		r = add_ram(vm, 0, below, err);
	if (r == 0)
		r = add_ram(vm, LAYOUT_4G, memory - below, err);
	return r;
}

void kvm_vm_done(struct kvm_vm *vm)
{
	vm->fd = close_fd(vm->fd);
	vm->kvm_fd = close_fd(vm->kvm_fd);
	guest_mem_done(&vm->mem);
	pthread_mutex_destroy(&vm->irq_lock);
}

int kvm_vm_map_readonly(struct kvm_vm *vm, uint64_t gpa, uint64_t size, void *hva, struct err *err)
{
	return add_slot(vm, gpa, size, hva, KVM_MEM_READONLY, err);
}
