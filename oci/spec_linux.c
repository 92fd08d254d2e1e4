/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec_linux: config.json's `linux` (config-linux.md), less its resources and
 * its seccomp profile, which have files of their own.
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "oci/spec_schema.h"

#include <sched.h>
#include <string.h>
#include <sys/stat.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

/* --- namespaces: a list in JSON, one place for each type here --- */

static const struct {
	const char *name;
	int clone_flag;
} namespaces[OCI_NS_COUNT] = {
	[OCI_NS_PID] = { "pid", CLONE_NEWPID },		 [OCI_NS_NETWORK] = { "network", CLONE_NEWNET },
	[OCI_NS_MOUNT] = { "mount", CLONE_NEWNS },	 [OCI_NS_IPC] = { "ipc", CLONE_NEWIPC },
	[OCI_NS_UTS] = { "uts", CLONE_NEWUTS },		 [OCI_NS_USER] = { "user", CLONE_NEWUSER },
	[OCI_NS_CGROUP] = { "cgroup", CLONE_NEWCGROUP }, [OCI_NS_TIME] = { "time", CLONE_NEWTIME },
};

const char *oci_namespace_name(enum oci_namespace_type type)
{
	return namespaces[type].name;
}

int oci_namespace_clone_flag(enum oci_namespace_type type)
{
	return namespaces[type].clone_flag;
}

struct namespace_entry {
	char *type, *path;
};

static const struct spec_field namespace_fields[] = {
	SPEC_FIELD("type", namespace_entry, type, string, .flags = SPEC_REQUIRED),
	SPEC_FIELD("path", namespace_entry, path, string, .flags = SPEC_ABSOLUTE),
	{ 0 },
};

static const struct spec_schema namespace_schema = {
	.fields = namespace_fields,
};

static int take_namespace(const struct json *node, struct namespace_entry *entry, struct oci_namespace *list,
			  struct err *err)
{
	size_t type = 0;

	while (type < OCI_NS_COUNT && strcmp(namespaces[type].name, entry->type))
		type++;
	if (type == OCI_NS_COUNT)
		return json_error(json_get(node, "type"), err, "unknown value \"%.200s\"", entry->type);
	if (list[type].wanted)
		return json_error(json_get(node, "type"), err, "%s is given twice", entry->type);
	list[type].wanted = true;
	list[type].path = TAKE_PTR(entry->path);
	return 0;
}

static int namespaces_parse(const struct spec_field *f, const struct json *node, void *base, struct err *err)
{
	int r = json_expect(node, JSON_ARRAY, err);

	for (size_t i = 0; r == 0 && i < json_length(node); i++) {
		struct namespace_entry entry = { 0 };

		r = spec_schema_parse(&namespace_schema, json_at(node, i), &entry, err);
		if (r == 0)
			r = take_namespace(json_at(node, i), &entry, spec_at(base, f->offset), err);
		spec_schema_free(&namespace_schema, &entry);
	}
	return r;
}

static bool namespaces_present(const struct spec_field *f, const void *base)
{
	const struct oci_namespace *list = spec_const_at(base, f->offset);

	for (size_t i = 0; i < OCI_NS_COUNT; i++)
		if (list[i].wanted)
			return true;
	return false;
}

static void namespaces_write(const struct spec_field *f, struct json_out *out, const void *base)
{
	const struct oci_namespace *list = spec_const_at(base, f->offset);

	json_out_array(out);
	for (size_t i = 0; i < OCI_NS_COUNT; i++) {
		if (!list[i].wanted)
			continue;
		json_out_object(out);
		json_out_key(out, "type");
		json_out_string(out, namespaces[i].name);
		if (list[i].path) {
			json_out_key(out, "path");
			json_out_string(out, list[i].path);
		}
		json_out_object_end(out);
	}
	json_out_array_end(out);
}

static void namespaces_free(const struct spec_field *f, void *base)
{
	struct oci_namespace *list = spec_at(base, f->offset);

	for (size_t i = 0; i < OCI_NS_COUNT; i++) {
		free(list[i].path);
		list[i] = (struct oci_namespace){ 0 };
	}
}

static const struct spec_type spec_namespaces = {
	.parse = namespaces_parse,
	.present = namespaces_present,
	.write = namespaces_write,
	.free = namespaces_free,
};

/* --- devices --- */

static int device_check(const struct json *node, void *obj, struct err *err)
{
	const struct oci_device *d = obj;

	/* A FIFO has no device number; config-linux.md, "Devices". */
	if (d->type != 'p' && !json_get(node, "major"))
		return spec_missing(node, "major", err);
	if (d->type != 'p' && !json_get(node, "minor"))
		return spec_missing(node, "minor", err);
	return 0;
}

static const struct spec_field device_fields[] = {
	SPEC_FIELD("type", oci_device, type, letter, .flags = SPEC_REQUIRED,
		   .values = (const char *const[]){ "c", "b", "u", "p", NULL }),
	SPEC_FIELD("path", oci_device, path, string, .flags = SPEC_REQUIRED | SPEC_ABSOLUTE),
	SPEC_FIELD("major", oci_device, major, i64, .flags = SPEC_ALWAYS, .min = 0, .max = UINT32_MAX),
	SPEC_FIELD("minor", oci_device, minor, i64, .flags = SPEC_ALWAYS, .min = 0, .max = UINT32_MAX),
	/* Callers put the file's type into it too: kept as it is. */
	SPEC_FIELD("fileMode", oci_device, file_mode, opt_i64, .min = 0, .max = UINT32_MAX),
	SPEC_FIELD_AUX("uid", oci_device, uid, has_uid, opt_u32),
	SPEC_FIELD_AUX("gid", oci_device, gid, has_gid, opt_u32),
	{ 0 },
};

