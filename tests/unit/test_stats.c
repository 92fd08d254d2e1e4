/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics from the guest's files over the wire to runc's JSON, and what a hostile guest may not send. */
#include "tests/unit/test.h"

#include "agent/oom.h"
#include "agent/stats.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/loop.h"
#include "oci/agent_stats.h"
#include "runtime/events.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* --- the guest's files --- */

static void put_file(int dir, const char *name, const char *text)
{
	assert_int_equal(file_write_atomic(dir, name, text, strlen(text), 0644), 0);
}

static int scratch(char path[static 40])
{
	strcpy(path, "/tmp/vrun-stats.XXXXXX");
	assert_non_null(mkdtemp(path));
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void a_cgroup_is_read(void **state)
{
	_cleanup_agent_stats_ struct agent_stats s = { .pids = 0 };
	char path[40];
	_cleanup_close_ int dir = scratch(path);

	(void)state;
	put_file(
		dir, "cpu.stat",
		"usage_usec 300\nuser_usec 200\nsystem_usec 100\nnr_periods 9\nnr_throttled 4\nthrottled_usec 77\n");
	put_file(dir, "memory.current", "4096\n");
	put_file(dir, "memory.peak", "8192\n");
	put_file(dir, "memory.max", "max\n");
	put_file(dir, "memory.swap.current", "5\n");
	put_file(dir, "memory.swap.max", "6\n");
	put_file(dir, "memory.events", "low 1\nhigh 0\nmax 3\noom 2\noom_kill 1\noom_group_kill 0\n");
	put_file(dir, "memory.stat", "anon 10\nfile 20\nfile_mapped 5\n");
	put_file(dir, "pids.current", "3\n");
	put_file(dir, "pids.max", "17\n");
	put_file(dir, "hugetlb.2MB.current", "2097152\n");
	put_file(dir, "hugetlb.2MB.events", "max 8\n");
	put_file(dir, "hugetlb.2MB.rsvd.current", "0\n");
	put_file(dir, "io.stat",
		 "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n254:16 rbytes=7\n9:9\n");
	assert_int_equal(stats_read(dir, getpid(), &s), 0);
	assert_int_equal(s.cpu.usage_us, 300);
	assert_int_equal(s.cpu.user_us, 200);
	assert_int_equal(s.cpu.system_us, 100);
	assert_int_equal(s.cpu.periods, 9);
	assert_int_equal(s.cpu.throttled_periods, 4);
	assert_int_equal(s.cpu.throttled_us, 77);
	assert_int_equal(s.memory.usage, 4096);
	assert_int_equal(s.memory.peak, 8192);
	assert_true(s.memory.limit == AGENT_STATS_NO_LIMIT);
	assert_int_equal(s.memory.swap_usage, 5);
	assert_int_equal(s.memory.swap_limit, 6);
	assert_int_equal(s.memory.failures, 3);
	assert_int_equal(s.memory.oom_kills, 1);
	assert_int_equal(s.memory.cache, 20);
	assert_int_equal(s.memory.n_raw, 3);
	assert_string_equal(s.memory.raw[2].name, "file_mapped");
	assert_int_equal(s.memory.raw[2].value, 5);
	assert_int_equal(s.pids, 3);
	assert_int_equal(s.pids_limit, 17);
	assert_int_equal(s.n_hugetlb, 1);
	assert_string_equal(s.hugetlb[0].page_size, "2MB");
	assert_int_equal(s.hugetlb[0].usage, 2097152);
	assert_int_equal(s.hugetlb[0].failures, 8);
	assert_int_equal(s.n_io, 3);
	assert_int_equal(s.io[0].writes, 4);
	assert_int_equal(s.io[0].discard_bytes, 5);
	assert_int_equal(s.io[1].major, 254);
	assert_int_equal(s.io[1].minor, 16);
	assert_int_equal(s.io[1].read_bytes, 7);
	assert_int_equal(s.io[2].read_bytes, 0);
	assert_int_equal(dir_remove_all(AT_FDCWD, path), 0);
}

static void a_cgroup_without_controllers_is_all_zero(void **state)
{
	_cleanup_agent_stats_ struct agent_stats s = { .pids = 0 };
	char path[40];
	_cleanup_close_ int dir = scratch(path);

	(void)state;
	assert_int_equal(stats_read(dir, 0, &s), 0);
	assert_int_equal(s.memory.limit, 0);
	assert_int_equal(s.n_links, 0);
	assert_int_equal(dir_remove_all(AT_FDCWD, path), 0);
}

static void links_are_read_without_loopback(void **state)
{
	_cleanup_agent_stats_ struct agent_stats s = { .pids = 0 };

	(void)state;
	assert_int_equal(
		stats_parse_links("Inter-|   Receive                            |  Transmit\n"
				  " face |bytes    packets errs drop fifo frame compressed multicast|bytes\n"
				  "    lo:   10 1 0 0 0 0 0 0 10 1 0 0 0 0 0 0\n"
				  "  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
				  "eth1:18446744073709551615 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
				  "short: 1 2\n",
				  &s),
		0);
	assert_int_equal(s.n_links, 2);
	assert_string_equal(s.links[0].name, "eth0");
	assert_int_equal(s.links[0].rx_bytes, 1);
	assert_int_equal(s.links[0].rx_dropped, 4);
	assert_int_equal(s.links[0].tx_bytes, 9);
	assert_int_equal(s.links[0].tx_dropped, 12);
	assert_true(s.links[1].rx_bytes == UINT64_MAX);
}

static void lists_are_bounded(void **state)
{
	_cleanup_agent_stats_ struct agent_stats s = { .pids = 0 };
	char text[65536] = "";
	size_t len = 0;

	(void)state;
	for (int i = 0; i < 400; i++)
		len += (size_t)sprintf(text + len, "key%d %d\n", i, i);
	assert_int_equal(stats_parse_memory(text, &s), 0);
	assert_int_equal(s.memory.n_raw, AGENT_STATS_RAW_MAX);
	len = 0;
	for (int i = 0; i < 100; i++)
		len += (size_t)sprintf(text + len, "eth%d: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n", i);
	assert_int_equal(stats_parse_links(text, &s), 0);
	assert_int_equal(s.n_links, AGENT_STATS_LINKS_MAX);
	len = 0;
	for (int i = 0; i < 100; i++)
		len += (size_t)sprintf(text + len, "8:%d rbytes=18446744073709551615\n", i);
	assert_int_equal(stats_parse_io(text, &s), 0);
	assert_int_equal(s.n_io, AGENT_STATS_IO_MAX);
}

/* --- the wire --- */

static void statistics_cross_whole(void **state)
{
	_cleanup_agent_stats_ struct agent_stats sent = { .pids = 4, .pids_limit = AGENT_STATS_NO_LIMIT };
	_cleanup_agent_stats_ struct agent_stats got = { .pids = 0 };
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;
	size_t len;

	(void)state;
	sent.cpu.usage_us = 77;
	sent.memory.limit = AGENT_STATS_NO_LIMIT;
	assert_int_equal(stats_parse_memory("anon 10\nfile 20\n", &sent), 0);
	assert_int_equal(stats_parse_io("8:0 rbytes=1 wios=4\n", &sent), 0);
	assert_int_equal(stats_parse_links("eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n", &sent), 0);
	assert_int_equal(agent_stats_write(&sent, &text, &len), 0);
	assert_int_equal(agent_stats_parse(text, len, &got, &err), 0);
	assert_int_equal(got.pids, 4);
	assert_true(got.pids_limit == AGENT_STATS_NO_LIMIT);
	assert_true(got.memory.limit == AGENT_STATS_NO_LIMIT);
	assert_int_equal(got.cpu.usage_us, 77);
	assert_int_equal(got.memory.n_raw, 2);
	assert_string_equal(got.memory.raw[0].name, "anon");
	assert_int_equal(got.io[0].writes, 4);
	assert_string_equal(got.links[0].name, "eth0");
	assert_int_equal(got.links[0].tx_packets, 10);
}

static void malformed_statistics_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{\"pids\":-1}",
		"{\"pids\":18446744073709551616}",
		"{\"pids\":\"1\"}",
		"{\"cpu\":[]}",
		"{\"memory\":{\"raw\":[{\"value\":1}]}}",
		"{\"memory\":{\"raw\":[{\"name\":\"\",\"value\":1}]}}",
		"{\"memory\":{\"raw\":[{\"name\":\"a b\",\"value\":1}]}}",
		"{\"memory\":{\"raw\":[{\"name\":\"\\u001b[2J\",\"value\":1}]}}",
		"{\"memory\":{\"raw\":[{\"name\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"value\":1}]}}",
		"{\"links\":[{\"name\":\"e\\\"\"}]}",
		"{\"links\":{}}",
		"{\"hugetlb\":[{\"pageSize\":\"2 MB\"}]}",
	};
	struct agent_stats s;
	struct err err;
	char text[8192];
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		err = (struct err)ERR_INIT;
		assert_true(agent_stats_parse(bad[i], strlen(bad[i]), &s, &err) < 0);
		assert_int_not_equal(err.code, 0);
	}
	len = (size_t)sprintf(text, "{\"io\":[");
	for (int i = 0; i <= AGENT_STATS_IO_MAX; i++)
		len += (size_t)sprintf(text + len, "%s{\"major\":8}", i ? "," : "");
	len += (size_t)sprintf(text + len, "]}");
	assert_int_equal(agent_stats_parse(text, len, &s, &err), -EINVAL);
}

