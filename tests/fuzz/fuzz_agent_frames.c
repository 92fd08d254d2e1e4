/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_agent_frames: what a host may say to the agent (agent_run(), in this process). What it would do to
 * the machine is stopped by a seccomp list: no process begins, nothing is mounted, and the clock
 * stays; those are the agent's own errors then, which it has to report and live with.
 */
#include "tests/fuzz/fuzz.h"

#include "agent/agent.h"
#include "base/cleanup.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/fd.h"
#include "oci/agent_proto.h"

#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void once(void)
{
	static const int calls[] = {
		SCMP_SYS(fork),	     SCMP_SYS(vfork),	     SCMP_SYS(execve),	      SCMP_SYS(execveat),
		SCMP_SYS(mount),     SCMP_SYS(umount2),	     SCMP_SYS(pivot_root),    SCMP_SYS(chroot),
		SCMP_SYS(unshare),   SCMP_SYS(setns),	     SCMP_SYS(mkdir),	      SCMP_SYS(mkdirat),
		SCMP_SYS(mknod),     SCMP_SYS(mknodat),	     SCMP_SYS(rmdir),	      SCMP_SYS(rename),
		SCMP_SYS(renameat2), SCMP_SYS(symlink),	     SCMP_SYS(symlinkat),     SCMP_SYS(link),
		SCMP_SYS(linkat),    SCMP_SYS(chmod),	     SCMP_SYS(fchmodat),      SCMP_SYS(chown),
		SCMP_SYS(fchownat),  SCMP_SYS(kill),	     SCMP_SYS(clock_settime), SCMP_SYS(clock_adjtime),
		SCMP_SYS(adjtimex),  SCMP_SYS(settimeofday), SCMP_SYS(reboot),	      SCMP_SYS(sethostname),
		SCMP_SYS(bpf),	     SCMP_SYS(clone3),	     SCMP_SYS(sync),	      SCMP_SYS(setpriority),
	};
	static bool done;
	scmp_filter_ctx ctx;

	if (done)
		return;
	done = true;
	ctx = seccomp_init(SCMP_ACT_ALLOW);
	FUZZ_REQUIRE(ctx);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		FUZZ_REQUIRE(seccomp_rule_add(ctx,
					      SCMP_ACT_ERRNO(calls[i] == SCMP_SYS(clone3) ? ENOSYS : EPERM),
					      calls[i], 0) == 0);
	/* What shares our memory are the sanitizer's helpers. */
	FUZZ_REQUIRE(seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAGAIN), SCMP_SYS(clone), 1,
				      SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_VM, 0)) == 0);
	FUZZ_REQUIRE(seccomp_load(ctx) == 0);
	seccomp_release(ctx);
}

static int connect_stream(void *ctx, uint32_t port)
{
	int pair[2];

	(void)ctx;
	if (port % 4 == 3)
		return -ECONNREFUSED;
	FUZZ_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	close(pair[1]);
	return pair[0];
}

static void no_flush(bool durable)
{
	(void)durable;
}

static void no_devices(void)
{
}

/* One frame: the header mostly fits. */
static void put_frame(struct fuzz_in *in, int fd)
{
	struct agent_frame frame = { .reserved = le16_make(0) };
	uint8_t what = fuzz_u8(in);
	const uint8_t *bytes;
	size_t len;

	bytes = fuzz_bytes(in, what & 0x80 ? fuzz_u16(in) % 8192 : fuzz_u8(in), &len);
	frame.len = le32_make(what & 0x40 && what & 0x20 ? (uint32_t)fuzz_number(in) : (uint32_t)len);
	frame.type = le16_make(what % 16);
	frame.process = le32_make(fuzz_u8(in) % 3);
	(void)!send(fd, &frame, sizeof(frame), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (len > 0)
		(void)!send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct agent_config config = { .connector = { .connect = connect_stream },
				       .flush = no_flush,
				       .find_devices = no_devices };
	struct err err = ERR_INIT;
	int pair[2], big = 1 << 20, r;

	once();
	FUZZ_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	(void)setsockopt(pair[1], SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big));
	for (unsigned i = 0; i < 64 && in.left > 0; i++)
		put_frame(&in, pair[1]);
	/* The agent reads it all, then finds the end. */
	shutdown(pair[1], SHUT_WR);
	config.take_link = pair[0];
	r = agent_run(&config, &err);
	FUZZ_REQUIRE(r < 0 && err.text[0]);
	close(pair[1]);
	return 0;
}
