/* SPDX-License-Identifier: Apache-2.0 */
/* linux.resources as settings of the host's cgroup, in both versions. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "oci/spec.h"
#include "runtime/cgroup_limits.h"

#include <string.h>

static const struct cgroup_sizes sizes = { .vm_memory = 1000000, .overhead = 500 };

/* "file=value" of each setting, '?' in front of those that may fail. */
static const char *settings_text(bool unified, enum cgroup_parts parts, const char *resources)
{
	static char text[4096];
	_cleanup_cgroup_settings_ struct cgroup_settings s = { 0 };
	_cleanup_oci_spec_ struct oci_spec *spec = NULL;
	struct err err = ERR_INIT;
	size_t len = 0;
	char *json;

	assert_true(asprintf(&json, "{\"ociVersion\":\"1.2.0\",\"linux\":{\"resources\":%s}}", resources) >
		    0);
	assert_int_equal(oci_spec_parse(json, strlen(json), "test", &spec, &err), 0);
	free(json);
	text[0] = '\0';
	if (cgroup_limits(unified, &spec->linux_.resources, &sizes, parts, &s, &err) < 0) {
		snprintf(text, sizeof(text), "error: %s", err.text);
		return text;
	}
	for (size_t i = 0; i < s.n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s%s=%s", len ? "; " : "",
					s.v[i].try_only || s.v[i].may_miss ? "?" : "", s.v[i].file,
					s.v[i].value);
	return text;
}

#define V1(resources) settings_text(false, CGROUP_ALL, resources)
#define V2(resources) settings_text(true, CGROUP_ALL, resources)

static void nothing_asked_for_is_nothing_set(void **state)
{
	(void)state;
	assert_string_equal(V1("{}"), "");
	assert_string_equal(V2("{}"), "");
	assert_string_equal(
		V2("{\"devices\":[{\"allow\":false}],\"memory\":{\"limit\":0},\"cpu\":{\"shares\":0,"
		   "\"quota\":0},\"pids\":{\"limit\":0}}"),
		"");
}

static void a_memory_limit_is_the_vms_size(void **state)
{
	(void)state;
	assert_string_equal(V1("{\"memory\":{\"limit\":600000}}"), "memory.limit_in_bytes=1000500");
	assert_string_equal(V2("{\"memory\":{\"limit\":600000}}"), "memory.max=1000500");
	assert_string_equal(V2("{\"unified\":{\"memory.max\":\"600000\"}}"), "memory.max=1000500");
	assert_string_equal(V1("{\"memory\":{\"limit\":-1}}"),
			    "?memory.limit_in_bytes=-1; ?memory.memsw.limit_in_bytes=-1; "
			    "memory.limit_in_bytes=-1");
	assert_string_equal(V2("{\"memory\":{\"limit\":-1}}"), "?memory.swap.max=max; memory.max=max");
}

static void swap_is_what_comes_on_top(void **state)
{
	(void)state;
	assert_string_equal(V2("{\"memory\":{\"limit\":600000,\"swap\":600000}}"),
			    "?memory.swap.max=0; memory.max=1000500");
	assert_string_equal(V2("{\"memory\":{\"limit\":600000,\"swap\":700000}}"),
			    "?memory.swap.max=100000; memory.max=1000500");
	assert_string_equal(V1("{\"memory\":{\"limit\":600000,\"swap\":700000}}"),
			    "?memory.limit_in_bytes=1000500; ?memory.memsw.limit_in_bytes=1100500; "
			    "memory.limit_in_bytes=1000500");
	assert_string_equal(V2("{\"memory\":{\"limit\":600000,\"swap\":-1}}"),
			    "?memory.swap.max=max; memory.max=1000500");
	assert_non_null(strstr(V2("{\"memory\":{\"limit\":600000,\"swap\":599999}}"),
			       "error: linux.resources.memory.swap"));
	assert_non_null(strstr(V1("{\"memory\":{\"swap\":1}}"), "error: linux.resources.memory.swap"));
}

