/* SPDX-License-Identifier: Apache-2.0 */
/* lookup: see lookup.h. */
#include "runtime/lookup.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "runtime/control.h"
#include "runtime/hooks.h"
#include "runtime/proc.h"
#include "runtime/state.h"
#include "runtime/store.h"

#include <signal.h>
#include <string.h>

enum {
	/* The guest writes out what it has, and vrun-vmm gives it 10 s for that. */
	KILL_GUEST_MS = 12000,
	KILL_VMM_MS = 5000,
};

int lookup_open(const char *root, const char *id, bool lock, struct lookup *ret, struct err *err)
{
	_cleanup_lookup_ struct lookup l = LOOKUP_INIT;
	int r;

	r = store_check_id(id, err);
	if (r == 0)
		r = store_open(root, &l.store, err);
	if (r == 0)
		r = store_find(l.store, id, lock, &l.dir, err);
	if (r == 0)
		r = state_load(l.dir->fd, &l.state, err);
	if (r < 0)
		return r;
	l.status = state_status(l.state, l.dir->fd, l.why, sizeof(l.why));
	/* Its creator holds the lock until it is there: we have it, so the creator died. */
	if (lock && l.status == STATUS_CREATING && l.state->pid == 0)
		l.status = STATUS_STOPPED;
	*ret = l;
	l = (struct lookup)LOOKUP_INIT;
	return 0;
}

void lookup_done(struct lookup *lookup)
{
	state_free(TAKE_PTR(lookup->state));
	store_dir_close(TAKE_PTR(lookup->dir));
	store_free(TAKE_PTR(lookup->store));
}

int lookup_spec(const struct lookup *lookup, struct oci_spec **ret, struct err *err)
{
	return hooks_load(lookup->dir->fd, ret, err);
}

int lookup_connect(const struct lookup *lookup, unsigned timeout_ms, struct err *err)
{
	int sock = control_connect(lookup->dir->fd, timeout_ms);

	if (sock == -ECONNREFUSED || sock == -ENOENT)
		return err_set(err, -ESRCH, "container not running");
	if (sock < 0)
		return err_set(err, sock, "the container's vrun-vmm can't be reached (%s)",
			       strerrorname_np(-sock));
	return sock;
}

int lookup_call(const struct lookup *lookup, const struct message *msg, unsigned timeout_ms, struct err *err)
{
	_cleanup_close_ int sock = lookup_connect(lookup, timeout_ms, err);

	return sock < 0 ? sock : control_call(sock, msg, MESSAGE_OK, NULL, err);
}

int lookup_kill(const struct lookup *lookup, struct err *err)
{
	const struct message kill_all = { .type = MESSAGE_KILL, .number = SIGKILL, .flag = true };
	_cleanup_close_ int pidfd = proc_open(lookup->state->pid, lookup->state->pid_start);

	if (pidfd < 0)
		return 0;
	if (lookup_call(lookup, &kill_all, KILL_GUEST_MS, NULL) == 0 && proc_wait(pidfd, KILL_GUEST_MS) == 0)
		return 0;
	proc_signal(pidfd, SIGKILL);
	if (proc_wait(pidfd, KILL_VMM_MS) < 0)
		return err_set(err, -ETIMEDOUT, "vrun-vmm (pid %d) can't be ended", (int)lookup->state->pid);
	return 0;
}
