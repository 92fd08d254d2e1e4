/* SPDX-License-Identifier: Apache-2.0 */
/* message, launch_params, control: what crosses, and what a peer may not send. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/loop.h"
#include "runtime/control.h"
#include "runtime/launch_params.h"
#include "runtime/message.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>

static int pair[2];

static int set_up(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static int tear_down(void **state)
{
	(void)state;
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static void a_message_crosses_with_its_descriptors(void **state)
{
	struct message sent = {
		.type = MESSAGE_ERROR,
		.number = ENOENT,
		.status = 127,
		.flag = true,
		.rows = 24,
		.cols = 80,
		.text = "a \"b\"\n\xc3\xbc",
		.n_fds = 1,
	};
	_cleanup_message_ struct message got = { 0 };
	int fd;

	(void)state;
	sent.fds[0] = fd_from_bytes("x", "hello", 5);
	assert_int_equal(message_send(pair[0], &sent), 0);
	close(sent.fds[0]);
	assert_int_equal(message_recv(pair[1], &got), 0);
	assert_int_equal(got.type, MESSAGE_ERROR);
	assert_int_equal(got.number, ENOENT);
	assert_int_equal(got.status, 127);
	assert_true(got.flag);
	assert_int_equal(got.rows, 24);
	assert_int_equal(got.cols, 80);
	assert_string_equal(got.text, sent.text);
	fd = message_take_fd(&got, 0);
	assert_true(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
	assert_int_equal(message_take_fd(&got, 0), -EBADF);
	assert_int_equal(message_take_fd(&got, 1), -EBADF);
	close(fd);
}

static void the_longest_text_crosses_and_a_longer_one_is_refused(void **state)
{
	static char text[MESSAGE_TEXT_MAX + 2];
	struct message sent = { .type = MESSAGE_ERROR, .text = text };
	_cleanup_message_ struct message got = { 0 };

	(void)state;
	memset(text, 1, MESSAGE_TEXT_MAX);
	assert_int_equal(message_send(pair[0], &sent), 0);
	assert_int_equal(message_recv(pair[1], &got), 0);
	assert_string_equal(got.text, text);
	text[MESSAGE_TEXT_MAX] = 'x';
	assert_int_equal(message_send(pair[0], &sent), -E2BIG);
}

static void ends_and_nonsense_are_told(void **state)
{
	static const char *const bad[] = {
		"",
		"x",
		"[]",
		"{}",
		"{\"type\":5}",
		"{\"type\":\"nonsense\"}",
		"{\"type\":\"ok\",\"number\":\"1\"}",
		"{\"type\":\"ok\",\"number\":4294967296}",
		"{\"type\":\"exited\",\"status\":256}",
		"{\"type\":\"exited\",\"status\":-1}",
		"{\"type\":\"resize\",\"rows\":65536}",
		"{\"type\":\"kill\",\"flag\":1}",
		"{\"type\":\"error\",\"text\":[]}",
	};
	static char big[6 * MESSAGE_TEXT_MAX + 4096];
	struct message got;

	(void)state;
	for (size_t i = 1; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(send(pair[0], bad[i], strlen(bad[i]), 0), strlen(bad[i]));
		assert_int_equal(message_recv(pair[1], &got), -EPROTO);
	}
	memset(big, ' ', sizeof(big));
	memcpy(big, "{\"type\":\"ok\"}", 13);
	assert_int_equal(send(pair[0], big, sizeof(big), 0), sizeof(big));
	assert_int_equal(message_recv(pair[1], &got), -EPROTO);
	fd_set_nonblock(pair[1], true);
	assert_int_equal(message_recv(pair[1], &got), -EAGAIN);
	shutdown(pair[0], SHUT_WR);
	assert_int_equal(message_recv(pair[1], &got), -ENODATA);
	assert_int_equal(message_send(pair[0], &(struct message){ .type = MESSAGE_OK }), -EPIPE);
}

static void init_params(struct launch_params *p)
{
	*p = (struct launch_params){
		.id = (char *)(uintptr_t) "c1",
		.terminal = true,
		.stdio = { 0xfffffffe, 2, 3, 24, 80 },
		.boot_timeout = 60,
		.seccomp_flags = 5,
		.begun_ns = UINT64_MAX,
		.launched_ns = 1,
	};
	for (int i = 0; i < LAUNCH_FDS; i++)
		p->fds[i] = -EBADF;
}

static void launch_parameters_cross_with_gaps_in_their_descriptors(void **state)
{
	_cleanup_message_ struct message msg = { 0 };
	struct launch_params sent, got;
	char text[8] = "";

	(void)state;
	init_params(&sent);
	for (int i = 0; i < LAUNCH_FDS_NEEDED; i++)
		sent.fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sent.fds[LAUNCH_FD_LOG] = fd_from_bytes("log", "log", 3);
	assert_int_equal(launch_params_send(pair[0], &sent), 0);
	assert_int_equal(message_recv(pair[1], &msg), 0);
	assert_int_equal(launch_params_read(&msg, &got, NULL), 0);
	assert_string_equal(got.id, "c1");
	assert_true(got.terminal && !got.debug && !got.log_json);
	assert_memory_equal(&got.stdio, &sent.stdio, sizeof(got.stdio));
	assert_int_equal(got.begun_ns, UINT64_MAX);
	assert_int_equal(got.seccomp_flags, 5);
	assert_true(got.fds[LAUNCH_FD_VM] >= 0 && got.fds[LAUNCH_FD_SECCOMP] < 0 &&
		    got.fds[LAUNCH_FD_CONSOLE] < 0);
	assert_int_equal(pread(got.fds[LAUNCH_FD_LOG], text, 8, 0), 3);
	assert_string_equal(text, "log");
	sent.id = NULL;
	launch_params_done(&sent);
	launch_params_done(&got);
}

static void launch_parameters_without_what_is_needed(void **state)
{
	static const char *const bad[] = {
		NULL,
		"",
		"[]",
		"{}",
		"{\"id\":\"x\"}",
		"{\"id\":\"x\",\"fds\":0}",
		"{\"id\":\"x\",\"fds\":15}",
		"{\"id\":\"x\",\"fds\":4096}",
		"{\"id\":1,\"fds\":1}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_message_ struct message msg = {
			.type = MESSAGE_LAUNCH,
			.text = bad[i] ? strdup(bad[i]) : NULL,
		};
		struct launch_params got;

		msg.fds[msg.n_fds++] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		assert_true(launch_params_read(&msg, &got, NULL) < 0);
	}
}

/* --- control --- */

