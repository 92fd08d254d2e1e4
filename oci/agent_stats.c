/* SPDX-License-Identifier: Apache-2.0 */
/* agent_stats: see agent_stats.h. */
#include "oci/agent_stats.h"

#include "base/cleanup.h"
#include "oci/spec_schema.h"

#include <string.h>

/* Names are the guest's: short, and of the letters that names of this kind have. */
static int check_name(const struct json *node, const char *key, const char *name, struct err *err)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.@";
	size_t len = name ? strlen(name) : 0;

	if (len == 0 || len > AGENT_STATS_NAME_MAX || name[strspn(name, good)])
		return json_error(json_get(node, key), err, "is no name");
	return 0;
}

static int value_check(const struct json *node, void *obj, struct err *err)
{
	return check_name(node, "name", ((const struct agent_stats_value *)obj)->name, err);
}

static const struct spec_field value_fields[] = {
	SPEC_FIELD("name", agent_stats_value, name, string, .flags = SPEC_REQUIRED),
	SPEC_FIELD("value", agent_stats_value, value, u64),
	{ 0 },
};

static const struct spec_schema value_schema = {
	.size = sizeof(struct agent_stats_value),
	.fields = value_fields,
	.check = value_check,
};

static int hugetlb_check(const struct json *node, void *obj, struct err *err)
{
	return check_name(node, "pageSize", ((const struct agent_stats_hugetlb *)obj)->page_size, err);
}

static const struct spec_field hugetlb_fields[] = {
	SPEC_FIELD("pageSize", agent_stats_hugetlb, page_size, string, .flags = SPEC_REQUIRED),
	SPEC_FIELD("usage", agent_stats_hugetlb, usage, u64),
	SPEC_FIELD("failures", agent_stats_hugetlb, failures, u64),
	{ 0 },
};

static const struct spec_schema hugetlb_schema = {
	.size = sizeof(struct agent_stats_hugetlb),
	.fields = hugetlb_fields,
	.check = hugetlb_check,
};

static const struct spec_field io_fields[] = {
	SPEC_FIELD("major", agent_stats_io, major, u64),
	SPEC_FIELD("minor", agent_stats_io, minor, u64),
	SPEC_FIELD("readBytes", agent_stats_io, read_bytes, u64),
	SPEC_FIELD("writeBytes", agent_stats_io, write_bytes, u64),
	SPEC_FIELD("discardBytes", agent_stats_io, discard_bytes, u64),
	SPEC_FIELD("reads", agent_stats_io, reads, u64),
	SPEC_FIELD("writes", agent_stats_io, writes, u64),
	SPEC_FIELD("discards", agent_stats_io, discards, u64),
	{ 0 },
};

static const struct spec_schema io_schema = { .size = sizeof(struct agent_stats_io), .fields = io_fields };

static int link_check(const struct json *node, void *obj, struct err *err)
{
	return check_name(node, "name", ((const struct agent_stats_link *)obj)->name, err);
}

static const struct spec_field link_fields[] = {
	SPEC_FIELD("name", agent_stats_link, name, string, .flags = SPEC_REQUIRED),
	SPEC_FIELD("rxBytes", agent_stats_link, rx_bytes, u64),
	SPEC_FIELD("rxPackets", agent_stats_link, rx_packets, u64),
	SPEC_FIELD("rxErrors", agent_stats_link, rx_errors, u64),
	SPEC_FIELD("rxDropped", agent_stats_link, rx_dropped, u64),
	SPEC_FIELD("txBytes", agent_stats_link, tx_bytes, u64),
	SPEC_FIELD("txPackets", agent_stats_link, tx_packets, u64),
	SPEC_FIELD("txErrors", agent_stats_link, tx_errors, u64),
	SPEC_FIELD("txDropped", agent_stats_link, tx_dropped, u64),
	{ 0 },
};

static const struct spec_schema link_schema = {
	.size = sizeof(struct agent_stats_link),
	.fields = link_fields,
	.check = link_check,
};

