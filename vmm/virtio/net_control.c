/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_control: virtio-net's control queue (virtio 1.2 §5.1.6.5).
 */
#include "vmm/virtio/net_internal.h"

#include "base/endian.h"

enum {
	/* Changing the tap's queues takes the kernel milliseconds: few commands a turn. */
	COMMANDS_PER_TURN = 4,
	/* The longest command that we look at; longer ones are not ours. */
	COMMAND_MAX = 64,
};

static bool set_pairs(struct virtio_net *net, const uint8_t *data, size_t len)
{
	unsigned n;

	if (len != 2 || !vnet_has(net, VIRTIO_NET_F_MQ))
		return false;
	n = get_le16(data);
	return n >= 1 && n <= net->n_pairs && vnet_set_pairs(net, n) == 0;
}

static bool set_offloads(struct virtio_net *net, const uint8_t *data, size_t len)
{
	uint64_t wanted;

	if (len != 8 || !vnet_has(net, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))
		return false;
	wanted = get_le64(data);
	/* §5.1.6.5.6.2: only what was negotiated */
	return !(wanted & ~(net->dev.acked & VNET_GUEST_OFFLOADS)) && vnet_set_offloads(net, wanted) == 0;
}

static bool run_command(struct virtio_net *net, uint8_t class, uint8_t command, const uint8_t *data,
			size_t len)
{
	switch (class) {
	case VIRTIO_NET_CTRL_MAC:
		/* All frames of the tap are the guest's, whatever address it gives itself. */
		return command == VIRTIO_NET_CTRL_MAC_ADDR_SET && len == 6 && !(data[0] & 1) &&
		       vnet_has(net, VIRTIO_NET_F_CTRL_MAC_ADDR);
	case VIRTIO_NET_CTRL_MQ:
		return command == VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET && set_pairs(net, data, len);
	case VIRTIO_NET_CTRL_GUEST_OFFLOADS:
		return command == VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET && set_offloads(net, data, len);
	default:
		return false;
	}
}

static bool handle_chain(struct virtio_net *net)
{
	const struct vq_chain *chain = &net->chain;
	uint8_t cmd[COMMAND_MAX], ack;
	size_t len;

	/* Class and command in, one byte of ack out. */
	if (chain->readable_len < 2 || chain->writable_len < 1) {
		vdev_fail(&net->dev, "control buffer without a command or room for its ack");
		return false;
	}
	len = iov_read(chain->readable, chain->n_readable, 0, cmd, sizeof(cmd));
	ack = run_command(net, cmd[0], cmd[1], cmd + 2, len - 2) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
	iov_write(chain->writable, chain->n_writable, 0, &ack, 1);
	return true;
}

void vnet_control(struct virtio_net *net, struct virtqueue *vq)
{
	int r = 1;

	for (unsigned i = 0; i < COMMANDS_PER_TURN; i++) {
		r = virtqueue_pop(vq, &net->chain);
		if (r <= 0)
			break;
		if (!handle_chain(net))
			return;
		virtqueue_push(vq, net->chain.head, 1);
	}
	if (r < 0) {
		vdev_fail(&net->dev, vq->broken_why);
		return;
	}
	virtqueue_call(vq);
	net->control_more = r == 1;
	if (net->control_more)
		vnet_schedule(net);
}
