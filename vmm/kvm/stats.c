/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats: VM exits by reason. Two kinds of lines: exits that reached us, by
 * kvm_run.exit_reason, and KVM's own counters ("kvm_exits" is all of them, those that
 * KVM handled itself included), where the host has KVM_CAP_BINARY_STATS_FD.
 */
#include "vmm/kvm/vcpu.h"

#include "base/cleanup.h"

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { STAT_NAME_MAX = 64, STATS_FILE_MAX = 32 << 10 };

struct lines {
	char *buf;
	size_t size, len;
};

static void put_line(struct lines *lines, const char *prefix, const char *name, uint64_t value)
{
	size_t room = lines->size - lines->len;
	int n;

	n = snprintf(lines->buf + lines->len, room, "%s%s %llu\n", prefix, name, (unsigned long long)value);
	/* Whole lines only. */
	if (n > 0 && (size_t)n < room)
		lines->len += (size_t)n;
	else if (room > 0)
		lines->buf[lines->len] = '\0';
}

static const char *reason_name(unsigned reason)
{
	static const char *const names[] = {
		[KVM_EXIT_UNKNOWN] = "unknown",	  [KVM_EXIT_IO] = "io",
		[KVM_EXIT_MMIO] = "mmio",	  [KVM_EXIT_IRQ_WINDOW_OPEN] = "irq_window",
		[KVM_EXIT_SHUTDOWN] = "shutdown", [KVM_EXIT_FAIL_ENTRY] = "fail_entry",
		[KVM_EXIT_INTR] = "intr",	  [KVM_EXIT_INTERNAL_ERROR] = "internal_error",
	};

	return reason < ARRAY_SIZE(names) && names[reason] ? names[reason] : NULL;
}

static void put_own(struct lines *lines, const struct kvm_vcpus *set)
{
	uint64_t interrupted = 0;

	for (unsigned reason = 0; reason < KVM_EXITS_MAX; reason++) {
		const char *name = reason_name(reason);
		uint64_t sum = 0;
		char number[16];

		for (unsigned i = 0; i < set->n; i++)
			sum += atomic_load_explicit(&set->vcpu[i].exits[reason], memory_order_relaxed);
		if (sum == 0)
			continue;
		snprintf(number, sizeof(number), "reason_%u", reason);
		put_line(lines, "", name ? name : number, sum);
	}
	for (unsigned i = 0; i < set->n; i++)
		interrupted += atomic_load_explicit(&set->vcpu[i].interrupted, memory_order_relaxed);
	if (interrupted > 0)
		put_line(lines, "", "interrupted", interrupted);
}

/* What a statistics descriptor has to read: a header, names and kinds, values (KVM api.rst, KVM_GET_STATS_FD). */
struct stats_file {
	uint8_t bytes[STATS_FILE_MAX];
	size_t len;
};

static bool read_stats(int fd, struct stats_file *file)
{
	ssize_t n;

	if (fd < 0)
		return false;
	n = pread(fd, file->bytes, sizeof(file->bytes), 0);
	file->len = n > 0 ? (size_t)n : 0;
	return file->len > 0;
}

static bool get(const struct stats_file *file, uint64_t offset, void *ret, size_t len)
{
	uint64_t end;

	if (__builtin_add_overflow(offset, len, &end) || end > file->len)
		return false;
	memcpy(ret, file->bytes + offset, len);
	return true;
}

struct stat_desc {
	struct kvm_stats_desc desc;
	char name[STAT_NAME_MAX];
};

/* Counter `i`, when it is a plain one: histograms and durations are no exits. */
static bool get_counter(const struct stats_file *file, const struct kvm_stats_header *head, uint32_t i,
			struct stat_desc *ret, uint64_t *ret_value)
{
	size_t size = sizeof(ret->desc) + head->name_size;

	return head->name_size < STAT_NAME_MAX &&
	       get(file, head->desc_offset + (uint64_t)i * size, ret, size) && ret->desc.size == 1 &&
	       (ret->desc.flags & KVM_STATS_TYPE_MASK) == KVM_STATS_TYPE_CUMULATIVE &&
	       (ret->desc.flags & KVM_STATS_UNIT_MASK) == KVM_STATS_UNIT_NONE &&
	       get(file, head->data_offset + ret->desc.offset, ret_value, sizeof(*ret_value));
}

/* The sum over all vCPUs; their files have one layout. */
static void put_kvms(struct lines *lines, const struct kvm_vcpus *set)
{
	_cleanup_free_ struct stats_file *files = calloc(set->n, sizeof(*files));
	struct kvm_stats_header head;

	if (!files)
		return;
	for (unsigned i = 0; i < set->n; i++)
		if (!read_stats(set->vcpu[i].stats_fd, &files[i]))
			return;
	if (!get(&files[0], 0, &head, sizeof(head)))
		return;
	for (uint32_t i = 0; i < head.num_desc; i++) {
		struct stat_desc desc = { .name = "" };
		uint64_t sum = 0, value;

		for (unsigned v = 0; v < set->n; v++)
			if (get_counter(&files[v], &head, i, &desc, &value))
				sum += value;
		if (sum > 0)
			put_line(lines, "kvm_", desc.name, sum);
	}
}

size_t kvm_vcpus_exits(const struct kvm_vcpus *set, char *buf, size_t size)
{
	struct lines lines = { .buf = buf, .size = size };

	if (size == 0)
		return 0;
	buf[0] = '\0';
	put_own(&lines, set);
	put_kvms(&lines, set);
	return lines.len;
}
