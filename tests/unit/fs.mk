unit_TESTS += test_fs_idle test_fs_names test_fs_data test_fs_dir test_fs_proto test_fs_device
test_fs_names_SRC := tests/unit/test_fs_names.c tests/unit/fs_client.c
test_fs_data_SRC := tests/unit/test_fs_data.c tests/unit/fs_client.c
test_fs_dir_SRC := tests/unit/test_fs_dir.c tests/unit/fs_client.c
test_fs_proto_SRC := tests/unit/test_fs_proto.c tests/unit/fs_client.c
test_fs_device_SRC := tests/unit/test_fs_device.c tests/unit/ring_driver.c
test_fs_idle_SRC := tests/unit/test_fs_idle.c tests/unit/fs_client.c
