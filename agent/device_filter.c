/* SPDX-License-Identifier: Apache-2.0 */
/* device_filter: see device_filter.h. */
#include "agent/device_filter.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "oci/spec.h"

#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>

/* --- rules --- */

enum { ACCESS_ALL = BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD };

static unsigned access_of(const char *letters)
{
	unsigned access = 0;

	for (; *letters; letters++)
		access |= *letters == 'r'   ? BPF_DEVCG_ACC_READ
			  : *letters == 'w' ? BPF_DEVCG_ACC_WRITE
					    : BPF_DEVCG_ACC_MKNOD;
	return access;
}

static int except(struct device_rules *rules, char type, uint32_t major, uint32_t minor, unsigned access,
		  bool allow)
{
	struct device_exception *v;
	size_t i = 0;

	while (i < rules->n &&
	       (rules->v[i].type != type || rules->v[i].major != major || rules->v[i].minor != minor))
		i++;
	if (i < rules->n && allow == rules->allow)
		rules->v[i].access &= ~access;
	else if (i < rules->n)
		rules->v[i].access |= access;
	if (i < rules->n || allow == rules->allow)
		return 0;
	v = reallocarray(rules->v, rules->n + 1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	rules->v = v;
	v[rules->n++] = (struct device_exception){ type, major, minor, access };
	return 0;
}

static int play(struct device_rules *rules, const struct oci_device_rule *rule)
{
	if (rule->type == 'a') {
		rules->allow = rule->allow;
		rules->n = 0;
		return 0;
	}
	return except(rules, rule->type, rule->major.has ? (uint32_t)rule->major.v : DEVICE_ANY,
		      rule->minor.has ? (uint32_t)rule->minor.v : DEVICE_ANY, access_of(rule->access),
		      rule->allow);
}

/* config-linux.md, "Default Devices", terminals, and any node. */
static int play_defaults(struct device_rules *rules)
{
	static const struct {
		uint32_t major, minor;
	} always[] = {
		{ 1, 3 }, { 1, 5 }, { 1, 7 }, { 1, 8 }, { 1, 9 }, { 5, 0 }, { 5, 2 }, { 136, DEVICE_ANY },
	};
	int r;

	r = except(rules, 'c', DEVICE_ANY, DEVICE_ANY, BPF_DEVCG_ACC_MKNOD, true);
	if (r == 0)
		r = except(rules, 'b', DEVICE_ANY, DEVICE_ANY, BPF_DEVCG_ACC_MKNOD, true);
	for (size_t i = 0; i < ARRAY_SIZE(always) && r == 0; i++)
		r = except(rules, 'c', always[i].major, always[i].minor, ACCESS_ALL, true);
	return r;
}

int device_rules_new(const struct oci_resources *res, struct device_rules *ret)
{
	struct device_rules rules = { .allow = false };
	int r = 0;

	for (size_t i = 0; i < res->n_devices && r == 0; i++)
		r = play(&rules, &res->devices[i]);
	if (r == 0)
		r = play_defaults(&rules);
	if (r < 0)
		device_rules_done(&rules);
	else
		*ret = rules;
	return r;
}

void device_rules_done(struct device_rules *rules)
{
	free(rules->v);
	*rules = (struct device_rules){ .allow = false };
}

bool device_rules_allow(const struct device_rules *rules, char type, uint32_t major, uint32_t minor,
			unsigned access)
{
	for (size_t i = 0; i < rules->n; i++) {
		const struct device_exception *e = &rules->v[i];

		if (e->type != type || (e->major != DEVICE_ANY && e->major != major) ||
		    (e->minor != DEVICE_ANY && e->minor != minor))
			continue;
		if (rules->allow ? (access & e->access) != 0 : (access & ~e->access) == 0)
			return !rules->allow;
	}
	return rules->allow;
}

/* --- the program --- */

/* Registers: 0 result and scratch, 1 context, 2 access, 3 type, 4 major, 5 minor. */
enum { INSNS_HEAD = 6, INSNS_EACH = 8, INSNS_TAIL = 2 };

struct program {
	struct bpf_insn *v;
	size_t n;
};

static void emit(struct program *p, uint8_t code, uint8_t dst, uint8_t src, int16_t off, uint32_t imm)
{
	p->v[p->n++] = (struct bpf_insn){
		.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = (int32_t)imm
	};
}

static void emit_return(struct program *p, bool allow)
{
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, allow);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* A jump to the exception's end is filled in when that is known. */
static void emit_exception(struct program *p, const struct device_exception *e, bool allow)
{
	size_t jumps[4], n = 0;

	jumps[n++] = p->n;
	emit(p, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_3, 0, 0,
	     e->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	emit(p, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_0, BPF_REG_2, 0, 0);
	emit(p, BPF_ALU | BPF_AND | BPF_K, BPF_REG_0, 0, 0, allow ? e->access : ~e->access);
	jumps[n++] = p->n;
	/* Under "allow": nothing of it is denied. Under "deny": not all of it is allowed. */
	emit(p, BPF_JMP32 | (allow ? BPF_JEQ : BPF_JNE) | BPF_K, BPF_REG_0, 0, 0, 0);
	if (e->major != DEVICE_ANY) {
		jumps[n++] = p->n;
		emit(p, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_4, 0, 0, e->major);
	}
	if (e->minor != DEVICE_ANY) {
		jumps[n++] = p->n;
		emit(p, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_5, 0, 0, e->minor);
	}
	emit_return(p, !allow);
	while (n > 0) {
		n--;
		p->v[jumps[n]].off = (int16_t)(p->n - jumps[n] - 1);
	}
}

int device_filter_build(const struct device_rules *rules, struct bpf_insn **ret, size_t *ret_n)
{
	struct program p = { .n = 0 };

	p.v = calloc(INSNS_HEAD + INSNS_EACH * rules->n + INSNS_TAIL, sizeof(*p.v));
	if (!p.v)
		return -ENOMEM;
	/* struct bpf_cgroup_dev_ctx: access in the upper half, type in the lower, then major and minor. */
	emit(&p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, 0, 0);
	emit(&p, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0);
	emit(&p, BPF_ALU | BPF_AND | BPF_K, BPF_REG_3, 0, 0, 0xffff);
	emit(&p, BPF_ALU | BPF_RSH | BPF_K, BPF_REG_2, 0, 0, 16);
	emit(&p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_4, BPF_REG_1, 4, 0);
	emit(&p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_5, BPF_REG_1, 8, 0);
	for (size_t i = 0; i < rules->n; i++)
		emit_exception(&p, &rules->v[i], rules->allow);
	emit_return(&p, rules->allow);
	*ret = p.v;
	*ret_n = p.n;
	return 0;
}

static int sys_bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	long r = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return r < 0 ? -errno : (int)r;
}

int device_filter_attach(int cgroup, const struct oci_resources *res, struct err *err)
{
	_cleanup_free_ struct bpf_insn *insns = NULL;
	_cleanup_close_ int fd = -EBADF;
	struct device_rules rules;
	union bpf_attr attr = { 0 };
	size_t n;
	int r;

	r = device_rules_new(res, &rules);
	if (r == 0) {
		r = device_filter_build(&rules, &insns, &n);
		device_rules_done(&rules);
	}
	if (r < 0)
		return err_set_errno(err, r, "linux.resources.devices");
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)insns;
	attr.insn_cnt = (uint32_t)n;
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
	strcpy(attr.prog_name, "vrun_devices");
	fd = sys_bpf(BPF_PROG_LOAD, &attr);
	/* EINVAL: a type of program that this kernel does not know. */
	if (fd == -ENOSYS || fd == -EINVAL)
		return -ENOSYS;
	if (fd < 0)
		return err_set_errno(err, fd, "linux.resources.devices: loading the filter");
	attr = (union bpf_attr){ 0 };
	attr.target_fd = (uint32_t)cgroup;
	attr.attach_bpf_fd = (uint32_t)fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	/* The container may add its own below (systemd does). */
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	r = sys_bpf(BPF_PROG_ATTACH, &attr);
	return r < 0 ? err_set_errno(err, r, "linux.resources.devices: setting the filter") : 0;
}
