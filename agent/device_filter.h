/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_filter: linux.resources.devices (config-linux.md, "Allowed Device list") as
 * a BPF program on the container's cgroup (cgroup-v2.rst, "Device controller").
 *
 * Theory of operation
 *
 * The rules are played through as cgroup version 1 does: a default, and exceptions from
 * it. A rule for all devices sets the default and forgets the exceptions; one
 * that differs from the default adds an exception, one that agrees with it takes one
 * back. Access is granted when one exception covers all of it; under a default of
 * "allow" it is denied when an exception touches it.
 *
 * As in runc the default is to deny, and the devices that every container has, and
 * making nodes, are allowed whatever the rules say.
 */
#ifndef VRUN_AGENT_DEVICE_FILTER_H
#define VRUN_AGENT_DEVICE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_insn;
struct err;
struct oci_resources;

#define DEVICE_ANY UINT32_MAX

struct device_exception {
	char type; /* 'b' or 'c' */
	uint32_t major, minor; /* or DEVICE_ANY */
	unsigned access; /* BPF_DEVCG_ACC_* */
};

struct device_rules {
	bool allow; /* what there is no exception for */
	struct device_exception *v;
	size_t n;
};

int device_rules_new(const struct oci_resources *resources, struct device_rules *ret);
void device_rules_done(struct device_rules *rules);
bool device_rules_allow(const struct device_rules *rules, char type, uint32_t major, uint32_t minor,
			unsigned access);

/* The program; the caller frees it. */
int device_filter_build(const struct device_rules *rules, struct bpf_insn **ret, size_t *ret_n);

/*
 * Put it on a cgroup. -ENOSYS without a message: this kernel can't. The kernel's word on
 * a program that it refuses is not for a person.
 */
int device_filter_attach(int cgroup, const struct oci_resources *resources, struct err *err);

#endif
