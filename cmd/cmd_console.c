/* SPDX-License-Identifier: Apache-2.0 */
/* console: look at the guest's console, for debugging: what its kernel and agent say, not the container's output. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "cmd/cmd.h"
#include "runtime/lookup.h"
#include "runtime/stdio.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

/* Ctrl-], as telnet and virsh have it. */
enum { DETACH = 0x1d, ANSWER_MS = 10000 };

static const struct opt opts[] = { OPT_END };

static volatile sig_atomic_t ended;

static void on_signal(int signo)
{
	(void)signo;
	ended = 1;
}

static int attach(const char *root, const char *id, int *ret_sock, struct err *err)
{
	_cleanup_lookup_ struct lookup c = LOOKUP_INIT;
	_cleanup_close_ int ours = -EBADF, theirs = -EBADF;
	struct message msg = { .type = MESSAGE_CONSOLE, .n_fds = 1 };
	int pair[2], r;

	r = lookup_open(root, id, false, &c, err);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set_errno(err, -errno, "socketpair");
	ours = pair[0];
	msg.fds[0] = theirs = pair[1];
	r = lookup_call(&c, &msg, ANSWER_MS, err);
	if (r == 0)
		*ret_sock = TAKE_FD(ours);
	return r;
}

/* 0: go on. 1: the end. */
static int pass_output(int sock)
{
	char buf[4096];
	ssize_t n = read(sock, buf, sizeof(buf));

	if (n < 0 && errno == EINTR)
		return 0;
	return n <= 0 || fd_write_all(STDOUT_FILENO, buf, (size_t)n) < 0;
}

/* 0: go on. 1: the end. -ENODATA: no more input, which is no reason to stop looking. */
static int pass_input(int sock)
{
	char buf[256];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

	if (n < 0 && errno == EINTR)
		return 0;
	if (n <= 0)
		return -ENODATA;
	if (memchr(buf, DETACH, (size_t)n))
		return 1;
	return send(sock, buf, (size_t)n, MSG_NOSIGNAL) < 0;
}

static void relay(int sock)
{
	struct pollfd fds[2] = { { .fd = sock, .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };
	int r = 0;

	while (!ended && r <= 0) {
		r = 0;
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents)
			r = pass_output(sock);
		if (r == 0 && fds[1].revents)
			r = pass_input(sock);
		if (r < 0)
			fds[1].fd = -1;
	}
}

static int console(const struct cmd_call *call, struct err *err)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct tty_mode mode = TTY_MODE_INIT;
	_cleanup_close_ int sock = -EBADF;
	int r;

	r = attach(call->globals->root, call->words[0], &sock, err);
	if (r < 0)
		return r;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	if (isatty(STDIN_FILENO)) {
		fprintf(stderr, "Ctrl-] ends this.\n");
		r = tty_make_raw(STDIN_FILENO, &mode);
		if (r < 0)
			return err_set_errno(err, r, "the terminal");
	}
	relay(sock);
	tty_restore(&mode);
	return 0;
}

const struct command cmd_console = {
	.name = "console",
	.words = "ID",
	.summary = "attach to the guest's console, to see what its kernel says",
	.details = "Shows the last lines and what comes, and passes on what is typed; Ctrl-] ends it. The\n"
		   "container's own output does not come here.",
	.examples = "vrun console web",
	.opts = opts,
	.opts_size = 1,
	.min_words = 1,
	.max_words = 1,
	.run = console,
};
