/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup_limits: see cgroup_limits.h. The files: kernel, admin-guide/cgroup-v1/, cgroup-v2.rst. */
#include "runtime/cgroup_limits.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "oci/spec.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FIELD(name) "linux.resources." name

/* --- the list --- */

struct list {
	struct cgroup_settings *settings;
	bool failed; /* out of memory */
};

/* The new entry, or one that is thrown away. `fmt` is the value. */
__attribute__((format(printf, 5, 6))) static struct cgroup_setting *
add(struct list *list, const char *controller, const char *file, const char *field, const char *fmt, ...)
{
	static struct cgroup_setting nowhere;
	struct cgroup_setting *v, s = { .controller = controller, .field = field };
	va_list ap;
	int r;

	snprintf(s.file, sizeof(s.file), "%s", file);
	va_start(ap, fmt);
	r = vasprintf(&s.value, fmt, ap);
	va_end(ap);
	v = r < 0 ? NULL : reallocarray(list->settings->v, list->settings->n + 1, sizeof(*v));
	if (!v) {
		if (r >= 0)
			free(s.value);
		list->failed = true;
		return &nowhere;
	}
	list->settings->v = v;
	v[list->settings->n] = s;
	return &v[list->settings->n++];
}

/* Version 2 writes "max" for no limit, version 1 -1. */
static struct cgroup_setting *add_limit(struct list *list, bool unified, const char *controller,
					const char *file, const char *field, int64_t value)
{
	if (unified && value < 0)
		return add(list, controller, file, field, "max");
	return add(list, controller, file, field, "%" PRId64, value < 0 ? -1 : value);
}

/* --- memory --- */

struct host_memory {
	int64_t limit, swap, reservation; /* 0: not to be set, -1: none; swap: with memory, as OCI has it */
};

