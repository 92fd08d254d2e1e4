/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec_resources: config.json's `linux.resources` (config-linux.md, "Control
 * groups"). Values that only a kernel can judge are taken as they are.
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "oci/spec_schema.h"

#include <string.h>

/* --- devices --- */

/* Of r, w and m, in any order. */
static int access_parse(const struct spec_field *f, const struct json *node, void *base, struct err *err)
{
	char *access = spec_at(base, f->offset);
	const char *text;
	int r = json_to_string(node, &text, err);

	if (r < 0)
		return r;
	if (strlen(text) > 3 || text[strspn(text, "rwm")])
		return json_error(node, err, "must be made of r, w and m, not \"%.200s\"", text);
	strcpy(access, text);
	return 0;
}

static bool access_present(const struct spec_field *f, const void *base)
{
	return *(const char *)spec_const_at(base, f->offset) != 0;
}

static void access_write(const struct spec_field *f, struct json_out *out, const void *base)
{
	json_out_string(out, spec_const_at(base, f->offset));
}

static const struct spec_type spec_access = { access_parse, access_present, access_write, NULL };

static int device_rule_check(const struct json *node, void *obj, struct err *err)
{
	struct oci_device_rule *rule = obj;

	(void)node;
	(void)err;
	if (!rule->type)
		rule->type = 'a';
	if (!*rule->access)
		strcpy(rule->access, "rwm");
	/* -1 is how runc's own tools write "all". */
	if (rule->major.v == -1)
		rule->major.has = false;
	if (rule->minor.v == -1)
		rule->minor.has = false;
	return 0;
}

static const struct spec_field device_rule_fields[] = {
	SPEC_FIELD("allow", oci_device_rule, allow, bool, .flags = SPEC_REQUIRED),
	SPEC_FIELD("type", oci_device_rule, type, letter,
		   .values = (const char *const[]){ "a", "b", "c", NULL }),
	SPEC_FIELD("major", oci_device_rule, major, opt_i64, .min = -1, .max = UINT32_MAX),
	SPEC_FIELD("minor", oci_device_rule, minor, opt_i64, .min = -1, .max = UINT32_MAX),
	SPEC_FIELD("access", oci_device_rule, access, access),
	{ 0 },
};

static const struct spec_schema device_rule_schema = {
	.size = sizeof(struct oci_device_rule),
	.fields = device_rule_fields,
	.check = device_rule_check,
};

/* --- memory, cpu, pids --- */

/* Bytes, or -1 for no limit. */
#define BYTES(key, member) SPEC_FIELD(key, oci_memory, member, opt_i64, .min = -1, .max = INT64_MAX)

static const struct spec_field memory_fields[] = {
	BYTES("limit", limit),
	BYTES("reservation", reservation),
	BYTES("swap", swap),
	BYTES("kernel", kernel),
	BYTES("kernelTCP", kernel_tcp),
	SPEC_FIELD("swappiness", oci_memory, swappiness, opt_u64, .min = 0, .max = 100),
	SPEC_FIELD_AUX("disableOOMKiller", oci_memory, disable_oom_killer, has_disable_oom_killer, opt_bool),
	SPEC_FIELD("useHierarchy", oci_memory, use_hierarchy, bool),
	SPEC_FIELD("checkBeforeUpdate", oci_memory, check_before_update, bool),
	{ 0 },
};

static const struct spec_schema memory_schema = {
	.fields = memory_fields,
};

static const struct spec_field cpu_fields[] = {
	SPEC_FIELD("shares", oci_cpu, shares, opt_u64),
	SPEC_FIELD("quota", oci_cpu, quota, opt_i64),
	SPEC_FIELD("burst", oci_cpu, burst, opt_u64),
	SPEC_FIELD("period", oci_cpu, period, opt_u64),
	SPEC_FIELD("realtimeRuntime", oci_cpu, realtime_runtime, opt_i64),
	SPEC_FIELD("realtimePeriod", oci_cpu, realtime_period, opt_u64),
	SPEC_FIELD("cpus", oci_cpu, cpus, string),
	SPEC_FIELD("mems", oci_cpu, mems, string),
	SPEC_FIELD("idle", oci_cpu, idle, opt_i64),
	{ 0 },
};

