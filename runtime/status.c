/* SPDX-License-Identifier: Apache-2.0 */
/* status: see status.h. */
#include "runtime/status.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <string.h>

const char *status_name(enum container_status status)
{
	switch (status) {
	case STATUS_CREATING:
		return "creating";
	case STATUS_CREATED:
		return "created";
	case STATUS_RUNNING:
		return "running";
	case STATUS_PAUSED:
		return "paused";
	case STATUS_STOPPED:
		break;
	}
	return "stopped";
}

int status_create(int dirfd)
{
	int fd = openat(dirfd, "status", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	status_set(fd, STATUS_CREATING);
	return fd;
}

void status_set(int fd, enum container_status status)
{
	char byte = (char)status;
	ssize_t n = pwrite(fd, &byte, 1, 0);

	(void)n;
}

void status_set_text(int fd, const char *text)
{
	ssize_t n = pwrite(fd, text, strnlen(text, STATUS_TEXT_MAX), 1);

	(void)n;
}

enum container_status status_read(int dirfd, char *text, size_t size)
{
	_cleanup_close_ int fd = openat(dirfd, "status", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char buf[1 + STATUS_TEXT_MAX + 1];
	ssize_t n = fd >= 0 ? pread(fd, buf, sizeof(buf) - 1, 0) : -1;

	if (text && size)
		*text = '\0';
	if (n < 1)
		return STATUS_STOPPED;
	buf[n] = '\0';
	if (text && size) {
		size_t len = strnlen(buf + 1, size - 1);

		memcpy(text, buf + 1, len);
		text[len] = '\0';
	}
	switch (buf[0]) {
	case STATUS_CREATING:
	case STATUS_CREATED:
	case STATUS_RUNNING:
	case STATUS_PAUSED:
		return (enum container_status)buf[0];
	default:
		return STATUS_STOPPED;
	}
}
