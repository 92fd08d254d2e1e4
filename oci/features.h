/* SPDX-License-Identifier: Apache-2.0 */
/*
 * features: the document by which callers learn what this runtime knows
 * (features.md, features-linux.md). It names what works: what config.json may
 * hold but a VM can't honour is not in it.
 */
#ifndef VRUN_OCI_FEATURES_H
#define VRUN_OCI_FEATURES_H

#include <stddef.h>

/* The newest version of the runtime specification that is followed. */
#define OCI_SPEC_VERSION "1.2.0"

/* What depends on who is asked. */
struct oci_features {
	const char *version, *commit; /* of vrun */
};

/* Indented JSON; the caller frees *ret_text. */
int oci_features_text(const struct oci_features *features, char **ret_text, size_t *ret_len);

/* The mount options that mean something to the guest's agent; NULL-terminated. */
extern const char *const oci_features_mount_options[];

#endif
