/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts: config.json's mounts, in order, below the container's root (config.md,
 * "Mounts"). Runs in the container's namespaces before pivot_root, see rootfs.h.
 */
#ifndef VRUN_AGENT_MOUNTS_H
#define VRUN_AGENT_MOUNTS_H

struct err;
struct oci_spec;

int mounts_apply(int root, const struct oci_spec *spec, struct err *err);

#endif
