/* SPDX-License-Identifier: Apache-2.0 */
/*
 * completion: see help.h. One script a shell, from the same two tables.
 *
 * Theory of operation: each script finds the command among the words before the cursor,
 * then offers, in this order, the value of the option before the cursor, the
 * options of the command, or its next word. Option names and words hold no
 * character that a shell takes apart; texts for people are quoted by the
 * shell's own rule.
 */
#include "base/err.h"
#include "cmd/help.h"

#include <errno.h>
#include <string.h>

#define SIGNALS "HUP INT QUIT KILL USR1 USR2 TERM CONT STOP"

/* --- The words of a command: "[DIR] [ID]", "ID COMMAND [ARGUMENT…]" --- */

struct word {
	const char *name;
	size_t len;
	enum help_value value;
};

/* The next word of `*words`, which moves behind it; false at the end. */
static bool next_word(const char **words, struct word *ret)
{
	const char *p = *words + strspn(*words, " [");
	size_t len = strcspn(p, " ]");

	if (!len)
		return false;
	*words = p + len + strspn(p + len, "]");
	if (len > strlen("…") && !memcmp(p + len - strlen("…"), "…", strlen("…")))
		len -= strlen("…");
	*ret = (struct word){ p, len, help_value_of(p, len) };
	return true;
}

static enum help_value option_value(const struct opt *o)
{
	return o->arg ? help_value_of(o->arg, strlen(o->arg)) : HELP_VALUE_ANY;
}

/* "auto|kvm|qemu" with blanks. */
static void print_choices(FILE *out, const char *arg, size_t len)
{
	for (size_t i = 0; i < len; i++)
		fputc(arg[i] == '|' ? ' ' : arg[i], out);
}

/* A text in single quotes; `escape` is what a quote in it becomes. */
static void print_quoted(FILE *out, const char *text, const char *escape)
{
	fputc('\'', out);
	for (; *text; text++) {
		if (*text == '\'')
			fputs(escape, out);
		else
			fputc(*text, out);
	}
	fputc('\'', out);
}

/* --- bash --- */

static void bash_value(FILE *out, enum help_value value, const char *arg, size_t len)
{
	switch (value) {
	case HELP_VALUE_CHOICE:
		fputs("_vrun_words '", out);
		print_choices(out, arg, len);
		fputs("'", out);
		break;
	case HELP_VALUE_DIR:
		fputs("_vrun_paths -d", out);
		break;
	case HELP_VALUE_FILE:
		fputs("_vrun_paths -f", out);
		break;
	case HELP_VALUE_ID:
		fputs("_vrun_words \"$(command vrun \"${root[@]}\" list --quiet 2>/dev/null)\"", out);
		break;
	case HELP_VALUE_SIGNAL:
		fputs("_vrun_words '" SIGNALS "'", out);
		break;
	case HELP_VALUE_ANY:
		fputs(":", out);
		break;
	}
	fputs(" ;;\n", out);
}

static void bash_option_values(FILE *out, const char *command, const struct opt *o)
{
	for (; o->name; o++) {
		if (!o->help || o->type == OPT_FLAG)
			continue;
		fprintf(out, "\t'%s --%s'", command, o->name);
		if (o->letter)
			fprintf(out, " | '%s -%c'", command, o->letter);
		fputs(") ", out);
		bash_value(out, option_value(o), o->arg, strlen(o->arg));
	}
}

static void bash_option_names(FILE *out, const char *command, const struct opt *o)
{
	fprintf(out, "\t'%s') _vrun_words '", command);
	for (; o->name; o++) {
		if (o->help)
			fprintf(out, "--%s ", o->name);
	}
	/* The global table has its own --help. */
	fprintf(out, "%s' ;;\n", command[0] ? "--help" : "");
}

static void bash_words(FILE *out, const struct command *c)
{
	const char *words = c->words;
	struct word w;

	for (int i = 0; next_word(&words, &w); i++) {
		fprintf(out, "\t'%s %d') ", c->name, i);
		bash_value(out, w.value, w.name, w.len);
	}
}

/* The options of a table that take a value, as patterns of a case. */
static void bash_taking(FILE *out, const struct opt *o)
{
	for (const char *bar = ""; o->name; o++) {
		if (o->type == OPT_FLAG)
			continue;
		fprintf(out, "%s--%s", bar, o->name);
		bar = " | ";
	}
}

