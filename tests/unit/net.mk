unit_TESTS += test_net test_net_control
net_guest_SRC := tests/unit/net_guest.c tests/unit/ring_driver.c
test_net_SRC := tests/unit/test_net.c $(net_guest_SRC)
test_net_control_SRC := tests/unit/test_net_control.c $(net_guest_SRC)
