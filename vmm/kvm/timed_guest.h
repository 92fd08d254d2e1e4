/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timed_guest: how long one instruction of a guest's kernel takes under this KVM.
 *
 * A host may offer /dev/kvm and yet emulate the guest's kernel mode. Hardware
 * takes a nanosecond or less an instruction (a few under nested emulation), emulation
 * hundreds: a loop of a few thousand tells.
 */
#ifndef VRUN_VMM_KVM_TIMED_GUEST_H
#define VRUN_VMM_KVM_TIMED_GUEST_H

#include <stdint.h>

struct err;

/* Above this a KVM does not run kernel code in hardware. */
enum { TIMED_GUEST_SLOW_PS = 100000 }; /* picoseconds an instruction */

/*
 * Run the loop in a VM of its own, at most a few milliseconds in hardware. `kvm_fd` is
 * an open /dev/kvm, borrowed. *ret_ps: picoseconds an instruction.
 */
int timed_guest_run(int kvm_fd, uint64_t *ret_ps, struct err *err);

#endif
