/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crash: words and registers for an exit that ends the machine (KVM api.rst, "The
 * kvm_run structure").
 */
#include "vmm/kvm/vcpu.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

struct text {
	char buf[1024];
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *fmt, ...)
{
	size_t room = sizeof(text->buf) - text->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text->buf + text->len, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		text->len += (size_t)n < room ? (size_t)n : room - 1;
}

static void put_internal_error(struct text *text, const struct kvm_run *run)
{
	static const char *const suberrors[] = {
		[KVM_INTERNAL_ERROR_EMULATION] = "an instruction that it can't emulate",
		[KVM_INTERNAL_ERROR_SIMUL_EX] = "simultaneous exceptions",
		[KVM_INTERNAL_ERROR_DELIVERY_EV] = "an event that it can't deliver",
		[KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] = "an unexpected exit",
	};
	uint32_t sub = run->internal.suberror;
	const char *what = sub < ARRAY_SIZE(suberrors) ? suberrors[sub] : NULL;

	put(text, "KVM internal error, suberror %u (%s)", sub, what ? what : "unknown");
	if (sub == KVM_INTERNAL_ERROR_EMULATION && run->emulation_failure.ndata >= 3 &&
	    run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) {
		put(text, ", bytes");
		for (unsigned i = 0; i < run->emulation_failure.insn_size && i < 15; i++)
			put(text, " %02x", run->emulation_failure.insn_bytes[i]);
		return;
	}
	for (unsigned i = 0; i < run->internal.ndata && i < ARRAY_SIZE(run->internal.data); i++)
		put(text, "%s %#llx", i == 0 ? ", data" : "", run->internal.data[i]);
}

static void put_reason(struct text *text, const struct kvm_run *run)
{
	switch (run->exit_reason) {
	case KVM_EXIT_SHUTDOWN:
		put(text, "the guest's kernel ended with a triple fault");
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		put_internal_error(text, run);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		put(text, "the CPU refused to enter the guest, reason %#llx",
		    run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_UNKNOWN:
		put(text, "unknown hardware exit %#llx", run->hw.hardware_exit_reason);
		break;
	default:
		put(text, "unexpected exit %u from KVM", run->exit_reason);
		break;
	}
}

static void put_registers(struct text *text, int fd)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (ioctl(fd, KVM_GET_REGS, &regs) < 0 || ioctl(fd, KVM_GET_SREGS, &sregs) < 0) {
		put(text, "; registers can't be read: %s", strerror(errno));
		return;
	}
	/* AMD's state is undefined after a shutdown, so KVM resets the vCPU (svm.c, shutdown_interception()). */
	if (regs.rip == 0xfff0 && sregs.cs.selector == 0xf000) {
		put(text, "; registers were reset");
		return;
	}
	put(text, "; rip %#llx rsp %#llx rflags %#llx rax %#llx rcx %#llx rdx %#llx", regs.rip, regs.rsp,
	    regs.rflags, regs.rax, regs.rcx, regs.rdx);
	put(text, " cs %#x cr0 %#llx cr2 %#llx cr3 %#llx cr4 %#llx efer %#llx", sregs.cs.selector, sregs.cr0,
	    sregs.cr2, sregs.cr3, sregs.cr4, sregs.efer);
}

void kvm_vcpu_describe_crash(struct kvm_vcpu *vcpu, struct err *ret)
{
	struct text text = { .len = 0 };

	put_reason(&text, vcpu->run);
	put_registers(&text, vcpu->fd);
	err_set(ret, -EIO, "vCPU %u: %s", vcpu->id, text.buf);
}
