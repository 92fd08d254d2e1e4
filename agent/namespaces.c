/* SPDX-License-Identifier: Apache-2.0 */
/* namespaces: see namespaces.h. */
#include "agent/namespaces.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "oci/spec.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

/* Entered by the agent itself around clone3(), as they only change what its children get. */
enum { FOR_CHILDREN = CLONE_NEWTIME | CLONE_NEWPID };

static bool joins_path(const struct oci_namespace *ns, enum oci_namespace_type type)
{
	return ns->wanted && ns->path && ns->path[0] && type != OCI_NS_NETWORK;
}

int namespaces_check(const struct oci_linux *l, struct err *err)
{
	if (joins_path(&l->namespaces[OCI_NS_USER], OCI_NS_USER))
		return err_set(err, -ENOTSUP,
			       "linux.namespaces: a user namespace can't be joined by its path");
	return 0;
}

unsigned long namespaces_flags(const struct oci_linux *l)
{
	unsigned long flags = CLONE_NEWNS;

	for (int i = 0; i < OCI_NS_COUNT; i++)
		if (l->namespaces[i].wanted)
			flags |= (unsigned long)oci_namespace_clone_flag((enum oci_namespace_type)i);
	return flags;
}

unsigned long namespaces_clone_flags(const struct oci_linux *l)
{
	unsigned long flags = namespaces_flags(l);

	for (int i = 0; i < OCI_NS_COUNT; i++)
		if (joins_path(&l->namespaces[i], (enum oci_namespace_type)i) && i != OCI_NS_MOUNT)
			flags &= ~(unsigned long)oci_namespace_clone_flag((enum oci_namespace_type)i);
	/* A cgroup namespace's root is the cgroup that its maker is in: made once the child is in its own. */
	return flags & ~(unsigned long)(CLONE_NEWCGROUP | CLONE_NEWTIME);
}

static int write_offset(const char *clock, const struct oci_time_offset *offset)
{
	char line[96];

	if (!offset->has)
		return 0;
	snprintf(line, sizeof(line), "%s %lld %u", clock, (long long)offset->secs, offset->nanosecs);
	return file_write(AT_FDCWD, "/proc/self/timens_offsets", line);
}

static int join(const char *path, int type, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_set_errno(err, -errno, "opening namespace %s", path);
	if (setns(fd, type) < 0)
		return err_set_errno(err, -errno, "joining namespace %s", path);
	return 0;
}

static int save(int *ret_fd, const char *path)
{
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	return *ret_fd < 0 ? -errno : 0;
}

static int enter_time(const struct oci_linux *l, struct err *err)
{
	const struct oci_namespace *ns = &l->namespaces[OCI_NS_TIME];
	int r;

	if (joins_path(ns, OCI_NS_TIME))
		return join(ns->path, CLONE_NEWTIME, err);
	/* The offsets can only be set before the first process is in: time_namespaces(7) */
	if (unshare(CLONE_NEWTIME) < 0)
		return err_set_errno(err, -errno, "making a time namespace");
	r = write_offset("monotonic", &l->monotonic_offset);
	if (r == 0)
		r = write_offset("boottime", &l->boottime_offset);
	return r < 0 ? err_set_errno(err, r, "linux.timeOffsets") : 0;
}

int namespaces_enter(struct namespaces_saved *saved, const struct oci_linux *l, struct err *err)
{
	const struct oci_namespace *pid = &l->namespaces[OCI_NS_PID];
	int r;

	if (joins_path(pid, OCI_NS_PID)) {
		r = save(&saved->pid, "/proc/self/ns/pid");
		if (r < 0)
			return err_set_errno(err, r, "opening the agent's pid namespace");
		r = join(pid->path, CLONE_NEWPID, err);
		if (r < 0)
			return r;
	}
	if (!l->namespaces[OCI_NS_TIME].wanted)
		return 0;
	r = save(&saved->time, "/proc/self/ns/time");
	if (r < 0)
		return err_set_errno(err, r, "opening the agent's time namespace");
	return enter_time(l, err);
}

int namespaces_enter_pid(struct namespaces_saved *saved, int pidfd, struct err *err)
{
	int r = save(&saved->pid, "/proc/self/ns/pid");

	if (r < 0)
		return err_set_errno(err, r, "opening the agent's pid namespace");
	if (setns(pidfd, CLONE_NEWPID) < 0)
		return err_set_errno(err, -errno, "joining the container's pid namespace");
	return 0;
}

int namespaces_leave(struct namespaces_saved *saved)
{
	int r = 0;

	if (saved->pid >= 0 && setns(saved->pid, CLONE_NEWPID) < 0)
		r = -errno;
	if (saved->time >= 0 && setns(saved->time, CLONE_NEWTIME) < 0)
		r = -errno;
	saved->pid = close_fd(saved->pid);
	saved->time = close_fd(saved->time);
	return r;
}

