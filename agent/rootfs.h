/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootfs: the container's root file system, while the container's first
 * process sets it up in its own mount namespace.
 *
 * `root` is an O_PATH descriptor of the root. Every path below it is resolved
 * with openat2(RESOLVE_IN_ROOT): a symlink in the root file system can lead
 * nowhere else. All of this happens before pivot_root, with the agent's /proc
 * and /dev still in reach.
 */
#ifndef VRUN_AGENT_ROOTFS_H
#define VRUN_AGENT_ROOTFS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct oci_spec;
struct oci_strings;

/*
 * Cut the mount namespace off from its parent's and bind `path` over itself.
 * Returns the root's descriptor, or a negative errno.
 */
int rootfs_open(const char *path, struct err *err);

/* root_make() of base/rootpath.h; what is made is the agent's. */
int rootfs_make(int root, const char *path, bool directory, mode_t mode);

/* "/proc/self/fd/N", for calls that only take paths. */
struct fd_path {
	char text[32];
};
struct fd_path fd_path(int fd);

/* A detached copy of the mount at `path` (relative to `dirfd`; "" is `dirfd` itself). Descriptor or -errno. */
int mount_clone(int dirfd, const char *path, bool recursive);
int mount_attach(int tree, int target);
int mount_set_attr(int fd, uint64_t set, uint64_t clear, bool recursive);
int mount_set_propagation(int fd, unsigned long flags);

/* linux.readonlyPaths and linux.maskedPaths; what is not there is skipped. */
int rootfs_protect_paths(int root, const struct oci_spec *spec, struct err *err);

/* Make `root` the process's root and let go of the old one; then "/" is the container's. */
int rootfs_enter(int root, struct err *err);

/* What comes last, once inside: read-only root, rootfsPropagation. */
int rootfs_finish(const struct oci_spec *spec, struct err *err);

#endif
