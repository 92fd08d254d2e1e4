/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hooks: the hooks that run on the host (config.md, "POSIX-platform Hooks"; their
 * moments: runtime.md, "Lifecycle"). The command that causes one runs it, never
 * vrun-vmm.
 *
 *   prestart, createRuntime   `create`, once vrun-vmm is there: the VM does not run yet
 *   createContainer           next, still `create`
 *   startContainer            in the guest, by the agent (agent/hooks.h)
 *   poststart                 `start`, once the process was executed
 *   poststop                  `delete`, when all else is gone; also after a `create`
 *                             that failed once its hooks had begun
 *
 * A hook that names no environment gets that of the command, as with runc; startContainer
 * the container's.
 *
 * The pid in the state is vrun-vmm's, and /proc/PID/ns/net is the container's network
 * namespace. createContainer is to run in the container's namespaces. Those are
 * in a guest that does not run yet, and the program is looked up on the host: so
 * it runs in the network namespace of vrun-vmm, else in the host's ones, with the
 * root file system as its working directory. Mounts that it makes are not seen by the guest.
 */
#ifndef VRUN_RUNTIME_HOOKS_H
#define VRUN_RUNTIME_HOOKS_H

struct err;
struct oci_hooks;
struct oci_spec;
struct state;

/* prestart, createRuntime and createContainer, in this order; the first that fails ends it. */
int hooks_create(const struct oci_hooks *hooks, const struct state *state, struct err *err);

/* The first that fails ends it: the container is to be stopped then. */
int hooks_poststart(const struct oci_hooks *hooks, const struct state *state, struct err *err);

/* Failures are logged, and all run. */
void hooks_poststop(const struct oci_hooks *hooks, const struct state *state);

/* The spec as it was at creation, from a container's directory. The caller frees it. */
int hooks_load(int dirfd, struct oci_spec **ret, struct err *err);

#endif