static int write_map(pid_t child, const char *file, const struct oci_id_mappings *maps)
{
	char path[64], *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int r;

	if (!f)
		return -ENOMEM;
	for (size_t i = 0; i < maps->n; i++)
		fprintf(f, "%u %u %u\n", maps->v[i].container_id, maps->v[i].host_id, maps->v[i].size);
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)child, file);
	r = fclose(f) == 0 ? file_write(AT_FDCWD, path, text) : -ENOMEM;
	free(text);
	return r;
}

int namespaces_write_maps(pid_t child, const struct oci_linux *l, struct err *err)
{
	int r;

	if (l->gid_mappings.n) {
		r = write_map(child, "gid_map", &l->gid_mappings);
		if (r < 0)
			return err_set_errno(err, r, "linux.gidMappings");
	}
	if (l->uid_mappings.n) {
		r = write_map(child, "uid_map", &l->uid_mappings);
		if (r < 0)
			return err_set_errno(err, r, "linux.uidMappings");
	}
	return 0;
}

static uint32_t map_id(const struct oci_id_mappings *maps, bool mapped, uint32_t id)
{
	if (!mapped)
		return id;
	for (size_t i = 0; i < maps->n; i++)
		if (id >= maps->v[i].container_id && id - maps->v[i].container_id < maps->v[i].size)
			return maps->v[i].host_id + (id - maps->v[i].container_id);
	return UINT32_MAX;
}

uint32_t namespaces_map_uid(const struct oci_linux *l, uint32_t id)
{
	return map_id(&l->uid_mappings, l->namespaces[OCI_NS_USER].wanted, id);
}

uint32_t namespaces_map_gid(const struct oci_linux *l, uint32_t id)
{
	return map_id(&l->gid_mappings, l->namespaces[OCI_NS_USER].wanted, id);
}

int namespaces_loopback_up(struct err *err)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_name = "lo" };

	/* A kernel without IPv4 has no loopback to bring up. */
	if (fd < 0)
		return errno == EAFNOSUPPORT ? 0 : err_set_errno(err, -errno, "a socket for lo");
	if (ioctl(fd, SIOCGIFFLAGS, &ifr) < 0)
		return err_set_errno(err, -errno, "reading lo's flags");
	ifr.ifr_flags |= IFF_UP | IFF_RUNNING;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		return err_set_errno(err, -errno, "bringing lo up");
	return 0;
}

/* "net.ipv4.ip_forward" as well as "net/ipv4/conf/eth0.1/forwarding", sysctl(8). */
static int set_sysctl(int dir, const struct oci_pair *sysctl)
{
	struct open_how how = { .flags = O_WRONLY | O_CLOEXEC, .resolve = RESOLVE_BENEATH };
	_cleanup_free_ char *path = strdup(sysctl->key);
	_cleanup_close_ int fd = -EBADF;

	if (!path)
		return -ENOMEM;
	if (!strchr(path, '/'))
		for (char *p = path; *p; p++)
			if (*p == '.')
				*p = '/';
	fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
	if (fd < 0)
		return -errno;
	return write(fd, sysctl->value, strlen(sysctl->value)) < 0 ? -errno : 0;
}

static int set_sysctls(const struct oci_linux *l, struct err *err)
{
	_cleanup_close_ int dir = -EBADF;

	if (l->sysctl.n == 0)
		return 0;
	dir = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set_errno(err, -errno, "opening /proc/sys");
	for (size_t i = 0; i < l->sysctl.n; i++) {
		int r = set_sysctl(dir, &l->sysctl.v[i]);

		if (r < 0)
			return err_set_errno(err, r, "linux.sysctl %s", l->sysctl.v[i].key);
	}
	return 0;
}

int namespaces_setup(const struct oci_spec *spec, struct err *err)
{
	const struct oci_linux *l = &spec->linux_;
	int r;

	for (int i = 0; i < OCI_NS_COUNT; i++) {
		int flag = oci_namespace_clone_flag((enum oci_namespace_type)i);

		/* Joining a mount namespace would leave no way back to the agent's files. */
		if (!joins_path(&l->namespaces[i], (enum oci_namespace_type)i) || (flag & FOR_CHILDREN) ||
		    i == OCI_NS_MOUNT)
			continue;
		r = join(l->namespaces[i].path, flag, err);
		if (r < 0)
			return r;
	}
	if (l->namespaces[OCI_NS_CGROUP].wanted &&
	    !joins_path(&l->namespaces[OCI_NS_CGROUP], OCI_NS_CGROUP) && unshare(CLONE_NEWCGROUP) < 0)
		return err_set_errno(err, -errno, "making a cgroup namespace");
	if (l->namespaces[OCI_NS_NETWORK].wanted) {
		r = namespaces_loopback_up(err);
		if (r < 0)
			return r;
	}
	if (spec->hostname && sethostname(spec->hostname, strlen(spec->hostname)) < 0)
		return err_set_errno(err, -errno, "hostname");
	if (spec->domainname && setdomainname(spec->domainname, strlen(spec->domainname)) < 0)
		return err_set_errno(err, -errno, "domainname");
	return set_sysctls(l, err);
}
