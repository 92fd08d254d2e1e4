/* SPDX-License-Identifier: Apache-2.0 */
/* How processes of a container start, talk and end: the real agent, no VM. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "tests/unit/agent_host.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct agent_host_config plain = { 0 };

static void output_comes_before_exited(void **state)
{
	struct agent_host h;
	_cleanup_free_ char *out =
		agent_host_output(&h, plain, "[\"sh\",\"-c\",\"echo out; echo err >&2\"]", 0);

	(void)state;
	assert_string_equal(out, "out\nerr\n");
}

static void exit_status_is_passed_on(void **state)
{
	struct agent_host h;

	(void)state;
	free(agent_host_output(&h, plain, "[\"sh\",\"-c\",\"exit 7\"]", 7));
}

static void signal_ends_the_process(void **state)
{
	struct agent_host h;

	(void)state;
	agent_host_begin_with(&h, &(struct agent_host_config){ .args = "[\"sleep\",\"1000\"]" }, 0);
	agent_host_signal(&h, 0, SIGKILL, false);
	agent_host_expect_exited(&h, 0, 0, SIGKILL);
	agent_host_end(&h);
}

static void handled_signal_is_delivered(void **state)
{
	struct agent_host h;

	(void)state;
	agent_host_begin_with(
		&h,
		&(struct agent_host_config){ .args = "[\"sh\",\"-c\",\"trap 'echo term; exit 3' TERM; echo "
						     "up; while :; do sleep 0.01; done\"]" },
		WANT_STDOUT);
	agent_host_read_until(h.stream[1], "up");
	agent_host_signal(&h, 0, SIGTERM, false);
	agent_host_read_until(h.stream[1], "term");
	agent_host_expect_exited(&h, 0, 3, 0);
	agent_host_end(&h);
}

static void created_process_waits_for_start(void **state)
{
	struct agent_host_frame frame;
	struct agent_host h;

	(void)state;
	agent_host_begin(&h);
	agent_host_create(&h, &(struct agent_host_config){ .args = "[\"echo\",\"hi\"]" }, WANT_STDOUT, false);
	agent_host_expect(&h, AGENT_MSG_CREATED, 0, &frame);
	agent_host_send(&h, AGENT_MSG_SYNC, 0, NULL, 0);
	/* nothing else came in between */
	agent_host_expect(&h, AGENT_MSG_SYNCED, 0, &frame);
	agent_host_send(&h, AGENT_MSG_START, 0, NULL, 0);
	agent_host_expect(&h, AGENT_MSG_STARTED, 0, &frame);
	agent_host_read_until(h.stream[1], "hi\n");
	agent_host_expect_exited(&h, 0, 0, 0);
	agent_host_end(&h);
}

static void created_process_can_be_killed(void **state)
{
	struct agent_host_frame frame;
	struct agent_host h;

	(void)state;
	agent_host_begin(&h);
	agent_host_create(&h, &plain, 0, false);
	agent_host_expect(&h, AGENT_MSG_CREATED, 0, &frame);
	agent_host_signal(&h, 0, SIGKILL, true);
	agent_host_expect_exited(&h, 0, 0, SIGKILL);
	agent_host_end(&h);
}

static void expect_not_run(const char *args, struct agent_host_config config, int error, int stage,
			   const char *text)
{
	struct agent_host h;

	agent_host_begin(&h);
	config.args = args;
	agent_host_create(&h, &config, WANT_ALL, true);
	agent_host_expect_failed(&h, 0, error, stage, text);
	agent_host_end(&h);
}

static void missing_programs_are_told_as_runc_does(void **state)
{
	(void)state;
	expect_not_run("[\"nope\"]", plain, ENOENT, AGENT_STAGE_EXEC,
		       "exec: \"nope\": executable file not found in $PATH");
	expect_not_run("[\"/nope\"]", plain, ENOENT, AGENT_STAGE_EXEC,
		       "exec: \"/nope\": stat /nope: no such file or directory");
	expect_not_run("[\"/etc/passwd\"]", plain, EACCES, AGENT_STAGE_EXEC,
		       "exec: \"/etc/passwd\": permission denied");
	expect_not_run("[\"/bin\"]", plain, EACCES, AGENT_STAGE_EXEC, "exec: \"/bin\": permission denied");
}

