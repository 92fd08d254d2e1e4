unit_TESTS += test_err test_fd test_loop
test_err_SRC := tests/unit/test_err.c
test_fd_SRC := tests/unit/test_fd.c
test_loop_SRC := tests/unit/test_loop.c