static const struct spec_schema cpu_schema = {
	.fields = cpu_fields,
};

static const struct spec_field pids_fields[] = {
	SPEC_FIELD("limit", oci_resources, pids_limit, opt_i64),
	{ 0 },
};

static const struct spec_schema pids_schema = {
	.fields = pids_fields,
};

/* --- blockIO --- */

#define NUMBER(key, st, member)                                                                              \
	SPEC_FIELD(key, st, member, i64, .flags = SPEC_REQUIRED, .min = 0, .max = UINT32_MAX)

static const struct spec_field weight_device_fields[] = {
	NUMBER("major", oci_weight_device, major),
	NUMBER("minor", oci_weight_device, minor),
	SPEC_FIELD("weight", oci_weight_device, weight, opt_u64, .min = 0, .max = UINT16_MAX),
	SPEC_FIELD("leafWeight", oci_weight_device, leaf_weight, opt_u64, .min = 0, .max = UINT16_MAX),
	{ 0 },
};

static const struct spec_schema weight_device_schema = {
	.size = sizeof(struct oci_weight_device),
	.fields = weight_device_fields,
};

static const struct spec_field throttle_fields[] = {
	NUMBER("major", oci_throttle_device, major),
	NUMBER("minor", oci_throttle_device, minor),
	SPEC_FIELD("rate", oci_throttle_device, rate, u64, .flags = SPEC_REQUIRED),
	{ 0 },
};

static const struct spec_schema throttle_schema = {
	.size = sizeof(struct oci_throttle_device),
	.fields = throttle_fields,
};

#define THROTTLE(key, member)                                                                                \
	SPEC_FIELD_AUX(key, oci_block_io, member.v, member.n, array, .schema = &throttle_schema)

static const struct spec_field block_io_fields[] = {
	SPEC_FIELD("weight", oci_block_io, weight, opt_u64, .min = 0, .max = UINT16_MAX),
	SPEC_FIELD("leafWeight", oci_block_io, leaf_weight, opt_u64, .min = 0, .max = UINT16_MAX),
	SPEC_FIELD_AUX("weightDevice", oci_block_io, weight_devices, n_weight_devices, array,
		       .schema = &weight_device_schema),
	THROTTLE("throttleReadBpsDevice", read_bps),
	THROTTLE("throttleWriteBpsDevice", write_bps),
	THROTTLE("throttleReadIOPSDevice", read_iops),
	THROTTLE("throttleWriteIOPSDevice", write_iops),
	{ 0 },
};

static const struct spec_schema block_io_schema = {
	.fields = block_io_fields,
};

/* --- hugepageLimits --- */

static int hugepage_check(const struct json *node, void *obj, struct err *err)
{
	const struct oci_hugepage_limit *limit = obj;
	size_t digits = strspn(limit->page_size, "0123456789");
	const char *unit = limit->page_size + digits;

	if (!digits || *limit->page_size == '0' ||
	    (strcmp(unit, "KB") && strcmp(unit, "MB") && strcmp(unit, "GB")))
		return json_error(json_get(node, "pageSize"), err,
				  "must be a number and KB, MB or GB, not \"%.200s\"", limit->page_size);
	return 0;
}

static const struct spec_field hugepage_fields[] = {
	SPEC_FIELD("pageSize", oci_hugepage_limit, page_size, string, .flags = SPEC_REQUIRED),
	SPEC_FIELD("limit", oci_hugepage_limit, limit, u64, .flags = SPEC_REQUIRED),
	{ 0 },
};

static const struct spec_schema hugepage_schema = {
	.size = sizeof(struct oci_hugepage_limit),
	.fields = hugepage_fields,
	.check = hugepage_check,
};

/* --- network --- */

