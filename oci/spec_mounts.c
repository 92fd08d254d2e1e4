/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec_mounts: config.json's `root` and `mounts` (config.md, "Root", "Mounts"),
 * and the ID mappings that mounts and user namespaces have.
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "oci/spec_schema.h"

#include <string.h>

static const struct spec_field oci_root_fields[] = {
	SPEC_FIELD("path", oci_root, path, string, .flags = SPEC_REQUIRED),
	SPEC_FIELD("readonly", oci_root, readonly, bool),
	{ 0 },
};

const struct spec_schema oci_root_schema = {
	.size = sizeof(struct oci_root),
	.fields = oci_root_fields,
};

/* --- ID mappings --- */

static int id_mapping_check(const struct json *node, void *obj, struct err *err)
{
	const struct oci_id_mapping *m = obj;

	if (!m->size)
		return json_error(json_get(node, "size"), err, "must be at least 1");
	/* UINT32_MAX is no ID but "none", see chown(2). */
	if ((uint64_t)m->container_id + m->size > UINT32_MAX || (uint64_t)m->host_id + m->size > UINT32_MAX)
		return json_error(json_get(node, "size"), err, "the range goes beyond 4294967294");
	return 0;
}

static const struct spec_field oci_id_mapping_fields[] = {
	SPEC_FIELD("containerID", oci_id_mapping, container_id, u32, .flags = SPEC_REQUIRED),
	SPEC_FIELD("hostID", oci_id_mapping, host_id, u32, .flags = SPEC_REQUIRED),
	SPEC_FIELD("size", oci_id_mapping, size, u32, .flags = SPEC_REQUIRED),
	{ 0 },
};

const struct spec_schema oci_id_mapping_schema = {
	.size = sizeof(struct oci_id_mapping),
	.fields = oci_id_mapping_fields,
	.check = id_mapping_check,
};

static bool ranges_overlap(uint32_t a, uint32_t a_size, uint32_t b, uint32_t b_size)
{
	return a < (uint64_t)b + b_size && b < (uint64_t)a + a_size;
}

/* The kernel takes at most 340 (user_namespaces(7)), so that comparing all pairs is cheap. */
enum { ID_MAPPINGS_MAX = 340 };

int oci_id_mappings_check(const struct json *node, const struct oci_id_mappings *mappings, struct err *err)
{
	if (mappings->n > ID_MAPPINGS_MAX)
		return json_error(node, err, "must have at most %d elements, not %zu", ID_MAPPINGS_MAX,
				  mappings->n);
	for (size_t i = 1; i < mappings->n; i++) {
		const struct oci_id_mapping *a = &mappings->v[i];

		for (size_t j = 0; j < i; j++) {
			const struct oci_id_mapping *b = &mappings->v[j];

			if (ranges_overlap(a->container_id, a->size, b->container_id, b->size) ||
			    ranges_overlap(a->host_id, a->size, b->host_id, b->size))
				return json_error(json_at(node, i), err, "overlaps element %zu", j);
		}
	}
	return 0;
}

/* --- mounts --- */

static int mount_check(const struct json *node, void *obj, struct err *err)
{
	struct oci_mount *m = obj;
	int r;

	r = oci_id_mappings_check(json_get(node, "uidMappings"), &m->uid_mappings, err);
	if (r == 0)
		r = oci_id_mappings_check(json_get(node, "gidMappings"), &m->gid_mappings, err);
	if (r < 0)
		return r;
	if (*m->destination != '/') {
		char *absolute;

		if (asprintf(&absolute, "/%s", m->destination) < 0)
			return spec_no_memory(err);
		free(m->destination);
		m->destination = absolute;
	}
	return 0;
}

static const struct spec_field oci_mount_fields[] = {
	SPEC_FIELD("destination", oci_mount, destination, string, .flags = SPEC_REQUIRED),
	SPEC_FIELD("type", oci_mount, type, string),
	SPEC_FIELD("source", oci_mount, source, string),
	SPEC_FIELD("options", oci_mount, options, strings),
	SPEC_FIELD_AUX("uidMappings", oci_mount, uid_mappings.v, uid_mappings.n, array,
		       .schema = &oci_id_mapping_schema),
	SPEC_FIELD_AUX("gidMappings", oci_mount, gid_mappings.v, gid_mappings.n, array,
		       .schema = &oci_id_mapping_schema),
	{ 0 },
};

const struct spec_schema oci_mount_schema = {
	.size = sizeof(struct oci_mount),
	.fields = oci_mount_fields,
	.check = mount_check,
};
