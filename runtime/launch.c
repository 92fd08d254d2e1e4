/* SPDX-License-Identifier: Apache-2.0 */
/* launch: see launch.h. */
#include "runtime/launch.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/signals.h"
#include "oci/spec.h"
#include "runtime/image.h"
#include "runtime/launch_params.h"
#include "runtime/plan.h"
#include "runtime/proc.h"
#include "vmm/vm_spec.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

/* A vrun-vmm that lost its vrun ends the container by itself; this is for one that can't. */
enum { ABORT_WAIT_MS = 15000 };

/* In the child: leave nothing of vrun's but the standard streams and the sync socket. */
static _Noreturn void become_vmm(const char *path, const char *id, int netns, int sync)
{
	char *const argv[] = { (char *)(uintptr_t) "vrun-vmm", (char *)(uintptr_t)id, NULL };
	char text[256];
	struct message msg = { .type = MESSAGE_ERROR, .status = 1, .text = text };

	signals_reset();
	/* Before the sync socket may take its number. */
	if (netns >= 0 && setns(netns, CLONE_NEWNET) < 0)
		goto failed;
	/* dup2() of a descriptor onto itself would leave it close-on-exec. */
	if (sync == LAUNCH_SYNC_FD ? fd_set_cloexec(sync, false) == 0 : dup2(sync, LAUNCH_SYNC_FD) >= 0) {
		syscall(SYS_close_range, LAUNCH_SYNC_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC);
		if (chdir("/") == 0)
			execv(path, argv);
	}
failed:
	msg.number = errno;
	snprintf(text, sizeof(text), "starting %s: %s", path, strerrorname_np(errno));
	message_send(sync, &msg);
	_exit(1);
}

int launch_spawn(const char *id, int netns, struct launch *ret, struct err *err)
{
	_cleanup_close_ int ours = -EBADF, theirs = -EBADF;
	_cleanup_free_ char *path = NULL;
	struct launch launch = LAUNCH_INIT;
	int pair[2], r;

	r = image_find_vmm(&path, err);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set_errno(err, -errno, "socketpair");
	ours = pair[0];
	theirs = pair[1];
	launch.pid = fork();
	if (launch.pid < 0)
		return err_set_errno(err, -errno, "fork");
	if (launch.pid == 0)
		become_vmm(path, id, netns, theirs);
	/* Not ESRCH: even as a zombie it is ours to reap. */
	r = proc_start_time(launch.pid, &launch.pid_start);
	launch.sync = TAKE_FD(ours);
	if (r < 0) {
		launch_abort(&launch);
		return err_set_errno(err, r, "start time of vrun-vmm");
	}
	*ret = launch;
	return 0;
}

static int make_fds(struct launch_params *params, const struct plan *plan, bool start, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	r = vm_spec_write(plan->vm, &text, &len);
	if (r == 0)
		r = params->fds[LAUNCH_FD_VM] = fd_from_bytes("vm", text, len);
	free(TAKE_PTR(text));
	if (r >= 0)
		r = plan_create_text(plan, start, &text, &len);
	if (r >= 0)
		r = params->fds[LAUNCH_FD_CREATE] = fd_from_bytes("create", text, len);
	if (r >= 0 && plan->bpf)
		r = params->fds[LAUNCH_FD_SECCOMP] = fd_from_bytes("seccomp", plan->bpf, plan->bpf_len);
	return r < 0 ? err_set_errno(err, r, "launch parameters") : 0;
}

int launch_go(struct launch *launch, struct launch_params *params, const struct plan *plan, bool start,
	      struct err *err)
{
	struct timespec ts;
	int r;

	r = make_fds(params, plan, start, err);
	if (r < 0)
		return r;
	params->terminal = plan->config->process.terminal;
	params->stdio = plan->stdio;
	params->seccomp_flags = plan->seccomp_flags;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	params->launched_ns = (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
	r = launch_params_send(launch->sync, params);
	/* A child that could not exec() has said why: launch_wait() tells. */
	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		return err_set_errno(err, r, "launch parameters");
	return 0;
}

int launch_wait(struct launch *launch, enum message_type event, int *ret_status, struct err *err)
{
	*ret_status = 1;
	for (;;) {
		_cleanup_message_ struct message msg = { 0 };
		int r = message_recv(launch->sync, &msg);

		if (r < 0)
			return err_set(err, r,
				       "vrun-vmm ended before the container was there (exit status %d)",
				       launch_reap(launch));
		if (msg.type == event)
			return 0;
		if (msg.type == MESSAGE_ERROR) {
			*ret_status = msg.status;
			r = msg.number > 0 && msg.number < 4096 ? -msg.number : -EIO;
			return err_set(err, r, "%s", msg.text ? msg.text : strerror(-r));
		}
		if (msg.type == MESSAGE_EXITED) {
			*ret_status = msg.status;
			return err_set(err, -ECANCELED, "the container ended before it was started");
		}
	}
}

void launch_release(struct launch *launch)
{
	message_send(launch->sync, &(struct message){ .type = MESSAGE_RELEASE });
	launch->pid = 0;
	launch->sync = close_fd(launch->sync);
}

int launch_reap(struct launch *launch)
{
	int status = 0;
	pid_t pid;

	if (launch->pid <= 0)
		return 1;
	do {
		pid = waitpid(launch->pid, &status, 0);
	} while (pid < 0 && errno == EINTR);
	launch->pid = 0;
	if (pid < 0)
		return 1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void launch_abort(struct launch *launch)
{
	if (launch->pid <= 0)
		return;
	/* Our end of the socket closed: vrun-vmm ends the container and itself. */
	launch->sync = close_fd(launch->sync);
	if (launch->pid_start) {
		_cleanup_close_ int pidfd = proc_open(launch->pid, launch->pid_start);

		if (pidfd >= 0)
			proc_wait(pidfd, ABORT_WAIT_MS);
	}
	kill(launch->pid, SIGKILL);
	launch_reap(launch);
}

void launch_done(struct launch *launch)
{
	launch_abort(launch);
	launch->sync = close_fd(launch->sync);
}
