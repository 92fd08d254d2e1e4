/* SPDX-License-Identifier: Apache-2.0 */
/* top: what the running containers use, as a table that is printed once or time and again. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "cmd/cmd.h"
#include "oci/agent_stats.h"
#include "runtime/events.h"
#include "runtime/lookup.h"
#include "runtime/state.h"
#include "runtime/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define INTERVAL_DEFAULT "2s"

struct options {
	const char *interval;
	bool once;
};

static const struct opt opts[] = {
	{ "interval", 'i', OPT_STRING, offsetof(struct options, interval), "TIME",
	  "between two tables, such as 500ms or 1m (" INTERVAL_DEFAULT ")" },
	{ "once", '1', OPT_FLAG, offsetof(struct options, once), NULL, "print one table" },
	OPT_END,
};

/* What a container had used when it was looked at last: the share of CPU time is of the time since then. */
struct sample {
	char *id;
	uint64_t cpu_us, at_us;
	bool seen; /* in the latest table */
};

struct top {
	const char *root;
	struct sample *samples;
	size_t n;
};

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* "123.4M"; the largest number is the cgroup's "max". */
static void format_size(uint64_t bytes, char buf[static 16])
{
	static const char units[] = "KMGTPE";
	double value = (double)bytes / 1024;
	int unit = 0;

	if (bytes > INT64_MAX) {
		snprintf(buf, 16, "-");
		return;
	}
	for (; value >= 1024 && units[unit + 1]; unit++)
		value /= 1024;
	snprintf(buf, 16, "%.1f%c", value, units[unit]);
}

struct resident {
	uint64_t anonymous, shared;
};

/* proc(5), status: in KiB. The VM's memory is shared by those who map it. */
static void add_resident(pid_t pid, struct resident *sum)
{
	_cleanup_free_ char *text = NULL;
	const char *anonymous, *shared;
	uint64_t bytes;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (file_read(AT_FDCWD, path, 64 << 10, &text, NULL) < 0)
		return;
	anonymous = strstr(text, "\nRssAnon:");
	shared = strstr(text, "\nRssShmem:");
	if (!anonymous || !shared)
		return;
	sum->anonymous += strtoull(anonymous + strlen("\nRssAnon:"), NULL, 10) * 1024;
	bytes = strtoull(shared + strlen("\nRssShmem:"), NULL, 10) * 1024;
	if (bytes > sum->shared)
		sum->shared = bytes;
}

/* Of vrun-vmm and its children, an emulator among them: what of the VM's memory the host has given, and their own. */
static uint64_t resident_bytes(pid_t pid)
{
	_cleanup_free_ char *children = NULL;
	struct resident sum = { 0 };
	char path[64];

	add_resident(pid, &sum);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	if (file_read(AT_FDCWD, path, 64 << 10, &children, NULL) == 0) {
		for (char *p = children, *end; strtol(p, &end, 10) > 0; p = end)
			add_resident((pid_t)strtol(p, NULL, 10), &sum);
	}
	return sum.anonymous + sum.shared;
}

static struct sample *find_sample(struct top *top, const char *id)
{
	struct sample *grown;

