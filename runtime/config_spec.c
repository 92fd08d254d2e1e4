/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_spec: what a container's config.json says about its VM: annotations
 * org.vrun.* and the `vm` object (config-vm.md). See config.h.
 */
#include "runtime/config.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "oci/spec.h"

#include <stdio.h>
#include <string.h>

#define ANNOTATION_PREFIX "org.vrun."

/* Who can set these through an image can read any file of the host into its own guest. */
static bool names_host_file(enum config_key key)
{
	return key == CONFIG_KERNEL || key == CONFIG_INITRD;
}

/* These run a program on the host, take a wall away, or are about annotations themselves. */
static bool never_by_annotation(enum config_key key)
{
	return key == CONFIG_QEMU_PATH || key == CONFIG_QEMU_ACCEL || key == CONFIG_JAIL ||
	       key == CONFIG_ANNOTATIONS;
}

static int read_annotation(struct config *config, const char *name, const char *value, struct err *err)
{
	for (unsigned i = 0; i < CONFIG_KEYS; i++) {
		enum config_key key = (enum config_key)i;

		if (strcmp(config_key_name(key), name) || never_by_annotation(key))
			continue;
		if (config->annotations != CONFIG_ANNOTATIONS_ALL && names_host_file(key))
			return err_set(err, -EPERM,
				       "names a file of the host, which an annotation may do only with "
				       "\"annotations = all\" in %s",
				       CONFIG_PATH_DEFAULT);
		return config_set(config, key, value, CONFIG_ANNOTATION, err);
	}
	return err_set(err, -EINVAL, "there is no such setting");
}

static int read_annotations(struct config *config, const struct oci_map *map, struct err *err)
{
	size_t prefix = strlen(ANNOTATION_PREFIX);
	int r;

	if (config->annotations == CONFIG_ANNOTATIONS_NONE)
		return 0;
	for (size_t i = 0; i < map->n; i++) {
		if (strncmp(map->v[i].key, ANNOTATION_PREFIX, prefix))
			continue;
		r = read_annotation(config, map->v[i].key + prefix, map->v[i].value, err);
		if (r < 0)
			return err_wrap(err, r, "annotations[\"%s\"]", map->v[i].key);
	}
	return 0;
}

static int set_from_vm(struct config *config, enum config_key key, const char *value, const char *path,
		       struct err *err)
{
	int r;

	if (!value)
		return 0;
	r = config_set(config, key, value, CONFIG_VM, err);
	return r < 0 ? err_wrap(err, r, "%s", path) : 0;
}

static int set_number_from_vm(struct config *config, enum config_key key, const struct oci_u64 *value,
			      const char *path, struct err *err)
{
	char text[32];

	if (!value->has)
		return 0;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value->v);
	return set_from_vm(config, key, text, path, err);
}

static int join(const struct oci_strings *words, char **ret)
{
	size_t len = 1;
	char *text;

	for (size_t i = 0; i < words->n; i++)
		len += strlen(words->v[i]) + 1;
	text = calloc(1, len);
	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < words->n; i++) {
		if (i)
			strcat(text, " ");
		strcat(text, words->v[i]);
	}
	*ret = text;
	return 0;
}

/* A hypervisor that is named is QEMU: our own engine is not a program that one could name. */
static int read_hypervisor(struct config *config, const struct oci_vm *vm, struct err *err)
{
	int r;

	if (vm->hypervisor_parameters.n)
		return err_set(err, -ENOTSUP, "vm.hypervisor.parameters: not supported");
	if (!vm->hypervisor_path)
		return 0;
	if (!strstr(vm->hypervisor_path, "qemu-system-"))
		return err_set(err, -ENOTSUP,
			       "vm.hypervisor.path: only a qemu-system-* is supported, not \"%s\"",
			       vm->hypervisor_path);
	r = set_from_vm(config, CONFIG_ENGINE, "qemu", "vm.hypervisor.path", err);
	if (r < 0)
		return r;
	return set_from_vm(config, CONFIG_QEMU_PATH, vm->hypervisor_path, "vm.hypervisor.path", err);
}

static int read_vm(struct config *config, const struct oci_vm *vm, struct err *err)
{
	_cleanup_free_ char *params = NULL;
	int r;

	if (!vm->has)
		return 0;
	if (vm->image_path)
		return err_set(err, -ENOTSUP, "vm.image: a disk image as root is not supported");
	if (vm->device_tree)
		return err_set(err, -ENOTSUP, "vm.hwConfig.deviceTree: not supported");
	if (vm->has_passthrough)
		return err_set(err, -ENOTSUP, "vm.hwConfig: passing devices through is not supported");
	r = read_hypervisor(config, vm, err);
	if (r < 0)
		return r;
	if (vm->kernel_parameters.n) {
		if (join(&vm->kernel_parameters, &params) < 0)
			return err_set(err, -ENOMEM, "out of memory");
		r = set_from_vm(config, CONFIG_KERNEL_PARAMS, params, "vm.kernel.parameters", err);
		if (r < 0)
			return r;
	}
	r = set_from_vm(config, CONFIG_KERNEL, vm->kernel_path, "vm.kernel.path", err);
	if (r == 0)
		r = set_from_vm(config, CONFIG_INITRD, vm->initrd, "vm.kernel.initrd", err);
	if (r == 0)
		r = set_number_from_vm(config, CONFIG_CPUS, &vm->vcpus, "vm.hwConfig.vcpus", err);
	if (r == 0)
		r = set_number_from_vm(config, CONFIG_MEMORY, &vm->memory, "vm.hwConfig.memory", err);
	return r;
}

int config_read_spec(struct config *config, const struct oci_spec *spec, struct err *err)
{
	int r;

	r = read_annotations(config, &spec->annotations, err);
	return r < 0 ? r : read_vm(config, &spec->vm, err);
}
