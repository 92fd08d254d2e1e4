/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_size: how much memory and how many CPUs the VM gets. Who names a size
 * gets it (runtime/config.h); else linux.resources decides; else the default.
 *
 * A memory limit is what the container may use, so the guest's kernel, its
 * agent and the page structures (64 bytes a page, 1/64) come on top. A quota of
 * CPU time, rounded up, is the number of CPUs: more could never be used at once.
 */
#include "runtime/plan.h"

#include "oci/spec.h"
#include "runtime/config.h"

#include <sys/sysinfo.h>
#include <unistd.h>

#define GUEST_OVERHEAD (64ULL << 20)
#define MEMORY_STEP (2ULL << 20) /* vm_spec.memory's unit */

static uint64_t host_memory(void)
{
	struct sysinfo si;

	return sysinfo(&si) < 0 ? VM_MEMORY_DEFAULT : (uint64_t)si.totalram * si.mem_unit;
}

static uint64_t memory_from_limit(uint64_t limit)
{
	uint64_t host = host_memory();
	uint64_t bytes;

	/* A limit beyond the host's memory limits nothing. */
	if (limit > host)
		limit = host;
	bytes = limit + limit / 64 + GUEST_OVERHEAD;
	if (bytes > VM_MEMORY_MAX)
		bytes = VM_MEMORY_MAX;
	return bytes;
}

static unsigned cpus_from_quota(int64_t quota, uint64_t period)
{
	uint64_t cpus = ((uint64_t)quota + period - 1) / period;
	long host = sysconf(_SC_NPROCESSORS_ONLN);

	if (host > 0 && cpus > (uint64_t)host)
		cpus = (uint64_t)host;
	if (cpus > VM_CPUS_MAX)
		cpus = VM_CPUS_MAX;
	return cpus ? (unsigned)cpus : 1;
}

void plan_size(const struct config *config, const struct oci_spec *spec, struct vm_spec *vm)
{
	const struct oci_resources *res = &spec->linux_.resources;
	/* cgroup-v1/cpu: the period is 100 ms unless set. */
	uint64_t period = res->cpu.period.has && res->cpu.period.v ? res->cpu.period.v : 100000;

	vm->memory = config->memory;
	if (config->source[CONFIG_MEMORY] <= CONFIG_FILE && res->memory.limit.has && res->memory.limit.v > 0)
		vm->memory = memory_from_limit((uint64_t)res->memory.limit.v);
	vm->memory = (vm->memory + MEMORY_STEP - 1) / MEMORY_STEP * MEMORY_STEP;

	vm->cpus = config->cpus;
	if (config->source[CONFIG_CPUS] <= CONFIG_FILE && res->cpu.quota.has && res->cpu.quota.v > 0)
		vm->cpus = cpus_from_quota(res->cpu.quota.v, period);
}
