/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount_options: the option strings of config.json's mounts (config.md,
 * "Mounts", with runc's names) as flags for mount(2) and mount_setattr(2).
 */
#ifndef VRUN_AGENT_MOUNT_OPTIONS_H
#define VRUN_AGENT_MOUNT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct oci_strings;

enum { MOUNT_PROPAGATIONS_MAX = 4 };

struct mount_options {
	bool bind, recursive; /* bind, rbind */
	bool remount;
	bool copy_up; /* tmpcopyup: a tmpfs starts with what it hides */
	unsigned long flags; /* MS_*, for mounting a file system */
	uint64_t attr_set, attr_clear; /* MOUNT_ATTR_*, for the bind mount itself */
	uint64_t rec_set, rec_clear; /* the same for all mounts below it: rro, rnosuid, … */
	unsigned long propagation[MOUNT_PROPAGATIONS_MAX]; /* MS_PRIVATE, MS_SLAVE | MS_REC, … in order */
	unsigned n_propagation;
	char *data; /* what is left, for the file system: "size=64k,mode=755"; NULL: none */
};

/* -EINVAL or -ENOTSUP with a message for what can't be done. `ret` is initialised here. */
int mount_options_parse(const struct oci_strings *options, struct mount_options *ret, struct err *err);
void mount_options_done(struct mount_options *options);

/* "rshared" and the like as MS_* flags; 0: not one of them. */
unsigned long mount_propagation_flags(const char *name);

#endif