/* --- runc's JSON --- */

static void events_have_runcs_shape(void **state)
{
	_cleanup_agent_stats_ struct agent_stats s = { .pids = 2, .pids_limit = AGENT_STATS_NO_LIMIT };
	_cleanup_free_ char *text = NULL, *oom = NULL;
	size_t len;

	(void)state;
	s.cpu = (struct agent_stats_cpu){ 30, 20, 10, 5, 4, 3 };
	s.memory = (struct agent_stats_memory){ .usage = 100,
						.peak = 200,
						.limit = 300,
						.failures = 1,
						.swap_usage = 5,
						.swap_limit = 50,
						.cache = 7 };
	assert_int_equal(stats_parse_io("8:1 rbytes=1 wbytes=0 rios=3\n", &s), 0);
	assert_int_equal(stats_parse_links("eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n", &s), 0);
	assert_int_equal(events_text("c1", &s, &text, &len), 0);
	assert_string_equal(
		text,
		"{\"type\":\"stats\",\"id\":\"c1\",\"data\":{\"cpu\":{\"usage\":{\"total\":30000,\"kernel\":10000,"
		"\"user\":20000},\"throttling\":{\"periods\":5,\"throttledPeriods\":4,\"throttledTime\":3000}},"
		"\"cpuset\":{\"cpu_exclusive\":0,\"mem_hardwall\":0,\"mem_exclusive\":0,\"memory_migrate\":0,"
		"\"memory_spread_page\":0,\"memory_spread_slab\":0,\"memory_pressure\":0,\"sched_load_balance\":0,"
		"\"sched_relax_domain_level\":0},\"memory\":{\"cache\":7,\"usage\":{\"limit\":300,\"usage\":100,"
		"\"max\":200,\"failcnt\":1},\"swap\":{\"limit\":350,\"usage\":105,\"failcnt\":0},"
		"\"kernel\":{\"limit\":0,\"failcnt\":0},\"kernelTCP\":{\"limit\":0,\"failcnt\":0}},"
		"\"pids\":{\"current\":2},\"blkio\":{\"ioServiceBytesRecursive\":[{\"major\":8,\"minor\":1,"
		"\"op\":\"Read\",\"value\":1},{\"major\":8,\"minor\":1,\"op\":\"Write\"},{\"major\":8,\"minor\":1,"
		"\"op\":\"Discard\"}],\"ioServicedRecursive\":[{\"major\":8,\"minor\":1,\"op\":\"Read\",\"value\":3},"
		"{\"major\":8,\"minor\":1,\"op\":\"Write\"},{\"major\":8,\"minor\":1,\"op\":\"Discard\"}]},"
		"\"hugetlb\":{},\"intel_rdt\":{},\"network_interfaces\":[{\"Name\":\"eth0\",\"RxBytes\":1,"
		"\"RxPackets\":2,\"RxErrors\":3,\"RxDropped\":4,\"TxBytes\":9,\"TxPackets\":10,\"TxErrors\":11,"
		"\"TxDropped\":12}]}}");
	assert_int_equal(events_text("c1", NULL, &oom, &len), 0);
	assert_string_equal(oom, "{\"type\":\"oom\",\"id\":\"c1\"}");
}

