/* SPDX-License-Identifier: Apache-2.0 */
/* passt_child: the process of passt.h, started. */
#ifndef VRUN_RUNTIME_PASST_CHILD_H
#define VRUN_RUNTIME_PASST_CHILD_H

#include <stddef.h>

struct cgroup;
struct err;

enum { PASST_ARGS_MAX = 192 };

/* What it is called with; passt_args_init() puts the first ones in, each is copied. */
struct passt_args {
	char *v[PASST_ARGS_MAX + 1];
	size_t n;
	int error; /* -ENOMEM, -E2BIG: one could not be added */
};
void passt_args_init(struct passt_args *args);
void passt_args_add(struct passt_args *args, const char *arg);
void passt_args_done(struct passt_args *args);

/*
 * Run passt with these and the borrowed `sock` as its guest, in `cgroup` (may be NULL); returns when it is
 * ready, and passt goes on in the background until the other end of `sock` is closed.
 */
int passt_child_run(struct passt_args *args, int sock, const struct cgroup *cgroup, struct err *err);

#endif
