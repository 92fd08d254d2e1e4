/* SPDX-License-Identifier: Apache-2.0 */
/* plan_check: what a container in a VM can't have is refused by its JSON path. See plan.h. */
#include "runtime/plan.h"

#include "base/err.h"
#include "base/log.h"
#include "oci/spec.h"

#include <errno.h>
#include <string.h>

static int check_namespaces(const struct oci_linux *linux_, struct err *err)
{
	for (unsigned i = 0; i < OCI_NS_COUNT; i++) {
		const struct oci_namespace *ns = &linux_->namespaces[i];
		const char *name = oci_namespace_name((enum oci_namespace_type)i);

		/* The network's is captured (net.h): the agent makes one of the same content. */
		if (!ns->wanted || !ns->path || i == OCI_NS_NETWORK)
			continue;
		return err_set(
			err, -ENOTSUP,
			"linux.namespaces[%s].path: a VM's processes can't join a namespace of the host (%s)",
			name, ns->path);
	}
	/* runc's words behind the field's */
	if (linux_->namespaces[OCI_NS_USER].wanted && linux_->uid_mappings.n == 0)
		return err_set(err, -EINVAL,
			       "linux.uidMappings: user namespaces enabled, but no uid mappings found");
	if (linux_->namespaces[OCI_NS_USER].wanted && linux_->gid_mappings.n == 0)
		return err_set(err, -EINVAL,
			       "linux.gidMappings: user namespaces enabled, but no gid mappings found");
	return 0;
}

/* config-linux.md, "Time offsets" and "Sysctl"; any other sysctl is of the guest's own kernel. */
static int check_kernel(const struct oci_linux *linux_, struct err *err)
{
	if (!linux_->namespaces[OCI_NS_TIME].wanted &&
	    (linux_->monotonic_offset.has || linux_->boottime_offset.has))
		return err_set(err, -EINVAL,
			       "linux.timeOffsets: time namespace offsets specified, but linux.namespaces has no "
			       "time namespace");
	for (size_t i = 0; i < linux_->sysctl.n; i++) {
		const char *key = linux_->sysctl.v[i].key;

		if (!strcmp(key, "kernel.hostname") || !strcmp(key, "kernel/hostname"))
			return err_set(err, -EINVAL,
				       "linux.sysctl: %s is not allowed as it conflicts with the field hostname",
				       key);
	}
	return 0;
}

/* "/" in any way of writing it. */
static bool is_root(const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len && strncmp(path, ".", len) && strncmp(path, "..", len))
			return false;
		path += len + (path[len] == '/');
	}
	return true;
}

/* What is mounted there would be below the root that the container gets, and of no effect. */
static int check_mounts(const struct oci_spec *spec, struct err *err)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		if (is_root(spec->mounts[i].destination))
			return err_set(err, -ENOTSUP,
				       "mounts[%zu].destination: nothing can be mounted over the root; see "
				       "root.path and root.readonly",
				       i);
	}
	return 0;
}

static void note_ignored(const struct oci_spec *spec)
{
	const struct oci_process *process = &spec->process;

	/* As crun on a system without these modules: the guest's kernel has no policy of the host's. */
	if (process->apparmor_profile)
		log_info("process.apparmorProfile: ignored, the guest has no AppArmor policy");
	if (process->selinux_label)
		log_info("process.selinuxLabel: ignored, the guest has no SELinux policy");
	if (spec->linux_.mount_label)
		log_info("linux.mountLabel: ignored, the guest has no SELinux policy");
	if (process->exec_cpu_affinity.n)
		log_info("process.execCPUAffinity: ignored");
}

/* Nodes of a host's disk would be another disk, or none, in the guest. */
static int check_devices(const struct oci_linux *linux_, struct err *err)
{
	for (size_t i = 0; i < linux_->n_devices; i++) {
		if (linux_->devices[i].type == 'b')
			return err_set(
				err, -ENOTSUP,
				"linux.devices[%zu]: block device %s of the host can't be passed through", i,
				linux_->devices[i].path);
	}
	return 0;
}

/* What names the host's hardware or its packets, neither of which the guest has. */
static int check_resources(const struct oci_resources *resources, struct err *err)
{
	if (resources->n_rdma)
		return err_set(err, -ENOTSUP, "linux.resources.rdma: a VM has no RDMA device of the host");
	if (resources->net_class_id.has && resources->net_class_id.v)
		return err_set(err, -ENOTSUP,
			       "linux.resources.network.classID: a VM's packets have no class on the host");
	if (resources->n_net_priorities)
		return err_set(
			err, -ENOTSUP,
			"linux.resources.network.priorities: a VM's packets have no priority on the host");
	if (resources->memory.has_disable_oom_killer && resources->memory.disable_oom_killer)
		log_info(
			"linux.resources.memory.disableOOMKiller: not for the guest's kernel, which has cgroup "
			"version 2");
	return 0;
}

int plan_check(const struct oci_spec *spec, struct err *err)
{
	int r;

	if (spec->foreign_platforms.n)
		return err_set(err, -ENOTSUP, "%s: containers of this platform are not supported",
			       spec->foreign_platforms.v[0]);
	if (!spec->has_process)
		return err_set(err, -EINVAL, "process: is missing");
	if (!spec->has_root)
		return err_set(err, -EINVAL, "root: is missing");
	if (!spec->has_linux)
		return err_set(err, -EINVAL, "linux: is missing");
	if (spec->linux_.has_intel_rdt)
		return err_set(err, -ENOTSUP, "linux.intelRdt: not supported");
	r = check_namespaces(&spec->linux_, err);
	if (r == 0)
		r = check_kernel(&spec->linux_, err);
	if (r == 0)
		r = check_devices(&spec->linux_, err);
	if (r == 0)
		r = check_resources(&spec->linux_.resources, err);
	if (r == 0)
		r = check_mounts(spec, err);
	if (r == 0)
		note_ignored(spec);
	return r;
}
