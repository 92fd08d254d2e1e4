/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach, exec_proxy, relay: a command in the foreground, as a process of its own; the test is the user at its
 * terminal, and vrun-vmm at the other end of its socket.
 */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/loop.h"
#include "oci/spec.h"
#include "runtime/attach.h"
#include "runtime/container.h"
#include "runtime/control.h"
#include "runtime/exec.h"
#include "runtime/lookup.h"
#include "runtime/proc.h"
#include "runtime/relay.h"
#include "runtime/stdio.h"
#include "runtime/store.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { WAIT_MS = 20000 };

/* --- the user --- */

static void wait_readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	if (poll(&pfd, 1, WAIT_MS) != 1)
		fail_msg("nothing came for %d ms", WAIT_MS);
}

static void expect_text(int fd, const char *text)
{
	char seen[256] = "";
	size_t len = 0;

	while (len < strlen(text)) {
		ssize_t n;

		wait_readable(fd);
		n = read(fd, seen + len, sizeof(seen) - 1 - len);
		assert_true(n > 0);
		len += (size_t)n;
		seen[len] = '\0';
	}
	assert_string_equal(seen, text);
}

static int wait_status(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* A terminal with a size, not raw: the user has the master. */
static void user_terminal(int *ret_user, int *ret_terminal)
{
	struct termios cooked = { .c_iflag = ICRNL, .c_oflag = OPOST, .c_lflag = ICANON | ECHO | ISIG };

	assert_int_equal(pty_open(31, 97, ret_user, ret_terminal), 0);
	cooked.c_cc[VMIN] = 1;
	assert_int_equal(tcsetattr(*ret_terminal, TCSANOW, &cooked), 0);
}

static bool is_raw(int terminal)
{
	struct termios mode;

	assert_int_equal(tcgetattr(terminal, &mode), 0);
	return !(mode.c_lflag & (ICANON | ECHO | ISIG));
}

static void await_raw(int terminal, bool raw)
{
	for (int i = 0; i < WAIT_MS / 10 && is_raw(terminal) != raw; i++)
		usleep(10000);
	assert_int_equal(is_raw(terminal), raw);
}

/* In the child: `terminal` as standard input and output, and as the session's. */
static void sit_at(int terminal)
{
	setsid();
	if (ioctl(terminal, TIOCSCTTY, 0) < 0 || dup2(terminal, 0) < 0 || dup2(terminal, 1) < 0)
		_exit(100);
}

/* --- relay --- */

static void on_end(void *ctx, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	loop_quit(ctx, 0);
}

static void on_winch(void *ctx, const struct signalfd_siginfo *si)
{
	(void)si;
	relay_resize(*(struct relay **)ctx);
}

static _Noreturn void run_relay(int terminal, int take_master, int end)
{
	struct relay *relay = NULL;
	struct loop_source *source;
	struct loop *loop;
	sigset_t set;

	sit_at(terminal);
	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	if (loop_new(&loop) < 0 || relay_new(loop, take_master, &relay) < 0 ||
	    loop_add_signals(loop, &set, on_winch, &relay, &source) < 0 ||
	    loop_add_fd(loop, end, EPOLLIN, on_end, loop, &source) < 0)
		_exit(101);
	if (loop_run(loop) < 0)
		_exit(102);
	relay_drain(relay);
	relay_free(relay);
	loop_free(loop);
	_exit(0);
}

static void a_terminal_is_relayed_both_ways_with_its_size(void **state)
{
	int user, terminal, master, slave, end[2];
	uint16_t rows, cols;
	pid_t pid;

	(void)state;
	user_terminal(&user, &terminal);
	assert_int_equal(pty_open(0, 0, &master, &slave), 0);
	assert_int_equal(pipe2(end, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		close(end[1]);
		close(user);
		close(slave);
		run_relay(terminal, master, end[0]);
	}
	close_fd(master);
	close_fd(end[0]);
	await_raw(terminal, true);
	/* what is typed, control characters too, and what is answered */
	assert_int_equal(fd_write_all(user, "ls\r\x03", 4), 0);
	expect_text(slave, "ls\r\x03");
	assert_int_equal(fd_write_all(slave, "out\r\n", 5), 0);
	expect_text(user, "out\r\n");
	assert_int_equal(pty_get_size(slave, &rows, &cols), 0);
	assert_int_equal(rows, 31);
	assert_int_equal(cols, 97);
	/* SIGWINCH goes to the terminal's foreground group: that is the child */
	assert_int_equal(pty_set_size(user, 40, 100), 0);
	for (int i = 0; i < WAIT_MS / 10 && rows != 40; i++) {
		usleep(10000);
		assert_int_equal(pty_get_size(slave, &rows, &cols), 0);
	}
	assert_int_equal(rows, 40);
	assert_int_equal(cols, 100);
	/* the last words come although the other side is gone, and the user's terminal is as it was */
	kill(pid, SIGSTOP);
	assert_int_equal(fd_write_all(slave, "last", 4), 0);
	close_fd(slave);
	close_fd(end[1]);
	kill(pid, SIGCONT);
	expect_text(user, "last");
	assert_int_equal(wait_status(pid), 0);
	assert_false(is_raw(terminal));
	close_fd(user);
	close_fd(terminal);
}

/* --- exec_proxy --- */

struct exec_world {
	char root[64];
	struct lookup lookup;
	int listening;
	pid_t pid; /* of the command */
	int conn; /* vrun-vmm's end */
	int told; /* the command's: 's' when it runs, then its error's text */
	struct message request;
};

static int exec_set_up(void **state)
{
	static struct exec_world world;
	struct exec_world *w = &world;

	*w = (struct exec_world){ .lookup = LOOKUP_INIT, .conn = -EBADF };
	strcpy(w->root, "/tmp/vrun-test-exec-XXXXXX");
	assert_non_null(mkdtemp(w->root));
	assert_int_equal(store_open(w->root, &w->lookup.store, NULL), 0);
	assert_int_equal(store_create(w->lookup.store, "c", "{}", 2, &w->lookup.dir, NULL), 0);
	w->listening = control_listen(w->lookup.dir->fd);
	assert_true(w->listening >= 0);
	*state = w;
	return 0;
}

static int exec_tear_down(void **state)
{
	struct exec_world *w = *state;

	message_done(&w->request);
	close_fd(w->conn);
	close_fd(w->told);
	close_fd(w->listening);
	lookup_done(&w->lookup);
	return dir_remove_all(AT_FDCWD, w->root);
}

struct teller {
	int fd;
	int result;
};

static int on_running(void *ctx, struct err *err)
{
	struct teller *teller = ctx;

	(void)fd_write_all(teller->fd, "s", 1);
	return teller->result < 0 ? err_set(err, teller->result, "no pid file") : 0;
}

/* The command; `terminal` negative: none. Its request has been read when this returns. */
static void begin_exec(struct exec_world *w, int terminal, int started_result)
{
	int told[2];

	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	w->pid = fork();
	if (w->pid == 0) {
		static const char text[] = "{\"args\":[\"x\"],\"cwd\":\"/\"}";
		struct teller teller = { told[1], started_result };
		struct err err = ERR_INIT;
		struct oci_process *process;
		int status;

		close(told[0]);
		if (terminal >= 0)
			sit_at(terminal);
		if (oci_process_parse(text, strlen(text), "process", &process, &err) < 0)
			_exit(110);
		process->terminal = terminal >= 0;
		status = exec_proxy_run(&w->lookup, &(struct exec_request){ .process = process }, -EBADF, on_running, &teller, &err);
		(void)fd_write_all(told[1], err.text, strlen(err.text));
		_exit(status);
	}
	close_fd(told[1]);
	w->told = told[0];
	wait_readable(w->listening);
	w->conn = accept4(w->listening, NULL, NULL, SOCK_CLOEXEC);
	assert_true(w->conn >= 0);
	assert_int_equal(message_recv(w->conn, &w->request), 0);
	assert_int_equal(w->request.type, MESSAGE_EXEC);
}

static void say(struct exec_world *w, struct message msg)
{
	assert_int_equal(message_send(w->conn, &msg), 0);
}

static void hear(struct exec_world *w, struct message *ret)
{
	wait_readable(w->conn);
	assert_int_equal(message_recv(w->conn, ret), 0);
}

static void exec_passes_signals_on_and_ends_with_the_status(void **state)
{
	const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGWINCH, SIGRTMIN + 2 };
	struct exec_world *w = *state;
	struct message msg;

	begin_exec(w, -EBADF, 0);
	/* the process, and three streams of its own */
	assert_int_equal(w->request.n_fds, 4);
	assert_false(w->request.flag);
	say(w, (struct message){ .type = MESSAGE_STARTED });
	expect_text(w->told, "s");
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		assert_int_equal(kill(w->pid, signals[i]), 0);
		hear(w, &msg);
		assert_int_equal(msg.type, MESSAGE_KILL);
		assert_int_equal(msg.number, signals[i]);
		message_done(&msg);
	}
	/* the answer to a signal that came too late is no failure */
	say(w, (struct message){ .type = MESSAGE_ERROR, .number = ESRCH, .text = "no such process", .status = 1 });
	say(w, (struct message){ .type = MESSAGE_EXITED, .status = 42 });
	assert_int_equal(wait_status(w->pid), 42);
}

