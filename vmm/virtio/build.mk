vmm_virtio_SRC :=
