/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kvm_boot: boot a kernel in a VM with the usual devices and nobody behind them, and
 * show the console, how the machine ended, and its VM exits. For work on the boot path.
 *
 *   kvm-boot KERNEL [INITRD] [CPUS] [MiB] [PARAMETERS] [SHARED DIRECTORY]
 *
 * VRUN_BOOT_DEBUG=1: kernel messages. VRUN_BOOT_PAUSE=MS: pause and resume every MS
 * milliseconds. Exit status 0: powered off, 2: crashed, 1: not started.
 */
#include "base/err.h"
#include "base/loop.h"
#include "vmm/console_log.h"
#include "vmm/vm_spec.h"
#include "vmm/vmm.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static struct loop *loop;
static struct vmm *vmm;
static struct loop_source *timer;
static unsigned long pause_ms, pauses;

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

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
}

static void on_timer(void *ctx)
{
	(void)ctx;
	if (vmm_pause(vmm, NULL) == 0 && vmm_resume(vmm, NULL) == 0)
		pauses++;
	loop_set_timer(timer, pause_ms);
}

int main(int argc, char **argv)
{
	struct vm_share share = { .name = (char *)"share" };
	struct vm_spec spec = {
		.id = (char *)"boot",
		.engine = VM_ENGINE_KVM,
		.kernel = argc > 1 ? argv[1] : NULL,
		.initrd = argc > 2 && argv[2][0] ? argv[2] : NULL,
		.cpus = argc > 3 ? (unsigned)atoi(argv[3]) : 1,
		.memory = (argc > 4 ? strtoull(argv[4], NULL, 10) : 512) << 20,
		.cmdline = argc > 5 ? argv[5] : NULL,
		.cid = 3,
		.debug = getenv("VRUN_BOOT_DEBUG") != NULL,
	};
	const struct vmm_callbacks callbacks = { .ended = on_ended };
	const char *pause = getenv("VRUN_BOOT_PAUSE");
	struct err err = ERR_INIT;
	double start = seconds(), made;
	struct rusage usage;
	char exits[4096];
	int r;

	if (argc > 6) {
		share.path = argv[6];
		spec.shares = &share;
		spec.n_shares = 1;
	}
	if (!spec.kernel || loop_new(&loop) < 0)
		return 1;
	if (vmm_new(loop, &spec, &callbacks, NULL, &vmm, &err) < 0)
		goto failed;
	console_log_set_tap(vmm_console(vmm), on_output, NULL);
	made = seconds();
	if (vmm_run(vmm, &err) < 0)
		goto failed;
	if (pause) {
		pause_ms = strtoul(pause, NULL, 10);
		loop_add_timer(loop, pause_ms, on_timer, NULL, &timer);
	}
	r = loop_run(loop);
	getrusage(RUSAGE_SELF, &usage);
	fprintf(stderr, "made in %.3f s, ran %.3f s, peak memory %ld KiB, %lu pauses\n", made - start,
		seconds() - made, usage.ru_maxrss, pauses);
	vmm_exits(vmm, exits, sizeof(exits));
	fputs(exits, stderr);
	loop_remove(timer);
	vmm_free(vmm);
	loop_free(loop);
	return r;
failed:
	fprintf(stderr, "%s\n", err.text);
	return 1;
}
