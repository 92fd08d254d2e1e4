/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flush: bring what this kernel holds to the shares.
 *
 * The shares' superblocks are submounts: syncfs() of their common mount point
 * would not write back their pages, so all file systems are flushed. The host
 * takes that for a flush of its own disks, which is slow and not what the end of
 * a container asks for. Hence two kinds.
 */
#ifndef VRUN_AGENT_FLUSH_H
#define VRUN_AGENT_FLUSH_H

#include <stdbool.h>
#include <stdint.h>

/*
 * `durable`: to the host's disks as well, as sync(2). Otherwise only if anything
 * is dirty here at all, which after the last process has gone is only so with a
 * file system of the container's on a file of a share: FUSE writes pages back
 * when the last mapping or descriptor closes.
 */
void flush_file_systems(bool durable);

/* From the text of /proc/vmstat: are there pages to be written back? True when it does not say. */
bool flush_is_needed(const char *vmstat);

#endif
