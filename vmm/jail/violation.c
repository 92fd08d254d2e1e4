/* SPDX-License-Identifier: Apache-2.0 */
/*
 * violation: a system call that is in no list of the thread's role. The handler can call
 * only what is: it tells, and ends the process. See jail.h.
 */
#include "vmm/jail/internal.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>

/* siginfo's si_code: from a filter, not from somebody's kill(). */
#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1
#endif

static jail_violation_fn tell;
static void *tell_ctx;
static atomic_flag told = ATOMIC_FLAG_INIT;
static _Thread_local enum jail_role thread_role;
static _Thread_local bool telling;

/* By name, and with the argument that lists are made of. */
static void describe(int number, const ucontext_t *uc, char *buf, size_t size)
{
	const char *name = jail_syscalls_name(number);
	const greg_t *regs = uc->uc_mcontext.gregs;

	if (number == SYS_ioctl || number == SYS_fcntl)
		snprintf(buf, size, "%s(, %#x)", name, (unsigned)regs[REG_RSI]);
	else if (number == SYS_prctl || number == SYS_clone)
		snprintf(buf, size, "%s(%#x)", name, (unsigned)regs[REG_RDI]);
	else if (name)
		snprintf(buf, size, "%s", name);
	else
		snprintf(buf, size, "%d", number);
}

static void on_trap(int signo, siginfo_t *info, void *context)
{
	int number = info->si_syscall, saved = errno;
	ucontext_t *uc = context;
	char text[200], what[64];
	long result;

	(void)signo;
	if (info->si_code != SYS_SECCOMP)
		return;
	if (jail_probe_trapped && jail_probe_trapped(number, &result)) {
		uc->uc_mcontext.gregs[REG_RAX] = result;
		errno = saved;
		return;
	}
	/* A violation of telling itself. */
	if (telling)
		jail_syscalls_die();
	telling = true;
	/* Of several threads the first tells, and takes the others with it. */
	if (atomic_flag_test_and_set(&told))
		for (;;)
			sched_yield();
	describe(number, uc, what, sizeof(what));
	snprintf(text, sizeof(text),
		 "vrun-vmm was ended by its jail: system call %s is not in the list of its %s threads", what,
		 jail_role_name(thread_role));
	if (tell)
		tell(tell_ctx, text);
	jail_syscalls_die();
}

int jail_violation_install(jail_violation_fn fn, void *ctx, struct err *err)
{
	struct sigaction sa = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER };

	tell = fn;
	tell_ctx = ctx;
	sigfillset(&sa.sa_mask);
	sigdelset(&sa.sa_mask, SIGSYS);
	if (sigaction(SIGSYS, &sa, NULL) < 0)
		return err_set_errno(err, -errno, "vrun-vmm can't be confined: SIGSYS");
	return 0;
}

void jail_violation_thread(enum jail_role role)
{
	sigset_t set;

	thread_role = role;
	sigemptyset(&set);
	sigaddset(&set, SIGSYS);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
