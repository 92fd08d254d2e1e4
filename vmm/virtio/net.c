/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net: virtio-net over a tap (virtio 1.2 §5.1), in the loop's thread.
 *
 * Theory of operation
 *
 * The tap's vnet header is the device's header: a frame is one readv() from the
 * tap into the driver's buffers, or one writev() from them, header included. Nothing
 * in it is interpreted here but num_buffers, which is ours to write; the host's
 * kernel checks the offload fields as it does for any owner of a tap. And a guest's
 * frames reach nothing that a container with CAP_NET_RAW couldn't send them to.
 *
 * Receiving, a frame's size is known only after the read. So buffers for the longest
 * are popped ahead and kept from frame to frame; behind them the read has a tail of
 * our own. A frame that reached into it waits there for the driver's next buffers, and
 * no other is read meanwhile: the tap's queue fills up and drops, as a full network
 * card would. The tap is watched edge-triggered, and each state in which nothing is
 * to be done is left by an event: the tap's (it was read empty) or the driver's kick (it
 * gave too few buffers). So neither costs a system call to watch and unwatch.
 *
 * Sending, a frame that the tap doesn't take is dropped, counted, and its buffer
 * returned. A tap refuses for good (a malformed header, interface down or deleted),
 * or for want of kernel memory and send buffer: waiting for these would need a
 * wake-up that only frames of this one tap's socket give, and would stand in the
 * way of frames that are too old by then. A wire does the same.
 *
 * With vhost-net the kernel does both, and looks at the rings as hard as we do. A
 * pair is given to it at the start and taken back at the stop; the tap's queues, its
 * offloads and the control queue stay here.
 *
 * Filters are not offered (VIRTIO_NET_F_CTRL_RX): the guest's kernel looks at the
 * addresses anyway, and each change of its lists would cost it a wait for us.
 */
#include "vmm/virtio/net.h"

#include "base/cleanup.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "vmm/virtio/net_internal.h"
#include "vmm/virtio/net_stream.h"
#include "vmm/virtio/net_tap.h"
#include "vmm/virtio/net_vhost.h"

#include <fcntl.h>
#include <linux/virtio_ids.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

enum {
	PCI_CLASS = 0x020000, /* network controller, Ethernet */
	/* Up to the MTU: what follows belongs to features that aren't offered. */
	CONFIG_LEN = offsetof(struct virtio_net_config, speed),
	/* Frames left in the tap from before; more than its queue holds would be new ones. */
	STALE_FRAMES_MAX = 1000,
};

static const uint64_t plain_features =
	VDEV_RING_FEATURES | VNET_BIT(VIRTIO_NET_F_MAC) | VNET_BIT(VIRTIO_NET_F_MTU) |
	VNET_BIT(VIRTIO_NET_F_STATUS) | VNET_BIT(VIRTIO_NET_F_MRG_RXBUF) | VNET_BIT(VIRTIO_NET_F_CTRL_VQ) |
	VNET_BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) | VNET_BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);

static struct virtio_net *from_vdev(struct vdev *dev)
{
	return (struct virtio_net *)((char *)dev - offsetof(struct virtio_net, dev));
}

static struct virtio_net_config *config_space(struct virtio_net *net)
{
	return (struct virtio_net_config *)net->dev.config;
}

/* --- The tap --- */

void vnet_lost_tap(struct virtio_net *net)
{
	if (net->gone)
		return;
	net->gone = true;
	if (net->pairs[0].stream)
		log_warn("%s: the other end of the network is gone", net->dev.tag);
	put_le16(&config_space(net)->status, 0);
	if (net->dev.host_ops && net->dev.host_ops->config_changed)
		net->dev.host_ops->config_changed(net->dev.host, &net->dev);
}

int vnet_set_pairs(struct virtio_net *net, unsigned n)
{
	for (unsigned i = 0; i < net->n_pairs; i++) {
		struct vnet_pair *pair = &net->pairs[i];
		int r;

		if (pair->attached == (i < n))
			continue;
		r = net_tap_attach(pair->tap, i < n);
		if (r < 0)
			return r;
		pair->attached = i < n;
	}
	return 0;
}

int vnet_set_offloads(struct virtio_net *net, uint64_t features)
{
	int r = net->pairs[0].stream ? 0 : net_tap_set_offloads(net->pairs[0].tap, features);

	if (r == 0)
		net->offloads = features & VNET_GUEST_OFFLOADS;
	return r;
}

