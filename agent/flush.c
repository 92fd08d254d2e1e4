/* SPDX-License-Identifier: Apache-2.0 */
/* flush: see flush.h. */
#include "agent/flush.h"

#include "base/cleanup.h"
#include "base/fd.h"

#include <fcntl.h>
#include <string.h>

enum { VMSTAT_MAX = 64 << 10 };

/* FUSE's pages under way are counted apart from the others. */
static const char *const counters[] = { "nr_dirty ", "nr_writeback ", "nr_writeback_temp " };

static bool is_zero(const char *vmstat, const char *name)
{
	for (const char *line = vmstat; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (strncmp(line, name, strlen(name)) == 0)
			return strtoull(line + strlen(name), NULL, 10) == 0;
	return false;
}

bool flush_is_needed(const char *vmstat)
{
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		if (!is_zero(vmstat, counters[i]))
			return true;
	return false;
}

void flush_file_systems(bool durable)
{
	_cleanup_free_ char *vmstat = NULL;

	/* Each CPU counts a little by itself first; this brings it together: admin-guide/sysctl/vm.rst */
	if (!durable)
		(void)file_write(AT_FDCWD, "/proc/sys/vm/stat_refresh", "1");
	if (durable || file_read(AT_FDCWD, "/proc/vmstat", VMSTAT_MAX, &vmstat, NULL) < 0 ||
	    flush_is_needed(vmstat))
		sync();
}
