/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hooks: startContainer, the one kind of hook that runs in the container
 * (config.md, "StartContainer Hooks"). All other kinds run on the host.
 */
#ifndef VRUN_AGENT_HOOKS_H
#define VRUN_AGENT_HOOKS_H

struct err;
struct oci_hook_list;
struct oci_spec;

/*
 * Run each in turn as a child of the caller, with the container's state as JSON
 * on its standard input. A hook that fails or takes longer than its timeout is
 * an error. `kind` is for messages.
 */
int hooks_run(const struct oci_hook_list *hooks, const char *kind, const struct oci_spec *spec,
	      struct err *err);

#endif
