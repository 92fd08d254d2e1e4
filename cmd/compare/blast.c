/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blast: how far harm goes, tried for real. See compare.h.
 *
 * What a VM can take is run in the VM. In the namespace container only that is run which its
 * limits hold, and only after the limits have been read back from the host's cgroup; the
 * rest is said not to have been tried, and why.
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "cmd/compare/compare.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LIMIT = 60, BOMB_PIDS = 64, BOMB_MAX = 400, MEMORY_MIB = 48, MEMORY_MAX = 400, CLOCK_FORWARD = 86400 };

static double vmstat(const char *key)
{
	_cleanup_free_ char *text = NULL;

	return file_read(AT_FDCWD, "/proc/vmstat", 1 << 20, &text, NULL) < 0 ? -1 : probe_number(text, key);
}

static void host_boot_id(char *buf, size_t size)
{
	_cleanup_free_ char *text = NULL;

	buf[0] = '\0';
	if (file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text, NULL) == 0)
		snprintf(buf, size, "%s", text);
}

/* --- A panic --- */

static int panic(struct compare *c, struct group *group, struct err *err)
{
	static const char *const args[] = { "panic", NULL };
	struct row *row =
		report_add(group, "panic", "Kernel panic (sysrq c)", "\"c\" written to /proc/sysrq-trigger");
	_cleanup_output_ struct output o = { 0 };
	char dir[PATH_MAX], before[64], after[64], value[64];
	int r;

	cell_text(&row->cells[SIDE_NS], MOOD_SHARED,
		  "not tried: the kernel is the host's, this machine would stop");
	compare_progress(c, "%s: a kernel panic in the VM", c->stacks[SIDE_VM].name);
	host_boot_id(before, sizeof(before));
	r = bundle_make(c, "panic-vm", &(struct bundle_change){ .args = args, .everything = true }, dir, err);
	if (r == 0)
		r = stack_run(&c->stacks[SIDE_VM], dir, LIMIT, &o, err);
	if (r < 0)
		return r;
	host_boot_id(after, sizeof(after));
	if (strcmp(before, after))
		return err_set(err, -EIO, "the host's boot id changed during the panic of a guest");
	if (probe_value(o.text, "panic", 1, value, sizeof(value)) ||
	    !probe_value(o.text, "panic", 0, value, sizeof(value)) || strcmp(value, "now"))
		cell_text(&row->cells[SIDE_VM], MOOD_PLAIN, "the guest's kernel did not panic (%s)",
			  o.status == -1 ? "no end in time" : value);
	else
		cell_text(&row->cells[SIDE_VM], MOOD_APART,
			  "its VM ended after %.1f s with status %d; the host and all else ran on", o.seconds,
			  o.status);
	return 0;
}

/* --- Too many processes, too much memory --- */

/*
 * A cgroup file of the container's process, by /proc/PID/cgroup: "8:pids:/x" of version 1, or "0::/x".
 * -1 when there is no such limit: "max", or the controller is not there.
 */
static double cgroup_limit(pid_t pid, const char *controller, const char *v1_file, const char *v2_file)
{
	_cleanup_free_ char *text = NULL;
	char path[64], *rest, *line;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	if (file_read(AT_FDCWD, path, 1 << 16, &text, NULL) < 0)
		return -1;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *names = strchr(line, ':'), *dir = names ? strchr(names + 1, ':') : NULL;
		_cleanup_free_ char *file = NULL;
		_cleanup_free_ char *value = NULL;
		bool v2;

		if (!dir)
			continue;
		*dir++ = '\0';
		v2 = names[1] == '\0';
		if (!v2 && strcmp(names + 1, controller))
			continue;
		if (asprintf(&file, "/sys/fs/cgroup%s%s%s/%s", v2 ? "" : "/", v2 ? "" : controller, dir,
			     v2 ? v2_file : v1_file) < 0) {
			file = NULL;
			return -1;
		}
		if (file_read(AT_FDCWD, file, 64, &value, NULL) == 0 && value[0] >= '0' && value[0] <= '9')
			return atof(value);
	}
	return -1;
}

