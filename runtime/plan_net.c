/* SPDX-License-Identifier: Apache-2.0 */
/* plan_net: which network the container gets: its namespace's, passt's or none. See plan.h. */
#include "runtime/plan.h"

#include "base/err.h"
#include "oci/spec.h"
#include "runtime/config.h"
#include "runtime/passt.h"

#include <errno.h>

/*
 * passt gives the host's network to who has none. A container that was given a network namespace must not get
 * out of it by an annotation, which an image can bring along; and one with interfaces in it has a network.
 */
static int check_passt(const struct config *config, const struct oci_namespace *ns, struct err *err)
{
	if (ns->path && *ns->path)
		return err_set(
			err, -EINVAL,
			"linux.namespaces[network].path: the container has a network already; net = passt "
			"is for one that has none");
	if (ns->wanted && config->source[CONFIG_NET] == CONFIG_ANNOTATION)
		return err_set(
			err, -EPERM,
			"annotations[\"org.vrun.net\"]: passt is for a container that shares the host's "
			"network; this one was given a network namespace of its own");
	return passt_check_publish(config->publish, err);
}

int plan_net(const struct config *config, struct oci_spec *spec, enum config_net *ret, struct err *err)
{
	struct oci_namespace *ns = &spec->linux_.namespaces[OCI_NS_NETWORK];
	enum config_net net = config->net;
	int r = 0;

	/* The file says what those get that have no network. */
	if (net == CONFIG_NET_PASST && ns->wanted && config->source[CONFIG_NET] == CONFIG_FILE)
		net = CONFIG_NET_NAMESPACE;
	if (net == CONFIG_NET_NAMESPACE && !ns->wanted)
		return err_set(
			err, -ENOTSUP,
			"linux.namespaces: there is no network namespace, which means the host's network; "
			"a VM can't have that, but user-mode networking (--net passt, or annotation "
			"org.vrun.net) or none (--net none)");
	if (net == CONFIG_NET_PASST)
		r = check_passt(config, ns, err);
	else if (config->publish)
		r = err_set(
			err, -EINVAL,
			"only net = passt has ports to publish; in a network namespace who made it does that");
	if (r < 0)
		return err_wrap(err, r, config->publish ? "publish" : "net");
	/* In the guest it has one in any case. */
	ns->wanted = true;
	*ret = net;
	return 0;
}
