/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command: QEMU's command line for a vm_spec.
 *
 * The machine, the processor model and the parameters are those that booted the
 * stock kernel quickest under emulation; command.c says what each is for.
 */
#ifndef VRUN_VMM_QEMU_COMMAND_H
#define VRUN_VMM_QEMU_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct vdev;
struct vm_spec;

enum { QEMU_ARGS_MAX = 256 };

/* Descriptors that QEMU inherits under these numbers; each is one end of a socket pair. */
struct qemu_fds {
	int qmp;
	int early_console; /* ttyS0 */
	int console; /* hvc0 */
	const int *devices; /* one each; -EBADF: none, see below */
	/* One each: the abstract address that QEMU connects to itself; NULL: it has a descriptor, or needs neither. */
	const char **addresses;
};

struct qemu_command {
	char *argv[QEMU_ARGS_MAX + 1]; /* NULL-terminated */
	size_t n;
	bool failed; /* out of memory, or too many arguments */
};

#define QEMU_COMMAND_INIT                                                                                    \
	{                                                                                                    \
		.n = 0                                                                                       \
	}

/* True for the devices that QEMU brings itself: its console, its balloon. */
bool qemu_has_own(const struct vdev *dev);
/* True for those whose socket it must have connected itself (listener.h). */
bool qemu_connects(const struct vdev *dev);

/*
 * `path` is the emulator. -EOPNOTSUPP with a message for a device that QEMU can't be
 * given. qemu_command_done() in any case.
 */
int qemu_command_build(struct qemu_command *command, const char *path, const struct vm_spec *spec,
		       struct vdev *const *devices, size_t n_devices, const struct qemu_fds *fds,
		       struct err *err);
void qemu_command_done(struct qemu_command *command);

#endif
