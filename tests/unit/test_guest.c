/* SPDX-License-Identifier: Apache-2.0 */
/* guest: against an agent that keeps the protocol, and one that breaks it. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/loop.h"
#include "runtime/guest.h"

#include <signal.h>
#include <sys/socket.h>

enum { PORTS = 8 };

/* The agent's end of the link, and the streams that were offered. */
struct fixture {
	struct loop *loop;
	struct guest *guest;
	struct guest_process *process;
	int agent;
	struct {
		uint32_t port;
		vsock_end_fn ended;
		void *stream;
		int rfd, wfd;
		bool connected;
	} ports[PORTS];
	unsigned n_ports;

	unsigned answers, ooms, opens;
	uint32_t opened[4]; /* request, socket, uid, gid */
	uint64_t kills;
	unsigned hello, lost, created, started, failed, ended, listed;
	int status, error;
	char text[ERR_TEXT_MAX];
};

static int offer(void *ctx, uint32_t port, int take_rfd, int take_wfd, vsock_end_fn ended, void *stream)
{
	struct fixture *f = ctx;

	assert_true(f->n_ports < PORTS);
	f->ports[f->n_ports].port = port;
	f->ports[f->n_ports].ended = ended;
	f->ports[f->n_ports].stream = stream;
	f->ports[f->n_ports].rfd = take_rfd;
	f->ports[f->n_ports].wfd = take_wfd;
	f->n_ports++;
	return 0;
}

static int withdraw(void *ctx, uint32_t port)
{
	struct fixture *f = ctx;

	for (unsigned i = 0; i < f->n_ports; i++) {
		if (f->ports[i].port != port || f->ports[i].connected)
			continue;
		f->ports[i].ended = NULL;
		return 0;
	}
	return -ENOENT;
}

static const struct guest_stream_ops stream_ops = { .offer = offer, .withdraw = withdraw };

static void on_hello(void *ctx, const struct guest_times *times)
{
	struct fixture *f = ctx;

	assert_int_equal(times->started, 42);
	assert_int_equal(times->prepared, 43);
	assert_int_equal(times->mounted, 44);
	assert_int_equal(times->sent, 45);
	f->hello++;
}

static void on_lost(void *ctx, const struct err *why)
{
	struct fixture *f = ctx;

	f->lost++;
	snprintf(f->text, sizeof(f->text), "%s", why->text);
}

/* Request 9 was asked. */
static int on_answer(void *ctx, uint32_t request, int error, const uint8_t *body, size_t len)
{
	struct fixture *f = ctx;

	if (request != 9)
		return -EPROTO;
	f->answers++;
	f->error = error;
	snprintf(f->text, sizeof(f->text), "%.*s", (int)len, (const char *)body);
	return 0;
}

static void on_oom(void *ctx, uint64_t kills)
{
	struct fixture *f = ctx;

	f->ooms++;
	f->kills = kills;
}

/* There are sockets 0 to 2. */
static int on_open(void *ctx, uint32_t request, uint32_t socket, uint32_t uid, uint32_t gid)
{
	struct fixture *f = ctx;
	const uint32_t opened[] = { request, socket, uid, gid };

	if (socket > 2)
		return -EPROTO;
	f->opens++;
	memcpy(f->opened, opened, sizeof(opened));
	return 0;
}

static const struct guest_ops guest_ops = {
	.hello = on_hello,
	.answer = on_answer,
	.oom = on_oom,
	.open = on_open,
	.lost = on_lost,
};

static void on_created(void *ctx)
{
	((struct fixture *)ctx)->created++;
}

static void on_started(void *ctx)
{
	((struct fixture *)ctx)->started++;
}

static void on_failed(void *ctx, int status, int error, const char *text)
{
	struct fixture *f = ctx;

	f->failed++;
	f->status = status;
	f->error = error;
	snprintf(f->text, sizeof(f->text), "%s", text);
}

static void on_ended(void *ctx, int status)
{
	struct fixture *f = ctx;

	f->ended++;
	f->status = status;
}

