/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_vsock: packets, whole and broken, of a few streams that are offered, taken and begun by the host. */
#include "tests/fuzz/fuzz.h"

#include "base/cleanup.h"
#include "base/endian.h"
#include "base/loop.h"
#include "vmm/virtio/vsock_internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

enum { CID = 42, PORT = 5000, PORTS = 4, HOST_ENDS = 16 };

/* Our ends of the streams. */
static int ends[HOST_ENDS];
static unsigned n_ends, n_ended;

static int new_end(int *ret_theirs)
{
	int pair[2];

	if (n_ends == HOST_ENDS)
		return -ECONNREFUSED;
	FUZZ_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	ends[n_ends++] = pair[0];
	*ret_theirs = pair[1];
	return 0;
}

static int on_connect(void *ctx, uint32_t guest_port, uint32_t host_port, int *ret_rfd, int *ret_wfd)
{
	int fd, r = host_port & 1 ? -ECONNREFUSED : new_end(&fd);

	(void)ctx;
	(void)guest_port;
	if (r == 0)
		*ret_rfd = *ret_wfd = fd;
	return r;
}

static void on_end(void *ctx, enum vsock_end why)
{
	(void)ctx;
	(void)why;
	n_ended++;
}

static void put_packet(struct ring_host *host, struct fuzz_in *in)
{
	uint8_t packet[VSOCK_HDR_SIZE + 4096] = { 0 };
	uint8_t which = fuzz_u8(in), odd = fuzz_u8(in);
	const uint8_t *bytes;
	size_t len;

	bytes = fuzz_bytes(in, fuzz_u8(in) * (odd & 0x80 ? 16U : 1U), &len);
	memcpy(packet + VSOCK_HDR_SIZE, bytes, len);
	put_le64(packet, odd & 1 && odd & 2 ? fuzz_number(in) : CID);
	put_le64(packet + 8, odd & 4 && odd & 2 ? fuzz_number(in) : VSOCK_HOST_CID);
	put_le32(packet + 16, 1000 + which % PORTS);
	put_le32(packet + 20, PORT + (which >> 2) % PORTS);
	put_le32(packet + 24, odd & 8 ? (uint32_t)fuzz_number(in) : (uint32_t)len);
	put_le16(packet + 28, odd & 16 && odd & 2 ? fuzz_u16(in) : VSOCK_TYPE_STREAM);
	put_le16(packet + 30, which >> 4);
	put_le32(packet + 32, fuzz_u8(in) & 3);
	put_le32(packet + 36, odd & 32 ? (uint32_t)fuzz_number(in) : 64 << 10);
	put_le32(packet + 40, odd & 64 ? (uint32_t)fuzz_number(in) : 0);
	fuzz_device_send(host, VSOCK_QUEUE_TX, in, packet, VSOCK_HDR_SIZE + len);
}

/* The host's end: reads, writes, goes away. */
static void host_step(struct fuzz_in *in)
{
	uint8_t what = fuzz_u8(in);
	unsigned i = what % HOST_ENDS;
	uint8_t buf[8192] = { 0 };

	if (i >= n_ends || ends[i] < 0)
		return;
	switch (what >> 4 & 3) {
	case 0:
		(void)!write(ends[i], buf, fuzz_u16(in) % sizeof(buf));
		break;
	case 1:
		(void)!read(ends[i], buf, sizeof(buf));
		break;
	case 2:
		shutdown(ends[i], what & 0x80 ? SHUT_RD : SHUT_WR);
		break;
	default:
		ends[i] = close_fd(ends[i]);
		break;
	}
}

static unsigned offer(struct vdev *dev, uint8_t what)
{
	int fd;

	if (what & 0x80) {
		virtio_vsock_withdraw(dev, PORT + what % PORTS);
		return 0;
	}
	if (new_end(&fd) < 0)
		return 0;
	if (what & 0x40)
		return virtio_vsock_connect(dev, 1000 + what % PORTS, fd, fd, on_end, NULL) == 0;
	return virtio_vsock_offer(dev, PORT + what % PORTS, what & 0x20, fd, fd, on_end, NULL) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct vsock_config config = { .guest_cid = CID, .connect = on_connect };
	struct fuzz_in in = { data, size };
	struct ring_host host;
	unsigned streams = 0;
	struct loop *loop;
	struct vdev *dev;

	n_ends = n_ended = 0;
	FUZZ_REQUIRE(loop_new(&loop) == 0);
	FUZZ_REQUIRE(virtio_vsock_new(loop, &config, &dev, NULL) == 0);
	fuzz_device_start(&host, dev, ~0ULL);
	while (in.left > 0) {
		uint8_t op = fuzz_u8(&in);

		switch (op >> 5) {
		case 0:
		case 1:
		case 2:
			put_packet(&host, &in);
			break;
		case 3:
			host_step(&in);
			break;
		case 4:
			streams += offer(dev, fuzz_u8(&in));
			break;
		case 5: { /* a buffer for what comes */
			const struct ring_buf buf = {
				(1 << 20) + FUZZ_REGION + (64 << 10) + (op & 31) * 4096U, 4096, true
			};

			ring_driver_add(&host.queues[VSOCK_QUEUE_RX], &buf, 1);
			ring_driver_kick(&host.queues[VSOCK_QUEUE_RX]);
			break;
		}
		default:
			fuzz_device_step(&host, op, &in);
			break;
		}
		fuzz_turn(loop, 3);
		FUZZ_REQUIRE(host.failures <= 1);
	}
	ring_host_done(&host);
	vdev_free(dev);
	/* Each end is reported at most once (an offer that was taken back is not). */
	FUZZ_REQUIRE(n_ended <= streams);
	loop_free(loop);
	while (n_ends > 0)
		close_fd(ends[--n_ends]);
	return 0;
}
