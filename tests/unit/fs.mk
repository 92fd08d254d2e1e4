unit_TESTS += test_fs_names
test_fs_names_SRC := tests/unit/test_fs_names.c tests/unit/fs_client.c
