unit_TESTS += test_agent_parts test_agent_run test_agent_container
test_agent_parts_SRC := tests/unit/test_agent_parts.c $(agent_core_SRC)
test_agent_run_SRC := tests/unit/test_agent_run.c tests/unit/agent_host.c $(agent_core_SRC)
test_agent_container_SRC := tests/unit/test_agent_container.c tests/unit/agent_host.c $(agent_core_SRC)
