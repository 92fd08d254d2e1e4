/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec_hooks: config.json's `hooks` (config.md, "POSIX-platform Hooks").
 */
#include "oci/spec_schema.h"

#include <limits.h>

static const struct spec_field hook_fields[] = {
	SPEC_FIELD("path", oci_hook, path, string, .flags = SPEC_REQUIRED | SPEC_ABSOLUTE),
	SPEC_FIELD("args", oci_hook, args, strings),
	SPEC_FIELD("env", oci_hook, env, strings),
	SPEC_FIELD("timeout", oci_hook, timeout, opt_i64, .min = 1, .max = INT_MAX),
	{ 0 },
};

static const struct spec_schema hook_schema = {
	.size = sizeof(struct oci_hook),
	.fields = hook_fields,
};

#define HOOKS(key, member) SPEC_FIELD_AUX(key, oci_hooks, member.v, member.n, array, .schema = &hook_schema)

static const struct spec_field oci_hooks_fields[] = {
	HOOKS("prestart", prestart),
	HOOKS("createRuntime", create_runtime),
	HOOKS("createContainer", create_container),
	HOOKS("startContainer", start_container),
	HOOKS("poststart", poststart),
	HOOKS("poststop", poststop),
	{ 0 },
};

const struct spec_schema oci_hooks_schema = {
	.size = sizeof(struct oci_hooks),
	.fields = oci_hooks_fields,
};
