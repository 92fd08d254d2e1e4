/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc: host processes named by pid and start time, so that a pid that was used
 * again is not taken for the old process.
 */
#ifndef VRUN_RUNTIME_PROC_H
#define VRUN_RUNTIME_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* proc(5), /proc/PID/stat, starttime: clock ticks since boot. -ESRCH. */
int proc_start_time(pid_t pid, uint64_t *ret);

/* Running, and not a zombie that waits for its parent. */
bool proc_is_alive(pid_t pid, uint64_t start_time);

/*
 * A pidfd of exactly that process; -ESRCH when it is gone (zombies included).
 * The pidfd becomes readable when the process ends.
 */
int proc_open(pid_t pid, uint64_t start_time);

/* Wait until the process of a pidfd has ended; -ETIMEDOUT. `ms` < 0: for ever. */
int proc_wait(int pidfd, int ms);

/* pidfd_send_signal(2); the C library of Debian 12 has it, older ones do not. */
int proc_signal(int pidfd, int signo);

#endif
