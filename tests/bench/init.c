/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init: process 1 of the peer's VM (QEMU microvm with virtiofsd): the smallest that runs a command on a shared root.
 *
 * The kernel hands it the words of the command line that it does not know. With "share" /bench.sh is run in the root
 * with tag "root" and the console as its standard streams; without, the machine ends at once: the kernel's start alone.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void end_machine(void)
{
	sync();
	/* reboot=t: a triple fault, and QEMU runs with -no-reboot. */
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

static void need(int r, const char *what)
{
	if (r >= 0)
		return;
	printf("init: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	end_machine();
}

int main(int argc, char **argv)
{
	pid_t pid;

	if (argc < 2 || strcmp(argv[1], "share") != 0) {
		puts("init-is-up");
		fflush(stdout);
		end_machine();
	}
	mkdir("/r", 0755);
	need(mount("root", "/r", "virtiofs", 0, NULL), "the shared root");
	need(chdir("/r"), "/r");
	need(mount(".", "/", NULL, MS_MOVE, NULL), "moving the root");
	need(chroot("."), "chroot");
	need(mount("proc", "/proc", "proc", 0, NULL), "/proc");
	need(mount("tmpfs", "/tmp", "tmpfs", 0, NULL), "/tmp");
	pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "/bench.sh", NULL);
		printf("init: /bin/sh: %s\n", strerror(errno));
		_exit(127);
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	end_machine();
}
