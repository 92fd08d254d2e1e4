/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookpath: which file process.args[0] means, with the messages of runc (Go's
 * os/exec.LookPath): callers match them and tell 126 from 127 by them.
 */
#ifndef VRUN_BASE_LOOKPATH_H
#define VRUN_BASE_LOOKPATH_H

#include <stddef.h>

struct err;

/* strerror() with a small first letter, as Go prints it. */
const char *errno_text(int code);

/*
 * `env` is NULL-terminated; its PATH counts. With the rights of the caller. On
 * success `ret` (of `size` bytes) has the path. -ENOENT, -EACCES, …
 */
int lookpath(const char *name, char *const *env, char *ret, size_t size, struct err *err);

/*
 * May `path` be executed? Or -errno; *ret_stat is the same for a file that can't even be
 * looked at, else 0.
 */
typedef int (*lookpath_check_fn)(void *ctx, const char *path, int *ret_stat);
/* The same among other files than the caller's. */
int lookpath_among(lookpath_check_fn check, void *ctx, const char *name, char *const *env, char *ret,
		   size_t size, struct err *err);

/* The value of a variable, NULL when it is absent. The last one wins, as with setenv(). */
const char *env_get(char *const *env, const char *name);

#endif
