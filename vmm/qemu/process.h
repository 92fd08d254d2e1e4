/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process: the QEMU child process: started, watched, ended.
 *
 * Neither outlives the other: the child gets SIGKILL when the thread that
 * started it ends (PR_SET_PDEATHSIG), and a pidfd tells us of its end. What it
 * prints is kept for error messages.
 */
#ifndef VRUN_VMM_QEMU_PROCESS_H
#define VRUN_VMM_QEMU_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

struct err;
struct jail_child;
struct loop;
struct qemu_process;

/* Called once from the loop when the process has ended; what it printed is all there by then. */
typedef void (*qemu_exited_fn)(void *ctx);

/*
 * Start argv[0] (a path) with `fds` left open under their numbers, standard input from
 * /dev/null, and everything else of ours closed. `jail`: confined by that, in pid, mount, IPC and UTS
 * namespaces; NULL: not. Must be called from a thread that lives as
 * long as the machine does.
 */
int qemu_process_start(struct loop *loop, char *const argv[], const int *fds, size_t n_fds,
		       const struct jail_child *jail, qemu_exited_fn exited, void *ctx, struct qemu_process **ret, struct err *err);
pid_t qemu_process_pid(const struct qemu_process *process);
/* Stop and go on, all threads; returns when done. -ESRCH: it has ended. */
int qemu_process_pause(struct qemu_process *process);
int qemu_process_resume(struct qemu_process *process);
/* SIGKILL, if it still lives, and wait for its end. No `exited` follows. */
void qemu_process_kill(struct qemu_process *process);
/* Kills. NULL is fine. */
void qemu_process_free(struct qemu_process *process);

/*
 * After its end: 0 when it exited with status 0; else -EIO and a message: status
 * or signal, and what it last printed.
 */
int qemu_process_result(struct qemu_process *process, struct err *err);

#endif
