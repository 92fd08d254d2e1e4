/* SPDX-License-Identifier: Apache-2.0 */
/* print_json: a report for programs. See report.h. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "cmd/compare/report.h"

#include <errno.h>

static const char *const side_keys[] = { [SIDE_NS] = "namespaces", [SIDE_VM] = "vm" };

static void write_text(struct json_out *out, const char *key, const char *value)
{
	json_out_key(out, key);
	json_out_string(out, value);
}

static void write_row(struct json_out *out, const struct row *row)
{
	json_out_key(out, row->key);
	json_out_object(out);
	write_text(out, "title", row->title);
	if (row->note)
		write_text(out, "how", row->note);
	if (row->unit)
		write_text(out, "unit", row->unit);
	for (int s = 0; s < SIDES; s++) {
		const struct cell *cell = &row->cells[s];

		json_out_key(out, side_keys[s]);
		if (cell->has_number)
			json_out_double(out, cell->number);
		else
			json_out_string(out, cell->text[0] ? cell->text : NULL);
	}
	if (row_ratio(row) > 0) {
		json_out_key(out, "ratio");
		json_out_double(out, row_ratio(row));
	}
	json_out_object_end(out);
}

int report_print_json(const struct report *report, FILE *out_file, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct json_out *out;
	int r;

	if (json_out_new(true, &out) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	json_out_object(out);
	write_text(out, "bundle", report->bundle);
	write_text(out, "date", report->date);
	json_out_key(out, "seconds");
	json_out_double(out, report->seconds);
	for (int s = 0; s < SIDES; s++)
		write_text(out, side_keys[s], report->names[s]);
	write_text(out, "engine", report->engine);
	write_text(out, "host_kernel", report->host_kernel);
	write_text(out, "guest_kernel", report->guest_kernel);
	write_text(out, "processor", report->cpu);
	for (size_t g = 0; g < REPORT_GROUPS; g++) {
		if (!report->groups[g].n)
			continue;
		json_out_key(out, report->groups[g].key);
		json_out_object(out);
		for (size_t i = 0; i < report->groups[g].n; i++)
			write_row(out, &report->groups[g].rows[i]);
		json_out_object_end(out);
	}
	json_out_object_end(out);
	r = json_out_finish(out, &text, NULL);
	json_out_free(out);
	if (r < 0)
		return err_set(err, r, "out of memory");
	fprintf(out_file, "%s\n", text);
	return 0;
}