static void set_up_failures_name_the_field(void **state)
{
	(void)state;
	expect_not_run(NULL,
		       (struct agent_host_config){
			       .mounts =
				       ",{\"destination\":\"/x\",\"type\":\"bind\",\"source\":\"/not/there\","
				       "\"options\":[\"bind\"]}" },
		       ENOENT, AGENT_STAGE_SETUP, "mounts[4] /x: binding /not/there");
	expect_not_run(NULL, (struct agent_host_config){ .linux_ = "\"sysctl\":{\"kernel.no_such\":\"1\"}," },
		       ENOENT, AGENT_STAGE_SETUP, "linux.sysctl kernel.no_such");
	expect_not_run(
		NULL,
		(struct agent_host_config){ .mounts = ",{\"destination\":\"/x\",\"type\":\"nosuchfs\"}" },
		ENODEV, AGENT_STAGE_SETUP, "mounting nosuchfs");
}

static void standard_input_ends_with_its_stream(void **state)
{
	_cleanup_free_ char *out = NULL;
	struct agent_host h;

	(void)state;
	agent_host_begin_with(&h, &(struct agent_host_config){ .args = "[\"sort\"]" }, WANT_ALL);
	assert_int_equal(fd_write_all(h.stream[0], "b\na\n", 4), 0);
	shutdown(h.stream[0], SHUT_WR);
	out = agent_host_read_all(&h, 1);
	assert_string_equal(out, "a\nb\n");
	agent_host_expect_exited(&h, 0, 0, 0);
	agent_host_end(&h);
}

static void streams_that_nobody_wants_are_null(void **state)
{
	struct agent_host h;

	(void)state;
	agent_host_begin_with(
		&h,
		&(struct agent_host_config){
			.args = "[\"sh\",\"-c\",\"read x && exit 1; echo lost; readlink /proc/self/fd/2 >&2; "
				"test -c /proc/self/fd/0\"]" },
		WANT_STDERR);
	agent_host_expect_exited(&h, 0, 0, 0);
	agent_host_end(&h);
}

/* Many times what pipes and sockets hold, read slowly at first. */
static void a_large_output_arrives_whole(void **state)
{
	enum { TOTAL = 192 << 20 };
	static char buf[1 << 20];
	struct agent_host h;
	size_t total = 0;

	(void)state;
	agent_host_begin_with(
		&h,
		&(struct agent_host_config){
			.args = "[\"sh\",\"-c\",\"dd if=/dev/zero bs=1M count=192 2>/dev/null\"]" },
		WANT_STDOUT);
	usleep(300000);
	for (;;) {
		ssize_t n = read(h.stream[1], buf, sizeof(buf));

		assert_true(n >= 0);
		if (n == 0)
			break;
		total += (size_t)n;
	}
	assert_int_equal(total, TOTAL);
	agent_host_expect_exited(&h, 0, 0, 0);
	agent_host_end(&h);
}

static void a_reader_that_leaves_ends_the_writer(void **state)
{
	struct agent_host h;

	(void)state;
	agent_host_begin_with(
		&h, &(struct agent_host_config){ .args = "[\"sh\",\"-c\",\"yes; echo $? >&2\"]" }, WANT_ALL);
	agent_host_read_until(h.stream[1], "y\n");
	h.stream[1] = close_fd(h.stream[1]);
	/* SIGPIPE, as without a VM */
	agent_host_read_until(h.stream[2], "141\n");
	agent_host_expect_exited(&h, 0, 0, 0);
	agent_host_end(&h);
}

