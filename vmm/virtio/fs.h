/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-fs (virtio 1.2 §5.11): an in-process FUSE server over directories and
 * files of the host.
 *
 * One device carries all shares of a VM: the root of the file system is a
 * synthetic read-only directory with an entry per share, named in its spec. A
 * share is a directory or a single file. Directories on another host file
 * system than their parent's are announced as submounts (FUSE_ATTR_SUBMOUNT), so that
 * they have a st_dev of their own in the guest, and (st_dev, st_ino) stays unique.
 * So is each share that is a directory, except the first: Linux (6.1) knows no
 * POSIX ACLs on submounts, and the first share, by convention the container's root
 * file system, is to have them. On the others ACLs are neither shown nor checked.
 *
 * Confinement: nothing is reached by a path from the host's root; every look-up
 * is one component below a known inode, symlinks are never followed on the host.
 * A read-only share refuses every change with EROFS, whatever the guest's flags
 * say. Idle inodes are held by file handle where the file system allows it, by
 * O_PATH descriptor elsewhere.
 *
 * The permission check is the guest kernel's (default_permissions, as the
 * driver always asks for); new files belong to the requesting uid and gid.
 * Devices, FIFOs and sockets can be made and are never opened here.
 *
 * Extended attributes: user.*, trusted.*, security.capability and POSIX ACLs are
 * the host's. All others (labels and measurements of the host's: security.selinux,
 * security.ima, …) are not there, and can't be set.
 *
 * Threads: own workers; one while idle, more while requests block.
 */
#ifndef VRUN_VMM_VIRTIO_FS_H
#define VRUN_VMM_VIRTIO_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct loop;
struct vdev;

/* How long the guest may trust what it was told. */
enum vfs_cache {
	VFS_CACHE_AUTO, /* attributes and entries for a second; data until the file changed at open */
	VFS_CACHE_NONE, /* nothing kept: others change the files meanwhile */
	VFS_CACHE_ALWAYS, /* nobody else changes the files */
};

struct vfs_share {
	const char *name; /* one path component, unique in the device */
	int fd; /* borrowed O_PATH descriptor of the directory or file; duplicated */
	bool readonly;
	enum vfs_cache cache;
};

struct vfs_config {
	const char *tag; /* ≤ 36 bytes (§5.11.4), e.g. AGENT_SHARE_TAG */
	const struct vfs_share *shares;
	size_t n_shares;
	unsigned max_workers; /* 0: the default, 8 */
	/*
	 * fcntl and flock locks are the host's, seen by it and by other guests. Off (the
	 * default): they are the guest kernel's own. The Linux driver can't interrupt a
	 * request, so a process that waits for a shared lock can't be killed meanwhile.
	 */
	bool shared_locks;
	/* Don't hold idle nodes by file handle: this process will not have CAP_DAC_READ_SEARCH, which opens them. */
	bool no_handles;
};

/* `loop` is where faults are reported. -EINVAL with a message for a bad config. */
int virtio_fs_new(struct loop *loop, const struct vfs_config *config, struct vdev **ret, struct err *err);

#endif
