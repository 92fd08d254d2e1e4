/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filters: which system calls of the host the processes behind a container may make. See compare.h.
 *
 * The kernel gives a privileged tracer its own copy of a thread's seccomp filters (ptrace(2),
 * PTRACE_SECCOMP_GET_FILTER). Each is a program of classic BPF over seccomp_data. It is run here once
 * for each number of a system call, with arguments unknown: where a jump depends on one, both ways are
 * taken, and the call counts as possible when any way ends in a permission.
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "cmd/compare/compare.h"

#include <dirent.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

enum { STEPS_MAX = 1 << 16, FILTERS_MAX = 32 };

const char *syscall_name(int nr, char *buf, size_t size)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, nr);

	if (!name)
		return NULL;
	snprintf(buf, size, "%s", name);
	free(name);
	return buf;
}

int syscall_count(const struct syscall_set *set)
{
	int n = 0;

	for (int i = 0; i < SYSCALLS_MAX; i++)
		n += set->has[i];
	return n;
}

/* --- A filter, with unknown arguments --- */

struct machine {
	const struct sock_filter *code;
	size_t len;
	uint32_t nr;
	unsigned steps; /* left */
};

struct registers {
	size_t pc;
	uint32_t a, x, mem[BPF_MEMWORDS];
	bool a_known, x_known, mem_known[BPF_MEMWORDS];
};

static bool permits(uint32_t action)
{
	switch (action & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
		return true;
	default:
		return false;
	}
}

static void load(struct registers *r, uint32_t offset, const struct machine *m)
{
	r->a_known =
		offset == offsetof(struct seccomp_data, nr) || offset == offsetof(struct seccomp_data, arch);
	r->a = offset == offsetof(struct seccomp_data, nr) ? m->nr : AUDIT_ARCH_X86_64;
}

static void compute(struct registers *r, const struct sock_filter *f)
{
	uint32_t v = BPF_SRC(f->code) == BPF_X ? r->x : f->k;

	if (BPF_SRC(f->code) == BPF_X && !r->x_known)
		r->a_known = false;
	switch (BPF_OP(f->code)) {
	case BPF_ADD:
		r->a += v;
		break;
	case BPF_SUB:
		r->a -= v;
		break;
	case BPF_MUL:
		r->a *= v;
		break;
	case BPF_AND:
		r->a &= v;
		break;
	case BPF_OR:
		r->a |= v;
		break;
	case BPF_XOR:
		r->a ^= v;
		break;
	case BPF_LSH:
		r->a <<= v & 31;
		break;
	case BPF_RSH:
		r->a >>= v & 31;
		break;
	case BPF_NEG:
		r->a = -r->a;
		break;
	default: /* divisions, which no filter has */
		r->a_known = false;
	}
}

static bool compare_taken(const struct registers *r, const struct sock_filter *f)
{
	uint32_t v = BPF_SRC(f->code) == BPF_X ? r->x : f->k;

	switch (BPF_OP(f->code)) {
	case BPF_JEQ:
		return r->a == v;
	case BPF_JGT:
		return r->a > v;
	case BPF_JGE:
		return r->a >= v;
	case BPF_JSET:
		return r->a & v;
	default:
		return true;
	}
}

/* Whether some way from here permits the call. Jumps go forward only: it ends. */
static bool may(struct machine *m, struct registers r)
{
	while (r.pc < m->len && m->steps) {
		const struct sock_filter *f = &m->code[r.pc++];

		m->steps--;
		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
			if (BPF_MODE(f->code) == BPF_ABS) {
				load(&r, f->k, m);
			} else if (BPF_MODE(f->code) == BPF_MEM && f->k < BPF_MEMWORDS) {
				r.a = r.mem[f->k];
				r.a_known = r.mem_known[f->k];
			} else {
				r.a = f->k;
				r.a_known = BPF_MODE(f->code) == BPF_IMM;
			}
			break;
		case BPF_LDX:
			r.x = BPF_MODE(f->code) == BPF_MEM && f->k < BPF_MEMWORDS ? r.mem[f->k] : f->k;
			r.x_known =
				BPF_MODE(f->code) == BPF_IMM ||
				(BPF_MODE(f->code) == BPF_MEM && f->k < BPF_MEMWORDS && r.mem_known[f->k]);
			break;
		case BPF_ST:
		case BPF_STX:
			if (f->k < BPF_MEMWORDS) {
				r.mem[f->k] = BPF_CLASS(f->code) == BPF_ST ? r.a : r.x;
				r.mem_known[f->k] = BPF_CLASS(f->code) == BPF_ST ? r.a_known : r.x_known;
			}
			break;
		case BPF_ALU:
			compute(&r, f);
			break;
		case BPF_JMP:
			if (BPF_OP(f->code) == BPF_JA) {
				r.pc += f->k;
			} else if (r.a_known && (BPF_SRC(f->code) != BPF_X || r.x_known)) {
				r.pc += compare_taken(&r, f) ? f->jt : f->jf;
			} else {
				struct registers other = r;

				other.pc += f->jt;
				if (may(m, other))
					return true;
				r.pc += f->jf;
			}
			break;
		case BPF_RET:
			return BPF_RVAL(f->code) == BPF_A ? !r.a_known || permits(r.a) : permits(f->k);
		case BPF_MISC:
			if (BPF_MISCOP(f->code) == BPF_TAX) {
				r.x = r.a;
				r.x_known = r.a_known;
			} else {
				r.a = r.x;
				r.a_known = r.x_known;
			}
			break;
		}
	}
	/* Not decided within reason: possible, as it can't be shown that it is not. */
	return true;
}

