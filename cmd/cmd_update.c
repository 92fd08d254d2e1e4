/* SPDX-License-Identifier: Apache-2.0 */
/* update: change the limits of a container that is there. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "oci/spec.h"
#include "runtime/config.h"
#include "runtime/lookup.h"
#include "runtime/update.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { RESOURCES_MAX = 4 << 20 };

/* Texts, as runc has them: an empty one is no option, and most may be negative. */
struct options {
	const char *resources;
	const char *blkio_weight;
	const char *cpu_period, *cpu_quota, *cpu_burst, *cpu_share, *cpu_rt_period, *cpu_rt_runtime,
		*cpu_idle;
	const char *cpuset_cpus, *cpuset_mems;
	const char *memory, *memory_reservation, *memory_swap;
	const char *kernel_memory, *kernel_memory_tcp;
	const char *pids_limit;
	const char *l3_cache_schema, *mem_bw_schema;
};

#define OPTION(name, letter, field, arg, help)                                                               \
	{                                                                                                    \
		name, letter, OPT_STRING, offsetof(struct options, field), arg, help                         \
	}

static const struct opt opts[] = {
	OPTION("resources", 'r', resources, "FILE",
	       "read linux.resources as JSON from FILE, \"-\" for standard input"),
	OPTION("blkio-weight", 0, blkio_weight, "N", "share of the disks' time, 10 to 1000"),
	OPTION("cpu-period", 0, cpu_period, "USEC", "period of the quota of CPU time"),
	OPTION("cpu-quota", 0, cpu_quota, "USEC", "CPU time in each period, -1 for no limit"),
	OPTION("cpu-burst", 0, cpu_burst, "USEC", "CPU time that may be saved up beyond the quota"),
	OPTION("cpu-share", 0, cpu_share, "N", "share of the CPUs' time"),
	OPTION("cpu-rt-period", 0, cpu_rt_period, "USEC", "period of real-time CPU time"),
	OPTION("cpu-rt-runtime", 0, cpu_rt_runtime, "USEC", "real-time CPU time in each period"),
	OPTION("cpu-idle", 0, cpu_idle, "0|1", "1: only CPU time that nobody else wants"),
	OPTION("cpuset-cpus", 0, cpuset_cpus, "LIST", "the host's CPUs to run on"),
	OPTION("cpuset-mems", 0, cpuset_mems, "LIST", "the host's memory nodes to use"),
	OPTION("memory", 0, memory, "SIZE", "memory limit, up to what the VM has; -1 for no limit"),
	OPTION("memory-reservation", 0, memory_reservation, "SIZE",
	       "memory that is kept when there is little"),
	OPTION("memory-swap", 0, memory_swap, "SIZE", "limit of memory and swap together, -1 for no limit"),
	OPTION("pids-limit", 0, pids_limit, "N", "number of processes, -1 for no limit"),
	OPTION("kernel-memory", 0, kernel_memory, "SIZE", NULL),
	OPTION("kernel-memory-tcp", 0, kernel_memory_tcp, "SIZE", NULL),
	OPTION("l3-cache-schema", 0, l3_cache_schema, "SCHEMA", NULL),
	OPTION("mem-bw-schema", 0, mem_bw_schema, "SCHEMA", NULL),
	OPT_END,
};

static bool given(const char *value)
{
	return value && *value;
}

/* runc's words */
static int invalid(const char *option, const char *value, struct err *err)
{
	return err_set(err, -EINVAL, "invalid value for %s: \"%s\"", option, value);
}

static int read_signed(const char *option, const char *value, struct oci_i64 *ret, struct err *err)
{
	char *end;

	if (!given(value))
		return 0;
	errno = 0;
	ret->v = strtoll(value, &end, 10);
	if (errno || *end || end == value)
		return invalid(option, value, err);
	ret->has = true;
	return 0;
}

static int read_unsigned(const char *option, const char *value, struct oci_u64 *ret, struct err *err)
{
	char *end;

	if (!given(value))
		return 0;
	errno = 0;
	ret->v = strtoull(value, &end, 10);
	if (errno || *end || *value < '0' || *value > '9')
		return invalid(option, value, err);
	ret->has = true;
	return 0;
}

static int read_size(const char *option, const char *value, struct oci_i64 *ret, struct err *err)
{
	uint64_t bytes;

	if (!given(value))
		return 0;
	if (strcmp(value, "-1") == 0)
		*ret = (struct oci_i64){ true, -1 };
	else if (config_parse_size(value, &bytes) < 0 || bytes > INT64_MAX)
		return invalid(option, value, err);
	else
		*ret = (struct oci_i64){ true, (int64_t)bytes };
	return 0;
}

