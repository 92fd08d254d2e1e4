/* SPDX-License-Identifier: Apache-2.0 */
/*
 * undertaker: does what is left to do when vrun-vmm has ended and nobody else can.
 *
 * vrun-vmm is in its jail by then (vmm/jail/jail.h) and must not reach any of it. So it forks
 * before: a process that sleeps outside, in the cgroup that vrun was in.
 *
 *  - Until RELEASE a container belongs to the vrun that made it. When that is killed, vrun-vmm ends the
 *    container; then its directory, its cgroup and what was done to its network have to go.
 *  - A network namespace that was made for the container has no path by which `vrun delete`
 *    could reach it: it is put back as it was when the VM ends (net.h), by a process that is in it.
 *
 * After RELEASE only the latter is left; where the namespace has a path the undertaker ends then. It wakes when
 * vrun-vmm says so, or has ended; vrun-vmm can make it remove its own container, and no more.
 */
#ifndef VRUN_RUNTIME_UNDERTAKER_H
#define VRUN_RUNTIME_UNDERTAKER_H

#include <sys/types.h>

/* Its name in /proc/PID/comm. */
#define UNDERTAKER_COMM "vrun-undertaker"

struct undertaker {
	int sock; /* -EBADF: there is none */
	pid_t pid;
};
#define UNDERTAKER_INIT                                                                                      \
	{                                                                                                    \
		.sock = -EBADF                                                                               \
	}

/*
 * From a process with one thread. `take_store`: --root's directory, consumed (-EBADF: there is nothing to
 * remove, and no undertaker). `sync`: the socket whose other end is vrun's.
 */
int undertaker_start(int take_store, int sync, const char *id, struct undertaker *ret);
/* vrun has let go of the container, which lives on. */
void undertaker_release(struct undertaker *undertaker);
/* vrun has died, or is as good as dead; we are going to end. */
void undertaker_orphan(struct undertaker *undertaker);
/* We are about to end, and vrun lives: waits until what is to be done is done. */
void undertaker_finish(struct undertaker *undertaker);

#endif
