/* SPDX-License-Identifier: Apache-2.0 */
/* caps: privileges that are given up; see jail.h. Raw system calls: a thread's, not the process's. */
#include "vmm/jail/internal.h"

#include "base/cleanup.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define CAP(name) (1ULL << CAP_##name)

uint64_t jail_caps_for(enum jail_files files)
{
	uint64_t caps = 0;

	switch (files) {
	case JAIL_FILES_TRUSTED:
		caps |= CAP(SYS_ADMIN);
		__attribute__((fallthrough));
	case JAIL_FILES_WRITE:
		caps |= CAP(CHOWN) | CAP(FOWNER) | CAP(FSETID) | CAP(SETUID) | CAP(SETGID) | CAP(MKNOD) |
			CAP(SETFCAP);
		__attribute__((fallthrough));
	case JAIL_FILES_READ:
		caps |= CAP(DAC_OVERRIDE);
		__attribute__((fallthrough));
	case JAIL_FILES_NONE:
		break;
	}
	return caps;
}

int jail_caps_set(uint64_t caps)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct now[2], data[2];

	if (syscall(SYS_capget, &header, now) < 0)
		return -errno;
	for (unsigned i = 0; i < 2; i++) {
		/* What we never had is no loss: an overflow id can't be assumed then, and so on. */
		uint32_t half = (uint32_t)(caps >> 32 * i) & now[i].permitted;

		data[i] = (struct __user_cap_data_struct){ .effective = half, .permitted = half };
	}
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int drop_bounding_set(void)
{
	for (unsigned cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	return 0;
}

int jail_caps_lock(void)
{
	/*
	 * capabilities(7). NO_SETUID_FIXUP: a file server's worker changes its fsuid and keeps its
	 * capabilities. NOROOT: uid 0 alone is worth nothing.
	 */
	const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
				   SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
				   SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
	int r;

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	r = drop_bounding_set();
	if (r < 0)
		return r;
	if (prctl(PR_SET_SECUREBITS, bits) < 0 || setgroups(0, NULL) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

int jail_no_dumps(void)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return -errno;
	return 0;
}
