/* SPDX-License-Identifier: Apache-2.0 */
/* update: see update.h. */
#include "runtime/update.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "oci/agent_proto.h"
#include "oci/spec.h"
#include "runtime/cgroup.h"
#include "runtime/lookup.h"
#include "runtime/plan.h"
#include "runtime/state.h"
#include "runtime/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The agent has the length of a reclaim for it. */
enum { GUEST_MS = 30000 };

int update_resources_parse(const char *text, size_t len, struct oci_resources **ret, struct err *err)
{
	struct agent_update msg = { 0 };
	_cleanup_free_ char *whole = NULL;
	int n = asprintf(&whole, "{\"resources\":%.*s}", (int)len, text);
	int r;

	if (n < 0) {
		whole = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	r = agent_update_parse(whole, (size_t)n, &msg, err);
	if (r == 0)
		*ret = msg.resources;
	return r;
}

void update_resources_free(struct oci_resources *resources)
{
	struct agent_update msg = { .resources = resources };

	agent_update_done(&msg);
}

/* --- merging --- */

#define TAKE_NUMBER(to, from)                                                                                \
	do {                                                                                                 \
		if ((from).has)                                                                              \
			(to) = (from);                                                                       \
	} while (0)

/* What was there goes away with `change`. */
#define SWAP(a, b)                                                                                           \
	do {                                                                                                 \
		__typeof__(a) swap_ = (a);                                                                   \
		(a) = (b);                                                                                   \
		(b) = swap_;                                                                                 \
	} while (0)

static void merge_memory(struct oci_memory *to, const struct oci_memory *from)
{
	TAKE_NUMBER(to->limit, from->limit);
	TAKE_NUMBER(to->swap, from->swap);
	if (from->limit.has && from->limit.v == -1 && !from->swap.has)
		to->swap = from->limit;
	TAKE_NUMBER(to->reservation, from->reservation);
	TAKE_NUMBER(to->kernel, from->kernel);
	TAKE_NUMBER(to->kernel_tcp, from->kernel_tcp);
	TAKE_NUMBER(to->swappiness, from->swappiness);
	if (from->has_disable_oom_killer) {
		to->has_disable_oom_killer = true;
		to->disable_oom_killer = from->disable_oom_killer;
	}
	to->check_before_update = from->check_before_update;
}

static void merge_cpu(struct oci_cpu *to, struct oci_cpu *from)
{
	TAKE_NUMBER(to->shares, from->shares);
	TAKE_NUMBER(to->quota, from->quota);
	TAKE_NUMBER(to->period, from->period);
	TAKE_NUMBER(to->burst, from->burst);
	TAKE_NUMBER(to->idle, from->idle);
	TAKE_NUMBER(to->realtime_period, from->realtime_period);
	TAKE_NUMBER(to->realtime_runtime, from->realtime_runtime);
	if (from->cpus)
		SWAP(to->cpus, from->cpus);
	if (from->mems)
		SWAP(to->mems, from->mems);
}

static void merge_block_io(struct oci_block_io *to, struct oci_block_io *from)
{
	TAKE_NUMBER(to->weight, from->weight);
	TAKE_NUMBER(to->leaf_weight, from->leaf_weight);
	if (from->n_weight_devices) {
		SWAP(to->weight_devices, from->weight_devices);
		SWAP(to->n_weight_devices, from->n_weight_devices);
	}
	if (from->read_bps.n)
		SWAP(to->read_bps, from->read_bps);
	if (from->write_bps.n)
		SWAP(to->write_bps, from->write_bps);
	if (from->read_iops.n)
		SWAP(to->read_iops, from->read_iops);
	if (from->write_iops.n)
		SWAP(to->write_iops, from->write_iops);
}

static int merge_unified(struct oci_map *to, struct oci_map *from)
{
	for (size_t i = 0; i < from->n; i++) {
		struct oci_pair *pair = &from->v[i], *v;
		size_t k = 0;

		while (k < to->n && strcmp(to->v[k].key, pair->key))
			k++;
		if (k == to->n) {
			v = reallocarray(to->v, to->n + 1, sizeof(*v));
			if (!v)
				return -ENOMEM;
			to->v = v;
			v[to->n++] = (struct oci_pair){ TAKE_PTR(pair->key), NULL };
		}
		SWAP(to->v[k].value, pair->value);
	}
	return 0;
}

int update_merge(struct oci_resources *to, struct oci_resources *change, struct err *err)
{
	to->has = true;
	merge_memory(&to->memory, &change->memory);
	merge_cpu(&to->cpu, &change->cpu);
	merge_block_io(&to->block_io, &change->block_io);
	if (change->pids_limit.has && change->pids_limit.v)
		to->pids_limit = change->pids_limit;
	if (change->n_hugepage_limits) {
		SWAP(to->hugepage_limits, change->hugepage_limits);
		SWAP(to->n_hugepage_limits, change->n_hugepage_limits);
	}
	return merge_unified(&to->unified, &change->unified) < 0 ? err_set(err, -ENOMEM, "out of memory") : 0;
}

/* --- what can't be --- */

/* A VM's memory does not grow: a limit beyond it could never be used. */
static int check_memory(const struct oci_resources *old, const struct oci_resources *new,
			const struct cgroup_sizes *sizes, struct err *err)
{
	int64_t before = cgroup_memory_limit(old), limit = cgroup_memory_limit(new);
	uint64_t capacity = plan_memory_capacity(sizes->vm_memory);

	if (limit <= 0 || (uint64_t)limit <= capacity || limit <= before)
		return 0;
	return err_set(err, -ENOTSUP,
		       "memory.limit: this container's VM has memory for at most %" PRIu64
		       " bytes; the annotation org.vrun.memory gives a new container more",
		       capacity);
}

static int check_change(const struct oci_resources *change, struct err *err)
{
	if (change->n_rdma)
		return err_set(err, -ENOTSUP, "rdma: a VM has no RDMA device of the host");
	if ((change->net_class_id.has && change->net_class_id.v) || change->n_net_priorities)
		return err_set(err, -ENOTSUP,
			       "network: a VM's packets have no class and no priority on the host");
	return 0;
}

/* --- doing it --- */

static int tell_guest(const struct lookup *container, struct oci_resources *resources, struct err *err)
{
	const struct agent_update update = { .resources = resources };
	struct message msg = { .type = MESSAGE_UPDATE, .n_fds = 1 };
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = -EBADF;
	size_t len;
	int r;

	r = agent_update_write(&update, &text, &len);
	if (r == 0)
		r = fd = fd_from_bytes("update", text, len);
	if (r < 0)
		return err_set_errno(err, r, "the new limits");
	msg.fds[0] = fd;
	return lookup_call(container, &msg, GUEST_MS, err);
}

static int save(const struct lookup *container, const struct oci_spec *spec, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	r = oci_spec_write(spec, &text, &len);
	if (r == 0)
		r = file_write_atomic(container->dir->fd, "config.json", text, len, 0600);
	return r < 0 ? err_set_errno(err, r, "write the container's config.json") : 0;
}

static int apply(const struct lookup *container, const struct cgroup *cgroup, struct oci_resources *old,
		 struct oci_resources *new, struct err *err)
{
	/* A VM that boots by `start` gets its quota there. */
	bool booted = !container->state->net_waits || container->status != STATUS_CREATED;
	enum cgroup_parts parts = booted ? CGROUP_ALL : CGROUP_REST;
	int r;

	r = tell_guest(container, new, err);
	if (r < 0 || !cgroup)
		return r;
	r = cgroup_apply(cgroup, new, parts, err);
	if (r < 0) {
		(void)cgroup_apply(cgroup, old, parts, NULL);
		old->memory.check_before_update = false;
		if (tell_guest(container, old, NULL) < 0)
			log_warn("the guest keeps the limits that the host refused");
	}
	return r;
}

int update_container(const struct lookup *container, struct oci_resources *change, struct err *err)
{
	_cleanup_oci_spec_ struct oci_spec *spec = NULL, *old = NULL;
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	_cleanup_cgroup_settings_ struct cgroup_settings settings = { 0 };
	int r;

	r = check_change(change, err);
	if (r == 0)
		r = lookup_spec(container, &old, err);
	if (r == 0)
		r = lookup_spec(container, &spec, err);
	if (r == 0)
		r = update_merge(&spec->linux_.resources, change, err);
	if (r == 0) {
		r = cgroup_load(container->dir->fd, &cgroup, err);
		if (r == -ENOENT)
			r = 0;
	}
	if (r == 0 && cgroup) {
		r = cgroup_limits(cgroup->unified, &spec->linux_.resources, &cgroup->sizes, CGROUP_ALL,
				  &settings, err);
		if (r == 0)
			r = check_memory(&old->linux_.resources, &spec->linux_.resources, &cgroup->sizes,
					 err);
	}
	if (r == 0)
		r = apply(container, cgroup, &old->linux_.resources, &spec->linux_.resources, err);
	if (r < 0)
		return r;
	/* It was a word for this change only. */
	spec->linux_.resources.memory.check_before_update = false;
	return save(container, spec, err);
}
