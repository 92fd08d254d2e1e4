/* SPDX-License-Identifier: Apache-2.0 */
/* stats: see stats.h; Documentation/admin-guide/cgroup-v2.rst for the files. */
#include "agent/stats.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "oci/agent_stats.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FILE_SIZE_MAX = 256 << 10 };

/* --- files --- */

/* A number; 0 when the file is not there, AGENT_STATS_NO_LIMIT for "max". */
static uint64_t read_number(int cgroup, const char *file)
{
	_cleanup_free_ char *text = NULL;

	if (file_read(cgroup, file, FILE_SIZE_MAX, &text, NULL) < 0)
		return 0;
	return strncmp(text, "max", 3) == 0 ? AGENT_STATS_NO_LIMIT : strtoull(text, NULL, 10);
}

/* The number behind `key` in lines of "key number". */
static uint64_t find_value(const char *text, const char *key)
{
	size_t len = strlen(key);

	while (text && *text) {
		if (strncmp(text, key, len) == 0 && text[len] == ' ')
			return strtoull(text + len, NULL, 10);
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return 0;
}

/* One more element of an array; zeroed, NULL when there is no memory. */
static void *grow(void *array, size_t *n, size_t size)
{
	void **v = array;
	char *bigger = reallocarray(*v, *n + 1, size);

	if (!bigger)
		return NULL;
	*v = bigger;
	memset(bigger + *n * size, 0, size);
	return bigger + (*n)++ * size;
}

/* --- parts --- */

static void read_cpu(int cgroup, struct agent_stats_cpu *cpu)
{
	_cleanup_free_ char *text = NULL;

	if (file_read(cgroup, "cpu.stat", FILE_SIZE_MAX, &text, NULL) < 0)
		return;
	cpu->usage_us = find_value(text, "usage_usec");
	cpu->user_us = find_value(text, "user_usec");
	cpu->system_us = find_value(text, "system_usec");
	cpu->periods = find_value(text, "nr_periods");
	cpu->throttled_periods = find_value(text, "nr_throttled");
	cpu->throttled_us = find_value(text, "throttled_usec");
}

int stats_parse_memory(const char *text, struct agent_stats *stats)
{
	struct agent_stats_memory *m = &stats->memory;

	m->cache = find_value(text, "file");
	while (*text && m->n_raw < AGENT_STATS_RAW_MAX) {
		size_t len = strcspn(text, " \n");

		if (text[len] == ' ' && len > 0 && len <= AGENT_STATS_NAME_MAX) {
			struct agent_stats_value *raw = grow(&m->raw, &m->n_raw, sizeof(*raw));

			if (!raw)
				return -ENOMEM;
			raw->name = strndup(text, len);
			raw->value = strtoull(text + len, NULL, 10);
			if (!raw->name)
				return -ENOMEM;
		}
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return 0;
}

static int read_memory(int cgroup, struct agent_stats *stats)
{
	_cleanup_free_ char *events = NULL;
	_cleanup_free_ char *text = NULL;
	struct agent_stats_memory *m = &stats->memory;

	m->usage = read_number(cgroup, "memory.current");
	/* Linux 5.19 */
	m->peak = read_number(cgroup, "memory.peak");
	m->limit = read_number(cgroup, "memory.max");
	m->swap_usage = read_number(cgroup, "memory.swap.current");
	m->swap_limit = read_number(cgroup, "memory.swap.max");
	if (file_read(cgroup, "memory.events", FILE_SIZE_MAX, &events, NULL) == 0) {
		m->failures = find_value(events, "max");
		m->oom_kills = find_value(events, "oom_kill");
	}
	if (file_read(cgroup, "memory.stat", FILE_SIZE_MAX, &text, NULL) < 0)
		return 0;
	return stats_parse_memory(text, stats);
}

/* The page sizes are in the names of the files: "hugetlb.2MB.current". */
static int read_hugetlb(int cgroup, struct agent_stats *stats)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int fd = openat(cgroup, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	dir = fdopendir(fd);
	if (!dir) {
		close_fd(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(dir)) && stats->n_hugetlb < AGENT_STATS_HUGETLB_MAX) {
		_cleanup_free_ char *events = NULL;
		struct agent_stats_hugetlb *h;
		char size[32] = "", file[64];
		int end = 0;

		if (sscanf(entry->d_name, "hugetlb.%31[0-9KMGB].current%n", size, &end) != 1 || end == 0 ||
		    entry->d_name[end])
			continue;
		h = grow(&stats->hugetlb, &stats->n_hugetlb, sizeof(*h));
		if (!h)
			return -ENOMEM;
		h->page_size = strdup(size);
		if (!h->page_size)
			return -ENOMEM;
		h->usage = read_number(cgroup, entry->d_name);
		snprintf(file, sizeof(file), "hugetlb.%s.events", size);
		if (file_read(cgroup, file, FILE_SIZE_MAX, &events, NULL) == 0)
			h->failures = find_value(events, "max");
	}
	return 0;
}

/* One "key=number" of a line of io.stat. */
static void parse_io_item(const char *item, struct agent_stats_io *io)
{
	const struct {
		const char *key;
		uint64_t *value;
	} keys[] = {
		{ "rbytes=", &io->read_bytes },	   { "wbytes=", &io->write_bytes },
		{ "dbytes=", &io->discard_bytes }, { "rios=", &io->reads },
		{ "wios=", &io->writes },	   { "dios=", &io->discards },
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strncmp(item, keys[i].key, strlen(keys[i].key)) == 0)
			*keys[i].value = strtoull(item + strlen(keys[i].key), NULL, 10);
}

int stats_parse_io(const char *text, struct agent_stats *stats)
{
	_cleanup_free_ char *copy = strdup(text);
	char *lines = NULL, *items = NULL;

	if (!copy)
		return -ENOMEM;
	for (char *line = strtok_r(copy, "\n", &lines); line && stats->n_io < AGENT_STATS_IO_MAX;
	     line = strtok_r(NULL, "\n", &lines)) {
		struct agent_stats_io *io;
		uint64_t major, minor;
		char *item = strtok_r(line, " ", &items);

		if (!item || sscanf(item, "%" SCNu64 ":%" SCNu64, &major, &minor) != 2)
			continue;
		io = grow(&stats->io, &stats->n_io, sizeof(*io));
		if (!io)
			return -ENOMEM;
		io->major = major;
		io->minor = minor;
		while ((item = strtok_r(NULL, " ", &items)))
			parse_io_item(item, io);
	}
	return 0;
}

int stats_parse_links(const char *text, struct agent_stats *stats)
{
	for (; *text && stats->n_links < AGENT_STATS_LINKS_MAX;
	     text += strcspn(text, "\n"), text += *text == '\n') {
		struct agent_stats_link link = { .name = NULL }, *l;
		char name[32];

		/* name: bytes packets errs drop fifo frame compressed multicast, then the same for what is sent */
		if (sscanf(text,
			   " %31[^: \n]: %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
			   " %*u %*u %*u %*u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
			   name, &link.rx_bytes, &link.rx_packets, &link.rx_errors, &link.rx_dropped,
			   &link.tx_bytes, &link.tx_packets, &link.tx_errors, &link.tx_dropped) != 9 ||
		    strcmp(name, "lo") == 0)
			continue;
		l = grow(&stats->links, &stats->n_links, sizeof(*l));
		if (!l)
			return -ENOMEM;
		*l = link;
		l->name = strdup(name);
		if (!l->name)
			return -ENOMEM;
	}
	return 0;
}

int stats_read(int cgroup, pid_t pid, struct agent_stats *ret)
{
	_cleanup_agent_stats_ struct agent_stats stats = { .pids = 0 };
	_cleanup_free_ char *io = NULL;
	_cleanup_free_ char *links = NULL;
	char path[48];
	int r;

	read_cpu(cgroup, &stats.cpu);
	stats.pids = read_number(cgroup, "pids.current");
	stats.pids_limit = read_number(cgroup, "pids.max");
	r = read_memory(cgroup, &stats);
	if (r == 0)
		r = read_hugetlb(cgroup, &stats);
	if (r == 0 && file_read(cgroup, "io.stat", FILE_SIZE_MAX, &io, NULL) == 0)
		r = stats_parse_io(io, &stats);
	snprintf(path, sizeof(path), "/proc/%d/net/dev", (int)pid);
	if (r == 0 && file_read(AT_FDCWD, path, FILE_SIZE_MAX, &links, NULL) == 0)
		r = stats_parse_links(links, &stats);
	if (r < 0)
		return r;
	*ret = stats;
	stats = (struct agent_stats){ .pids = 0 };
	return 0;
}
