/* SPDX-License-Identifier: Apache-2.0 */
/* stdio: see stdio.h. */
#include "agent/stdio.h"

#include "agent/container.h"
#include "agent/process.h"
#include "agent/stream.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "oci/agent_proto.h"
#include "oci/spec.h"

#include <fcntl.h>

static int make_pipe(struct stdio *s, int i, const struct container *container, const struct oci_user *user,
		     struct err *err)
{
	int ends[2];
	uid_t uid;
	gid_t gid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set_errno(err, -errno, "making a pipe");
	s->ours[i] = i == 0 ? ends[1] : ends[0];
	s->theirs[i] = i == 0 ? ends[0] : ends[1];
	/* The process may reopen its streams by /dev/stdout: they must be its user's. */
	if (container_map_user(container, user->uid, user->gid, &uid, &gid) &&
	    fchown(s->theirs[i], uid, gid) < 0)
		return err_set_errno(err, -errno, "giving a pipe to the user");
	return 0;
}

int stdio_open(struct stdio *s, const struct stream_connector *connector, const struct container *container,
	       const struct oci_process *process, const struct agent_stdio *ports, struct err *err)
{
	const uint32_t port[3] = { ports->stdin_port, ports->stdout_port, ports->stderr_port };

	for (int i = 0; i < (process->terminal ? 1 : 3); i++) {
		int r;

		if (!port[i])
			continue;
		s->stream[i] = connector->connect(connector->ctx, port[i]);
		if (s->stream[i] < 0)
			return err_set_errno(err, s->stream[i], "connecting stream %d to the host", i);
		r = process->terminal ? 0 : make_pipe(s, i, container, &process->user, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int stdio_finish(struct stdio *s, struct err *err)
{
	for (int i = 0; i < 3; i++) {
		int r = s->stream[i] < 0 ? 0 : stream_finish(s->stream[i], err);

		if (r < 0)
			return err_wrap(err, r, "stream %d", i);
	}
	return 0;
}

void stdio_close_theirs(struct stdio *s)
{
	for (int i = 0; i < 3; i++)
		s->theirs[i] = close_fd(s->theirs[i]);
}

void stdio_done(struct stdio *s)
{
	stdio_close_theirs(s);
	for (int i = 0; i < 3; i++) {
		s->stream[i] = close_fd(s->stream[i]);
		s->ours[i] = close_fd(s->ours[i]);
	}
}

int stdio_discard(struct loop *loop, int take_fd, pump_done_fn done, void *ctx, struct pump **ret)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	return pump_new(loop, take_fd, null, done, ctx, ret);
}
