/* SPDX-License-Identifier: Apache-2.0 */
/* features: see features.h. */
#include "oci/features.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "oci/seccomp.h"
#include "oci/spec.h"

#include <stdbool.h>
#include <stdio.h>

static const char *const hooks[] = {
	"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop", NULL,
};

/* agent/mount_options.c has what they mean; its test compares the two. */
const char *const oci_features_mount_options[] = {
	"acl",
	"async",
	"atime",
	"bind",
	"defaults",
	"dev",
	"diratime",
	"dirsync",
	"exec",
	"iversion",
	"lazytime",
	"loud",
	"mand",
	"noacl",
	"noatime",
	"nodev",
	"nodiratime",
	"noexec",
	"noiversion",
	"nolazytime",
	"nomand",
	"norelatime",
	"nostrictatime",
	"nosuid",
	"nosymfollow",
	"private",
	"ratime",
	"rbind",
	"rdev",
	"rdiratime",
	"relatime",
	"remount",
	"rexec",
	"rnoatime",
	"rnodev",
	"rnodiratime",
	"rnoexec",
	"rnorelatime",
	"rnostrictatime",
	"rnosuid",
	"rnosymfollow",
	"ro",
	"rprivate",
	"rrelatime",
	"rro",
	"rrw",
	"rshared",
	"rslave",
	"rstrictatime",
	"rsuid",
	"rsymfollow",
	"runbindable",
	"rw",
	"shared",
	"silent",
	"slave",
	"strictatime",
	"suid",
	"symfollow",
	"sync",
	"tmpcopyup",
	"unbindable",
	NULL,
};

/* No SCMP_ACT_NOTIFY: its listener is outside of the VM. */
static const char *const seccomp_actions[] = {
	"SCMP_ACT_ALLOW",	 "SCMP_ACT_ERRNO",	 "SCMP_ACT_KILL",
	"SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
	"SCMP_ACT_TRACE",	 "SCMP_ACT_TRAP",	 NULL,
};

static const char *const seccomp_operators[] = {
	"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT",	    "SCMP_CMP_LE",
	"SCMP_CMP_LT", "SCMP_CMP_NE", "SCMP_CMP_MASKED_EQ", NULL,
};

static const char *const seccomp_archs[] = {
	"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64", NULL,
};

static const char *const seccomp_flags[] = {
	"SECCOMP_FILTER_FLAG_LOG",
	"SECCOMP_FILTER_FLAG_SPEC_ALLOW",
	"SECCOMP_FILTER_FLAG_TSYNC",
	NULL,
};

/* config_spec.c has them; a value that ends with "." is a prefix. */
static const char *const unsafe_annotations[] = { "org.vrun.", NULL };

/* By runtime/cgroup*.c. */
enum { FEATURE_CGROUP = true, FEATURE_CGROUP_SYSTEMD = true };

static void put_list(struct json_out *out, const char *key, const char *const *values)
{
	json_out_key(out, key);
	json_out_array(out);
	for (; *values; values++)
		json_out_string(out, *values);
	json_out_array_end(out);
}

static void open_object(struct json_out *out, const char *key)
{
	json_out_key(out, key);
	json_out_object(out);
}

static void put_switch(struct json_out *out, const char *key, bool enabled)
{
	open_object(out, key);
	json_put_bool(out, "enabled", enabled);
	json_out_object_end(out);
}

static void put_namespaces(struct json_out *out)
{
	json_out_key(out, "namespaces");
	json_out_array(out);
	for (unsigned i = 0; i < OCI_NS_COUNT; i++)
		json_out_string(out, oci_namespace_name((enum oci_namespace_type)i));
	json_out_array_end(out);
}

static void put_capabilities(struct json_out *out)
{
	const char *name;

	json_out_key(out, "capabilities");
	json_out_array(out);
	for (unsigned cap = 0; (name = oci_capability_name(cap)); cap++)
		json_out_string(out, name);
	json_out_array_end(out);
}

static void put_cgroup(struct json_out *out)
{
	open_object(out, "cgroup");
	json_put_bool(out, "v1", FEATURE_CGROUP);
	json_put_bool(out, "v2", FEATURE_CGROUP);
	json_put_bool(out, "systemd", FEATURE_CGROUP_SYSTEMD);
	json_put_bool(out, "systemdUser", false);
	json_put_bool(out, "rdma", false);
	json_out_object_end(out);
}

static void put_seccomp(struct json_out *out)
{
	open_object(out, "seccomp");
	json_put_bool(out, "enabled", true);
	put_list(out, "actions", seccomp_actions);
	put_list(out, "operators", seccomp_operators);
	put_list(out, "archs", seccomp_archs);
	put_list(out, "knownFlags", seccomp_flags);
	put_list(out, "supportedFlags", seccomp_flags);
	json_out_object_end(out);
}

static void put_linux(struct json_out *out)
{
	open_object(out, "linux");
	put_namespaces(out);
	put_capabilities(out);
	put_cgroup(out);
	put_seccomp(out);
	/* The guest's kernel has no policy of the host's. */
	put_switch(out, "apparmor", false);
	put_switch(out, "selinux", false);
	put_switch(out, "intelRdt", false);
	open_object(out, "mountExtensions");
	put_switch(out, "idmap", false);
	json_out_object_end(out);
	json_out_object_end(out);
}

static void put_annotations(struct json_out *out, const struct oci_features *features)
{
	char version[32];

	oci_seccomp_version(version);
	open_object(out, "annotations");
	json_put_string(out, "io.github.seccomp.libseccomp.version", version);
	json_put_string(out, "org.opencontainers.runc.checkpoint.enabled", "false");
	if (features->commit && features->commit[0])
		json_put_string(out, "org.vrun.commit", features->commit);
	json_put_string(out, "org.vrun.version", features->version);
	json_out_object_end(out);
}

int oci_features_text(const struct oci_features *features, char **ret_text, size_t *ret_len)
{
	struct json_out *out;
	int r;

	r = json_out_new(true, &out);
	if (r < 0)
		return r;
	json_out_object(out);
	json_put_string(out, "ociVersionMin", "1.0.0");
	json_put_string(out, "ociVersionMax", OCI_SPEC_VERSION);
	put_list(out, "hooks", hooks);
	put_list(out, "mountOptions", oci_features_mount_options);
	put_linux(out);
	put_annotations(out, features);
	put_list(out, "potentiallyUnsafeConfigAnnotations", unsafe_annotations);
	json_out_object_end(out);
	r = json_out_finish(out, ret_text, ret_len);
	json_out_free(out);
	return r;
}
