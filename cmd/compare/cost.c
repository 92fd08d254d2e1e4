/* SPDX-License-Identifier: Apache-2.0 */
/* cost: what the second wall takes: time, memory, speed. Medians of several runs. See compare.h. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "cmd/compare/compare.h"
#include "cmd/compare/probe.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STARTS = 5, LIMIT = 120 };

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), by_size);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static int start_time(struct compare *c, struct group *group, struct err *err)
{
	static const char *const args[] = { "true", NULL };
	struct row *row = report_add(group, "start", "Start to end of an empty program",
				     "\"run\" of a program that does nothing; median of 5");

	_Static_assert(STARTS == 5, "the words of the row");
	row->unit = "s";
	row->better = BETTER_LOWER;
	for (int s = 0; s < SIDES; s++) {
		double seconds[STARTS];

		compare_progress(c, "%s: %d starts", c->stacks[s].name, STARTS);
		for (int i = 0; i < STARTS; i++) {
			_cleanup_output_ struct output o = { 0 };
			int r = stack_probe(c, (enum side)s, s == SIDE_NS ? "start-ns" : "start-vm",
					    &(struct bundle_change){ .args = args }, LIMIT, &o, err);

			if (r < 0)
				return r;
			seconds[i] = o.seconds;
		}
		cell_number(&row->cells[s], MOOD_PLAIN, median(seconds, STARTS));
	}
	return 0;
}

/* MiB of the host: what is shared with others counts in part (proc(5), smaps_rollup, Pss). */
static double memory_of(pid_t pid)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	const char *pss;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	if (file_read(AT_FDCWD, path, 1 << 16, &text, NULL) < 0)
		return 0;
	pss = strstr(text, "\nPss:");
	return pss ? atof(pss + 5) / 1024 : 0;
}

static int host_memory(struct compare *c, struct group *group, struct err *err)
{
	struct row *row =
		report_add(group, "memory.host", "Host memory of an idle container",
			   "Pss of all host processes behind it; what the kernel itself holds is not in it");

	row->unit = "MiB";
	row->better = BETTER_LOWER;
	for (int s = 0; s < SIDES; s++) {
		_cleanup_live_ struct live live = { .id = "" };
		pid_t pids[LIVE_PIDS];
		double mib = 0;
		size_t n;
		int r;

		compare_progress(c, "%s: memory of an idle container", c->stacks[s].name);
		r = live_idle(c, (enum side)s, &live, pids, &n, err);
		if (r < 0)
			return r;
		for (size_t i = 0; i < n; i++)
			mib += memory_of(pids[i]);
		cell_number(&row->cells[s], MOOD_PLAIN, mib);
	}
	return 0;
}

static const struct {
	const char *probe, *key, *title, *note, *unit;
	enum better better;
} measures[] = {
	{ "cpu_loop", "cpu", "A processor loop", "one dependent multiply and add", "ns", BETTER_LOWER },
	{ "syscall", "syscall", "A system call", "getppid(2), answered by the container's kernel", "ns",
	  BETTER_LOWER },
	{ "fork", "fork", "A process, start to end", "fork(2) and waitpid(2)", "µs", BETTER_LOWER },
	{ "read", "read", "File reads", "8 MiB of a bind mount, read before", "MB/s", BETTER_HIGHER },
	{ "write", "write", "File writes", "1 MiB over and over, without fsync", "MB/s", BETTER_HIGHER },
	{ "metadata", "metadata", "File metadata", "create, stat and remove a file", "µs", BETTER_LOWER },
	{ "pipe", "pipe", "A pipe", "between two processes, 64 KiB a write", "MB/s", BETTER_HIGHER },
	{ "tcp", "tcp", "TCP, inside of the container", "over the loopback interface", "MB/s",
	  BETTER_HIGHER },
};

static void add_measure(struct group *group, size_t i, const struct output o[SIDES])
{
	struct row *row = report_add(group, measures[i].key, measures[i].title, measures[i].note);

	row->unit = measures[i].unit;
	row->better = measures[i].better;
	for (int s = 0; s < SIDES; s++) {
		double values[PROBE_ROUNDS];
		char buf[64];
		int n = 0;

		while (n < PROBE_ROUNDS && probe_value(o[s].text, measures[i].probe, n, buf, sizeof(buf)))
			values[n++] = atof(buf);
		if (n > 0 && median(values, (size_t)n) > 0)
			cell_number(&row->cells[s], MOOD_PLAIN, median(values, (size_t)n));
		else
			cell_text(&row->cells[s], MOOD_PLAIN, "could not be measured");
	}
}

int compare_cost(struct compare *c, struct group *group, struct err *err)
{
	static const char *const args[] = { "bench", PROBE_SCRATCH, NULL };
	struct output o[SIDES] = { { .status = 0 }, { .status = 0 } };
	int r;

	*group = (struct group){
		.key = "cost",
		.title = "Cost",
		.intro = "Medians of five rounds each, on this machine, now. The ratio is VM to namespaces."
	};
	r = start_time(c, group, err);
	if (r == 0)
		r = host_memory(c, group, err);
	for (int s = 0; r == 0 && s < SIDES; s++) {
		compare_progress(c, "%s: processor, system calls, files, pipes, TCP", c->stacks[s].name);
		r = stack_probe(c, (enum side)s, s == SIDE_NS ? "bench-ns" : "bench-vm",
				&(struct bundle_change){ .args = args }, LIMIT, &o[s], err);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(measures); i++)
		add_measure(group, i, o);
	for (int s = 0; s < SIDES; s++)
		output_done(&o[s]);
	return r;
}
