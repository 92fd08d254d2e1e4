/* SPDX-License-Identifier: Apache-2.0 */
/* monitor_proc: the container's processes as those find them who look into its /proc from the host (proc_fs.h). */
#include "runtime/monitor_internal.h"

#include "base/err.h"
#include "oci/agent_proto.h"
#include "runtime/proc_fs.h"
#include "vmm/vmm.h"

static int ask_guest(void *ctx, uint32_t pid, uint32_t file, uint32_t *ret_number)
{
	const struct agent_proc msg = { .pid = le32_make(pid), .file = le32_make(file) };
	struct monitor *m = ctx;
	uint32_t number = m->next_request;
	int r;

	if (m->phase != MONITOR_CREATED && m->phase != MONITOR_RUNNING)
		return -ENOTCONN;
	if (m->paused)
		return -EBUSY;
	r = monitor_ask(m, AGENT_MSG_PROC, &msg, sizeof(msg), NULL, NULL);
	if (r == 0)
		*ret_number = number;
	return r;
}

int monitor_proc_start(struct monitor *m, struct err *err)
{
	int fd = vmm_take_proc(m->vmm), r;

	if (fd < 0)
		return 0;
	r = proc_fs_new(m->loop, fd, ask_guest, m, &m->proc);
	return r < 0 ? err_set_errno(err, r, "the container's processes") : 0;
}
