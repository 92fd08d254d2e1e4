unit_TESTS += test_qemu_engine
test_qemu_engine_SRC := tests/unit/test_qemu_engine.c
