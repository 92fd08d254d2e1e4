/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_systemd: a container's scope, by org.freedesktop.systemd1(5) over D-Bus.
 *
 * The calls are made by systemd's own busctl(1), which is wherever systemd is.
 * Limits that systemd knows are given to it as properties, so that a reload does
 * not undo them; all of them are then written to the files as well (cgroup.c).
 */
#include "runtime/cgroup_internal.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "runtime/cgroup_host.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

enum {
	ARGS_MAX = 128,
	OUTPUT_MAX = 1024,
	JOB_TRIES = 600, /* 50 ms each: as long as systemd gives a job of its own */
	QUOTA_STEP_US = 10000, /* systemd's resolution */
};

/* --- busctl --- */

struct call {
	char *argv[ARGS_MAX];
	size_t n;
	bool failed; /* out of memory */
};

__attribute__((format(printf, 2, 3))) static void arg(struct call *call, const char *fmt, ...)
{
	va_list ap;

	if (call->n >= ARGS_MAX - 1) {
		call->failed = true;
		return;
	}
	va_start(ap, fmt);
	if (vasprintf(&call->argv[call->n], fmt, ap) < 0)
		call->failed = true;
	else
		call->n++;
	va_end(ap);
}

static void call_done(struct call *call)
{
	while (call->n)
		free(call->argv[--call->n]);
}

static void call_begin(struct call *call, const char *method, const char *signature)
{
	*call = (struct call){ .n = 0 };
	arg(call, "busctl");
	arg(call, "--system");
	arg(call, "--quiet");
	arg(call, "call");
	arg(call, "org.freedesktop.systemd1");
	arg(call, "/org/freedesktop/systemd1");
	arg(call, "org.freedesktop.systemd1.Manager");
	arg(call, "%s", method);
	arg(call, "%s", signature);
}

static _Noreturn void become_busctl(char *const *argv, int output)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* A caller's environment may have no search path. */
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 0);
	if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0 &&
	    dup2(output, STDERR_FILENO) >= 0)
		execvp(argv[0], argv);
	dprintf(output, "%s: %s", argv[0], strerror(errno));
	_exit(127);
}

