/* SPDX-License-Identifier: Apache-2.0 */
/* undertaker: see undertaker.h. */
#include "runtime/undertaker.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "runtime/cgroup.h"
#include "runtime/container.h"
#include "runtime/container_net.h"
#include "runtime/net.h"
#include "runtime/net_wire.h"
#include "runtime/state.h"
#include "runtime/stdio.h"
#include "runtime/store.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* What vrun-vmm says. */
enum word { WORD_RELEASE = 'r', WORD_ORPHANED = 'o', WORD_FINISH = 'f' };

/* What it has after its birth, under these numbers, and nothing of the caller's. */
enum { FD_STORE = 3, FD_SYNC, FD_SOCK, FD_VMM, FD_NULL, FDS };

struct duty {
	const char *id;
	struct store *store;
	struct net_owner owner;
	bool has_net; /* the namespace that we are in is the container's own */
	bool released, orphaned;
};

/* The sync socket's other end is closed. */
static bool vrun_is_gone(void)
{
	struct pollfd p = { .fd = FD_SYNC, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLRDHUP | POLLERR));
}

static void put_network_back(const struct duty *duty)
{
	int r = duty->has_net ? net_release(-EBADF, &duty->owner) : 0;

	if (r < 0)
		log_debug("the network can't be put back as it was: %s", strerrorname_np(-r));
}

static void bury(const struct duty *duty)
{
	_cleanup_store_dir_ struct store_dir *dir = NULL;
	struct state *state = NULL;

	if (store_find(duty->store, duty->id, true, &dir, NULL) < 0)
		return;
	if (state_load(dir->fd, &state, NULL) == 0)
		container_net_release(state);
	state_free(state);
	container_forget(duty->store, dir, NULL);
}

/* True: there is nothing to wait for any more. */
static bool listen_to(struct duty *duty, char word)
{
	if (word == WORD_FINISH) {
		put_network_back(duty);
		return true;
	}
	if (word == WORD_ORPHANED) {
		duty->orphaned = true;
		return false;
	}
	duty->released = true;
	/* Whether we stay: an answer, or our end. */
	return !duty->has_net || send(FD_SOCK, &word, 1, MSG_NOSIGNAL) != 1;
}

static void watch(struct duty *duty)
{
	struct pollfd p[] = { { .fd = FD_SOCK, .events = POLLIN }, { .fd = FD_VMM, .events = POLLIN } };

	for (;;) {
		char word;

		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents && recv(FD_SOCK, &word, 1, MSG_DONTWAIT) == 1) {
			if (listen_to(duty, word))
				return;
			continue;
		}
		/* The socket's end alone says nothing: a process that is killed closes it before it has ended. */
		if (p[0].revents)
			p[0].fd = -1;
		if (p[1].revents)
			break;
	}
	put_network_back(duty);
	if (!duty->released && (duty->orphaned || vrun_is_gone()))
		bury(duty);
}

/* Which network is ours to put back; and out of the container's cgroup, which would not be empty with us in it. */
static void prepare(struct duty *duty)
{
	_cleanup_store_dir_ struct store_dir *dir = NULL;
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	struct state *state = NULL;

	if (store_find(duty->store, duty->id, false, &dir, NULL) < 0)
		return;
	if (cgroup_load(dir->fd, &cgroup, NULL) == 0)
		cgroup_leave(cgroup);
	if (state_load(dir->fd, &state, NULL) == 0)
		duty->has_net = !state->net_path && net_owner_parse(state->net_owner, &duty->owner) == 0;
	state_free(state);
}

/* Move each descriptor to its number, and close all else. */
static int keep_only(const int fds[static FDS - FD_STORE])
{
	int copies[FDS - FD_STORE];

	for (int i = 0; i < FDS - FD_STORE; i++) {
		copies[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FDS);
		if (copies[i] < 0)
			return -errno;
	}
	for (int i = 0; i < FDS - FD_STORE; i++)
		if (dup2(copies[i], FD_STORE + i) < 0)
			return -errno;
	syscall(SYS_close_range, FDS, ~0U, 0);
	return stdio_to_null(FD_NULL, false);
}

static _Noreturn void undertaker_main(int store_fd, int sync, int sock, int vmm, const char *id)
{
	const int fds[] = { store_fd, sync, sock, vmm, open("/dev/null", O_RDWR | O_CLOEXEC) };
	struct duty duty = { .id = id };
	sigset_t all;

	prctl(PR_SET_NAME, UNDERTAKER_COMM);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	log_set_stderr(false);
	if (keep_only(fds) < 0 || chdir("/") < 0 || store_from_fd(FD_STORE, &duty.store) < 0)
		_exit(1);
	prepare(&duty);
	watch(&duty);
	_exit(0);
}

int undertaker_start(int take_store, int sync, const char *id, struct undertaker *ret)
{
	_cleanup_close_ int store = take_store, ours = -EBADF, theirs = -EBADF, self = -EBADF;
	int pair[2];
	pid_t pid;

	if (store < 0)
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (self < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		undertaker_main(store, sync, theirs, self, id);
	*ret = (struct undertaker){ TAKE_FD(ours), pid };
	return 0;
}

static void wait_for(struct undertaker *undertaker)
{
	siginfo_t info;

	while (waitid(P_PID, (id_t)undertaker->pid, &info, WEXITED) < 0 && errno == EINTR)
		;
	undertaker->sock = close_fd(undertaker->sock);
}

/* If it is gone already, that is as well. */
static void say(const struct undertaker *undertaker, char word)
{
	if (send(undertaker->sock, &word, 1, MSG_NOSIGNAL) < 0)
		log_debug("the undertaker is gone");
}

void undertaker_release(struct undertaker *undertaker)
{
	char answer;

	if (undertaker->sock < 0)
		return;
	say(undertaker, WORD_RELEASE);
	if (recv(undertaker->sock, &answer, 1, 0) != 1)
		wait_for(undertaker);
}

void undertaker_orphan(struct undertaker *undertaker)
{
	if (undertaker->sock >= 0)
		say(undertaker, WORD_ORPHANED);
}

void undertaker_finish(struct undertaker *undertaker)
{
	if (undertaker->sock < 0)
		return;
	say(undertaker, WORD_FINISH);
	wait_for(undertaker);
}