static const struct spec_schema device_schema = {
	.size = sizeof(struct oci_device),
	.fields = device_fields,
	.check = device_check,
};

/* --- intelRdt: only which members it has is kept --- */

static int intel_rdt_parse(const struct spec_field *f, const struct json *node, void *base, struct err *err)
{
	struct oci_linux *linux_ = base;
	int r = json_expect(node, JSON_OBJECT, err);

	(void)f;
	if (r < 0)
		return r;
	linux_->has_intel_rdt = true;
	for (size_t i = 0; i < json_length(node); i++)
		if (oci_strings_append(&linux_->intel_rdt_fields, json_key_at(node, i)) < 0)
			return spec_no_memory(err);
	return 0;
}

static bool intel_rdt_present(const struct spec_field *f, const void *base)
{
	(void)f;
	return ((const struct oci_linux *)base)->has_intel_rdt;
}

static void intel_rdt_write(const struct spec_field *f, struct json_out *out, const void *base)
{
	const struct oci_linux *linux_ = base;

	(void)f;
	json_out_object(out);
	for (size_t i = 0; i < linux_->intel_rdt_fields.n; i++) {
		json_out_key(out, linux_->intel_rdt_fields.v[i]);
		json_out_string(out, NULL);
	}
	json_out_object_end(out);
}

static void intel_rdt_free(const struct spec_field *f, void *base)
{
	spec_strings.free(f, base);
}

static const struct spec_type spec_intel_rdt = {
	.parse = intel_rdt_parse,
	.present = intel_rdt_present,
	.write = intel_rdt_write,
	.free = intel_rdt_free,
};

/* --- small objects --- */

static const struct spec_field personality_fields[] = {
	SPEC_FIELD("domain", oci_linux, personality_domain, string, .flags = SPEC_REQUIRED,
		   .values = (const char *const[]){ "LINUX", "LINUX32", NULL }),
	SPEC_FIELD("flags", oci_linux, personality_flags, strings),
	{ 0 },
};

static const struct spec_schema personality_schema = {
	.fields = personality_fields,
};

static const struct spec_field time_offset_fields[] = {
	SPEC_FIELD("secs", oci_time_offset, secs, i64),
	SPEC_FIELD("nanosecs", oci_time_offset, nanosecs, u32, .min = 0, .max = 999999999),
	{ 0 },
};

static const struct spec_schema time_offset_schema = {
	.fields = time_offset_fields,
};

static const struct spec_field time_offsets_fields[] = {
	SPEC_FIELD_AUX("monotonic", oci_linux, monotonic_offset, monotonic_offset.has, object,
		       .schema = &time_offset_schema),
	SPEC_FIELD_AUX("boottime", oci_linux, boottime_offset, boottime_offset.has, object,
		       .schema = &time_offset_schema),
	{ 0 },
};

static const struct spec_schema time_offsets_schema = {
	.fields = time_offsets_fields,
};

static const char *const propagations[] = {
	"shared", "slave", "private", "unbindable", "rshared", "rslave", "rprivate", "runbindable", NULL,
};

/* --- the whole --- */

static int linux_check(const struct json *node, void *obj, struct err *err)
{
	const struct oci_linux *l = obj;
	int r = oci_id_mappings_check(json_get(node, "uidMappings"), &l->uid_mappings, err);

	return r < 0 ? r : oci_id_mappings_check(json_get(node, "gidMappings"), &l->gid_mappings, err);
}

static const struct spec_field oci_linux_fields[] = {
	SPEC_FIELD_AUX("uidMappings", oci_linux, uid_mappings.v, uid_mappings.n, array,
		       .schema = &oci_id_mapping_schema),
	SPEC_FIELD_AUX("gidMappings", oci_linux, gid_mappings.v, gid_mappings.n, array,
		       .schema = &oci_id_mapping_schema),
	SPEC_FIELD("sysctl", oci_linux, sysctl, map),
	SPEC_FIELD_AUX("resources", oci_linux, resources, resources.has, object,
		       .schema = &oci_resources_schema),
	SPEC_FIELD("cgroupsPath", oci_linux, cgroups_path, string),
	SPEC_FIELD("namespaces", oci_linux, namespaces, namespaces),
	SPEC_FIELD_AUX("devices", oci_linux, devices, n_devices, array, .schema = &device_schema),
	SPEC_FIELD_AUX("seccomp", oci_linux, seccomp, seccomp.has, object, .schema = &oci_seccomp_schema),
	SPEC_FIELD("rootfsPropagation", oci_linux, rootfs_propagation, string, .values = propagations),
	SPEC_FIELD("maskedPaths", oci_linux, masked_paths, strings, .flags = SPEC_ABSOLUTE),
	SPEC_FIELD("readonlyPaths", oci_linux, readonly_paths, strings, .flags = SPEC_ABSOLUTE),
	SPEC_FIELD("mountLabel", oci_linux, mount_label, string),
	SPEC_FIELD("intelRdt", oci_linux, intel_rdt_fields, intel_rdt),
	SPEC_FLAT("personality", &personality_schema),
	SPEC_FLAT("timeOffsets", &time_offsets_schema),
	{ 0 },
};

const struct spec_schema oci_linux_schema = {
	.size = sizeof(struct oci_linux),
	.fields = oci_linux_fields,
	.check = linux_check,
};
