/* SPDX-License-Identifier: Apache-2.0 */
/* child: see child.h. The order is runc's where it shows. */
#include "agent/child.h"

#include "agent/credentials.h"
#include "agent/devices.h"
#include "agent/hooks.h"
#include "agent/mounts.h"
#include "agent/namespaces.h"
#include "agent/process_attrs.h"
#include "agent/rootfs.h"
#include "agent/terminal.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/lookpath.h"
#include "base/signals.h"
#include "oci/agent_proto.h"
#include "oci/spec.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

struct child {
	const struct child_args *args;
	int stdio[3];
	enum agent_stage stage;
};

/* Close all descriptors but the wanted ones, which may be negative. */
static int close_others(const int *keep, size_t n)
{
	int from = 0;

	for (;;) {
		int next = INT32_MAX;

		for (size_t i = 0; i < n; i++)
			if (keep[i] >= from && keep[i] < next)
				next = keep[i];
		if (next > from && syscall(SYS_close_range, (unsigned)from,
					   next == INT32_MAX ? ~0u : (unsigned)next - 1, 0) < 0)
			return -errno;
		if (next == INT32_MAX)
			return 0;
		from = next + 1;
	}
}

static int wait_for(int sync, char wanted)
{
	char got;
	ssize_t n;

	do
		n = read(sync, &got, 1);
	while (n < 0 && errno == EINTR);
	/* End of file: the agent has given up on us. */
	return n == 1 && got == wanted ? 0 : -ECANCELED;
}

