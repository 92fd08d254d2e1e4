vmm_virtio_SRC := vmm/guest_mem.c vmm/virtio/iov.c vmm/virtio/virtqueue.c vmm/virtio/vdev.c
vmm_virtio_SRC += vmm/virtio/vsock.c vmm/virtio/vsock_packet.c vmm/virtio/vsock_stream.c vmm/virtio/vsock_fd.c
vmm_virtio_SRC += vmm/virtio/console.c
