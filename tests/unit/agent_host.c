/* SPDX-License-Identifier: Apache-2.0 */
/* agent_host: see agent_host.h. */
#include "tests/unit/test.h"

#include "agent/agent.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "oci/spec.h"
#include "tests/unit/agent_host.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { TIMEOUT_MS = 30000 };

/* Of the test, also in the agent: its addresses are abstract, and others may test at the same time. */
static pid_t test_pid;

static struct sockaddr_un address(uint32_t port)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1, "vrun-test-%d-%u", (int)test_pid, port);
	return addr;
}

/* --- the agent's side --- */

static int connect_stream(void *ctx, uint32_t port)
{
	struct sockaddr_un addr = address(port);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)ctx;
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return fd_set_nonblock(fd, true) < 0 ? -EIO : TAKE_FD(fd);
}

/* Not this machine's disks. */
static void no_flush(bool durable)
{
	(void)durable;
}

static void no_devices(void)
{
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "agent: %s: %s\n", what, strerror(errno));
	_exit(99);
}

/* Whatever starts the tests may ignore and block signals: no container may see it. 32 is libc's own (nptl(7)). */
static void inherit_signals(void)
{
	/* the kernel's struct sigaction, longest on x86-64 */
	const unsigned long ignore[4] = { (unsigned long)(uintptr_t)SIG_IGN };
	const int signals[] = { SIGHUP, SIGUSR2, 32, SIGRTMIN };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGRTMAX);
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0, "blocking signals");
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		must(syscall(SYS_rt_sigaction, signals[i], ignore, NULL, 8) == 0, "ignoring a signal");
}

static _Noreturn void run_agent(int link)
{
	struct agent_config config = { .take_link = link,
				       .connector = { .connect = connect_stream },
				       .flush = no_flush,
				       .find_devices = no_devices };
	struct err err = ERR_INIT;
	char dir[96], pid[16];
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	inherit_signals();
	/* In the guest it is PID 1. */
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	must(unshare(CLONE_NEWNS) == 0, "a mount namespace");
	must(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) == 0, "private mounts");
	must(mount("tmpfs", "/run", "tmpfs", 0, NULL) == 0, "a /run of its own");
	must(mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL) == 0, "cgroup2");
	snprintf(dir, sizeof(dir), "/sys/fs/cgroup/vrun-test-%d", (int)getpid());
	must(mkdir(dir, 0755) == 0, "a cgroup");
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	strcat(dir, "/cgroup.procs");
	must(file_write(AT_FDCWD, dir, pid) == 0, "entering the cgroup");
	*strrchr(dir, '/') = '\0';
	must(unshare(CLONE_NEWCGROUP) == 0, "a cgroup namespace");
	must(umount2("/sys/fs/cgroup", MNT_DETACH) == 0, "leaving cgroup2");
	must(mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL) == 0, "cgroup2 again");
	r = agent_run(&config, &err);
	if (r != -ENODATA && r != -EPROTO)
		fprintf(stderr, "agent: %s\n", err.text);
	_exit(r == -ENODATA ? 0 : r == -EPROTO ? 2 : 1);
}

/* --- the host's side --- */

static void shell(const char *command, const char *arg)
{
	char line[512];

	snprintf(line, sizeof(line), command, arg, arg, arg);
	assert_int_equal(system(line), 0);
}