/* Frames that wait in the tap were made for offloads that this driver may not know. */
static void discard_stale_frames(struct virtio_net *net)
{
	for (unsigned i = 0; i < net->n_pairs; i++) {
		struct vnet_pair *pair = &net->pairs[i];

		for (unsigned k = 0; k < STALE_FRAMES_MAX; k++)
			if (read(pair->tap, pair->rx.tail, sizeof(pair->rx.tail)) < 0)
				break;
	}
}

/* --- Turns --- */

void vnet_schedule(struct virtio_net *net)
{
	(void)loop_set_events(net->turn, 1); /* of a deferred source: can't fail */
}

/* §5.1.2: without VIRTIO_NET_F_MQ there is one pair, and the control queue is the third. */
static unsigned pairs_in_use(const struct virtio_net *net)
{
	return vnet_has(net, VIRTIO_NET_F_MQ) ? net->n_pairs : 1;
}

static void on_turn(void *ctx)
{
	struct virtio_net *net = ctx;
	unsigned n = pairs_in_use(net);

	loop_set_events(net->turn, 0);
	/* Any of these may end all. */
	for (unsigned i = 0; i < n && vnet_live(net); i++) {
		if (net->pairs[i].tx_more)
			vnet_transmit(&net->pairs[i]);
		if (net->pairs[i].rx_more)
			vnet_receive(&net->pairs[i]);
	}
	if (net->control_more && vnet_live(net))
		vnet_control(net, &net->dev.vqs[2 * n]);
}

static void on_tap(void *ctx, int fd, uint32_t events)
{
	struct vnet_pair *pair = ctx;

	(void)fd;
	/* Of a stream only. Its end, or an error of a tap, shows when it is used. */
	if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) && pair->tx_full) {
		pair->tx_full = false;
		vnet_transmit(pair);
	}
	if (!vnet_live(pair->net))
		return;
	pair->tap_ready = true;
	/* A frame waits for buffers: then the kick is what counts. */
	if (pair->rx.frame == 0)
		vnet_receive(pair);
}

/* --- The device --- */

static void kick(struct vdev *dev, unsigned q)
{
	struct virtio_net *net = from_vdev(dev);
	unsigned n = pairs_in_use(net);

	if (q == 2 * n)
		vnet_control(net, &dev->vqs[q]);
	else if (q > 2 * n)
		return;
	else if (q & 1)
		vnet_transmit(&net->pairs[q / 2]);
	else if (net->pairs[q / 2].tap_ready)
		vnet_receive(&net->pairs[q / 2]);
	else
		/* They are for later. */
		virtqueue_kicks_off(&dev->vqs[q]);
}

static void stop_vhost(struct virtio_net *net)
{
	loop_remove(TAKE_PTR(net->err_watch));
	loop_remove(TAKE_PTR(net->control_watch));
	for (unsigned i = 0; i < net->n_pairs; i++) {
		struct vnet_pair *pair = &net->pairs[i];

		if (pair->vhost_runs)
			net_vhost_stop(pair->vhost, &net->dev.vqs[2 * i]);
		pair->vhost_runs = false;
	}
}

static void stop(struct vdev *dev)
{
	struct virtio_net *net = from_vdev(dev);

	if (net->vhost)
		stop_vhost(net);
	loop_remove(TAKE_PTR(net->turn));
	net->control_more = false;
	for (unsigned i = 0; i < net->n_pairs; i++) {
		struct vnet_pair *pair = &net->pairs[i];

		loop_remove(TAKE_PTR(pair->watch));
		vnet_rx_stop(pair);
		pair->tap_ready = pair->rx_more = pair->tx_more = pair->tx_full = false;
	}
}

/*
 * With a control queue the driver says how many pairs it uses, at first one (§5.1.6.5.5). A
 * vhost-user front-end keeps that queue to itself and enables the pairs.
 */
static unsigned pairs_at_start(const struct virtio_net *net)
{
	unsigned n = pairs_in_use(net), enabled = 1;

	if (net->dev.vqs[2 * n].enabled)
		return 1;
	for (unsigned i = 1; i < n; i++)
		if (net->dev.vqs[2 * i].enabled)
			enabled = i + 1;
	return enabled;
}

static int prepare_tap(struct virtio_net *net)
{
	uint64_t before = net->offloads;
	int r;

	r = vnet_set_offloads(net, net->dev.acked);
	if (r == 0)
		r = vnet_set_pairs(net, pairs_at_start(net));
	/* A link that is down is no reason for the device not to start. */
	if (r == -EBADFD) {
		vnet_lost_tap(net);
		r = 0;
	}
	if (r == 0 && (before & ~net->offloads))
		discard_stale_frames(net);
	return r;
}

