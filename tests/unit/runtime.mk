unit_TESTS += test_options test_config test_store test_plan test_message test_guest test_text
test_options_SRC := tests/unit/test_options.c cmd/options.c
test_config_SRC := tests/unit/test_config.c
test_store_SRC := tests/unit/test_store.c
test_plan_SRC := tests/unit/test_plan.c
test_message_SRC := tests/unit/test_message.c
test_guest_SRC := tests/unit/test_guest.c
test_text_SRC := tests/unit/test_text.c