static void an_orphan_does_not_keep_the_container(void **state)
{
	struct agent_host_frame frame;
	struct agent_host h;

	(void)state;
	agent_host_begin(&h);
	/* Without a pid namespace nothing but the agent ends it. */
	agent_host_create(
		&h,
		&(struct agent_host_config){ .args = "[\"sh\",\"-c\",\"sleep 1000 & echo started\"]",
					     .namespaces = "[{\"type\":\"mount\"}]" },
		WANT_STDOUT, true);
	agent_host_expect(&h, AGENT_MSG_STARTED, 0, &frame);
	agent_host_read_until(h.stream[1], "started");
	agent_host_expect_exited(&h, 0, 0, 0);
	agent_host_end(&h);
}

static void start_idle(struct agent_host *h, struct agent_host_config config)
{

	config.args = "[\"sleep\",\"1000\"]";
	agent_host_begin_with(h, &config, 0);
}

static void stop_idle(struct agent_host *h)
{
	agent_host_signal(h, 0, SIGKILL, false);
	agent_host_expect_exited(h, 0, 0, SIGKILL);
	agent_host_end(h);
}

#define PROCESS(args)                                                                                        \
	"{\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0},\"env\":[\"PATH=/bin\",\"A=b\"],\"args\":" args "}"

static void exec_joins_the_container(void **state)
{
	_cleanup_free_ char *out = NULL;
	struct agent_host_frame frame;
	struct agent_host h;

	(void)state;
	start_idle(&h, plain);
	agent_host_exec(
		&h, 5,
		PROCESS("[\"sh\",\"-c\",\"cat /proc/1/comm; for n in pid mnt ipc uts cgroup; do test "
			"$(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) || echo $n; done; cat "
			"/proc/self/cgroup; echo $A; exit 4\"]"),
		WANT_ALL);
	agent_host_expect(&h, AGENT_MSG_STARTED, 5, &frame);
	out = agent_host_read_all(&h, 1);
	/* the cgroup namespace's root: the same cgroup as the first process's */
	assert_non_null(strstr(out, "sleep\n"));
	assert_non_null(strstr(out, "0::/\nb\n"));
	assert_null(strstr(out, "pid\n"));
	agent_host_expect_exited(&h, 5, 4, 0);
	stop_idle(&h);
}

static void exec_does_not_wait_for_its_orphans(void **state)
{
	struct agent_host_frame frame;
	_cleanup_free_ char *out = NULL;
	struct agent_host h;

	(void)state;
	start_idle(&h, plain);
	agent_host_exec(&h, 1, PROCESS("[\"sh\",\"-c\",\"sleep 1000 & echo done\"]"), WANT_STDOUT);
	agent_host_expect(&h, AGENT_MSG_STARTED, 1, &frame);
	out = agent_host_read_all(&h, 1);
	assert_string_equal(out, "done\n");
	agent_host_expect_exited(&h, 1, 0, 0);
	stop_idle(&h);
}

static void exec_fails_for_what_is_not_there(void **state)
{
	struct agent_host h;

	(void)state;
	start_idle(&h, plain);
	agent_host_exec(&h, 1, PROCESS("[\"nope\"]"), WANT_ALL);
	agent_host_expect_failed(&h, 1, ENOENT, AGENT_STAGE_EXEC,
				 "exec: \"nope\": executable file not found in $PATH");
	stop_idle(&h);
}

static void exec_is_refused_without_a_container(void **state)
{
	struct agent_host h;

	(void)state;
	agent_host_begin(&h);
	agent_host_send(&h, AGENT_MSG_EXEC, 1, "{\"process\":" PROCESS("[\"true\"]") "}",
			strlen("{\"process\":" PROCESS("[\"true\"]") "}"));
	agent_host_expect_failed(&h, 1, ESRCH, AGENT_STAGE_SETUP, "cannot exec in a stopped container");
	agent_host_end(&h);
}