static void other_memory_settings(void **state)
{
	(void)state;
	assert_string_equal(V2("{\"memory\":{\"reservation\":1000}}"), "memory.low=1500");
	assert_string_equal(V1("{\"memory\":{\"reservation\":2000000}}"),
			    "memory.soft_limit_in_bytes=1000500");
	assert_string_equal(V2("{\"memory\":{\"reservation\":-1}}"), "memory.low=max");
	assert_string_equal(V1("{\"memory\":{\"disableOOMKiller\":true,\"swappiness\":0}}"),
			    "memory.oom_control=1; memory.swappiness=0");
	assert_string_equal(V2("{\"memory\":{\"disableOOMKiller\":true,\"swappiness\":0,\"kernel\":5}}"), "");
	assert_string_equal(V1("{\"memory\":{\"kernel\":5,\"kernelTCP\":7}}"),
			    "?memory.kmem.tcp.limit_in_bytes=7");
	/* the largest numbers don't overflow */
	assert_string_equal(V2("{\"memory\":{\"limit\":1,\"swap\":9223372036854775807}}"),
			    "?memory.swap.max=9223372036854775806; memory.max=1000500");
	assert_non_null(strstr(V1("{\"memory\":{\"limit\":1,\"swap\":9223372036854775807}}"),
			       "memsw.limit_in_bytes=9223372036854775807"));
}

static void cpu_time(void **state)
{
	const char *cpu = "{\"cpu\":{\"shares\":1024,\"quota\":50000,\"period\":20000,\"burst\":10}}";

	(void)state;
	assert_string_equal(V1(cpu), "cpu.shares=1024; ?cpu.cfs_burst_us=10; ?cpu.cfs_period_us=20000; "
				     "cpu.cfs_quota_us=50000; cpu.cfs_period_us=20000; cpu.cfs_burst_us=10");
	assert_string_equal(V2(cpu),
			    "cpu.weight=39; ?cpu.max.burst=10; cpu.max=50000 20000; cpu.max.burst=10");
	assert_string_equal(settings_text(true, CGROUP_REST, cpu), "cpu.weight=39");
	assert_string_equal(settings_text(false, CGROUP_QUOTA, "{\"cpu\":{\"quota\":-1,\"shares\":2}}"),
			    "cpu.cfs_quota_us=-1");
	assert_string_equal(V2("{\"cpu\":{\"quota\":-1}}"), "cpu.max=max 100000");
	assert_string_equal(V2("{\"cpu\":{\"period\":5000}}"), "cpu.max=max 5000");
	assert_string_equal(V2("{\"cpu\":{\"quota\":5000}}"), "cpu.max=5000 100000");
	assert_string_equal(V1("{\"cpu\":{\"idle\":1,\"shares\":5}}"), "cpu.idle=1");
	assert_string_equal(V2("{\"cpu\":{\"idle\":0,\"shares\":2}}"), "cpu.idle=0; cpu.weight=1");
	assert_string_equal(V1("{\"cpu\":{\"realtimeRuntime\":950,\"realtimePeriod\":1000}}"),
			    "cpu.rt_period_us=1000; cpu.rt_runtime_us=950");
	assert_string_equal(V2("{\"cpu\":{\"realtimeRuntime\":950,\"realtimePeriod\":1000}}"), "");
	assert_string_equal(V1("{\"cpu\":{\"cpus\":\"0-1\",\"mems\":\"0\"}}"),
			    "cpuset.cpus=0-1; cpuset.mems=0");
}

static void pids_leave_room_for_threads(void **state)
{
	(void)state;
	assert_string_equal(V1("{\"pids\":{\"limit\":10}}"), "pids.max=266");
	assert_string_equal(V2("{\"pids\":{\"limit\":-1}}"), "pids.max=max");
	assert_string_equal(V1("{\"pids\":{\"limit\":-7}}"), "pids.max=max");
}

