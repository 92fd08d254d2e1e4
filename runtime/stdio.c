/* SPDX-License-Identifier: Apache-2.0 */
/* stdio: see stdio.h. */
#include "runtime/stdio.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

int stdio_fill(void)
{
	int fd;

	/* open() takes the lowest free number: go on until it is beyond standard error. */
	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			return -errno;
	} while (fd <= STDERR_FILENO);
	close_fd(fd);
	return 0;
}

int stdio_private(int fd, bool writing)
{
	char path[32];
	struct stat st;
	int flags, copy = -1;

	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		/*
		 * Non-blocking at once: a pipe's only reader may be gone, and open() would
		 * wait for one. It fails for a terminal of another user: a copy will do.
		 */
		copy = open(path, (writing ? O_WRONLY : O_RDONLY) | (flags & O_APPEND) | O_NONBLOCK |
					  O_NOCTTY | O_CLOEXEC);
	}
	if (copy < 0)
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return copy < 0 ? -errno : copy;
}

int stdio_terminal(void)
{
	int fd;

	for (int i = STDERR_FILENO; i >= STDIN_FILENO; i--) {
		if (!isatty(i))
			continue;
		fd = fcntl(i, F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? -errno : fd;
	}
	fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -ENOTTY : fd;
}

int stdio_terminal_size(uint16_t *ret_rows, uint16_t *ret_cols)
{
	_cleanup_close_ int fd = stdio_terminal();

	return fd < 0 ? fd : pty_get_size(fd, ret_rows, ret_cols);
}

int stdio_check_terminal(struct err *err)
{
	_cleanup_close_ int fd = stdio_terminal();

	if (fd >= 0)
		return 0;
	return err_set(err, -EINVAL,
		       "process.terminal: no standard stream is a terminal, and there is no controlling one");
}

int stdio_to_null(int fd, bool keep_stderr)
{
	for (int i = 0; i <= (keep_stderr ? STDOUT_FILENO : STDERR_FILENO); i++) {
		if (dup2(fd, i) < 0)
			return -errno;
	}
	return 0;
}

int pty_set_size(int fd, uint16_t rows, uint16_t cols)
{
	const struct winsize size = { .ws_row = rows, .ws_col = cols };

	return ioctl(fd, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

int pty_get_size(int fd, uint16_t *ret_rows, uint16_t *ret_cols)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) < 0)
		return -errno;
	*ret_rows = size.ws_row;
	*ret_cols = size.ws_col;
	return 0;
}

int pty_open(uint16_t rows, uint16_t cols, int *ret_master, int *ret_slave)
{
	_cleanup_close_ int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	_cleanup_close_ int slave = -EBADF;
	struct termios mode;
	int unlock = 0;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return -errno;
	/* By the master, not by name: /dev/pts may be another mount than the master's. */
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (slave < 0 || tcgetattr(slave, &mode) < 0)
		return -errno;
	/* Echo, line editing and signals are the guest's terminal's. */
	cfmakeraw(&mode);
	if (tcsetattr(slave, TCSANOW, &mode) < 0)
		return -errno;
	if (rows || cols)
		pty_set_size(slave, rows, cols);
	*ret_master = TAKE_FD(master);
	*ret_slave = TAKE_FD(slave);
	return 0;
}

int console_connect(const char *path, int *ret, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_close_ int sock = -EBADF, at = -EBADF;

	/* A path longer than a socket's name is reached through a descriptor. */
	at = open(path, O_PATH | O_CLOEXEC);
	if (at < 0)
		return err_set_errno(err, -errno, "console socket %s", path);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d", at);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || connect(sock, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_set_errno(err, -errno, "console socket %s", path);
	*ret = TAKE_FD(sock);
	return 0;
}

int console_send(int sock, int master)
{
	/* The data is the master's name; conmon and containerd read and ignore it. */
	static const char name[] = "/dev/ptmx";
	ssize_t n = fd_send(sock, name, strlen(name), &master, 1);

	return n < 0 ? (int)n : 0;
}

int tty_make_raw(int fd, struct tty_mode *mode)
{
	struct termios raw;

	if (!isatty(fd))
		return 0;
	if (tcgetattr(fd, &mode->saved) < 0)
		return -errno;
	raw = mode->saved;
	cfmakeraw(&raw);
	if (tcsetattr(fd, TCSANOW, &raw) < 0)
		return -errno;
	mode->fd = fd;
	return 0;
}

void tty_restore(struct tty_mode *mode)
{
	if (mode->fd >= 0)
		tcsetattr(mode->fd, TCSANOW, &mode->saved);
	mode->fd = -EBADF;
}