/* The null device for a standard stream that nobody wants. */
static int fill_stdio(struct child *c, struct err *err)
{
	for (int i = 0; i < 3; i++) {
		c->stdio[i] = c->args->stdio[i];
		if (c->stdio[i] >= 0)
			continue;
		c->stdio[i] = open("/dev/null", (i == 0 ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
		if (c->stdio[i] < 0)
			return err_set_errno(err, -errno, "opening /dev/null");
	}
	return 0;
}

/* The container's own null device, so that /proc/self/fd names a file that it can find. Best effort, as in runc. */
static void reopen_null(struct child *c)
{
	for (int i = 0; i < 3; i++) {
		_cleanup_close_ int fd = -EBADF;
		struct stat st;

		if (c->args->stdio[i] >= 0 || c->args->process->terminal)
			continue;
		fd = open("/dev/null", (i == 0 ? O_RDONLY : O_WRONLY) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))
			(void)dup3(fd, c->stdio[i], O_CLOEXEC);
	}
}

static int open_terminal(struct child *c, int root, struct err *err)
{
	struct child_report report = { .type = CHILD_TERMINAL };
	_cleanup_close_ int master = -EBADF, slave = -EBADF;
	int r;

	r = terminal_open(root, c->args->rows, c->args->cols, &master, &slave, err);
	if (r < 0)
		return r;
	if (c->args->init) {
		r = terminal_bind_console(root, slave, err);
		if (r < 0)
			return r;
	}
	r = (int)fd_send(c->args->sync, &report, sizeof(report), &master, 1);
	if (r < 0)
		return err_set_errno(err, r, "passing the terminal on");
	/* setsid() has been called: the first terminal taken is the session's. */
	if (ioctl(slave, TIOCSCTTY, 0) < 0)
		return err_set_errno(err, -errno, "taking the controlling terminal");
	for (int i = 0; i < 3; i++) {
		close_fd(c->stdio[i]);
		c->stdio[i] = fcntl(slave, F_DUPFD_CLOEXEC, 3);
		if (c->stdio[i] < 0)
			return err_set_errno(err, -errno, "duplicating the terminal");
	}
	/* The user must be able to open its own terminal; the group stays devpts' (tty). */
	if (fchown(slave, c->args->process->user.uid, (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM)
		return err_set_errno(err, -errno, "giving the terminal to the user");
	return 0;
}

/* runc makes a working directory that is missing. */
static int make_cwd(const char *cwd, struct err *err)
{
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -EBADF;

	if (root < 0)
		return err_set_errno(err, -errno, "opening /");
	fd = rootfs_make(root, cwd, true, 0755);
	return fd < 0 ? err_set_errno(err, fd, "process.cwd: making %s", cwd) : 0;
}

/* The container's first process: build the container around itself. */
static int set_up(struct child *c, struct err *err)
{
	const struct oci_spec *spec = c->args->spec;
	_cleanup_close_ int root = -EBADF;
	int r;

	if (c->args->wait_prepared) {
		r = wait_for(c->args->sync, CHILD_GO_PREPARED);
		if (r < 0)
			return err_set(err, r, "cancelled");
	}
	if (spec->linux_.namespaces[OCI_NS_USER].wanted)
		credentials_become_mapped(&spec->linux_);
	/* A session keyring of its own; the kernel may have none. */
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "_ses.container");
	r = namespaces_setup(spec, err);
	if (r < 0)
		return r;
	root = rootfs_open(spec->root.path, err);
	if (root < 0)
		return root;
	r = mounts_apply(root, spec, err);
	if (r == 0 && c->args->resolv_conf)
		r = mounts_resolv_conf(root, spec, c->args->resolv_conf, err);
	if (r == 0)
		r = devices_make(root, spec, spec->linux_.namespaces[OCI_NS_USER].wanted, err);
	if (r == 0 && c->args->process->terminal)
		r = open_terminal(c, root, err);
	if (r == 0)
		r = rootfs_protect_paths(root, spec, err);
	if (r == 0)
		r = rootfs_enter(root, err);
	if (r == 0)
		r = make_cwd(c->args->process->cwd, err);
	if (r == 0)
		r = mounts_seal(root, spec, err);
	return r == 0 ? rootfs_finish(spec, err) : r;
}

/* One more process: join what the first one has. */
static int join(struct child *c, struct err *err)
{
	_cleanup_close_ int root = -EBADF;

	/* The pid namespace was the agent's to choose, before the clone. */
	if (setns(c->args->init_pidfd, (int)(c->args->join & ~(unsigned long)CLONE_NEWPID)) < 0)
		return err_set_errno(err, -errno, "joining the container's namespaces");
	if (c->args->join & CLONE_NEWUSER)
		credentials_become_mapped(&c->args->spec->linux_);
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "_ses.container");
	if (chdir("/") < 0)
		return err_set_errno(err, -errno, "chdir /");
	if (!c->args->process->terminal)
		return 0;
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_set_errno(err, -errno, "opening /");
	return open_terminal(c, root, err);
}

static int enter_cwd(const char *cwd, struct err *err)
{
	char where[4096];

	if (chdir(cwd) < 0)
		return err_set(err, -errno, "chdir to cwd (\"%s\") set in config.json failed: %s", cwd,
			       errno_text(errno));
	/* A directory outside the root would be reached through a descriptor left open: refuse to run there. */
	if (syscall(SYS_getcwd, where, sizeof(where)) < 0 || where[0] != '/')
		return err_set(err, -ENOENT,
			       "current working directory is outside of container mount namespace root");
	return 0;
}

static int move_stdio(struct child *c, struct err *err)
{
	/* Out of the way of 0 to 2 first. */
	for (int i = 0; i < 3; i++) {
		if (c->stdio[i] > 2)
			continue;
		c->stdio[i] = fcntl(c->stdio[i], F_DUPFD_CLOEXEC, 3);
		if (c->stdio[i] < 0)
			return err_set_errno(err, -errno, "duplicating the standard streams");
	}
	for (int i = 0; i < 3; i++)
		if (dup2(c->stdio[i], i) < 0)
			return err_set_errno(err, -errno, "duplicating the standard streams");
	return 0;
}

static int report_ready(const struct child_args *args, struct err *err)
{
	struct child_report report = { .type = CHILD_READY };
	int r = fd_write_all(args->sync, &report, sizeof(report));

	return r < 0 ? err_set_errno(err, r, "reporting to the agent") : 0;
}

/* Become the container's process, and wait for the word. Returns only on failure. */
static int become(struct child *c, struct err *err)
{
	const struct child_args *args = c->args;
	const struct oci_process *p = args->process;
	_cleanup_(process_env_done) struct process_env env = { 0 };
	char path[4096];
	int r, cwd;

	r = process_attrs_apply(p, &args->spec->linux_, err);
	if (r == 0)
		r = move_stdio(c, err);
	/*
	 * Loading a filter takes either no_new_privs or a right that goes with the
	 * user: with no_new_privs it can wait until the end.
	 */
	if (r == 0 && !p->no_new_privileges)
		r = credentials_set_seccomp(args->seccomp, args->seccomp_len, args->seccomp_flags, err);
	/* As runc: with root's rights, or else (user namespaces, root squashed) with the user's own. */
	cwd = r == 0 ? enter_cwd(p->cwd, err) : 0;
	if (r == 0 && cwd != -EACCES && cwd != -EPERM)
		r = cwd;
	if (r == 0)
		r = credentials_apply(p, err);
	if (r == 0)
		r = process_env_build(p, &env);
	if (r == 0 && cwd < 0)
		r = enter_cwd(p->cwd, err);
	if (r == 0 && p->no_new_privileges)
		r = credentials_set_no_new_privs(err);
	if (r < 0)
		return r;
	/* A change of user made it dumpable again, if the kernel is set so. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	c->stage = AGENT_STAGE_EXEC;
	r = lookpath(p->args.v[0], env.v, path, sizeof(path), err);
	if (r < 0)
		return r;
	c->stage = AGENT_STAGE_SETUP;
	r = report_ready(args, err);
	if (r < 0)
		return r;
	r = wait_for(args->sync, CHILD_GO_EXEC);
	if (r < 0)
		return err_set(err, r, "cancelled");
	umask(p->user.umask.has ? (mode_t)p->user.umask.v & 0777 : 0022);
	if (p->no_new_privileges) {
		r = credentials_set_seccomp(args->seccomp, args->seccomp_len, args->seccomp_flags, err);
		if (r < 0)
			return r;
	}
	/* As runc: these programs are the container's, and no more may be done by them than by it. */
	if (args->init) {
		r = hooks_run(&args->spec->hooks.start_container, "startContainer", args->spec, err);
		if (r < 0)
			return r;
	}
	c->stage = AGENT_STAGE_EXEC;
	execve(path, p->args.v, env.v);
	return err_set(err, -errno, "exec %s: %s", path, errno_text(errno));
}

static int run(struct child *c, struct err *err)
{
	const struct child_args *args = c->args;
	int keep[] = { args->sync, args->init_pidfd, args->stdio[0], args->stdio[1], args->stdio[2] };
	int r;

	r = close_others(keep, ARRAY_SIZE(keep));
	if (r < 0)
		return err_set_errno(err, r, "closing the agent's descriptors");
	signals_reset();
	umask(0);
	if (setsid() < 0)
		return err_set_errno(err, -errno, "setsid");
	r = fill_stdio(c, err);
	if (r == 0)
		r = args->init ? set_up(c, err) : join(c, err);
	if (r < 0)
		return r;
	reopen_null(c);
	return become(c, err);
}

_Noreturn void child_run(const struct child_args *args)
{
	struct child c = { .args = args, .stdio = { -EBADF, -EBADF, -EBADF } };
	struct child_report report = { .type = CHILD_FAILED };
	struct err err = ERR_INIT;
	int r;

	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	r = run(&c, &err);
	report.error = -r;
	report.stage = c.stage;
	snprintf(report.text, sizeof(report.text), "%s", err.text[0] ? err.text : errno_text(-r));
	/* write(), not send(): a seccomp profile allows it more likely. */
	(void)fd_write_all(args->sync, &report, sizeof(report));
	_exit(127);
}
