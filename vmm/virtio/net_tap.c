/* SPDX-License-Identifier: Apache-2.0 */
/* net_tap: see net_tap.h. */
#include "vmm/virtio/net_tap.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "vmm/virtio/net.h"

#include <inttypes.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define BIT(n) (1ULL << (n))

/* Segmentation offloads: what lets the tap give us such frames, and what the guest may then give the tap. */
static const struct {
	uint64_t guest, host; /* VIRTIO_NET_F_* */
	unsigned long offload;
} segments[] = {
	{ BIT(VIRTIO_NET_F_GUEST_TSO4), BIT(VIRTIO_NET_F_HOST_TSO4), TUN_F_TSO4 },
	{ BIT(VIRTIO_NET_F_GUEST_TSO6), BIT(VIRTIO_NET_F_HOST_TSO6), TUN_F_TSO6 },
	{ BIT(VIRTIO_NET_F_GUEST_UFO), BIT(VIRTIO_NET_F_HOST_UFO), TUN_F_UFO },
#ifdef VIRTIO_NET_F_HOST_USO
	/* The kernel knows the two only together. */
	{ BIT(VIRTIO_NET_F_GUEST_USO4) | BIT(VIRTIO_NET_F_GUEST_USO6), BIT(VIRTIO_NET_F_HOST_USO),
	  TUN_F_USO4 | TUN_F_USO6 },
#endif
};

/* One of `fds`; *name is the tap's, "" for the first. */
static int check_queue(int fd, bool multi, char name[IFNAMSIZ], struct err *err)
{
	const int wanted = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (multi ? IFF_MULTI_QUEUE : 0);
	struct ifreq ifr = { .ifr_flags = 0 };
	int r;

	if (ioctl(fd, TUNGETIFF, &ifr) < 0)
		return err_set_errno(err, -errno, "descriptor %d is no tap", fd);
	if ((ifr.ifr_flags & wanted) != wanted)
		return err_set(err, -EINVAL, "%.*s is no tap with vnet headers%s", IFNAMSIZ, ifr.ifr_name,
			       multi ? " and several queues" : "");
	if (name[0] && strncmp(name, ifr.ifr_name, IFNAMSIZ) != 0)
		return err_set(err, -EINVAL, "queues of two taps, %.*s and %.*s", IFNAMSIZ, name, IFNAMSIZ,
			       ifr.ifr_name);
	memcpy(name, ifr.ifr_name, IFNAMSIZ);
	if ((r = fd_set_nonblock(fd, true)) < 0 || (r = fd_set_cloexec(fd, true)) < 0)
		return err_set_errno(err, r, "%.*s", IFNAMSIZ, name);
	return 0;
}

int net_tap_prepare(const int *fds, unsigned n, int hdr_len, struct err *err)
{
	char name[IFNAMSIZ] = "";
	int one = 1, r;

	for (unsigned i = 0; i < n; i++) {
		r = check_queue(fds[i], n > 1, name, err);
		if (r < 0)
			return r;
	}
	if (ioctl(fds[0], TUNSETVNETHDRSZ, &hdr_len) < 0 || ioctl(fds[0], TUNSETVNETLE, &one) < 0)
		return err_set_errno(err, -errno, "%.*s: can't set its header", IFNAMSIZ, name);
	r = net_tap_set_offloads(fds[0], 0);
	return r < 0 ? err_set_errno(err, r, "%.*s: can't set its offloads", IFNAMSIZ, name) : 0;
}

static int set(int fd, unsigned long offloads)
{
	return ioctl(fd, TUNSETOFFLOAD, offloads) < 0 ? -errno : 0;
}

uint64_t net_tap_features(int fd)
{
	uint64_t features = 0;

	/* Each refused alone is refused in all; setting is the only way to ask. */
	if (set(fd, TUN_F_CSUM) == 0)
		features |= BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM);
	for (unsigned i = 0; i < ARRAY_SIZE(segments); i++)
		if (set(fd, TUN_F_CSUM | segments[i].offload) == 0)
			features |= segments[i].guest | segments[i].host;
	if (set(fd, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO_ECN) == 0)
		features |= BIT(VIRTIO_NET_F_GUEST_ECN) | BIT(VIRTIO_NET_F_HOST_ECN);
	(void)set(fd, 0);
	return features;
}

int net_tap_set_offloads(int fd, uint64_t features)
{
	unsigned long offloads = 0;

	if (features & BIT(VIRTIO_NET_F_GUEST_CSUM)) {
		offloads = TUN_F_CSUM;
		for (unsigned i = 0; i < ARRAY_SIZE(segments); i++)
			if ((features & segments[i].guest) == segments[i].guest)
				offloads |= segments[i].offload;
		if ((features & BIT(VIRTIO_NET_F_GUEST_ECN)) && (offloads & (TUN_F_TSO4 | TUN_F_TSO6)))
			offloads |= TUN_F_TSO_ECN;
	}
	return set(fd, offloads);
}

int net_tap_attach(int fd, bool on)
{
	struct ifreq ifr = { .ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	return ioctl(fd, TUNSETQUEUE, &ifr) < 0 ? -errno : 0;
}

/* "  tap0: 1 2 …": the line of `name` in /proc/net/dev, behind the colon. */
static const char *find_line(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += strspn(line, " \n");
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			return line + len + 1;
	}
	return NULL;
}

int net_tap_counters(int fd, int counters_fd, struct vnet_stats *ret)
{
	struct vnet_stats s = { 0 };
	struct ifreq ifr;
	char text[16384], name[IFNAMSIZ + 1] = "";
	const char *line;
	ssize_t n;

	if (ioctl(fd, TUNGETIFF, &ifr) < 0)
		return -errno;
	memcpy(name, ifr.ifr_name, IFNAMSIZ);
	n = pread(counters_fd, text, sizeof(text) - 1, 0);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	line = find_line(text, name);
	/* proc(5): bytes packets errs drop fifo frame compressed multicast, received and sent; the tap's, not the guest's */
	if (!line ||
	    sscanf(line,
		   "%" SCNu64 " %" SCNu64 " %*u %" SCNu64 " %*u %*u %*u %*u %" SCNu64 " %" SCNu64
		   " %*u %" SCNu64,
		   &s.tx_bytes, &s.tx_packets, &s.tx_dropped, &s.rx_bytes, &s.rx_packets, &s.rx_dropped) != 6)
		return -ENOENT;
	*ret = s;
	return 0;
}