static const struct spec_field cpu_fields[] = {
	SPEC_FIELD("usageUs", agent_stats_cpu, usage_us, u64),
	SPEC_FIELD("userUs", agent_stats_cpu, user_us, u64),
	SPEC_FIELD("systemUs", agent_stats_cpu, system_us, u64),
	SPEC_FIELD("periods", agent_stats_cpu, periods, u64),
	SPEC_FIELD("throttledPeriods", agent_stats_cpu, throttled_periods, u64),
	SPEC_FIELD("throttledUs", agent_stats_cpu, throttled_us, u64),
	{ 0 },
};

static const struct spec_schema cpu_schema = { .fields = cpu_fields };

static const struct spec_field memory_fields[] = {
	SPEC_FIELD("usage", agent_stats_memory, usage, u64),
	SPEC_FIELD("peak", agent_stats_memory, peak, u64),
	SPEC_FIELD("limit", agent_stats_memory, limit, u64),
	SPEC_FIELD("failures", agent_stats_memory, failures, u64),
	SPEC_FIELD("swapUsage", agent_stats_memory, swap_usage, u64),
	SPEC_FIELD("swapLimit", agent_stats_memory, swap_limit, u64),
	SPEC_FIELD("cache", agent_stats_memory, cache, u64),
	SPEC_FIELD("oomKills", agent_stats_memory, oom_kills, u64),
	SPEC_FIELD_AUX("raw", agent_stats_memory, raw, n_raw, array, .schema = &value_schema),
	{ 0 },
};

static const struct spec_schema memory_schema = { .fields = memory_fields };

static int stats_check(const struct json *node, void *obj, struct err *err)
{
	const struct agent_stats *stats = obj;

	if (stats->memory.n_raw > AGENT_STATS_RAW_MAX || stats->n_hugetlb > AGENT_STATS_HUGETLB_MAX ||
	    stats->n_io > AGENT_STATS_IO_MAX || stats->n_links > AGENT_STATS_LINKS_MAX)
		return json_error(node, err, "has too many parts");
	return 0;
}

static const struct spec_field stats_fields[] = {
	SPEC_FIELD("cpu", agent_stats, cpu, object, .schema = &cpu_schema),
	SPEC_FIELD("memory", agent_stats, memory, object, .schema = &memory_schema),
	SPEC_FIELD("pids", agent_stats, pids, u64),
	SPEC_FIELD("pidsLimit", agent_stats, pids_limit, u64),
	SPEC_FIELD_AUX("hugetlb", agent_stats, hugetlb, n_hugetlb, array, .schema = &hugetlb_schema),
	SPEC_FIELD_AUX("io", agent_stats, io, n_io, array, .schema = &io_schema),
	SPEC_FIELD_AUX("links", agent_stats, links, n_links, array, .schema = &link_schema),
	{ 0 },
};

static const struct spec_schema stats_schema = { .fields = stats_fields, .check = stats_check };

int agent_stats_write(const struct agent_stats *stats, char **ret_text, size_t *ret_len)
{
	struct json_out *out;
	int r = json_out_new(false, &out);

	if (r < 0)
		return r;
	spec_schema_write(&stats_schema, out, stats);
	r = json_out_finish(out, ret_text, ret_len);
	json_out_free(out);
	return r;
}

int agent_stats_parse(const char *text, size_t len, struct agent_stats *ret, struct err *err)
{
	_cleanup_json_doc_ struct json_doc *doc = NULL;
	struct agent_stats stats = { .pids = 0 };
	int r = json_parse(text, len, "statistics", &doc, err);

	if (r < 0)
		return r;
	r = spec_schema_parse(&stats_schema, json_root(doc), &stats, err);
	if (r < 0)
		agent_stats_done(&stats);
	else
		*ret = stats;
	return r;
}

void agent_stats_done(struct agent_stats *stats)
{
	spec_schema_free(&stats_schema, stats);
}
