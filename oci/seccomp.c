/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp: a profile of config.json compiled to BPF with libseccomp.
 *
 * Theory of operation
 *
 * Where the spec is silent the meaning is runc's, as profiles are written and
 * tested against it:
 * - the native architecture is always part of the filter;
 * - an unknown system call is left out, a rule that says what the default says too;
 * - several conditions on one argument are alternatives, on different ones they
 *   all have to hold;
 * - without flags, SECCOMP_FILTER_FLAG_SPEC_ALLOW;
 * - system calls that are newer than every one that a profile names fail with ENOSYS,
 *   so that C libraries fall back to older ones. libseccomp can't say that:
 *   some instructions are put before its program.
 */
#include "oci/seccomp.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "oci/spec.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static void cleanup_filter(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

/* --- names --- */

struct action {
	const char *name;
	uint32_t value;
	bool takes_errno; /* its lower 16 bits are errnoRet */
};

static const struct action actions[] = {
	{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
	{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
	{ "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0), true },
	{ "SCMP_ACT_TRACE", SCMP_ACT_TRACE(0), true },
	{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
	{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
};

static const struct {
	const char *name;
	enum scmp_compare value;
} operators[] = {
	{ "SCMP_CMP_NE", SCMP_CMP_NE },
	{ "SCMP_CMP_LT", SCMP_CMP_LT },
	{ "SCMP_CMP_LE", SCMP_CMP_LE },
	{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
	{ "SCMP_CMP_GE", SCMP_CMP_GE },
	{ "SCMP_CMP_GT", SCMP_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
};

/* `where` is the path of what holds the action ("linux.seccomp"), `key` and `errno_key` its members' names. */
static int action_value(const char *where, const char *key, const char *name, const char *errno_key,
			const struct oci_u64 *errno_ret, uint32_t *ret, struct err *err)
{
	if (!strcmp(name, "SCMP_ACT_NOTIFY"))
		return err_set(err, -ENOTSUP,
			       "%s.%s: %s can't be honoured, as its listener is outside of the VM", where,
			       key, name);
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		const struct action *a = &actions[i];

		if (strcmp(a->name, name))
			continue;
		if (errno_ret->has && !a->takes_errno)
			return err_set(err, -EINVAL, "%s.%s: must not be there with %s", where, errno_key,
				       name);
		*ret = a->value;
		if (a->takes_errno)
			*ret |= (errno_ret->has ? errno_ret->v : EPERM) & SECCOMP_RET_DATA;
		return 0;
	}
	return err_set(err, -EINVAL, "%s.%s: unknown value \"%.200s\"", where, key, name);
}

/* "SCMP_ARCH_X86_64" is libseccomp's "x86_64"; 0 when it does not know it. */
static uint32_t arch_token(const char *name)
{
	static const char prefix[] = "SCMP_ARCH_";
	char lower[32];
	size_t i;

	if (strncmp(name, prefix, sizeof(prefix) - 1))
		return 0;
	name += sizeof(prefix) - 1;
	for (i = 0; name[i] && i < sizeof(lower) - 1; i++)
		lower[i] = name[i] >= 'A' && name[i] <= 'Z' ? name[i] + ('a' - 'A') : name[i];
	lower[i] = 0;
	return seccomp_arch_resolve_name(lower);
}

static int filter_flags(const struct oci_seccomp *profile, uint32_t *ret, struct err *err)
{
	uint32_t flags = profile->flags.n ? 0 : SECCOMP_FILTER_FLAG_SPEC_ALLOW;

	for (size_t i = 0; i < profile->flags.n; i++) {
		const char *name = profile->flags.v[i];

		if (!strcmp(name, "SECCOMP_FILTER_FLAG_LOG"))
			flags |= SECCOMP_FILTER_FLAG_LOG;
		else if (!strcmp(name, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"))
			flags |= SECCOMP_FILTER_FLAG_SPEC_ALLOW;
		else if (strcmp(name, "SECCOMP_FILTER_FLAG_TSYNC")) /* one thread loads it: nothing to sync */
			return err_set(err, -ENOTSUP, "linux.seccomp.flags[%zu]: %s can't be honoured", i,
				       name);
	}
	*ret = flags;
	return 0;
}

/* --- rules --- */

static int add_architectures(scmp_filter_ctx ctx, const struct oci_seccomp *profile, struct err *err)
{
	for (size_t i = 0; i < profile->architectures.n; i++) {
		uint32_t token = arch_token(profile->architectures.v[i]);
		int r = token ? seccomp_arch_add(ctx, token) : -EINVAL;

		if (r < 0 && r != -EEXIST)
			return err_set(err, -EINVAL,
				       "linux.seccomp.architectures[%zu]: %s can't be part of a filter here",
				       i, profile->architectures.v[i]);
	}
	return 0;
}

/* System calls have six arguments, so that a rule has at most six conditions that all hold. */
enum { ARGS_MAX = 6 };

static int convert_arg(const struct oci_seccomp_arg *arg, struct scmp_arg_cmp *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(operators); i++) {
		if (strcmp(operators[i].name, arg->op))
			continue;
		*ret = (struct scmp_arg_cmp){
			.arg = arg->index,
			.op = operators[i].value,
			.datum_a = arg->value,
			.datum_b = arg->value_two,
		};
		return 0;
	}
	return -EINVAL;
}

/* One rule of the profile for one system call. */
static int add_rule(scmp_filter_ctx ctx, uint32_t action, int nr, const struct oci_seccomp_rule *rule)
{
	struct scmp_arg_cmp cmp[ARGS_MAX];
	bool alternatives = false;
	unsigned seen = 0;
	int r = 0;

	for (size_t i = 0; i < rule->n_args; i++) {
		if (rule->args[i].index >= ARGS_MAX)
			return -EINVAL;
		alternatives |= seen & 1u << rule->args[i].index;
		seen |= 1u << rule->args[i].index;
	}
	if (!alternatives) {
		for (size_t i = 0; r == 0 && i < rule->n_args; i++)
			r = convert_arg(&rule->args[i], &cmp[i]);
		return r < 0 ? r : seccomp_rule_add_array(ctx, action, nr, rule->n_args, cmp);
	}
	for (size_t i = 0; r == 0 && i < rule->n_args; i++) {
		r = convert_arg(&rule->args[i], &cmp[0]);
		if (r == 0)
			r = seccomp_rule_add_array(ctx, action, nr, 1, cmp);
	}
	return r;
}

static int add_rules(scmp_filter_ctx ctx, const struct oci_seccomp *profile, uint32_t default_action,
		     struct err *err)
{
	for (size_t i = 0; i < profile->n_rules; i++) {
		const struct oci_seccomp_rule *rule = &profile->rules[i];
		char where[48];
		uint32_t action;
		int r;

		snprintf(where, sizeof(where), "linux.seccomp.syscalls[%zu]", i);
		r = action_value(where, "action", rule->action, "errnoRet", &rule->errno_ret, &action, err);
		if (r < 0)
			return r;
		if (action == default_action)
			continue;
		for (size_t j = 0; j < rule->names.n; j++) {
			int nr = seccomp_syscall_resolve_name(rule->names.v[j]);

			if (nr == __NR_SCMP_ERROR) {
				log_debug("%s: unknown system call %.100s is left out", where,
					  rule->names.v[j]);
				continue;
			}
			r = add_rule(ctx, action, nr, rule);
			if (r < 0)
				return err_set_errno(err, r, "%s: no filter for %s", where, rule->names.v[j]);
		}
	}
	return 0;
}

/* --- ENOSYS for what is newer than the profile --- */

/* x32 system calls carry this bit and share the architecture of x86_64; <asm/unistd.h>. */
enum { X32_SYSCALL_BIT = 0x40000000 };

/*
 * The architectures whose token is what seccomp_data.arch holds, so that a
 * comparison with it is enough, and whose system calls are numbered from 0.
 */
static const uint32_t stub_archs[] = {
	SCMP_ARCH_X86_64,  SCMP_ARCH_X86,     SCMP_ARCH_AARCH64, SCMP_ARCH_ARM,
	SCMP_ARCH_RISCV64, SCMP_ARCH_PPC64LE, SCMP_ARCH_S390X,
};
enum { STUB_ARCH_INSNS = 6, STUB_MAX = 1 + ARRAY_SIZE(stub_archs) * STUB_ARCH_INSNS };

/* The highest number among all that the profile names, -1 when it names none. */
static int last_syscall(const struct oci_seccomp *profile, uint32_t arch)
{
	int last = -1;

	for (size_t i = 0; i < profile->n_rules; i++) {
		const struct oci_strings *names = &profile->rules[i].names;

		for (size_t j = 0; j < names->n; j++) {
			int nr = seccomp_syscall_resolve_name_arch(arch, names->v[j]);

			/* Negative ones stand for calls that this architecture has not. */
			last = nr > last ? nr : last;
		}
	}
	return last;
}

/* A default that lets calls through lets new ones through as well; a tracer sees to them itself. */
static bool wants_stub(const struct oci_seccomp *profile)
{
	if (profile->default_errno_ret.has && profile->default_errno_ret.v == ENOSYS)
		return false;
	return strcmp(profile->default_action, "SCMP_ACT_ALLOW") &&
	       strcmp(profile->default_action, "SCMP_ACT_LOG") &&
	       strcmp(profile->default_action, "SCMP_ACT_TRACE");
}

/* Returns the number of instructions written to `stub`. They end by falling through to the program. */
static size_t build_stub(scmp_filter_ctx ctx, const struct oci_seccomp *profile, struct sock_filter *stub)
{
	const struct sock_filter load_arch =
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	size_t n = 0;

	stub[n++] = load_arch;
	for (size_t i = 0; i < ARRAY_SIZE(stub_archs); i++) {
		uint32_t arch = stub_archs[i];
		int last = seccomp_arch_exist(ctx, arch) == 0 ? last_syscall(profile, arch) : -1;

		if (last < 0)
			continue;
		/* Another architecture: behind this block. Without a jump out of the block the next ones compare
		 * a system call's number with an architecture, so the architecture is loaded again. */
		stub[n++] =
			(struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arch, 0, STUB_ARCH_INSNS - 1);
		stub[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
							 offsetof(struct seccomp_data, nr));
		stub[n++] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JGE | BPF_K, arch == SCMP_ARCH_X86_64 ? X32_SYSCALL_BIT : UINT32_MAX, 2,
			0);
		stub[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, last, 0, 1);
		stub[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
		stub[n++] = load_arch;
	}
	return n > 1 ? n : 0;
}

/* --- the program --- */

static int export_program(scmp_filter_ctx ctx, const struct sock_filter *stub, size_t n_stub,
			  uint8_t **ret_bpf, size_t *ret_len, struct err *err)
{
	_cleanup_close_ int fd = memfd_create("seccomp", MFD_CLOEXEC);
	_cleanup_free_ uint8_t *bpf = NULL;
	size_t stub_len = n_stub * sizeof(*stub);
	struct stat st;
	int r;

	if (fd < 0)
		return err_set_errno(err, -errno, "linux.seccomp: memfd");
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return err_set_errno(err, r, "linux.seccomp: making the filter's program");
	if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_set_errno(err, -errno, "linux.seccomp: memfd");
	if (stub_len + st.st_size > BPF_MAXINSNS * sizeof(*stub))
		return err_set(err, -E2BIG, "linux.seccomp: the filter has more than %d instructions",
			       BPF_MAXINSNS);
	bpf = malloc(stub_len + st.st_size);
	if (!bpf)
		return err_set_errno(err, -ENOMEM, "linux.seccomp");
	memcpy(bpf, stub, stub_len);
	r = fd_read_all(fd, bpf + stub_len, st.st_size);
	if (r < 0)
		return err_set_errno(err, r, "linux.seccomp: memfd");
	*ret_bpf = TAKE_PTR(bpf);
	*ret_len = stub_len + st.st_size;
	return 0;
}

int oci_seccomp_compile(const struct oci_seccomp *profile, uint8_t **ret_bpf, size_t *ret_len,
			uint32_t *ret_flags, struct err *err)
{
	_cleanup_(cleanup_filter) scmp_filter_ctx ctx = NULL;
	struct sock_filter stub[STUB_MAX];
	uint32_t default_action, flags = 0;
	size_t n_stub = 0;
	int r;

	if (!profile->has) {
		*ret_bpf = NULL;
		*ret_len = 0;
		*ret_flags = 0;
		return 0;
	}
	r = filter_flags(profile, &flags, err);
	if (r < 0)
		return r;
	r = action_value("linux.seccomp", "defaultAction", profile->default_action, "defaultErrnoRet",
			 &profile->default_errno_ret, &default_action, err);
	if (r < 0)
		return r;
	/* The guest's kernel loads it, so what this host's kernel can do is no limit (level 3: LOG, KILL_PROCESS). */
	if (seccomp_api_get() < 3)
		(void)seccomp_api_set(3);
	ctx = seccomp_init(default_action);
	if (!ctx)
		return err_set(err, -ENOTSUP, "linux.seccomp.defaultAction: %s can't be honoured",
			       profile->default_action);
	/* A binary tree instead of a list: fewer steps for every system call (seccomp_attr_set(3)). */
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	r = add_architectures(ctx, profile, err);
	if (r == 0)
		r = add_rules(ctx, profile, default_action, err);
	if (r < 0)
		return r;
	if (wants_stub(profile))
		n_stub = build_stub(ctx, profile, stub);
	r = export_program(ctx, stub, n_stub, ret_bpf, ret_len, err);
	if (r == 0)
		*ret_flags = flags;
	return r;
}

void oci_seccomp_version(char buf[static 32])
{
	const struct scmp_version *v = seccomp_version();

	snprintf(buf, 32, "%u.%u.%u", v->major, v->minor, v->micro);
}