static void on_vhost_error(void *ctx, int fd, uint32_t events)
{
	struct virtio_net *net = ctx;
	uint64_t count;

	(void)events;
	if (read(fd, &count, sizeof(count)) != sizeof(count))
		return;
	stop_vhost(net);
	vdev_fail(&net->dev, "vhost-net found a broken ring");
}

static void on_control(void *ctx, int fd, uint32_t events)
{
	struct virtio_net *net = ctx;
	uint64_t count;

	(void)events;
	if (read(fd, &count, sizeof(count)) == sizeof(count) && vnet_live(net))
		vnet_control(net, &net->dev.vqs[2 * pairs_in_use(net)]);
}

static int start_vhost(struct virtio_net *net)
{
	struct vdev *dev = &net->dev;
	unsigned n = pairs_in_use(net);
	struct virtqueue *control = &dev->vqs[2 * n];
	uint64_t count;
	int r;

	/* What an earlier driver's rings had left in it. */
	while (read(net->err_fd, &count, sizeof(count)) > 0)
		;
	r = loop_add_fd(dev->loop, net->err_fd, EPOLLIN, on_vhost_error, net, &net->err_watch);
	for (unsigned i = 0; i < n && r >= 0; i++) {
		struct vnet_pair *pair = &net->pairs[i];

		pair->vhost_runs = true;
		r = net_vhost_start(pair->vhost, &dev->vqs[2 * i], dev->acked, pair->tap, net->err_fd);
	}
	if (r < 0 || !control->enabled || control->kick_fd < 0)
		return r;
	/* Commands may wait already, as for the first kick that a device without own_kicks gets. */
	net->control_more = true;
	vnet_schedule(net);
	return loop_add_fd(dev->loop, control->kick_fd, EPOLLIN, on_control, net, &net->control_watch);
}

static int watch_taps(struct virtio_net *net)
{
	unsigned n = pairs_in_use(net);

	for (unsigned i = 0; i < n; i++) {
		struct vnet_pair *pair = &net->pairs[i];
		int r;

		if (!net->dev.vqs[2 * i].enabled)
			continue;
		r = loop_add_fd(net->dev.loop, pair->tap, EPOLLIN | EPOLLET | (pair->stream ? EPOLLOUT : 0),
				on_tap, pair, &pair->watch);
		if (r < 0)
			return r;
	}
	return 0;
}

static int start(struct vdev *dev)
{
	struct virtio_net *net = from_vdev(dev);
	int r;

	r = prepare_tap(net);
	if (r < 0)
		return r;
	net->rx_wanted = VNET_FRAME_MAX;
	if (!(dev->acked & VNET_GUEST_SEGMENTS))
		net->rx_wanted = VNET_HDR_LEN + VNET_LINK_HDR_MAX + get_le16(&config_space(net)->mtu);
	r = loop_add_defer(dev->loop, on_turn, net, &net->turn);
	if (r < 0)
		return r;
	loop_set_events(net->turn, 0);
	return net->vhost ? start_vhost(net) : watch_taps(net);
}

static void net_free(struct vdev *dev)
{
	struct virtio_net *net = from_vdev(dev);

	for (unsigned i = 0; i < net->n_pairs; i++) {
		net_stream_free(net->pairs[i].stream);
		close_fd(net->pairs[i].vhost);
		close_fd(net->pairs[i].tap);
	}
	close_fd(net->err_fd);
	close_fd(net->counters_fd);
	vdev_done(dev);
	free(net);
}

static const struct vdev_ops ops = {
	.name = "virtio-net",
	.type = VIRTIO_ID_NET,
	.pci_class = PCI_CLASS,
	.start = start,
	.stop = stop,
	.kick = kick,
	.free = net_free,
};

static const struct vdev_ops vhost_ops = {
	.name = "virtio-net",
	.type = VIRTIO_ID_NET,
	.pci_class = PCI_CLASS,
	.start = start,
	.stop = stop,
	.kick = kick,
	.own_kicks = true,
	.free = net_free,
};

/* --- Making it --- */