static void read_output(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len + 1 < size) {
		ssize_t n = read(fd, buf + len, size - 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	while (len > 0 && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
}

/* Consumes the call. */
static int call_run(struct call *call, const char *what, struct err *err)
{
	_cleanup_close_ int ours = -EBADF, theirs = -EBADF;
	char output[OUTPUT_MAX];
	int pair[2], status;
	pid_t pid;

	if (call->failed) {
		call_done(call);
		return err_set(err, -ENOMEM, "out of memory");
	}
	pid = pipe2(pair, O_CLOEXEC) < 0 ? -1 : fork();
	if (pid < 0) {
		call_done(call);
		return err_set_errno(err, -errno, "starting busctl");
	}
	ours = pair[0];
	theirs = pair[1];
	if (pid == 0)
		become_busctl(call->argv, theirs);
	call_done(call);
	theirs = close_fd(theirs);
	read_output(ours, output, sizeof(output));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_set_errno(err, -errno, "waiting for busctl");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return err_set(err, -EIO, "%s by systemd: %s", what, *output ? output : "busctl failed");
}

/* --- properties --- */

/* A number, or "max" and -1 for none, as systemd writes it. */
static uint64_t number_of(const char *value)
{
	if (*value == '-' || strncmp(value, "max", 3) == 0)
		return UINT64_MAX;
	return strtoull(value, NULL, 10);
}

static const char *property_of(const char *file)
{
	static const struct {
		const char *file, *property;
	} known[] = {
		{ "memory.max", "MemoryMax" },
		{ "memory.low", "MemoryLow" },
		{ "memory.swap.max", "MemorySwapMax" },
		{ "memory.limit_in_bytes", "MemoryLimit" },
		{ "cpu.weight", "CPUWeight" },
		{ "cpu.shares", "CPUShares" },
		{ "io.weight", "IOWeight" },
		{ "blkio.weight", "BlockIOWeight" },
		{ "pids.max", "TasksMax" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(known[i].file, file) == 0)
			return known[i].property;
	return NULL;
}

struct properties {
	struct call args; /* name, signature, value of each */
	unsigned n;
};

__attribute__((format(printf, 4, 5))) static void add_property(struct properties *p, const char *name,
							       const char *signature, const char *fmt, ...)
{
	_cleanup_free_ char *value = NULL;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vasprintf(&value, fmt, ap);
	va_end(ap);
	if (r < 0) {
		value = NULL;
		p->args.failed = true;
		return;
	}
	arg(&p->args, "%s", name);
	arg(&p->args, "%s", signature);
	arg(&p->args, "%s", value);
	p->n++;
}

/* CPU time a second; a quota without a period is of 100 ms. */
static void add_quota(struct properties *p, const struct cgroup_settings *settings)
{
	uint64_t quota = 0, period = 100000, per_second;

	for (size_t i = 0; i < settings->n; i++) {
		const struct cgroup_setting *s = &settings->v[i];

		if (strcmp(s->file, "cpu.max") == 0) {
			const char *second = strchr(s->value, ' ');

			quota = number_of(s->value);
			period = second ? number_of(second + 1) : period;
		} else if (strcmp(s->file, "cpu.cfs_quota_us") == 0) {
			quota = number_of(s->value);
		} else if (strcmp(s->file, "cpu.cfs_period_us") == 0) {
			period = number_of(s->value);
		}
	}
	if (quota == 0 || period == 0)
		return;
	per_second = UINT64_MAX;
	if (quota != UINT64_MAX) {
		per_second = quota / period * 1000000 + quota % period * 1000000 / period;
		per_second = (per_second + QUOTA_STEP_US - 1) / QUOTA_STEP_US * QUOTA_STEP_US;
	}
	add_property(p, "CPUQuotaPerSecUSec", "t", "%" PRIu64, per_second);
}

static int add_limits(struct properties *p, const struct cgroup *cgroup,
		      const struct oci_resources *resources, enum cgroup_parts parts, struct err *err)
{
	_cleanup_cgroup_settings_ struct cgroup_settings settings = { 0 };
	int r;

	r = cgroup_limits(cgroup->unified, resources, &cgroup->sizes, parts, &settings, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < settings.n; i++) {
		const struct cgroup_setting *s = &settings.v[i];
		const char *name = s->try_only ? NULL : property_of(s->file);

		if (name)
			add_property(p, name, "t", "%" PRIu64, number_of(s->value));
	}
	add_quota(p, &settings);
	return 0;
}

static void append_properties(struct call *call, struct properties *p)
{
	arg(call, "%u", p->n);
	for (size_t i = 0; i < p->args.n; i++)
		arg(call, "%s", p->args.argv[i]);
	call->failed |= p->args.failed;
	call_done(&p->args);
}

/* --- the scope --- */

int cgroup_systemd_check(struct err *err)
{
	/* sd_booted(3) */
	if (access("/run/systemd/system", F_OK) < 0)
		return err_set(err, -ENOTSUP, "--systemd-cgroup: systemd does not run on this host");
	if (geteuid() != 0)
		return err_set(err, -ENOTSUP, "--systemd-cgroup: not supported without root's rights");
	return 0;
}

static bool is_in_unit(pid_t pid, const struct cgroup *cgroup)
{
	_cleanup_free_ char *path = NULL;
	const char *last;

	if (cgroup_of_pid(pid, cgroup->unified ? "" : "name=systemd", &path) < 0)
		return false;
	last = strrchr(path, '/');
	return last && strcmp(last + 1, cgroup->unit) == 0;
}

int cgroup_systemd_start(const struct cgroup *cgroup, const char *description,
			 const struct oci_resources *resources, pid_t pid, struct err *err)
{
	static const char *const on[] = { "Delegate",	     "MemoryAccounting", "CPUAccounting",
					  "TasksAccounting", "IOAccounting",	 NULL };
	struct properties p = { .n = 0 };
	struct call call;
	int r;

	add_property(&p, "Description", "s", "vrun container %s", description);
	add_property(&p, "Slice", "s", "%s", cgroup->slice);
	for (const char *const *name = on; *name; name++)
		add_property(&p, *name, "b", "true");
	add_property(&p, "DefaultDependencies", "b", "false");
	/* An array of one. */
	add_property(&p, "PIDs", "au", "1");
	arg(&p.args, "%d", (int)pid);
	r = add_limits(&p, cgroup, resources, CGROUP_REST, err);
	if (r < 0) {
		call_done(&p.args);
		return r;
	}
	call_begin(&call, "StartTransientUnit", "ssa(sv)a(sa(sv))");
	arg(&call, "%s", cgroup->unit);
	arg(&call, "replace");
	append_properties(&call, &p);
	arg(&call, "0");
	r = call_run(&call, "making the container's scope", err);
	/* The answer is a job's name; what the job is for is to be seen. */
	for (unsigned i = 0; r == 0 && !is_in_unit(pid, cgroup); i++) {
		if (i == JOB_TRIES)
			return err_set(err, -ETIMEDOUT, "systemd did not start %s in time", cgroup->unit);
		poll(NULL, 0, 50);
	}
	return r;
}

int cgroup_systemd_set(const struct cgroup *cgroup, const struct oci_resources *resources,
		       enum cgroup_parts parts, struct err *err)
{
	struct properties p = { .n = 0 };
	struct call call;
	int r;

	r = add_limits(&p, cgroup, resources, parts, err);
	if (r < 0 || p.n == 0) {
		call_done(&p.args);
		return r;
	}
	call_begin(&call, "SetUnitProperties", "sba(sv)");
	arg(&call, "%s", cgroup->unit);
	arg(&call, "true");
	append_properties(&call, &p);
	return call_run(&call, "setting limits", err);
}

void cgroup_systemd_stop(const struct cgroup *cgroup)
{
	struct call call;

	/* A scope whose last process is gone goes by itself; one that failed stays until it is reset. */
	call_begin(&call, "StopUnit", "ss");
	arg(&call, "%s", cgroup->unit);
	arg(&call, "replace");
	(void)call_run(&call, "stopping the container's scope", NULL);
	call_begin(&call, "ResetFailedUnit", "s");
	arg(&call, "%s", cgroup->unit);
	(void)call_run(&call, "forgetting the container's scope", NULL);
}
