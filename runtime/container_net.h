/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_net: what commands do about a container's network, and when (net.h,
 * "When").
 */
#ifndef VRUN_RUNTIME_CONTAINER_NET_H
#define VRUN_RUNTIME_CONTAINER_NET_H

#include "runtime/config.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

struct cgroup;
struct err;
struct guest_net;
struct lookup;
struct net_capture;
struct passt;
struct oci_spec;
struct state;

struct container_net {
	enum config_net kind;
	int ns; /* the namespace that vrun-vmm is born in */
	bool made; /* by us, for this container */
	struct net_capture *capture; /* NULL: no interface */
	struct passt *passt; /* NULL: it is not that */
};
#define CONTAINER_NET_INIT                                                                                   \
	{                                                                                                    \
		.ns = -EBADF                                                                                 \
	}

/* Before vrun-vmm is started: open the namespace or make one; notes in `state` what ends the capture. */
int container_net_open(struct container_net *net, enum config_net kind, const struct oci_spec *spec,
		       struct state *state, struct err *err);

/*
 * Once the hooks of `create` are through: capture the namespace, or start passt, and send the interfaces to
 * vrun-vmm.
 * `may_wait`: the process does not run at once, so interfaces may still come; then
 * state->net_waits says whether the VM is to boot by `start`.
 */
int container_net_attach(struct container_net *net, struct state *state, bool may_wait, int sync,
			 struct err *err);
/* The other kind; `cgroup` is the container's. */
int container_net_attach_passt(struct container_net *net, const char *publish, const struct cgroup *cgroup,
			       int sync, struct err *err);
/* For the agent; NULL: only loopback. Valid until container_net_done(). */
const struct guest_net *container_net_config(const struct container_net *net);
/* vrun-vmm has it all: from here on the capture ends with the container. */
void container_net_keep(struct container_net *net);
/* Undoes what was not kept. */
void container_net_done(struct container_net *net);

/*
 * START, and its outcome: with the interfaces that have come since `create` if the VM
 * has not booted yet; refused when some have come and it has.
 */
int container_net_start(const struct lookup *lookup, struct err *err);

/* The container is over, or could not be started: put its interfaces back. Failures are logged. */
void container_net_release(const struct state *state);

#endif