/* All that vhost-net needs, or none of it. Without it we serve the device ourselves: no error. */
static void open_vhost(struct virtio_net *net)
{
	unsigned n;

	net->err_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	net->counters_fd = open("/proc/self/net/dev", O_RDONLY | O_CLOEXEC);
	for (n = 0; n < net->n_pairs && net->err_fd >= 0; n++) {
		int fd = net_vhost_open();

		if (fd < 0) {
			log_debug("%s: no vhost-net: %s", net->dev.tag, strerror(-fd));
			break;
		}
		net->pairs[n].vhost = fd;
	}
	net->vhost = n == net->n_pairs;
	if (net->vhost) {
		net->dev.ops = &vhost_ops;
		return;
	}
	while (n-- > 0)
		net->pairs[n].vhost = close_fd(net->pairs[n].vhost);
}

static int check_config(const struct vnet_config *config, struct err *err)
{
	if (config->n_pairs < 1 || config->n_pairs > VNET_PAIRS_MAX)
		return err_set(err, -EINVAL, "1 to %d queue pairs", VNET_PAIRS_MAX);
	if (config->mtu < VNET_MTU_MIN)
		return err_set(err, -EINVAL, "an MTU of %u is below %d", config->mtu, VNET_MTU_MIN);
	if (config->mac[0] & 1)
		return err_set(err, -EINVAL, "a group's MAC address");
	if (!config->stream)
		return net_tap_prepare(config->take_tap_fds, config->n_pairs, VNET_HDR_LEN, err);
	if (config->n_pairs != 1)
		return err_set(err, -EINVAL, "a stream has one queue pair");
	return 0;
}

static void fill_config(struct virtio_net *net, const struct vnet_config *config)
{
	struct virtio_net_config *space = config_space(net);

	memcpy(space->mac, config->mac, sizeof(config->mac));
	put_le16(&space->status, VIRTIO_NET_S_LINK_UP);
	put_le16(&space->max_virtqueue_pairs, (uint16_t)config->n_pairs);
	put_le16(&space->mtu, config->mtu);
}

static int make(struct loop *loop, const struct vnet_config *config, struct virtio_net **ret, struct err *err)
{
	struct virtio_net *net;
	uint64_t features;
	int r;

	r = check_config(config, err);
	if (r < 0)
		return r;
	features = plain_features;
	if (!config->stream)
		features |= net_tap_features(config->take_tap_fds[0]);
	if (config->n_pairs > 1)
		features |= VNET_BIT(VIRTIO_NET_F_MQ);
	net = calloc(1, sizeof(*net) + config->n_pairs * sizeof(net->pairs[0]));
	if (!net)
		return err_set(err, -ENOMEM, "out of memory");
	r = vdev_init(&net->dev, &ops, loop, config->tag, features, 2 * config->n_pairs + 1, VNET_QUEUE_SIZE,
		      CONFIG_LEN);
	if (r < 0) {
		free(net);
		return err_set_errno(err, r, "can't make the device");
	}
	fill_config(net, config);
	if (config->stream)
		r = net_stream_new(config->take_tap_fds[0], &net->pairs[0].stream, err);
	if (r < 0) {
		vdev_done(&net->dev);
		free(net);
		return r;
	}
	*ret = net;
	return 0;
}

int virtio_net_new(struct loop *loop, const struct vnet_config *config, struct vdev **ret, struct err *err)
{
	struct virtio_net *net = NULL;
	int r;

	r = make(loop, config, &net, err);
	if (r < 0) {
		for (unsigned i = 0; i < config->n_pairs && i < VNET_PAIRS_MAX; i++)
			close_fd(config->take_tap_fds[i]);
		return err_wrap(err, r, "%s", config->tag);
	}
	net->n_pairs = config->n_pairs;
	for (unsigned i = 0; i < net->n_pairs; i++) {
		struct vnet_pair *pair = &net->pairs[i];

		pair->net = net;
		pair->index = i;
		pair->tap = config->take_tap_fds[i];
		pair->attached = true;
		pair->vhost = -EBADF;
	}
	net->err_fd = net->counters_fd = -EBADF;
	if (config->vhost && !config->stream)
		open_vhost(net);
	*ret = &net->dev;
	return 0;
}

bool virtio_net_has_vhost(const struct vdev *dev)
{
	return ((const struct virtio_net *)((const char *)dev - offsetof(struct virtio_net, dev)))->vhost;
}

void virtio_net_stats(const struct vdev *dev, struct vnet_stats *ret)
{
	const struct virtio_net *net =
		(const struct virtio_net *)((const char *)dev - offsetof(struct virtio_net, dev));

	if (!net->vhost || net_tap_counters(net->pairs[0].tap, net->counters_fd, ret) < 0)
		*ret = net->stats;
}
