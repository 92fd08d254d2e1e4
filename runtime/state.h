/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state: what is known of a container: ROOT/ID/state.json, the OCI state
 * (runtime.md, "State") with fields of ours in "vrun". The status is not in it:
 * it is read from the status file and from whether the process lives.
 *
 * ROOT/ID/config.json keeps the spec as it was at creation: exec's defaults and
 * the hooks come from it, whatever happens to the bundle.
 */
#ifndef VRUN_RUNTIME_STATE_H
#define VRUN_RUNTIME_STATE_H

#include "oci/spec.h"
#include "runtime/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct json_out;

enum { STATE_FORMAT = 1 };

struct state {
	char *oci_version;
	char *id;
	char *bundle; /* absolute */
	char *rootfs; /* absolute */
	char *created; /* RFC 3339, UTC */
	char *owner; /* user name of who created it, "" when it has none */
	char *engine; /* "kvm" or "qemu" */
	pid_t pid; /* vrun-vmm; 0 before it was started */
	uint64_t pid_start; /* proc_start_time() of it */
	unsigned cpus; /* of the VM */
	char *net_owner; /* net.h, struct net_owner as hexadecimal digits; NULL: nothing is captured */
	char *net_path; /* of the network namespace, NULL: one of vrun-vmm's own */
	bool net_waits; /* the VM boots by `start`, with the interfaces that are there by then */
	struct oci_map annotations;
};

/* A state for a container that is about to be made: versions, times, owner and the spec's annotations. */
int state_new(const char *id, const char *bundle, const struct oci_spec *spec, struct state **ret);
void state_free(struct state *state);
static inline void cleanup_state(struct state **p)
{
	state_free(*p);
}
#define _cleanup_state_ __attribute__((cleanup(cleanup_state)))

/* state.json's text; the caller frees it. */
int state_write(const struct state *state, char **ret_text, size_t *ret_len);
int state_save(const struct state *state, int dirfd, struct err *err);
/* Messages say what is wrong with the file: cut short, of another version, … */
int state_load(int dirfd, struct state **ret, struct err *err);

/* Where the container is now. `text` (may be NULL): why it ended, if that was said. */
enum container_status state_status(const struct state *state, int dirfd, char *text, size_t size);

/*
 * The OCI state as callers and hooks get it, into `out`: runc's members, `pid` 0
 * once stopped. `runc_extras`: rootfs, created and owner too.
 */
void state_put(const struct state *state, enum container_status status, bool runc_extras,
	       struct json_out *out);
/* The same without the object's braces, for one that has more. */
void state_put_members(const struct state *state, enum container_status status, bool runc_extras,
		       struct json_out *out);
/* The same as text, without the extras. */
int state_text(const struct state *state, enum container_status status, char **ret_text, size_t *ret_len);

#endif
