/* SPDX-License-Identifier: Apache-2.0 */
/* filters: the lists of system calls as the kernel takes them; syscalls.c makes them when this is built. */
#include "vmm/jail/internal.h"

#include "base/cleanup.h"

#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <jail-filters.inc>

static struct {
	const char *name;
	struct sock_filter *ops;
	unsigned short n;
	unsigned calls;
} roles[JAIL_ROLES] = {
	[JAIL_ROLE_LOOP] = { "loop", filter_0, ARRAY_SIZE(filter_0), CALLS_0 },
	[JAIL_ROLE_VCPU] = { "vCPU", filter_1, ARRAY_SIZE(filter_1), CALLS_1 },
	[JAIL_ROLE_FILES] = { "files", filter_2, ARRAY_SIZE(filter_2), CALLS_2 },
};

const char *jail_role_name(enum jail_role role)
{
	return roles[role].name;
}

unsigned jail_syscalls(enum jail_role role)
{
	return roles[role].calls;
}

const char *jail_syscalls_name(int number)
{
	return number >= 0 && (size_t)number < ARRAY_SIZE(names) ? names[number] : NULL;
}

void jail_syscalls_prepare(void)
{
	uint32_t pid = (uint32_t)getpid();

	for (unsigned role = 0; role < JAIL_ROLES; role++)
		for (unsigned i = 0; i < roles[role].n; i++)
			if (roles[role].ops[i].k == JAIL_PID_PLACEHOLDER)
				roles[role].ops[i].k = pid;
}

int jail_syscalls_load(enum jail_role role)
{
	const struct sock_fprog filter = { roles[role].n, roles[role].ops };

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0 ? -errno : 0;
}

_Noreturn void jail_syscalls_die(void)
{
	/* Where there is no filter it does nothing. */
	syscall(SYS_vserver);
	_exit(128 + 31);
}
