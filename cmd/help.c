/* SPDX-License-Identifier: Apache-2.0 */
/* help: see help.h. The text for a person; completion.c and manual.c have the rest. */
#include "cmd/help.h"

#include "cmd/term.h"

#include <string.h>

enum help_value help_value_of(const char *name, size_t len)
{
	static const struct {
		const char *name;
		enum help_value value;
	} values[] = {
		{ "DIR", HELP_VALUE_DIR },   { "BUNDLE", HELP_VALUE_DIR }, { "FILE", HELP_VALUE_FILE },
		{ "PATH", HELP_VALUE_FILE }, { "ID", HELP_VALUE_ID },	   { "SIGNAL", HELP_VALUE_SIGNAL },
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (strlen(values[i].name) == len && !memcmp(values[i].name, name, len))
			return values[i].value;
	}
	return memchr(name, '|', len) ? HELP_VALUE_CHOICE : HELP_VALUE_ANY;
}

static void heading(FILE *out, const char *text)
{
	bool bold = term_colours(fileno(out));

	fprintf(out, "\n%s%s:%s\n", bold ? "\033[1m" : "", text, bold ? "\033[0m" : "");
}

void help_print(FILE *out)
{
	fprintf(out, "vrun runs OCI containers, each in a virtual machine of its own.\n\n"
		     "Usage: vrun [OPTION…] COMMAND [OPTION…] [WORD…]\n");
	heading(out, "Commands");
	for (const struct command *const *c = commands; *c; c++) {
		if (!(*c)->hidden)
			fprintf(out, "  %-12s%s\n", (*c)->name, (*c)->summary);
	}
	heading(out, "Options");
	opt_print_help(global_opts, out);
	heading(out, "Examples");
	fprintf(out, "  vrun check\n  vrun run build/bundle\n"
		     "\n`vrun COMMAND --help` tells more, and the manual page vrun(1) all of it.\n");
}

void help_print_command(const struct command *c, FILE *out)
{
	fprintf(out, "vrun %s: %s\n\nUsage: vrun [OPTION…] %s [OPTION…]%s%s\n", c->name, c->summary, c->name,
		c->words[0] ? " " : "", c->words);
	if (c->details)
		fprintf(out, "\n%s\n", c->details);
	heading(out, "Options");
	opt_print_help(c->opts, out);
	fprintf(out, "  -h, --help                  print this help\n");
	if (!c->examples)
		return;
	heading(out, "Examples");
	for (const char *line = c->examples; *line;) {
		size_t len = strcspn(line, "\n");

		fprintf(out, "  %.*s\n", (int)len, line);
		line += len + (line[len] == '\n');
	}
}
