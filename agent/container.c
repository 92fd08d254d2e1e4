/* SPDX-License-Identifier: Apache-2.0 */
/* container: see container.h. */
#include "agent/container.h"

#include "agent/cgroup.h"
#include "agent/child.h"
#include "agent/device_filter.h"
#include "agent/namespaces.h"
#include "agent/net.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "oci/guest_net.h"
#include "oci/spec.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include <linux/sched.h>

static int check_spec(const struct oci_spec *spec, struct err *err)
{
	if (!spec->has_process || spec->process.args.n == 0)
		return err_set(err, -EINVAL, "process: nothing to run");
	if (!spec->has_root || !spec->root.path)
		return err_set(err, -EINVAL, "root.path: missing");
	return namespaces_check(&spec->linux_, err);
}

static int set_up_cgroup(struct container *c, struct err *err)
{
	const struct oci_linux *l = &c->spec->linux_;
	int r;

	c->cgroup = cgroup_create(err);
	if (c->cgroup < 0)
		return c->cgroup;
	r = cgroup_apply(c->cgroup, &l->resources, err);
	if (r < 0)
		return r;
	/* A kernel of the user's own may lack it: all devices there are the guest's anyway. */
	r = device_filter_attach(c->cgroup, &l->resources, err);
	if (r < 0 && r != -ENOSYS)
		return r;
	if (l->namespaces[OCI_NS_USER].wanted && l->namespaces[OCI_NS_CGROUP].wanted) {
		uint32_t uid = namespaces_map_uid(l, 0), gid = namespaces_map_gid(l, 0);

		if (uid != UINT32_MAX && gid != UINT32_MAX) {
			r = cgroup_delegate(c->cgroup, uid, gid);
			if (r < 0)
				return err_set_errno(err, r, "giving the cgroup to the container");
		}
	}
	return 0;
}

static void free_network(struct guest_net *network)
{
	guest_net_done(network);
	free(network);
}

