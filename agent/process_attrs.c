/* SPDX-License-Identifier: Apache-2.0 */
/* process_attrs: see process_attrs.h. */
#include "agent/process_attrs.h"

#include "base/lookpath.h"
#include "agent/passwd.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "oci/spec.h"

#include <fcntl.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { PASSWD_MAX = 4 << 20 };

struct name_value {
	const char *name;
	uint64_t value;
};

static const struct name_value policies[] = {
	{ "SCHED_OTHER", 0 }, { "SCHED_FIFO", 1 }, { "SCHED_RR", 2 },	    { "SCHED_BATCH", 3 },
	{ "SCHED_ISO", 4 },   { "SCHED_IDLE", 5 }, { "SCHED_DEADLINE", 6 },
};

static const struct name_value sched_flags[] = {
	{ "SCHED_FLAG_RESET_ON_FORK", 0x01 },  { "SCHED_FLAG_RECLAIM", 0x02 },
	{ "SCHED_FLAG_DL_OVERRUN", 0x04 },     { "SCHED_FLAG_KEEP_POLICY", 0x08 },
	{ "SCHED_FLAG_KEEP_PARAMS", 0x10 },    { "SCHED_FLAG_UTIL_CLAMP_MIN", 0x20 },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", 0x40 },
};

static const struct name_value ioprio_classes[] = {
	{ "IOPRIO_CLASS_RT", IOPRIO_CLASS_RT },
	{ "IOPRIO_CLASS_BE", IOPRIO_CLASS_BE },
	{ "IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE },
};

/* sched_setattr(2); the C library has no such struct. */
struct sched_attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static bool look_up(const struct name_value *table, size_t n, const char *name, uint64_t *ret)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(table[i].name, name) == 0) {
			*ret = table[i].value;
			return true;
		}
	}
	return false;
}

static int set_scheduler(const struct oci_scheduler *s, struct err *err)
{
	struct sched_attributes attr = {
		.size = sizeof(attr),
		.nice = s->nice,
		.priority = (uint32_t)s->priority,
		.runtime = s->runtime,
		.deadline = s->deadline,
		.period = s->period,
	};
	uint64_t value;

	if (!s->has)
		return 0;
	if (!s->policy || !look_up(policies, ARRAY_SIZE(policies), s->policy, &value))
		return err_set(err, -EINVAL, "process.scheduler.policy: %s is not known", s->policy ?: "");
	attr.policy = (uint32_t)value;
	for (size_t i = 0; i < s->flags.n; i++) {
		if (!look_up(sched_flags, ARRAY_SIZE(sched_flags), s->flags.v[i], &value))
			return err_set(err, -EINVAL, "process.scheduler.flags: %s is not known",
				       s->flags.v[i]);
		attr.flags |= value;
	}
	if (syscall(SYS_sched_setattr, 0, &attr, 0) < 0)
		return err_set_errno(err, -errno, "process.scheduler");
	return 0;
}

static int set_io_priority(const struct oci_io_priority *io, struct err *err)
{
	uint64_t class;

	if (!io->has)
		return 0;
	if (!io->class_name || !look_up(ioprio_classes, ARRAY_SIZE(ioprio_classes), io->class_name, &class))
		return err_set(err, -EINVAL, "process.ioPriority.class: %s is not known",
			       io->class_name ?: "");
	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE((int)class, io->priority)) < 0)
		return err_set_errno(err, -errno, "process.ioPriority");
	return 0;
}

static int set_personality(const char *domain, struct err *err)
{
	unsigned long persona;

	if (!domain)
		return 0;
	if (strcmp(domain, "LINUX") == 0)
		persona = PER_LINUX;
	else if (strcmp(domain, "LINUX32") == 0)
		persona = PER_LINUX32;
	else
		return err_set(err, -EINVAL, "linux.personality.domain: %s is not known", domain);
	return personality(persona) < 0 ? err_set_errno(err, -errno, "linux.personality") : 0;
}