static void exec_ends_with_the_container(void **state)
{
	struct agent_host_frame frame;
	struct agent_host h;

	(void)state;
	start_idle(&h, plain);
	agent_host_exec(&h, 1, PROCESS("[\"sleep\",\"1000\"]"), WANT_ALL);
	agent_host_expect(&h, AGENT_MSG_STARTED, 1, &frame);
	agent_host_signal(&h, 0, SIGKILL, false);
	agent_host_expect_exited(&h, 1, 0, SIGKILL);
	agent_host_expect_exited(&h, 0, 0, SIGKILL);
	agent_host_end(&h);
}

static void all_processes_get_a_signal(void **state)
{
	struct agent_host_frame frame;
	struct agent_host h;

	(void)state;
	start_idle(&h, plain);
	agent_host_exec(&h, 1, PROCESS("[\"sleep\",\"1000\"]"), 0);
	agent_host_expect(&h, AGENT_MSG_STARTED, 1, &frame);
	/* the pid namespace's first process has no handler, so it stays */
	agent_host_signal(&h, 0, SIGTERM, true);
	agent_host_expect_exited(&h, 1, 0, SIGTERM);
	stop_idle(&h);
}

static void a_terminal_has_its_size_and_takes_new_ones(void **state)
{
	const struct agent_winsize size = { .rows = le16_make(40), .cols = le16_make(120) };
	struct agent_host h;

	(void)state;
	agent_host_begin_with(&h,
			      &(struct agent_host_config){
				      .args = "[\"sh\",\"-c\",\"tty; stty size; ls -l /dev/console; read "
					      "x; stty size; test -t 2 && echo $x > /dev/console; tty > "
					      "/dev/tty; exit 5\"]" },
			      WANT_TERMINAL);
	agent_host_read_until(h.stream[0], "31 97\r\n");
	agent_host_send(&h, AGENT_MSG_RESIZE, 0, &size, sizeof(size));
	assert_int_equal(fd_write_all(h.stream[0], "word\n", 5), 0);
	agent_host_read_until(h.stream[0], "40 120\r\nword\r\n/dev/pts/0\r\n");
	agent_host_expect_exited(&h, 0, 5, 0);
	agent_host_end(&h);
}

static void a_terminal_that_is_closed_hangs_up(void **state)
{
	struct agent_host_frame frame;
	struct agent_host h;

	(void)state;
	agent_host_begin_with(
		&h,
		&(struct agent_host_config){
			.args = "[\"sh\",\"-c\",\"trap 'exit 6' HUP; echo up; while :; do sleep 0.01; done\"]" },
		WANT_TERMINAL);
	agent_host_read_until(h.stream[0], "up\r\n");
	shutdown(h.stream[0], SHUT_WR);
	agent_host_expect_exited(&h, 0, 6, 0);
	agent_host_end(&h);

	/* Process 1 has no default action for the signal, but reading fails. */
	agent_host_begin_with(&h, &(struct agent_host_config){ .args = "[\"cat\"]" }, WANT_TERMINAL);
	shutdown(h.stream[0], SHUT_WR);
	agent_host_next(&h, &frame);
	assert_int_equal(frame.type, AGENT_MSG_EXITED);
	agent_host_end(&h);
}

static void exec_may_have_a_terminal_of_its_own(void **state)
{
	struct agent_host_frame frame;
	struct agent_host h;

	(void)state;
	start_idle(&h, plain);
	agent_host_exec(
		&h, 1,
		"{\"terminal\":true,\"cwd\":\"/\",\"user\":{\"uid\":1000,\"gid\":1000},\"env\":[\"PATH=/"
		"bin\"],\"args\":[\"sh\",\"-c\",\"tty; stty size; echo open > $(tty)\"]}",
		WANT_TERMINAL);
	agent_host_expect(&h, AGENT_MSG_STARTED, 1, &frame);
	agent_host_read_until(h.stream[0], "/dev/pts/0\r\n31 97\r\nopen\r\n");
	agent_host_expect_exited(&h, 1, 0, 0);
	stop_idle(&h);
}

