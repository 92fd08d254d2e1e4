/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_size: how much memory and how many CPUs the VM gets. Who names a size
 * gets it (runtime/config.h); else linux.resources decides; else the default.
 *
 * A memory limit is what the container may use, so the guest's kernel, its
 * agent and the page structures (64 bytes a page, 1/64) come on top. A quota of
 * CPU time, rounded up, is the number of CPUs: more could never be used at once; so is the
 * number of the host's CPUs that cpu.cpus names.
 *
 * Around the guest's memory the host needs some of its own: see plan_host_overhead().
 */
#include "runtime/plan.h"

#include "oci/spec.h"
#include "runtime/cgroup_limits.h"
#include "runtime/config.h"
#include "vmm/vmm.h"

#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define GUEST_OVERHEAD (64ULL << 20)
/*
 * vrun-vmm with its devices, the stacks of its threads and a queue of a few MiB for each stream; its
 * open files, and the kernel's tables for them and for the guest's memory, of which that
 * grows with the guest.
 */
#define VMM_OVERHEAD (64ULL << 20)
/* QEMU's own code and heap; when it emulates the CPUs, its translations (tb-size) and their indexes too. */
#define QEMU_OVERHEAD (96ULL << 20)
#define QEMU_TCG_OVERHEAD (320ULL << 20)
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

uint64_t plan_memory_capacity(uint64_t vm_memory)
{
	return vm_memory > GUEST_OVERHEAD ? (vm_memory - GUEST_OVERHEAD) / 65 * 64 : 0;
}

uint64_t plan_host_overhead(const struct vm_spec *vm)
{
	uint64_t bytes = VMM_OVERHEAD + vm->memory / 64;

	if (vm->engine == VM_ENGINE_QEMU) {
		bytes += QEMU_OVERHEAD;
		if (!vm->qemu_accel || strcmp(vm->qemu_accel, "kvm") != 0)
			bytes += QEMU_TCG_OVERHEAD;
	}
	return bytes;
}

/* 0: nothing is said. */
static uint64_t wanted_cpus(const struct oci_cpu *cpu)
{
	/* cgroup-v1/cpu: the period is 100 ms unless set. */
	uint64_t period = cpu->period.has && cpu->period.v ? cpu->period.v : 100000;
	uint64_t set = cpu->cpus ? cgroup_cpus_count(cpu->cpus) : 0;
	uint64_t quota = 0;

	if (cpu->quota.has && cpu->quota.v > 0)
		quota = ((uint64_t)cpu->quota.v - 1) / period + 1;
	return quota && set ? (quota < set ? quota : set) : quota + set;
}

static unsigned possible_cpus(uint64_t cpus)
{
	long host = sysconf(_SC_NPROCESSORS_ONLN);

	if (host > 0 && cpus > (uint64_t)host)
		cpus = (uint64_t)host;
	return cpus > VM_CPUS_MAX ? VM_CPUS_MAX : (unsigned)cpus;
}

void plan_size_for_kernel(const struct config *config, struct vm_spec *vm)
{
	uint64_t least;

	/* Who names a size is told that it is too small; a kernel that is none, by who loads it. */
	if (config->source[CONFIG_MEMORY] <= CONFIG_FILE && vmm_least_memory(vm, &least, NULL) == 0 &&
	    vm->memory < least)
		vm->memory = least;
}

void plan_size(const struct config *config, const struct oci_spec *spec, struct vm_spec *vm)
{
	const struct oci_resources *res = &spec->linux_.resources;
	int64_t limit = cgroup_memory_limit(res);
	uint64_t cpus = wanted_cpus(&res->cpu);

	vm->memory = config->memory;
	if (config->source[CONFIG_MEMORY] <= CONFIG_FILE && limit > 0)
		vm->memory = memory_from_limit((uint64_t)limit);
	vm->memory = (vm->memory + MEMORY_STEP - 1) / MEMORY_STEP * MEMORY_STEP;

	vm->cpus = config->cpus;
	if (config->source[CONFIG_CPUS] <= CONFIG_FILE && cpus > 0)
		vm->cpus = possible_cpus(cpus);
}
