/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices: what the container finds in /dev (config-linux.md, "Devices" and
 * "Default Devices"). Runs before pivot_root, see rootfs.h.
 */
#ifndef VRUN_AGENT_DEVICES_H
#define VRUN_AGENT_DEVICES_H

#include <stdbool.h>

struct err;
struct oci_spec;

/*
 * The default devices, linux.devices, and the symlinks in /dev. Nothing is done
 * when the configuration binds a /dev of its own. `bind`: the process has no
 * right to make device nodes (a user namespace), the guest's are bound instead.
 */
int devices_make(int root, const struct oci_spec *spec, bool bind, struct err *err);

#endif
