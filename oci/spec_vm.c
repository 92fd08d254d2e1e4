/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec_vm: config.json's `vm` (config-vm.md), with hwConfig of runtime-spec 1.3.
 *
 * The spec wants a kernel in every `vm` object. Here it may be absent, as our
 * kernel is configured elsewhere: a config that only sizes the VM is useful.
 */
#include "oci/spec_schema.h"

#include <string.h>

static const struct spec_field hypervisor_fields[] = {
	SPEC_FIELD("path", oci_vm, hypervisor_path, string, .flags = SPEC_REQUIRED | SPEC_ABSOLUTE),
	SPEC_FIELD("parameters", oci_vm, hypervisor_parameters, strings),
	{ 0 },
};

static const struct spec_schema hypervisor_schema = {
	.fields = hypervisor_fields,
};

static const struct spec_field kernel_fields[] = {
	SPEC_FIELD("path", oci_vm, kernel_path, string, .flags = SPEC_REQUIRED | SPEC_ABSOLUTE),
	SPEC_FIELD("parameters", oci_vm, kernel_parameters, strings),
	SPEC_FIELD("initrd", oci_vm, initrd, string, .flags = SPEC_ABSOLUTE),
	{ 0 },
};

static const struct spec_schema kernel_schema = {
	.fields = kernel_fields,
};

static const struct spec_field image_fields[] = {
	SPEC_FIELD("path", oci_vm, image_path, string, .flags = SPEC_REQUIRED | SPEC_ABSOLUTE),
	SPEC_FIELD("format", oci_vm, image_format, string, .flags = SPEC_REQUIRED,
		   .values = (const char *const[]){ "raw", "qcow2", "vdi", "vmdk", "vhd", NULL }),
	{ 0 },
};

static const struct spec_schema image_schema = {
	.fields = image_fields,
};

/* What is passed through is not kept, only that something is: no VM of ours can honour it. */
static int passthrough_parse(const struct spec_field *f, const struct json *node, void *base, struct err *err)
{
	int r = json_expect(node, JSON_ARRAY, err);

	if (r == 0 && json_length(node))
		*(bool *)spec_at(base, f->offset) = true;
	return r;
}

/* Written as an interrupt, so that reading it back says the same. */
static bool passthrough_present(const struct spec_field *f, const void *base)
{
	return !strcmp(f->name, "irqs") && *(const bool *)spec_const_at(base, f->offset);
}

static void passthrough_write(const struct spec_field *f, struct json_out *out, const void *base)
{
	(void)f;
	(void)base;
	json_out_array(out);
	json_out_u64(out, 0);
	json_out_array_end(out);
}

static const struct spec_type spec_passthrough = {
	.parse = passthrough_parse,
	.present = passthrough_present,
	.write = passthrough_write,
};

static const struct spec_field hw_config_fields[] = {
	SPEC_FIELD("deviceTree", oci_vm, device_tree, string, .flags = SPEC_ABSOLUTE),
	SPEC_FIELD("vcpus", oci_vm, vcpus, opt_u64, .min = 1, .max = UINT32_MAX),
	SPEC_FIELD("memory", oci_vm, memory, opt_u64, .min = 1, .max = UINT64_MAX),
	SPEC_FIELD("dtdevs", oci_vm, has_passthrough, passthrough),
	SPEC_FIELD("iomems", oci_vm, has_passthrough, passthrough),
	SPEC_FIELD("irqs", oci_vm, has_passthrough, passthrough),
	{ 0 },
};

static const struct spec_schema hw_config_schema = {
	.fields = hw_config_fields,
};

static const struct spec_field oci_vm_fields[] = {
	SPEC_FLAT("hypervisor", &hypervisor_schema),
	SPEC_FLAT("kernel", &kernel_schema),
	SPEC_FLAT("image", &image_schema),
	SPEC_FLAT("hwConfig", &hw_config_schema),
	{ 0 },
};

const struct spec_schema oci_vm_schema = {
	.size = sizeof(struct oci_vm),
	.fields = oci_vm_fields,
};
