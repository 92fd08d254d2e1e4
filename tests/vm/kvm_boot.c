/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kvm_boot: boot a kernel on the KVM engine alone, with no devices, and show the
 * console, how the machine ended, and its VM exits. For work on the boot path.
 *
 *   kvm-boot KERNEL [INITRD] [CPUS] [MiB] [PARAMETERS]
 *
 * VRUN_BOOT_DEBUG=1: kernel messages. Exit status 0: powered off, 2: crashed, 1: not started.
 */
#include "base/err.h"
#include "base/loop.h"
#include "vmm/console_log.h"
#include "vmm/engine.h"
#include "vmm/vm_spec.h"
#include "vmm/vmm.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static struct loop *loop;

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
	loop_quit(loop, end == VMM_END_OFF ? 0 : 2);
}

static void on_output(void *ctx, const void *buf, size_t len)
{
	(void)ctx;
	if (write(STDOUT_FILENO, buf, len) < 0)
		perror("console");
}

int main(int argc, char **argv)
{
	struct vm_spec spec = {
		.id = (char *)"boot",
		.engine = VM_ENGINE_KVM,
		.kernel = argc > 1 ? argv[1] : NULL,
		.initrd = argc > 2 && argv[2][0] ? argv[2] : NULL,
		.cpus = argc > 3 ? (unsigned)atoi(argv[3]) : 1,
		.memory = (argc > 4 ? strtoull(argv[4], NULL, 10) : 512) << 20,
		.cmdline = argc > 5 ? argv[5] : NULL,
		.debug = getenv("VRUN_BOOT_DEBUG") != NULL,
	};
	struct engine_args args = { .spec = &spec, .ended = on_ended };
	struct err err = ERR_INIT;
	double start = seconds(), made;
	struct rusage usage;
	char exits[4096];
	void *engine;
	int r;

	if (!spec.kernel || loop_new(&loop) < 0 || console_log_new(-1, &args.console) < 0)
		return 1;
	args.loop = loop;
	console_log_set_tap(args.console, on_output, NULL);
	if (kvm_engine.create(&args, &engine, &err) < 0)
		goto failed;
	made = seconds();
	if (kvm_engine.run(engine, &err) < 0)
		goto failed;
	r = loop_run(loop);
	getrusage(RUSAGE_SELF, &usage);
	fprintf(stderr, "made in %.3f s, ran %.3f s, peak memory %ld KiB\n", made - start, seconds() - made,
		usage.ru_maxrss);
	kvm_engine.exits(engine, exits, sizeof(exits));
	fputs(exits, stderr);
	kvm_engine.free(engine);
	console_log_free(args.console);
	loop_free(loop);
	return r;
failed:
	fprintf(stderr, "%s\n", err.text);
	return 1;
}
