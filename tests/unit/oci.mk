unit_TESTS += test_json
test_json_SRC := tests/unit/test_json.c
