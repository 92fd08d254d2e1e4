unit_TESTS += test_cgroup test_cgroup_host test_cgroup_limits test_stats test_update test_device_filter
test_cgroup_SRC := tests/unit/test_cgroup.c
test_cgroup_host_SRC := tests/unit/test_cgroup_host.c
test_cgroup_limits_SRC := tests/unit/test_cgroup_limits.c
test_stats_SRC := tests/unit/test_stats.c agent/stats.c agent/oom.c
test_update_SRC := tests/unit/test_update.c
test_device_filter_SRC := tests/unit/test_device_filter.c agent/device_filter.c