/* Requests that could never have been right end the link; the agent takes the container with it. */
static void requests_out_of_place_end_the_link(void **state)
{
	struct agent_host h;

	(void)state;
	agent_host_begin(&h);
	agent_host_send(&h, AGENT_MSG_START, 0, NULL, 0);
	agent_host_expect_protocol_error(&h);

	start_idle(&h, plain);
	agent_host_send(&h, AGENT_MSG_START, 0, NULL, 0);
	agent_host_expect_protocol_error(&h);

	start_idle(&h, plain);
	agent_host_send(&h, AGENT_MSG_CREATE, 0, "{}", 2);
	agent_host_expect_protocol_error(&h);

	start_idle(&h, plain);
	agent_host_send(&h, AGENT_MSG_EXEC, 0, "{}", 2);
	agent_host_expect_protocol_error(&h);

	start_idle(&h, plain);
	agent_host_signal(&h, 0, 65, false);
	agent_host_expect_protocol_error(&h);

	start_idle(&h, plain);
	agent_host_send(&h, AGENT_MSG_HELLO, 0, "0123456789abcdef", 16);
	agent_host_expect_protocol_error(&h);
}

static void expect_answer(struct agent_host *h, uint32_t request, int error, const char *body)
{
	struct agent_host_frame frame;

	agent_host_expect(h, AGENT_MSG_ANSWER, request, &frame);
	assert_true(frame.len >= 8);
	assert_int_equal(get_le32(frame.payload), error);
	frame.payload[frame.len < sizeof(frame.payload) ? frame.len : frame.len - 1] = '\0';
	if (!strstr((const char *)frame.payload + 8, body))
		fail_msg("\"%s\" is not in \"%s\"", body, (const char *)frame.payload + 8);
}

static void send_update(struct agent_host *h, uint32_t request, const char *text)
{
	agent_host_send(h, AGENT_MSG_UPDATE, request, text, strlen(text));
}

static void limits_and_statistics_are_answered(void **state)
{
	struct agent_host_frame frame;
	struct agent_host h;

	(void)state;
	agent_host_begin(&h);
	agent_host_send(&h, AGENT_MSG_STATS, 77, NULL, 0);
	expect_answer(&h, 77, ESRCH, "");
	send_update(&h, 78, "{\"resources\":{}}");
	expect_answer(&h, 78, ESRCH, "there is no container");
	agent_host_create(&h, &plain, 0, false);
	agent_host_expect(&h, AGENT_MSG_CREATED, 0, &frame);
	send_update(&h, 79, "{\"resources\":{\"pids\":{\"limit\":12}}}");
	expect_answer(&h, 79, 0, "");
	/* what is the host's is not the guest's */
	send_update(&h, 80,
		    "{\"resources\":{\"unified\":{\"io.max\":\"1:1 rbps=1\"},\"cpu\":{\"cpus\":\"99\"}}}");
	expect_answer(&h, 80, 0, "");
	send_update(&h, 81, "{\"resources\":{\"memory\":{\"limit\":\"x\"}}}");
	expect_answer(&h, 81, EINVAL, "resources.memory.limit");
	send_update(&h, 82, "{}");
	expect_answer(&h, 82, EINVAL, "resources");
	send_update(&h, 83, "nonsense");
	expect_answer(&h, 83, EINVAL, "");
	agent_host_send(&h, AGENT_MSG_STATS, 84, NULL, 0);
	expect_answer(&h, 84, 0, "\"cpu\":{");
	agent_host_end(&h);
}

static void late_requests_are_dropped(void **state)
{
	struct agent_winsize size = { 0 };
	struct agent_host_frame frame;
	struct agent_host h;

	(void)state;
	agent_host_begin_with(&h, &plain, 0);
	agent_host_expect_exited(&h, 0, 0, 0);
	agent_host_signal(&h, 0, SIGTERM, false);
	agent_host_signal(&h, 9, SIGTERM, false);
	agent_host_send(&h, AGENT_MSG_RESIZE, 9, &size, sizeof(size));
	agent_host_send(&h, AGENT_MSG_SYNC, 0, NULL, 0);
	agent_host_expect(&h, AGENT_MSG_SYNCED, 0, &frame);
	agent_host_end(&h);
}

