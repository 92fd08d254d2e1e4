/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec_capabilities: the names of capabilities and the sets of them that
 * `process.capabilities` has (config.md, "Linux Process"). A name that we don't
 * know is left out, as runc does: an older kernel would not have it either.
 */
#include "base/cleanup.h"
#include "base/log.h"
#include "oci/spec_schema.h"

#include <linux/capability.h>
#include <string.h>

static const char *const capability_names[] = {
	[CAP_CHOWN] = "CAP_CHOWN",
	[CAP_DAC_OVERRIDE] = "CAP_DAC_OVERRIDE",
	[CAP_DAC_READ_SEARCH] = "CAP_DAC_READ_SEARCH",
	[CAP_FOWNER] = "CAP_FOWNER",
	[CAP_FSETID] = "CAP_FSETID",
	[CAP_KILL] = "CAP_KILL",
	[CAP_SETGID] = "CAP_SETGID",
	[CAP_SETUID] = "CAP_SETUID",
	[CAP_SETPCAP] = "CAP_SETPCAP",
	[CAP_LINUX_IMMUTABLE] = "CAP_LINUX_IMMUTABLE",
	[CAP_NET_BIND_SERVICE] = "CAP_NET_BIND_SERVICE",
	[CAP_NET_BROADCAST] = "CAP_NET_BROADCAST",
	[CAP_NET_ADMIN] = "CAP_NET_ADMIN",
	[CAP_NET_RAW] = "CAP_NET_RAW",
	[CAP_IPC_LOCK] = "CAP_IPC_LOCK",
	[CAP_IPC_OWNER] = "CAP_IPC_OWNER",
	[CAP_SYS_MODULE] = "CAP_SYS_MODULE",
	[CAP_SYS_RAWIO] = "CAP_SYS_RAWIO",
	[CAP_SYS_CHROOT] = "CAP_SYS_CHROOT",
	[CAP_SYS_PTRACE] = "CAP_SYS_PTRACE",
	[CAP_SYS_PACCT] = "CAP_SYS_PACCT",
	[CAP_SYS_ADMIN] = "CAP_SYS_ADMIN",
	[CAP_SYS_BOOT] = "CAP_SYS_BOOT",
	[CAP_SYS_NICE] = "CAP_SYS_NICE",
	[CAP_SYS_RESOURCE] = "CAP_SYS_RESOURCE",
	[CAP_SYS_TIME] = "CAP_SYS_TIME",
	[CAP_SYS_TTY_CONFIG] = "CAP_SYS_TTY_CONFIG",
	[CAP_MKNOD] = "CAP_MKNOD",
	[CAP_LEASE] = "CAP_LEASE",
	[CAP_AUDIT_WRITE] = "CAP_AUDIT_WRITE",
	[CAP_AUDIT_CONTROL] = "CAP_AUDIT_CONTROL",
	[CAP_SETFCAP] = "CAP_SETFCAP",
	[CAP_MAC_OVERRIDE] = "CAP_MAC_OVERRIDE",
	[CAP_MAC_ADMIN] = "CAP_MAC_ADMIN",
	[CAP_SYSLOG] = "CAP_SYSLOG",
	[CAP_WAKE_ALARM] = "CAP_WAKE_ALARM",
	[CAP_BLOCK_SUSPEND] = "CAP_BLOCK_SUSPEND",
	[CAP_AUDIT_READ] = "CAP_AUDIT_READ",
	[CAP_PERFMON] = "CAP_PERFMON",
	[CAP_BPF] = "CAP_BPF",
	[CAP_CHECKPOINT_RESTORE] = "CAP_CHECKPOINT_RESTORE",
};

const char *oci_capability_name(unsigned cap)
{
	return cap < ARRAY_SIZE(capability_names) ? capability_names[cap] : NULL;
}

int oci_capability_number(const char *name)
{
	for (size_t cap = 0; cap < ARRAY_SIZE(capability_names); cap++)
		if (!strcmp(capability_names[cap], name))
			return cap;
	return -ENOENT;
}

/* One set: an array of names, kept as a mask. */
static int capability_set_parse(const struct spec_field *f, const struct json *node, void *base,
				struct err *err)
{
	uint64_t *mask = spec_at(base, f->offset);
	int r = json_expect(node, JSON_ARRAY, err);

	for (size_t i = 0; r == 0 && i < json_length(node); i++) {
		const char *name;
		int cap;

		r = json_to_string(json_at(node, i), &name, err);
		if (r < 0)
			return r;
		cap = oci_capability_number(name);
		if (cap >= 0)
			*mask |= 1ull << cap;
		else
			log_warn("%s: ignoring unknown or unavailable capability %.100s", json_path(node), name);
	}
	return r;
}

/* An empty set is written too: `capabilities` is there or not as a whole. */
static void capability_set_write(const struct spec_field *f, struct json_out *out, const void *base)
{
	uint64_t mask = *(const uint64_t *)spec_const_at(base, f->offset);

	json_out_array(out);
	for (size_t cap = 0; cap < ARRAY_SIZE(capability_names); cap++)
		if (mask & 1ull << cap)
			json_out_string(out, capability_names[cap]);
	json_out_array_end(out);
}

static const struct spec_type spec_capability_set = {
	.parse = capability_set_parse,
	.write = capability_set_write,
};

static const struct spec_field capabilities_fields[] = {
	SPEC_FIELD("bounding", oci_capabilities, bounding, capability_set),
	SPEC_FIELD("effective", oci_capabilities, effective, capability_set),
	SPEC_FIELD("inheritable", oci_capabilities, inheritable, capability_set),
	SPEC_FIELD("permitted", oci_capabilities, permitted, capability_set),
	SPEC_FIELD("ambient", oci_capabilities, ambient, capability_set),
	{ 0 },
};

const struct spec_schema oci_capabilities_schema = {
	.fields = capabilities_fields,
};