static const struct guest_process_ops process_ops = { on_created, on_started, on_failed, on_ended };

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int pair[2];

	assert_int_equal(loop_new(&f->loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	f->agent = pair[1];
	assert_int_equal(guest_new(f->loop, pair[0], &stream_ops, f, &guest_ops, f, &f->guest), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	guest_free(f->guest);
	loop_free(f->loop);
	close(f->agent);
	free(f);
	return 0;
}

static void quit(void *ctx)
{
	loop_quit(ctx, 0);
}

/* Let the loop see what is there. */
static void turn(struct fixture *f)
{
	struct loop_source *timer;

	assert_int_equal(loop_add_timer(f->loop, 10, quit, f->loop, &timer), 0);
	assert_int_equal(loop_run(f->loop), 0);
	loop_remove(timer);
}

static void say(struct fixture *f, unsigned type, uint32_t process, const void *payload, size_t len)
{
	struct agent_frame frame = {
		.len = le32_make((uint32_t)len),
		.type = le16_make((uint16_t)type),
		.process = le32_make(process),
	};

	assert_int_equal(fd_write_all(f->agent, &frame, sizeof(frame)), 0);
	if (len)
		assert_int_equal(fd_write_all(f->agent, payload, len), 0);
	turn(f);
}

static void say_hello(struct fixture *f)
{
	struct agent_hello hello = {
		.version = le32_make(AGENT_PROTO_VERSION),
		.started_ns = le64_make(42),
		.prepared_ns = le64_make(43),
		.mounted_ns = le64_make(44),
		.sent_ns = le64_make(45),
	};

	say(f, AGENT_MSG_HELLO, 0, &hello, sizeof(hello));
}

static void say_exited(struct fixture *f, uint32_t process, uint32_t status, uint32_t signo)
{
	struct agent_exited exited = { le32_make(status), le32_make(signo) };

	say(f, AGENT_MSG_EXITED, process, &exited, sizeof(exited));
}

static void say_failed(struct fixture *f, uint32_t process, uint32_t error, uint32_t stage, const char *text)
{
	struct agent_failed failed = { le32_make(error), le32_make(stage) };
	char payload[256];

	memcpy(payload, &failed, sizeof(failed));
	strcpy(payload + sizeof(failed), text);
	say(f, AGENT_MSG_FAILED, process, payload, sizeof(failed) + strlen(text));
}

/* The next frame that came to the agent; its payload in `buf`. */
static unsigned hear(struct fixture *f, uint32_t *process, void *buf, size_t size)
{
	struct agent_frame frame;

	assert_int_equal(fd_read_all(f->agent, &frame, sizeof(frame)), 0);
	assert_true(le32_get(frame.len) <= size);
	assert_int_equal(fd_read_all(f->agent, buf, le32_get(frame.len)), 0);
	*process = le32_get(frame.process);
	return le16_get(frame.type);
}

static void create(struct fixture *f)
{
	struct guest_stdio stdio = { .wire = { 100, 101, 102, 0, 0 }, .fds = { -EBADF, -EBADF, -EBADF } };

	assert_int_equal(guest_create(f->guest, "{}", 2, &stdio, &process_ops, f, &f->process), 0);
}

static void end_stream(struct fixture *f, unsigned i)
{
	f->ports[i].ended(f->ports[i].stream, VSOCK_END_CLOSED);
	f->ports[i].ended = NULL;
}

static void a_life_from_create_to_end(void **state)
{
	struct fixture *f = *state;
	uint32_t process;
	char buf[64];
	int status;

	create(f);
	assert_int_equal(f->n_ports, 3);
	assert_int_equal(hear(f, &process, buf, sizeof(buf)), AGENT_MSG_CREATE);
	assert_int_equal(process, AGENT_INIT);
	say_hello(f);
	assert_int_equal(f->hello, 1);
	say(f, AGENT_MSG_CREATED, 0, NULL, 0);
	assert_int_equal(f->created, 1);
	assert_int_equal(guest_start(f->process), 0);
	assert_int_equal(hear(f, &process, buf, sizeof(buf)), AGENT_MSG_START);
	say(f, AGENT_MSG_STARTED, 0, NULL, 0);
	assert_int_equal(f->started, 1);
	assert_int_equal(guest_signal(f->process, SIGTERM, true), 0);
	assert_int_equal(hear(f, &process, buf, sizeof(buf)), AGENT_MSG_SIGNAL);
	assert_int_equal(get_le32(buf), SIGTERM);
	assert_int_equal(get_le32(buf + 4), 1);
	assert_int_equal(guest_resize(f->process, 24, 80), 0);
	assert_int_equal(hear(f, &process, buf, sizeof(buf)), AGENT_MSG_RESIZE);
	assert_int_equal(get_le16(buf), 24);
	assert_int_equal(get_le16(buf + 2), 80);
	assert_false(guest_has_exited(f->process, &status));
	say_exited(f, 0, 7, 0);
	/* Its output is still on the way. */
	assert_true(guest_has_exited(f->process, &status));
	assert_int_equal(status, 7);
	assert_int_equal(guest_signal(f->process, SIGTERM, true), -ESRCH);
	assert_int_equal(f->ended, 0);
	end_stream(f, 1);
	assert_int_equal(f->ended, 0);
	end_stream(f, 2);
	assert_int_equal(f->ended, 1);
	assert_int_equal(f->status, 7);
	assert_int_equal(f->lost, 0);
}

static void the_end_waits_for_exited_and_for_output_but_not_for_input(void **state)
{
	struct fixture *f = *state;

	create(f);
	f->ports[0].connected = f->ports[1].connected = f->ports[2].connected = true;
	say_hello(f);
	say(f, AGENT_MSG_STARTED, 0, NULL, 0);
	end_stream(f, 1);
	end_stream(f, 2);
	assert_int_equal(f->ended, 0);
	say_exited(f, 0, 0, SIGKILL);
	assert_int_equal(f->ended, 1);
	assert_int_equal(f->status, 128 + SIGKILL);
	/* The input's stream ends when its host side does: its process is long gone. */
	end_stream(f, 0);
}

static void seccomp_goes_before_create(void **state)
{
	struct fixture *f = *state;
	uint32_t process;
	char buf[64];

	assert_int_equal(guest_seccomp(f->guest, "12345678", 8, 3), 0);
	create(f);
	assert_int_equal(hear(f, &process, buf, sizeof(buf)), AGENT_MSG_SECCOMP);
	assert_int_equal(get_le32(buf), 3);
	assert_memory_equal(buf + 4, "12345678", 8);
	assert_int_equal(hear(f, &process, buf, sizeof(buf)), AGENT_MSG_CREATE);
}

static void failures_give_the_exit_status_of_a_shell(void **state)
{
	static const struct {
		uint32_t error, stage;
		int status;
	} cases[] = {
		{ ENOENT, AGENT_STAGE_EXEC, 127 },
		{ EACCES, AGENT_STAGE_EXEC, 126 },
		{ ENOEXEC, AGENT_STAGE_EXEC, 126 },
		{ ENOENT, AGENT_STAGE_SETUP, 1 },
		{ 0xffffffff, 77, 1 },
	};
	struct fixture *f = *state;

	say_hello(f);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct guest_stdio stdio = { .wire = { 100, 0, 0, 24, 80 },
					     .fds = { -EBADF, -EBADF, -EBADF } };

		f->n_ports = 0;
		assert_int_equal(guest_exec(f->guest, "{}", 2, &stdio, &process_ops, f, &f->process), 0);
		say_failed(f, (uint32_t)i + 1, cases[i].error, cases[i].stage, i ? "exec: \x1b[2J" : "");
		assert_int_equal(f->failed, i + 1);
		assert_int_equal(f->status, cases[i].status);
		assert_string_equal(f->text, i ? "exec: ?[2J" : "No such file or directory");
		/* What the guest did not connect to was taken back. */
		assert_null(f->ports[0].ended);
	}
	assert_int_equal(f->lost, 0);
}

static void an_abandoned_process_is_killed_and_silent(void **state)
{
	struct guest_stdio stdio = { .wire = { 200, 201, 202, 0, 0 }, .fds = { -EBADF, -EBADF, -EBADF } };
	struct fixture *f = *state;
	struct guest_process *exec;
	uint32_t process;
	char buf[64];

	say_hello(f);
	assert_int_equal(guest_exec(f->guest, "{}", 2, &stdio, &process_ops, f, &exec), 0);
	assert_int_equal(hear(f, &process, buf, sizeof(buf)), AGENT_MSG_EXEC);
	guest_abandon(exec);
	assert_int_equal(hear(f, &process, buf, sizeof(buf)), AGENT_MSG_SIGNAL);
	assert_int_equal(process, 1);
	assert_int_equal(get_le32(buf), SIGKILL);
	say(f, AGENT_MSG_STARTED, 1, NULL, 0);
	say_exited(f, 1, 0, 9);
	end_stream(f, 1);
	end_stream(f, 2);
	assert_int_equal(f->started + f->ended + f->failed + f->lost, 0);
	/* The number is free again for nobody. */
	say(f, AGENT_MSG_STARTED, 1, NULL, 0);
	assert_int_equal(f->lost, 1);
}

static void break_protocol(struct fixture *f, const char *message)
{
	assert_int_equal(f->lost, 1);
	if (!strstr(f->text, message))
		fail_msg("\"%s\" is not in \"%s\"", message, f->text);
	assert_int_equal(guest_start(f->process), -EPIPE);
}

static void say_answer(struct fixture *f, uint32_t request, uint32_t error, const char *body)
{
	struct agent_answer answer = { le32_make(error), le32_make(0) };
	char payload[256];

	memcpy(payload, &answer, sizeof(answer));
	strcpy(payload + sizeof(answer), body);
	say(f, AGENT_MSG_ANSWER, request, payload, sizeof(answer) + strlen(body));
}

static void requests_are_answered_by_number(void **state)
{
	struct fixture *f = *state;
	uint32_t number;
	char buf[64];

	create(f);
	assert_int_equal(hear(f, &number, buf, sizeof(buf)), AGENT_MSG_CREATE);
	say_hello(f);
	assert_int_equal(guest_request(f->guest, AGENT_MSG_UPDATE, 9, "{}", 2), 0);
	assert_int_equal(hear(f, &number, buf, sizeof(buf)), AGENT_MSG_UPDATE);
	assert_int_equal(number, 9);
	say_answer(f, 9, EBUSY, "in use");
	assert_int_equal(f->answers, 1);
	assert_int_equal(f->error, EBUSY);
	assert_string_equal(f->text, "in use");
	say_answer(f, 9, UINT32_MAX, "");
	assert_int_equal(f->error, EIO);
	say_answer(f, 9, 0, "{}");
	assert_int_equal(f->error, 0);
	assert_string_equal(f->text, "{}");
	assert_int_equal(f->lost, 0);
}

static void want_of_memory_is_passed_on(void **state)
{
	struct agent_oom oom = { le64_make(3) };
	struct fixture *f = *state;

	create(f);
	say_hello(f);
	say(f, AGENT_MSG_OOM, 0, &oom, sizeof(oom));
	assert_int_equal(f->ooms, 1);
	assert_int_equal(f->kills, 3);
	assert_int_equal(f->lost, 0);
}

static void sockets_of_the_host_are_asked_for(void **state)
{
	struct agent_open open = { le32_make(2), le32_make(1000), le32_make(1001), le32_make(0) };
	const uint32_t expected[] = { 77, 2, 1000, 1001 };
	struct fixture *f = *state;

	create(f);
	say_hello(f);
	say(f, AGENT_MSG_OPEN, 77, &open, sizeof(open));
	assert_int_equal(f->opens, 1);
	assert_memory_equal(f->opened, expected, sizeof(expected));
	assert_int_equal(guest_opened(f->guest, 77, ECONNREFUSED, 0), 0);
	assert_int_equal(f->lost, 0);
	open.socket = le32_make(3);
	say(f, AGENT_MSG_OPEN, 78, &open, sizeof(open));
	assert_int_equal(f->opens, 1);
	break_protocol(f, "OPEN of a socket that it was not given");
}

static void an_answer_to_nothing(void **state)
{
	create(*state);
	say_hello(*state);
	say_answer(*state, 8, 0, "");
	break_protocol(*state, "an answer to what was not asked");
}

static void frames_before_hello(void **state)
{
	create(*state);
	say(*state, AGENT_MSG_CREATED, 0, NULL, 0);
	break_protocol(*state, "no HELLO");
}

static void a_second_hello(void **state)
{
	create(*state);
	say_hello(*state);
	say_hello(*state);
	break_protocol(*state, "a second HELLO");
}

static void another_protocol_version(void **state)
{
	struct agent_hello hello = { .version = le32_make(AGENT_PROTO_VERSION + 1) };
	char text[32];

	create(*state);
	say(*state, AGENT_MSG_HELLO, 0, &hello, sizeof(hello));
	snprintf(text, sizeof(text), "speaks protocol %d,", AGENT_PROTO_VERSION + 1);
	break_protocol(*state, text);
}

/* Its HELLO may be shorter or longer than ours: the message still says what is wrong. */
static void another_protocol_version_of_another_size(void **state)
{
	const le32 version = le32_make(1);

	create(*state);
	say(*state, AGENT_MSG_HELLO, 0, &version, sizeof(version));
	break_protocol(*state, "speaks protocol 1");
}

static void a_hello_of_the_wrong_size(void **state)
{
	const le32 version = le32_make(AGENT_PROTO_VERSION);

	create(*state);
	say(*state, AGENT_MSG_HELLO, 0, &version, sizeof(version));
	break_protocol(*state, "a HELLO of the wrong size");
}

static void a_process_that_does_not_exist(void **state)
{
	create(*state);
	say_hello(*state);
	say(*state, AGENT_MSG_STARTED, 5, NULL, 0);
	break_protocol(*state, "an unknown process");
}

static void a_message_that_is_the_hosts(void **state)
{
	create(*state);
	say_hello(*state);
	say(*state, AGENT_MSG_START, 0, NULL, 0);
	break_protocol(*state, "a message of the host's");
}

static void created_and_started_twice(void **state)
{
	struct fixture *f = *state;

	create(f);
	say_hello(f);
	say(f, AGENT_MSG_CREATED, 0, NULL, 0);
	say(f, AGENT_MSG_STARTED, 0, NULL, 0);
	say(f, AGENT_MSG_STARTED, 0, NULL, 0);
	break_protocol(f, "STARTED of a process that was running");
}

static void failed_after_started(void **state)
{
	create(*state);
	say_hello(*state);
	say(*state, AGENT_MSG_STARTED, 0, NULL, 0);
	say_failed(*state, 0, ENOENT, 1, "late");
	break_protocol(*state, "FAILED of a process that was running");
}

static void exited_twice(void **state)
{
	create(*state);
	say_hello(*state);
	say_exited(*state, 0, 0, 0);
	say_exited(*state, 0, 0, 0);
	break_protocol(*state, "a second EXITED");
}

static void a_status_that_cant_be(void **state)
{
	create(*state);
	say_hello(*state);
	say_exited(*state, 0, 256, 0);
	break_protocol(*state, "an exit status that can't be");
}

static void keep_list(void *ctx, const char *text)
{
	struct fixture *f = ctx;

	f->listed++;
	snprintf(f->text, sizeof(f->text), "%s", text);
}

static void lists_of_processes_come_in_order_and_harmless(void **state)
{
	static const char list[] = "1 0 0 5 sh -c \x1b[2J\n2 1 0 0 gr\xc3\xbc\xc3\n\xff\0cut";
	struct fixture *f = *state;
	uint32_t process;
	char buf[64];

	say_hello(f);
	assert_int_equal(guest_ps(f->guest, keep_list, f), 0);
	assert_int_equal(guest_ps(f->guest, keep_list, f), 0);
	assert_int_equal(hear(f, &process, buf, sizeof(buf)), AGENT_MSG_PS);
	say(f, AGENT_MSG_PS_LIST, 0, list, sizeof(list) - 1);
	assert_int_equal(f->listed, 1);
	assert_string_equal(f->text, "1 0 0 5 sh -c ?[2J\n2 1 0 0 gr\xc3\xbc?\n??cut");
	say(f, AGENT_MSG_PS_LIST, 0, NULL, 0);
	assert_int_equal(f->listed, 2);
	assert_string_equal(f->text, "");
	/* One request that is never answered must not leak. */
	assert_int_equal(guest_ps(f->guest, keep_list, f), 0);
}

static void a_list_that_nobody_asked_for(void **state)
{
	create(*state);
	say_hello(*state);
	say(*state, AGENT_MSG_PS_LIST, 0, "x", 1);
	break_protocol(*state, "nobody asked for");
}

static void a_size_that_does_not_fit(void **state)
{
	create(*state);
	say_hello(*state);
	say(*state, AGENT_MSG_EXITED, 0, "1234", 4);
	break_protocol(*state, "agent");
}

static void the_agent_hangs_up(void **state)
{
	struct fixture *f = *state;

	create(f);
	say_hello(f);
	shutdown(f->agent, SHUT_RDWR);
	turn(f);
	break_protocol(f, "closed its connection");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_life_from_create_to_end),
		TEST(the_end_waits_for_exited_and_for_output_but_not_for_input),
		TEST(seccomp_goes_before_create),
		TEST(sockets_of_the_host_are_asked_for),
		TEST(failures_give_the_exit_status_of_a_shell),
		TEST(an_abandoned_process_is_killed_and_silent),
		TEST(frames_before_hello),
		TEST(an_answer_to_nothing),
		TEST(want_of_memory_is_passed_on),
		TEST(requests_are_answered_by_number),
		TEST(a_second_hello),
		TEST(another_protocol_version),
		TEST(another_protocol_version_of_another_size),
		TEST(a_hello_of_the_wrong_size),
		TEST(a_process_that_does_not_exist),
		TEST(a_message_that_is_the_hosts),
		TEST(created_and_started_twice),
		TEST(failed_after_started),
		TEST(exited_twice),
		TEST(a_status_that_cant_be),
		TEST(lists_of_processes_come_in_order_and_harmless),
		TEST(a_list_that_nobody_asked_for),
		TEST(a_size_that_does_not_fit),
		TEST(the_agent_hangs_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
