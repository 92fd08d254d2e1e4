/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources.devices: what the rules allow, and that the BPF program says the same: it is run here by
 * a small interpreter, and in the guest by the kernel (tests/vm).
 */
#include "tests/unit/test.h"

#include "agent/device_filter.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "oci/spec.h"

#include <linux/bpf.h>
#include <string.h>

enum { R = BPF_DEVCG_ACC_READ, W = BPF_DEVCG_ACC_WRITE, M = BPF_DEVCG_ACC_MKNOD };

/* The few instructions that a filter is made of. -1: one that is not among them. */
static int interpret(const struct bpf_insn *insns, size_t n, const uint32_t ctx[3])
{
	uint64_t reg[11] = { 0 };

	for (size_t pc = 0, steps = 0; pc < n && steps < 100000; pc++, steps++) {
		const struct bpf_insn *i = &insns[pc];
		uint32_t dst = (uint32_t)reg[i->dst_reg];

		switch (i->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			assert_true(i->src_reg == 1 && i->off >= 0 && i->off <= 8 && i->off % 4 == 0);
			reg[i->dst_reg] = ctx[i->off / 4];
			break;
		case BPF_ALU | BPF_MOV | BPF_X:
			reg[i->dst_reg] = (uint32_t)reg[i->src_reg];
			break;
		case BPF_ALU64 | BPF_MOV | BPF_K:
			reg[i->dst_reg] = (uint64_t)(int64_t)i->imm;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			reg[i->dst_reg] = dst & (uint32_t)i->imm;
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
			reg[i->dst_reg] = dst >> i->imm;
			break;
		case BPF_JMP32 | BPF_JNE | BPF_K:
			if (dst != (uint32_t)i->imm)
				pc += (size_t)i->off;
			break;
		case BPF_JMP32 | BPF_JEQ | BPF_K:
			if (dst == (uint32_t)i->imm)
				pc += (size_t)i->off;
			break;
		case BPF_JMP | BPF_EXIT:
			return (int)reg[0];
		default:
			return -1;
		}
	}
	return -1;
}

struct filter {
	struct device_rules rules;
	struct bpf_insn *insns;
	size_t n;
};

static void filter_open(struct filter *f, const char *devices)
{
	_cleanup_oci_spec_ struct oci_spec *spec = NULL;
	struct err err = ERR_INIT;
	char *json;

	assert_true(asprintf(&json, "{\"ociVersion\":\"1.2.0\",\"linux\":{\"resources\":{\"devices\":[%s]}}}",
			     devices) > 0);
	assert_int_equal(oci_spec_parse(json, strlen(json), "test", &spec, &err), 0);
	free(json);
	assert_int_equal(device_rules_new(&spec->linux_.resources, &f->rules), 0);
	assert_int_equal(device_filter_build(&f->rules, &f->insns, &f->n), 0);
}

static void filter_close(struct filter *f)
{
	device_rules_done(&f->rules);
	free(f->insns);
}

/* Both must say the same. */
static bool allows(const struct filter *f, char type, uint32_t major, uint32_t minor, unsigned access)
{
	uint32_t ctx[3] = { access << 16 | (type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR), major,
			    minor };
	bool allowed = device_rules_allow(&f->rules, type, major, minor, access);

	assert_int_equal(interpret(f->insns, f->n, ctx), allowed);
	return allowed;
}

static void only_the_default_devices_without_rules(void **state)
{
	static const uint32_t always[][2] = { { 1, 3 }, { 1, 5 }, { 1, 7 }, { 1, 8 },
					      { 1, 9 }, { 5, 0 }, { 5, 2 }, { 136, 77 } };
	struct filter f;

	(void)state;
	filter_open(&f, "");
	for (size_t i = 0; i < ARRAY_SIZE(always); i++) {
		assert_true(allows(&f, 'c', always[i][0], always[i][1], R | W | M));
		assert_false(allows(&f, 'b', always[i][0], always[i][1], R));
	}
	assert_false(allows(&f, 'c', 1, 11, R));
	assert_false(allows(&f, 'c', 1, 1, W));
	assert_true(allows(&f, 'c', 1, 11, M));
	assert_true(allows(&f, 'b', 8, 0, M));
	assert_false(allows(&f, 'b', 8, 0, M | R));
	filter_close(&f);
}

static void rules_allow_what_they_name(void **state)
{
	struct filter f;

	(void)state;
	filter_open(&f, "{\"allow\":false,\"access\":\"rwm\"},"
			"{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":11,\"access\":\"r\"},"
			"{\"allow\":true,\"type\":\"c\",\"major\":10,\"access\":\"rw\"},"
			"{\"allow\":true,\"type\":\"b\",\"minor\":3,\"access\":\"w\"}");
	assert_true(allows(&f, 'c', 1, 11, R));
	assert_false(allows(&f, 'c', 1, 11, W));
	assert_false(allows(&f, 'c', 1, 11, R | W));
	assert_true(allows(&f, 'c', 10, 200, R | W));
	assert_false(allows(&f, 'c', 11, 200, R | W));
	assert_true(allows(&f, 'b', 99, 3, W));
	assert_false(allows(&f, 'b', 99, 4, W));
	filter_close(&f);
}

static void rules_for_one_device_add_up(void **state)
{
	struct filter f;

	(void)state;
	filter_open(&f, "{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":11,\"access\":\"r\"},"
			"{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":11,\"access\":\"w\"}");
	assert_true(allows(&f, 'c', 1, 11, R | W));
	filter_close(&f);
	filter_open(&f, "{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":11,\"access\":\"rw\"},"
			"{\"allow\":false,\"type\":\"c\",\"major\":1,\"minor\":11,\"access\":\"w\"}");
	assert_true(allows(&f, 'c', 1, 11, R));
	assert_false(allows(&f, 'c', 1, 11, W));
	filter_close(&f);
}

static void all_may_be_allowed_but_some(void **state)
{
	struct filter f;

	(void)state;
	filter_open(&f, "{\"allow\":true,\"access\":\"rwm\"},"
			"{\"allow\":false,\"type\":\"c\",\"major\":1,\"minor\":11,\"access\":\"w\"},"
			"{\"allow\":false,\"type\":\"c\",\"major\":1,\"minor\":3,\"access\":\"rwm\"}");
	assert_true(allows(&f, 'b', 8, 0, R | W | M));
	assert_true(allows(&f, 'c', 1, 11, R));
	assert_false(allows(&f, 'c', 1, 11, R | W));
	/* never /dev/null */
	assert_true(allows(&f, 'c', 1, 3, R | W));
	filter_close(&f);
	/* and all of that is forgotten by the next rule for all */
	filter_open(&f, "{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":11},{\"allow\":false}");
	assert_false(allows(&f, 'c', 1, 11, R));
	filter_close(&f);
}

static void numbers_are_compared_whole(void **state)
{
	struct filter f;

	(void)state;
	filter_open(&f, "{\"allow\":true,\"type\":\"c\",\"major\":4294967294,\"minor\":2147483648}");
	assert_true(allows(&f, 'c', 4294967294U, 2147483648U, R));
	assert_false(allows(&f, 'c', 2147483646U, 2147483648U, R));
	assert_false(allows(&f, 'c', 4294967294U, 0, R));
	filter_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_default_devices_without_rules),
		cmocka_unit_test(rules_allow_what_they_name),
		cmocka_unit_test(rules_for_one_device_add_up),
		cmocka_unit_test(all_may_be_allowed_but_some),
		cmocka_unit_test(numbers_are_compared_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