void agent_host_begin(struct agent_host *h)
{
	struct agent_host_frame frame;
	int pair[2];

	*h = (struct agent_host){ .next_port = 1,
				  .listening = { -EBADF, -EBADF, -EBADF },
				  .stream = { -EBADF, -EBADF, -EBADF } };
	strcpy(h->rootfs, "/tmp/vrun-agent-test.XXXXXX");
	assert_non_null(mkdtemp(h->rootfs));
	assert_int_equal(chmod(h->rootfs, 0755), 0);
	shell("cd %s && mkdir -p bin dev etc proc sys tmp root && cp $(command -v busybox) bin/ && "
	      "bin/busybox --install -s bin && for f in bin/*; do [ -L $f ] && ln -sf busybox $f; done; "
	      "chmod 1777 tmp; printf 'root:x:0:0::/root:/bin/sh\\nuser:x:1000:1000::/home/user:/bin/sh\\n' > "
	      "etc/passwd",
	      h->rootfs);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	test_pid = getpid();
	fflush(NULL);
	h->agent = fork();
	assert_true(h->agent >= 0);
	if (h->agent == 0) {
		close_fd(pair[0]);
		run_agent(pair[1]);
	}
	close_fd(pair[1]);
	h->link = pair[0];
	agent_host_expect(h, AGENT_MSG_HELLO, 0, &frame);
	assert_int_equal(get_le32(frame.payload), AGENT_PROTO_VERSION);
}

static void close_streams(struct agent_host *h)
{
	for (int i = 0; i < 3; i++) {
		h->listening[i] = close_fd(h->listening[i]);
		h->stream[i] = close_fd(h->stream[i]);
	}
}

static int remove_dir(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	if (type == FTW_DP)
		(void)rmdir(path);
	return 0;
}

static void finish(struct agent_host *h, int expected)
{
	char dir[96];
	int status;

	close_streams(h);
	h->link = close_fd(h->link);
	assert_int_equal(waitpid(h->agent, &status, 0), h->agent);
	shell("rm -rf --one-file-system %s", h->rootfs);
	/* The namespace is gone; its directory is left in the real hierarchy, for as long as a process dies. */
	snprintf(dir, sizeof(dir), "/sys/fs/cgroup/unified/vrun-test-%d", (int)h->agent);
	for (int i = 0; i < 100 && access(dir, F_OK) == 0; i++) {
		if (i)
			usleep(10000);
		(void)nftw(dir, remove_dir, 8, FTW_DEPTH | FTW_PHYS);
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), expected);
}

void agent_host_end(struct agent_host *h)
{
	finish(h, 0);
}

void agent_host_expect_protocol_error(struct agent_host *h)
{
	char byte;

	while (read(h->link, &byte, 1) > 0)
		;
	finish(h, 2);
}

void agent_host_send(struct agent_host *h, enum agent_msg type, uint32_t process, const void *payload,
		     size_t len)
{
	struct agent_frame frame = { .len = le32_make((uint32_t)len),
				     .type = le16_make((uint16_t)type),
				     .process = le32_make(process) };

	assert_int_equal(fd_write_all(h->link, &frame, sizeof(frame)), 0);
	if (len)
		assert_int_equal(fd_write_all(h->link, payload, len), 0);
}