int process_attrs_apply(const struct oci_process *process, const struct oci_linux *l, struct err *err)
{
	int r = set_scheduler(&process->scheduler, err);

	if (r == 0)
		r = set_io_priority(&process->io_priority, err);
	return r == 0 ? set_personality(l->personality_domain, err) : r;
}

int process_limits_apply(pid_t pid, const struct oci_process *process, struct err *err)
{
	char path[64], text[32];
	int r;

	for (size_t i = 0; i < process->n_rlimits; i++) {
		const struct oci_rlimit *l = &process->rlimits[i];
		struct rlimit limit = { .rlim_cur = l->soft, .rlim_max = l->hard };

		if (prlimit(pid, (enum __rlimit_resource)l->resource, &limit, NULL) < 0)
			return err_set_errno(err, -errno, "process.rlimits: setting %s", l->type);
	}
	if (!process->oom_score_adj.has)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	snprintf(text, sizeof(text), "%lld", (long long)process->oom_score_adj.v);
	r = file_write(AT_FDCWD, path, text);
	return r < 0 ? err_set_errno(err, r, "process.oomScoreAdj") : 0;
}

/* As text; NULL when it is anything but a readable file of a sensible size: opening a fifo must not block. */
static char *read_passwd(void)
{
	_cleanup_close_ int fd = open("/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > PASSWD_MAX)
		return NULL;
	text = calloc(1, (size_t)st.st_size + 1);
	if (!text || fd_read_all(fd, text, (size_t)st.st_size) < 0)
		return NULL;
	return TAKE_PTR(text);
}

/* runc: what /etc/passwd says, "/" when it says nothing. */
static int make_home(uint32_t uid, char **ret)
{
	_cleanup_free_ char *text = read_passwd();
	char home[4096];

	if (!text || !passwd_find_home(text, uid, home, sizeof(home)))
		strcpy(home, "/");
	return asprintf(ret, "HOME=%s", home) < 0 ? -ENOMEM : 0;
}

/* By name, then by place; the elements point into process.env. */
static int compare_env(const void *a, const void *b)
{
	char *const *one = *(char *const *const *)a, *const *other = *(char *const *const *)b;
	size_t len = strcspn(*one, "="), other_len = strcspn(*other, "=");
	int r = memcmp(*one, *other, len < other_len ? len : other_len);

	if (r == 0 && len != other_len)
		return len < other_len ? -1 : 1;
	return r ? r : one < other ? -1 : one > other;
}

static bool same_name(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");

	return len == strcspn(b, "=") && memcmp(a, b, len) == 0;
}

/* Each name once, with its last value, as runc: which of two counts would be the program's libc's choice. */
static int last_of_each(const struct oci_strings *env, char **ret)
{
	_cleanup_free_ char ***sorted = calloc(env->n + 1, sizeof(*sorted));
	size_t n = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < env->n; i++) {
		sorted[i] = &env->v[i];
		ret[i] = env->v[i];
	}
	qsort(sorted, env->n, sizeof(*sorted), compare_env);
	for (size_t i = 1; i < env->n; i++)
		if (same_name(*sorted[i - 1], *sorted[i]))
			ret[sorted[i - 1] - env->v] = NULL;
	for (size_t i = 0; i < env->n; i++)
		if (ret[i])
			ret[n++] = ret[i];
	ret[n] = NULL;
	return (int)n;
}

int process_env_build(const struct oci_process *process, struct process_env *ret)
{
	int n;

	ret->v = calloc(process->env.n + 2, sizeof(*ret->v));
	if (!ret->v)
		return -ENOMEM;
	n = last_of_each(&process->env, ret->v);
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		if (strncmp(ret->v[i], "HOME=", 5) != 0)
			continue;
		if (ret->v[i][5])
			return 0;
		/* Empty: as if it was not there. */
		memmove(ret->v + i, ret->v + i + 1, (size_t)(n - i) * sizeof(*ret->v));
		n--;
		break;
	}
	if (make_home(process->user.uid, &ret->home) < 0)
		return -ENOMEM;
	ret->v[n] = ret->home;
	return 0;
}

void process_env_done(struct process_env *env)
{
	free(TAKE_PTR(env->v));
	free(TAKE_PTR(env->home));
}