	for (size_t i = 0; i < top->n; i++) {
		if (!strcmp(top->samples[i].id, id))
			return &top->samples[i];
	}
	grown = realloc(top->samples, (top->n + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	top->samples = grown;
	grown[top->n] = (struct sample){ .id = strdup(id) };
	return grown[top->n].id ? &grown[top->n++] : NULL;
}

static void drop_samples(struct top *top, bool all)
{
	size_t kept = 0;

	for (size_t i = 0; i < top->n; i++) {
		if (all || !top->samples[i].seen)
			free(top->samples[i].id);
		else
			top->samples[kept++] = top->samples[i];
	}
	top->n = kept;
}

static void format_cpu(struct top *top, const char *id, uint64_t cpu_us, char buf[static 16])
{
	struct sample *sample = find_sample(top, id);
	uint64_t at = now_us();

	snprintf(buf, 16, "-");
	if (!sample)
		return;
	/* A counter that goes back is of another container, or a guest's lie. */
	if (sample->at_us && cpu_us >= sample->cpu_us && at > sample->at_us)
		snprintf(buf, 16, "%.1f",
			 (double)(cpu_us - sample->cpu_us) * 100 / (double)(at - sample->at_us));
	sample->cpu_us = cpu_us;
	sample->at_us = at;
	sample->seen = true;
}

static void print_row(struct top *top, const char *id)
{
	_cleanup_agent_stats_ struct agent_stats stats = { .pids = 0 };
	char cpu[16] = "-", usage[16] = "-", limit[16] = "-", host[16], pids[24] = "-";
	_cleanup_lookup_ struct lookup c = LOOKUP_INIT;

	/* Gone since it was listed, or damaged: `list` tells. */
	if (lookup_open(top->root, id, false, &c, NULL) < 0 || c.status == STATUS_STOPPED)
		return;
	/* Before it is started, and while it is paused, there is nobody to ask. */
	if (c.status == STATUS_RUNNING && events_stats(&c, &stats, NULL) == 0) {
		format_cpu(top, id, stats.cpu.usage_us, cpu);
		format_size(stats.memory.usage, usage);
		format_size(stats.memory.limit, limit);
		snprintf(pids, sizeof(pids), "%llu", (unsigned long long)stats.pids);
	}
	format_size(resident_bytes(c.state->pid), host);
	printf("%-24s %-8s %8d %4u %6s %9s %9s %9s %6s\n", id, status_name(c.status), (int)c.state->pid,
	       c.state->cpus, cpu, usage, limit, host, pids);
}

static int print_table(struct top *top, char **words, int n_words, struct err *err)
{
	_cleanup_store_ struct store *store = NULL;
	char **ids = NULL;
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < top->n; i++)
		top->samples[i].seen = false;
	if (n_words == 0) {
		r = store_open(top->root, &store, err);
		if (r == 0)
			r = store_list(store, &ids, &n, err);
		if (r < 0)
			return r;
	}
	printf("%-24s %-8s %8s %4s %6s %9s %9s %9s %6s\n", "ID", "STATUS", "PID", "CPUS", "CPU%", "MEMORY", "LIMIT",
	       "ON HOST", "PIDS");
	for (int i = 0; i < n_words; i++)
		print_row(top, words[i]);
	for (size_t i = 0; i < n; i++)
		print_row(top, ids[i]);
	store_list_free(ids);
	drop_samples(top, false);
	return fflush(stdout) == EOF ? err_set_errno(err, -errno, "standard output") : 0;
}

static int check_ids(const char *root, char **words, int n, struct err *err)
{
	for (int i = 0; i < n; i++) {
		_cleanup_lookup_ struct lookup c = LOOKUP_INIT;
		int r = lookup_open(root, words[i], false, &c, err);

		if (r < 0)
			return err_wrap(err, r, "%s", words[i]);
	}
	return 0;
}

static int top_command(const struct cmd_call *call, struct err *err)
{
	const struct options *o = call->opts;
	const char *text = o->interval ? o->interval : INTERVAL_DEFAULT;
	struct top top = { .root = call->globals->root };
	uint64_t interval;
	int r;

	if (events_parse_interval(text, &interval) < 0 || interval == 0)
		return err_set(err, -EINVAL, "option --interval: \"%s\" is no time such as 5s or 500ms", text);
	r = check_ids(top.root, call->words, call->n_words, err);
	while (r == 0) {
		const struct timespec ts = { (time_t)(interval / 1000000000), (long)(interval % 1000000000) };

		/* A person's screen is written over; a file gets one table after the other. */
		if (!o->once && isatty(STDOUT_FILENO))
			printf("\033[H\033[J");
		r = print_table(&top, call->words, call->n_words, err);
		if (o->once || r < 0)
			break;
		nanosleep(&ts, NULL);
	}
	drop_samples(&top, true);
	free(top.samples);
	return r;
}

const struct command cmd_top = {
	.name = "top",
	.words = "[ID…]",
	.summary = "show what the running containers use, in their VMs and on the host",
	.details = "CPU% is of the time since the table before, 100 for a whole CPU; MEMORY and LIMIT are the\n"
		   "container's in its VM; ON HOST is what vrun-vmm and its\n"
		   "emulator have in memory, the VM's among it.",
	.examples = "vrun top\n"
		    "vrun top --once web",
	.opts = opts,
	.opts_size = sizeof(struct options),
	.min_words = 0,
	.max_words = -1,
	.run = top_command,
};
