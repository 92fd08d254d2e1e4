/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vrun-vmm: one virtual machine with one container; its pid is the container's
 * on the host. Started by vrun (runtime/launch.h). By hand there is only
 * `vrun-vmm serve`: a device of ours for somebody else's QEMU.
 */
#include "base/log.h"
#include "cmd/version.h"
#include "cmd/vmm_serve.h"
#include "runtime/launch_params.h"
#include "runtime/monitor.h"

#include <fcntl.h>
#include <stdbool.h>
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

static void usage(FILE *out)
{
	fputs("Usage: vrun-vmm serve fs|vsock --socket-path PATH [OPTION…]\n\n"
	      "vrun starts vrun-vmm for each container. By hand it serves one device to a vhost-user front-end,\n"
	      "such as a QEMU of yours.\n\n"
	      "  serve fs       virtio-fs: directories and files of the host\n"
	      "  serve vsock    virtio-vsock: connections to unix sockets of the host\n"
	      "  -h, --help     print this help; `vrun-vmm serve fs --help` has the options\n"
	      "  -v, --version  print the version\n\n"
	      "Example:\n"
	      "  vrun-vmm serve fs --socket-path /tmp/fs.sock --share src=/usr/src\n",
	      out);
}

/* A container may have any of these names, but then vrun has passed a socket on. */
static int by_hand(const char *word)
{
	if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
		usage(stdout);
		return 0;
	}
	if (!strcmp(word, "--version") || !strcmp(word, "-v")) {
		printf("vrun-vmm version %s\n", vrun_version);
		return 0;
	}
	usage(stderr);
	return 1;
}

static bool has_sync_socket(void)
{
	struct stat st;

	return fstat(LAUNCH_SYNC_FD, &st) == 0 && S_ISSOCK(st.st_mode);
}

int main(int argc, char **argv)
{
	/* A container may be called so too, and is the only argument then. */
	if (argc > 2 && strcmp(argv[1], "serve") == 0) {
		umask(0);
		raise_file_limit();
		return vmm_serve_main(argc - 2, argv + 2);
	}
	if (argc != 2 || !has_sync_socket())
		return by_hand(argc > 1 ? argv[1] : "");
	if (fcntl(LAUNCH_SYNC_FD, F_SETFD, FD_CLOEXEC) < 0)
		return 1;
	/* The guest's umask has been applied to the modes of what it makes. */
	umask(0);
	raise_file_limit();
	return monitor_main(LAUNCH_SYNC_FD);
}
