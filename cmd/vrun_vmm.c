/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vrun-vmm: one virtual machine with one container; its pid is the container's
 * on the host. Started by vrun (runtime/launch.h). By hand there is only
 * `vrun-vmm serve`: a device of ours for somebody else's QEMU.
 */
#include "base/log.h"
#include "cmd/vmm_serve.h"
#include "runtime/launch_params.h"
#include "runtime/monitor.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* Open files of the guest and its idle inodes are descriptors of ours. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	/* A container may be called so too, and is the only argument then. */
	if (argc > 2 && strcmp(argv[1], "serve") == 0) {
		umask(0);
		raise_file_limit();
		return vmm_serve_main(argc - 2, argv + 2);
	}
	if (argc != 2 || fcntl(LAUNCH_SYNC_FD, F_SETFD, FD_CLOEXEC) < 0) {
		fprintf(stderr, "vrun-vmm: started by vrun, or as: vrun-vmm serve fs|vsock OPTION...\n");
		return 1;
	}
	/* The guest's umask has been applied to the modes of what it makes. */
	umask(0);
	raise_file_limit();
	return monitor_main(LAUNCH_SYNC_FD);
}
