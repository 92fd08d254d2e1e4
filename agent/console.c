/* SPDX-License-Identifier: Apache-2.0 */
/* console: see console.h. */
#include "agent/console.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static int kmsg = -1;

void console_open(const char *path)
{
	kmsg = open(path, O_WRONLY | O_CLOEXEC);
}

void console_error(const char *fmt, ...)
{
	/* Level 3, an error: printed even when the kernel was told to be quiet. */
	char line[1024] = "<3>vrun-agent: ";
	int len = 15, fd = kmsg >= 0 ? kmsg : STDERR_FILENO, skip = kmsg >= 0 ? 0 : 3;
	va_list ap;

	va_start(ap, fmt);
	len += vsnprintf(line + len, sizeof(line) - (size_t)len - 1, fmt, ap);
	va_end(ap);
	if ((size_t)len > sizeof(line) - 2)
		len = (int)sizeof(line) - 2;
	line[len++] = '\n';
	if (write(fd, line + skip, (size_t)(len - skip)) < 0)
		return;
}
