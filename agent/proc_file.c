/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc_file: see proc_file.h; proc(5) for the files.
 *
 * The container may have mounted anything at /proc and below. Only what the kernel itself serves there is opened,
 * which keeps nobody waiting.
 */
#include "agent/proc_file.h"

#include "base/cleanup.h"
#include "base/rootpath.h"
#include "oci/agent_proto.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>

enum { PIDS_MAX = AGENT_PROC_MAX / sizeof(le32) };

static const char *const names[AGENT_PROC_FILES] = {
	[AGENT_PROC_DIRECTORY] = ".",
	[AGENT_PROC_STAT] = "stat",
	[AGENT_PROC_STATUS] = "status",
	[AGENT_PROC_CMDLINE] = "cmdline",
};

static int open_proc(pid_t init)
{
	_cleanup_close_ int root = -EBADF, proc = -EBADF;
	struct statfs fs;
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/root", (int)init);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	proc = root_open(root, "proc", O_PATH | O_DIRECTORY);
	if (proc < 0)
		return proc;
	if (fstatfs(proc, &fs) < 0)
		return -errno;
	return fs.f_type == PROC_SUPER_MAGIC ? TAKE_FD(proc) : -ENOENT;
}

/* Nothing that is mounted over it. */
static int open_file(int proc, uint32_t pid, const char *name, int flags)
{
	const struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	char path[40];
	long fd;

	snprintf(path, sizeof(path), "%u/%s", pid, name);
	fd = syscall(SYS_openat2, proc, pid ? path : name, &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

struct inside {
	int userns, proc;
	uint32_t pid;
	const char *name;
	int fd; /* the result */
};

static int open_inside(void *arg)
{
	struct inside *in = arg;

	in->fd = setns(in->userns, CLONE_NEWUSER) < 0 ? -errno
						      : open_file(in->proc, in->pid, in->name, O_RDONLY);
	return 0;
}

/*
 * The kernel numbers users as the user namespace of him who has opened the file does, and the agent could not come
 * back from that one. So a process opens it that shares the agent's memory and descriptors, while the agent waits.
 */
static int open_as_container(pid_t init, int proc, uint32_t pid, const char *name)
{
	static _Alignas(16) char stack[64 << 10];
	_cleanup_close_ int userns = -EBADF;
	struct inside in = { .proc = proc, .pid = pid, .name = name, .fd = -ECHILD };
	char path[40];
	pid_t child;

	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)init);
	userns = open(path, O_RDONLY | O_CLOEXEC);
	if (userns < 0)
		return -errno;
	in.userns = userns;
	child = clone(open_inside, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD,
		      &in);
	if (child < 0)
		return -errno;
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return in.fd;
}

static int read_some(int fd, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *buf = malloc(AGENT_PROC_MAX);
	size_t len = 0;
	ssize_t n;

	if (!buf)
		return -ENOMEM;
	do {
		n = read(fd, buf + len, AGENT_PROC_MAX - len);
		if (n < 0)
			return -errno;
		len += (size_t)n;
	} while (n > 0 && len < AGENT_PROC_MAX);
	*ret = TAKE_PTR(buf);
	*ret_len = len;
	return 0;
}

static int list(int take_fd, char **ret, size_t *ret_len)
{
	_cleanup_closedir_ DIR *dir = fdopendir(take_fd);
	_cleanup_free_ le32 *pids = malloc(AGENT_PROC_MAX);
	const struct dirent *entry;
	size_t n = 0;

	if (!dir)
		close_fd(take_fd);
	if (!dir || !pids)
		return -ENOMEM;
	while (n < PIDS_MAX && (entry = readdir(dir))) {
		if (entry->d_name[0] && strspn(entry->d_name, "0123456789") == strlen(entry->d_name))
			pids[n++] = le32_make((uint32_t)strtoul(entry->d_name, NULL, 10));
	}
	*ret = (char *)TAKE_PTR(pids);
	*ret_len = n * sizeof(le32);
	return 0;
}

int proc_file_read(pid_t init, bool userns, uint32_t pid, uint32_t file, char **ret, size_t *ret_len)
{
	_cleanup_close_ int proc = -EBADF, fd = -EBADF;
	bool directory = file == AGENT_PROC_DIRECTORY;
	int r;

	if (file >= AGENT_PROC_FILES)
		return -EINVAL;
	proc = open_proc(init);
	if (proc < 0)
		return proc;
	if (userns && file == AGENT_PROC_STATUS)
		fd = open_as_container(init, proc, pid, names[file]);
	else
		fd = open_file(proc, pid, names[file], O_RDONLY | (directory ? O_DIRECTORY : 0));
	if (fd < 0)
		return fd;
	if (directory && pid) {
		*ret_len = 0;
		return 0;
	}
	r = directory ? list(TAKE_FD(fd), ret, ret_len) : read_some(fd, ret, ret_len);
	/* It has ended since. */
	return r == -ESRCH ? -ENOENT : r;
}
