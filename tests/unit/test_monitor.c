/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor: vrun-vmm between create and start, when its machine is not there yet: what it answers, whose signals
 * end it, and what it does when vrun dies. With a machine, tests/vm has it.
 */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "runtime/control.h"
#include "runtime/launch_params.h"
#include "runtime/monitor.h"
#include "runtime/proc.h"
#include "runtime/status.h"
#include "runtime/store.h"
#include "runtime/timeline.h"
#include "vmm/vm_spec.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { WAIT_MS = 20000 };

struct world {
	char root[64];
	struct store *store;
	struct store_dir *dir;
	int sync; /* vrun's end */
	pid_t pid; /* of vrun-vmm */
};

/* A machine whose kernel is not there: starting it fails at once. */
static int spec_fd(void)
{
	char id[] = "c", kernel[] = "/no/kernel";
	const struct vm_spec spec = { .id = id,
				      .engine = VM_ENGINE_QEMU,
				      .kernel = kernel,
				      .cpus = 1,
				      .memory = VM_MEMORY_DEFAULT,
				      .cid = 3 };
	_cleanup_free_ char *text = NULL;
	size_t len;

	assert_int_equal(vm_spec_write(&spec, &text, &len), 0);
	return fd_from_bytes("vm", text, len);
}

static void send_params(struct world *w)
{
	char id[] = "c";
	struct launch_params params = { .id = id, .wait = true, .boot_timeout = 10 };

	for (int i = 0; i < LAUNCH_FDS; i++)
		params.fds[i] = -EBADF;
	params.fds[LAUNCH_FD_VM] = spec_fd();
	params.fds[LAUNCH_FD_CREATE] = fd_from_bytes("create", "{}", 2);
	params.fds[LAUNCH_FD_STATUS] = status_create(w->dir->fd);
	params.fds[LAUNCH_FD_CONTROL] = control_listen(w->dir->fd);
	params.fds[LAUNCH_FD_TIMELINE] = timeline_create(w->dir->fd);
	params.fds[LAUNCH_FD_STORE] = fcntl(store_fd(w->store), F_DUPFD_CLOEXEC, 3);
	assert_int_equal(launch_params_send(w->sync, &params), 0);
	params.id = NULL;
	launch_params_done(&params);
}

