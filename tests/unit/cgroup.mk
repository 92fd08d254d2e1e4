unit_TESTS += test_cgroup test_cgroup_host test_cgroup_limits
test_cgroup_SRC := tests/unit/test_cgroup.c
test_cgroup_host_SRC := tests/unit/test_cgroup_host.c
test_cgroup_limits_SRC := tests/unit/test_cgroup_limits.c