static void exec_that_fails_has_the_words_and_the_status(void **state)
{
	struct exec_world *w = *state;

	begin_exec(w, -EBADF, 0);
	say(w, (struct message){ .type = MESSAGE_ERROR, .number = ENOENT, .text = "not in $PATH", .status = 127 });
	expect_text(w->told, "not in $PATH");
	assert_int_equal(wait_status(w->pid), 127);
}

static void exec_ends_when_the_vm_does(void **state)
{
	struct exec_world *w = *state;

	begin_exec(w, -EBADF, 0);
	say(w, (struct message){ .type = MESSAGE_STARTED });
	expect_text(w->told, "s");
	w->conn = close_fd(w->conn);
	assert_int_equal(wait_status(w->pid), 128 + SIGKILL);
}

static void exec_whose_caller_fails_closes_its_connection(void **state)
{
	struct exec_world *w = *state;
	struct message msg;

	begin_exec(w, -EBADF, -EACCES);
	say(w, (struct message){ .type = MESSAGE_STARTED });
	expect_text(w->told, "sno pid file");
	wait_readable(w->conn);
	assert_int_equal(message_recv(w->conn, &msg), -ENODATA);
	assert_int_equal(wait_status(w->pid), 1);
}

static void exec_with_a_terminal_relays_it_and_its_size(void **state)
{
	struct exec_world *w = *state;
	struct message msg;
	int user, terminal, slave;

	user_terminal(&user, &terminal);
	begin_exec(w, terminal, 0);
	assert_true(w->request.flag);
	assert_int_equal(w->request.n_fds, 2);
	assert_int_equal(w->request.rows, 31);
	assert_int_equal(w->request.cols, 97);
	slave = message_take_fd(&w->request, 1);
	say(w, (struct message){ .type = MESSAGE_STARTED });
	expect_text(w->told, "s");
	assert_int_equal(fd_write_all(user, "\x03", 1), 0);
	expect_text(slave, "\x03");
	assert_int_equal(pty_set_size(user, 50, 120), 0);
	hear(w, &msg);
	assert_int_equal(msg.type, MESSAGE_RESIZE);
	assert_int_equal(msg.rows, 50);
	assert_int_equal(msg.cols, 120);
	message_done(&msg);
	assert_int_equal(fd_write_all(slave, "bye", 3), 0);
	say(w, (struct message){ .type = MESSAGE_EXITED, .status = 3 });
	expect_text(user, "bye");
	close_fd(slave);
	assert_int_equal(wait_status(w->pid), 3);
	assert_false(is_raw(terminal));
	close_fd(user);
	close_fd(terminal);
}

