/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_guest_frames: what an agent may say to the host while a container and an exec are under way. */
#include "tests/fuzz/fuzz.h"

#include "base/cleanup.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/loop.h"
#include "oci/agent_stats.h"
#include "runtime/guest.h"
#include "runtime/proc_fs.h"

#include <linux/fuse.h>
#include <string.h>
#include <sys/socket.h>

enum { PORTS = 8 };

static struct {
	vsock_end_fn ended;
	void *stream;
} ports[PORTS];
static unsigned n_ports, n_over, n_lost;

static int offer(void *ctx, uint32_t port, int take_rfd, int take_wfd, vsock_end_fn ended, void *stream)
{
	(void)ctx;
	(void)port;
	close_fd(take_rfd);
	if (take_wfd != take_rfd)
		close_fd(take_wfd);
	if (n_ports == PORTS)
		return -ENOSPC;
	ports[n_ports].ended = ended;
	ports[n_ports++].stream = stream;
	return 0;
}

/* The guest has connected to each by then. */
static int withdraw(void *ctx, uint32_t port)
{
	(void)ctx;
	(void)port;
	return -ENOENT;
}

static void on_hello(void *ctx, const struct guest_times *times)
{
	(void)ctx;
	(void)times;
}

/* What asks for files of /proc: a kernel's end, and the number that its questions have. */
enum { PROC_REQUEST = 2 };
static struct proc_fs *proc;
static int kernel;

static int on_proc(void *ctx, uint32_t pid, uint32_t file, uint32_t *ret_number)
{
	(void)ctx;
	FUZZ_REQUIRE(pid <= AGENT_PID_MAX && file < AGENT_PROC_FILES);
	*ret_number = PROC_REQUEST;
	return 0;
}

