/* SPDX-License-Identifier: Apache-2.0 */
/* events: see events.h. */
#include "runtime/events.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "oci/agent_stats.h"
#include "runtime/control.h"
#include "runtime/lookup.h"
#include "runtime/store.h"

#include <ctype.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* How long the guest may take for its answer, and vrun-vmm for one of its own. */
enum { ANSWER_MS = 10000, OWN_ANSWER_MS = 1000 };

static int ask(const struct lookup *container, bool only_links, struct agent_stats *ret, struct err *err)
{
	_cleanup_message_ struct message answer = { 0 };
	_cleanup_close_ int sock = lookup_connect(container, only_links ? OWN_ANSWER_MS : ANSWER_MS, err);
	int r;

	if (sock < 0)
		return sock;
	r = message_send(sock, &(struct message){ .type = MESSAGE_STATS, .flag = only_links });
	if (r == 0)
		r = message_recv(sock, &answer);
	if (r == -EAGAIN)
		return err_set(err, -ETIMEDOUT, "the container's VM does not answer");
	if (r < 0)
		return err_set(err, -ESRCH, "container not running");
	if (answer.type == MESSAGE_ERROR)
		return err_set(err, answer.number > 0 && answer.number < 4096 ? -answer.number : -EIO, "%s",
			       answer.text ? answer.text : "no statistics");
	if (answer.type != MESSAGE_OK || !answer.text)
		return err_set(err, -EPROTO, "vrun-vmm gave an unexpected answer");
	return agent_stats_parse(answer.text, strlen(answer.text), ret, err);
}

int events_stats(const struct lookup *container, struct agent_stats *ret, struct err *err)
{
	return ask(container, false, ret, err);
}

int events_links(const struct lookup *container, struct agent_stats *ret, struct err *err)
{
	return ask(container, true, ret, err);
}

int events_subscribe(const struct lookup *container, struct err *err)
{
	const struct timeval for_ever = { 0 };
	_cleanup_close_ int sock = lookup_connect(container, ANSWER_MS, err);
	int r;

	if (sock < 0)
		return sock;
	r = control_call(sock, &(struct message){ .type = MESSAGE_EVENTS }, MESSAGE_OK, NULL, err);
	if (r < 0)
		return r;
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &for_ever, sizeof(for_ever));
	return TAKE_FD(sock);
}

/* --- runc's types --- */

/* Go's omitempty. */
static void put_some(struct json_out *out, const char *key, uint64_t value)
{
	if (value)
		json_put_u64(out, key, value);
}

static void put_cpu(struct json_out *out, const struct agent_stats_cpu *cpu)
{
	json_out_key(out, "cpu");
	json_out_object(out);
	json_out_key(out, "usage");
	json_out_object(out);
	put_some(out, "total", cpu->usage_us * 1000);
	json_put_u64(out, "kernel", cpu->system_us * 1000);
	json_put_u64(out, "user", cpu->user_us * 1000);
	json_out_object_end(out);
	json_out_key(out, "throttling");
	json_out_object(out);
	put_some(out, "periods", cpu->periods);
	put_some(out, "throttledPeriods", cpu->throttled_periods);
	put_some(out, "throttledTime", cpu->throttled_us * 1000);
	json_out_object_end(out);
	json_out_object_end(out);
}

/* Version 2 has none of these; runc writes their zeros. */
static void put_cpuset(struct json_out *out)
{
	static const char *const keys[] = { "cpu_exclusive",
					    "mem_hardwall",
					    "mem_exclusive",
					    "memory_migrate",
					    "memory_spread_page",
					    "memory_spread_slab",
					    "memory_pressure",
					    "sched_load_balance",
					    "sched_relax_domain_level",
					    NULL };

	json_out_key(out, "cpuset");
	json_out_object(out);
	for (const char *const *key = keys; *key; key++)
		json_put_u64(out, *key, 0);
	json_out_object_end(out);
}

static void put_memory_entry(struct json_out *out, const char *key, uint64_t limit, uint64_t usage,
			     uint64_t max, uint64_t failures)
{
	json_out_key(out, key);
	json_out_object(out);
	json_put_u64(out, "limit", limit);
	put_some(out, "usage", usage);
	put_some(out, "max", max);
	json_put_u64(out, "failcnt", failures);
	json_out_object_end(out);
}

static void put_memory(struct json_out *out, const struct agent_stats_memory *m)
{
	uint64_t swap_limit = AGENT_STATS_NO_LIMIT;

	/* Memory and swap together, as version 1 counts it and runc tells it. */
	if (m->swap_limit != AGENT_STATS_NO_LIMIT &&
	    __builtin_add_overflow(m->swap_limit, m->limit, &swap_limit))
		swap_limit = AGENT_STATS_NO_LIMIT;
	json_out_key(out, "memory");
	json_out_object(out);
	put_some(out, "cache", m->cache);
	put_memory_entry(out, "usage", m->limit, m->usage, m->peak, m->failures);
	put_memory_entry(out, "swap", swap_limit, m->swap_usage + m->usage, 0, 0);
	put_memory_entry(out, "kernel", 0, 0, 0, 0);
	put_memory_entry(out, "kernelTCP", 0, 0, 0, 0);
	if (m->n_raw) {
		json_out_key(out, "raw");
		json_out_object(out);
		for (size_t i = 0; i < m->n_raw; i++)
			json_put_u64(out, m->raw[i].name, m->raw[i].value);
		json_out_object_end(out);
	}
	json_out_object_end(out);
}

