/* SPDX-License-Identifier: Apache-2.0 */
/* report: see report.h. */
#include "cmd/compare/report.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

struct row *report_add(struct group *group, const char *key, const char *title, const char *note)
{
	struct row *row = &group->rows[group->n];

	assert(group->n < GROUP_ROWS_MAX);
	group->n++;
	*row = (struct row){ .key = key, .title = title, .note = note };
	return row;
}

void cell_text(struct cell *cell, enum mood mood, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cell->text, sizeof(cell->text), fmt, ap);
	va_end(ap);
	cell->mood = mood;
}

void cell_number(struct cell *cell, enum mood mood, double number)
{
	number_text(number, cell->text, sizeof(cell->text));
	cell->has_number = true;
	cell->number = number;
	cell->mood = mood;
}

double row_ratio(const struct row *row)
{
	const struct cell *ns = &row->cells[SIDE_NS], *vm = &row->cells[SIDE_VM];

	if (row->better == BETTER_NONE || !ns->has_number || !vm->has_number || ns->number <= 0)
		return 0;
	return vm->number / ns->number;
}

void number_text(double number, char *buf, size_t size)
{
	char plain[64];
	size_t len, digits, n = 0;
	double magnitude = number < 0 ? -number : number;
	int decimals;

	/* Three digits that mean something, as one measurement does not hold more. */
	if (magnitude >= 100 || magnitude == (double)(long)magnitude)
		decimals = 0;
	else if (magnitude >= 10)
		decimals = 1;
	else
		decimals = magnitude >= 0.1 ? 2 : 4;
	snprintf(plain, sizeof(plain), "%.*f", decimals, number);
	len = strcspn(plain, ".");
	digits = len - (plain[0] == '-');
	for (size_t i = 0; plain[i] && n + 2 < size; i++) {
		size_t left = len - i;

		if (i < len && i > 0 && left % 3 == 0 && digits > 3 && plain[i - 1] != '-')
			buf[n++] = ',';
		buf[n++] = plain[i];
	}
	buf[n] = '\0';
}
