/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kvm: whether this machine's KVM can run our guests. The engine itself is
 * reached through vmm/engine.h.
 */
#ifndef VRUN_VMM_KVM_KVM_H
#define VRUN_VMM_KVM_KVM_H

#include <signal.h>

struct err;

/*
 * What takes a vCPU out of the guest. A process-directed one is lost to the vCPU threads:
 * container runtimes never forward this signal (Go's runtime owns it there).
 */
enum { KVM_KICK_SIGNAL = SIGURG };

/*
 * 0 when /dev/kvm opens, has the API version and all capabilities that we need, and the CPU
 * runs guest code in hardware; else the first thing that lacks, in words.
 */
int kvm_usable(struct err *err);

/* The same, and the open descriptor. */
int kvm_open(struct err *err);

#endif
