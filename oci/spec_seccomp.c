/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec_seccomp: config.json's `linux.seccomp` (config-linux.md, "Seccomp").
 */
#include "base/err.h"
#include "oci/spec_schema.h"

static const char *const actions[] = {
	"SCMP_ACT_KILL",	"SCMP_ACT_KILL_PROCESS",
	"SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP",
	"SCMP_ACT_ERRNO",	"SCMP_ACT_TRACE",
	"SCMP_ACT_ALLOW",	"SCMP_ACT_LOG",
	"SCMP_ACT_NOTIFY",	NULL,
};

static const char *const operators[] = {
	"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",	    "SCMP_CMP_EQ",
	"SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ", NULL,
};

static const char *const architectures[] = {
	"SCMP_ARCH_X86",	 "SCMP_ARCH_X86_64",	  "SCMP_ARCH_X32",    "SCMP_ARCH_ARM",
	"SCMP_ARCH_AARCH64",	 "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K",   "SCMP_ARCH_MIPS",
	"SCMP_ARCH_MIPS64",	 "SCMP_ARCH_MIPS64N32",	  "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64",
	"SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",	  "SCMP_ARCH_PPC64",  "SCMP_ARCH_PPC64LE",
	"SCMP_ARCH_S390",	 "SCMP_ARCH_S390X",	  "SCMP_ARCH_PARISC", "SCMP_ARCH_PARISC64",
	"SCMP_ARCH_RISCV64",	 "SCMP_ARCH_SH",	  "SCMP_ARCH_SHEB",   NULL,
};

static const char *const filter_flags[] = {
	"SECCOMP_FILTER_FLAG_TSYNC",
	"SECCOMP_FILTER_FLAG_LOG",
	"SECCOMP_FILTER_FLAG_SPEC_ALLOW",
	"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
	NULL,
};

/* The data of a filter's return value (seccomp(2), SECCOMP_RET_DATA): an errno, or a tracer's message. */
enum { ERRNO_MAX = UINT16_MAX };

/* System calls have six arguments. */
static const struct spec_field arg_fields[] = {
	SPEC_FIELD("index", oci_seccomp_arg, index, u32, .flags = SPEC_REQUIRED, .min = 0, .max = 5),
	SPEC_FIELD("value", oci_seccomp_arg, value, u64, .flags = SPEC_REQUIRED),
	SPEC_FIELD("valueTwo", oci_seccomp_arg, value_two, u64),
	SPEC_FIELD("op", oci_seccomp_arg, op, string, .flags = SPEC_REQUIRED, .values = operators),
	{ 0 },
};

static const struct spec_schema arg_schema = {
	.size = sizeof(struct oci_seccomp_arg),
	.fields = arg_fields,
};

static const struct spec_field rule_fields[] = {
	SPEC_FIELD("names", oci_seccomp_rule, names, strings, .flags = SPEC_REQUIRED | SPEC_FILLED),
	SPEC_FIELD("action", oci_seccomp_rule, action, string, .flags = SPEC_REQUIRED, .values = actions),
	SPEC_FIELD("errnoRet", oci_seccomp_rule, errno_ret, opt_u64, .min = 0, .max = ERRNO_MAX),
	SPEC_FIELD_AUX("args", oci_seccomp_rule, args, n_args, array, .schema = &arg_schema),
	{ 0 },
};

static const struct spec_schema rule_schema = {
	.size = sizeof(struct oci_seccomp_rule),
	.fields = rule_fields,
};

static int seccomp_check(const struct json *node, void *obj, struct err *err)
{
	const struct oci_seccomp *s = obj;

	if (s->listener_metadata && !s->listener_path)
		return json_error(json_get(node, "listenerMetadata"), err,
				  "must not be there without listenerPath");
	return 0;
}

static const struct spec_field oci_seccomp_fields[] = {
	SPEC_FIELD("defaultAction", oci_seccomp, default_action, string, .flags = SPEC_REQUIRED,
		   .values = actions),
	SPEC_FIELD("defaultErrnoRet", oci_seccomp, default_errno_ret, opt_u64, .min = 0, .max = ERRNO_MAX),
	SPEC_FIELD("architectures", oci_seccomp, architectures, strings, .values = architectures),
	SPEC_FIELD("flags", oci_seccomp, flags, strings, .values = filter_flags),
	SPEC_FIELD("listenerPath", oci_seccomp, listener_path, string, .flags = SPEC_ABSOLUTE),
	SPEC_FIELD("listenerMetadata", oci_seccomp, listener_metadata, string),
	SPEC_FIELD_AUX("syscalls", oci_seccomp, rules, n_rules, array, .schema = &rule_schema),
	{ 0 },
};

const struct spec_schema oci_seccomp_schema = {
	.size = sizeof(struct oci_seccomp),
	.fields = oci_seccomp_fields,
	.check = seccomp_check,
};
