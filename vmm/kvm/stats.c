/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats: VM exits by reason. Two kinds of lines: exits that reached us, by
 * kvm_run.exit_reason, and KVM's own counters ("kvm_exits" is all of them, those that
 * KVM handled itself included), where the host has KVM_CAP_BINARY_STATS_FD.
 */
#include "vmm/kvm/vcpu.h"

#include "base/cleanup.h"

#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

enum { STATS_MAX = 128, STAT_NAME_MAX = 64 };

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

/* One counter's name and sum over the vCPUs; all of them have the same layout. */
struct stat {
	char name[STAT_NAME_MAX];
	uint64_t value;
};

/* KVM api.rst, KVM_GET_STATS_FD. Returns the number of counters; those are added to `stats`. */
static unsigned read_stats(int vcpu_fd, struct stat *stats)
{
	_cleanup_close_ int fd = ioctl(vcpu_fd, KVM_GET_STATS_FD, NULL);
	struct kvm_stats_header head;
	unsigned n;

	if (fd < 0 || pread(fd, &head, sizeof(head), 0) != sizeof(head) || head.name_size > STAT_NAME_MAX)
		return 0;
	n = head.num_desc < STATS_MAX ? head.num_desc : STATS_MAX;
	for (unsigned i = 0; i < n; i++) {
		struct {
			struct kvm_stats_desc desc;
			char name[STAT_NAME_MAX];
		} d = { .name = "" };
		size_t len = sizeof(d.desc) + head.name_size;
		uint64_t value;

		if (pread(fd, &d, len, (off_t)(head.desc_offset + i * len)) != (ssize_t)len)
			return i;
		stats[i].name[0] = '\0';
		/* Plain counters; histograms and durations are no exits. */
		if (d.desc.size != 1 || (d.desc.flags & KVM_STATS_TYPE_MASK) != KVM_STATS_TYPE_CUMULATIVE ||
		    (d.desc.flags & KVM_STATS_UNIT_MASK) != KVM_STATS_UNIT_NONE)
			continue;
		if (pread(fd, &value, sizeof(value), (off_t)(head.data_offset + d.desc.offset)) !=
		    sizeof(value))
			continue;
		memcpy(stats[i].name, d.name, STAT_NAME_MAX - 1);
		stats[i].value += value;
	}
	return n;
}

static void put_kvms(struct lines *lines, const struct kvm_vcpus *set)
{
	_cleanup_free_ struct stat *stats = calloc(STATS_MAX, sizeof(*stats));
	unsigned n = 0;

	if (!stats)
		return;
	for (unsigned i = 0; i < set->n; i++)
		n = read_stats(set->vcpu[i].fd, stats);
	for (unsigned i = 0; i < n; i++)
		if (stats[i].name[0] && stats[i].value > 0)
			put_line(lines, "kvm_", stats[i].name, stats[i].value);
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
