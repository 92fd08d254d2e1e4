unit_TESTS += test_guest_mem test_virtqueue test_virtqueue_bad test_vdev test_vsock test_vsock_stream test_vsock_bulk
test_guest_mem_SRC := tests/unit/test_guest_mem.c
test_virtqueue_SRC := tests/unit/test_virtqueue.c tests/unit/virtqueue_fixture.c tests/unit/ring_driver.c
test_virtqueue_bad_SRC := tests/unit/test_virtqueue_bad.c tests/unit/virtqueue_fixture.c tests/unit/ring_driver.c
test_vdev_SRC := tests/unit/test_vdev.c tests/unit/ring_driver.c
test_vsock_SRC := tests/unit/test_vsock.c tests/unit/vsock_stream_fixture.c tests/unit/vsock_guest.c tests/unit/ring_driver.c
test_vsock_stream_SRC := tests/unit/test_vsock_stream.c tests/unit/vsock_stream_fixture.c tests/unit/vsock_guest.c \
	tests/unit/ring_driver.c
test_vsock_bulk_SRC := tests/unit/test_vsock_bulk.c tests/unit/vsock_guest.c tests/unit/ring_driver.c
