/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU engine: what comes of emulators that are missing, old, broken, killed, or
 * good. Each is a few lines of bash that speak QMP on the descriptor that they inherit.
 */
#include "tests/unit/test.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "vmm/console_log.h"
#include "vmm/engine.h"
#include "vmm/vm_spec.h"
#include "vmm/vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GREETING(version) "say '{\"QMP\": {\"version\": {\"qemu\": " version "}, \"capabilities\": []}}'\n"
#define GOOD_GREETING GREETING("{\"micro\": 22, \"minor\": 2, \"major\": 7}")
#define OLD_GREETING GREETING("{\"micro\": 1, \"minor\": 1, \"major\": 7}")
#define EXPECT(command) "hear; [[ $line == *" command "* ]] || exit 9\n"
#define RETURN "say '{\"return\": {}}'\n"
#define RUNNING GOOD_GREETING EXPECT("qmp_capabilities") RETURN EXPECT("cont") RETURN

static char dir[] = "/tmp/vrun-qemu.XXXXXX";
static char emulator[64], mark[64];

static struct {
	struct loop *loop;
	struct console_log *console;
	struct vm_spec spec;
	void *engine;
	unsigned ends;
	enum vmm_end end;
	struct err err; /* of the end */
	bool free_in_ended;
} t;

static void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

/* An emulator that does `body` in bash, with $qmp and $console as descriptors. */
static void make_emulator(const char *body)
{
	static const char head[] = "#!/bin/bash\n"
				   "for a; do case $a in\n"
				   "socket,id=qmp,fd=*) qmp=${a##*=} ;;\n"
				   "socket,id=console,fd=*) console=${a##*=} ;;\n"
				   "esac; done\n"
				   "say() { echo \"$1\" >&$qmp; }\n"
				   "hear() { IFS= read -r line <&$qmp; }\n"
				   /* Only builtins: a child would outlive what we kill. */
				   "wait_long() { read -t 20 <> <(:); }\n";
	char text[2048];

	snprintf(text, sizeof(text), "%smark=%s\n%s", head, mark, body);
	unlink(emulator);
	write_file(emulator, text, 0755);
}

static void ended(void *ctx, enum vmm_end end, const struct err *err)
{
	(void)ctx;
	t.ends++;
	t.end = end;
	if (err)
		t.err = *err;
	if (t.free_in_ended) {
		t.engine = (qemu_engine.free(t.engine), NULL);
	}
	loop_quit(t.loop, 0);
}

static int create(struct err *err)
{
	const struct engine_args args = {
		.loop = t.loop, .spec = &t.spec, .console = t.console, .ended = ended
	};

	return qemu_engine.create(&args, &t.engine, err);
}

static int set_up(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(emulator, sizeof(emulator), "%s/qemu", dir);
	snprintf(mark, sizeof(mark), "%s/mark", dir);
	assert_int_equal(loop_new(&t.loop), 0);
	assert_int_equal(console_log_new(-1, &t.console), 0);
	t.spec = (struct vm_spec){
		.id = (char *)"test,1",
		.engine = VM_ENGINE_QEMU,
		.kernel = (char *)"/proc/self/exe",
		.cpus = 1,
		.memory = 64 << 20,
		.qemu_path = emulator,
	};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (t.engine)
		qemu_engine.free(t.engine);
	console_log_free(t.console);
	loop_free(t.loop);
	unlink(emulator);
	unlink(mark);
	return rmdir(dir);
}

static void out_of_time(void *ctx)
{
	(void)ctx;
	fail_msg("out of time");
}

/* Run the loop until the engine ends. */
static void run_to_end(void)
{
	struct loop_source *source;

	assert_int_equal(loop_add_timer(t.loop, 20000, out_of_time, NULL, &source), 0);
	assert_int_equal(loop_run(t.loop), 0);
	loop_remove(source);
	assert_int_equal(t.ends, 1);
}

static void quit(void *ctx)
{
	loop_quit(ctx, 0);
}

static void run_for(unsigned ms)
{
	struct loop_source *source;

	assert_int_equal(loop_add_timer(t.loop, ms, quit, t.loop, &source), 0);
	assert_int_equal(loop_run(t.loop), 0);
	loop_remove(source);
}