static int read_options(const struct options *o, struct oci_resources *res, struct err *err)
{
	const struct {
		const char *option, *value;
		struct oci_u64 *number;
	} numbers[] = {
		{ "blkio-weight", o->blkio_weight, &res->block_io.weight },
		{ "cpu-period", o->cpu_period, &res->cpu.period },
		{ "cpu-burst", o->cpu_burst, &res->cpu.burst },
		{ "cpu-share", o->cpu_share, &res->cpu.shares },
		{ "cpu-rt-period", o->cpu_rt_period, &res->cpu.realtime_period },
	};
	const struct {
		const char *option, *value;
		struct oci_i64 *number;
		int (*read)(const char *option, const char *value, struct oci_i64 *ret, struct err *err);
	} others[] = {
		{ "cpu-quota", o->cpu_quota, &res->cpu.quota, read_signed },
		{ "cpu-rt-runtime", o->cpu_rt_runtime, &res->cpu.realtime_runtime, read_signed },
		{ "cpu-idle", o->cpu_idle, &res->cpu.idle, read_signed },
		{ "pids-limit", o->pids_limit, &res->pids_limit, read_signed },
		{ "memory", o->memory, &res->memory.limit, read_size },
		{ "memory-reservation", o->memory_reservation, &res->memory.reservation, read_size },
		{ "memory-swap", o->memory_swap, &res->memory.swap, read_size },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(numbers) && r == 0; i++)
		r = read_unsigned(numbers[i].option, numbers[i].value, numbers[i].number, err);
	for (size_t i = 0; i < ARRAY_SIZE(others) && r == 0; i++)
		r = others[i].read(others[i].option, others[i].value, others[i].number, err);
	if (r == 0 && given(o->cpuset_cpus))
		r = oci_string_set(&res->cpu.cpus, o->cpuset_cpus);
	if (r == 0 && given(o->cpuset_mems))
		r = oci_string_set(&res->cpu.mems, o->cpuset_mems);
	return r;
}

static int check_options(const struct options *o, struct err *err)
{
	if (given(o->l3_cache_schema))
		return err_set(err, -ENOTSUP, "Intel RDT/CAT: l3 cache schema is not enabled");
	if (given(o->mem_bw_schema))
		return err_set(err, -ENOTSUP, "Intel RDT/MBA: memory bandwidth schema is not enabled");
	if (given(o->kernel_memory) || given(o->kernel_memory_tcp))
		log_warn("kernel memory limits are ignored, as runc ignores them");
	return 0;
}

/* All of it: what a pipe gives at once may be a part. */
static int read_stdin(char **ret, size_t *ret_len)
{
	_cleanup_free_ char *text = malloc(RESOURCES_MAX + 1);
	size_t len = 0;

	if (!text)
		return -ENOMEM;
	while (len <= RESOURCES_MAX) {
		ssize_t n = read(STDIN_FILENO, text + len, RESOURCES_MAX + 1 - len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0) {
			*ret = TAKE_PTR(text);
			*ret_len = len;
			return 0;
		}
		len += n > 0 ? (size_t)n : 0;
	}
	return -EFBIG;
}

static int read_file(const char *path, struct oci_resources **ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	if (strcmp(path, "-") == 0)
		r = read_stdin(&text, &len);
	else
		r = file_read(AT_FDCWD, path, RESOURCES_MAX, &text, &len);
	if (r < 0)
		return err_set_errno(err, r, "--resources %s", path);
	r = update_resources_parse(text, len, ret, err);
	return r < 0 ? err_wrap(err, r, "--resources %s", path) : 0;
}

static int update(const struct cmd_call *call, struct err *err)
{
	const struct options *o = call->opts;
	_cleanup_update_resources_ struct oci_resources *change = NULL;
	_cleanup_lookup_ struct lookup c = LOOKUP_INIT;
	int r;

	r = check_options(o, err);
	if (r < 0)
		return r;
	if (given(o->resources)) {
		/* As runc: then all other options are ignored. */
		r = read_file(o->resources, &change, err);
	} else {
		r = update_resources_parse("{}", 2, &change, err);
		if (r == 0)
			r = read_options(o, change, err);
	}
	if (r == 0)
		r = lookup_open(call->globals->root, call->words[0], true, &c, err);
	if (r < 0)
		return r;
	if (c.status == STATUS_STOPPED || c.status == STATUS_CREATING)
		return err_set(err, -ESRCH, "container not running");
	return update_container(&c, change, err);
}

const struct command cmd_update = {
	.name = "update",
	.words = "ID",
	.summary = "change a container's limits",
	.details = "With --resources all other options are ignored.",
	.examples = "vrun update --memory 256M --pids-limit 100 web",
	.opts = opts,
	.opts_size = sizeof(struct options),
	.min_words = 1,
	.max_words = 1,
	.run = update,
};