static void processes_are_listed_by_the_containers_numbers(void **state)
{
	struct agent_host_frame frame;
	struct agent_host h;
	long long begun, started[2];
	char text[4096];
	int seconds;

	(void)state;
	agent_host_begin(&h);
	/* Before there is a container, the list is empty. */
	agent_host_send(&h, AGENT_MSG_PS, 0, NULL, 0);
	agent_host_expect(&h, AGENT_MSG_PS_LIST, 0, &frame);
	assert_int_equal(frame.len, 0);
	agent_host_create(
		&h, &(struct agent_host_config){ .args = "[\"sh\",\"-c\",\"sleep 1000 & echo up; wait\"]" },
		WANT_STDOUT, true);
	agent_host_expect(&h, AGENT_MSG_STARTED, 0, &frame);
	agent_host_read_until(h.stream[1], "up");
	begun = (long long)time(NULL);
	/* "up" may come before the shell's child is sleep. */
	for (int i = 0; i < 500; i++) {
		agent_host_send(&h, AGENT_MSG_PS, 0, NULL, 0);
		agent_host_expect(&h, AGENT_MSG_PS_LIST, 0, &frame);
		snprintf(text, sizeof(text), "%.*s", (int)frame.len, (const char *)frame.payload);
		if (strstr(text, " 0 0 sleep 1000\n"))
			break;
		usleep(10000);
	}
	assert_int_equal(sscanf(text,
				"1 0 0 %lld 0 0 sh -c sleep 1000 & echo up; wait\n2 1 0 %lld 0 0 sleep %d\n",
				&started[0], &started[1], &seconds),
			 3);
	assert_int_equal(seconds, 1000);
	for (int i = 0; i < 2; i++)
		assert_in_range(started[i], begun - 30, begun + 5);
	agent_host_signal(&h, 0, SIGKILL, false);
	agent_host_expect_exited(&h, 0, 0, SIGKILL);
	agent_host_end(&h);
}

/* The bytes, as a string too; or NULL: `error`. */
static const char *read_proc(struct agent_host *h, uint32_t pid, uint32_t file, int error, size_t *ret_len)
{
	const struct agent_proc msg = { le32_make(pid), le32_make(file) };
	static struct agent_host_frame frame;

	agent_host_send(h, AGENT_MSG_PROC, 5, &msg, sizeof(msg));
	agent_host_expect(h, AGENT_MSG_ANSWER, 5, &frame);
	assert_true(frame.len >= 8 && frame.len < sizeof(frame.payload));
	assert_int_equal(get_le32(frame.payload), error);
	frame.payload[frame.len] = '\0';
	*ret_len = frame.len - 8;
	return error ? NULL : (const char *)frame.payload + 8;
}

static void files_of_the_containers_proc_are_read(void **state)
{
	/* With a file of the container's over one of the kernel's. */
	const struct agent_host_config config = {
		.args = "[\"sh\",\"-c\",\"mount -o bind /bin/busybox /proc/1/status; echo up; sleep 1000; :\"]",
		.process =
			"\"capabilities\":{\"bounding\":[\"CAP_SYS_ADMIN\"],\"effective\":[\"CAP_SYS_ADMIN\"],"
			"\"permitted\":[\"CAP_SYS_ADMIN\"]},",
	};
	struct agent_host_frame frame;
	struct agent_host h;
	const char *text;
	size_t len;

	(void)state;
	agent_host_begin(&h);
	read_proc(&h, 0, AGENT_PROC_DIRECTORY, ESRCH, &len);
	agent_host_create(&h, &config, WANT_STDOUT, true);
	agent_host_expect(&h, AGENT_MSG_STARTED, 0, &frame);
	agent_host_read_until(h.stream[1], "up");
	text = read_proc(&h, 0, AGENT_PROC_DIRECTORY, 0, &len);
	assert_true(len >= 4 && len % 4 == 0);
	assert_int_equal(get_le32(text), 1);
	text = read_proc(&h, 0, AGENT_PROC_STAT, 0, &len);
	assert_non_null(strstr(text, "\nbtime "));
	read_proc(&h, 1, AGENT_PROC_DIRECTORY, 0, &len);
	assert_int_equal(len, 0);
	text = read_proc(&h, 1, AGENT_PROC_STAT, 0, &len);
	assert_memory_equal(text, "1 (", 3);
	text = read_proc(&h, 1, AGENT_PROC_CMDLINE, 0, &len);
	assert_memory_equal(text, "sh\0-c\0mount ", 12);
	read_proc(&h, 1, AGENT_PROC_STATUS, EXDEV, &len);
	read_proc(&h, 0, AGENT_PROC_STATUS, ENOENT, &len);
	read_proc(&h, 99999, AGENT_PROC_DIRECTORY, ENOENT, &len);
	read_proc(&h, 1, AGENT_PROC_FILES, EINVAL, &len);
	agent_host_signal(&h, 0, SIGKILL, false);
	agent_host_expect_exited(&h, 0, 0, SIGKILL);
	agent_host_end(&h);
}

