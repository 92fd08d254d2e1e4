/* SPDX-License-Identifier: Apache-2.0 */
/* signame: see signame.h. */
#include "runtime/signame.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/*
 * Real-time signals are numbered as the kernel does: the C library of the host keeps some of
 * them for itself, that of the container may keep others.
 */
enum { RTMIN = 34, RTMAX = 64 };

static int number(const char *text, int min, int max)
{
	char *end;
	long v;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	v = strtol(text, &end, 10);
	return *end || v < min || v > max ? -EINVAL : (int)v;
}

static int real_time(const char *name)
{
	int offset;

	if (!strncasecmp(name, "RTMIN", 5)) {
		if (!name[5])
			return RTMIN;
		offset = name[5] == '+' ? number(name + 6, 0, RTMAX - RTMIN) : -EINVAL;
		return offset < 0 ? offset : RTMIN + offset;
	}
	if (!strncasecmp(name, "RTMAX", 5)) {
		if (!name[5])
			return RTMAX;
		offset = name[5] == '-' ? number(name + 6, 0, RTMAX - RTMIN) : -EINVAL;
		return offset < 0 ? offset : RTMAX - offset;
	}
	return -EINVAL;
}

int signal_from_text(const char *text)
{
	int signo = number(text, 0, RTMAX);

	if (signo >= 0)
		return signo;
	if (!strncasecmp(text, "SIG", 3))
		text += 3;
	for (signo = 1; signo < RTMIN; signo++) {
		const char *name = sigabbrev_np(signo);

		if (name && !strcasecmp(name, text))
			return signo;
	}
	/* Second names that signal(7) lists. */
	if (!strcasecmp(text, "IOT"))
		return SIGABRT;
	if (!strcasecmp(text, "CLD"))
		return SIGCHLD;
	if (!strcasecmp(text, "IO"))
		return SIGIO;
	return real_time(text);
}
