/* SPDX-License-Identifier: Apache-2.0 */
/* modules: see modules.h. */
#include "agent/modules.h"

#include "agent/console.h"
#include "base/cleanup.h"
#include "base/fd.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

enum { LIST_MAX = 64 << 10 };

static void load(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		console_error("opening module %s: %s", path, strerror(errno));
	else if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
		console_error("loading module %s: %s", path, strerror(errno));
	(void)unlink(path);
}

void modules_load(const char *list)
{
	_cleanup_free_ char *text = NULL;
	char *save = NULL;
	int r = file_read(AT_FDCWD, list, LIST_MAX, &text, NULL);

	if (r == -ENOENT)
		return;
	if (r < 0) {
		console_error("reading %s: %s", list, strerror(-r));
		return;
	}
	for (char *path = strtok_r(text, "\n", &save); path; path = strtok_r(NULL, "\n", &save))
		load(path);
	(void)unlink(list);
}
