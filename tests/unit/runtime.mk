unit_TESTS += test_store test_message test_text test_config test_plan test_guest
test_store_SRC := tests/unit/test_store.c
test_message_SRC := tests/unit/test_message.c
test_text_SRC := tests/unit/test_text.c
test_config_SRC := tests/unit/test_config.c
test_plan_SRC := tests/unit/test_plan.c
test_guest_SRC := tests/unit/test_guest.c
