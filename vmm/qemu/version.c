/* SPDX-License-Identifier: Apache-2.0 */
/* version: run the emulator with --version and read what it says. */
#include "vmm/qemu/qemu.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/qemu/probe.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

/* Its standard output in `take_fd`; nothing else of it is heard. */
static int spawn_version(const char *path, int take_fd, pid_t *ret_pid)
{
	char *argv[] = { (char *)(uintptr_t)path, (char *)(uintptr_t) "--version", NULL };
	posix_spawn_file_actions_t actions;
	int r;

	r = posix_spawn_file_actions_init(&actions);
	if (r == 0) {
		posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
		posix_spawn_file_actions_adddup2(&actions, take_fd, STDOUT_FILENO);
		posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
		r = posix_spawnp(ret_pid, path, &actions, NULL, argv, environ);
		posix_spawn_file_actions_destroy(&actions);
	}
	close_fd(take_fd);
	return -r;
}

static size_t read_text(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size - 1) {
		n = read(fd, buf + len, size - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	buf[len] = '\0';
	return len;
}

int qemu_probe(const char *path, char *buf, size_t size, struct err *err)
{
	unsigned major = 0, minor = 0;
	const char *number;
	int pipe_fds[2], status, r;
	pid_t pid;

	if (!path)
		path = "qemu-system-x86_64";
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_set_errno(err, -errno, "pipe");
	r = spawn_version(path, pipe_fds[1], &pid);
	if (r < 0) {
		close_fd(pipe_fds[0]);
		return err_set(err, r, "%s: %s", path,
			       r == -ENOENT ? "not installed" : "can't be run by this user");
	}
	read_text(pipe_fds[0], buf, size);
	close_fd(pipe_fds[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	buf[strcspn(buf, "\n")] = '\0';
	number = strstr(buf, "version ");
	if (!number || sscanf(number, "version %u.%u", &major, &minor) != 2)
		return err_set(err, -EINVAL, "%s: is no QEMU", path);
	if (major < QEMU_MAJOR_MIN || (major == QEMU_MAJOR_MIN && minor < QEMU_MINOR_MIN))
		return err_set(err, -ENOTSUP, "%s: version %u.%u is too old, at least %d.%d is needed", path,
			       major, minor, QEMU_MAJOR_MIN, QEMU_MINOR_MIN);
	return 0;
}
