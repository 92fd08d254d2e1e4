/* SPDX-License-Identifier: Apache-2.0 */
/* manual: see help.h. mdoc(7) from the tables; cmd/man/vrun.1.in is what is around it. */
#include "cmd/help.h"

#include <ctype.h>
#include <string.h>

/*
 * Text of ours as text of a page: a backslash begins an escape, and so does a
 * dot or quote at the beginning of a line. "`words`" are literal, as in --help.
 */
static void print_text(FILE *out, const char *text)
{
	bool line_start = true;

	for (; *text; text++) {
		/* mdoc(7): a sentence begins on a line of its own; not in examples, which hold none. */
		if (text[0] == ' ' && isupper((unsigned char)text[1]) && !line_start && text[-1] == '.') {
			fputc('\n', out);
			line_start = true;
			continue;
		}
		if (line_start && (*text == '.' || *text == '\''))
			fputs("\\&", out);
		line_start = *text == '\n';
		switch (*text) {
		case '\\':
			fputs("\\e", out);
			break;
		case '-':
			fputs("\\-", out);
			break;
		case '~':
			fputs("\\(ti", out);
			break;
		case '^':
			fputs("\\(ha", out);
			break;
		case '`':
			fputs("\\(ga", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

/* What is a phrase in --help is a sentence in a page. */
static void print_sentence(FILE *out, const char *text)
{
	char first[2] = { (char)toupper((unsigned char)*text), '\0' };

	print_text(out, first);
	print_text(out, text + 1);
	fputs(".\n", out);
}

static void print_option(FILE *out, const struct opt *o)
{
	fputs(".It ", out);
	if (o->letter)
		fprintf(out, "Fl %c , ", o->letter);
	fprintf(out, "Fl \\-%s", o->name);
	if (o->arg)
		fprintf(out, " Ar %s", o->arg);
	fputc('\n', out);
	print_sentence(out, o->help);
}

static void print_options(FILE *out, const struct opt *o)
{
	bool any = false;

	for (; o->name; o++) {
		if (!o->help)
			continue;
		if (!any)
			fputs(".Bl -tag -width Ds\n", out);
		any = true;
		print_option(out, o);
	}
	if (any)
		fputs(".El\n", out);
}

/* "ID COMMAND [ARGUMENT…]": Ar and Op. The ellipsis, U+2026, begins with byte 0xe2. */
static void print_words(FILE *out, const char *words)
{
	for (const char *blank = "."; *words; blank = " ") {
		bool optional = *words == '[';
		size_t len = strcspn(words + optional, " ]\xe2");

		fprintf(out, "%s%sAr %.*s", blank, optional ? "Op " : "", (int)len, words + optional);
		words += optional + len;
		if (!strncmp(words, "…", strlen("…"))) {
			fputs(" ...", out);
			words += strlen("…");
		}
		words += strspn(words, " ]");
	}
}

static void print_command(FILE *out, const struct command *c)
{
	fprintf(out, ".Ss %s\n.Nm\n.Op Ar option ...\n.Cm %s\n", c->name, c->name);
	if (c->opts[0].name)
		fputs(".Op Ar option ...\n", out);
	if (c->words[0]) {
		print_words(out, c->words);
		fputc('\n', out);
	}
	fputs(".Pp\n", out);
	print_sentence(out, c->summary);
	if (c->details) {
		print_text(out, c->details);
		fputc('\n', out);
	}
	print_options(out, c->opts);
	if (c->examples) {
		fputs(".Bd -literal -offset indent\n", out);
		print_text(out, c->examples);
		fputs("\n.Ed\n", out);
	}
}

void help_print_manual(FILE *out)
{
	fputs(".Sh OPTIONS\nThese come before the command:\n", out);
	print_options(out, global_opts);
	fputs(".Sh COMMANDS\n", out);
	for (const struct command *const *c = commands; *c; c++) {
		if (!(*c)->hidden)
			print_command(out, *c);
	}
}
