unit_TESTS += test_json
test_json_SRC := tests/unit/test_json.c

unit_TESTS += test_agent_link
test_agent_link_SRC := tests/unit/test_agent_link.c
