/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_boot: boot a kernel with a network device over an existing tap. For work
 * on networking.
 *
 *   net-boot kvm|qemu KERNEL INITRD TAP PAIRS CPUS [PARAMETERS]
 *
 * TAP was made with vnet_hdr (and multi_queue for several pairs). The guest's console
 * goes to standard output. At each line of it that holds "MARK", VM exits and
 * packets since the last one are told on standard error. Exit status as kvm_boot's.
 */
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "vmm/console_log.h"
#include "vmm/vm_spec.h"
#include "vmm/vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

static struct loop *loop;
static struct vmm *vmm;
static struct loop_source *mark;

static void on_ended(void *ctx, enum vmm_end end, const struct err *err)
{
	(void)ctx;
	if (end == VMM_END_CRASHED)
		fprintf(stderr, "crashed: %s\n", err->text);
	loop_quit(loop, end == VMM_END_CRASHED ? 2 : 0);
}

static void on_output(void *ctx, const void *buf, size_t len)
{
	(void)ctx;
	if (write(STDOUT_FILENO, buf, len) < 0)
		perror("console");
	/* The console's lock is held here: look at the machine later. */
	if (memmem(buf, len, "MARK", 4))
		loop_wake(mark);
}

/* KVM's own count of all exits; 0 on another engine. */
static unsigned long total_exits(const char *text)
{
	const char *line = strstr(text, "kvm_exits ");

	return line ? strtoul(line + strlen("kvm_exits "), NULL, 10) : 0;
}

static void on_mark(void *ctx)
{
	static struct vmm_net_stats last;
	static unsigned long last_exits;
	static struct rusage last_usage;
	struct vmm_net_stats now;
	struct rusage usage;
	unsigned long exits, packets;
	char text[4096] = "";

	(void)ctx;
	vmm_net_stats(vmm, 0, &now);
	/* KVM answers for stopped vCPUs only. */
	if (vmm_pause(vmm, NULL) == 0) {
		vmm_exits(vmm, text, sizeof(text));
		vmm_resume(vmm, NULL);
	}
	getrusage(RUSAGE_SELF, &usage);
	exits = total_exits(text);
	packets = now.rx_packets - last.rx_packets + now.tx_packets - last.tx_packets;
	fprintf(stderr,
		"[mark: rx %lu packets %lu bytes %lu dropped, tx %lu packets %lu bytes %lu dropped, "
		"%lu exits, %.1f per 1000 packets, %.2f s user %.2f s system]\n",
		now.rx_packets - last.rx_packets, now.rx_bytes - last.rx_bytes,
		now.rx_dropped - last.rx_dropped, now.tx_packets - last.tx_packets,
		now.tx_bytes - last.tx_bytes, now.tx_dropped - last.tx_dropped, exits - last_exits,
		packets ? 1000.0 * (double)(exits - last_exits) / (double)packets : 0.0,
		(double)(usage.ru_utime.tv_sec - last_usage.ru_utime.tv_sec) +
			(double)(usage.ru_utime.tv_usec - last_usage.ru_utime.tv_usec) / 1e6,
		(double)(usage.ru_stime.tv_sec - last_usage.ru_stime.tv_sec) +
			(double)(usage.ru_stime.tv_usec - last_usage.ru_stime.tv_usec) / 1e6);
	if (getenv("NET_BOOT_EXITS"))
		fputs(text, stderr);
	last = now;
	last_exits = exits;
	last_usage = usage;
}

static int open_tap(const char *name, unsigned pairs)
{
	struct ifreq ifr = { .ifr_flags =
				     IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (pairs > 1 ? IFF_MULTI_QUEUE : 0) };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0) {
		perror(name);
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	static const struct vmm_callbacks callbacks = { .ended = on_ended };
	struct vm_net eth0 = { .name = (char *)"eth0", .mac = { 2, 0, 0x5e, 0x10, 0, 2 }, .mtu = 1500 };
	struct vm_spec spec = {
		.id = (char *)"net", .memory = 512 << 20, .cid = 5, .nets = &eth0, .n_nets = 1, .debug = true
	};
	const char *mtu = getenv("NET_BOOT_MTU");
	struct err err = ERR_INIT;
	int r;

	if (argc < 7) {
		fprintf(stderr, "usage: net-boot kvm|qemu KERNEL INITRD TAP PAIRS CPUS [PARAMETERS]\n");
		return 1;
	}
	spec.engine = strcmp(argv[1], "qemu") == 0 ? VM_ENGINE_QEMU : VM_ENGINE_KVM;
	spec.kernel = argv[2];
	spec.initrd = argv[3];
	eth0.n_pairs = (unsigned)atoi(argv[5]);
	for (unsigned i = 0; i < eth0.n_pairs && i < VM_NET_PAIRS_MAX; i++)
		eth0.tap_fds[i] = open_tap(argv[4], eth0.n_pairs);
	if (mtu)
		eth0.mtu = (unsigned)atoi(mtu);
	eth0.in_process = getenv("NET_BOOT_IN_PROCESS") != NULL;
	spec.cpus = (unsigned)atoi(argv[6]);
	spec.cmdline = argc > 7 ? argv[7] : NULL;

	if (getenv("NET_BOOT_DEBUG"))
		log_set_level(LOG_LEVEL_DEBUG);
	if (vm_spec_check(&spec, &err) < 0 || loop_new(&loop) < 0 ||
	    loop_add_wake(loop, on_mark, NULL, &mark) < 0 ||
	    vmm_new(loop, &spec, &callbacks, NULL, &vmm, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	console_log_set_tap(vmm_console(vmm), on_output, NULL);
	if (vmm_run(vmm, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	r = loop_run(loop);
	vmm_free(vmm);
	loop_free(loop);
	return r;
}
