/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program: is there a program that the container can run? Asked on the host, by its files.
 *
 * The agent finds that out when it makes the container's process. Where the VM boots
 * only at `start` (net.h, "When"), that is too late for callers, who want `create` to
 * fail, and to tell exit status 127 from 126.
 *
 * The path is walked as the guest's kernel would: symlinks lead from the container's root, and
 * mounts cover what is below them. A place that only the guest has (tmpfs, overlay, proc)
 * is given the benefit of the doubt, and so are rights of users: `start` tells.
 */
#ifndef VRUN_RUNTIME_PROGRAM_H
#define VRUN_RUNTIME_PROGRAM_H

struct err;
struct oci_spec;

/*
 * `spec` is the bundle's, `bundle` and `rootfs` absolute paths of the host. Fails only when process.args[0]
 * can't be run for sure: -ENOENT, -EACCES, with runc's text.
 */
int program_check(const struct oci_spec *spec, const char *bundle, const char *rootfs, struct err *err);

#endif
