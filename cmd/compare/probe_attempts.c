/* SPDX-License-Identifier: Apache-2.0 */
/* probe_attempts: see probe.h. What is tried either fails or leaves all as it was. */
#include "cmd/compare/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void say_result(const char *key, int r)
{
	say(key, r == 0 ? "done" : strerrorname_np(errno));
}

/* An image of 64 zero bytes: whoever may load modules gets ENOEXEC from the kernel's own parser. */
static void try_module(void)
{
	static const char image[64];

	say_result("module", (int)syscall(SYS_init_module, image, sizeof(image), ""));
}

static void try_mount(void)
{
	const char *dir = "/dev/shm/vrun-probe";
	int r;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		dir = "/tmp/vrun-probe";
		mkdir(dir, 0700);
	}
	r = mount("tmpfs", dir, "tmpfs", 0, "size=4k");
	say_result("mount", r);
	if (r == 0)
		umount(dir);
	rmdir(dir);
}

/*
 * `forward` seconds: 0 sets the clock to what it says, which a host that it happens to survives. Another
 * number is for kernels that are nobody else's.
 */
static void try_clock(time_t forward)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += forward;
	say_result("clock", clock_settime(CLOCK_REALTIME, &ts));
	clock_gettime(CLOCK_REALTIME, &ts);
	say_number("clock_now", (double)ts.tv_sec);
}

static void try_raw_disk(void)
{
	static const char *const paths[] = { "/dev/mem", "/dev/vda", "/dev/sda", "/dev/nvme0n1" };
	int opened = 0;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC);

		opened += fd >= 0;
		if (fd >= 0)
			close(fd);
	}
	say_number("raw_devices", opened);
}

int probe_attempts(int argc, char **argv)
{
	try_module();
	try_mount();
	try_clock(argc > 0 ? atol(argv[0]) : 0);
	try_raw_disk();
	return 0;
}

int probe_panic(int argc, char **argv)
{
	int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);

	(void)argc;
	(void)argv;
	if (fd < 0) {
		say("panic", strerrorname_np(errno));
		return 1;
	}
	say("panic", "now");
	/* What was said has to be out before there is nobody left to pass it on. */
	sleep(1);
	if (write(fd, "c", 1) != 1)
		say("panic", strerrorname_np(errno));
	sleep(5);
	say("panic", "survived");
	return 1;
}

int probe_bomb(int argc, char **argv)
{
	long max = argc > 0 ? atol(argv[0]) : 64, n = 0;
	const char *why = "not refused";
	pid_t *pids = calloc((size_t)max, sizeof(*pids));

	if (!pids)
		return 1;
	while (n < max) {
		pid_t pid = fork();

		if (pid == 0) {
			for (;;)
				pause();
		}
		if (pid < 0) {
			why = strerrorname_np(errno);
			break;
		}
		pids[n++] = pid;
	}
	say_number("processes", (double)n);
	say("refused", why);
	for (long i = 0; i < n; i++)
		kill(pids[i], SIGKILL);
	while (wait(NULL) > 0)
		;
	free(pids);
	return 0;
}

int probe_memory(int argc, char **argv)
{
	long max = argc > 0 ? atol(argv[0]) : 64;
	const size_t mib = 1 << 20;

	for (long i = 1; i <= max; i++) {
		char *p = malloc(mib);

		if (!p) {
			say("refused", strerrorname_np(errno));
			return 1;
		}
		memset(p, (int)i, mib);
		say_number("mib", (double)i);
	}
	say("refused", "not refused");
	return 0;
}
