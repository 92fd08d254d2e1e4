/* SPDX-License-Identifier: Apache-2.0 */
/* plan_shares: directories and files of the host as shares of the VM, for plan_mounts.c and plan_overlay.c. */
#ifndef VRUN_RUNTIME_PLAN_SHARES_H
#define VRUN_RUNTIME_PLAN_SHARES_H

#include "vmm/vm_spec.h"

#include <stdbool.h>
#include <stddef.h>

struct err;
struct oci_mount;

/* The path that a container names: against the bundle unless absolute, symlinks resolved on the host. */
int plan_share_resolve(const char *bundle, const char *path, char **ret);

/*
 * A share like `like`, whose name and path are borrowed: new, or one of the same that is there already, which then
 * serves both. Valid until the next.
 */
int plan_share_add(struct vm_spec *vm, const struct vm_share *like, struct vm_share **ret);

/* Replace an owned string by the share's place in the guest. */
int plan_share_point(char **field, const struct vm_share *share);

/*
 * plan_overlay.c: the directories that mounts[i], an overlay, names in its options
 * become shares, and the options point to them. The mount itself is the guest's.
 */
int plan_overlay(const char *bundle, enum vm_share_cache cache, struct oci_mount *m, size_t i,
		 struct vm_spec *vm, struct err *err);

#endif
