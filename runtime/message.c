/* SPDX-License-Identifier: Apache-2.0 */
/* message: see message.h. */
#include "runtime/message.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"

#include <string.h>
#include <sys/socket.h>

/* Room for a text of which each byte is escaped as \u00xx. */
enum { PACKET_MAX = 6 * MESSAGE_TEXT_MAX + 1024 };

/* clang-format off: one a line */
static const char *const type_names[MESSAGE_TYPES] = {
	[MESSAGE_LAUNCH] = "launch", [MESSAGE_RELEASE] = "release", [MESSAGE_NET] = "net",
	[MESSAGE_START] = "start",   [MESSAGE_KILL] = "kill",	    [MESSAGE_EXEC] = "exec",
	[MESSAGE_PAUSE] = "pause",   [MESSAGE_RESUME] = "resume",   [MESSAGE_RESIZE] = "resize",
	[MESSAGE_PS] = "ps",	     [MESSAGE_CONSOLE] = "console", [MESSAGE_UPDATE] = "update",
	[MESSAGE_STATS] = "stats",   [MESSAGE_EVENTS] = "events",   [MESSAGE_OK] = "ok",
	[MESSAGE_ERROR] = "error",   [MESSAGE_CREATED] = "created", [MESSAGE_STARTED] = "started",
	[MESSAGE_EXITED] = "exited", [MESSAGE_OOM] = "oom",
};
/* clang-format on */

static void put_number(struct json_out *out, const char *key, int value)
{
	if (value == 0)
		return;
	json_put_i64(out, key, value);
}

static int encode(const struct message *msg, char **ret_text, size_t *ret_len)
{
	struct json_out *out;
	int r;

	r = json_out_new(false, &out);
	if (r < 0)
		return r;
	json_out_object(out);
	json_out_key(out, "type");
	json_out_string(out, type_names[msg->type]);
	put_number(out, "number", msg->number);
	put_number(out, "status", msg->status);
	put_number(out, "rows", msg->rows);
	put_number(out, "cols", msg->cols);
	if (msg->flag)
		json_put_bool(out, "flag", true);
	if (msg->text) {
		json_out_key(out, "text");
		json_out_string(out, msg->text);
	}
	json_out_object_end(out);
	r = json_out_finish(out, ret_text, ret_len);
	json_out_free(out);
	return r;
}

int message_send(int sock, const struct message *msg)
{
	_cleanup_free_ char *text = NULL;
	ssize_t sent;
	size_t len;
	int r;

	if (msg->n_fds > MESSAGE_FDS_MAX || (msg->text && strlen(msg->text) > MESSAGE_TEXT_MAX))
		return -E2BIG;
	r = encode(msg, &text, &len);
	if (r < 0)
		return r;
	sent = fd_send(sock, text, len, msg->fds, msg->n_fds);
	if (sent < 0)
		return (int)sent;
	return (size_t)sent == len ? 0 : -EIO;
}

int message_error_packet(int number, int status, const char *text, char *buf, size_t size)
{
	int head = snprintf(buf, size, "{\"type\":\"%s\",\"number\":%d,\"status\":%d,\"text\":\"",
			    type_names[MESSAGE_ERROR], number, status);
	size_t len = (size_t)head;

	if (head < 0 || len + strlen(text) + 2 >= size)
		return -EMSGSIZE;
	for (; *text; text++)
		buf[len++] = *text < ' ' || *text > '~' || *text == '"' || *text == '\\' ? '?' : *text;
	buf[len++] = '"';
	buf[len++] = '}';
	return (int)len;
}

static int read_number(const struct json *root, const char *key, int64_t min, int64_t max, int64_t *ret)
{
	const struct json *node = json_get(root, key);

	*ret = 0;
	if (!node)
		return 0;
	return json_to_i64(node, min, max, ret, NULL);
}

static int decode(const struct json *root, struct message *msg)
{
	int64_t number, status, rows, cols;
	const char *type, *text;

	if (!json_get(root, "type") || json_to_string(json_get(root, "type"), &type, NULL) < 0)
		return -EPROTO;
	for (msg->type = 0; msg->type < MESSAGE_TYPES; msg->type++) {
		if (!strcmp(type_names[msg->type], type))
			break;
	}
	if (msg->type == MESSAGE_TYPES)
		return -EPROTO;
	if (read_number(root, "number", INT32_MIN, INT32_MAX, &number) < 0 ||
	    read_number(root, "status", 0, 255, &status) < 0 ||
	    read_number(root, "rows", 0, UINT16_MAX, &rows) < 0 ||
	    read_number(root, "cols", 0, UINT16_MAX, &cols) < 0)
		return -EPROTO;
	msg->number = (int)number;
	msg->status = (int)status;
	msg->rows = (uint16_t)rows;
	msg->cols = (uint16_t)cols;
	if (json_get(root, "flag") && json_to_bool(json_get(root, "flag"), &msg->flag, NULL) < 0)
		return -EPROTO;
	if (json_get(root, "text")) {
		if (json_to_string(json_get(root, "text"), &text, NULL) < 0)
			return -EPROTO;
		if (strlen(text) > MESSAGE_TEXT_MAX)
			return -EPROTO;
		msg->text = strdup(text);
		if (!msg->text)
			return -ENOMEM;
	}
	return 0;
}

int message_recv(int sock, struct message *ret)
{
	_cleanup_free_ char *packet = malloc(PACKET_MAX + 1);
	_cleanup_json_doc_ struct json_doc *doc = NULL;
	struct message msg = { 0 };
	ssize_t n;
	int r;

	if (!packet)
		return -ENOMEM;
	/* One byte more than any packet of ours: what fills it is too long. */
	n = fd_recv(sock, packet, PACKET_MAX + 1, msg.fds, MESSAGE_FDS_MAX, &msg.n_fds);
	if (n < 0)
		return (int)n;
	r = n == 0 ? -ENODATA : n > PACKET_MAX ? -EPROTO : 0;
	if (r == 0 && json_parse(packet, (size_t)n, "message", &doc, NULL) < 0)
		r = -EPROTO;
	if (r == 0)
		r = decode(json_root(doc), &msg);
	if (r < 0) {
		message_done(&msg);
		return r;
	}
	*ret = msg;
	return 0;
}

void message_done(struct message *msg)
{
	free((char *)msg->text);
	for (size_t i = 0; i < msg->n_fds; i++)
		close_fd(msg->fds[i]);
	*msg = (struct message){ 0 };
}

int message_take_fd(struct message *msg, size_t i)
{
	return i < msg->n_fds ? TAKE_FD(msg->fds[i]) : -EBADF;
}
