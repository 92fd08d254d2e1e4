/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image: where the guest's kernel and initramfs are, where vrun-vmm is, and
 * which engine runs the VM when nobody said.
 *
 * Messages about missing images avoid the words by which callers tell that the
 * container's own command is missing (podman would report exit status 127).
 */
#ifndef VRUN_RUNTIME_IMAGE_H
#define VRUN_RUNTIME_IMAGE_H

#include "vmm/vm_spec.h"

struct config;
struct err;

/*
 * Absolute paths, freed by the caller. What the config names is used as it is;
 * else, in this order: the build tree's guest directory beside the executable's
 * (EXE_DIR/../guest), EXE_DIR/../lib/vrun/guest, /usr/local/lib/vrun/guest and
 * /usr/lib/vrun/guest. In each, the tuned kernel is preferred to the stock one.
 * A kernel and an initramfs are taken from the same place.
 */
int image_find(const struct config *config, char **ret_kernel, char **ret_initrd, struct err *err);

/* vrun-vmm: beside our executable, then in the library directories. */
int image_find_vmm(char **ret_path, struct err *err);

/* KVM where it is usable, else QEMU's emulation, which is said at info level. */
enum vm_engine image_choose_engine(const struct config *config);

#endif
