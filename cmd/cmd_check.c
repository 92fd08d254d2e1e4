/* SPDX-License-Identifier: Apache-2.0 */
/* check: what this machine offers, as a table or JSON; status 0 when some engine works. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "cmd/cmd.h"
#include "cmd/term.h"
#include "runtime/check.h"
#include "runtime/config.h"

#include <string.h>

struct options {
	const char *format;
};

static const struct opt opts[] = {
	{ "format", 'f', OPT_STRING, offsetof(struct options, format), "table|json", "how it looks (table)" },
	OPT_END,
};

static const char *const result_words[] = {
	[CHECK_OK] = "ok", [CHECK_NOTE] = "note", [CHECK_MISSING] = "missing"
};

static void print_table(const struct check_report *report)
{
	static const char *const colours[] = {
		[CHECK_OK] = "\033[32m", [CHECK_NOTE] = "\033[36m", [CHECK_MISSING] = "\033[33m"
	};
	bool coloured = term_colours(STDOUT_FILENO);

	for (size_t i = 0; i < report->n; i++) {
		const struct check_row *row = &report->rows[i];

		printf("%s%-8s%s%-17s%s\n", coloured ? colours[row->result] : "", result_words[row->result],
		       coloured ? "\033[0m" : "", row->title, row->value);
		if (row->mend[0])
			printf("%-25s-> %s\n", "", row->mend);
	}
	printf("\nengine: %s\n", report->why);
}

static int print_json(const struct check_report *report, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct json_out *out;
	int r;

	r = json_out_new(true, &out);
	if (r < 0)
		return err_set(err, r, "out of memory");
	json_out_object(out);
	json_out_key(out, "engine");
	json_out_string(out, vm_engine_name(report->engine));
	json_put_bool(out, "works", report->engine == VM_ENGINE_KVM ? report->kvm_works : report->qemu_works);
	json_out_key(out, "why");
	json_out_string(out, report->why);
	json_out_key(out, "checks");
	json_out_array(out);
	for (size_t i = 0; i < report->n; i++) {
		const struct check_row *row = &report->rows[i];

		json_out_object(out);
		json_out_key(out, "name");
		json_out_string(out, row->key);
		json_out_key(out, "result");
		json_out_string(out, result_words[row->result]);
		json_out_key(out, "found");
		json_out_string(out, row->value);
		if (row->mend[0]) {
			json_out_key(out, "mend");
			json_out_string(out, row->mend);
		}
		json_out_object_end(out);
	}
	json_out_array_end(out);
	json_out_object_end(out);
	r = json_out_finish(out, &text, NULL);
	json_out_free(out);
	if (r < 0)
		return err_set(err, r, "out of memory");
	puts(text);
	return 0;
}

static int run(const struct cmd_call *call, struct err *err)
{
	const struct options *o = call->opts;
	const char *path = call->globals->config ? call->globals->config : CONFIG_PATH_DEFAULT;
	_cleanup_config_ struct config config;
	struct check_report report;
	int r;

	if (o->format && strcmp(o->format, "table") && strcmp(o->format, "json"))
		return err_set(err, -EINVAL, "check: unknown format \"%s\": table or json", o->format);
	config_init(&config);
	r = config_read_file(&config, path, call->globals->config, err);
	if (r < 0)
		return r;
	check_run(&config, &report);
	if (o->format && !strcmp(o->format, "json")) {
		r = print_json(&report, err);
		if (r < 0)
			return r;
	} else {
		print_table(&report);
	}
	return report.kvm_works || report.qemu_works ? 0 : 1;
}

const struct command cmd_check = {
	.name = "check",
	.words = "",
	.summary = "tell what this machine offers, and which engine runs the VMs",
	.details =
		"Each row that is missing something names the command that mends it. The exit status is 0\n"
		"when an engine works.",
	.examples = "vrun check\n"
		    "vrun check --format json",
	.opts = opts,
	.opts_size = sizeof(struct options),
	.run = run,
};