static int set_up(void **state)
{
	static struct world world;
	struct world *w = &world;
	struct pollfd pfd;
	struct message msg;
	int pair[2];

	*w = (struct world){ .sync = -EBADF };
	strcpy(w->root, "/tmp/vrun-test-monitor-XXXXXX");
	assert_non_null(mkdtemp(w->root));
	assert_int_equal(store_open(w->root, &w->store, NULL), 0);
	assert_int_equal(store_create(w->store, "c", "{}", 2, &w->dir, NULL), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	fflush(NULL);
	w->pid = fork();
	assert_true(w->pid >= 0);
	if (w->pid == 0) {
		close(pair[0]);
		_exit(monitor_main(pair[1]));
	}
	close_fd(pair[1]);
	w->sync = pair[0];
	send_params(w);
	pfd = (struct pollfd){ .fd = w->sync, .events = POLLIN };
	assert_int_equal(poll(&pfd, 1, WAIT_MS), 1);
	assert_int_equal(message_recv(w->sync, &msg), 0);
	assert_int_equal(msg.type, MESSAGE_CREATED);
	message_done(&msg);
	assert_int_equal(status_read(w->dir->fd, NULL, 0), STATUS_CREATED);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	if (w->pid > 0) {
		kill(w->pid, SIGKILL);
		waitpid(w->pid, NULL, 0);
	}
	close_fd(w->sync);
	store_dir_close(w->dir);
	store_free(w->store);
	return dir_remove_all(AT_FDCWD, w->root);
}

static int wait_status(struct world *w)
{
	int status;

	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	w->pid = 0;
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* One request on a connection of its own; `text` NULL: it must be OK. */
static void ask(struct world *w, struct message msg, const char *text)
{
	_cleanup_close_ int sock = control_connect(w->dir->fd, WAIT_MS);
	struct err err = ERR_INIT;
	int r;

	assert_true(sock >= 0);
	r = control_call(sock, &msg, MESSAGE_OK, NULL, &err);
	if (!text) {
		assert_int_equal(r, 0);
		return;
	}
	assert_true(r < 0);
	assert_string_equal(err.text, text);
}

static bool is_there(struct world *w)
{
	return faccessat(store_fd(w->store), "c", F_OK, 0) == 0;
}

/* What is left is removed when vrun-vmm has ended, by its undertaker. */
static bool goes(struct world *w)
{
	for (unsigned i = 0; i < 500 && is_there(w); i++)
		usleep(10000);
	return !is_there(w);
}

static void what_needs_the_guest_is_refused(void **state)
{
	struct world *w = *state;
	int process = fd_from_bytes("process", "{}", 2);

	ask(w, (struct message){ .type = MESSAGE_PAUSE }, "container not running");
	ask(w, (struct message){ .type = MESSAGE_RESUME }, "container not paused");
	ask(w, (struct message){ .type = MESSAGE_PS, .flag = true }, "container not running");
	ask(w, (struct message){ .type = MESSAGE_EXEC, .fds = { process }, .n_fds = 1 }, "container not running");
	ask(w, (struct message){ .type = MESSAGE_KILL, .number = 65 }, "signal 65 does not exist");
	ask(w, (struct message){ .type = MESSAGE_KILL, .number = 0 }, "signal 0 does not exist");
	ask(w, (struct message){ .type = MESSAGE_RESIZE, .rows = 1, .cols = 1 }, "no such process");
	ask(w, (struct message){ .type = MESSAGE_RELEASE }, "not a request");
	/* pids of the host there are none beside its own */
	ask(w, (struct message){ .type = MESSAGE_PS }, NULL);
	assert_int_equal(status_read(w->dir->fd, NULL, 0), STATUS_CREATED);
	close_fd(process);
}

static void signals_do_by_default_what_they_do_to_a_process(void **state)
{
	const int harmless[] = { SIGCONT, SIGWINCH, SIGURG, SIGTSTP };
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++) {
		ask(w, (struct message){ .type = MESSAGE_KILL, .number = harmless[i] }, NULL);
		assert_int_equal(kill(w->pid, harmless[i]), 0);
	}
	/* still there */
	ask(w, (struct message){ .type = MESSAGE_PAUSE }, "container not running");
	assert_int_equal(kill(w->pid, SIGTERM), 0);
	assert_int_equal(wait_status(w), 128 + SIGTERM);
}

static void a_signal_by_the_socket_is_the_exit_status(void **state)
{
	struct world *w = *state;

	assert_int_equal(message_send(w->sync, &(struct message){ .type = MESSAGE_RELEASE }), 0);
	w->sync = close_fd(w->sync);
	ask(w, (struct message){ .type = MESSAGE_KILL, .number = SIGKILL, .flag = true }, NULL);
	assert_int_equal(wait_status(w), 128 + SIGKILL);
	/* released: what is left of it is `delete`'s */
	assert_true(is_there(w));
}

static void a_machine_that_can_not_start_is_told_to_who_started_it(void **state)
{
	struct world *w = *state;
	_cleanup_close_ int sock = -EBADF;
	struct err err = ERR_INIT;
	char why[512];
	int status;

	assert_int_equal(message_send(w->sync, &(struct message){ .type = MESSAGE_RELEASE }), 0);
	w->sync = close_fd(w->sync);
	sock = control_connect(w->dir->fd, WAIT_MS);
	assert_true(sock >= 0);
	assert_true(control_call(sock, &(struct message){ .type = MESSAGE_START }, MESSAGE_OK, &status, &err) < 0);
	assert_int_equal(status, 1);
	assert_non_null(strstr(err.text, "/no/kernel"));
	/* podman would make exit status 127 of these words */
	assert_null(strstr(err.text, "no such file"));
	assert_null(strstr(err.text, "No such file"));
	assert_int_equal(wait_status(w), 1);
	/* and kept, for `start` once more */
	status_read(w->dir->fd, why, sizeof(why));
	assert_string_equal(why, err.text);
}

static void one_whose_vrun_died_ends_and_takes_its_directory_along(void **state)
{
	struct world *w = *state;

	/* the dead one's lock went with it */
	store_unlock(w->dir);
	w->sync = close_fd(w->sync);
	assert_int_equal(wait_status(w), 128 + SIGKILL);
	assert_true(goes(w));
}

static void what_is_no_message_of_vruns_counts_as_its_death(void **state)
{
	struct world *w = *state;

	store_unlock(w->dir);
	assert_int_equal(send(w->sync, "nonsense", 8, MSG_NOSIGNAL), 8);
	assert_int_equal(wait_status(w), 128 + SIGKILL);
	assert_true(goes(w));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_needs_the_guest_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(signals_do_by_default_what_they_do_to_a_process, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_signal_by_the_socket_is_the_exit_status, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_machine_that_can_not_start_is_told_to_who_started_it, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_whose_vrun_died_ends_and_takes_its_directory_along, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_message_of_vruns_counts_as_its_death, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