struct server {
	struct loop *loop;
	unsigned requests, closed;
};

static int answer(void *ctx, struct control_conn *conn, struct message *msg, struct err *err)
{
	struct server *server = ctx;

	server->requests++;
	if (msg->type == MESSAGE_KILL)
		return err_set(err, -ESRCH, "no such process");
	if (msg->type == MESSAGE_EXEC) {
		control_reply(conn, &(struct message){ .type = MESSAGE_STARTED });
		return CONTROL_LATER;
	}
	return 0;
}

static void count_closed(void *ctx, struct control_conn *conn)
{
	struct server *server = ctx;

	(void)conn;
	if (++server->closed == 3)
		loop_quit(server->loop, 0);
}

static const struct control_ops control_ops = { .request = answer, .closed = count_closed };

static void *ask(void *arg)
{
	int dirfd = *(int *)arg, sock = control_connect(dirfd, 5000), r = 0;
	struct err err = ERR_INIT;

	r |= control_call(sock, &(struct message){ .type = MESSAGE_PAUSE }, MESSAGE_OK, NULL, NULL);
	r |= control_call(sock, &(struct message){ .type = MESSAGE_EXEC }, MESSAGE_STARTED, NULL, NULL);
	r |= control_call(sock, &(struct message){ .type = MESSAGE_KILL }, MESSAGE_OK, NULL, &err) != -ESRCH;
	r |= strcmp(err.text, "no such process");
	close(sock);
	/* One that talks nonsense loses its connection, others don't. */
	sock = control_connect(dirfd, 5000);
	r |= send(sock, "nonsense", 8, 0) != 8;
	r |= recv(sock, &err, 1, 0) != 0;
	close(sock);
	sock = control_connect(dirfd, 5000);
	r |= control_call(sock, &(struct message){ .type = MESSAGE_RESUME }, MESSAGE_OK, NULL, NULL);
	close(sock);
	return r ? arg : NULL;
}

static void requests_are_answered_and_nonsense_hangs_up(void **state)
{
	char dir[] = "/tmp/vrun-test-control-XXXXXX";
	struct server server = { 0 };
	struct control *control;
	pthread_t thread;
	void *failed;
	int dirfd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(control_connect(dirfd, 5000), -ENOENT);
	assert_int_equal(loop_new(&server.loop), 0);
	assert_int_equal(control_new(server.loop, control_listen(dirfd), &control_ops, &server, &control), 0);
	assert_int_equal(pthread_create(&thread, NULL, ask, &dirfd), 0);
	assert_int_equal(loop_run(server.loop), 0);
	pthread_join(thread, &failed);
	assert_null(failed);
	assert_int_equal(server.requests, 4);
	control_free(control);
	loop_free(server.loop);
	assert_int_equal(control_connect(dirfd, 5000), -ECONNREFUSED);
	close(dirfd);
	dir_remove_all(AT_FDCWD, dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_message_crosses_with_its_descriptors, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_longest_text_crosses_and_a_longer_one_is_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(ends_and_nonsense_are_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(launch_parameters_cross_with_gaps_in_their_descriptors,
						set_up, tear_down),
		cmocka_unit_test(launch_parameters_without_what_is_needed),
		cmocka_unit_test(requests_are_answered_and_nonsense_hangs_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
