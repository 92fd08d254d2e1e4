/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mountpoints: directories and files to mount on, and the working directory, in a
 * root that the guest may only read. A writable root gets them from the agent, as
 * from any runtime.
 */
#ifndef VRUN_RUNTIME_MOUNTPOINTS_H
#define VRUN_RUNTIME_MOUNTPOINTS_H

struct err;
struct oci_spec;
struct plan;

/*
 * `spec` is the bundle's, `plan` made from it. What is inside another mount is left
 * alone. Symlinks in the root, dangling ones too, are followed within it. A root that
 * the host too may only read is not an error: the guest says what is missing.
 */
int mountpoints_make(const struct oci_spec *spec, const struct plan *plan, struct err *err);

#endif
