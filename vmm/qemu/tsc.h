/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tsc: the rate of this host's time stamp counter, which QEMU's emulation shows
 * the guest as its own. A guest that is told needn't calibrate it.
 */
#ifndef VRUN_VMM_QEMU_TSC_H
#define VRUN_VMM_QEMU_TSC_H

/*
 * Takes 10 ms and is right to about 10 ppm or better. -EOPNOTSUPP: the host's kernel
 * doesn't trust the counter either, or this is no x86.
 */
int tsc_measure_khz(unsigned *ret_khz);

#endif
