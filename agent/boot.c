/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot: see boot.h.
 *
 * Theory of operation
 *
 * The initramfs is the kernel's rootfs, which has no parent mount, so that
 * pivot_root(2) refuses to work with it. The agent moves to a tmpfs of its own,
 * mounted over "/", as switch_root(8) does; all file systems are mounted there
 * in the first place, so that none needs to be moved.
 */
#include "agent/boot.h"

#include "agent/backoff.h"
#include "agent/cgroup.h"
#include "agent/console.h"
#include "agent/modules.h"
#include "agent/namespaces.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "oci/agent_proto.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define NEW_ROOT "/newroot"
/* A request to the host costs as much as copying some hundred KiB. */
#define READ_AHEAD_KIB "512"
#define MODULES_LIST "/modules"

struct early_mount {
	const char *target, *type, *data;
	unsigned long flags;
};

enum { GUARDED = MS_NOSUID | MS_NODEV | MS_NOEXEC };

static const struct early_mount early_mounts[] = {
	{ NEW_ROOT, "tmpfs", "mode=755", MS_NOSUID | MS_NODEV },
	{ NEW_ROOT "/proc", "proc", NULL, GUARDED },
	{ NEW_ROOT "/sys", "sysfs", NULL, GUARDED },
	{ NEW_ROOT "/dev", "devtmpfs", "mode=755", MS_NOSUID },
	{ NEW_ROOT "/run", "tmpfs", "mode=755", MS_NOSUID | MS_NODEV },
};

static int mount_early(const struct early_mount *m, struct err *err)
{
	if (mkdir(m->target, 0755) < 0 && errno != EEXIST)
		return err_set_errno(err, -errno, "making %s", m->target);
	if (mount(m->type, m->target, m->type, m->flags, m->data) < 0)
		return err_set_errno(err, -errno, "mounting %s on %s", m->type, m->target);
	return 0;
}

/* Descriptors 0 to 2 must be something, or the next files opened would be taken for them. */
static void open_stdio(void)
{
	int fd;

	do
		fd = open(NEW_ROOT "/dev/null", O_RDWR);
	while (fd >= 0 && fd < 3);
	close_fd(fd);
}

static int switch_root(struct err *err)
{
	/*
	 * The agent's own program stays reachable by /proc/PID/exe: not writable,
	 * whoever gets there.
	 */
	(void)mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
	if (chdir(NEW_ROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
	    chdir("/") < 0)
		return err_set_errno(err, -errno, "moving to the new root");
	return 0;
}

static int mount_cgroups(struct err *err)
{
	/* nsdelegate: a cgroup namespace's root can't raise its own limits. */
	if (mount("cgroup2", CGROUP_ROOT, "cgroup2", GUARDED, "nsdelegate,memory_recursiveprot") < 0 &&
	    mount("cgroup2", CGROUP_ROOT, "cgroup2", GUARDED, "nsdelegate") < 0)
		return err_set_errno(err, -errno, "mounting cgroup2");
	cgroup_enable_controllers();
	return 0;
}

int boot_prepare(struct err *err)
{
	int r;

	umask(0);
	for (size_t i = 0; i < ARRAY_SIZE(early_mounts); i++) {
		r = mount_early(&early_mounts[i], err);
		if (r < 0)
			return r;
	}
	open_stdio();
	console_open(NEW_ROOT "/dev/kmsg");
	modules_load(MODULES_LIST);
	r = switch_root(err);
	if (r == 0)
		r = mount_cgroups(err);
	return r == 0 ? namespaces_loopback_up(err) : r;
}

/* Of no more use than speed. */
static void tune_bdi(const char *dir)
{
	static const struct {
		const char *file, *value;
	} settings[] = {
		/* Programs are read by faults, each with what is around it: 128 KiB unless told. */
		{ "read_ahead_kb", READ_AHEAD_KIB },
		/* A FUSE server may keep 1 % of what may be dirty, lest it never writes it: ours is not of this system. */
		{ "max_ratio", "100" },
	};
	char path[64];
	struct stat st;

	if (stat(dir, &st) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/%s", major(st.st_dev), minor(st.st_dev),
			 settings[i].file);
		(void)file_write(AT_FDCWD, path, settings[i].value);
	}
}

int boot_mount_shares(struct err *err)
{
	struct backoff backoff = BACKOFF_INIT;

	if ((mkdir("/run/vrun", 0755) < 0 || mkdir(AGENT_SHARE_DIR, 0755) < 0) && errno != EEXIST)
		return err_set_errno(err, -errno, "making %s", AGENT_SHARE_DIR);
	/* EINVAL is what virtiofs says while there is no device of that tag. */
	while (mount(AGENT_SHARE_TAG, AGENT_SHARE_DIR, "virtiofs", 0, NULL) < 0)
		if (!backoff_wait(&backoff))
			return err_set_errno(err, -errno, "mounting the shares (virtiofs)");
	tune_bdi(AGENT_SHARE_DIR);
	return 0;
}

void boot_find_devices(void)
{
	int r = file_write(AT_FDCWD, "/sys/bus/pci/rescan", "1");

	if (r < 0)
		console_error("looking for devices: %s", strerror(-r));
}

_Noreturn void boot_end_machine(void)
{
	/* By the way that the engine's reboot= on the command line asks for. */
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}
