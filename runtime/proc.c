/* SPDX-License-Identifier: Apache-2.0 */
/* proc: see proc.h. */
#include "runtime/proc.h"

#include "base/cleanup.h"
#include "base/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

/* The fields after the command's name, which may itself hold spaces and parentheses. */
static int read_stat(pid_t pid, char *ret_state, uint64_t *ret_start)
{
	_cleanup_free_ char *text = NULL;
	unsigned long long start;
	char path[32], state;
	const char *p;
	int r;

	if (pid <= 0)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	r = file_read(AT_FDCWD, path, 4096, &text, NULL);
	if (r < 0)
		return -ESRCH;
	p = strrchr(text, ')');
	/* state is field 3, starttime field 22. */
	if (!p ||
	    sscanf(p + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		   &state, &start) != 2)
		return -ESRCH;
	*ret_state = state;
	*ret_start = start;
	return 0;
}

int proc_start_time(pid_t pid, uint64_t *ret)
{
	char state;

	return read_stat(pid, &state, ret);
}

bool proc_is_alive(pid_t pid, uint64_t start_time)
{
	uint64_t start;
	char state;

	if (read_stat(pid, &state, &start) < 0)
		return false;
	return start == start_time && state != 'Z' && state != 'X';
}

int proc_open(pid_t pid, uint64_t start_time)
{
	int fd;

	if (pid <= 0)
		return -ESRCH;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return -errno;
	/* Checked after the open: from here on the descriptor names one process. */
	if (!proc_is_alive(pid, start_time)) {
		close_fd(fd);
		return -ESRCH;
	}
	return fd;
}

int proc_wait(int pidfd, int ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int r;

	do {
		r = poll(&p, 1, ms);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

int proc_signal(int pidfd, int signo)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0) < 0 ? -errno : 0;
}
