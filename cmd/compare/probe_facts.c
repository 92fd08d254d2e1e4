/* SPDX-License-Identifier: Apache-2.0 */
/* probe_facts: see probe.h. */
#include "cmd/compare/probe.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { KLOG_READ_ALL = 3, DEPTH_MAX = 12 };

/* Lines of a file for which `wanted` holds (NULL: all); -1 when it can't be read. */
static long count_lines(const char *path, bool (*wanted)(const char *line))
{
	char line[4096];
	FILE *f = fopen(path, "re");
	long n = 0;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		n += !wanted || wanted(line);
	fclose(f);
	return n;
}

static bool has_address(const char *line)
{
	return strtoull(line, NULL, 16) != 0;
}

static long count_entries(const char *path, bool (*wanted)(const struct dirent *e))
{
	DIR *dir = opendir(path);
	struct dirent *e;
	long n = 0;

	if (!dir)
		return -1;
	while ((e = readdir(dir)))
		n += e->d_name[0] != '.' && (!wanted || wanted(e));
	closedir(dir);
	return n;
}

static bool is_number(const struct dirent *e)
{
	return isdigit((unsigned char)e->d_name[0]);
}

static void say_first_line(const char *key, const char *path)
{
	char line[512] = "";
	FILE *f = fopen(path, "re");

	if (!f)
		return;
	if (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		say(key, line);
	}
	fclose(f);
}

/* The value of "NAME : value" in a file of /proc. */
static void say_field(const char *key, const char *path, const char *name, bool count_words)
{
	char line[8192];
	FILE *f = fopen(path, "re");
	size_t len = strlen(name);

	while (f && fgets(line, sizeof(line), f)) {
		char *value = line + len;

		if (strncmp(line, name, len))
			continue;
		value += strspn(value, " \t:");
		value[strcspn(value, "\n")] = '\0';
		if (count_words) {
			long n = 0;

			for (char *rest, *word = strtok_r(value, " ", &rest); word;
			     word = strtok_r(NULL, " ", &rest))
				n++;
			say_number(key, (double)n);
		} else {
			say(key, value);
		}
		break;
	}
	if (f)
		fclose(f);
}

struct walk {
	long writable, setuid, devices;
	dev_t device; /* of the file system to stay in; 0: any */
};

/* Regular files that this process could write, by the kernel's own answer; files are not opened. */
static void walk(int dirfd, const char *name, int depth, struct walk *w)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct dirent *e;
	DIR *dir;

	if (fd < 0)
		return;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return;
	}
	while (depth > 0 && (e = readdir(dir))) {
		struct stat st;

		if (e->d_name[0] == '.' && (!e->d_name[1] || !strcmp(e->d_name, "..")))
			continue;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISDIR(st.st_mode) && (!w->device || st.st_dev == w->device)) {
			walk(fd, e->d_name, depth - 1, w);
			continue;
		}
		if (S_ISREG(st.st_mode)) {
			w->writable += faccessat(fd, e->d_name, W_OK, AT_EACCESS) == 0;
			w->setuid += (st.st_mode & (S_ISUID | S_ISGID)) && (st.st_mode & 0111);
		}
	}
	closedir(dir);
}

/* /proc/sys, /sys: settings of a kernel. Files of processes are no settings, so of /proc no more. */
static long writable_settings(void)
{
	struct walk w = { 0 };

	walk(AT_FDCWD, "/proc/sys", DEPTH_MAX, &w);
	walk(AT_FDCWD, "/sys", DEPTH_MAX, &w);
	w.writable += access("/proc/sysrq-trigger", W_OK) == 0;
	return w.writable;
}

static long setuid_programs(void)
{
	struct walk w = { 0 };
	struct stat st;

	if (stat("/", &st) == 0) {
		w.device = st.st_dev;
		walk(AT_FDCWD, "/", DEPTH_MAX, &w);
	}
	return w.setuid;
}

static long openable_devices(void)
{
	DIR *dir = opendir("/dev");
	struct dirent *e;
	long n = 0;

	while (dir && (e = readdir(dir))) {
		struct stat st;
		int fd;

		if (fstatat(dirfd(dir), e->d_name, &st, 0) < 0 ||
		    (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)))
			continue;
		fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		n += fd >= 0;
		if (fd >= 0)
			close(fd);
	}
	if (dir)
		closedir(dir);
	return n;
}

static void say_kernel_log(void)
{
	static char buf[1 << 20];
	int n = klogctl(KLOG_READ_ALL, buf, sizeof(buf));
	int fd;

	/* syslog(2), or the device */
	if (n < 0) {
		fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		n = fd >= 0 ? (int)read(fd, buf, sizeof(buf)) : -1;
		if (fd >= 0)
			close(fd);
	}
	say_number("kernel_log_bytes", n);
}

int probe_facts(int argc, char **argv)
{
	struct utsname u;

	(void)argc;
	(void)argv;
	if (uname(&u) == 0) {
		say("kernel", u.release);
		say("kernel_build", u.version);
	}
	say_first_line("boot_id", "/proc/sys/kernel/random/boot_id");
	say_first_line("uptime", "/proc/uptime");
	say_number("cpus", (double)sysconf(_SC_NPROCESSORS_ONLN));
	say_field("memory", "/proc/meminfo", "MemTotal", false);
	say_field("cpu_model", "/proc/cpuinfo", "model name", false);
	say_field("cpu_flags", "/proc/cpuinfo", "flags", true);
	say_number("processes", (double)count_entries("/proc", is_number));
	say_first_line("load", "/proc/loadavg");
	say_number("block_devices", (double)count_entries("/sys/block", NULL));
	say_number("pci_devices", (double)count_entries("/sys/bus/pci/devices", NULL));
	say_number("dev_open", (double)openable_devices());
	say_kernel_log();
	say_number("kallsyms", (double)count_lines("/proc/kallsyms", NULL));
	say_number("kallsyms_addresses", (double)count_lines("/proc/kallsyms", has_address));
	say_number("modules", (double)count_lines("/proc/modules", NULL));
	say_number("filesystems", (double)count_lines("/proc/filesystems", NULL));
	say_number("interrupts", (double)count_lines("/proc/interrupts", NULL));
	say_number("mounts", (double)count_lines("/proc/self/mountinfo", NULL));
	say_first_line("mount_root", "/proc/self/mountinfo");
	say_first_line("cgroup", "/proc/self/cgroup");
	say_first_line("uid_map", "/proc/self/uid_map");
	say_number("settings_writable", (double)writable_settings());
	say_number("setuid", (double)setuid_programs());
	say_number("no_new_privs", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	say_field("capabilities", "/proc/self/status", "CapEff", false);
	return 0;
}