/* Run to its end in a container that has a limit; `*ret_held` false: the host did not set the limit, nothing was run. */
static int run_limited(struct compare *c, enum side side, const char *name,
		       const struct bundle_change *change, bool *ret_held, char **ret_text, struct err *err)
{
	_cleanup_live_ struct live live = { .id = "" };
	const struct timespec tick = { .tv_nsec = 50000000 };
	char proc[64];
	int r;

	*ret_held = false;
	r = live_create(c, &c->stacks[side], name, change, false, &live, err);
	if (r < 0)
		return r;
	if (side == SIDE_NS) {
		double limit = change->pids ? cgroup_limit(live.pid, "pids", "pids.max", "pids.max")
					    : cgroup_limit(live.pid, "memory", "memory.limit_in_bytes",
							   "memory.max");

		if (limit < 0 ||
		    limit > (change->pids ? (double)change->pids : (double)(change->memory_mib << 20)))
			return 0;
	}
	*ret_held = true;
	r = live_start(&live, err);
	if (r < 0)
		return r;
	/* Until its process has ended: killed, or done. */
	snprintf(proc, sizeof(proc), "/proc/%d/stat", live.pid);
	for (int i = 0; i < LIMIT * 20; i++) {
		_cleanup_free_ char *stat = NULL;

		if (file_read(AT_FDCWD, proc, 4096, &stat, NULL) < 0 || strstr(stat, ") Z "))
			break;
		nanosleep(&tick, NULL);
	}
	r = file_read(AT_FDCWD, live.log, 1 << 20, ret_text, NULL);
	return r < 0 ? err_set_errno(err, r, "%s", live.log) : 0;
}

static int bomb(struct compare *c, struct group *group, struct err *err)
{
	static const char *const args[] = { "bomb", "400", NULL };
	struct row *row = report_add(group, "bomb", "Fork bomb, limit of 64 processes",
				     "linux.resources.pids.limit; it starts at most 400");

	_Static_assert(BOMB_MAX == 400 && BOMB_PIDS == 64, "the words of the row");
	for (int s = 0; s < SIDES; s++) {
		_cleanup_free_ char *text = NULL;
		char why[64] = "?";
		bool held;
		int r;

		compare_progress(c, "%s: a fork bomb in a limit of %d processes", c->stacks[s].name,
				 BOMB_PIDS);
		r = run_limited(c, (enum side)s, s == SIDE_NS ? "bomb-ns" : "bomb-vm",
				&(struct bundle_change){ .args = args, .pids = BOMB_PIDS }, &held, &text,
				err);
		if (r < 0)
			return r;
		if (!held) {
			cell_text(&row->cells[s], MOOD_SHARED, "not tried: the host did not set the limit");
			continue;
		}
		probe_value(text, "refused", 0, why, sizeof(why));
		if (probe_number(text, "processes") >= BOMB_MAX || probe_number(text, "processes") < 0)
			cell_text(&row->cells[s], MOOD_SHARED, "not held: %.0f processes",
				  probe_number(text, "processes"));
		else
			cell_text(&row->cells[s], s == SIDE_NS ? MOOD_PLAIN : MOOD_APART,
				  "held at %.0f (%s), in the process table of %s",
				  probe_number(text, "processes"), why,
				  s == SIDE_NS ? "the host" : "its own kernel");
	}
	return 0;
}

static int memory(struct compare *c, struct group *group, struct err *err)
{
	static const char *const args[] = { "memory", "400", NULL };
	struct row *row = report_add(
		group, "memory.exhaustion", "All memory used, limit of 48 MiB",
		"linux.resources.memory.limit; oom_kill of the host's /proc/vmstat, before and after");

	_Static_assert(MEMORY_MAX == 400 && MEMORY_MIB == 48, "the words of the row");
	for (int s = 0; s < SIDES; s++) {
		_cleanup_free_ char *text = NULL;
		double kills = vmstat("oom_kill"), mib = -1;
		bool held;
		int r;

		compare_progress(c, "%s: all memory, in a limit of %d MiB", c->stacks[s].name, MEMORY_MIB);
		r = run_limited(c, (enum side)s, s == SIDE_NS ? "memory-ns" : "memory-vm",
				&(struct bundle_change){ .args = args, .memory_mib = MEMORY_MIB }, &held,
				&text, err);
		if (r < 0)
			return r;
		if (!held) {
			cell_text(&row->cells[s], MOOD_SHARED, "not tried: the host did not set the limit");
			continue;
		}
		/* The last line that it could still write. */
		for (const char *line = text; (line = strstr(line, "mib ")); line++)
			mib = atof(line + 4);
		if (strstr(text, "refused not"))
			cell_text(&row->cells[s], MOOD_SHARED, "not held: %.0f MiB were used", mib);
		else if (vmstat("oom_kill") > kills)
			cell_text(&row->cells[s], MOOD_SHARED, "killed after %.0f MiB by the host's kernel",
				  mib);
		else
			cell_text(&row->cells[s], MOOD_APART, "killed after %.0f MiB by %s", mib,
				  s == SIDE_NS ? "a kernel that did not count it"
					       : "its own kernel; the host's killed nothing");
	}
	return 0;
}

