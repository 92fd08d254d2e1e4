/* SPDX-License-Identifier: Apache-2.0 */
/* stats: what the container uses, from its cgroup and its network namespace. */
#ifndef VRUN_AGENT_STATS_H
#define VRUN_AGENT_STATS_H

#include <sys/types.h>

struct agent_stats;

/* `pid`: a process in the container's network namespace. What can't be read stays 0. The caller ends *ret. */
int stats_read(int cgroup, pid_t pid, struct agent_stats *ret);

/* proc(5), /proc/PID/net/dev; without lo. -ENOMEM. */
int stats_parse_links(const char *text, struct agent_stats *stats);
/* cgroup-v2.rst, io.stat and memory.stat. -ENOMEM. */
int stats_parse_io(const char *text, struct agent_stats *stats);
int stats_parse_memory(const char *text, struct agent_stats *stats);

#endif
