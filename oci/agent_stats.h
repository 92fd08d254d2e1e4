/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent_stats: what a container uses, as the guest's agent counts it (cgroup v2
 * and the network namespace). It crosses as JSON from the agent to vrun-vmm and from
 * there to `vrun events`; each of these reads it anew and believes its shape only.
 *
 * Numbers that the guest's kernel does not have are 0; limits that are none are
 * AGENT_STATS_NO_LIMIT.
 */
#ifndef VRUN_OCI_AGENT_STATS_H
#define VRUN_OCI_AGENT_STATS_H

#include <stddef.h>
#include <stdint.h>

struct err;

#define AGENT_STATS_NO_LIMIT UINT64_MAX

enum {
	/* So that all of it stays far below a frame and a message. */
	AGENT_STATS_NAME_MAX = 48,
	AGENT_STATS_RAW_MAX = 96,
	AGENT_STATS_HUGETLB_MAX = 8,
	AGENT_STATS_IO_MAX = 16,
	AGENT_STATS_LINKS_MAX = 16,
};

struct agent_stats_value {
	char *name;
	uint64_t value;
};

struct agent_stats_hugetlb {
	char *page_size; /* "2MB" */
	uint64_t usage, failures;
};

struct agent_stats_io {
	uint64_t major, minor;
	uint64_t read_bytes, write_bytes, discard_bytes;
	uint64_t reads, writes, discards;
};

struct agent_stats_link {
	char *name;
	uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped;
	uint64_t tx_bytes, tx_packets, tx_errors, tx_dropped;
};

struct agent_stats_cpu {
	uint64_t usage_us, user_us, system_us;
	uint64_t periods, throttled_periods, throttled_us;
};

struct agent_stats_memory {
	uint64_t usage, peak, limit, failures;
	uint64_t swap_usage, swap_limit;
	uint64_t cache; /* of files */
	uint64_t oom_kills;
	struct agent_stats_value *raw; /* memory.stat */
	size_t n_raw;
};

struct agent_stats {
	struct agent_stats_cpu cpu;
	struct agent_stats_memory memory;
	uint64_t pids, pids_limit;
	struct agent_stats_hugetlb *hugetlb;
	size_t n_hugetlb;
	struct agent_stats_io *io;
	size_t n_io;
	struct agent_stats_link *links;
	size_t n_links;
};

int agent_stats_write(const struct agent_stats *stats, char **ret_text, size_t *ret_len);
int agent_stats_parse(const char *text, size_t len, struct agent_stats *ret, struct err *err);
/* Also for one that was filled by hand with malloc()ed parts. */
void agent_stats_done(struct agent_stats *stats);
#define _cleanup_agent_stats_ __attribute__((cleanup(agent_stats_done)))

#endif
