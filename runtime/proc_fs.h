/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc_fs: the container's processes as files, for the host's tools that enter the mount namespace of its
 * pid and look for them in /proc (vmm/jail/jail.h). It has what podman top reads, and no more:
 *
 *	/			the numbers of the processes, as the container's own /proc has them
 *	/stat			the time of the guest's start is in it
 *	/N/stat, /N/status, /N/cmdline
 *	/N/ns/pid		a link with a name that no namespace of the host has
 *
 * Anything else is -ENOENT. Nobody is asked before somebody looks.
 *
 * Theory of operation
 *
 * A FUSE server (linux/fuse.h) in the loop's thread: one read() of the descriptor brings one request, one
 * write() is its answer. It is /dev/fuse, or a test's socket that keeps messages apart. The server of
 * the guest's files (vmm/virtio/fs.h) has only the protocol in common with this one: it works on a virtqueue and has
 * the host's directories below it, where here all that there is comes from the guest.
 *
 * To open a file, to list the processes and to look one up takes a question to the guest's agent, by `ask`. Its
 * answer becomes the open file's text, which all reads are served from. The kernel keeps for a second what
 * it has looked up.
 *
 * The guest can answer late or never, and choose the bytes. Whoever waits gets -ETIMEDOUT after
 * PROC_FS_TIMEOUT_MS. Processes' numbers are checked; texts are bounded, and go on as they are: with any runtime
 * it is the container's processes that say what is in them.
 *
 * A reader that is killed waits for its answer, but no longer than that: the kernel is told that requests
 * can't be interrupted. It closes what was opened then. What is under way and open at a time is bounded: -EBUSY
 * and -ENFILE.
 */
#ifndef VRUN_RUNTIME_PROC_FS_H
#define VRUN_RUNTIME_PROC_FS_H

#include <stddef.h>
#include <stdint.h>

struct loop;
struct proc_fs;

enum {
	PROC_FS_TIMEOUT_MS = 3000,
	PROC_FS_REQUESTS_MAX = 32, /* that wait for the guest */
	PROC_FS_OPEN_MAX = 64, /* files and directories */
};

/*
 * Ask for a file (oci/agent_proto.h: struct agent_proc), to be answered by proc_fs_answer() with
 * *ret_number, later. -errno is the reader's answer.
 */
typedef int (*proc_fs_ask_fn)(void *ctx, uint32_t pid, uint32_t file, uint32_t *ret_number);

int proc_fs_new(struct loop *loop, int take_fd, proc_fs_ask_fn ask, void *ctx, struct proc_fs **ret);
/* Who waits gets -ENOTCONN. NULL is fine. */
void proc_fs_free(struct proc_fs *fs);

/*
 * `error`: positive errno, or 0 with what the file has. -EPROTO: nonsense. A number for which nobody waits any
 * more is fine.
 */
int proc_fs_answer(struct proc_fs *fs, uint32_t number, int error, const uint8_t *body, size_t len);

#endif