/* Run the loop until the emulator has made its mark; returns what it wrote there. */
static int wait_for_mark(void)
{
	char *text = NULL;
	int n;

	for (unsigned i = 0; i < 2000; i++) {
		if (file_read(AT_FDCWD, mark, 64, &text, NULL) == 0 && strchr(text, '\n')) {
			n = atoi(text);
			free(text);
			return n;
		}
		free(text);
		text = NULL;
		run_for(10);
	}
	fail_msg("no mark");
	return -1;
}

/* The state letter of /proc/PID/stat, or 0 when there is no such process. */
static char process_state(int pid)
{
	char path[64], *text = NULL, *p, c = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (file_read(AT_FDCWD, path, 4096, &text, NULL) == 0 && (p = strrchr(text, ')')))
		c = p[2];
	free(text);
	return c;
}

static void run_whole(const char *body)
{
	struct err err = ERR_INIT;

	make_emulator(body);
	assert_int_equal(create(&err), 0);
	assert_int_equal(qemu_engine.run(t.engine, &err), 0);
	run_to_end();
}

static void assert_crashed(const char *text)
{
	assert_int_equal(t.end, VMM_END_CRASHED);
	if (!strstr(t.err.text, text))
		fail_msg("\"%s\" is not in \"%s\"", text, t.err.text);
}

/* --- Before the start --- */

static void assert_not_created(const char *text)
{
	struct err err = ERR_INIT;

	assert_true(create(&err) < 0);
	if (!strstr(err.text, text))
		fail_msg("\"%s\" is not in \"%s\"", text, err.text);
	/* Callers take these words for the container's own failure. */
	assert_null(strcasestr(err.text, "no such file"));
	assert_null(strcasestr(err.text, "permission denied"));
	assert_null(strcasestr(err.text, "not found in $PATH"));
}

static void says_what_to_install(void **state)
{
	(void)state;
	t.spec.qemu_path = (char *)"qemu-system-pdp11";
	assert_not_created("qemu-system-pdp11 is not installed");
	t.spec.qemu_path = (char *)"/nonexistent/qemu";
	assert_not_created("/nonexistent/qemu is missing");
}

static void says_which_file_is_missing(void **state)
{
	(void)state;
	make_emulator("exit 0");
	t.spec.kernel = (char *)"/nonexistent/vmlinux";
	assert_not_created("kernel /nonexistent/vmlinux");
	t.spec.kernel = (char *)"/proc/self/exe";
	t.spec.initrd = (char *)"/tmp";
	assert_not_created("initramfs /tmp");
}

static void says_that_the_host_is_too_small(void **state)
{
	(void)state;
	make_emulator("exit 0");
	t.spec.memory = 1ULL << 50;
	assert_not_created("MiB of guest memory are more than the host's");
}

static void says_that_the_emulator_is_no_program(void **state)
{
	(void)state;
	write_file(emulator,
		   "\x7f"
		   "ELF?",
		   0755);
	assert_not_created("can't run the emulator");
}

/* --- Emulators that fail --- */

static void tells_its_words_and_status(void **state)
{
	(void)state;
	run_whole("echo 'qemu: warning: harmless' >&2\necho 'qemu: -M: no such machine' >&2\nexit 3");
	assert_crashed("QEMU ended with status 3: qemu: -M: no such machine");
	assert_null(strstr(t.err.text, "harmless"));
}

static void tells_only_the_last_of_many_words(void **state)
{
	(void)state;
	run_whole(
		"for ((i = 0; i < 3000; i++)); do echo \"line $i of many\"; done\nprintf '\\e[31mend'\nexit 1");
	assert_crashed("line 2999 of many ?[31mend");
	assert_null(strstr(t.err.text, "line 2990"));
}

static void tells_the_signal(void **state)
{
	(void)state;
	run_whole(RUNNING "kill -SEGV $$");
	assert_crashed("killed by signal 11");
}

static void refuses_an_old_one(void **state)
{
	(void)state;
	run_whole(OLD_GREETING "wait_long");
	assert_crashed("QEMU 7.1 is too old, at least 7.2 is needed");
}

