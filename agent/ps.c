/* SPDX-License-Identifier: Apache-2.0 */
/* ps: see ps.h; proc(5) for the files. */
#include "agent/ps.h"

#include "agent/cgroup.h"
#include "base/cleanup.h"
#include "base/fd.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	PROCESSES_MAX = 4096, /* more are left out: the list is for people */
	COMMAND_MAX = 512,
	LINE_BYTES = COMMAND_MAX + 128,
	FILE_MAX_BYTES = 64 << 10,
};

struct row {
	pid_t pid, ppid; /* as the agent numbers them */
	pid_t inner; /* as the container does */
	unsigned uid;
	long long started; /* seconds since 1970 */
	int tty;
	unsigned long seconds; /* of CPU time */
};

struct rows {
	struct row *v;
	size_t n;
};

static int read_file(pid_t pid, const char *name, char **ret, size_t *ret_len)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return file_read(AT_FDCWD, path, FILE_MAX_BYTES, ret, ret_len);
}

/* "Name:\tvalue" of /proc/PID/status. */
static const char *status_field(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, len) && line[len] == ':')
			return line + len + 1;
	}
	return NULL;
}

/* The last of "NSpid:\t12\t1" is the number in the innermost namespace. */
static pid_t innermost(const char *list)
{
	const char *end = list + strcspn(list, "\n");
	const char *last = list;

	for (const char *p = list; p < end; p++)
		if (*p == '\t')
			last = p;
	return (pid_t)atoi(last);
}

static int read_row(pid_t pid, struct row *ret)
{
	_cleanup_free_ char *status = NULL, *stat = NULL;
	const char *ppid, *uid, *nspid, *rest;
	unsigned long user, system, hz = (unsigned long)sysconf(_SC_CLK_TCK);
	unsigned long long start;
	struct timespec now, up;
	int r, tty;

	r = read_file(pid, "status", &status, NULL);
	if (r == 0)
		r = read_file(pid, "stat", &stat, NULL);
	if (r < 0)
		return r;
	ppid = status_field(status, "PPid");
	uid = status_field(status, "Uid");
	nspid = status_field(status, "NSpid");
	rest = strrchr(stat, ')');
	/* state is field 3, tty_nr 7, utime 14, stime 15, starttime 22 */
	if (!ppid || !uid || !rest ||
	    sscanf(rest + 1, " %*c %*d %*d %*d %d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %llu",
		   &tty, &user, &system, &start) != 4)
		return -EINVAL;
	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	*ret = (struct row){
		.pid = pid,
		.ppid = (pid_t)atoi(ppid),
		.inner = nspid ? innermost(nspid) : pid,
		.uid = (unsigned)strtoul(uid, NULL, 10),
		.started = (long long)now.tv_sec - up.tv_sec + (long long)(start / hz),
		.tty = tty,
		.seconds = (user + system) / hz,
	};
	return 0;
}

static void add_row(void *ctx, pid_t pid)
{
	struct rows *rows = ctx;

	/* One that has just ended is no error. */
	if (rows->n < PROCESSES_MAX && read_row(pid, &rows->v[rows->n]) == 0)
		rows->n++;
}

static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return (x->inner > y->inner) - (x->inner < y->inner);
}

static pid_t inner_parent(const struct rows *rows, pid_t ppid)
{
	for (size_t i = 0; i < rows->n; i++)
		if (rows->v[i].pid == ppid)
			return rows->v[i].inner;
	return 0;
}

/* The arguments with blanks between; a zombie or a kernel's thread has none but a name. */
static void read_command(pid_t pid, char buf[static COMMAND_MAX])
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int n;

	if (read_file(pid, "cmdline", &text, &len) < 0 || len == 0) {
		free(TAKE_PTR(text));
		if (read_file(pid, "comm", &text, &len) < 0) {
			snprintf(buf, COMMAND_MAX, "?");
			return;
		}
		n = snprintf(buf, COMMAND_MAX, "[%.*s]", (int)strcspn(text, "\n"), text);
		len = (size_t)n;
	} else {
		if (len > COMMAND_MAX - 1)
			len = COMMAND_MAX - 1;
		memcpy(buf, text, len);
		buf[len] = '\0';
		if (buf[len - 1] == '\0')
			len--;
	}
	for (size_t i = 0; i < len; i++)
		if (buf[i] == '\0' || buf[i] == '\n')
			buf[i] = ' ';
}

int ps_list(int cgroup, size_t max, char **ret_text, size_t *ret_len)
{
	_cleanup_free_ struct row *v = calloc(PROCESSES_MAX, sizeof(*v));
	_cleanup_free_ char *text = malloc(max ? max : 1);
	struct rows rows = { .v = v };
	size_t len = 0;
	int r;

	if (!v || !text)
		return -ENOMEM;
	r = cgroup_for_each(cgroup, add_row, &rows);
	if (r < 0)
		return r;
	qsort(rows.v, rows.n, sizeof(*rows.v), compare_rows);
	for (size_t i = 0; i < rows.n; i++) {
		const struct row *row = &rows.v[i];
		char command[COMMAND_MAX], line[LINE_BYTES];
		int n;

		read_command(row->pid, command);
		n = snprintf(line, sizeof(line), "%d %d %u %lld %d %lu %s\n", (int)row->inner,
			     (int)inner_parent(&rows, row->ppid), row->uid, row->started, row->tty,
			     row->seconds, command);
		if (n < 0 || len + (size_t)n > max)
			break;
		memcpy(text + len, line, (size_t)n);
		len += (size_t)n;
	}
	*ret_text = TAKE_PTR(text);
	*ret_len = len;
	return 0;
}