void filter_apply(const struct sock_filter *code, size_t len, struct syscall_set *set)
{
	for (int nr = 0; nr < SYSCALLS_MAX; nr++) {
		struct machine m = { .code = code, .len = len, .nr = (uint32_t)nr, .steps = STEPS_MAX };
		struct registers r = { .pc = 0 };

		set->has[nr] = set->has[nr] && may(&m, r);
	}
}

/* --- A thread --- */

static int thread_filters(pid_t tid, struct syscall_set *ret, bool *ret_filtered, struct err *err)
{
	struct sock_filter *code = calloc(BPF_MAXINSNS, sizeof(*code));
	struct syscall_set set = { .calls = 0 };
	char name[64];
	int status, r = 0;

	if (!code)
		return err_set(err, -ENOMEM, "out of memory");
	for (int nr = 0; nr < SYSCALLS_MAX; nr++)
		set.has[nr] = syscall_name(nr, name, sizeof(name)) != NULL;
	/* Gone meanwhile: then it makes no calls. */
	if (ptrace(PTRACE_SEIZE, tid, 0, 0) < 0) {
		r = errno == ESRCH ? 0 : err_set_errno(err, -errno, "trace of process %d", tid);
		free(code);
		return r;
	}
	if (ptrace(PTRACE_INTERRUPT, tid, 0, 0) < 0 || waitpid(tid, &status, __WALL) < 0 ||
	    !WIFSTOPPED(status)) {
		free(code);
		return 0;
	}
	for (long i = 0; i < FILTERS_MAX; i++) {
		long len = ptrace((enum __ptrace_request)PTRACE_SECCOMP_GET_FILTER, tid, i, code);

		if (len < 0) {
			/* ENOENT: no more; EINVAL: the thread is in no filter's mode */
			if (errno != ENOENT && errno != EINVAL)
				r = err_set_errno(err, -errno, "filters of process %d", tid);
			break;
		}
		*ret_filtered = true;
		filter_apply(code, (size_t)len, &set);
	}
	ptrace(PTRACE_DETACH, tid, 0, 0);
	free(code);
	for (int nr = 0; nr < SYSCALLS_MAX; nr++)
		ret->has[nr] |= set.has[nr];
	return r;
}

size_t process_tree(pid_t pid, pid_t *pids, size_t max)
{
	size_t n = 0;

	if (max)
		pids[n++] = pid;
	/* proc(5): /proc/PID/task/TID/children */
	for (size_t i = 0; i < n; i++) {
		char path[64];
		_cleanup_closedir_ DIR *dir = NULL;
		struct dirent *e;

		snprintf(path, sizeof(path), "/proc/%d/task", pids[i]);
		dir = opendir(path);
		while (dir && (e = readdir(dir))) {
			char children[128];
			_cleanup_fclose_ FILE *f = NULL;
			int child;

			if (e->d_name[0] == '.')
				continue;
			snprintf(children, sizeof(children), "/proc/%d/task/%.20s/children", pids[i],
				 e->d_name);
			f = fopen(children, "re");
			while (f && n < max && fscanf(f, "%d", &child) == 1)
				pids[n++] = child;
		}
	}
	return n;
}

int filters_read(const pid_t *pids, size_t n, struct syscall_set *ret, bool *ret_filtered, struct err *err)
{
	int r = 0;

	*ret = (struct syscall_set){ .calls = 0 };
	*ret_filtered = false;
	for (size_t i = 0; i < n && r == 0; i++) {
		_cleanup_closedir_ DIR *dir = NULL;
		struct dirent *e;
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/task", pids[i]);
		dir = opendir(path);
		while (dir && r == 0 && (e = readdir(dir))) {
			if (e->d_name[0] != '.')
				r = thread_filters(atoi(e->d_name), ret, ret_filtered, err);
		}
	}
	return r;
}
