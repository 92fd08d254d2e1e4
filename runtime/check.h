/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check: what this machine offers to vrun, row by row, and which engine the
 * choice "auto" comes to. Looks only; changes nothing.
 */
#ifndef VRUN_RUNTIME_CHECK_H
#define VRUN_RUNTIME_CHECK_H

#include "vmm/vm_spec.h"

#include <stdbool.h>
#include <stddef.h>

struct config;

enum check_result {
	CHECK_OK,
	CHECK_NOTE, /* worth knowing; nothing to mend */
	CHECK_MISSING, /* something works less well or not at all without it */
};

struct check_row {
	const char *key; /* "kvm.device": for the JSON form */
	const char *title; /* "KVM device": for the table */
	enum check_result result;
	char value[256]; /* what was found */
	char mend[192]; /* the command that mends it; "" when there is none */
};

enum { CHECK_ROWS_MAX = 24 };

struct check_report {
	struct check_row rows[CHECK_ROWS_MAX];
	size_t n;
	bool kvm_works, qemu_works; /* with the guest's images */
	enum vm_engine engine; /* what "auto" picks, or the config asks for */
	char why[512];
};

void check_run(const struct config *config, struct check_report *ret);

#endif
