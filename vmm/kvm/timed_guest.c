/* SPDX-License-Identifier: Apache-2.0 */
/* timed_guest: one page, one vCPU in flat 32-bit protected mode, one loop; see timed_guest.h. */
#include "vmm/kvm/timed_guest.h"

#include "base/cleanup.h"
#include "base/endian.h"
#include "base/err.h"

#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

enum {
	PAGE = 4096,
	LOOPS = 4000,
	INSTRUCTIONS = 2 * LOOPS,
	/* An emulated loop may be cut short by signals and the like; it is never run more often. */
	RUNS_MAX = 1000,
};

struct guest {
	int vm_fd, vcpu_fd;
	uint8_t *page;
	struct kvm_run *run;
	size_t run_len;
};

static void guest_done(struct guest *guest)
{
	if (guest->run)
		munmap(guest->run, guest->run_len);
	close_fd(guest->vcpu_fd);
	close_fd(guest->vm_fd);
	if (guest->page)
		munmap(guest->page, PAGE);
}

static int guest_make(struct guest *guest, int kvm_fd)
{
	struct kvm_userspace_memory_region region = { .memory_size = PAGE };
	void *map;
	int len;

	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return -errno;
	guest->page = map;
	guest->vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	if (guest->vm_fd < 0)
		return -errno;
	region.userspace_addr = (uintptr_t)guest->page;
	if (ioctl(guest->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return -errno;
	guest->vcpu_fd = ioctl(guest->vm_fd, KVM_CREATE_VCPU, 0);
	len = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (guest->vcpu_fd < 0 || len < (int)sizeof(*guest->run))
		return guest->vcpu_fd < 0 ? -errno : -ENOTSUP;
	map = mmap(NULL, (size_t)len, PROT_READ | PROT_WRITE, MAP_SHARED, guest->vcpu_fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	guest->run = map;
	guest->run_len = (size_t)len;
	return 0;
}

/* Flat 32-bit kernel mode without paging: what emulators of kernel mode have to emulate too. */
static int guest_set_up(struct guest *guest)
{
	/* mov ecx, LOOPS; 1: dec ecx; jnz 1b; hlt */
	uint8_t code[] = { 0xb9, 0, 0, 0, 0, 0x49, 0x75, 0xfd, 0xf4 };
	const struct kvm_segment data = {
		.limit = 0xffffffff, .selector = 0x10, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1
	};
	struct kvm_segment text = data;
	struct kvm_regs regs = { .rflags = 2 };
	struct kvm_sregs sregs;

	put_le32(code + 1, LOOPS);
	memcpy(guest->page, code, sizeof(code));
	text.selector = 0x08;
	text.type = 11;
	if (ioctl(guest->vcpu_fd, KVM_GET_SREGS, &sregs) < 0)
		return -errno;
	sregs.cs = text;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr0 |= 1; /* PE */
	if (ioctl(guest->vcpu_fd, KVM_SET_SREGS, &sregs) < 0 ||
	    ioctl(guest->vcpu_fd, KVM_SET_REGS, &regs) < 0)
		return -errno;
	return 0;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static int guest_time(struct guest *guest, uint64_t *ret_ps, struct err *err)
{
	uint64_t begin = now_ns();

	for (int i = 0; i < RUNS_MAX; i++) {
		if (ioctl(guest->vcpu_fd, KVM_RUN, 0) < 0 && errno != EINTR)
			return err_set_errno(err, -errno, "KVM_RUN");
		if (guest->run->exit_reason == KVM_EXIT_HLT) {
			*ret_ps = (now_ns() - begin) * 1000 / INSTRUCTIONS;
			return 0;
		}
		if (guest->run->exit_reason != KVM_EXIT_INTR)
			break;
	}
	return err_set(err, -EIO, "the guest did not come to its end (exit reason %u)",
		       guest->run->exit_reason);
}

int timed_guest_run(int kvm_fd, uint64_t *ret_ps, struct err *err)
{
	_cleanup_(guest_done) struct guest guest = { .vm_fd = -EBADF, .vcpu_fd = -EBADF };
	uint64_t first;
	int r;

	r = guest_make(&guest, kvm_fd);
	if (r == 0)
		r = guest_set_up(&guest);
	if (r < 0)
		return err_set_errno(err, r, "can't make a VM");
	/* The first run pays for the page faults. */
	r = guest_time(&guest, &first, err);
	if (r == 0)
		r = guest_set_up(&guest) < 0 ? err_set(err, -EIO, "can't set the guest's registers") : 0;
	if (r == 0)
		r = guest_time(&guest, ret_ps, err);
	return r;
}
