unit_TESTS += test_guest_net
test_guest_net_SRC := tests/unit/test_guest_net.c