static int64_t plus(int64_t a, uint64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int64_t value_of(struct oci_i64 n)
{
	return n.has ? n.v : 0;
}

int64_t cgroup_memory_limit(const struct oci_resources *res)
{
	int64_t limit = value_of(res->memory.limit);

	for (size_t i = 0; limit == 0 && i < res->unified.n; i++) {
		const char *value = res->unified.v[i].value;

		if (strcmp(res->unified.v[i].key, "memory.max"))
			continue;
		if (strcmp(value, "max") == 0)
			limit = -1;
		else if (isdigit((unsigned char)*value))
			limit = strtoll(value, NULL, 10);
	}
	return limit < 0 ? -1 : limit;
}

static int host_memory(const struct oci_resources *res, const struct cgroup_sizes *sizes,
		       struct host_memory *ret, struct err *err)
{
	int64_t limit = cgroup_memory_limit(res), swap = value_of(res->memory.swap);
	int64_t reservation = value_of(res->memory.reservation);
	struct host_memory host = { .limit = limit, .swap = swap, .reservation = reservation };
	int64_t whole = plus((int64_t)sizes->overhead, sizes->vm_memory);

	if (limit > 0)
		host.limit = whole;
	/* As runc: no limit of memory, and no word of swap, means no limit of both. */
	if (limit < 0 && swap == 0)
		host.swap = -1;
	if (swap > 0) {
		if (limit <= 0)
			return err_set(err, -EINVAL, FIELD("memory.swap: needs a memory.limit"));
		if (swap < limit)
			return err_set(err, -EINVAL,
				       FIELD("memory.swap: counts memory and swap, must not be below "
					     "memory.limit"));
		host.swap = plus(whole, (uint64_t)(swap - limit));
	}
	if (reservation > 0) {
		host.reservation = plus(reservation, sizes->overhead);
		if (host.reservation > whole)
			host.reservation = whole;
	}
	*ret = host;
	return 0;
}

static void memory_v1(struct list *list, const struct oci_memory *m, const struct host_memory *host)
{
	const char *limit = FIELD("memory.limit"), *swap = FIELD("memory.swap");

	/* memory.limit may never be above memsw.limit: the order depends on which way they go. */
	if (host->limit && host->swap)
		add_limit(list, false, "memory", "memory.limit_in_bytes", limit, host->limit)->try_only =
			true;
	if (host->swap)
		add_limit(list, false, "memory", "memory.memsw.limit_in_bytes", swap, host->swap)->may_miss =
			true;
	if (host->limit)
		add_limit(list, false, "memory", "memory.limit_in_bytes", limit, host->limit);
	if (host->reservation)
		add_limit(list, false, "memory", "memory.soft_limit_in_bytes", FIELD("memory.reservation"),
			  host->reservation);
	if (value_of(m->kernel_tcp))
		add_limit(list, false, "memory", "memory.kmem.tcp.limit_in_bytes", FIELD("memory.kernelTCP"),
			  m->kernel_tcp.v)
			->may_miss = true;
	if (m->has_disable_oom_killer)
		add(list, "memory", "memory.oom_control", FIELD("memory.disableOOMKiller"), "%d",
		    m->disable_oom_killer);
	if (m->swappiness.has)
		add(list, "memory", "memory.swappiness", FIELD("memory.swappiness"), "%" PRIu64,
		    m->swappiness.v);
}

/* No OOM killer's switch and no swappiness there: ignored, as runc does. */
static void memory_v2(struct list *list, const struct oci_resources *res, const struct host_memory *host)
{
	int64_t swap = value_of(res->memory.swap);

	if (host->swap < 0)
		add(list, "memory", "memory.swap.max", FIELD("memory.swap"), "max")->may_miss = true;
	else if (host->swap > 0)
		add(list, "memory", "memory.swap.max", FIELD("memory.swap"), "%" PRId64,
		    swap - cgroup_memory_limit(res))
			->may_miss = true;
	if (host->limit)
		add_limit(list, true, "memory", "memory.max", FIELD("memory.limit"), host->limit);
	if (host->reservation)
		add_limit(list, true, "memory", "memory.low", FIELD("memory.reservation"), host->reservation);
}

/* --- cpu --- */

uint64_t cgroup_weight_of_shares(uint64_t shares)
{
	if (shares < 2)
		shares = 2;
	if (shares > 262144)
		shares = 262144;
	return 1 + (shares - 2) * 9999 / 262142;
}

static void quota_v1(struct list *list, const struct oci_cpu *cpu)
{
	const char *quota = FIELD("cpu.quota"), *period = FIELD("cpu.period"), *burst = FIELD("cpu.burst");
	bool has_quota = cpu->quota.has && cpu->quota.v, has_period = cpu->period.has && cpu->period.v;

	/* burst <= quota, and quota / period within the parent's, at each step. */
	if (cpu->burst.has && has_quota)
		add(list, "cpu", "cpu.cfs_burst_us", burst, "%" PRIu64, cpu->burst.v)->try_only = true;
	if (has_period && has_quota)
		add(list, "cpu", "cpu.cfs_period_us", period, "%" PRIu64, cpu->period.v)->try_only = true;
	if (has_quota)
		add(list, "cpu", "cpu.cfs_quota_us", quota, "%" PRId64, cpu->quota.v < 0 ? -1 : cpu->quota.v);
	if (has_period)
		add(list, "cpu", "cpu.cfs_period_us", period, "%" PRIu64, cpu->period.v);
	if (cpu->burst.has)
		add(list, "cpu", "cpu.cfs_burst_us", burst, "%" PRIu64, cpu->burst.v);
}

static void quota_v2(struct list *list, const struct oci_cpu *cpu)
{
	bool has_quota = cpu->quota.has && cpu->quota.v, has_period = cpu->period.has && cpu->period.v;
	uint64_t period = has_period ? cpu->period.v : 100000;
	const char *burst = FIELD("cpu.burst");

	if (cpu->burst.has && has_quota)
		add(list, "cpu", "cpu.max.burst", burst, "%" PRIu64, cpu->burst.v)->try_only = true;
	if (has_quota && cpu->quota.v > 0)
		add(list, "cpu", "cpu.max", FIELD("cpu.quota"), "%" PRId64 " %" PRIu64, cpu->quota.v, period);
	else if (has_quota || has_period)
		add(list, "cpu", "cpu.max", FIELD("cpu.quota"), "max %" PRIu64, period);
	if (cpu->burst.has)
		add(list, "cpu", "cpu.max.burst", burst, "%" PRIu64, cpu->burst.v);
}

static void cpu_rest(struct list *list, bool unified, const struct oci_cpu *cpu)
{
	bool idle = cpu->idle.has && cpu->idle.v == 1;

	if (cpu->idle.has)
		add(list, "cpu", "cpu.idle", FIELD("cpu.idle"), "%" PRId64, cpu->idle.v);
	/* The kernel takes no weight for an idle group. */
	if (cpu->shares.has && cpu->shares.v && !idle && unified)
		add(list, "cpu", "cpu.weight", FIELD("cpu.shares"), "%" PRIu64,
		    cgroup_weight_of_shares(cpu->shares.v));
	else if (cpu->shares.has && cpu->shares.v && !idle)
		add(list, "cpu", "cpu.shares", FIELD("cpu.shares"), "%" PRIu64, cpu->shares.v);
	/* Version 2 has none: ignored, as runc does. */
	if (cpu->realtime_period.has && cpu->realtime_period.v && !unified)
		add(list, "cpu", "cpu.rt_period_us", FIELD("cpu.realtimePeriod"), "%" PRIu64,
		    cpu->realtime_period.v);
	if (cpu->realtime_runtime.has && cpu->realtime_runtime.v && !unified)
		add(list, "cpu", "cpu.rt_runtime_us", FIELD("cpu.realtimeRuntime"), "%" PRId64,
		    cpu->realtime_runtime.v);
	if (cpu->cpus)
		add(list, "cpuset", "cpuset.cpus", FIELD("cpu.cpus"), "%s", cpu->cpus);
	if (cpu->mems)
		add(list, "cpuset", "cpuset.mems", FIELD("cpu.mems"), "%s", cpu->mems);
}

unsigned cgroup_cpus_count(const char *list)
{
	unsigned count = 0;

	while (*list) {
		unsigned long first, last;
		char *end;

		if (!isdigit((unsigned char)*list))
			return 0;
		first = last = strtoul(list, &end, 10);
		if (*end == '-') {
			if (!isdigit((unsigned char)end[1]))
				return 0;
			last = strtoul(end + 1, &end, 10);
		}
		if (last < first || last > 65535 || (*end && *end != ','))
			return 0;
		count += (unsigned)(last - first) + 1;
		list = *end ? end + 1 : end;
	}
	return count;
}

/* --- blockIO --- */

uint64_t cgroup_weight_of_blkio(uint64_t weight)
{
	if (weight < 10)
		weight = 10;
	if (weight > 1000)
		weight = 1000;
	return 1 + (weight - 10) * 9999 / 990;
}

static void instead(struct cgroup_setting *s, const char *file)
{
	snprintf(s->instead, sizeof(s->instead), "%s", file);
}

static void throttles(struct list *list, const char *controller, const char *file, const char *key,
		      const char *field, const struct oci_throttle_list *devices)
{
	/* Version 1 has a file for each kind, version 2 one for all, with keys; 0 is no limit. */
	for (size_t i = 0; i < devices->n; i++) {
		const struct oci_throttle_device *d = &devices->v[i];

		if (*key && d->rate == 0)
			add(list, controller, file, field, "%" PRId64 ":%" PRId64 " %s=max", d->major,
			    d->minor, key);
		else
			add(list, controller, file, field, "%" PRId64 ":%" PRId64 " %s%s%" PRIu64, d->major,
			    d->minor, key, *key ? "=" : "", d->rate);
	}
}

static void block_io_v1(struct list *list, const struct oci_block_io *io)
{
	if (io->weight.has && io->weight.v)
		instead(add(list, "blkio", "blkio.weight", FIELD("blockIO.weight"), "%" PRIu64, io->weight.v),
			"blkio.bfq.weight");
	if (io->leaf_weight.has && io->leaf_weight.v)
		add(list, "blkio", "blkio.leaf_weight", FIELD("blockIO.leafWeight"), "%" PRIu64,
		    io->leaf_weight.v);
	for (size_t i = 0; i < io->n_weight_devices; i++) {
		const struct oci_weight_device *d = &io->weight_devices[i];

		if (d->weight.has && d->weight.v)
			instead(add(list, "blkio", "blkio.weight_device", FIELD("blockIO.weightDevice"),
				    "%" PRId64 ":%" PRId64 " %" PRIu64, d->major, d->minor, d->weight.v),
				"blkio.bfq.weight_device");
		if (d->leaf_weight.has && d->leaf_weight.v)
			add(list, "blkio", "blkio.leaf_weight_device", FIELD("blockIO.weightDevice"),
			    "%" PRId64 ":%" PRId64 " %" PRIu64, d->major, d->minor, d->leaf_weight.v);
	}
	throttles(list, "blkio", "blkio.throttle.read_bps_device", "", FIELD("blockIO.throttleReadBpsDevice"),
		  &io->read_bps);
	throttles(list, "blkio", "blkio.throttle.write_bps_device", "",
		  FIELD("blockIO.throttleWriteBpsDevice"), &io->write_bps);
	throttles(list, "blkio", "blkio.throttle.read_iops_device", "",
		  FIELD("blockIO.throttleReadIOPSDevice"), &io->read_iops);
	throttles(list, "blkio", "blkio.throttle.write_iops_device", "",
		  FIELD("blockIO.throttleWriteIOPSDevice"), &io->write_iops);
}

static void block_io_v2(struct list *list, const struct oci_block_io *io)
{
	/* io.bfq.weight takes the value as it is, io.weight has a scale of its own. */
	if (io->weight.has && io->weight.v) {
		add(list, "io", "io.bfq.weight", FIELD("blockIO.weight"), "%" PRIu64, io->weight.v)
			->may_miss = true;
		add(list, "io", "io.weight", FIELD("blockIO.weight"), "%" PRIu64,
		    cgroup_weight_of_blkio(io->weight.v))
			->fallback = true;
	}
	for (size_t i = 0; i < io->n_weight_devices; i++) {
		const struct oci_weight_device *d = &io->weight_devices[i];

		if (d->weight.has && d->weight.v)
			add(list, "io", "io.bfq.weight", FIELD("blockIO.weightDevice"),
			    "%" PRId64 ":%" PRId64 " %" PRIu64, d->major, d->minor, d->weight.v);
	}
	throttles(list, "io", "io.max", "rbps", FIELD("blockIO.throttleReadBpsDevice"), &io->read_bps);
	throttles(list, "io", "io.max", "wbps", FIELD("blockIO.throttleWriteBpsDevice"), &io->write_bps);
	throttles(list, "io", "io.max", "riops", FIELD("blockIO.throttleReadIOPSDevice"), &io->read_iops);
	throttles(list, "io", "io.max", "wiops", FIELD("blockIO.throttleWriteIOPSDevice"), &io->write_iops);
}

/* --- the others --- */

static void hugepages(struct list *list, bool unified, const struct oci_resources *res)
{
	for (size_t i = 0; i < res->n_hugepage_limits; i++) {
		const struct oci_hugepage_limit *limit = &res->hugepage_limits[i];
		char file[80];

		snprintf(file, sizeof(file), "hugetlb.%.32s.%s", limit->page_size,
			 unified ? "max" : "limit_in_bytes");
		add(list, "hugetlb", file, FIELD("hugepageLimits"), "%" PRIu64, limit->limit)->may_miss =
			true;
	}
}

static bool has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool cgroup_unified_is_guests(const char *key)
{
	return has_prefix(key, "memory.") || has_prefix(key, "pids.") || has_prefix(key, "hugetlb.") ||
	       has_prefix(key, "cpu.");
}

bool cgroup_unified_is_hosts(const char *key)
{
	return !cgroup_unified_is_guests(key) || has_prefix(key, "cpu.");
}

static int unified_v1(const struct oci_resources *res, struct err *err)
{
	for (size_t i = 0; i < res->unified.n; i++)
		if (!cgroup_unified_is_guests(res->unified.v[i].key))
			return err_set(err, -EINVAL, FIELD("unified[\"%s\"]: this host has cgroup version 1"),
				       res->unified.v[i].key);
	return 0;
}

static int unified_v2(struct list *list, const struct oci_resources *res, enum cgroup_parts parts,
		      struct err *err)
{
	for (size_t i = 0; i < res->unified.n; i++) {
		const char *key = res->unified.v[i].key;
		bool quota = has_prefix(key, "cpu.max");

		if (!*key || strchr(key, '/') || strlen(key) >= sizeof(list->settings->v->file))
			return err_set(err, -EINVAL, FIELD("unified: \"%s\" is no file name"), key);
		if (cgroup_unified_is_hosts(key) && (parts & (quota ? CGROUP_QUOTA : CGROUP_REST)))
			add(list, "", key, FIELD("unified"), "%s", res->unified.v[i].value);
	}
	return 0;
}

static int rest(struct list *list, bool unified, const struct oci_resources *res,
		const struct cgroup_sizes *sizes, struct err *err)
{
	struct host_memory host = { 0 };
	int r;

	r = host_memory(res, sizes, &host, err);
	if (r < 0)
		return r;
	if (unified)
		memory_v2(list, res, &host);
	else
		memory_v1(list, &res->memory, &host);
	cpu_rest(list, unified, &res->cpu);
	if (value_of(res->pids_limit))
		add_limit(list, true, "pids", "pids.max", FIELD("pids.limit"),
			  res->pids_limit.v < 0 ? -1 : plus(res->pids_limit.v, CGROUP_PIDS_ROOM));
	if (unified)
		block_io_v2(list, &res->block_io);
	else
		block_io_v1(list, &res->block_io);
	hugepages(list, unified, res);
	return 0;
}

int cgroup_limits(bool unified, const struct oci_resources *res, const struct cgroup_sizes *sizes,
		  enum cgroup_parts parts, struct cgroup_settings *ret, struct err *err)
{
	_cleanup_cgroup_settings_ struct cgroup_settings settings = { 0 };
	struct list list = { .settings = &settings };
	int r = 0;

	if (parts & CGROUP_REST)
		r = rest(&list, unified, res, sizes, err);
	if (r == 0 && (parts & CGROUP_QUOTA)) {
		if (unified)
			quota_v2(&list, &res->cpu);
		else
			quota_v1(&list, &res->cpu);
	}
	if (r == 0)
		r = unified ? unified_v2(&list, res, parts, err) : unified_v1(res, err);
	if (r < 0)
		return r;
	if (list.failed)
		return err_set(err, -ENOMEM, "out of memory");
	*ret = settings;
	settings = (struct cgroup_settings){ 0 };
	return 0;
}

void cgroup_settings_done(struct cgroup_settings *settings)
{
	for (size_t i = 0; i < settings->n; i++)
		free(settings->v[i].value);
	free(settings->v);
	*settings = (struct cgroup_settings){ 0 };
}