static void bash_print(FILE *out)
{
	fputs("# bash completion for vrun, made by `vrun completion bash`.\n"
	      "_vrun_words() {\n\tmapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\")\n}\n"
	      "_vrun_paths() {\n\tmapfile -t COMPREPLY < <(compgen \"$1\" -- \"$cur\")\n"
	      "\tcompopt -o filenames 2>/dev/null || :\n}\n"
	      "_vrun() {\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
	      "\tlocal command='' word n=0 i root=()\n"
	      "\tCOMPREPLY=()\n"
	      "\t# bash takes --name=value apart at the \"=\"\n"
	      "\tif [ \"$cur\" = = ]; then\n\t\tcur=\n"
	      "\telif [ \"$prev\" = = ]; then\n\t\tprev=${COMP_WORDS[COMP_CWORD - 2]}\n\tfi\n"
	      "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	      "\t\tword=${COMP_WORDS[i]}\n"
	      "\t\tcase $word in\n\t\t",
	      out);
	bash_taking(out, global_opts);
	fputs(")\n"
	      "\t\t\t[ \"${COMP_WORDS[i + 1]}\" != = ] || ((i++))\n"
	      "\t\t\t((i++))\n"
	      "\t\t\t[ \"$word\" != --root ] || root=(--root \"${COMP_WORDS[i]}\") ;;\n"
	      "\t\t-*) ;;\n"
	      "\t\t*) command=$word; break ;;\n"
	      "\t\tesac\n\tdone\n"
	      "\tcase \"$command $prev\" in\n",
	      out);
	bash_option_values(out, "", global_opts);
	for (const struct command *const *c = commands; *c; c++) {
		if (!(*c)->hidden)
			bash_option_values(out, (*c)->name, (*c)->opts);
	}
	fputs("\t*) false ;;\n\tesac && return\n"
	      "\tcase $cur in\n\t-*)\n\t\tcase $command in\n",
	      out);
	bash_option_names(out, "", global_opts);
	for (const struct command *const *c = commands; *c; c++) {
		if (!(*c)->hidden)
			bash_option_names(out, (*c)->name, (*c)->opts);
	}
	fputs("\t\tesac\n\t\treturn ;;\n\tesac\n"
	      "\tif [ -z \"$command\" ]; then\n\t\t_vrun_words '",
	      out);
	for (const struct command *const *c = commands; *c; c++) {
		if (!(*c)->hidden)
			fprintf(out, "%s ", (*c)->name);
	}
	fputs("help'\n\t\treturn\n\tfi\n"
	      "\t# how many words of the command come before this one\n"
	      "\tfor ((i++; i < COMP_CWORD; i++)); do\n"
	      "\t\tcase \"$command ${COMP_WORDS[i]}\" in\n",
	      out);
	for (const struct command *const *c = commands; *c; c++) {
		for (const struct opt *o = (*c)->opts; !(*c)->hidden && o->name; o++) {
			if (o->type == OPT_FLAG)
				continue;
			fprintf(out, "\t\t'%s --%s'", (*c)->name, o->name);
			if (o->letter)
				fprintf(out, " | '%s -%c'", (*c)->name, o->letter);
			fputs(") [ \"${COMP_WORDS[i + 1]}\" != = ] || ((i++)); ((i++)) ;;\n", out);
		}
	}
	fputs("\t\t*' '-*) ;;\n\t\t*) ((n++)) ;;\n\t\tesac\n\tdone\n"
	      "\tcase \"$command $n\" in\n",
	      out);
	for (const struct command *const *c = commands; *c; c++) {
		if (!(*c)->hidden)
			bash_words(out, *c);
	}
	fputs("\tesac\n}\ncomplete -F _vrun vrun\n", out);
}

/* --- zsh --- */

static void zsh_value(FILE *out, enum help_value value, const char *arg, size_t len)
{
	/* _arguments reads "message:action"; names hold no colon. */
	fputc(':', out);
	if (value == HELP_VALUE_CHOICE)
		fputs("choice", out);
	else
		fprintf(out, "%.*s", (int)len, arg);
	fputc(':', out);
	switch (value) {
	case HELP_VALUE_CHOICE:
		fputc('(', out);
		print_choices(out, arg, len);
		fputc(')', out);
		break;
	case HELP_VALUE_DIR:
		fputs("_files -/", out);
		break;
	case HELP_VALUE_FILE:
		fputs("_files", out);
		break;
	case HELP_VALUE_ID:
		fputs("_vrun_ids", out);
		break;
	case HELP_VALUE_SIGNAL:
		fputs("(" SIGNALS ")", out);
		break;
	case HELP_VALUE_ANY:
		break;
	}
}

/* "[text]" inside single quotes: brackets and backslashes are escaped for _arguments. */
static void zsh_text(FILE *out, const char *text)
{
	fputc('[', out);
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", out);
		else if (strchr("[]\\:", *text))
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
	}
	fputc(']', out);
}

static void zsh_options(FILE *out, const struct opt *o)
{
	for (; o->name; o++) {
		const char *star = o->type == OPT_LIST ? "*" : "";

		if (!o->help)
			continue;
		for (int letter = 0; letter <= (o->letter != 0); letter++) {
			if (letter)
				fprintf(out, " \\\n\t\t\t'%s-%c%s", star, o->letter,
					o->type == OPT_FLAG ? "" : "+");
			else
				fprintf(out, " \\\n\t\t\t'%s--%s%s", star, o->name,
					o->type == OPT_FLAG ? "" : "=");
			zsh_text(out, o->help);
			if (o->type != OPT_FLAG)
				zsh_value(out, option_value(o), o->arg, strlen(o->arg));
			fputc('\'', out);
		}
	}
}

