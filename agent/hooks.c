/* SPDX-License-Identifier: Apache-2.0 */
/* hooks: see hooks.h. */
#include "agent/hooks.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "oci/spec.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int write_state(const struct oci_spec *spec, char **ret_text, size_t *ret_len)
{
	const char *id = oci_spec_annotation(spec, "org.vrun.internal.id");
	const char *bundle = oci_spec_annotation(spec, "org.vrun.internal.bundle");
	struct json_out *out = NULL;
	int r = json_out_new(false, &out);

	if (r < 0)
		return r;
	json_out_object(out);
	json_out_key(out, "ociVersion");
	json_out_string(out, spec->oci_version);
	json_out_key(out, "id");
	json_out_string(out, id ? id : "");
	json_out_key(out, "status");
	json_out_string(out, "created");
	json_out_key(out, "pid");
	json_out_i64(out, getpid());
	json_out_key(out, "bundle");
	json_out_string(out, bundle ? bundle : "");
	json_out_key(out, "annotations");
	json_out_object(out);
	for (size_t i = 0; i < spec->annotations.n; i++) {
		json_out_key(out, spec->annotations.v[i].key);
		json_out_string(out, spec->annotations.v[i].value);
	}
	json_out_object_end(out);
	json_out_object_end(out);
	r = json_out_finish(out, ret_text, ret_len);
	json_out_free(out);
	return r;
}

static int wait_hook(pid_t pid, const struct oci_hook *hook, int *ret_status)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };
	bool in_time = true;

	if (hook->timeout.has && pidfd >= 0) {
		int ms = hook->timeout.v > 2000000 ? 2000000000 : (int)hook->timeout.v * 1000;

		in_time = poll(&pfd, 1, ms) > 0;
		if (!in_time)
			kill(pid, SIGKILL);
	}
	if (waitpid(pid, ret_status, 0) < 0)
		return -errno;
	return in_time ? 0 : -ETIMEDOUT;
}

static int run_one(const struct oci_hook *hook, int state, struct err *err)
{
	char *no_args[] = { hook->path, NULL }, *no_env[] = { NULL };
	int status, r;
	pid_t pid;

	if (lseek(state, 0, SEEK_SET) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return err_set_errno(err, -errno, "fork");
	if (pid == 0) {
		if (dup2(state, STDIN_FILENO) < 0)
			_exit(127);
		execve(hook->path, hook->args.n ? hook->args.v : no_args, hook->env.n ? hook->env.v : no_env);
		_exit(errno == ENOENT ? 127 : 126);
	}
	r = wait_hook(pid, hook, &status);
	if (r < 0)
		return err_set_errno(err, r, "%s", hook->path);
	if (WIFSIGNALED(status))
		return err_set(err, -ECANCELED, "%s: signal %d", hook->path, WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return err_set(err, -ECANCELED, "%s: exit status %d", hook->path, WEXITSTATUS(status));
	return 0;
}

int hooks_run(const struct oci_hook_list *hooks, const char *kind, const struct oci_spec *spec,
	      struct err *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int state = -EBADF;
	size_t len;
	int r;

	if (hooks->n == 0)
		return 0;
	r = write_state(spec, &text, &len);
	if (r < 0)
		return err_set_errno(err, r, "writing the container's state");
	state = fd_from_bytes("state", text, len);
	if (state < 0)
		return err_set_errno(err, state, "writing the container's state");
	for (size_t i = 0; i < hooks->n; i++) {
		r = run_one(&hooks->v[i], state, err);
		if (r < 0)
			return err_wrap(err, r, "hooks.%s[%zu]", kind, i);
	}
	return 0;
}
