/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_net: frames with their headers and control commands of a driver, over a real tap (in the
 * sandbox's network namespace) or a stream socket, and what passt may send on that.
 */
#include "tests/fuzz/fuzz.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/loop.h"
#include "vmm/virtio/net.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { PAIRS = 2 };

/* One tap for all inputs: to make one takes the kernel milliseconds. */
static int taps[PAIRS] = { -EBADF, -EBADF };

static void open_taps(void)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(ifr.ifr_name, "fuzz0");
	for (unsigned i = 0; i < PAIRS; i++) {
		taps[i] = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
		if (taps[i] < 0 || ioctl(taps[i], TUNSETIFF, &ifr) < 0) {
			perror("fuzz_net: /dev/net/tun");
			exit(1);
		}
	}
	ifr.ifr_flags = IFF_UP;
	FUZZ_REQUIRE(sock >= 0 && ioctl(sock, SIOCSIFFLAGS, &ifr) == 0);
	close(sock);
}

/* A frame with a header that is mostly possible. */
static void send_frame(struct ring_host *host, unsigned pairs, struct fuzz_in *in)
{
	uint8_t frame[12 + 4096], what = fuzz_u8(in);
	struct virtio_net_hdr_v1 hdr = { .flags = what & 3 };
	const uint8_t *bytes;
	size_t len;

	hdr.gso_type = fuzz_u8(in);
	if (what & 0x80)
		hdr.gso_type %= 5;
	hdr.hdr_len = fuzz_u8(in);
	hdr.gso_size = (uint16_t)fuzz_number(in);
	hdr.csum_start = what & 0x40 ? fuzz_u16(in) : 34;
	hdr.csum_offset = what & 0x20 ? fuzz_u16(in) : 16;
	memcpy(frame, &hdr, sizeof(hdr));
	bytes = fuzz_bytes(in, fuzz_u8(in) * (what & 0x10 ? 16U : 1U), &len);
	memcpy(frame + sizeof(hdr), bytes, len);
	fuzz_device_send(host, 2 * (what >> 2 & 1) % (2 * pairs) + 1, in, frame, sizeof(hdr) + len);
}

/* A command with its acknowledgement. */
static void control(struct ring_host *host, struct fuzz_in *in)
{
	uint8_t command[2 + 256];
	const uint8_t *bytes;
	size_t len;

	command[0] = fuzz_u8(in) % 8;
	command[1] = fuzz_u8(in) % 6;
	bytes = fuzz_bytes(in, fuzz_u8(in), &len);
	memcpy(command + 2, bytes, len);
	fuzz_device_send(host, host->dev->n_vqs - 1, in, command, 2 + len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vnet_config config = { .tag = "net0", .mac = { 2, 0, 0x5e, 0x10, 0, 1 }, .mtu = 1500 };
	struct fuzz_in in = { data, size };
	uint8_t how = fuzz_u8(&in);
	struct err err = ERR_INIT;
	struct ring_host host;
	struct loop *loop;
	struct vdev *dev;
	int pair[2] = { -EBADF, -EBADF };

	if (taps[0] < 0)
		open_taps();
	config.stream = how & 1;
	config.n_pairs = config.stream ? 1 : PAIRS;
	if (config.stream) {
		FUZZ_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
		config.take_tap_fds[0] = TAKE_FD(pair[1]);
	} else {
		/* A device expects queues that are attached, as they are born: those that the last input left are not. */
		for (unsigned i = 0; i < PAIRS; i++)
			(void)ioctl(taps[i], TUNSETQUEUE, &(struct ifreq){ .ifr_flags = IFF_ATTACH_QUEUE });
		for (unsigned i = 0; i < PAIRS; i++)
			config.take_tap_fds[i] = fcntl(taps[i], F_DUPFD_CLOEXEC, 3);
	}
	FUZZ_REQUIRE(loop_new(&loop) == 0);
	FUZZ_REQUIRE(virtio_net_new(loop, &config, &dev, &err) == 0);
	fuzz_device_start(&host, dev,
			  how & 2 ? ~0ULL
				  : VDEV_RING_FEATURES | 1ULL << VIRTIO_NET_F_CTRL_VQ | fuzz_u64(&in));
	while (in.left > 0) {
		uint8_t op = fuzz_u8(&in), reply[4096];
		const uint8_t *bytes;
		size_t len;

		switch (op >> 5) {
		case 0:
		case 1:
			send_frame(&host, config.n_pairs, &in);
			break;
		case 2:
		case 3:
			control(&host, &in);
			break;
		case 4: /* from passt */
			bytes = fuzz_bytes(&in, fuzz_u8(&in), &len);
			if (pair[0] >= 0)
				(void)!send(pair[0], bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
			break;
		default:
			fuzz_device_step(&host, op, &in);
			break;
		}
		fuzz_turn(loop, 2);
		while (pair[0] >= 0 && recv(pair[0], reply, sizeof(reply), MSG_DONTWAIT) > 0)
			;
	}
	ring_host_done(&host);
	vdev_free(dev);
	loop_free(loop);
	close_fd(pair[0]);
	return 0;
}