/* As a process of the container; its other end is the agent's. */
static int connect_inside(const struct agent_host *h, const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/%d/root/run/vrun/sockets/%s", (int)h->agent,
		 name);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void answer_open(struct agent_host *h, uint32_t request, uint32_t error, uint32_t port)
{
	const struct agent_opened msg = { le32_make(error), le32_make(port) };

	agent_host_send(h, AGENT_MSG_OPENED, request, &msg, sizeof(msg));
}

static void expect_text(int fd, const char *expected)
{
	char buf[64] = "";

	assert_int_equal(fd_read_all(fd, buf, strlen(expected)), 0);
	assert_string_equal(buf, expected);
}

static void a_socket_of_the_host_is_joined_to_who_connects(void **state)
{
	struct agent_host_frame frame;
	struct agent_open open;
	struct agent_host h;
	uint32_t port;
	int inside, outside;
	char byte;

	(void)state;
	agent_host_begin(&h);
	agent_host_create(&h,
			  &(struct agent_host_config){
				  .args = "[\"sh\",\"-c\",\"stat -c '%a %u:%g %F' /s/host; sleep 1000\"]",
				  .mounts = ",{\"destination\":\"/s/host\",\"type\":\"bind\",\"source\":"
					    "\"" AGENT_SOCKET_DIR "/3-660-5-1000\",\"options\":[\"bind\"]}" },
			  WANT_STDOUT, true);
	agent_host_expect(&h, AGENT_MSG_STARTED, 0, &frame);
	agent_host_read_until(h.stream[1], "660 5:1000 socket\n");

	/* The host can't. */
	inside = connect_inside(&h, "3-660-5-1000");
	agent_host_expect(&h, AGENT_MSG_OPEN, 0, &frame);
	memcpy(&open, frame.payload, sizeof(open));
	assert_int_equal(le32_get(open.socket), 3);
	assert_int_equal(le32_get(open.uid), geteuid());
	assert_int_equal(le32_get(open.gid), getegid());
	answer_open(&h, 0, ECONNREFUSED, 0);
	assert_int_equal(read(inside, &byte, 1), 0);
	close(inside);

	/* Both ways, each to its end. */
	inside = connect_inside(&h, "3-660-5-1000");
	assert_int_equal(fd_write_all(inside, "early", 5), 0);
	agent_host_expect(&h, AGENT_MSG_OPEN, 1, &frame);
	port = agent_host_listen(&h, 0);
	answer_open(&h, 1, 0, port);
	outside = accept4(h.listening[0], NULL, NULL, SOCK_CLOEXEC);
	assert_true(outside >= 0);
	expect_text(outside, "early");
	assert_int_equal(shutdown(inside, SHUT_WR), 0);
	assert_int_equal(read(outside, &byte, 1), 0);
	assert_int_equal(fd_write_all(outside, "late", 4), 0);
	expect_text(inside, "late");
	close(outside);
	assert_int_equal(read(inside, &byte, 1), 0);
	close(inside);

	/* What was not asked. */
	answer_open(&h, 1, 0, port);
	agent_host_expect_protocol_error(&h);
}

