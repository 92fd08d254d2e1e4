/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent_proto: the JSON payloads of the agent protocol, by the same tables as
 * config.json that they carry.
 */
#include "oci/agent_proto.h"

#include "base/cleanup.h"
#include "oci/spec_schema.h"

#include <string.h>

/* --- a struct behind a pointer --- */

static int pointer_parse(const struct spec_field *f, const struct json *node, void *base, struct err *err)
{
	void **field = spec_at(base, f->offset);

	*field = calloc(1, f->schema->size);
	return *field ? spec_schema_parse(f->schema, node, *field, err) : spec_no_memory(err);
}

static bool pointer_present(const struct spec_field *f, const void *base)
{
	return *(void *const *)spec_const_at(base, f->offset) != NULL;
}

static void pointer_write(const struct spec_field *f, struct json_out *out, const void *base)
{
	spec_schema_write(f->schema, out, *(void *const *)spec_const_at(base, f->offset));
}

static void pointer_free(const struct spec_field *f, void *base)
{
	void **field = spec_at(base, f->offset);

	if (*field)
		spec_schema_free(f->schema, *field);
	free(*field);
	*field = NULL;
}

static const struct spec_type spec_pointer = {
	.parse = pointer_parse,
	.present = pointer_present,
	.write = pointer_write,
	.free = pointer_free,
};

/* --- the messages --- */

static const struct spec_field stdio_fields[] = {
	SPEC_FIELD("stdinPort", agent_stdio, stdin_port, u32),
	SPEC_FIELD("stdoutPort", agent_stdio, stdout_port, u32),
	SPEC_FIELD("stderrPort", agent_stdio, stderr_port, u32),
	SPEC_FIELD("rows", agent_stdio, rows, u16),
	SPEC_FIELD("cols", agent_stdio, cols, u16),
	{ 0 },
};

static const struct spec_schema stdio_schema = { .fields = stdio_fields };

static const struct spec_field create_fields[] = {
	SPEC_FIELD("config", agent_create, config, pointer, .flags = SPEC_REQUIRED,
		   .schema = &oci_spec_schema),
	SPEC_FIELD("stdio", agent_create, stdio, object, .schema = &stdio_schema),
	SPEC_FIELD("start", agent_create, start, bool),
	SPEC_FIELD("network", agent_create, network, pointer, .schema = &guest_net_schema),
	{ 0 },
};

static const struct spec_schema create_schema = { .fields = create_fields };

static const struct spec_field exec_fields[] = {
	SPEC_FIELD("process", agent_exec, process, pointer, .flags = SPEC_REQUIRED,
		   .schema = &oci_process_schema),
	SPEC_FIELD("stdio", agent_exec, stdio, object, .schema = &stdio_schema),
	SPEC_FIELD("cgroup", agent_exec, cgroup, string),
	{ 0 },
};

static const struct spec_schema exec_schema = { .fields = exec_fields };

static const struct spec_field update_fields[] = {
	SPEC_FIELD("resources", agent_update, resources, pointer, .flags = SPEC_REQUIRED,
		   .schema = &oci_resources_schema),
	{ 0 },
};

static const struct spec_schema update_schema = { .fields = update_fields };

static int message_write(const struct spec_schema *schema, const void *msg, char **ret_text, size_t *ret_len)
{
	struct json_out *out;
	int r = json_out_new(false, &out);

	if (r < 0)
		return r;
	spec_schema_write(schema, out, msg);
	r = json_out_finish(out, ret_text, ret_len);
	json_out_free(out);
	return r;
}

/* `msg` is zero; on failure it holds parts. */
static int message_parse(const struct spec_schema *schema, const char *what, const char *text, size_t len,
			 void *msg, struct err *err)
{
	_cleanup_json_doc_ struct json_doc *doc = NULL;
	int r = json_parse(text, len, what, &doc, err);

	return r < 0 ? r : spec_schema_parse(schema, json_root(doc), msg, err);
}

int agent_create_write(const struct agent_create *msg, char **ret_text, size_t *ret_len)
{
	return message_write(&create_schema, msg, ret_text, ret_len);
}

int agent_create_parse(const char *text, size_t len, struct agent_create *ret, struct err *err)
{
	struct agent_create msg = { 0 };
	int r = message_parse(&create_schema, "create message", text, len, &msg, err);

	if (r < 0)
		agent_create_done(&msg);
	else
		*ret = msg;
	return r;
}

void agent_create_done(struct agent_create *msg)
{
	if (msg)
		spec_schema_free(&create_schema, msg);
}

int agent_exec_write(const struct agent_exec *msg, char **ret_text, size_t *ret_len)
{
	return message_write(&exec_schema, msg, ret_text, ret_len);
}

int agent_exec_parse(const char *text, size_t len, struct agent_exec *ret, struct err *err)
{
	struct agent_exec msg = { 0 };
	int r = message_parse(&exec_schema, "exec message", text, len, &msg, err);

	if (r < 0)
		agent_exec_done(&msg);
	else
		*ret = msg;
	return r;
}

void agent_exec_done(struct agent_exec *msg)
{
	if (msg)
		spec_schema_free(&exec_schema, msg);
}

int agent_update_write(const struct agent_update *msg, char **ret_text, size_t *ret_len)
{
	return message_write(&update_schema, msg, ret_text, ret_len);
}

int agent_update_parse(const char *text, size_t len, struct agent_update *ret, struct err *err)
{
	struct agent_update msg = { 0 };
	int r = message_parse(&update_schema, "update message", text, len, &msg, err);

	if (r < 0) {
		agent_update_done(&msg);
		return r;
	}
	/* Where it is a member of linux, its presence is noted by that. */
	msg.resources->has = true;
	*ret = msg;
	return 0;
}

void agent_update_done(struct agent_update *msg)
{
	if (msg)
		spec_schema_free(&update_schema, msg);
}