/* --- attach --- */

/* What the one in vrun-vmm's place does with its end of the sync socket: its exit status. */
typedef int (*vmm_fn)(int sync);

static int on_step(void *ctx, const char *word, int result, struct err *err)
{
	const struct teller *teller = ctx;

	(void)fd_write_all(teller->fd, word, 1);
	return result < 0 ? err_set(err, result, "this step fails") : 0;
}

static int on_created(void *ctx, struct err *err)
{
	return on_step(ctx, "c", 0, err);
}

static int on_started(void *ctx, struct err *err)
{
	return on_step(ctx, "s", ((const struct teller *)ctx)->result, err);
}

/* The command with `vmm` as its child, whose pid is *ret_vmm. What it tells ends with its error's text. */
static pid_t begin_attach(vmm_fn vmm, int started_result, int *ret_told, pid_t *ret_vmm)
{
	int told[2], pids[2];
	pid_t pid;

	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	assert_int_equal(pipe2(pids, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		const struct attach_ops ops = { .created = on_created, .started = on_started };
		struct teller teller = { told[1], started_result };
		struct container c = CONTAINER_INIT;
		struct err err = ERR_INIT;
		int pair[2], status;

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
			_exit(120);
		c.launch.pid = fork();
		if (c.launch.pid == 0) {
			close(pair[0]);
			_exit(vmm(pair[1]));
		}
		close(pair[1]);
		c.launch.sync = pair[0];
		proc_start_time(c.launch.pid, &c.launch.pid_start);
		(void)fd_write_all(pids[1], &c.launch.pid, sizeof(c.launch.pid));
		status = attach_run(&c, &ops, &teller, &err);
		(void)fd_write_all(told[1], err.text, strlen(err.text));
		_exit(status);
	}
	close_fd(told[1]);
	close_fd(pids[1]);
	assert_int_equal(fd_read_all(pids[0], ret_vmm, sizeof(*ret_vmm)), 0);
	close_fd(pids[0]);
	*ret_told = told[0];
	return pid;
}

static int send_created_and_started(int sync)
{
	return message_send(sync, &(struct message){ .type = MESSAGE_CREATED }) < 0 ||
	       message_send(sync, &(struct message){ .type = MESSAGE_STARTED }) < 0;
}

static void on_usr1(int signo)
{
	(void)signo;
	_exit(55);
}

static int vmm_until_signal(int sync)
{
	signal(SIGUSR1, on_usr1);
	if (send_created_and_started(sync))
		return 99;
	for (;;)
		pause();
}

static int vmm_until_end(int sync)
{
	char byte;

	if (send_created_and_started(sync))
		return 99;
	/* vrun lets go: its container ends */
	return read(sync, &byte, 1) == 0 ? 9 : 98;
}

static int vmm_that_fails(int sync)
{
	message_send(sync, &(struct message){ .type = MESSAGE_ERROR, .number = ENOENT, .status = 127, .text = "why" });
	return 5;
}

static int vmm_that_is_quick(int sync)
{
	return send_created_and_started(sync) ? 99 : 0;
}

static void attach_passes_signals_on_and_ends_with_the_status(void **state)
{
	pid_t pid, vmm;
	int told;

	(void)state;
	pid = begin_attach(vmm_until_signal, 0, &told, &vmm);
	expect_text(told, "cs");
	assert_int_equal(kill(pid, SIGUSR1), 0);
	assert_int_equal(wait_status(pid), 55);
	close_fd(told);
}

static void attach_learns_that_its_vmm_was_killed(void **state)
{
	pid_t pid, vmm;
	int told;

	(void)state;
	pid = begin_attach(vmm_until_signal, 0, &told, &vmm);
	expect_text(told, "cs");
	assert_int_equal(kill(vmm, SIGKILL), 0);
	assert_int_equal(wait_status(pid), 128 + SIGKILL);
	close_fd(told);
}

static void attach_ends_the_container_when_a_step_fails(void **state)
{
	pid_t pid, vmm;
	int told;

	(void)state;
	pid = begin_attach(vmm_until_end, -EPERM, &told, &vmm);
	expect_text(told, "csthis step fails");
	assert_int_equal(wait_status(pid), 1);
	close_fd(told);
}

static void attach_has_the_words_and_status_of_a_failure(void **state)
{
	pid_t pid, vmm;
	int told;

	(void)state;
	pid = begin_attach(vmm_that_fails, 0, &told, &vmm);
	expect_text(told, "why");
	assert_int_equal(wait_status(pid), 127);
	close_fd(told);
}

static void attach_takes_each_step_of_one_that_is_over_at_once(void **state)
{
	pid_t pid, vmm;
	int told;

	(void)state;
	for (int i = 0; i < 20; i++) {
		pid = begin_attach(vmm_that_is_quick, 0, &told, &vmm);
		expect_text(told, "cs");
		assert_int_equal(wait_status(pid), 0);
		close_fd(told);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_terminal_is_relayed_both_ways_with_its_size),
		cmocka_unit_test_setup_teardown(exec_passes_signals_on_and_ends_with_the_status, exec_set_up, exec_tear_down),
		cmocka_unit_test_setup_teardown(exec_that_fails_has_the_words_and_the_status, exec_set_up, exec_tear_down),
		cmocka_unit_test_setup_teardown(exec_ends_when_the_vm_does, exec_set_up, exec_tear_down),
		cmocka_unit_test_setup_teardown(exec_whose_caller_fails_closes_its_connection, exec_set_up, exec_tear_down),
		cmocka_unit_test_setup_teardown(exec_with_a_terminal_relays_it_and_its_size, exec_set_up, exec_tear_down),
		cmocka_unit_test(attach_passes_signals_on_and_ends_with_the_status),
		cmocka_unit_test(attach_learns_that_its_vmm_was_killed),
		cmocka_unit_test(attach_ends_the_container_when_a_step_fails),
		cmocka_unit_test(attach_has_the_words_and_status_of_a_failure),
		cmocka_unit_test(attach_takes_each_step_of_one_that_is_over_at_once),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