static void disks(void **state)
{
	const char *io =
		"{\"blockIO\":{\"weight\":500,\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":10}],"
		"\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":600}],"
		"\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":16,\"rate\":0}]}}";

	(void)state;
	assert_string_equal(V1(io), "blkio.weight=500; blkio.weight_device=8:0 10; "
				    "blkio.throttle.read_bps_device=8:0 600; "
				    "blkio.throttle.write_iops_device=8:16 0");
	assert_string_equal(V2(io), "?io.bfq.weight=500; io.weight=4950; io.bfq.weight=8:0 10; "
				    "io.max=8:0 rbps=600; io.max=8:16 wiops=max");
	assert_string_equal(V1("{\"blockIO\":{\"leafWeight\":20}}"), "blkio.leaf_weight=20");
	assert_string_equal(V2("{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4}]}"),
			    "?hugetlb.2MB.max=4");
	assert_string_equal(V1("{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4}]}"),
			    "?hugetlb.2MB.limit_in_bytes=4");
}

static void unified_keys_are_the_hosts_or_the_guests(void **state)
{
	(void)state;
	assert_string_equal(
		V2("{\"unified\":{\"memory.high\":\"5\",\"pids.max\":\"7\",\"io.max\":\"8:0 rbps=1\","
		   "\"cpu.weight\":\"9\",\"hugetlb.2MB.max\":\"1\"}}"),
		"io.max=8:0 rbps=1; cpu.weight=9");
	assert_string_equal(settings_text(true, CGROUP_QUOTA,
					  "{\"unified\":{\"cpu.max\":\"1000 2000\",\"cpu.weight\":\"9\"}}"),
			    "cpu.max=1000 2000");
	assert_string_equal(V1("{\"unified\":{\"memory.high\":\"5\",\"cpu.weight\":\"9\"}}"), "");
	assert_non_null(strstr(V1("{\"unified\":{\"io.max\":\"8:0 rbps=1\"}}"),
			       "error: linux.resources.unified[\"io.max\"]: this host has cgroup version 1"));
	assert_non_null(strstr(V2("{\"unified\":{\"../x\":\"1\"}}"), "is no file name"));
}

static void conversions(void **state)
{
	(void)state;
	assert_int_equal(cgroup_weight_of_shares(0), 1);
	assert_int_equal(cgroup_weight_of_shares(2), 1);
	assert_int_equal(cgroup_weight_of_shares(1024), 39);
	assert_int_equal(cgroup_weight_of_shares(UINT64_MAX), 10000);
	assert_int_equal(cgroup_weight_of_blkio(10), 1);
	assert_int_equal(cgroup_weight_of_blkio(1000), 10000);
	assert_int_equal(cgroup_weight_of_blkio(UINT64_MAX), 10000);
	assert_int_equal(cgroup_cpus_count("0"), 1);
	assert_int_equal(cgroup_cpus_count("0-3,8,10-11"), 7);
	assert_int_equal(cgroup_cpus_count(""), 0);
	assert_int_equal(cgroup_cpus_count("3-1"), 0);
	assert_int_equal(cgroup_cpus_count("a"), 0);
	assert_int_equal(cgroup_cpus_count("1-"), 0);
	assert_int_equal(cgroup_cpus_count("1;2"), 0);
	assert_int_equal(cgroup_cpus_count("0-99999999999999999999"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_asked_for_is_nothing_set),
		cmocka_unit_test(a_memory_limit_is_the_vms_size),
		cmocka_unit_test(swap_is_what_comes_on_top),
		cmocka_unit_test(other_memory_settings),
		cmocka_unit_test(cpu_time),
		cmocka_unit_test(pids_leave_room_for_threads),
		cmocka_unit_test(disks),
		cmocka_unit_test(unified_keys_are_the_hosts_or_the_guests),
		cmocka_unit_test(conversions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