/* --- Attempts --- */

static void say_attempt(struct row *row, int s, const char *result, const char *whose)
{
	if (!strcmp(result, "done"))
		cell_text(&row->cells[s], s == SIDE_NS ? MOOD_SHARED : MOOD_APART, "done, in %s", whose);
	else
		cell_text(&row->cells[s], MOOD_PLAIN, "refused (%s)", result);
}

static const struct {
	const char *probe, *key, *title;
} attempts[] = {
	{ "module", "module", "Loading a kernel module" },
	{ "mount", "mount", "Mounting a file system" },
	{ "clock", "clock", "Setting the clock" },
};

static int as_bundle(struct compare *c, struct group *group, struct err *err)
{
	static const char *const args[] = { "attempts", NULL };
	_cleanup_output_ struct output ns = { 0 }, vm = { 0 };
	const struct output *o[SIDES] = { &ns, &vm };
	int r;

	compare_progress(c, "both: a module, a mount, the clock");
	r = stack_probe(c, SIDE_NS, "attempts-ns", &(struct bundle_change){ .args = args }, LIMIT, &ns, err);
	if (r == 0)
		r = stack_probe(c, SIDE_VM, "attempts-vm", &(struct bundle_change){ .args = args }, LIMIT,
				&vm, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		struct row *row = report_add(group, attempts[i].key, attempts[i].title,
					     "with the bundle's capabilities");
		char result[64];

		for (int s = 0; s < SIDES; s++) {
			if (probe_value(o[s]->text, attempts[i].probe, 0, result, sizeof(result)))
				say_attempt(row, s, result,
					    s == SIDE_NS ? "the host's kernel" : "its own kernel");
		}
	}
	return 0;
}

/* The same with everything allowed, which only a kernel of one's own can take. */
static int as_root(struct compare *c, struct group *group, struct err *err)
{
	static const char *const args[] = { "attempts", "86400", NULL };
	struct row *row = report_add(group, "everything", "The same with all capabilities",
				     "and the clock set a day ahead; nothing masked, no filter");
	_cleanup_output_ struct output o = { 0 };
	char module[64] = "?", mount[64] = "?", clock[64] = "?";
	struct timespec before, after;
	double ahead;
	int r;

	_Static_assert(CLOCK_FORWARD == 86400, "the words of the row");
	cell_text(&row->cells[SIDE_NS], MOOD_SHARED, "not tried: modules and the clock would be the host's");
	compare_progress(c, "%s: the same with all capabilities", c->stacks[SIDE_VM].name);
	clock_gettime(CLOCK_REALTIME, &before);
	r = stack_probe(c, SIDE_VM, "everything-vm",
			&(struct bundle_change){ .args = args, .everything = true }, LIMIT, &o, err);
	if (r < 0)
		return r;
	clock_gettime(CLOCK_REALTIME, &after);
	probe_value(o.text, "module", 0, module, sizeof(module));
	probe_value(o.text, "mount", 0, mount, sizeof(mount));
	probe_value(o.text, "clock", 0, clock, sizeof(clock));
	ahead = probe_number(o.text, "clock_now") - (double)after.tv_sec;
	if (after.tv_sec - before.tv_sec > CLOCK_FORWARD / 2)
		return err_set(err, -EIO, "the host's clock went ahead with a guest's");
	cell_text(&row->cells[SIDE_VM], MOOD_APART, "module: %s; mount: %s; clock: %s%s",
		  !strcmp(module, "ENOEXEC")  ? "its own kernel looked at it"
		  : !strcmp(module, "ENOSYS") ? "its own kernel has no modules"
					      : module,
		  mount, clock,
		  ahead > CLOCK_FORWARD / 2 ? ", a day ahead of the host, which kept its time" : "");
	return 0;
}

int compare_blast(struct compare *c, struct group *group, struct err *err)
{
	int r;

	*group = (struct group){
		.key = "blast",
		.title = "Blast radius",
		.intro = "What happens when code in the container goes wrong, tried where that is safe."
	};
	r = panic(c, group, err);
	if (r == 0)
		r = bomb(c, group, err);
	if (r == 0)
		r = memory(c, group, err);
	if (r == 0)
		r = as_bundle(c, group, err);
	return r < 0 ? r : as_root(c, group, err);
}
