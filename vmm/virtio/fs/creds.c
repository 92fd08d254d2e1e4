/* SPDX-License-Identifier: Apache-2.0 */
/* creds: see creds.h */
#include "vmm/virtio/fs/creds.h"

#include <errno.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int caps_get(struct __user_cap_data_struct caps[2])
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return syscall(SYS_capget, &header, caps) < 0 ? -errno : 0;
}

/* The thread's capabilities as they should be now. */
static int caps_apply(const struct fs_creds *creds)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = { creds->caps[0], creds->caps[1] };

	if (creds->no_fsetid)
		caps[0].effective &= ~(1U << CAP_FSETID);
	return syscall(SYS_capset, &header, caps) < 0 ? -errno : 0;
}

/* Both calls return the id before and never fail: a second one with -1 tells. */
static bool set_fsuid(uid_t uid)
{
	syscall(SYS_setfsuid, uid);
	return (uid_t)syscall(SYS_setfsuid, (uid_t)-1) == uid;
}

static bool set_fsgid(gid_t gid)
{
	syscall(SYS_setfsgid, gid);
	return (gid_t)syscall(SYS_setfsgid, (gid_t)-1) == gid;
}

int fs_creds_init(struct fs_creds *creds, int proc_fd)
{
	int r, bits;

	*creds = (struct fs_creds){ .uid = geteuid(), .gid = getegid() };
	if (unshare(CLONE_FS) < 0)
		return -errno;
	umask(0);
	if (fchdir(proc_fd) < 0)
		return -errno;
	r = caps_get(creds->caps);
	if (r < 0)
		return r;
	/*
	 * capabilities(7): with this bit, a change of the fsuid leaves the capabilities
	 * alone. Without CAP_SETPCAP we put them back after each change.
	 */
	bits = prctl(PR_GET_SECUREBITS);
	creds->fixup = bits < 0 || (!(bits & SECBIT_NO_SETUID_FIXUP) &&
				    prctl(PR_SET_SECUREBITS, bits | SECBIT_NO_SETUID_FIXUP) < 0);
	return 0;
}

int fs_creds_assume(struct fs_creds *creds, uid_t uid, gid_t gid, mode_t mask)
{
	if (mask != creds->umask) {
		umask(mask);
		creds->umask = mask;
	}
	if (uid == creds->uid && gid == creds->gid)
		return 0;
	creds->assumed = true;
	if (!set_fsgid(gid) || !set_fsuid(uid)) {
		fs_creds_restore(creds);
		return -EPERM;
	}
	if (creds->fixup && caps_apply(creds) < 0) {
		fs_creds_restore(creds);
		return -EPERM;
	}
	return 0;
}

void fs_creds_restore(struct fs_creds *creds)
{
	if (!creds->assumed)
		return;
	set_fsuid(creds->uid);
	set_fsgid(creds->gid);
	creds->assumed = false;
	if (creds->fixup)
		caps_apply(creds);
}

void fs_creds_keep_suid(struct fs_creds *creds, bool keep)
{
	if (creds->no_fsetid == !keep || !(creds->caps[0].effective & (1U << CAP_FSETID)))
		return;
	creds->no_fsetid = !keep;
	caps_apply(creds);
}