/* List the processes, or open their /proc/stat; and take what comes. */
static void read_proc(bool directory)
{
	const struct fuse_in_header head = {
		.len = sizeof(head),
		.opcode = directory ? FUSE_OPENDIR : FUSE_OPEN,
		.unique = 2,
		.nodeid = FUSE_ROOT_ID + !directory,
	};
	uint8_t buf[4096];

	while (recv(kernel, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	(void)!send(kernel, &head, sizeof(head), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int on_answer(void *ctx, uint32_t request, int error, const uint8_t *body, size_t len)
{
	_cleanup_agent_stats_ struct agent_stats stats = { .n_io = 0 };
	struct err err = ERR_INIT;

	(void)ctx;
	if (request == PROC_REQUEST)
		return proc_fs_answer(proc, request, error, body, len);
	if (error == 0 && agent_stats_parse((const char *)body, len, &stats, &err) < 0)
		return -EPROTO;
	return 0;
}

static void on_oom(void *ctx, uint64_t kills)
{
	(void)ctx;
	(void)kills;
}

/* There is one. */
static int on_open(void *ctx, uint32_t request, uint32_t socket, uint32_t uid, uint32_t gid)
{
	(void)ctx;
	(void)request;
	(void)uid;
	(void)gid;
	return socket == 0 ? 0 : -EPROTO;
}

static void on_lost(void *ctx, const struct err *why)
{
	(void)ctx;
	FUZZ_REQUIRE(why->code < 0 && why->text[0]);
	n_lost++;
}

static void on_state(void *ctx)
{
	FUZZ_REQUIRE(*(struct guest_process **)ctx);
}

/* What a terminal would obey does not get through. */
static void check_text(const char *text)
{
	for (; *text; text++)
		FUZZ_REQUIRE((unsigned char)*text >= 0x20 || *text == '\n' || *text == '\t');
}

static void on_failed(void *ctx, int status, int error, const char *text)
{
	(void)error;
	FUZZ_REQUIRE(status > 0 && status < 256);
	check_text(text);
	*(struct guest_process **)ctx = NULL;
	n_over++;
}

static void on_ended(void *ctx, int status)
{
	FUZZ_REQUIRE(status >= 0 && status < 256);
	*(struct guest_process **)ctx = NULL;
	n_over++;
}

static void on_ps(void *ctx, const char *text)
{
	(void)ctx;
	check_text(text);
}

static const struct guest_stream_ops stream_ops = { .offer = offer, .withdraw = withdraw };
static const struct guest_ops guest_ops = {
	.hello = on_hello, .answer = on_answer, .open = on_open, .oom = on_oom, .lost = on_lost
};
static const struct guest_process_ops process_ops = { on_state, on_state, on_failed, on_ended };

static struct guest_stdio stdio(uint32_t port)
{
	struct guest_stdio io = { .wire = { .stdout_port = port }, .fds = { -EBADF, -EBADF, -EBADF } };
	int pair[2];

	FUZZ_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	close(pair[1]);
	io.fds[1] = pair[0];
	return io;
}

/* The frame's header mostly fits, its payload is the input's. */
static void say(int agent, struct fuzz_in *in)
{
	static const struct agent_hello hello = { .version = { 0 } };
	struct agent_frame frame = { .type = le16_make(0) };
	uint8_t what = fuzz_u8(in), buf[512];
	const uint8_t *bytes;
	size_t len;

	bytes = fuzz_bytes(in, what & 0x80 ? fuzz_u8(in) : 8, &len);
	memcpy(buf, bytes, len);
	if (what % 16 == 0) {
		struct agent_hello mine = hello;

		mine.version = le32_make(what & 0x40 ? fuzz_u8(in) : AGENT_PROTO_VERSION);
		memcpy(buf, &mine, sizeof(mine));
		len = sizeof(mine);
	}
	frame.len = le32_make(what & 0x20 && what & 0x10 ? (uint32_t)fuzz_number(in) : (uint32_t)len);
	frame.type = le16_make((uint16_t)(AGENT_MSG_HELLO + what % 16));
	frame.process = le32_make(fuzz_u8(in) % 3);
	(void)!send(agent, &frame, sizeof(frame), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (len)
		(void)!send(agent, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct guest_process *init = NULL, *exec = NULL;
	struct guest_stdio io;
	struct guest *guest;
	struct loop *loop;
	int pair[2], fuse[2];

	n_ports = n_over = n_lost = 0;
	FUZZ_REQUIRE(loop_new(&loop) == 0);
	FUZZ_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	FUZZ_REQUIRE(guest_new(loop, pair[0], &stream_ops, NULL, &guest_ops, NULL, &guest) == 0);
	io = stdio(7);
	FUZZ_REQUIRE(guest_create(guest, "{}", 2, &io, &process_ops, &init, &init) == 0);
	io = stdio(8);
	FUZZ_REQUIRE(guest_exec(guest, "{}", 2, &io, &process_ops, &exec, &exec) == 0);
	FUZZ_REQUIRE(guest_ps(guest, on_ps, NULL) == 0);
	FUZZ_REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fuse) == 0);
	kernel = fuse[0];
	FUZZ_REQUIRE(proc_fs_new(loop, fuse[1], on_proc, NULL, &proc) == 0);
	fuzz_turn(loop, 2);
	while (in.left > 0 && n_lost == 0) {
		uint8_t op = fuzz_u8(&in), buf[4096];
		const uint8_t *bytes;
		size_t len;

		switch (op % 16) {
		case 0:
			if (init)
				(void)guest_start(init);
			break;
		case 1:
			if (init)
				(void)guest_signal(init, op >> 4, op & 0x80);
			break;
		case 2: { /* the end of a stream */
			unsigned i = op >> 4;

			if (i < n_ports && ports[i].ended) {
				vsock_end_fn ended = ports[i].ended;

				ports[i].ended = NULL;
				ended(ports[i].stream, VSOCK_END_CLOSED);
			}
			break;
		}
		case 3: /* any bytes */
			bytes = fuzz_bytes(&in, fuzz_u8(&in), &len);
			(void)!send(pair[1], bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
			break;
		case 4:
			if (exec && op & 0x80) {
				guest_abandon(exec);
				exec = NULL;
			}
			break;
		case 5:
			read_proc(op & 0x80);
			break;
		default:
			say(pair[1], &in);
			break;
		}
		while (recv(pair[1], buf, sizeof(buf), MSG_DONTWAIT) > 0)
			;
		fuzz_turn(loop, 2);
		FUZZ_REQUIRE(n_over <= 2 && n_lost <= 1);
	}
	guest_free(guest);
	proc_fs_free(proc);
	close(kernel);
	loop_free(loop);
	close(pair[1]);
	return 0;
}