uint32_t agent_host_listen(struct agent_host *h, int i)
{
	uint32_t port = h->next_port++;
	struct sockaddr_un addr = address(port);

	h->listening[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(h->listening[i] >= 0);
	assert_int_equal(bind(h->listening[i], (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(h->listening[i], 1), 0);
	return port;
}

static struct agent_stdio listen_all(struct agent_host *h, unsigned want)
{
	struct agent_stdio stdio = { 0 };

	close_streams(h);
	if (want & (WANT_STDIN | WANT_TERMINAL))
		stdio.stdin_port = agent_host_listen(h, 0);
	if (want & WANT_STDOUT)
		stdio.stdout_port = agent_host_listen(h, 1);
	if (want & WANT_STDERR)
		stdio.stderr_port = agent_host_listen(h, 2);
	if (want & WANT_TERMINAL) {
		stdio.rows = 31;
		stdio.cols = 97;
	}
	return stdio;
}

static void accept_all(struct agent_host *h)
{
	for (int i = 0; i < 3; i++) {
		struct pollfd pfd = { .fd = h->listening[i], .events = POLLIN };

		if (h->listening[i] < 0)
			continue;
		assert_int_equal(poll(&pfd, 1, TIMEOUT_MS), 1);
		h->stream[i] = accept4(h->listening[i], NULL, NULL, SOCK_CLOEXEC);
		assert_true(h->stream[i] >= 0);
		h->listening[i] = close_fd(h->listening[i]);
	}
}

#define USUAL_DEV                                                                                                     \
	",{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"nosuid\",\"strictatime\"," \
	"\"mode=755\",\"size=65536k\"]}"                                                                              \
	",{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":[\"nosuid\","           \
	"\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"]}"                                      \
	",{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\",\"options\":[\"nosuid\",\"noexec\","    \
	"\"nodev\",\"mode=1777\",\"size=65536k\"]}"

#define USUAL_NAMESPACES                                                                                     \
	"[{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"},{\"type\":\"cgroup\"}]"

static char *make_config(const struct agent_host *h, const struct agent_host_config *c, bool terminal)
{
	char *text;

	assert_true(
		asprintf(&text,
			 "{\"ociVersion\":\"1.0.2\",%s\"process\":{\"terminal\":%s,%s\"user\":%s,\"args\":%s,"
			 "\"env\":[\"PATH=/usr/bin:/bin\",\"TERM=xterm\"%s],\"cwd\":\"%s\"},"
			 "\"root\":{\"path\":\"%s\",\"readonly\":%s},\"mounts\":[{\"destination\":\"/"
			 "proc\",\"type\":\"proc\","
			 "\"source\":\"proc\"}%s%s],\"linux\":{%s\"namespaces\":%s}}",
			 c->top ?: "", terminal ? "true" : "false", c->process ?: "",
			 c->user ?: "{\"uid\":0,\"gid\":0}", c->args ?: "[\"true\"]", c->env ?: "",
			 c->cwd ?: "/", h->rootfs, c->readonly ? "true" : "false", c->dev_mounts ?: USUAL_DEV,
			 c->mounts ?: "", c->linux_ ?: "", c->namespaces ?: USUAL_NAMESPACES) > 0);
	return text;
}

void agent_host_create(struct agent_host *h, const struct agent_host_config *config, unsigned want,
		       bool start)
{
	struct agent_create msg = { .stdio = listen_all(h, want), .start = start };
	_cleanup_free_ char *config_text = make_config(h, config, want & WANT_TERMINAL), *text = NULL;
	struct err err = ERR_INIT;
	size_t len;

	if (oci_spec_parse(config_text, strlen(config_text), "config.json", &msg.config, &err) < 0)
		fail_msg("%s in %s", err.text, config_text);
	assert_int_equal(agent_create_write(&msg, &text, &len), 0);
	agent_host_send(h, AGENT_MSG_CREATE, AGENT_INIT, text, len);
	oci_spec_free(msg.config);
	accept_all(h);
}

void agent_host_begin_with(struct agent_host *h, const struct agent_host_config *config, unsigned want)
{
	struct agent_host_frame frame;

	agent_host_begin(h);
	agent_host_create(h, config, want, true);
	agent_host_expect(h, AGENT_MSG_STARTED, 0, &frame);
}

void agent_host_exec(struct agent_host *h, uint32_t number, const char *process, unsigned want)
{
	struct agent_exec msg = { .stdio = listen_all(h, want) };
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;
	size_t len;

	if (oci_process_parse(process, strlen(process), "process.json", &msg.process, &err) < 0)
		fail_msg("%s in %s", err.text, process);
	assert_int_equal(agent_exec_write(&msg, &text, &len), 0);
	agent_host_send(h, AGENT_MSG_EXEC, number, text, len);
	oci_process_free(msg.process);
	accept_all(h);
}

void agent_host_signal(struct agent_host *h, uint32_t number, int signo, bool all)
{
	struct agent_signal msg = { .signo = le32_make((uint32_t)signo), .all = le32_make(all) };

	agent_host_send(h, AGENT_MSG_SIGNAL, number, &msg, sizeof(msg));
}

static void wait_readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	if (poll(&pfd, 1, TIMEOUT_MS) != 1)
		fail_msg("nothing came for %d ms", TIMEOUT_MS);
}

void agent_host_next(struct agent_host *h, struct agent_host_frame *ret)
{
	struct agent_frame frame;

	wait_readable(h->link);
	assert_int_equal(fd_read_all(h->link, &frame, sizeof(frame)), 0);
	ret->type = le16_get(frame.type);
	ret->process = le32_get(frame.process);
	ret->len = le32_get(frame.len);
	assert_true(ret->len < sizeof(ret->payload));
	assert_int_equal(fd_read_all(h->link, ret->payload, ret->len), 0);
	ret->payload[ret->len] = '\0';
}

void agent_host_expect(struct agent_host *h, enum agent_msg type, uint32_t process,
		       struct agent_host_frame *ret)
{
	agent_host_next(h, ret);
	if (ret->type == AGENT_MSG_FAILED && type != AGENT_MSG_FAILED)
		fail_msg("process %u failed: %s", ret->process,
			 (char *)ret->payload + sizeof(struct agent_failed));
	assert_int_equal(ret->type, type);
	assert_int_equal(ret->process, process);
}

void agent_host_expect_exited(struct agent_host *h, uint32_t process, int status, int signo)
{
	struct agent_host_frame frame;

	agent_host_expect(h, AGENT_MSG_EXITED, process, &frame);
	assert_int_equal(get_le32(frame.payload + 4), signo);
	assert_int_equal(get_le32(frame.payload), status);
}

void agent_host_expect_failed(struct agent_host *h, uint32_t process, int error, int stage, const char *text)
{
	struct agent_host_frame frame;
	const char *message = (char *)frame.payload + sizeof(struct agent_failed);

	agent_host_expect(h, AGENT_MSG_FAILED, process, &frame);
	if (!strstr(message, text))
		fail_msg("\"%s\" is not in \"%s\"", text, message);
	assert_int_equal(get_le32(frame.payload), error);
	assert_int_equal(get_le32(frame.payload + 4), stage);
}

char *agent_host_read_all(struct agent_host *h, int stream)
{
	size_t len = 0, size = 1 << 16;
	char *buf = malloc(size);

	for (;;) {
		ssize_t n;

		wait_readable(h->stream[stream]);
		n = read(h->stream[stream], buf + len, size - len - 1);
		assert_true(n >= 0);
		if (n == 0)
			break;
		len += (size_t)n;
		if (size - len < 4096)
			buf = realloc(buf, size *= 2);
		assert_non_null(buf);
	}
	buf[len] = '\0';
	return buf;
}

void agent_host_read_until(int fd, const char *text)
{
	char seen[65536] = "";
	size_t len = 0;

	while (!strstr(seen, text)) {
		ssize_t n;

		assert_true(len < sizeof(seen) - 1);
		wait_readable(fd);
		n = read(fd, seen + len, sizeof(seen) - 1 - len);
		if (n <= 0)
			fail_msg("the stream ended before \"%s\": %s", text, seen);
		len += (size_t)n;
		seen[len] = '\0';
	}
}

char *agent_host_output(struct agent_host *h, struct agent_host_config config, const char *args, int status)
{
	struct agent_host_frame frame;
	char *out, *err, *both;

	agent_host_begin(h);
	config.args = args;
	agent_host_create(h, &config, WANT_ALL, true);
	agent_host_expect(h, AGENT_MSG_STARTED, AGENT_INIT, &frame);
	out = agent_host_read_all(h, 1);
	err = agent_host_read_all(h, 2);
	assert_true(asprintf(&both, "%s%s", out, err) >= 0);
	free(out);
	free(err);
	agent_host_next(h, &frame);
	if (frame.type != AGENT_MSG_EXITED || get_le32(frame.payload) != (uint32_t)status)
		fail_msg("frame %d, status %u, output: %s", frame.type, get_le32(frame.payload), both);
	agent_host_end(h);
	return both;
}
