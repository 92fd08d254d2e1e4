/* SPDX-License-Identifier: Apache-2.0 */
/*
 * creds: as whom a worker thread acts on the host's files.
 *
 * A worker acts as the process does (root, or whoever runs vrun) and with its
 * capabilities, since the guest's kernel has checked permissions already. What
 * differs by request is
 * - the owner of new files: the thread's fsuid and fsgid, for operations that
 *   create;
 * - the umask, which the host applies only where no default ACL says otherwise;
 * - CAP_FSETID, without which the host's kernel clears set-user-ID and
 *   set-group-ID bits on a write, as it has to when the guest's writer is not
 *   privileged.
 *
 * All of these are per thread: raw system calls (the C library's wrappers would
 * change every thread), and an unshared fs_struct for umask and current directory.
 * What the next request needs as it is now costs no system call.
 */
#ifndef VRUN_VMM_VIRTIO_FS_CREDS_H
#define VRUN_VMM_VIRTIO_FS_CREDS_H

#include <linux/capability.h>
#include <stdbool.h>
#include <sys/types.h>

struct fs_creds {
	uid_t uid; /* the process's */
	gid_t gid;
	struct __user_cap_data_struct caps[2]; /* the thread's capabilities as it started */
	bool fixup; /* the kernel changes capabilities with the fsuid; we restore them */
	bool no_fsetid; /* CAP_FSETID is dropped */
	bool assumed; /* fsuid and fsgid are a guest's */
	mode_t umask;
};

/*
 * Make the calling thread a worker: umask 0, and `proc_fd` (a descriptor of
 * /proc/self/fd) its current directory, so that "N" is the path of descriptor N for the
 * system calls that take only a path.
 */
int fs_creds_init(struct fs_creds *creds, int proc_fd);

/* Create as uid:gid, until fs_creds_restore(). -EPERM when this process may not. */
int fs_creds_assume(struct fs_creds *creds, uid_t uid, gid_t gid, mode_t umask);
void fs_creds_restore(struct fs_creds *creds);

/* Whether writes keep set-user-ID and set-group-ID bits. Stays so until changed. */
void fs_creds_keep_suid(struct fs_creds *creds, bool keep);

#endif
