/* SPDX-License-Identifier: Apache-2.0 */
/* signals: see signals.h. */
#include "base/signals.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's struct sigaction, all of it zero: SIG_DFL, no flags, an empty mask; longest on x86-64. */
static const unsigned long kernel_default[4];

void signals_reset(void)
{
	sigset_t none;

	for (int signo = 1; signo < _NSIG; signo++)
		(void)syscall(SYS_rt_sigaction, signo, kernel_default, NULL, _NSIG / 8);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

void signals_forwarded(sigset_t *ret)
{
	static const int ours[] = { SIGCHLD, SIGURG, SIGSEGV, SIGBUS, SIGILL, SIGFPE };

	sigfillset(ret);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		sigdelset(ret, ours[i]);
}
