/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container: the verbs that make a container, for `create` and `run`.
 */
#ifndef VRUN_RUNTIME_CONTAINER_H
#define VRUN_RUNTIME_CONTAINER_H

#include "runtime/config.h"
#include "runtime/container_net.h"
#include "runtime/launch.h"

#include <stdbool.h>
#include <stdint.h>

struct cgroup;
struct err;
struct oci_spec;
struct state;
struct store;
struct store_dir;

struct container_request {
	const char *root; /* the store's directory */
	const char *id;
	const char *bundle; /* relative to the working directory, or absolute */
	struct config *config; /* file and options read; the container's own part is added */
	bool start; /* the process runs at once, without `start` */
	bool systemd_cgroup; /* the cgroup is made by systemd */
	bool attached; /* vrun stays and relays a terminal */
	const char *console_socket; /* path, or NULL */
	const char *pid_file; /* or NULL */
	const char *console_log; /* where the guest's console goes, or NULL */
	bool debug;
	int log_fd; /* -EBADF: none; borrowed */
	bool log_json;
	uint64_t begun_ns; /* CLOCK_MONOTONIC when vrun began */
};

struct container {
	struct store *store;
	struct store_dir *dir; /* locked */
	struct state *state;
	struct oci_spec *spec; /* as the bundle has it */
	struct cgroup *cgroup;
	struct launch launch;
	struct container_net net;
	bool hooked; /* hooks of its creation have run, so that poststop is due at the end */
	int console; /* attached, with process.terminal: a socket on which the terminal's master comes */
};
#define CONTAINER_INIT                                                                                       \
	{                                                                                                    \
		.launch = LAUNCH_INIT, .net = CONTAINER_NET_INIT, .console = -EBADF                          \
	}

/*
 * Check, plan, make the directory, start vrun-vmm and tell it what to do. What has
 * happened so far is undone on failure. The outcome comes by launch_wait().
 */
int container_launch(const struct container_request *request, struct container *ret, struct err *err);

/*
 * The guest is up: the quota of CPU time, from which the boot was spared, and the pid file (may be NULL).
 * A guest that waits for `start` gets its quota there.
 */
int container_ready(const struct container *container, const char *pid_file, struct err *err);

/* Its making, or something after that, failed: end what runs of it, and remove it. */
void container_abort(struct container *container);

/*
 * vrun-vmm is gone: the cgroup and the directory go, unless somebody else removed them already, who had the poststop
 * hooks run then. `failed`: vrun-vmm may have removed them, which runs no hooks. Lets go of the lock.
 */
void container_remove(struct container *container, bool failed);

/*
 * What is left of a container goes: its cgroup, then its directory. The caller holds the lock, and its
 * processes have ended. -EBUSY when something still lives in the cgroup; all is kept then.
 */
int container_forget(struct store *store, struct store_dir *dir, struct err *err);

/* Frees; does not end a container that was released. */
void container_done(struct container *container);
#define _cleanup_container_ __attribute__((cleanup(container_done)))

#endif
