/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec_process: config.json's `process` (config.md, "Process").
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "oci/spec_schema.h"

#include <string.h>
#include <sys/resource.h>

/* --- rlimits --- */

static const struct {
	const char *name;
	int resource;
} rlimit_names[] = {
	{ "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
};

static int rlimit_check(const struct json *node, void *obj, struct err *err)
{
	struct oci_rlimit *rlimit = obj;

	if (rlimit->soft > rlimit->hard)
		return json_error(json_get(node, "soft"), err, "must not be above the hard limit");
	for (size_t i = 0; i < ARRAY_SIZE(rlimit_names); i++) {
		if (!strcmp(rlimit_names[i].name, rlimit->type)) {
			rlimit->resource = rlimit_names[i].resource;
			return 0;
		}
	}
	return json_error(json_get(node, "type"), err, "unknown value \"%.200s\"", rlimit->type);
}

static const struct spec_field rlimit_fields[] = {
	SPEC_FIELD("type", oci_rlimit, type, string, .flags = SPEC_REQUIRED),
	SPEC_FIELD("soft", oci_rlimit, soft, u64, .flags = SPEC_REQUIRED),
	SPEC_FIELD("hard", oci_rlimit, hard, u64, .flags = SPEC_REQUIRED),
	{ 0 },
};

static const struct spec_schema rlimit_schema = {
	.size = sizeof(struct oci_rlimit),
	.fields = rlimit_fields,
	.check = rlimit_check,
};

/* --- user, priorities --- */

static const struct spec_field user_fields[] = {
	SPEC_FIELD("uid", oci_user, uid, u32, .flags = SPEC_ALWAYS),
	SPEC_FIELD("gid", oci_user, gid, u32, .flags = SPEC_ALWAYS),
	SPEC_FIELD("umask", oci_user, umask, opt_i64, .min = 0, .max = 0777),
	SPEC_FIELD_AUX("additionalGids", oci_user, additional_gids, n_additional_gids, u32_list),
	SPEC_FIELD("username", oci_user, username, string),
	{ 0 },
};

static const struct spec_schema user_schema = {
	.fields = user_fields,
};

static const struct spec_field io_priority_fields[] = {
	SPEC_FIELD("class", oci_io_priority, class_name, string, .flags = SPEC_REQUIRED,
		   .values = (const char *const[]){ "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE",
						    NULL }),
	SPEC_FIELD("priority", oci_io_priority, priority, i32, .min = 0, .max = 7),
	{ 0 },
};

static const struct spec_schema io_priority_schema = {
	.fields = io_priority_fields,
};

static const struct spec_field scheduler_fields[] = {
	SPEC_FIELD("policy", oci_scheduler, policy, string, .flags = SPEC_REQUIRED,
		   .values = (const char *const[]){ "SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH",
						    "SCHED_ISO", "SCHED_IDLE", "SCHED_DEADLINE", NULL }),
	SPEC_FIELD("nice", oci_scheduler, nice, i32, .min = -20, .max = 19),
	SPEC_FIELD("priority", oci_scheduler, priority, i32, .min = 0, .max = 99),
	SPEC_FIELD("flags", oci_scheduler, flags, strings,
		   .values = (const char *const[]){ "SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM",
						    "SCHED_FLAG_DL_OVERRUN", "SCHED_FLAG_KEEP_POLICY",
						    "SCHED_FLAG_KEEP_PARAMS", "SCHED_FLAG_UTIL_CLAMP_MIN",
						    "SCHED_FLAG_UTIL_CLAMP_MAX", NULL }),
	SPEC_FIELD("runtime", oci_scheduler, runtime, u64),
	SPEC_FIELD("deadline", oci_scheduler, deadline, u64),
	SPEC_FIELD("period", oci_scheduler, period, u64),
	{ 0 },
};

static const struct spec_schema scheduler_schema = {
	.fields = scheduler_fields,
};

/* --- execCPUAffinity: the two members become a list of two --- */

static const char *const affinity_keys[] = { "initial", "final" };

static int cpu_affinity_parse(const struct spec_field *f, const struct json *node, void *base,
			      struct err *err)
{
	struct oci_strings *list = spec_at(base, f->offset);
	int r = json_expect(node, JSON_OBJECT, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(affinity_keys); i++) {
		const struct json *member = json_get(node, affinity_keys[i]);
		const char *cpus = "";

		if (member)
			r = json_to_string(member, &cpus, err);
		if (r < 0)
			return r;
		if (cpus[strspn(cpus, "0123456789, -")])
			return json_error(member, err, "must be a list of CPUs, not \"%.200s\"", cpus);
		if (oci_strings_append(list, cpus) < 0)
			return spec_no_memory(err);
	}
	return r;
}

static bool cpu_affinity_present(const struct spec_field *f, const void *base)
{
	return ((const struct oci_strings *)spec_const_at(base, f->offset))->n == ARRAY_SIZE(affinity_keys);
}

static void cpu_affinity_write(const struct spec_field *f, struct json_out *out, const void *base)
{
	const struct oci_strings *list = spec_const_at(base, f->offset);

	json_out_object(out);
	for (size_t i = 0; i < ARRAY_SIZE(affinity_keys); i++) {
		json_out_key(out, affinity_keys[i]);
		json_out_string(out, list->v[i]);
	}
	json_out_object_end(out);
}

static void cpu_affinity_free(const struct spec_field *f, void *base)
{
	spec_strings.free(f, base);
}

static const struct spec_type spec_cpu_affinity = {
	.parse = cpu_affinity_parse,
	.present = cpu_affinity_present,
	.write = cpu_affinity_write,
	.free = cpu_affinity_free,
};

/* --- the whole --- */

static const struct spec_field console_size_fields[] = {
	SPEC_FIELD("height", oci_process, console_height, u16, .flags = SPEC_REQUIRED),
	SPEC_FIELD("width", oci_process, console_width, u16, .flags = SPEC_REQUIRED),
	{ 0 },
};

static const struct spec_schema console_size_schema = {
	.fields = console_size_fields,
};

static int process_check(const struct json *node, void *obj, struct err *err)
{
	const struct oci_process *p = obj;

	if (!*p->args.v[0])
		return json_error(json_at(json_get(node, "args"), 0), err, "must not be empty");
	for (size_t i = 0; i < p->env.n; i++) {
		const char *equals = strchr(p->env.v[i], '=');

		if (!equals || equals == p->env.v[i])
			return json_error(json_at(json_get(node, "env"), i), err,
					  "must be NAME=value, not \"%.200s\"", p->env.v[i]);
	}
	for (size_t i = 1; i < p->n_rlimits; i++)
		for (size_t j = 0; j < i; j++)
			if (p->rlimits[i].resource == p->rlimits[j].resource)
				return json_error(json_get(json_at(json_get(node, "rlimits"), i), "type"),
						  err, "%s is given twice", p->rlimits[i].type);
	return 0;
}

static const struct spec_field oci_process_fields[] = {
	SPEC_FIELD("terminal", oci_process, terminal, bool),
	/* Its two members lie in the process itself. */
	{ .name = "consoleSize",
	  .type = &spec_object,
	  .schema = &console_size_schema,
	  .aux = offsetof(struct oci_process, has_console_size) },
	SPEC_FIELD("cwd", oci_process, cwd, string, .flags = SPEC_REQUIRED | SPEC_ABSOLUTE),
	SPEC_FIELD("env", oci_process, env, strings),
	SPEC_FIELD("args", oci_process, args, strings, .flags = SPEC_REQUIRED | SPEC_FILLED),
	SPEC_FIELD_AUX("rlimits", oci_process, rlimits, n_rlimits, array, .schema = &rlimit_schema),
	SPEC_FIELD("apparmorProfile", oci_process, apparmor_profile, string),
	SPEC_FIELD("selinuxLabel", oci_process, selinux_label, string),
	SPEC_FIELD_AUX("capabilities", oci_process, capabilities, capabilities.has, object,
		       .schema = &oci_capabilities_schema),
	SPEC_FIELD("noNewPrivileges", oci_process, no_new_privileges, bool),
	SPEC_FIELD("oomScoreAdj", oci_process, oom_score_adj, opt_i64, .min = -1000, .max = 1000),
	SPEC_FIELD("user", oci_process, user, object, .schema = &user_schema, .flags = SPEC_ALWAYS),
	SPEC_FIELD_AUX("ioPriority", oci_process, io_priority, io_priority.has, object,
		       .schema = &io_priority_schema),
	SPEC_FIELD_AUX("scheduler", oci_process, scheduler, scheduler.has, object,
		       .schema = &scheduler_schema),
	SPEC_FIELD("execCPUAffinity", oci_process, exec_cpu_affinity, cpu_affinity),
	{ 0 },
};

const struct spec_schema oci_process_schema = {
	.size = sizeof(struct oci_process),
	.fields = oci_process_fields,
	.check = process_check,
};

int oci_process_parse(const char *text, size_t len, const char *what, struct oci_process **ret,
		      struct err *err)
{
	_cleanup_json_doc_ struct json_doc *doc = NULL;
	struct oci_process *process;
	int r;

	r = json_parse(text, len, what, &doc, err);
	if (r < 0)
		return r;
	json_doc_set_path(doc, "process");
	process = calloc(1, sizeof(*process));
	if (!process)
		return spec_no_memory(err);
	r = spec_schema_parse(&oci_process_schema, json_root(doc), process, err);
	if (r < 0) {
		oci_process_free(process);
		return r;
	}
	*ret = process;
	return 0;
}

int oci_process_write(const struct oci_process *process, char **ret_text, size_t *ret_len)
{
	struct json_out *out;
	int r = json_out_new(false, &out);

	if (r < 0)
		return r;
	spec_schema_write(&oci_process_schema, out, process);
	r = json_out_finish(out, ret_text, ret_len);
	json_out_free(out);
	return r;
}

void oci_process_free(struct oci_process *process)
{
	if (!process)
		return;
	spec_schema_free(&oci_process_schema, process);
	free(process);
}
