unit_TESTS += test_json
test_json_SRC := tests/unit/test_json.c
test_json_LIBS := -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc

unit_TESTS += test_agent_link
test_agent_link_SRC := tests/unit/test_agent_link.c

unit_TESTS += test_spec
test_spec_SRC := tests/unit/test_spec.c

unit_TESTS += test_spec_invalid
test_spec_invalid_SRC := tests/unit/test_spec_invalid.c

unit_TESTS += test_agent_proto
test_agent_proto_SRC := tests/unit/test_agent_proto.c

unit_TESTS += test_seccomp
test_seccomp_SRC := tests/unit/test_seccomp.c
