/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm_serve: `vrun-vmm serve DEVICE …`: one of our devices for a QEMU (or another
 * vhost-user front-end) that somebody else starts.
 */
#ifndef VRUN_CMD_VMM_SERVE_H
#define VRUN_CMD_VMM_SERVE_H

/* `argv` begins with the device's name. Returns the exit status. */
int vmm_serve_main(int argc, char **argv);

#endif