static void put_io_entry(struct json_out *out, const struct agent_stats_io *io, const char *op,
			 uint64_t value)
{
	json_out_object(out);
	put_some(out, "major", io->major);
	put_some(out, "minor", io->minor);
	json_out_key(out, "op");
	json_out_string(out, op);
	put_some(out, "value", value);
	json_out_object_end(out);
}

static void put_io(struct json_out *out, const struct agent_stats *stats)
{
	json_out_key(out, "blkio");
	json_out_object(out);
	if (stats->n_io) {
		json_out_key(out, "ioServiceBytesRecursive");
		json_out_array(out);
		for (size_t i = 0; i < stats->n_io; i++) {
			put_io_entry(out, &stats->io[i], "Read", stats->io[i].read_bytes);
			put_io_entry(out, &stats->io[i], "Write", stats->io[i].write_bytes);
			put_io_entry(out, &stats->io[i], "Discard", stats->io[i].discard_bytes);
		}
		json_out_array_end(out);
		json_out_key(out, "ioServicedRecursive");
		json_out_array(out);
		for (size_t i = 0; i < stats->n_io; i++) {
			put_io_entry(out, &stats->io[i], "Read", stats->io[i].reads);
			put_io_entry(out, &stats->io[i], "Write", stats->io[i].writes);
			put_io_entry(out, &stats->io[i], "Discard", stats->io[i].discards);
		}
		json_out_array_end(out);
	}
	json_out_object_end(out);
}

static void put_hugetlb(struct json_out *out, const struct agent_stats *stats)
{
	json_out_key(out, "hugetlb");
	json_out_object(out);
	for (size_t i = 0; i < stats->n_hugetlb; i++) {
		json_out_key(out, stats->hugetlb[i].page_size);
		json_out_object(out);
		put_some(out, "usage", stats->hugetlb[i].usage);
		json_put_u64(out, "failcnt", stats->hugetlb[i].failures);
		json_out_object_end(out);
	}
	json_out_object_end(out);
}

void events_put_links(struct json_out *out, const struct agent_stats *stats)
{
	json_out_key(out, "network_interfaces");
	if (stats->n_links == 0) {
		json_out_string(out, NULL);
		return;
	}
	json_out_array(out);
	for (size_t i = 0; i < stats->n_links; i++) {
		const struct agent_stats_link *link = &stats->links[i];

		json_out_object(out);
		json_out_key(out, "Name");
		json_out_string(out, link->name);
		json_put_u64(out, "RxBytes", link->rx_bytes);
		json_put_u64(out, "RxPackets", link->rx_packets);
		json_put_u64(out, "RxErrors", link->rx_errors);
		json_put_u64(out, "RxDropped", link->rx_dropped);
		json_put_u64(out, "TxBytes", link->tx_bytes);
		json_put_u64(out, "TxPackets", link->tx_packets);
		json_put_u64(out, "TxErrors", link->tx_errors);
		json_put_u64(out, "TxDropped", link->tx_dropped);
		json_out_object_end(out);
	}
	json_out_array_end(out);
}

static void put_stats(struct json_out *out, const struct agent_stats *stats)
{
	json_out_object(out);
	put_cpu(out, &stats->cpu);
	put_cpuset(out);
	put_memory(out, &stats->memory);
	json_out_key(out, "pids");
	json_out_object(out);
	put_some(out, "current", stats->pids);
	/* As runc: 0 stands for none. */
	put_some(out, "limit", stats->pids_limit == AGENT_STATS_NO_LIMIT ? 0 : stats->pids_limit);
	json_out_object_end(out);
	put_io(out, stats);
	put_hugetlb(out, stats);
	json_out_key(out, "intel_rdt");
	json_out_object(out);
	json_out_object_end(out);
	events_put_links(out, stats);
	json_out_object_end(out);
}

int events_text(const char *id, const struct agent_stats *stats, char **ret_text, size_t *ret_len)
{
	struct json_out *out;
	int r = json_out_new(false, &out);

	if (r < 0)
		return r;
	json_out_object(out);
	json_out_key(out, "type");
	json_out_string(out, stats ? "stats" : "oom");
	json_out_key(out, "id");
	json_out_string(out, id);
	if (stats) {
		json_out_key(out, "data");
		put_stats(out, stats);
	}
	json_out_object_end(out);
	r = json_out_finish(out, ret_text, ret_len);
	json_out_free(out);
	return r;
}

/* --- intervals --- */

int events_parse_interval(const char *text, uint64_t *ret_ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {
		{ "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 }
	};
	double sum = 0;

	if (strcmp(text, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	if (!*text)
		return -EINVAL;
	while (*text) {
		size_t digits = strspn(text, "0123456789."), letters, i = 0;
		char number[32], *end;
		double value;

		if (digits == 0 || digits >= sizeof(number))
			return -EINVAL;
		memcpy(number, text, digits);
		number[digits] = '\0';
		value = strtod(number, &end);
		if (*end || end == number)
			return -EINVAL;
		text += digits;
		for (letters = 0; isalpha((unsigned char)text[letters]); letters++)
			;
		while (i < ARRAY_SIZE(units) &&
		       (strlen(units[i].name) != letters || strncmp(units[i].name, text, letters) != 0))
			i++;
		if (i == ARRAY_SIZE(units))
			return -EINVAL;
		sum += value * units[i].ns;
		text += letters;
	}
	/* Go's limit, 292 years. */
	if (sum > 9.2e18)
		return -EINVAL;
	*ret_ns = (uint64_t)sum;
	return 0;
}
