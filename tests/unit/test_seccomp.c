/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp: what the compiled program answers to system calls, run by a small
 * interpreter of classic BPF, so that no kernel is needed.
 */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "oci/seccomp.h"
#include "oci/spec.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

/* x86-64 numbers; the profiles of these tests are for that architecture. */
enum {
	NR_READ = 0,
	NR_WRITE = 1,
	NR_GETPID = 39,
	NR_SOCKET = 41,
	NR_CLONE = 56,
	NR_CHMOD = 90,
	NR_NEWEST = 460
};
enum { I386_NR_CHMOD = 15, X32_BIT = 0x40000000 };

struct program {
	struct sock_filter *insns;
	size_t n;
	uint32_t flags;
};

static int try_compile(const char *seccomp, struct program *ret, struct err *err)
{
	_cleanup_oci_spec_ struct oci_spec *spec = NULL;
	uint8_t *bpf = NULL;
	char text[4096];
	size_t len = 0;
	int r;

	snprintf(text, sizeof(text), "{\"ociVersion\":\"1.2.0\",\"linux\":{\"seccomp\":%s}}", seccomp);
	if (oci_spec_parse(text, strlen(text), "config.json", &spec, err) < 0)
		fail_msg("%s: %s", seccomp, err->text);
	r = oci_seccomp_compile(&spec->linux_.seccomp, &bpf, &len, &ret->flags, err);
	if (r == 0) {
		ret->insns = (struct sock_filter *)bpf;
		ret->n = len / sizeof(struct sock_filter);
		assert_int_equal(len % sizeof(struct sock_filter), 0);
	}
	return r;
}

static struct program compile(const char *seccomp)
{
	struct program p = { 0 };
	struct err err = ERR_INIT;

	if (try_compile(seccomp, &p, &err) < 0)
		fail_msg("%s: %s", seccomp, err.text);
	return p;
}

static bool jump_taken(uint16_t op, uint32_t a, uint32_t k)
{
	switch (op) {
	case BPF_JEQ:
		return a == k;
	case BPF_JGT:
		return a > k;
	case BPF_JGE:
		return a >= k;
	case BPF_JSET:
		return a & k;
	default:
		fail_msg("unexpected jump %u", op);
		return false;
	}
}

static uint32_t run(const struct program *p, const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < p->n; pc++) {
		const struct sock_filter *i = &p->insns[pc];

		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			assert_int_equal(i->code, BPF_LD | BPF_W | BPF_ABS);
			assert_true(i->k % 4 == 0 && i->k + 4 <= sizeof(*data));
			memcpy(&a, (const char *)data + i->k, 4);
			break;
		case BPF_ALU:
			assert_int_equal(i->code, BPF_ALU | BPF_AND | BPF_K);
			a &= i->k;
			break;
		case BPF_JMP:
			if (BPF_OP(i->code) == BPF_JA)
				pc += i->k;
			else
				pc += jump_taken(BPF_OP(i->code), a, i->k) ? i->jt : i->jf;
			break;
		case BPF_RET:
			return i->k;
		default:
			fail_msg("unexpected instruction %#x", i->code);
		}
	}
	fail_msg("the program ends without an answer");
	return 0;
}

static uint32_t answer_arch(const struct program *p, uint32_t arch, int nr)
{
	struct seccomp_data data = { .nr = nr, .arch = arch };

	return run(p, &data);
}

static uint32_t answer(const struct program *p, int nr, uint64_t arg0, uint64_t arg1)
{
	struct seccomp_data data = { .nr = nr, .arch = AUDIT_ARCH_X86_64, .args = { arg0, arg1 } };

	return run(p, &data);
}

static void an_absent_profile_has_no_program(void **state)
{
	struct oci_seccomp profile = { 0 };
	uint8_t byte, *bpf = &byte;
	uint32_t flags = 7;
	size_t len = 7;

	(void)state;
	assert_int_equal(oci_seccomp_compile(&profile, &bpf, &len, &flags, NULL), 0);
	assert_null(bpf);
	assert_int_equal(len, 0);
	assert_int_equal(flags, 0);
}

