/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report: what `vrun compare` has found out, row by row, two cells a row. The
 * measuring parts fill it, the printers (print_*.c) show it; neither knows the
 * other.
 */
#ifndef VRUN_CMD_COMPARE_REPORT_H
#define VRUN_CMD_COMPARE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct err;

enum side { SIDE_NS, SIDE_VM, SIDES }; /* namespaces; a VM */

/* What a cell means to who wants the host kept apart from the container. */
enum mood { MOOD_PLAIN, MOOD_APART, MOOD_SHARED };

struct cell {
	char text[224]; /* "" when nothing could be measured: `why` says it */
	bool has_number;
	double number;
	enum mood mood;
};

/* Which number is the better one; a ratio is shown for these. */
enum better { BETTER_NONE, BETTER_LOWER, BETTER_HIGHER };

struct row {
	const char *key; /* "kernel.release": for the JSON form */
	const char *title;
	const char *note; /* what was done, in a sentence; or NULL */
	const char *unit; /* of the numbers, or NULL */
	enum better better;
	struct cell cells[SIDES];
};

enum { GROUP_ROWS_MAX = 24, REPORT_GROUPS = 4 };

struct group {
	const char *key, *title, *intro;
	struct row rows[GROUP_ROWS_MAX];
	size_t n;
};

struct report {
	const char *bundle;
	char host_kernel[128], guest_kernel[128], cpu[128];
	char names[SIDES][64]; /* "runc 1.1.5", "vrun 0.1.0" */
	const char *engine; /* "KVM", or "QEMU (emulated processor)" */
	char date[32];
	double seconds; /* that the comparison took */
	struct group groups[REPORT_GROUPS];
	/* For the picture; -1 when not known. */
	int syscalls[SIDES];
};

/* The next row of a group, whose cells are empty. */
struct row *report_add(struct group *group, const char *key, const char *title, const char *note);

void cell_text(struct cell *cell, enum mood mood, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The text is the number as a person writes it: 12, 1,204, 0.86. */
void cell_number(struct cell *cell, enum mood mood, double number);

/* VM divided by namespaces; 0 when there is none to show. */
double row_ratio(const struct row *row);

/* "2.3", "1,204": at most three digits behind the point, none for large numbers. */
void number_text(double number, char *buf, size_t size);

void report_print_table(const struct report *report, bool colours, FILE *out);
int report_print_json(const struct report *report, FILE *out, struct err *err);
/* One file that needs no other: style and pictures are in it. */
void report_print_html(const struct report *report, FILE *out);

#endif
