unit_TESTS += test_guest_net test_netns test_agent_net test_passt
test_passt_SRC := tests/unit/test_passt.c
test_guest_net_SRC := tests/unit/test_guest_net.c
test_netns_SRC := tests/unit/test_netns.c tests/unit/net_world.c
test_agent_net_SRC := tests/unit/test_agent_net.c tests/unit/net_world.c $(agent_core_SRC)

# The other end of what containers say on a network, in tests/vm.
$(B)/tests/net-peer: tests/vm/net_peer.c
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@gcc -std=gnu11 -D_GNU_SOURCE $(WARN) -O2 -static -o $@ $<

# The kernel's answers come from the test.
unit_TESTS += test_netlink
test_netlink_SRC := tests/unit/test_netlink.c
test_netlink_LIBS := -Wl,--wrap=mnl_socket_recvfrom -Wl,--wrap=mnl_socket_sendto
