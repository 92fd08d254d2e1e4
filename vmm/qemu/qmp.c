/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qmp: see qmp.h.
 */
#include "vmm/qemu/qmp.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
	LINE_MAX_BYTES = 64 << 10,
	PENDING_MAX = 4, /* commands without a reply */
	BURST_MAX = 64, /* lines before the loop's other sources get their turn */
};

struct qmp {
	int sock;
	struct loop_source *source;
	const struct qmp_callbacks *callbacks;
	void *ctx;
	bool greeted, over;
	qmp_reply_fn pending[PENDING_MAX];
	unsigned n_pending;
	size_t len;
	char line[LINE_MAX_BYTES];
};

static void end(struct qmp *qmp, const char *why)
{
	if (qmp->over)
		return;
	qmp->over = true;
	loop_remove(TAKE_PTR(qmp->source));
	qmp->callbacks->broken(qmp->ctx, why);
}

static void handle_greeting(struct qmp *qmp, const struct json *root)
{
	const struct json *version = json_get(json_get(json_get(root, "QMP"), "version"), "qemu");
	uint64_t major, minor;

	if (!version || json_to_u64(json_get(version, "major"), 1000, &major, NULL) < 0 ||
	    json_to_u64(json_get(version, "minor"), 1000, &minor, NULL) < 0) {
		end(qmp, "no QMP greeting");
		return;
	}
	qmp->greeted = true;
	qmp->callbacks->greeted(qmp->ctx, (unsigned)major, (unsigned)minor);
}

static void handle_reply(struct qmp *qmp, const struct json *error)
{
	const char *text = NULL;
	qmp_reply_fn fn;

	if (qmp->n_pending == 0) {
		end(qmp, "a QMP reply that nobody asked for");
		return;
	}
	fn = qmp->pending[0];
	qmp->n_pending--;
	memmove(qmp->pending, qmp->pending + 1, qmp->n_pending * sizeof(qmp->pending[0]));
	if (error && json_to_string(json_get(error, "desc"), &text, NULL) < 0)
		text = "no reason given";
	if (fn)
		fn(qmp->ctx, text);
}

static void handle_line(struct qmp *qmp, const char *line, size_t len)
{
	_cleanup_json_doc_ struct json_doc *doc = NULL;
	const struct json *root;
	const char *event;

	if (json_parse(line, len, "QMP", &doc, NULL) < 0 || json_type(json_root(doc)) != JSON_OBJECT) {
		end(qmp, "a QMP line that is no JSON object");
		return;
	}
	root = json_root(doc);
	if (!qmp->greeted)
		handle_greeting(qmp, root);
	else if (json_get(root, "event") && json_to_string(json_get(root, "event"), &event, NULL) == 0)
		qmp->callbacks->event(qmp->ctx, event, json_get(root, "data"));
	else if (json_get(root, "error"))
		handle_reply(qmp, json_get(root, "error"));
	else if (json_get(root, "return"))
		handle_reply(qmp, NULL);
	else
		end(qmp, "an unknown QMP message");
}

/* Handle the whole lines that are there, keep the rest. False: a line is too long, or it is over. */
static bool handle_lines(struct qmp *qmp, unsigned *lines)
{
	size_t start = 0;
	const char *newline;

	while (!qmp->over && (newline = memchr(qmp->line + start, '\n', qmp->len - start))) {
		size_t next = (size_t)(newline - qmp->line) + 1;

		if (next - start > 2) /* more than "\r\n" */
			handle_line(qmp, qmp->line + start, next - start);
		start = next;
		(*lines)++;
	}
	memmove(qmp->line, qmp->line + start, qmp->len - start);
	qmp->len -= start;
	if (qmp->len == sizeof(qmp->line))
		end(qmp, "a QMP line that is too long");
	return !qmp->over;
}

void qmp_drain(struct qmp *qmp)
{
	unsigned lines = 0;
	ssize_t n;

	while (!qmp->over && lines < BURST_MAX) {
		n = recv(qmp->sock, qmp->line + qmp->len, sizeof(qmp->line) - qmp->len, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			end(qmp, NULL);
			return;
		}
		qmp->len += (size_t)n;
		if (!handle_lines(qmp, &lines))
			return;
	}
}

static void on_readable(void *ctx, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	qmp_drain(ctx);
}

int qmp_new(struct loop *loop, int take_sock, const struct qmp_callbacks *callbacks, void *ctx,
	    struct qmp **ret)
{
	_cleanup_close_ int sock = take_sock;
	struct qmp *qmp = calloc(1, sizeof(*qmp));
	int r;

	if (!qmp)
		return -ENOMEM;
	qmp->callbacks = callbacks;
	qmp->ctx = ctx;
	r = loop_add_fd(loop, sock, EPOLLIN, on_readable, qmp, &qmp->source);
	if (r < 0) {
		free(qmp);
		return r;
	}
	qmp->sock = TAKE_FD(sock);
	*ret = qmp;
	return 0;
}

void qmp_free(struct qmp *qmp)
{
	if (!qmp)
		return;
	loop_remove(qmp->source);
	close_fd(qmp->sock);
	free(qmp);
}

int qmp_command(struct qmp *qmp, const char *command, qmp_reply_fn fn)
{
	char text[128];
	int len;
	ssize_t n;

	if (qmp->over)
		return -ENOTCONN;
	if (qmp->n_pending == PENDING_MAX)
		return -ENOBUFS;
	len = snprintf(text, sizeof(text), "{\"execute\":\"%s\"}\n", command);
	n = send(qmp->sock, text, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n != len)
		return n < 0 ? -errno : -EIO;
	qmp->pending[qmp->n_pending++] = fn;
	return 0;
}
