/* SPDX-License-Identifier: Apache-2.0 */
/* container_net: see container_net.h. */
#include "runtime/container_net.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "oci/spec.h"
#include "runtime/lookup.h"
#include "runtime/net.h"
#include "runtime/net_wire.h"
#include "runtime/passt.h"
#include "runtime/state.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static int note(struct state *state, const char *path)
{
	char text[NET_OWNER_TEXT_LEN + 1];
	struct net_owner owner;
	int r = net_owner_new(&owner);

	if (r < 0)
		return r;
	net_owner_text(&owner, text);
	r = oci_string_set(&state->net_owner, text);
	return r == 0 && path ? oci_string_set(&state->net_path, path) : r;
}

int container_net_open(struct container_net *net, enum config_net kind, const struct oci_spec *spec,
		       struct state *state, struct err *err)
{
	const struct oci_namespace *ns = &spec->linux_.namespaces[OCI_NS_NETWORK];
	const char *path = ns->path && *ns->path ? ns->path : NULL;
	int r = 0;

	net->kind = kind;
	/* Without a note nothing is captured later, nor looked for. */
	if (kind == CONFIG_NET_NAMESPACE)
		r = note(state, path);
	if (r < 0)
		return err_set_errno(err, r, "the container's state");
	if (path) {
		r = net_ns_open(path, &net->ns, err);
		return r < 0 ? err_wrap(err, r, "linux.namespaces[network].path") : 0;
	}
	net->made = true;
	r = net_ns_new(&net->ns);
	return r < 0 ? err_set_errno(err, r, "making a network namespace") : 0;
}

/* How an interface's message gets to vrun-vmm. */
typedef int (*send_fn)(void *ctx, const struct message *msg, struct err *err);

static int send_on_sync(void *ctx, const struct message *msg, struct err *err)
{
	int r = message_send(*(const int *)ctx, msg);

	/* A vrun-vmm that is gone has said why: launch_wait() tells. */
	return r < 0 && r != -EPIPE && r != -ECONNRESET ? err_set_errno(err, r, "vrun-vmm can't be told") : 0;
}

static int send_as_call(void *ctx, const struct message *msg, struct err *err)
{
	return lookup_call(ctx, msg, 0, err);
}

static int send_taps(struct net_capture *capture, const struct net_owner *owner, send_fn send, void *ctx,
		     struct err *err)
{
	for (size_t i = 0; i < net_capture_count(capture); i++) {
		_cleanup_free_ char *text = NULL;
		struct message msg;
		int r = net_wire_message(net_capture_tap(capture, i), owner, &msg, &text);

		if (r < 0)
			return err_set_errno(err, r, "handing a network interface to vrun-vmm");
		msg.flag = i == 0;
		r = send(ctx, &msg, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* *ret stays NULL when there is nothing to capture. */
static int capture_and_send(int ns, const struct state *state, send_fn send, void *ctx,
			    struct net_capture **ret, struct err *err)
{
	_cleanup_net_capture_ struct net_capture *capture = NULL;
	struct net_owner owner;
	int r;

	if (net_owner_parse(state->net_owner, &owner) < 0)
		return err_set(err, -EINVAL, "the container's state.json can't be used: netOwner");
	r = net_capture_open(ns, &capture, err);
	if (r < 0 || net_capture_count(capture) == 0)
		return r;
	r = net_capture_attach(capture, &owner, state->cpus, err);
	if (r == 0)
		r = send_taps(capture, &owner, send, ctx, err);
	if (r == 0)
		*ret = TAKE_PTR(capture);
	return r;
}

int container_net_attach(struct container_net *net, struct state *state, bool may_wait, int sync,
			 struct err *err)
{
	int r;

	if (net->kind != CONFIG_NET_NAMESPACE)
		return 0;
	r = capture_and_send(net->ns, state, send_on_sync, &sync, &net->capture, err);
	if (r < 0)
		return r;
	state->net_waits = may_wait && net->made && !net->capture;
	return 0;
}

int container_net_attach_passt(struct container_net *net, const char *publish, const struct cgroup *cgroup,
			       int sync, struct err *err)
{
	/* Nothing was captured: nobody is the owner. */
	const struct net_owner nobody = { .id = { 0 } };
	_cleanup_free_ char *text = NULL;
	struct message msg;
	int r;

	if (net->kind != CONFIG_NET_PASST)
		return 0;
	r = passt_start(publish, cgroup, &net->passt, err);
	if (r < 0)
		return r;
	r = net_wire_message(passt_device(net->passt), &nobody, &msg, &text);
	if (r < 0)
		return err_set_errno(err, r, "handing a network interface to vrun-vmm");
	msg.flag = true;
	return send_on_sync(&sync, &msg, err);
}

const struct guest_net *container_net_config(const struct container_net *net)
{
	if (net->passt)
		return passt_config(net->passt);
	return net->capture ? net_capture_config(net->capture) : NULL;
}

void container_net_keep(struct container_net *net)
{
	if (net->capture)
		net_capture_keep(net->capture);
}

void container_net_done(struct container_net *net)
{
	net_capture_free(TAKE_PTR(net->capture));
	passt_free(TAKE_PTR(net->passt));
	net->ns = close_fd(net->ns);
}

/* --- later commands --- */

/* The namespace that vrun-vmm is in. */
static int open_of_process(const struct state *state, struct err *err)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)state->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_set(err, -errno, "the container's network namespace: %s", strerrorname_np(errno))
		      : fd;
}

static int check_nothing_new(int ns, const struct state *state, struct err *err)
{
	struct net_owner owner;
	int r = net_owner_parse(state->net_owner, &owner);

	if (r < 0)
		return err_set(err, r, "the container's state.json can't be used: netOwner");
	return net_check_complete(ns, &owner, err);
}

int container_net_start(const struct lookup *lookup, struct err *err)
{
	_cleanup_net_capture_ struct net_capture *capture = NULL;
	_cleanup_close_ int ns = -EBADF, config = -EBADF;
	struct message start = { .type = MESSAGE_START };
	const struct state *state = lookup->state;
	int r = 0;

	if (state->net_owner) {
		ns = open_of_process(state, err);
		if (ns < 0)
			return ns;
		r = state->net_waits ? capture_and_send(ns, state, send_as_call, (void *)(uintptr_t)lookup,
							&capture, err)
				     : check_nothing_new(ns, state, err);
	}
	if (r < 0)
		return r;
	if (capture) {
		config = net_wire_config_fd(net_capture_config(capture));
		if (config < 0)
			return err_set_errno(err, config, "the network's configuration");
		start.fds[start.n_fds++] = config;
	}
	r = lookup_call(lookup, &start, 0, err);
	/* A vrun-vmm that failed to start has put it back by itself. */
	if (r == 0 && capture)
		net_capture_keep(capture);
	return r;
}

void container_net_release(const struct state *state)
{
	_cleanup_close_ int ns = -EBADF;
	struct net_owner owner;
	int r;

	/* Without a path the namespace went with vrun-vmm, or is out of reach for us. */
	if (!state->net_path || net_owner_parse(state->net_owner, &owner) < 0 ||
	    net_ns_open(state->net_path, &ns, NULL) < 0)
		return;
	r = net_release(ns, &owner);
	if (r < 0)
		log_warn("%s: network namespace %s can't be put back as it was: %s", state->id,
			 state->net_path, strerror(-r));
}
