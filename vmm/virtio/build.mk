vmm_virtio_SRC := vmm/guest_mem.c vmm/virtio/iov.c vmm/virtio/virtqueue.c vmm/virtio/vdev.c
vmm_virtio_SRC += vmm/virtio/vsock.c vmm/virtio/vsock_packet.c vmm/virtio/vsock_stream.c vmm/virtio/vsock_fd.c
vmm_virtio_SRC += vmm/virtio/console.c vmm/virtio/balloon.c
vmm_virtio_SRC += \
	vmm/virtio/fs/creds.c \
	vmm/virtio/fs/device.c \
	vmm/virtio/fs/dispatch.c \
	vmm/virtio/fs/file.c \
	vmm/virtio/fs/inode.c \
	vmm/virtio/fs/inode_fd.c \
	vmm/virtio/fs/inode_name.c \
	vmm/virtio/fs/mount.c \
	vmm/virtio/fs/ops_attr.c \
	vmm/virtio/fs/ops_dir.c \
	vmm/virtio/fs/ops_file.c \
	vmm/virtio/fs/ops_lock.c \
	vmm/virtio/fs/ops_name.c \
	vmm/virtio/fs/ops_xattr.c \
	vmm/virtio/fs/pool.c \
	vmm/virtio/fs/server.c \
	vmm/virtio/fs/slots.c
vmm_virtio_SRC += vmm/virtio/net.c vmm/virtio/net_control.c vmm/virtio/net_data.c vmm/virtio/net_tap.c vmm/virtio/net_vhost.c
vmm_virtio_SRC += vmm/virtio/net_stream.c