static const struct spec_field if_priority_fields[] = {
	SPEC_FIELD("name", oci_if_priority, name, string, .flags = SPEC_REQUIRED),
	SPEC_FIELD("priority", oci_if_priority, priority, u32, .flags = SPEC_REQUIRED),
	{ 0 },
};

static const struct spec_schema if_priority_schema = {
	.size = sizeof(struct oci_if_priority),
	.fields = if_priority_fields,
};

static const struct spec_field network_fields[] = {
	SPEC_FIELD("classID", oci_resources, net_class_id, opt_u64, .min = 0, .max = UINT32_MAX),
	SPEC_FIELD_AUX("priorities", oci_resources, net_priorities, n_net_priorities, array,
		       .schema = &if_priority_schema),
	{ 0 },
};

static const struct spec_schema network_schema = {
	.fields = network_fields,
};

/* --- rdma: an object whose keys are the devices' names --- */

static const struct spec_field rdma_fields[] = {
	SPEC_FIELD("hcaHandles", oci_rdma_limit, hca_handles, opt_u64, .min = 0, .max = UINT32_MAX),
	SPEC_FIELD("hcaObjects", oci_rdma_limit, hca_objects, opt_u64, .min = 0, .max = UINT32_MAX),
	{ 0 },
};

static const struct spec_schema rdma_schema = {
	.fields = rdma_fields,
};

static int rdma_parse(const struct spec_field *f, const struct json *node, void *base, struct err *err)
{
	struct oci_resources *res = base;
	int r = json_expect(node, JSON_OBJECT, err);

	(void)f;
	if (r < 0 || !json_length(node))
		return r;
	res->rdma = calloc(json_length(node), sizeof(*res->rdma));
	if (!res->rdma)
		return spec_no_memory(err);
	for (size_t i = 0; i < json_length(node); i++) {
		res->n_rdma = i + 1;
		res->rdma[i].device = strdup(json_key_at(node, i));
		if (!res->rdma[i].device)
			return spec_no_memory(err);
		r = spec_schema_parse(&rdma_schema, json_at(node, i), &res->rdma[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool rdma_present(const struct spec_field *f, const void *base)
{
	(void)f;
	return ((const struct oci_resources *)base)->n_rdma > 0;
}

static void rdma_write(const struct spec_field *f, struct json_out *out, const void *base)
{
	const struct oci_resources *res = base;

	(void)f;
	json_out_object(out);
	for (size_t i = 0; i < res->n_rdma; i++) {
		json_out_key(out, res->rdma[i].device);
		spec_schema_write(&rdma_schema, out, &res->rdma[i]);
	}
	json_out_object_end(out);
}

static void rdma_free(const struct spec_field *f, void *base)
{
	struct oci_resources *res = base;

	(void)f;
	for (size_t i = 0; i < res->n_rdma; i++)
		free(res->rdma[i].device);
	free(res->rdma);
	res->rdma = NULL;
	res->n_rdma = 0;
}

static const struct spec_type spec_rdma = { rdma_parse, rdma_present, rdma_write, rdma_free };

static const struct spec_field oci_resources_fields[] = {
	SPEC_FIELD_AUX("devices", oci_resources, devices, n_devices, array, .schema = &device_rule_schema),
	SPEC_FIELD("memory", oci_resources, memory, object, .schema = &memory_schema),
	SPEC_FIELD("cpu", oci_resources, cpu, object, .schema = &cpu_schema),
	SPEC_FLAT("pids", &pids_schema),
	SPEC_FIELD("blockIO", oci_resources, block_io, object, .schema = &block_io_schema),
	SPEC_FIELD_AUX("hugepageLimits", oci_resources, hugepage_limits, n_hugepage_limits, array,
		       .schema = &hugepage_schema),
	SPEC_FLAT("network", &network_schema),
	SPEC_FIELD("rdma", oci_resources, rdma, rdma),
	SPEC_FIELD("unified", oci_resources, unified, map),
	{ 0 },
};

const struct spec_schema oci_resources_schema = {
	.size = sizeof(struct oci_resources),
	.fields = oci_resources_fields,
};