static void blames_the_age_of_one_that_knows_not_its_options(void **state)
{
	(void)state;
	run_whole("[ \"$1\" = --version ] && { echo 'QEMU emulator version 5.2.0 (Debian)'; exit 0; }\n"
		  "echo 'invalid option' >&2; exit 1");
	assert_crashed("QEMU 5.2 is too old");
}

static void ends_a_conversation_that_is_not_qmp(void **state)
{
	static const char *const bodies[] = {
		"say hello\n",
		"say '[]'\n",
		"say '{\"return\": {}}'\n",
		GOOD_GREETING RETURN RETURN RETURN, /* one more than commands */
		GOOD_GREETING "say '{\"hello\": 1}'\n",
		"printf '%100000d' 1 >&$qmp\n",
	};

	for (unsigned i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		char body[512];

		snprintf(body, sizeof(body), "%swait_long", bodies[i]);
		run_whole(body);
		assert_crashed("broke the protocol");
		tear_down(state);
		set_up(state);
	}
}

static void tells_why_it_doesnt_start(void **state)
{
	(void)state;
	run_whole(GOOD_GREETING EXPECT("qmp_capabilities") RETURN EXPECT(
		"cont") "say '{\"error\": {\"class\": \"GenericError\", \"desc\": \"not today\"}}'\nwait_long");
	assert_crashed("doesn't start: not today");
}

/* --- Emulators that work --- */

static void runs_only_when_told(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	make_emulator(GOOD_GREETING EXPECT("qmp_capabilities") RETURN
		      "echo 1 >$mark\nhear; echo 2 >$mark; wait_long");
	assert_int_equal(create(&err), 0);
	assert_int_equal(wait_for_mark(), 1);
	run_for(50);
	assert_int_equal(wait_for_mark(), 1);
	assert_int_equal(qemu_engine.run(t.engine, &err), 0);
	while (wait_for_mark() != 2)
		run_for(10);
	assert_int_equal(t.ends, 0);
}

static void a_shutdown_event_is_the_end(void **state)
{
	(void)state;
	run_whole(RUNNING "say '{\"event\": \"RESUME\", \"timestamp\": {}}'\n"
			  "say '{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true}}'\nwait_long");
	assert_int_equal(t.end, VMM_END_OFF);
}

static void a_reset_is_told_from_a_power_off(void **state)
{
	(void)state;
	run_whole(RUNNING "say '{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": "
			  "\"guest-reset\"}}'\nwait_long");
	assert_int_equal(t.end, VMM_END_RESET);
}

static void an_exit_after_the_event_is_no_crash(void **state)
{
	(void)state;
	run_whole(RUNNING "say '{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true}}'\nexit 1");
	assert_int_equal(t.end, VMM_END_OFF);
}

static void the_engine_may_be_freed_at_its_end(void **state)
{
	(void)state;
	t.free_in_ended = true;
	run_whole(RUNNING "say '{\"event\": \"SHUTDOWN\"}'\nwait_long");
	assert_null(t.engine);
}

static void the_console_is_kept_to_its_last_byte(void **state)
{
	char text[8192];

	(void)state;
	run_whole(RUNNING "for ((i = 0; i < 1000; i++)); do echo \"console $i\"; done >&$console\nexit 0");
	assert_true(console_log_tail(t.console, 2, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "console 999"));
}

static void the_console_takes_input(void **state)
{
	struct err err = ERR_INIT;
	char text[256];

	(void)state;
	make_emulator(RUNNING
		      "echo 1 >$mark\nread -r line <&$console; echo \"heard $line\" >&$console\nexit 0");
	assert_int_equal(create(&err), 0);
	assert_int_equal(qemu_engine.run(t.engine, &err), 0);
	wait_for_mark();
	assert_int_equal(qemu_engine.console_input(t.engine, "hello\n", 6), 6);
	run_to_end();
	assert_true(console_log_tail(t.console, 2, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "heard hello"));
	assert_int_equal(qemu_engine.console_input(t.engine, "x", 1), 0);
}

