unit_TESTS += test_hook test_hooks
test_hook_SRC := tests/unit/test_hook.c
test_hooks_SRC := tests/unit/test_hooks.c
unit_TESTS += test_features
test_features_SRC := tests/unit/test_features.c agent/mount_options.c
unit_TESTS += test_plan_overlay
test_plan_overlay_SRC := tests/unit/test_plan_overlay.c
