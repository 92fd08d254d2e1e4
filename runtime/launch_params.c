/* SPDX-License-Identifier: Apache-2.0 */
/* launch_params: see launch_params.h. */
#include "runtime/launch_params.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"

#include <string.h>

struct field {
	const char *key;
	uint64_t *u64;
	uint32_t *u32;
	uint16_t *u16;
	bool *flag;
};

enum { FIELDS = 13 };

/* The members that are numbers or flags, in one table for both directions. */
static void fields_of(struct launch_params *p, struct field ret[static FIELDS])
{
	const struct field fields[FIELDS] = {
		{ .key = "terminal", .flag = &p->terminal },
		{ .key = "debug", .flag = &p->debug },
		{ .key = "logJson", .flag = &p->log_json },
		{ .key = "wait", .flag = &p->wait },
		{ .key = "stdinPort", .u32 = &p->stdio.stdin_port },
		{ .key = "stdoutPort", .u32 = &p->stdio.stdout_port },
		{ .key = "stderrPort", .u32 = &p->stdio.stderr_port },
		{ .key = "rows", .u16 = &p->stdio.rows },
		{ .key = "cols", .u16 = &p->stdio.cols },
		{ .key = "bootTimeout", .u32 = &p->boot_timeout },
		{ .key = "seccompFlags", .u32 = &p->seccomp_flags },
		{ .key = "begun", .u64 = &p->begun_ns },
		{ .key = "launched", .u64 = &p->launched_ns },
	};

	memcpy(ret, fields, sizeof(fields));
}

int launch_params_send(int sock, const struct launch_params *params)
{
	struct launch_params copy = *params;
	struct message msg = { .type = MESSAGE_LAUNCH };
	_cleanup_free_ char *text = NULL;
	struct field fields[FIELDS];
	unsigned present = 0;
	struct json_out *out;
	size_t len;
	int r;

	for (unsigned i = 0; i < LAUNCH_FDS; i++) {
		if (params->fds[i] < 0)
			continue;
		present |= 1U << i;
		msg.fds[msg.n_fds++] = params->fds[i];
	}
	r = json_out_new(false, &out);
	if (r < 0)
		return r;
	json_out_object(out);
	json_out_key(out, "id");
	json_out_string(out, params->id);
	json_put_u64(out, "fds", present);
	fields_of(&copy, fields);
	for (unsigned i = 0; i < FIELDS; i++) {
		const struct field *f = &fields[i];

		json_out_key(out, f->key);
		if (f->flag)
			json_out_bool(out, *f->flag);
		else
			json_out_u64(out, f->u64 ? *f->u64 : f->u32 ? *f->u32 : *f->u16);
	}
	json_out_object_end(out);
	r = json_out_finish(out, &text, &len);
	json_out_free(out);
	if (r < 0)
		return r;
	msg.text = text;
	return message_send(sock, &msg);
}

static int read_field(const struct json *root, const struct field *f, struct err *err)
{
	uint64_t max = f->u64 ? UINT64_MAX : f->u32 ? UINT32_MAX : UINT16_MAX;
	const struct json *node = json_get(root, f->key);
	uint64_t v;
	int r;

	if (!node)
		return err_set(err, -EINVAL, "%s is missing", f->key);
	if (f->flag)
		return json_to_bool(node, f->flag, err);
	r = json_to_u64(node, max, &v, err);
	if (r < 0)
		return r;
	if (f->u64)
		*f->u64 = v;
	else if (f->u32)
		*f->u32 = (uint32_t)v;
	else
		*f->u16 = (uint16_t)v;
	return 0;
}

static int read_fds(struct message *msg, uint64_t present, struct launch_params *p, struct err *err)
{
	size_t next = 0;

	for (unsigned i = 0; i < LAUNCH_FDS; i++) {
		if (present & (1U << i))
			p->fds[i] = message_take_fd(msg, next++);
		if (i < LAUNCH_FDS_NEEDED && p->fds[i] < 0)
			return err_set(err, -EINVAL, "descriptor %u is missing", i);
	}
	return 0;
}

static int read_params(struct message *msg, const struct json *root, struct launch_params *p, struct err *err)
{
	struct field fields[FIELDS];
	uint64_t present;
	const char *id;
	int r;

	if (!json_get(root, "id") || !json_get(root, "fds"))
		return err_set(err, -EINVAL, "id or fds is missing");
	r = json_to_u64(json_get(root, "fds"), (1U << LAUNCH_FDS) - 1, &present, err);
	if (r == 0)
		r = read_fds(msg, present, p, err);
	if (r == 0)
		r = json_to_string(json_get(root, "id"), &id, err);
	if (r < 0)
		return r;
	p->id = strdup(id);
	if (!p->id)
		return err_set(err, -ENOMEM, "out of memory");
	fields_of(p, fields);
	for (unsigned i = 0; i < FIELDS; i++) {
		r = read_field(root, &fields[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

int launch_params_read(struct message *msg, struct launch_params *ret, struct err *err)
{
	_cleanup_json_doc_ struct json_doc *doc = NULL;
	struct launch_params p = { .id = NULL };
	int r;

	for (unsigned i = 0; i < LAUNCH_FDS; i++)
		p.fds[i] = -EBADF;
	if (msg->type != MESSAGE_LAUNCH || !msg->text)
		return err_set(err, -EPROTO, "expected launch parameters");
	r = json_parse(msg->text, strlen(msg->text), "launch parameters", &doc, err);
	if (r == 0)
		r = read_params(msg, json_root(doc), &p, err);
	if (r < 0) {
		launch_params_done(&p);
		return err_wrap(err, r, "launch parameters");
	}
	*ret = p;
	return 0;
}

void launch_params_done(struct launch_params *params)
{
	free(params->id);
	params->id = NULL;
	for (unsigned i = 0; i < LAUNCH_FDS; i++)
		params->fds[i] = close_fd(params->fds[i]);
}
