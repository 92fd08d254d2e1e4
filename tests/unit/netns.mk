unit_TESTS += test_guest_net test_netns test_agent_net
test_guest_net_SRC := tests/unit/test_guest_net.c
test_netns_SRC := tests/unit/test_netns.c tests/unit/net_world.c
test_agent_net_SRC := tests/unit/test_agent_net.c tests/unit/net_world.c $(agent_core_SRC)
