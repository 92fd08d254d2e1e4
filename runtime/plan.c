/* SPDX-License-Identifier: Apache-2.0 */
/* plan: put the parts together. See plan.h. */
#include "runtime/plan.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "oci/seccomp.h"
#include "oci/spec.h"
#include "runtime/config.h"
#include "runtime/image.h"

#include <string.h>
#include <sys/random.h>

/* The guest's vsock address. Streams never leave vrun-vmm, so every VM can have the same. */
enum { GUEST_CID = 3 };

enum { HVC_MAJOR = 229 };

static int set_string(char **field, const char *value, struct err *err)
{
	if (!value)
		return 0;
	*field = strdup(value);
	return *field ? 0 : err_set(err, -ENOMEM, "out of memory");
}

/* It may want hvc0 as soon as it starts (Linux, Documentation/admin-guide/devices.txt). */
static bool has_console(const struct oci_spec *spec)
{
	const struct oci_linux *linux_ = &spec->linux_;

	for (size_t i = 0; i < linux_->n_devices; i++)
		if (linux_->devices[i].type == 'c' && linux_->devices[i].major == HVC_MAJOR)
			return true;
	return false;
}

static int plan_vm(const struct plan_input *input, struct plan *plan, struct err *err)
{
	const struct config *config = input->config;
	struct vm_spec *vm = plan->vm;
	int r;

	vm->engine = image_choose_engine(config);
	vm->cid = GUEST_CID;
	vm->debug = input->debug;
	vm->console = has_console(plan->config);
	vm->jail = input->config->jail;
	plan_size(config, plan->config, vm);
	r = image_find(config, &vm->kernel, &vm->initrd, err);
	if (r == 0)
		plan_size_for_kernel(config, vm);
	if (r == 0)
		r = set_string(&vm->id, input->id, err);
	if (r == 0)
		r = set_string(&vm->cmdline, config->kernel_params, err);
	if (r == 0)
		r = set_string(&vm->console_path, input->console_path, err);
	if (r == 0)
		r = set_string(&vm->qemu_path, config->qemu_path, err);
	if (r == 0)
		r = set_string(&vm->qemu_accel, config->qemu_accel, err);
	return r;
}

/* Replaces what the container's author may have given it. */
static int set_annotation(struct oci_map *map, const char *key, const char *value)
{
	struct oci_pair *pair = NULL;

	for (size_t i = 0; i < map->n && !pair; i++)
		pair = strcmp(map->v[i].key, key) ? NULL : &map->v[i];
	if (!pair) {
		pair = realloc(map->v, (map->n + 1) * sizeof(*pair));
		if (!pair)
			return -ENOMEM;
		map->v = pair;
		pair += map->n++;
		*pair = (struct oci_pair){ .key = strdup(key) };
	}
	return pair->key ? oci_string_set(&pair->value, value) : -ENOMEM;
}

/* For the state that startContainer hooks get. */
static int set_annotations(const struct plan_input *input, struct oci_spec *spec, struct err *err)
{
	int r;

	r = set_annotation(&spec->annotations, AGENT_ANNOTATION_ID, input->id);
	if (r == 0)
		r = set_annotation(&spec->annotations, AGENT_ANNOTATION_BUNDLE, input->bundle);
	return r < 0 ? err_set(err, r, "out of memory") : 0;
}

int plan_port(uint32_t *ret)
{
	/* Small ones are the agent's, -1U means any (virtio 1.2 §5.10.4). */
	do {
		if (getrandom(ret, sizeof(*ret), 0) != sizeof(*ret))
			return -EIO;
	} while (*ret <= UINT16_MAX || *ret == UINT32_MAX);
	return 0;
}

int plan_stdio(const struct oci_process *process, struct agent_stdio *ret)
{
	struct agent_stdio stdio = { 0 };
	uint32_t ports[3];

	do {
		for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
			if (plan_port(&ports[i]) < 0)
				return -EIO;
		}
	} while (ports[0] == ports[1] || ports[1] == ports[2] || ports[0] == ports[2]);

	stdio.stdin_port = ports[0];
	if (!process->terminal) {
		stdio.stdout_port = ports[1];
		stdio.stderr_port = ports[2];
	} else if (process->has_console_size) {
		stdio.rows = process->console_height;
		stdio.cols = process->console_width;
	}
	*ret = stdio;
	return 0;
}

int plan_new(const struct plan_input *input, struct oci_spec *take_spec, struct plan **ret, struct err *err)
{
	_cleanup_plan_ struct plan *plan = calloc(1, sizeof(*plan));
	int r;

	if (plan) {
		plan->config = take_spec;
		plan->vm = calloc(1, sizeof(*plan->vm));
	} else {
		oci_spec_free(take_spec);
	}
	if (!plan || !plan->vm)
		return err_set(err, -ENOMEM, "out of memory");

	r = plan_check(plan->config, err);
	/*
	 * Callers leave it out where the host has cgroup v1. In the guest there is always v2, of which a
	 * container without the namespace would see the root instead of its own limits.
	 */
	plan->config->linux_.namespaces[OCI_NS_CGROUP].wanted = true;
	if (r == 0)
		r = plan_net(input->config, plan->config, &plan->net, err);
	if (r == 0)
		r = plan_mounts(input->bundle, input->config->cache, plan->config, plan->vm, &plan->rootfs,
				err);
	if (r == 0)
		r = oci_seccomp_compile(&plan->config->linux_.seccomp, &plan->bpf, &plan->bpf_len,
					&plan->seccomp_flags, err);
	if (r == 0)
		r = set_annotations(input, plan->config, err);
	if (r == 0)
		r = plan_vm(input, plan, err);
	if (r < 0)
		return r;
	r = vm_spec_check(plan->vm, err);
	if (r < 0)
		return err_wrap(err, r, "the VM");
	r = plan_stdio(&plan->config->process, &plan->stdio);
	if (r < 0)
		return err_set_errno(err, r, "random numbers");
	*ret = TAKE_PTR(plan);
	return 0;
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	vm_spec_free(plan->vm);
	oci_spec_free(plan->config);
	free(plan->bpf);
	free(plan->rootfs);
	free(plan);
}

int plan_create_text(const struct plan *plan, bool start, char **ret_text, size_t *ret_len)
{
	const struct agent_create msg = {
		.config = plan->config,
		.stdio = plan->stdio,
		.start = start,
		/* Only written. */
		.network = (struct guest_net *)(uintptr_t)plan->network,
	};

	return agent_create_write(&msg, ret_text, ret_len);
}
