/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_vhost_user: messages with descriptors from a front-end that says anything,
 * before or after it has brought the device up as a good one does.
 */
#include "tests/fuzz/fuzz.h"

#include "base/cleanup.h"
#include "tests/unit/vu_front.h"

#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FDS_MAX = 12 };

/* A descriptor of a kind that a front-end may hold; most often what is expected. */
static int descriptor(struct front *front, uint8_t kind)
{
	switch (kind % 8) {
	case 0:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case 1: { /* memory that can shrink, and does */
		int fd = memfd_create("small", MFD_CLOEXEC);

		FUZZ_REQUIRE(fd >= 0 && ftruncate(fd, 8192) == 0);
		return fd;
	}
	case 2:
	case 3:
	case 4:
		return eventfd(kind >> 4, EFD_CLOEXEC | EFD_NONBLOCK);
	default:
		return fcntl(front->memfd, F_DUPFD_CLOEXEC, 0);
	}
}

static void send_bytes(struct front *front, const void *bytes, size_t len, const uint8_t *kinds, size_t n_fds)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control = { .room = { 0 } };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[FDS_MAX];

	if (n_fds > 0) {
		struct cmsghdr *c = &control.head;

		for (size_t i = 0; i < n_fds; i++)
			fds[i] = descriptor(front, kinds[i]);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	}
	(void)!sendmsg(front->sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	for (size_t i = 0; i < n_fds; i++)
		close_fd(fds[i]);
}

/* Numbers that make sense here, unless the input wants its own. */
static uint64_t value(struct fuzz_in *in)
{
	uint8_t what = fuzz_u8(in);

	switch (what % 8) {
	case 0:
		return FRONT_GPA + fuzz_u8(in) * 4096ULL;
	case 1:
	case 2:
		return FRONT_USER + (what & 8 ? 16ULL * FRONT_REGION : 0) + fuzz_u16(in);
	case 3:
		return FRONT_REGION;
	case 4:
		return fuzz_number(in);
	default:
		return what >> 3;
	}
}

static void send_message(struct front *front, struct fuzz_in *in)
{
	uint8_t kind = fuzz_u8(in), buf[sizeof(struct vu_header) + 8 * 48];
	struct vu_header header = { .request = kind & 0x80 ? fuzz_u8(in) : kind % 44, .flags = 1 };
	size_t words = fuzz_u8(in) % 40, n_fds, len;
	const uint8_t *kinds;

	if (kind & 0x40)
		header.flags = fuzz_u8(in);
	memset(buf, 0, sizeof(buf));
	header.size = (uint32_t)(words * 4);
	/* Two 32-bit numbers or one of 64 bits: the requests have both. */
	for (size_t at = 0; at < words * 4; at += 8) {
		uint64_t v = value(in);

		memcpy(buf + sizeof(header) + at, &v, sizeof(v));
	}
	if (fuzz_u8(in) == 0xff)
		header.size = (uint32_t)fuzz_number(in);
	memcpy(buf, &header, sizeof(header));
	kinds = fuzz_bytes(in, fuzz_u8(in) % 8 == 7 ? FDS_MAX : fuzz_u8(in) % 3, &n_fds);
	len = sizeof(header) + words * 4;
	send_bytes(front, buf, len, kinds, n_fds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	uint8_t how = fuzz_u8(&in);
	struct front front;

	if (how & 1)
		front_init_network(&front);
	else
		front_init(&front, how & 2, how & 4);
	if ((how & 9) == 8)
		front_start(&front);
	while (in.left > 0 && !front.closed) {
		uint8_t op = fuzz_u8(&in), reply[2048];
		const uint8_t *bytes;
		size_t len;

		switch (op % 8) {
		case 0:
			bytes = fuzz_bytes(&in, fuzz_u8(&in), &len);
			if (len > 0)
				send_bytes(&front, bytes, len, NULL, 0);
			break;
		case 1: /* the guest */
			if ((how & 9) == 8) {
				const struct ring_buf buf = { FRONT_GPA + FRONT_REGION / 2 + fuzz_u16(&in),
							      fuzz_u16(&in), op & 0x80 };

				ring_driver_add(&front.rings[0], &buf, 1);
				ring_driver_kick(&front.rings[0]);
			}
			break;
		default:
			send_message(&front, &in);
			break;
		}
		front_settle(&front);
		while (recv(front.sock, reply, sizeof(reply), MSG_DONTWAIT) > 0)
			;
	}
	front_done(&front);
	return 0;
}