static void more_connections_to_sockets_of_the_host_than_there_may_be(void **state)
{
	int fds[AGENT_SOCKET_CONNECTIONS_MAX + 1];
	struct agent_host_frame frame;
	struct agent_host h;
	char byte;

	(void)state;
	agent_host_begin(&h);
	agent_host_create(&h,
			  &(struct agent_host_config){
				  .args = "[\"sleep\",\"1000\"]",
				  .mounts = ",{\"destination\":\"/host\",\"type\":\"bind\",\"source\":"
					    "\"" AGENT_SOCKET_DIR "/0-666-0-0\",\"options\":[\"bind\"]}" },
			  0, true);
	agent_host_expect(&h, AGENT_MSG_STARTED, 0, &frame);
	for (uint32_t i = 0; i < AGENT_SOCKET_CONNECTIONS_MAX; i++) {
		fds[i] = connect_inside(&h, "0-666-0-0");
		agent_host_expect(&h, AGENT_MSG_OPEN, i, &frame);
	}
	fds[AGENT_SOCKET_CONNECTIONS_MAX] = connect_inside(&h, "0-666-0-0");
	assert_int_equal(read(fds[AGENT_SOCKET_CONNECTIONS_MAX], &byte, 1), 0);
	/* One that ends makes room. */
	answer_open(&h, 0, EACCES, 0);
	assert_int_equal(read(fds[0], &byte, 1), 0);
	close(fds[0]);
	fds[0] = connect_inside(&h, "0-666-0-0");
	agent_host_expect(&h, AGENT_MSG_OPEN, AGENT_SOCKET_CONNECTIONS_MAX, &frame);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	agent_host_signal(&h, 0, SIGKILL, false);
	agent_host_expect_exited(&h, 0, 0, SIGKILL);
	agent_host_end(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processes_are_listed_by_the_containers_numbers),
		cmocka_unit_test(a_socket_of_the_host_is_joined_to_who_connects),
		cmocka_unit_test(more_connections_to_sockets_of_the_host_than_there_may_be),
		cmocka_unit_test(output_comes_before_exited),
		cmocka_unit_test(exit_status_is_passed_on),
		cmocka_unit_test(signal_ends_the_process),
		cmocka_unit_test(handled_signal_is_delivered),
		cmocka_unit_test(created_process_waits_for_start),
		cmocka_unit_test(created_process_can_be_killed),
		cmocka_unit_test(missing_programs_are_told_as_runc_does),
		cmocka_unit_test(set_up_failures_name_the_field),
		cmocka_unit_test(standard_input_ends_with_its_stream),
		cmocka_unit_test(streams_that_nobody_wants_are_null),
		cmocka_unit_test(a_large_output_arrives_whole),
		cmocka_unit_test(a_reader_that_leaves_ends_the_writer),
		cmocka_unit_test(an_orphan_does_not_keep_the_container),
		cmocka_unit_test(exec_joins_the_container),
		cmocka_unit_test(exec_does_not_wait_for_its_orphans),
		cmocka_unit_test(exec_fails_for_what_is_not_there),
		cmocka_unit_test(exec_is_refused_without_a_container),
		cmocka_unit_test(exec_ends_with_the_container),
		cmocka_unit_test(all_processes_get_a_signal),
		cmocka_unit_test(a_terminal_has_its_size_and_takes_new_ones),
		cmocka_unit_test(a_terminal_that_is_closed_hangs_up),
		cmocka_unit_test(exec_may_have_a_terminal_of_its_own),
		cmocka_unit_test(requests_out_of_place_end_the_link),
		cmocka_unit_test(limits_and_statistics_are_answered),
		cmocka_unit_test(files_of_the_containers_proc_are_read),
		cmocka_unit_test(late_requests_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
