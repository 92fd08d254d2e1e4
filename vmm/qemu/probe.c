/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe: see probe.h.
 */
#include "vmm/qemu/probe.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/qemu/qemu.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

const char qemu_default_name[] = "qemu-system-x86_64";

enum { VERSION_WAIT_MS = 3000 };

int qemu_find(const char *name, char **ret, struct err *err)
{
	const char *path = getenv("PATH");
	const char *end;

	if (strchr(name, '/')) {
		if (access(name, X_OK) < 0)
			return err_set(err, -ENOENT, "the emulator %s is missing or not executable", name);
		*ret = strdup(name);
		return *ret ? 0 : err_set(err, -ENOMEM, "out of memory");
	}
	if (!path || !*path)
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	for (; *path; path = *end ? end + 1 : end) {
		_cleanup_free_ char *file = NULL;
		struct stat st;

		end = strchrnul(path, ':');
		if (asprintf(&file, "%.*s/%s", (int)(end - path), path, name) < 0) {
			file = NULL;
			return err_set(err, -ENOMEM, "out of memory");
		}
		if (file[0] == '/' && access(file, X_OK) == 0 && stat(file, &st) == 0 &&
		    S_ISREG(st.st_mode)) {
			*ret = TAKE_PTR(file);
			return 0;
		}
	}
	return err_set(
		err, -ENOENT,
		"%s is not installed (on Debian: apt-get install --no-install-recommends qemu-system-x86)",
		name);
}

static int spawn_version(const char *path, int output_fd, pid_t *ret)
{
	char option[] = "--version", lang[] = "LC_ALL=C";
	char *const argv[] = { (char *)path, option, NULL }, *const env[] = { lang, NULL };
	posix_spawn_file_actions_t actions;
	int r;

	r = posix_spawn_file_actions_init(&actions);
	if (r != 0)
		return -r;
	if ((r = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)) == 0 &&
	    (r = posix_spawn_file_actions_adddup2(&actions, output_fd, 1)) == 0 &&
	    (r = posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)) == 0)
		r = posix_spawn(ret, path, &actions, NULL, argv, env);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* The first bytes that come, up to the end of file. */
static void read_some(int fd, char *buf, size_t size)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	size_t len = 0;
	ssize_t n;

	while (len + 1 < size && poll(&pollfd, 1, VERSION_WAIT_MS) > 0) {
		n = read(fd, buf + len, size - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	buf[len] = '\0';
}

int qemu_ask_version(const char *path, struct qemu_version *ret, struct err *err)
{
	_cleanup_close_ int rd = -EBADF, wr = -EBADF;
	static const char prefix[] = "QEMU emulator version ";
	struct qemu_version version;
	int fds[2], r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set_errno(err, -errno, "can't make a pipe");
	rd = fds[0];
	wr = fds[1];
	r = spawn_version(path, wr, &pid);
	if (r < 0)
		return err_set(err, r, "can't run the emulator %s (error %d)", path, -r);
	wr = close_fd(wr);
	read_some(rd, version.line, sizeof(version.line));
	version.line[strcspn(version.line, "\n")] = '\0';
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (strncmp(version.line, prefix, strlen(prefix)) != 0 ||
	    sscanf(version.line + strlen(prefix), "%3u.%3u", &version.major, &version.minor) != 2)
		return err_set(err, -EPROTO, "%s is no QEMU", path);
	*ret = version;
	return 0;
}

int qemu_check_version(const struct qemu_version *version, struct err *err)
{
	if (version->major > QEMU_MAJOR_MIN ||
	    (version->major == QEMU_MAJOR_MIN && version->minor >= QEMU_MINOR_MIN))
		return 0;
	return err_set(err, -EOPNOTSUPP, "QEMU %u.%u is too old, at least %d.%d is needed", version->major,
		       version->minor, QEMU_MAJOR_MIN, QEMU_MINOR_MIN);
}

int qemu_probe(const char *path, char *buf, size_t size, struct err *err)
{
	_cleanup_free_ char *found = NULL;
	struct qemu_version version;
	int r;

	r = qemu_find(path ? path : qemu_default_name, &found, err);
	if (r < 0)
		return r;
	r = qemu_ask_version(found, &version, err);
	if (r < 0)
		return r;
	snprintf(buf, size, "%s", version.line);
	return qemu_check_version(&version, err);
}
