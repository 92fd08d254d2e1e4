/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_signals: who signals the container's pid on the host signals the
 * container's first process. SIGWINCH of our terminal is a new size instead.
 */
#include "runtime/monitor_internal.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "runtime/guest.h"
#include "runtime/stdio.h"
#include "vmm/kvm/kvm.h"

#include <signal.h>

void monitor_resize(struct monitor *m)
{
	uint16_t rows, cols;

	if (m->tty < 0 || !m->init || pty_get_size(m->tty, &rows, &cols) < 0)
		return;
	if (rows == m->params.stdio.rows && cols == m->params.stdio.cols)
		return;
	/* Earlier, the agent has no such process yet; on_created() comes by again. */
	if (m->phase != MONITOR_CREATED && m->phase != MONITOR_RUNNING)
		return;
	if (guest_resize(m->init, rows, cols) == 0) {
		m->params.stdio.rows = rows;
		m->params.stdio.cols = cols;
	}
}

/* Those that end a process by default, as signal(7) says, and may come while there is none yet. */
static bool ends_by_default(int signo)
{
	switch (signo) {
	case SIGCHLD:
	case SIGCONT:
	case SIGURG:
	case SIGWINCH:
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		return false;
	default:
		return true;
	}
}

int monitor_deliver(struct monitor *m, int signo, bool all)
{
	if (signo == SIGKILL) {
		monitor_kill(m, all);
		return 0;
	}
	if (m->phase < MONITOR_CREATED) {
		if (ends_by_default(signo))
			monitor_end(m, 128 + signo);
		return 0;
	}
	return m->init ? guest_signal(m->init, signo, all) : -ESRCH;
}

static void on_signal(void *ctx, const struct signalfd_siginfo *si)
{
	struct monitor *m = ctx;
	int signo = (int)si->ssi_signo;

	/* Of our own making: a write to a pipe that nobody reads. */
	if (si->ssi_pid == (uint32_t)getpid())
		return;
	if (signo == SIGWINCH && m->tty >= 0) {
		monitor_resize(m);
		return;
	}
	log_debug("signal %d goes to the container", signo);
	monitor_deliver(m, signo, false);
}

int monitor_signals_start(struct monitor *m)
{
	sigset_t set;

	sigfillset(&set);
	/* The KVM engine's own; a Go runtime would not pass it on either. */
	sigdelset(&set, KVM_KICK_SIGNAL);
	/* Left to whoever waits for a child. */
	sigdelset(&set, SIGCHLD);
	return loop_add_signals(m->loop, &set, on_signal, m, &m->signals);
}