static void a_paused_one_stands_still(void **state)
{
	struct err err = ERR_INIT;
	int pid;

	(void)state;
	make_emulator(RUNNING "echo $$ >$mark\nwait_long");
	assert_int_equal(create(&err), 0);
	assert_int_equal(qemu_engine.run(t.engine, &err), 0);
	pid = wait_for_mark();
	assert_int_equal(qemu_engine.pause(t.engine, &err), 0);
	assert_int_equal(process_state(pid), 'T');
	assert_int_equal(qemu_engine.pause(t.engine, &err), 0);
	assert_int_equal(qemu_engine.resume(t.engine, &err), 0);
	assert_int_not_equal(process_state(pid), 'T');
	/* Killed while paused, as by stop(). */
	assert_int_equal(qemu_engine.pause(t.engine, &err), 0);
	qemu_engine.stop(t.engine);
	assert_int_equal(process_state(pid), 0);
	assert_int_equal(t.ends, 0);
	assert_int_equal(qemu_engine.resume(t.engine, &err), -ESRCH);
}

static void killed_by_hand_is_a_crash(void **state)
{
	struct err err = ERR_INIT;
	int pid;

	(void)state;
	make_emulator(RUNNING "echo $$ >$mark\nwait_long");
	assert_int_equal(create(&err), 0);
	assert_int_equal(qemu_engine.run(t.engine, &err), 0);
	pid = wait_for_mark();
	assert_int_equal(kill(pid, SIGKILL), 0);
	run_to_end();
	assert_crashed("killed by signal 9");
	assert_int_equal(qemu_engine.run(t.engine, &err), -ESRCH);
	assert_int_equal(qemu_engine.pause(t.engine, &err), -ESRCH);
}

static void inherits_nothing_but_its_sockets(void **state)
{
	int fd = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, as our own parent may have left one */

	(void)state;
	assert_true(fd >= 0);
	/* stdin, stdout, stderr, QMP, two consoles, bash's script and the directory being read. */
	run_whole(
		"set -- /proc/$$/fd/*\n[ $# -le 8 ] || { echo \"open: $*\"; exit 1; }\n"
		"[ -z \"$HOME\" ] || exit 2\nwhile read -r key value; do [ $key = SigBlk: ] && break; done </proc/$$/status\n"
		"[ $value = 0000000000000000 ] || exit 3\nexit 0");
	if (t.end != VMM_END_OFF)
		fail_msg("%s", t.err.text);
	close(fd);
}

static void dies_with_its_parent(void **state)
{
	pid_t child;
	int pid;

	(void)state;
	make_emulator(RUNNING "echo $$ >$mark\nwait_long");
	child = fork();
	if (child == 0) {
		struct err err = ERR_INIT;

		/* A loop of its own: an epoll descriptor is shared over a fork. */
		if (loop_new(&t.loop) == 0 && create(&err) == 0 && qemu_engine.run(t.engine, &err) == 0)
			loop_run(t.loop);
		_exit(1);
	}
	pid = wait_for_mark();
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	for (unsigned i = 0; i < 500 && process_state(pid) != 0 && process_state(pid) != 'Z'; i++)
		usleep(10000);
	/* Whoever reaps orphans here may be slow. */
	assert_true(process_state(pid) == 0 || process_state(pid) == 'Z');
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(says_what_to_install),
		T(says_which_file_is_missing),
		T(says_that_the_host_is_too_small),
		T(says_that_the_emulator_is_no_program),
		T(tells_its_words_and_status),
		T(tells_only_the_last_of_many_words),
		T(tells_the_signal),
		T(refuses_an_old_one),
		T(blames_the_age_of_one_that_knows_not_its_options),
		T(ends_a_conversation_that_is_not_qmp),
		T(tells_why_it_doesnt_start),
		T(runs_only_when_told),
		T(a_shutdown_event_is_the_end),
		T(a_reset_is_told_from_a_power_off),
		T(an_exit_after_the_event_is_no_crash),
		T(the_engine_may_be_freed_at_its_end),
		T(the_console_is_kept_to_its_last_byte),
		T(the_console_takes_input),
		T(a_paused_one_stands_still),
		T(killed_by_hand_is_a_crash),
		T(inherits_nothing_but_its_sockets),
		T(dies_with_its_parent),
	};

	log_set_stderr(false);
	return cmocka_run_group_tests_name("qemu_engine", tests, NULL, NULL);
}
