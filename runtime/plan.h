/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan: from a bundle to a machine and to what the guest's agent is told.
 *
 * Theory of operation
 *
 * The root and each bind mount become a share of the VM ("root", "m0", "m1", …);
 * in the config that the agent gets, root.path and the sources of bind mounts
 * are the shares' places in the guest. All else stays as it is: the agent mounts
 * proc, sysfs, tmpfs and the rest by itself.
 *
 * A source that several mounts name is shared once, so that the guest sees one
 * set of inodes; the share is read-only when all of them are. What is writable
 * for one and read-only for another is enforced by the agent's mount flags.
 *
 * What a VM can't honour is refused here, by its JSON path. Nothing is changed
 * on the host.
 */
#ifndef VRUN_RUNTIME_PLAN_H
#define VRUN_RUNTIME_PLAN_H

#include "oci/agent_proto.h"
#include "runtime/config.h"
#include "vmm/vm_spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct guest_net;
struct oci_mount;
struct oci_process;
struct oci_spec;

struct plan_input {
	const char *id;
	const char *bundle; /* absolute */
	const struct config *config; /* all sources read */
	bool debug;
	const char *console_path; /* append the guest's console here, or NULL */
};

struct plan {
	struct vm_spec *vm;
	struct oci_spec *config; /* the guest's config.json */
	struct agent_stdio stdio; /* random ports; all but stdin are 0 with a terminal */
	uint8_t *bpf; /* NULL: no seccomp */
	size_t bpf_len;
	uint32_t seccomp_flags;
	char *rootfs; /* on the host */
	enum config_net net;
	const struct guest_net *network; /* borrowed; for plan_create_text(), NULL: only loopback */
};

/*
 * `take_spec` is consumed, also on failure. Messages name JSON paths; an error of
 * the host's making (no guest kernel) does not use words that callers take for
 * the container's.
 */
int plan_new(const struct plan_input *input, struct oci_spec *take_spec, struct plan **ret, struct err *err);
void plan_free(struct plan *plan);
static inline void cleanup_plan(struct plan **p)
{
	plan_free(*p);
}
#define _cleanup_plan_ __attribute__((cleanup(cleanup_plan)))

/* CREATE's payload; `start`: without waiting for START. The caller frees *ret_text. */
int plan_create_text(const struct plan *plan, bool start, char **ret_text, size_t *ret_len);

/* A port that no process of the guest can guess. */
int plan_port(uint32_t *ret);
/* Random ports for a process's streams, and its terminal's first size. */
int plan_stdio(const struct oci_process *process, struct agent_stdio *ret);

/* --- The parts, for plan.c and tests --- */

/* plan_check.c: refuse what a VM can't honour. */
int plan_check(const struct oci_spec *spec, struct err *err);

/* plan_net.c: which network the container gets; in the guest it has a namespace for it in any case. */
int plan_net(const struct config *config, struct oci_spec *spec, enum config_net *ret, struct err *err);

/* plan_mounts.c: fill vm->shares and point root and mounts to them. *ret_rootfs: the root on the host. */
int plan_mounts(const char *bundle, enum vm_share_cache cache, struct oci_spec *spec, struct vm_spec *vm,
		char **ret_rootfs, struct err *err);

bool plan_is_bind(const struct oci_mount *mount);

/* plan_size.c: memory and CPUs from the config and linux.resources. */
void plan_size(const struct config *config, const struct oci_spec *spec, struct vm_spec *vm);
/* A container's limit may be less than its kernel comes up in: then the VM gets that. */
void plan_size_for_kernel(const struct config *config, struct vm_spec *vm);
/* What vrun-vmm and its emulator take of the host's memory beyond the guest's, at most. */
uint64_t plan_host_overhead(const struct vm_spec *vm);
/* The highest memory limit that a container in a guest with this much memory can use. */
uint64_t plan_memory_capacity(uint64_t vm_memory);

#endif
