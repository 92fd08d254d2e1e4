/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare: the parts of `vrun compare`, each of which measures one thing on
 * both sides and writes rows of the report.
 *
 * Theory of operation: the user's bundle is never run as it is. From its
 * config.json another one is made for each step (bundle.c), whose process is
 * vrun-probe, bound into the container; the root file system, namespaces,
 * capabilities and filters stay the bundle's, its hooks are left out. What could
 * hurt the machine is run in the VM only, or, in a container with a limit, after the limit has been read back
 * from the host's cgroup.
 */
#ifndef VRUN_CMD_COMPARE_COMPARE_H
#define VRUN_CMD_COMPARE_COMPARE_H

#include "cmd/compare/report.h"

#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct json_doc;

struct stack {
	enum side side;
	const char *name; /* "runc" */
	char program[PATH_MAX];
	char root[PATH_MAX]; /* --root */
	const char *engine; /* --engine of vrun, NULL for the others */
};

struct compare {
	struct json_doc *config; /* the user's config.json */
	char bundle[PATH_MAX]; /* absolute */
	char work[64]; /* a directory of ours, removed at the end */
	struct stack stacks[SIDES];
	struct report report;
	char *facts[SIDES]; /* what the probe said in the first step; later ones read more of it */
	int step, steps; /* of the progress */
};

/* Set by a signal that asks to end: commands that run are killed, and the step fails. */
extern volatile sig_atomic_t compare_stopped;

/* Tell on standard error what is done now. */
void compare_progress(struct compare *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --- bundle.c --- */

/* Where the probe and a scratch directory are inside of each container. */
#define PROBE_DIR "/dev/.vrun-compare"
#define PROBE_SCRATCH PROBE_DIR "/scratch"

struct bundle_change {
	const char *const *args; /* of the probe, NULL-terminated */
	long pids, memory_mib; /* limits; 0: the bundle's */
	bool everything; /* all capabilities, nothing masked or read-only: for a VM only */
};

/* Makes WORK/NAME with a config.json. `ret_dir` is PATH_MAX. */
int bundle_make(const struct compare *c, const char *name, const struct bundle_change *change, char *ret_dir,
		struct err *err);

/* --- stack.c --- */

struct output {
	int status; /* exit status; 128 + n for signal n; -1 past the limit of time */
	double seconds;
	char *text; /* standard output, NUL-terminated; freed by output_done() */
	char *errors; /* standard error */
};
void output_done(struct output *o);
#define _cleanup_output_ __attribute__((cleanup(output_done)))

/* Find the program of a stack; crun or runc when `name` is NULL: the first that works. */
int stack_find(struct compare *c, const char *with, struct err *err);

/* "crun 1.8.1": asked of the program itself. */
void stack_version(const struct stack *s, char *buf, size_t size);

/* RUNTIME run --bundle DIR: to its end, or `limit` seconds. Only a failure to start it is an error. */
int stack_run(const struct stack *s, const char *dir, int limit, struct output *ret, struct err *err);

/* The usual case: the probe with these words in a bundle of that name; any status but 0 is an error. */
int stack_probe(struct compare *c, enum side side, const char *name, const struct bundle_change *change,
		int limit, struct output *ret, struct err *err);

enum { LIVE_PIDS = 64 };

/* A container that runs `probe wait` until it is ended. */
struct live {
	const struct stack *stack;
	char id[64];
	pid_t pid; /* the container's on the host */
	char log[PATH_MAX]; /* what it prints goes there */
};

/* RUNTIME create, and with `start` also start. live_end() is right after a failure too. */
int live_create(const struct compare *c, const struct stack *s, const char *name,
		const struct bundle_change *change, bool start, struct live *ret, struct err *err);
int live_start(const struct live *live, struct err *err);
/* Wait until the log holds a line that begins with `word`. -ETIMEDOUT. */
int live_wait_for(const struct live *live, const char *word, int limit, struct err *err);
/* One that waits, and the host processes behind it: process_tree(). */
int live_idle(struct compare *c, enum side side, struct live *ret, pid_t pids[static LIVE_PIDS],
	      size_t *ret_n, struct err *err);
void live_end(struct live *live);
#define _cleanup_live_ __attribute__((cleanup(live_end)))

/* The value of "KEY value" in an output; a second one of the same key with `nth` 1. NULL: none. `buf` as given. */
const char *probe_value(const char *text, const char *key, int nth, char *buf, size_t size);
/* -1 when there is none. */
double probe_number(const char *text, const char *key);

/* --- filters.c, trace.c --- */

enum { SYSCALLS_MAX = 512 };

/* One bit a number of a system call. */
struct syscall_set {
	bool has[SYSCALLS_MAX];
	uint64_t calls; /* made in all, where calls were counted */
};

/* Names the numbers of this architecture; NULL: there is no such call. */
const char *syscall_name(int nr, char *buf, size_t size);
int syscall_count(const struct syscall_set *set);

/* The container's process and all that it started, threads too. Returns how many, at most `max`. */
size_t process_tree(pid_t pid, pid_t *pids, size_t max);

struct sock_filter;

/* Take from the set what this filter never permits, whatever the arguments. */
void filter_apply(const struct sock_filter *code, size_t len, struct syscall_set *set);

/* System calls that some thread of these may make, by the kernel's own copy of their filters. */
int filters_read(const pid_t *pids, size_t n, struct syscall_set *ret, bool *ret_filtered, struct err *err);

/*
 * Trace a created container while `go` starts it, to its end: the calls that it makes from the first program of
 * its own on (`from_exec`), or, for a VM, from now on.
 */
int trace_calls(pid_t pid, bool from_exec, int (*go)(void *ctx, struct err *err), void *ctx, int limit,
		struct syscall_set *ret, struct err *err);

/* --- The steps, in their order --- */

int compare_facts(struct compare *c, struct group *group, struct err *err);
int compare_surface(struct compare *c, struct group *group, struct err *err);
int compare_blast(struct compare *c, struct group *group, struct err *err);
int compare_cost(struct compare *c, struct group *group, struct err *err);

#endif
