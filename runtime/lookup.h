/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookup: an existing container, for the commands that deal with one.
 */
#ifndef VRUN_RUNTIME_LOOKUP_H
#define VRUN_RUNTIME_LOOKUP_H

#include "runtime/message.h"
#include "runtime/status.h"

#include <stdbool.h>

struct err;
struct oci_spec;
struct state;
struct store;
struct store_dir;

struct lookup {
	struct store *store;
	struct store_dir *dir;
	struct state *state;
	enum container_status status; /* when it was looked up */
	char why[512]; /* why it ended, when vrun-vmm said so */
};
#define LOOKUP_INIT                                                                                          \
	{                                                                                                    \
		.store = NULL                                                                                \
	}

/* -ENOENT: "container does not exist". With `lock`, others that change it wait until lookup_done(). */
int lookup_open(const char *root, const char *id, bool lock, struct lookup *ret, struct err *err);
void lookup_done(struct lookup *lookup);
#define _cleanup_lookup_ __attribute__((cleanup(lookup_done)))

/* The spec that it was made from; freed by the caller. */
int lookup_spec(const struct lookup *lookup, struct oci_spec **ret, struct err *err);

/* A control connection. -ESRCH: "container not running". */
int lookup_connect(const struct lookup *lookup, unsigned timeout_ms, struct err *err);

/*
 * Ask its vrun-vmm, and wait for the OK. `timeout_ms` 0: for as long
 * as it takes. -ESRCH: "container not running". -ETIMEDOUT.
 */
int lookup_call(const struct lookup *lookup, const struct message *msg, unsigned timeout_ms, struct err *err);

/*
 * End whatever is left of it: SIGKILL by way of the guest, then of vrun-vmm. Returns when the process
 * is gone, or -ETIMEDOUT.
 */
int lookup_kill(const struct lookup *lookup, struct err *err);

#endif
