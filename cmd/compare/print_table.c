/* SPDX-License-Identifier: Apache-2.0 */
/* print_table: a report for a terminal, or a file that a person reads. See report.h. */
#include "cmd/compare/report.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WIDTH_DEFAULT = 110, WIDTH_MIN = 60, WIDTH_MAX = 160, RATIO_WIDTH = 9 };

/* Bytes of the first `columns` characters, cut at a blank where there is one; UTF-8 is not torn. */
static size_t cut(const char *text, size_t columns, size_t *ret_shown)
{
	size_t bytes = 0, shown = 0, blank = 0, blank_shown = 0;

	while (text[bytes] && shown < columns) {
		if (text[bytes] == ' ' && bytes) {
			blank = bytes;
			blank_shown = shown;
		}
		bytes++;
		while (((unsigned char)text[bytes] & 0xc0) == 0x80)
			bytes++;
		shown++;
	}
	if (text[bytes] && text[bytes] != ' ' && blank) {
		bytes = blank;
		shown = blank_shown;
	}
	*ret_shown = shown;
	return bytes;
}

static size_t terminal_width(FILE *out)
{
	struct winsize ws;
	size_t width = WIDTH_DEFAULT;

	if (ioctl(fileno(out), TIOCGWINSZ, &ws) == 0 && ws.ws_col)
		width = ws.ws_col;
	return width < WIDTH_MIN ? WIDTH_MIN : width > WIDTH_MAX ? WIDTH_MAX : width;
}

/* A row as many lines as its longest cell needs. */
static void print_cells(const char *const *texts, const char *const *colours, const size_t *widths, size_t n,
			FILE *out)
{
	const char *rest[4];
	bool more;

	for (size_t i = 0; i < n; i++)
		rest[i] = texts[i];
	do {
		size_t gap = 0;

		more = false;
		for (size_t i = 0; i < n; i++) {
			size_t shown, bytes = cut(rest[i], widths[i] - 2, &shown);

			/* The blanks come before a word, never behind the last one of a line. */
			if (bytes) {
				fprintf(out, "%*s%s%.*s%s", (int)gap, "", colours[i], (int)bytes, rest[i],
					colours[i][0] ? "\033[0m" : "");
				gap = 0;
			}
			gap += widths[i] - shown;
			rest[i] += bytes;
			while (*rest[i] == ' ')
				rest[i]++;
			more |= *rest[i] != '\0';
		}
		fputc('\n', out);
	} while (more);
}

static void print_row(const struct row *row, const size_t *widths, bool colours, FILE *out)
{
	static const char *const moods[] = {
		[MOOD_PLAIN] = "", [MOOD_APART] = "\033[32m", [MOOD_SHARED] = "\033[33m"
	};
	char cells[SIDES][256], ratio[32] = "";
	const char *texts[] = { row->title, cells[SIDE_NS], cells[SIDE_VM], ratio };
	const char *paint[] = { "", "", "", "" };

	for (int s = 0; s < SIDES; s++) {
		const struct cell *cell = &row->cells[s];

		snprintf(cells[s], sizeof(cells[s]), "%s%s%s", cell->text[0] ? cell->text : "-",
			 cell->has_number && row->unit ? " " : "",
			 cell->has_number && row->unit ? row->unit : "");
		paint[1 + s] = colours ? moods[cell->mood] : "";
	}
	if (row_ratio(row) > 0) {
		number_text(row_ratio(row), ratio, sizeof(ratio));
		strcat(ratio, "×");
	}
	print_cells(texts, paint, widths, 4, out);
}

static bool has_ratio(const struct group *group)
{
	for (size_t i = 0; i < group->n; i++) {
		if (row_ratio(&group->rows[i]) > 0)
			return true;
	}
	return false;
}

void report_print_table(const struct report *report, bool colours, FILE *out)
{
	size_t width = terminal_width(out);
	size_t title = width / 4 < 24 ? 24 : width / 4;
	size_t cell = (width - title - RATIO_WIDTH) / 2;
	const size_t widths[] = { title, cell, cell, RATIO_WIDTH };
	const char *bold = colours ? "\033[1m" : "";
	const char *const heads[] = { bold, bold, bold, bold };

	for (size_t g = 0; g < REPORT_GROUPS; g++) {
		const struct group *group = &report->groups[g];
		const char *const names[] = { group->title, report->names[SIDE_NS], report->names[SIDE_VM],
					      has_ratio(group) ? "ratio" : "" };

		if (!group->n)
			continue;
		print_cells(names, heads, widths, 4, out);
		for (size_t i = 0; i < group->n; i++)
			print_row(&group->rows[i], widths, colours, out);
		fputc('\n', out);
	}
	fprintf(out, "%s on %s; %s; %.0f s\n", report->bundle, report->cpu, report->engine, report->seconds);
}
