unit_TESTS += test_hook test_hooks
test_hook_SRC := tests/unit/test_hook.c
test_hooks_SRC := tests/unit/test_hooks.c
