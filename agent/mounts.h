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

/*
 * Make those tmpfs read-only that are to be so, which mounts_apply() left writable: other mount points,
 * devices and the working directory are made in them first. May run after pivot_root.
 */
int mounts_seal(int root, const struct oci_spec *spec, struct err *err);

/*
 * Bind the file `source` to /etc/resolv.conf, unless config.json mounts something there, or the root is read-only
 * and has no such file.
 */
int mounts_resolv_conf(int root, const struct oci_spec *spec, const char *source, struct err *err);

#endif
