/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update: new limits for a container that is there, in the guest and on the host.
 *
 * What changes is merged into the container's linux.resources, and all of that is set
 * anew, as limits depend on each other. The guest goes first: it refuses
 * most. What the host refuses is undone in the guest. Then the container's config.json
 * is written, so that the next change starts from there.
 */
#ifndef VRUN_RUNTIME_UPDATE_H
#define VRUN_RUNTIME_UPDATE_H

#include <stddef.h>

struct err;
struct lookup;
struct oci_resources;

/* A linux.resources object as JSON. Freed with update_resources_free(). */
int update_resources_parse(const char *text, size_t len, struct oci_resources **ret, struct err *err);
void update_resources_free(struct oci_resources *resources);
static inline void cleanup_update_resources(struct oci_resources **p)
{
	update_resources_free(*p);
}
#define _cleanup_update_resources_ __attribute__((cleanup(cleanup_update_resources)))

/*
 * Put what `change` sets into `resources`. Its strings and arrays move there. As runc: a limit of
 * memory that is lifted lifts that of swap, unless the change says otherwise; a pids limit of 0 is
 * none to set. Device rules stay as they are.
 */
int update_merge(struct oci_resources *resources, struct oci_resources *change, struct err *err);

/* `change` is used up. The container is locked and has not stopped. */
int update_container(const struct lookup *container, struct oci_resources *change, struct err *err);

#endif