int container_new(struct oci_spec *take_spec, struct guest_net *take_network, uint8_t *take_seccomp,
		  size_t seccomp_len, uint32_t seccomp_flags, struct container **ret, struct err *err)
{
	struct container *c = calloc(1, sizeof(*c));
	int r;

	if (!c) {
		oci_spec_free(take_spec);
		free_network(take_network);
		free(take_seccomp);
		return -ENOMEM;
	}
	c->spec = take_spec;
	c->network = take_network;
	c->seccomp = take_seccomp;
	c->seccomp_len = seccomp_len;
	c->seccomp_flags = seccomp_flags;
	c->cgroup = c->init_pidfd = -EBADF;
	c->namespaces = namespaces_flags(&take_spec->linux_);
	r = check_spec(c->spec, err);
	if (r == 0)
		r = set_up_cgroup(c, err);
	if (r < 0) {
		container_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void container_free(struct container *c)
{
	if (!c)
		return;
	if (c->cgroup >= 0)
		cgroup_remove();
	close_fd(c->cgroup);
	close_fd(c->init_pidfd);
	free(c->seccomp);
	free_network(c->network);
	oci_spec_free(c->spec);
	free(c);
}

bool container_map_user(const struct container *c, uint32_t uid, uint32_t gid, uid_t *ret_uid, gid_t *ret_gid)
{
	*ret_uid = namespaces_map_uid(&c->spec->linux_, uid);
	*ret_gid = namespaces_map_gid(&c->spec->linux_, gid);
	return *ret_uid != UINT32_MAX && *ret_gid != UINT32_MAX;
}

/* As fork(), into a cgroup. */
static pid_t clone_into(unsigned long flags, int cgroup, int *ret_pidfd)
{
	struct clone_args ca = {
		.flags = flags | CLONE_PIDFD | CLONE_INTO_CGROUP,
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)cgroup,
	};
	long pid = syscall(SYS_clone3, &ca, sizeof(ca));

	return pid < 0 ? -errno : (pid_t)pid;
}

/* A container with cgroups of its own below (systemd) takes no process at the top: join its first one then. */
static pid_t clone_beside_init(const struct container *c, int *ret_pidfd)
{
	_cleanup_close_ int cgroup = cgroup_open_of(c->init_pid);

	return cgroup < 0 ? cgroup : clone_into(0, cgroup, ret_pidfd);
}

/* Where the caller wants it, and nowhere else. */
static pid_t clone_below(const struct container *c, const char *path, int *ret_pidfd, struct err *err)
{
	_cleanup_close_ int cgroup = cgroup_open_below(c->cgroup, path, err);

	return cgroup < 0 ? cgroup : clone_into(0, cgroup, ret_pidfd);
}

static int set_up_network(const struct container *c, pid_t pid, struct err *err)
{
	_cleanup_close_ int ns = -EBADF;
	char path[64];

	if (!c->network)
		return 0;
	if (!c->spec->linux_.namespaces[OCI_NS_NETWORK].wanted)
		return net_apply(c->network, -EBADF, err);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return err_set_errno(err, -errno, "opening the container's network namespace");
	return net_apply(c->network, ns, err);
}

/* In the agent's own /run, from where the child binds it. */
static int write_resolv_conf(const struct container *c, const char **ret, struct err *err)
{
	static const char path[] = "/run/vrun/resolv.conf";
	int r;

	*ret = NULL;
	if (!c->network || !c->network->resolv_conf)
		return 0;
	r = file_write_atomic(AT_FDCWD, path, c->network->resolv_conf, strlen(c->network->resolv_conf), 0644);
	if (r < 0)
		return err_set_errno(err, r, "%s", path);
	*ret = path;
	return 0;
}

static int clone_init(struct container *c, struct child_args *args, pid_t *ret_pid, int *ret_pidfd,
		      struct err *err)
{
	struct namespaces_saved saved = NAMESPACES_SAVED_INIT;
	const struct oci_linux *l = &c->spec->linux_;
	bool maps = l->namespaces[OCI_NS_USER].wanted;
	int r, pidfd = -EBADF;
	pid_t pid = -1;

	args->wait_prepared = maps || c->network;
	r = write_resolv_conf(c, &args->resolv_conf, err);
	if (r < 0)
		return r;
	r = namespaces_enter(&saved, l, err);
	if (r == 0) {
		pid = clone_into(namespaces_clone_flags(l), c->cgroup, &pidfd);
		if (pid == 0)
			child_run(args);
		if (pid < 0)
			r = err_set_errno(err, pid, "cloning the container's process");
	}
	if (namespaces_leave(&saved) < 0 && r == 0)
		r = err_set(err, -EIO, "the agent can't get back to its namespaces");
	if (r == 0 && maps)
		r = namespaces_write_maps(pid, l, err);
	if (r == 0)
		r = set_up_network(c, pid, err);
	if (r < 0) {
		/* The child is reaped by the loop. */
		if (pid > 0)
			kill(pid, SIGKILL);
		close_fd(pidfd);
		return r;
	}
	c->init_pid = *ret_pid = pid;
	c->init_pidfd = fcntl(pidfd, F_DUPFD_CLOEXEC, 3);
	*ret_pidfd = pidfd;
	return 0;
}

static int clone_more(struct container *c, struct child_args *args, pid_t *ret_pid, int *ret_pidfd,
		      struct err *err)
{
	struct namespaces_saved saved = NAMESPACES_SAVED_INIT;
	int r = 0, pidfd = -EBADF;
	pid_t pid = -1;

	args->join = c->namespaces;
	args->init_pidfd = c->init_pidfd;
	if (c->namespaces & CLONE_NEWPID)
		r = namespaces_enter_pid(&saved, c->init_pidfd, err);
	if (r == 0) {
		pid = args->cgroup ? clone_below(c, args->cgroup, &pidfd, err)
				   : clone_into(0, c->cgroup, &pidfd);
		if (pid == -EBUSY && !args->cgroup)
			pid = clone_beside_init(c, &pidfd);
		if (pid == 0)
			child_run(args);
		if (pid < 0)
			r = err->code ? pid
				      : err_set_errno(err, pid,
						      "cloning a process into the container's cgroup %s",
						      args->cgroup ? args->cgroup : "/");
	}
	if (namespaces_leave(&saved) < 0 && r == 0)
		r = err_set(err, -EIO, "the agent can't get back to its namespaces");
	if (r < 0) {
		if (pid > 0)
			kill(pid, SIGKILL);
		close_fd(pidfd);
		return r;
	}
	*ret_pid = pid;
	*ret_pidfd = pidfd;
	return 0;
}

int container_clone(struct container *c, struct child_args *args, pid_t *ret_pid, int *ret_pidfd,
		    struct err *err)
{
	args->spec = c->spec;
	args->init_pidfd = -EBADF;
	args->seccomp = c->seccomp;
	args->seccomp_len = c->seccomp_len;
	args->seccomp_flags = c->seccomp_flags;
	return args->init ? clone_init(c, args, ret_pid, ret_pidfd, err)
			  : clone_more(c, args, ret_pid, ret_pidfd, err);
}
