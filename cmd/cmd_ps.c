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
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

static void print_head(void)
{
	printf("%-8s %7s %7s %2s %-5s %-8s %8s %s\n", "UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD");
}

/* As ps(1): the time of a process of today, the day of an older one. */
static void format_start(time_t start, time_t now, char buf[static 8])
{
	struct tm tm;

	localtime_r(&start, &tm);
	if (strftime(buf, 8, now - start < 24 * 3600 ? "%H:%M" : "%b%d", &tm) == 0)
		snprintf(buf, 8, "?");
}

/* proc(5), tty_nr; the kernel's devices.txt for the numbers. */
static void format_tty(unsigned long tty, char buf[static 16])
{
	unsigned major = tty >> 8 & 0xfff, minor = (tty & 0xff) | (tty >> 12 & 0xfff00);

	if (major >= 136 && major < 144)
		snprintf(buf, 16, "pts/%u", (major - 136) * 256 + minor);
	else if (major == 4)
		snprintf(buf, 16, minor < 64 ? "tty%u" : "ttyS%u", minor < 64 ? minor : minor - 64);
	else
		snprintf(buf, 16, "?");
}

/* As ps(1) of the host would have it: the host's name for it, or the number where that has no room. */
static void format_user(unsigned long long uid, char buf[static 24])
{
	const struct passwd *user = uid < (uid_t)-1 ? getpwuid((uid_t)uid) : NULL;

	if (user && strlen(user->pw_name) <= 8)
		snprintf(buf, 24, "%s", user->pw_name);
	else
		snprintf(buf, 24, "%llu", uid);
}

/* "PID PPID UID STARTED TTY SECONDS COMMAND", agent/ps.h; what is none of it is left out. */
static void print_line(const char *line)
{
	enum { PID, PPID, UID, STARTED, TTY, SECONDS, NUMBERS };
	unsigned long long n[NUMBERS];
	char user[24], start[8], tty[16];
	time_t now = time(NULL);
	long long age;

	for (int i = 0; i < NUMBERS; i++) {
		char *end;

		n[i] = strtoull(line, &end, 10);
		if (end == line || *end != ' ')
			return;
		line = end + 1;
	}
	/* A year that no calendar has would be the guest's lie. */
	if (n[STARTED] > (unsigned long long)now + 86400)
		n[STARTED] = (unsigned long long)now;
	age = (long long)((unsigned long long)now - n[STARTED]);
	format_start((time_t)n[STARTED], now, start);
	format_tty(n[TTY], tty);
	format_user(n[UID], user);
	printf("%-8s %7llu %7llu %2llu %-5s %-8s %02llu:%02llu:%02llu %s\n", user, n[PID], n[PPID],
	       age > 0 ? n[SECONDS] * 100 / (unsigned long long)age : 0, start, tty, n[SECONDS] / 3600,
	       n[SECONDS] / 60 % 60, n[SECONDS] % 60, line);
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
	print_head();
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
	if (call->n_words > 1 && strcmp(call->words[1], "-ef") != 0)
		return err_set(err, -ENOTSUP, "ps: \"%s\": the list is the guest's, ps(1)'s options don't apply",
			       call->words[1]);
	r = lookup_open(call->globals->root, call->words[0], false, &c, err);
	if (r < 0)
		return r;
	/* As runc: nobody is there. The VM of one that waits for its network boots at start. */
	if (c.status == STATUS_STOPPED || (msg.flag && c.status == STATUS_CREATED && c.state->net_waits)) {
		if (msg.flag)
			print_head();
		else
			puts("null");
		return 0;
	}
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
	.words = "ID [-ef]",
	.summary = "list a container's processes",
	.examples = "vrun ps web\n"
		    "vrun ps --format json web",
	.opts = opts,
	.opts_size = sizeof(struct options),
	.order = OPT_FIRST,
	.min_words = 1,
	.max_words = -1,
	.run = ps,
};
