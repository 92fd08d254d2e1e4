/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status: the file ROOT/ID/status, by which vrun-vmm says where its container
 * is. vrun-vmm gets one descriptor of it and needs no path or directory for
 * that; commands read it without a lock and without waiting for vrun-vmm.
 *
 * Byte 0 is the status. One byte can't be read half written. A text, why it
 * ended, follows from byte 1 and is complete before the status says stopped.
 */
#ifndef VRUN_RUNTIME_STATUS_H
#define VRUN_RUNTIME_STATUS_H

#include <stddef.h>

/* OCI runtime.md, "State"; paused as runc has it. */
enum container_status {
	STATUS_CREATING = 'c',
	STATUS_CREATED = 'C',
	STATUS_RUNNING = 'r',
	STATUS_PAUSED = 'p',
	STATUS_STOPPED = 's',
};

enum { STATUS_TEXT_MAX = 4000 };

const char *status_name(enum container_status status);

/* A new status file in a container's directory, "creating"; the descriptor. */
int status_create(int dirfd);
/* Nothing to do when it fails: the pid tells the end too. */
void status_set(int fd, enum container_status status);
/* Why the container ended, before status_set(STATUS_STOPPED). */
void status_set_text(int fd, const char *text);

/* Read from a container's directory; an unreadable file is "stopped". `text` may be NULL. */
enum container_status status_read(int dirfd, char *text, size_t size);

#endif
