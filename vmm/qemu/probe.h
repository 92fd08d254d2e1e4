/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe: is there a QEMU, and is it one that we can use? For the engine; others
 * ask vmm/qemu/qemu.h.
 */
#ifndef VRUN_VMM_QEMU_PROBE_H
#define VRUN_VMM_QEMU_PROBE_H

struct err;

/* The emulator that is used when none is named. */
extern const char qemu_default_name[];

/* The oldest QEMU that our command line is tried with. */
enum { QEMU_MAJOR_MIN = 7, QEMU_MINOR_MIN = 2 };

struct qemu_version {
	unsigned major, minor;
	char line[128]; /* what it says itself */
};

/*
 * The emulator's path: `name` itself when it holds a slash, else looked up in $PATH.
 * The caller frees *ret. -ENOENT with a message that says what to install.
 */
int qemu_find(const char *name, char **ret, struct err *err);

/* What `path --version` says; takes some 30 ms, 3 s at most. -EPROTO: that is no QEMU. */
int qemu_ask_version(const char *path, struct qemu_version *ret, struct err *err);

/* 0, or -EOPNOTSUPP and "version 5.2 is too old, at least 7.2 is needed". */
int qemu_check_version(const struct qemu_version *version, struct err *err);

#endif