static void zsh_command(FILE *out, const struct command *c)
{
	const char *words = c->words;
	struct word w;

	fprintf(out, "\t\t%s)\n\t\t\t_arguments -S", c->name);
	zsh_options(out, c->opts);
	fputs(" \\\n\t\t\t'(-h --help)'{-h,--help}'[print this help]'", out);
	for (int i = 1; next_word(&words, &w); i++) {
		fprintf(out, " \\\n\t\t\t'%d:", i);
		zsh_value(out, w.value, w.name, w.len);
		fputc('\'', out);
	}
	fputs(" ;;\n", out);
}

static void zsh_print(FILE *out)
{
	fputs("#compdef vrun\n# zsh completion for vrun, made by `vrun completion zsh`.\n"
	      "_vrun_ids() {\n\tlocal -a ids\n"
	      "\tids=(${(f)\"$(command vrun ${opt_args[--root]:+--root=${opt_args[--root]}} list --quiet 2>/dev/null)\"})\n"
	      "\tcompadd -a ids\n}\n"
	      "_vrun() {\n\tlocal context state line\n\tlocal -A opt_args\n\tlocal -a verbs\n"
	      "\t_arguments -C -S",
	      out);
	zsh_options(out, global_opts);
	fputs(" \\\n\t\t\t'1: :->command' '*:: :->words'\n"
	      "\tcase $state in\n\tcommand)\n\t\tverbs=(",
	      out);
	for (const struct command *const *c = commands; *c; c++) {
		if ((*c)->hidden)
			continue;
		fprintf(out, "\n\t\t\t%s:", (*c)->name);
		print_quoted(out, (*c)->summary, "'\\''");
	}
	fputs("\n\t\t)\n\t\t_describe command verbs ;;\n\twords)\n\t\tcase $words[1] in\n", out);
	for (const struct command *const *c = commands; *c; c++) {
		if (!(*c)->hidden)
			zsh_command(out, *c);
	}
	fputs("\t\tesac ;;\n\tesac\n}\nif [ \"$funcstack[1]\" = _vrun ]; then _vrun \"$@\"; else compdef _vrun vrun; fi\n",
	      out);
}

/* --- fish --- */

static void fish_value(FILE *out, enum help_value value, const char *arg, size_t len)
{
	switch (value) {
	case HELP_VALUE_CHOICE:
		fputs(" -a '", out);
		print_choices(out, arg, len);
		fputs("'", out);
		break;
	case HELP_VALUE_DIR:
		fputs(" -a '(__fish_complete_directories)'", out);
		break;
	case HELP_VALUE_FILE:
		fputs(" -F", out);
		break;
	case HELP_VALUE_ID:
		fputs(" -a '(command vrun list --quiet 2>/dev/null)'", out);
		break;
	case HELP_VALUE_SIGNAL:
		fputs(" -a '" SIGNALS "'", out);
		break;
	case HELP_VALUE_ANY:
		break;
	}
}

static void fish_options(FILE *out, const char *condition, const struct opt *o)
{
	for (; o->name; o++) {
		if (!o->help)
			continue;
		fprintf(out, "complete -c vrun -n '%s' -l %s", condition, o->name);
		if (o->letter)
			fprintf(out, " -s %c", o->letter);
		if (o->type != OPT_FLAG) {
			/* -x: files are no values of it */
			fputs(option_value(o) == HELP_VALUE_FILE ? " -r" : " -x", out);
			fish_value(out, option_value(o), o->arg, strlen(o->arg));
		}
		fputs(" -d ", out);
		print_quoted(out, o->help, "\\'");
		fputc('\n', out);
	}
}

static void fish_command(FILE *out, const struct command *c)
{
	const char *words = c->words;
	char condition[128];
	struct word w;

	fprintf(out, "complete -c vrun -n __fish_use_subcommand -a %s -d ", c->name);
	print_quoted(out, c->summary, "\\'");
	fputc('\n', out);
	snprintf(condition, sizeof(condition), "__fish_seen_subcommand_from %s", c->name);
	fish_options(out, condition, c->opts);
	fprintf(out, "complete -c vrun -n '%s' -l help -s h -d 'print this help'\n", condition);
	while (next_word(&words, &w)) {
		if (w.value == HELP_VALUE_ANY)
			continue;
		fprintf(out, "complete -c vrun -n '%s'", condition);
		fish_value(out, w.value, w.name, w.len);
		fputc('\n', out);
	}
}

static void fish_print(FILE *out)
{
	fputs("# fish completion for vrun, made by `vrun completion fish`.\ncomplete -c vrun -f\n", out);
	fish_options(out, "__fish_use_subcommand", global_opts);
	for (const struct command *const *c = commands; *c; c++) {
		if (!(*c)->hidden)
			fish_command(out, *c);
	}
}

int help_print_completion(const char *shell, FILE *out)
{
	if (!strcmp(shell, "bash"))
		bash_print(out);
	else if (!strcmp(shell, "zsh"))
		zsh_print(out);
	else if (!strcmp(shell, "fish"))
		fish_print(out);
	else
		return -EINVAL;
	return 0;
}
