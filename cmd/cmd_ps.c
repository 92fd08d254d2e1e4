/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ps: the container's processes. JSON has those of the host, as runc's does: vrun-vmm
 * and one for each exec. The table has the guest's, by the container's own numbers.
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "cmd/cmd.h"
#include "runtime/control.h"
#include "runtime/lookup.h"
#include "runtime/state.h"
#include "runtime/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { LIST_MAX = 1 << 20, ANSWER_MS = 30000 };

struct options {
	const char *format;
};

static const struct opt opts[] = {
	{ "format", 'f', OPT_STRING, offsetof(struct options, format), "table|json",
	  "table: the guest's processes; json: pids on the host" },
	OPT_END,
};

/* The words of vrun-vmm, which must be numbers. */
static void print_json(const struct lookup *c, const char *pids)
{
	printf("[%d", (int)c->state->pid);
	for (char *end; *pids; pids = end + (*end == ' ')) {
		unsigned long pid = strtoul(pids, &end, 10);

		if (end == pids)
			break;
		if (pid > 0 && pid <= INT32_MAX)
			printf(",%lu", pid);
	}
	printf("]\n");
}

static void print_line(char *line)
{
	const char *words[4];
	char *rest = line;

	for (int i = 0; i < 4; i++) {
		words[i] = strsep(&rest, " ");
		if (!rest)
			return;
	}
	printf("%-8s%-8s%-8s%8s %s\n", words[2], words[0], words[1], words[3], rest);
}

/* The guest's words once more: what vrun-vmm made of them may be a lie too. */
static int print_table(int fd, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[32], clean[1024];
	char *next, *line;
	int r;

	if (fd < 0)
		return err_set(err, -EPROTO, "vrun-vmm gave no list of processes");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = file_read(AT_FDCWD, path, LIST_MAX, &text, NULL);
	if (r < 0)
		return err_set_errno(err, r, "list of processes");
	printf("%-8s%-8s%-8s%8s %s\n", "UID", "PID", "PPID", "SECONDS", "COMMAND");
	for (next = text; (line = strsep(&next, "\n"));) {
		text_from_guest(line, strlen(line), clean, sizeof(clean));
		print_line(clean);
	}
	return 0;
}

static int ps(const struct cmd_call *call, struct err *err)
{
	const struct options *o = call->opts;
	struct message msg = { .type = MESSAGE_PS };
	_cleanup_lookup_ struct lookup c = LOOKUP_INIT;
	_cleanup_message_ struct message answer = { 0 };
	_cleanup_close_ int sock = -EBADF;
	int r;

	if (o->format && strcmp(o->format, "json") && strcmp(o->format, "table"))
		return err_set(err, -EINVAL, "invalid format option: \"%s\" is neither table nor json",
			       o->format);
	msg.flag = !o->format || !strcmp(o->format, "table");
	r = lookup_open(call->globals->root, call->words[0], false, &c, err);
	if (r < 0)
		return r;
	if (c.status == STATUS_STOPPED)
		return err_set(err, -ESRCH, "container not running");
	sock = lookup_connect(&c, ANSWER_MS, err);
	if (sock < 0)
		return sock;
	r = control_ask(sock, &msg, &answer, err);
	if (r < 0)
		return r;
	if (msg.flag)
		return print_table(answer.n_fds ? answer.fds[0] : -EBADF, err);
	print_json(&c, answer.text ? answer.text : "");
	return 0;
}

const struct command cmd_ps = {
	.name = "ps",
	.words = "ID",
	.summary = "list a container's processes",
	.examples = "vrun ps web\n"
		    "vrun ps --format json web",
	.opts = opts,
	.opts_size = sizeof(struct options),
	.min_words = 1,
	.max_words = 1,
	.run = ps,
};