static void rules_and_default_are_answered(void **state)
{
	struct program p =
		compile("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":13,\"syscalls\":["
			"{\"names\":[\"read\",\"write\"],\"action\":\"SCMP_ACT_ALLOW\"},"
			"{\"names\":[\"chmod\"],\"action\":\"SCMP_ACT_ERRNO\"},"
			"{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":99},"
			"{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_KILL\"}]}");

	(void)state;
	assert_int_equal(answer(&p, NR_READ, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(answer(&p, NR_WRITE, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(answer(&p, NR_CHMOD, 0, 0), SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(answer(&p, NR_SOCKET, 0, 0), SECCOMP_RET_TRACE | 99);
	assert_int_equal(answer(&p, NR_CLONE, 0, 0), SECCOMP_RET_KILL_THREAD);
	assert_int_equal(answer(&p, NR_GETPID, 0, 0), SECCOMP_RET_ERRNO | 13);
	free(p.insns);
}

static void each_action_has_its_value(void **state)
{
	static const struct {
		const char *name;
		uint32_t value;
	} cases[] = {
		{ "SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD },
		{ "SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD },
		{ "SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS },
		{ "SCMP_ACT_TRAP", SECCOMP_RET_TRAP },
		{ "SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO | EPERM },
		{ "SCMP_ACT_TRACE", SECCOMP_RET_TRACE | EPERM },
		{ "SCMP_ACT_LOG", SECCOMP_RET_LOG },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct program p;
		char text[256];

		snprintf(
			text, sizeof(text),
			"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"chmod\"],\"action\":\"%s\"}]}",
			cases[i].name);
		p = compile(text);
		assert_int_equal(answer(&p, NR_CHMOD, 0, 0), cases[i].value);
		assert_int_equal(answer(&p, NR_GETPID, 0, 0), SECCOMP_RET_ALLOW);
		free(p.insns);
	}
}

static void conditions_on_different_arguments_must_all_hold(void **state)
{
	struct program p =
		compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"socket\"],"
			"\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":22,\"args\":["
			"{\"index\":0,\"value\":16,\"op\":\"SCMP_CMP_EQ\"},"
			"{\"index\":1,\"value\":4294967296,\"op\":\"SCMP_CMP_GE\"}]}]}");

	(void)state;
	assert_int_equal(answer(&p, NR_SOCKET, 16, 4294967296), SECCOMP_RET_ERRNO | 22);
	assert_int_equal(answer(&p, NR_SOCKET, 16, 4294967295), SECCOMP_RET_ALLOW);
	assert_int_equal(answer(&p, NR_SOCKET, 17, 4294967296), SECCOMP_RET_ALLOW);
	free(p.insns);
}

static void conditions_on_one_argument_are_alternatives(void **state)
{
	struct program p =
		compile("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"socket\"],"
			"\"action\":\"SCMP_ACT_ALLOW\",\"args\":["
			"{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"},"
			"{\"index\":0,\"value\":2,\"op\":\"SCMP_CMP_EQ\"}]}]}");

	(void)state;
	assert_int_equal(answer(&p, NR_SOCKET, 1, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(answer(&p, NR_SOCKET, 2, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(answer(&p, NR_SOCKET, 3, 0), SECCOMP_RET_ERRNO | EPERM);
	free(p.insns);
}

static void each_operator_compares_64_bits(void **state)
{
	static const struct {
		const char *op;
		uint64_t value, value_two, matching, other;
	} cases[] = {
		{ "SCMP_CMP_EQ", 1ull << 40, 0, 1ull << 40, 0 },
		{ "SCMP_CMP_NE", 1ull << 40, 0, 1, 1ull << 40 },
		{ "SCMP_CMP_LT", 1ull << 40, 0, (1ull << 40) - 1, 1ull << 40 },
		{ "SCMP_CMP_LE", 1ull << 40, 0, 1ull << 40, (1ull << 40) + 1 },
		{ "SCMP_CMP_GE", 1ull << 40, 0, 1ull << 40, (1ull << 40) - 1 },
		{ "SCMP_CMP_GT", UINT64_MAX - 1, 0, UINT64_MAX, UINT64_MAX - 1 },
		/* value is the mask, valueTwo what is left. */
		{ "SCMP_CMP_MASKED_EQ", 0x7e020000, 0, 0x11, 0x20000 },
		{ "SCMP_CMP_MASKED_EQ", 0xff, 0x12, 0x3412, 0x1234 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct program p;
		char text[512];

		snprintf(
			text, sizeof(text),
			"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"clone\"],\"action\":"
			"\"SCMP_ACT_TRAP\",\"args\":[{\"index\":0,\"value\":%llu,\"valueTwo\":%llu,\"op\":\"%s\"}]}]}",
			(unsigned long long)cases[i].value, (unsigned long long)cases[i].value_two,
			cases[i].op);
		p = compile(text);
		if (answer(&p, NR_CLONE, cases[i].matching, 0) != SECCOMP_RET_TRAP)
			fail_msg("%s does not match", cases[i].op);
		if (answer(&p, NR_CLONE, cases[i].other, 0) != SECCOMP_RET_ALLOW)
			fail_msg("%s matches", cases[i].op);
		free(p.insns);
	}
}

static void unknown_calls_and_repeated_rules_are_no_error(void **state)
{
	struct program p =
		compile("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":["
			"{\"names\":[\"from_the_future\",\"read\",\"read\"],\"action\":\"SCMP_ACT_ALLOW\"},"
			"{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"},"
			"{\"names\":[\"write\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":1},"
			"{\"names\":[\"vm86\",\"chmod\"],\"action\":\"SCMP_ACT_ALLOW\"}]}");

	(void)state;
	assert_int_equal(answer(&p, NR_READ, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(answer(&p, NR_WRITE, 0, 0), SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(answer(&p, NR_CHMOD, 0, 0), SECCOMP_RET_ALLOW);
	free(p.insns);
}

static void calls_newer_than_the_profile_do_not_exist(void **state)
{
	struct program p =
		compile("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86_64\","
			"\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\"],\"syscalls\":[{\"names\":[\"read\",\"chmod\"],"
			"\"action\":\"SCMP_ACT_ALLOW\"}]}");

	(void)state;
	assert_int_equal(answer(&p, NR_CHMOD, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(answer(&p, NR_GETPID, 0, 0), SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(answer(&p, NR_CHMOD + 1, 0, 0), SECCOMP_RET_ERRNO | ENOSYS);
	assert_int_equal(answer(&p, NR_NEWEST, 0, 0), SECCOMP_RET_ERRNO | ENOSYS);
	/* Each architecture has its own newest one. */
	assert_int_equal(answer_arch(&p, AUDIT_ARCH_I386, I386_NR_CHMOD), SECCOMP_RET_ALLOW);
	assert_int_equal(answer_arch(&p, AUDIT_ARCH_I386, I386_NR_CHMOD - 1), SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(answer_arch(&p, AUDIT_ARCH_I386, I386_NR_CHMOD + 1), SECCOMP_RET_ERRNO | ENOSYS);
	/* x32's numbers are high ones of the same architecture: the profile answers. */
	assert_int_equal(answer(&p, X32_BIT | NR_CHMOD, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(answer(&p, X32_BIT | NR_GETPID, 0, 0), SECCOMP_RET_ERRNO | EPERM);
	free(p.insns);
}

static void permissive_defaults_hold_for_new_calls_too(void **state)
{
	static const struct {
		const char *action;
		uint32_t value;
	} cases[] = {
		{ "\"SCMP_ACT_ALLOW\"", SECCOMP_RET_ALLOW },
		{ "\"SCMP_ACT_LOG\"", SECCOMP_RET_LOG },
		{ "\"SCMP_ACT_TRACE\"", SECCOMP_RET_TRACE | EPERM },
		{ "\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38", SECCOMP_RET_ERRNO | ENOSYS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct program p;
		char text[256];

		snprintf(
			text, sizeof(text),
			"{\"defaultAction\":%s,\"syscalls\":[{\"names\":[\"chmod\"],\"action\":\"SCMP_ACT_TRAP\"}]}",
			cases[i].action);
		p = compile(text);
		assert_int_equal(answer(&p, NR_NEWEST, 0, 0), cases[i].value);
		free(p.insns);
	}
}

static void foreign_architectures_are_killed(void **state)
{
	struct program p =
		compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"chmod\"],"
			"\"action\":\"SCMP_ACT_TRAP\"}]}");

	(void)state;
	assert_int_equal(answer_arch(&p, AUDIT_ARCH_I386, I386_NR_CHMOD), SECCOMP_RET_KILL_THREAD);
	assert_int_equal(answer(&p, X32_BIT | NR_GETPID, 0, 0), SECCOMP_RET_KILL_THREAD);
	free(p.insns);
}

static void flags_become_bits(void **state)
{
	struct program p = compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\"}");

	(void)state;
	assert_int_equal(p.flags, SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	assert_int_equal(answer(&p, NR_READ, 0, 0), SECCOMP_RET_ALLOW);
	free(p.insns);
	p = compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\","
		    "\"SECCOMP_FILTER_FLAG_TSYNC\"]}");
	assert_int_equal(p.flags, SECCOMP_FILTER_FLAG_LOG);
	free(p.insns);
	p = compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\","
		    "\"SECCOMP_FILTER_FLAG_LOG\"]}");
	assert_int_equal(p.flags, SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	free(p.insns);
}

static void a_listener_without_calls_to_hear_of_is_of_no_effect(void **state)
{
	struct program p = compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/x\"}");

	(void)state;
	assert_int_equal(answer(&p, NR_READ, 0, 0), SECCOMP_RET_ALLOW);
	free(p.insns);
}

static void what_cant_be_honoured_is_refused(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *message;
	} cases[] = {
		{ "{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", -ENOTSUP,
		  "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY can't be honoured, as its listener is outside of the VM" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_TRAP\"},"
		  "{\"names\":[\"read\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}",
		  -ENOTSUP,
		  "linux.seccomp.syscalls[1].action: SCMP_ACT_NOTIFY can't be honoured, as its listener is outside of the "
		  "VM" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"]}",
		  -ENOTSUP,
		  "linux.seccomp.flags[0]: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV can't be honoured" },
		{ "{\"defaultAction\":\"SCMP_ACT_KILL\",\"defaultErrnoRet\":1}", -EINVAL,
		  "linux.seccomp.defaultErrnoRet: must not be there with SCMP_ACT_KILL" },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\","
		  "\"errnoRet\":1}]}",
		  -EINVAL, "linux.seccomp.syscalls[0].errnoRet: must not be there with SCMP_ACT_ALLOW" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_S390X\"]}",
		  -EINVAL, "linux.seccomp.architectures[1]: SCMP_ARCH_S390X can't be part of a filter here" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct program p = { .flags = 77 };
		struct err err = ERR_INIT;

		assert_int_equal(try_compile(cases[i].text, &p, &err), cases[i].code);
		assert_string_equal(err.text, cases[i].message);
		assert_null(p.insns);
		assert_int_equal(p.flags, 77);
	}
}

static void a_filter_that_no_kernel_takes_is_refused(void **state)
{
	struct oci_seccomp_arg args[5000] = { 0 };
	char *name = (char[]){ "clone" }, *action = (char[]){ "SCMP_ACT_TRAP" },
	     *op = (char[]){ "SCMP_CMP_EQ" };
	struct oci_seccomp_rule rule = {
		.names = { &name, 1 }, .action = action, .args = args, .n_args = ARRAY_SIZE(args)
	};
	struct oci_seccomp profile = {
		.has = true,
		.default_action = (char[]){ "SCMP_ACT_ALLOW" },
		.rules = &rule,
		.n_rules = 1,
	};
	struct err err = ERR_INIT;
	uint8_t *bpf = NULL;
	uint32_t flags;
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(args); i++) {
		args[i].value = i;
		args[i].op = op;
	}
	assert_int_equal(oci_seccomp_compile(&profile, &bpf, &len, &flags, &err), -E2BIG);
	assert_string_equal(err.text, "linux.seccomp: the filter has more than 4096 instructions");
	assert_null(bpf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_absent_profile_has_no_program),
		cmocka_unit_test(rules_and_default_are_answered),
		cmocka_unit_test(each_action_has_its_value),
		cmocka_unit_test(conditions_on_different_arguments_must_all_hold),
		cmocka_unit_test(conditions_on_one_argument_are_alternatives),
		cmocka_unit_test(each_operator_compares_64_bits),
		cmocka_unit_test(unknown_calls_and_repeated_rules_are_no_error),
		cmocka_unit_test(calls_newer_than_the_profile_do_not_exist),
		cmocka_unit_test(permissive_defaults_hold_for_new_calls_too),
		cmocka_unit_test(foreign_architectures_are_killed),
		cmocka_unit_test(flags_become_bits),
		cmocka_unit_test(a_listener_without_calls_to_hear_of_is_of_no_effect),
		cmocka_unit_test(what_cant_be_honoured_is_refused),
		cmocka_unit_test(a_filter_that_no_kernel_takes_is_refused),
	};

#ifndef __x86_64__
	(void)tests;
	return 0; /* the numbers are x86-64's */
#else
	return cmocka_run_group_tests(tests, NULL, NULL);
#endif
}
