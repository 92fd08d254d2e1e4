/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hook: run one hook (config.md, "POSIX-platform Hooks") as a child of the
 * caller: on the host by vrun, in the guest by the agent.
 */
#ifndef VRUN_OCI_HOOK_H
#define VRUN_OCI_HOOK_H

#include <stddef.h>

struct err;
struct oci_hook;

struct oci_hook_env {
	const char *state; /* JSON for its standard input */
	size_t state_len;
	const char *cwd; /* NULL: the caller's; one that can't be entered is not an error */
	int netns; /* network namespace to run in; -EBADF: the caller's */
	char *const *environment; /* of a hook that names none; NULL-terminated, or NULL: empty */
};

/*
 * Wait for its end. It gets exactly the environment that it names, or else the one
 * above, and a process group of its own, all of which is killed when its timeout is
 * over (-ETIMEDOUT). What it wrote is dropped when it succeeds, else the end of it is
 * in the message. -ECANCELED: it failed.
 */
int oci_hook_run(const struct oci_hook *hook, const struct oci_hook_env *env, struct err *err);

#endif