static void limits_that_are_none_do_not_overflow(void **state)
{
	_cleanup_agent_stats_ struct agent_stats s = { .pids = 2 };
	_cleanup_free_ char *text = NULL;
	size_t len;

	(void)state;
	s.memory = (struct agent_stats_memory){ .limit = AGENT_STATS_NO_LIMIT, .swap_limit = 7 };
	assert_int_equal(events_text("c1", &s, &text, &len), 0);
	assert_non_null(strstr(text, "\"swap\":{\"limit\":18446744073709551615,"));
}

static void intervals_are_gos(void **state)
{
	static const char *const bad[] = { "",	  "5",	    "s",   "5x",	   "5 s",
					   "-5s", "1.2.3s", "5s3", "99999999999h", "1e3s" };
	uint64_t ns;

	(void)state;
	assert_int_equal(events_parse_interval("5s", &ns), 0);
	assert_true(ns == 5000000000ULL);
	assert_int_equal(events_parse_interval("1m30s", &ns), 0);
	assert_true(ns == 90000000000ULL);
	assert_int_equal(events_parse_interval("1.5h", &ns), 0);
	assert_true(ns == 5400000000000ULL);
	assert_int_equal(events_parse_interval("100ms", &ns), 0);
	assert_true(ns == 100000000ULL);
	assert_int_equal(events_parse_interval("0", &ns), 0);
	assert_true(ns == 0);
	assert_int_equal(events_parse_interval("0s", &ns), 0);
	assert_true(ns == 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(events_parse_interval(bad[i], &ns), -EINVAL);
}

/* --- out of memory --- */

static void count_oom(void *ctx, uint64_t kills)
{
	*(uint64_t *)ctx = kills;
}

static void a_kill_is_told_once(void **state)
{
	struct oom_watch *watch;
	struct loop *loop;
	uint64_t kills = 0;
	char path[40];
	_cleanup_close_ int dir = scratch(path);

	(void)state;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(oom_watch_new(loop, dir, count_oom, &kills, &watch), -ENOENT);
	/* A regular file can't be watched: epoll refuses it, the kernel's own does not. */
	put_file(dir, "memory.events", "oom 2\noom_kill 1\n");
	assert_int_equal(oom_watch_new(loop, dir, count_oom, &kills, &watch), -EPERM);
	oom_watch_check(NULL);
	oom_watch_free(NULL);
	assert_int_equal(kills, 0);
	loop_free(loop);
	assert_int_equal(dir_remove_all(AT_FDCWD, path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cgroup_is_read),
		cmocka_unit_test(a_cgroup_without_controllers_is_all_zero),
		cmocka_unit_test(links_are_read_without_loopback),
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(statistics_cross_whole),
		cmocka_unit_test(malformed_statistics_are_refused),
		cmocka_unit_test(events_have_runcs_shape),
		cmocka_unit_test(limits_that_are_none_do_not_overflow),
		cmocka_unit_test(intervals_are_gos),
		cmocka_unit_test(a_kill_is_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
