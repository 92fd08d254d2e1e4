/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine: `kvm_engine`, the machine's life as vmm.c sees it. Loop's thread.
 */
#include "vmm/engine.h"

#include "base/cleanup.h"
#include "base/loop.h"
#include "vmm/arch/x86/boot.h"
#include "vmm/arch/x86/kernel_image.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/cmdline.h"
#include "vmm/kvm/machine.h"
#include "vmm/pci/pci.h"
#include "vmm/pci/virtio_pci.h"
#include "vmm/virtio/vdev.h"
#include "vmm/vm_spec.h"

#include <string.h>

/* Kernel, initramfs and all that the kernel finds at its entry. */
static int load_image(struct kvm_machine *m, uint64_t *ret_entry, struct err *err)
{
	const struct vm_spec *spec = m->args.spec;
	struct image_file kernel_file = { .fd = -EBADF }, initrd_file = { .fd = -EBADF };
	_cleanup_close_ int kernel_fd = -EBADF, initrd_fd = -EBADF;
	struct kernel_image kernel;
	char cmdline[VM_CMDLINE_MAX];
	struct boot_config config = {
		.kernel = &kernel,
		.cmdline = cmdline,
		.memory = spec->memory,
		.cpus = spec->cpus,
	};
	int r;

	r = vmm_cmdline(spec, cmdline, sizeof(cmdline), err);
	if (r < 0)
		return r;
	r = image_file_open(spec->kernel, "kernel", &kernel_file, err);
	if (r < 0)
		return r;
	kernel_fd = kernel_file.fd;
	if (spec->initrd) {
		r = image_file_open(spec->initrd, "initramfs", &initrd_file, err);
		if (r < 0)
			return r;
		initrd_fd = initrd_file.fd;
	}
	r = kernel_image_load(&kernel_file, &m->vm.mem, &kernel, err);
	if (r < 0)
		return err_wrap(err, r, "%s", spec->kernel);
	if (spec->initrd) {
		r = initrd_load(&initrd_file, &m->vm.mem, &kernel, &config.initrd, err);
		if (r < 0)
			return err_wrap(err, r, "%s", spec->initrd);
		config.initrd_size = initrd_file.size;
	}
	*ret_entry = kernel.entry;
	return boot_setup(&m->vm.mem, &config, err);
}

static int make_pci(struct kvm_machine *m, struct err *err)
{
	const struct pci_root_config config = {
		.host_ops = &kvm_pci_host_ops,
		.host = &m->vm,
		.mmio32 = LAYOUT_PCI_MMIO,
		.mmio32_size = LAYOUT_PCI_MMIO_SIZE,
		.ecam = LAYOUT_ECAM,
	};
	int r;

	r = pci_root_new(&config, &m->pci, err);
	if (r < 0)
		return r;
	if (m->args.n_devices > KVM_MACHINE_DEVICES_MAX)
		return err_set(err, -ENOSPC, "%zu devices: at most %d fit", m->args.n_devices,
			       KVM_MACHINE_DEVICES_MAX);
	for (size_t i = 0; i < m->args.n_devices; i++) {
		r = virtio_pci_new(m->args.loop, m->pci, &m->vm.mem, m->args.devices[i], &m->transports[i],
				   err);
		if (r < 0)
			return r;
		m->n_transports++;
		if (i + m->args.n_late >= m->args.n_devices)
			virtio_pci_hide(m->transports[i]);
	}
	return kvm_vm_map_readonly(&m->vm, LAYOUT_ECAM, LAYOUT_ECAM_SIZE, pci_root_ecam(m->pci), err);
}

static void stop(void *engine)
{
	struct kvm_machine *m = engine;

	if (m->vcpus_made)
		kvm_vcpus_stop(&m->vcpus);
	if (m->stopped)
		return;
	m->stopped = true;
	serial8250_flush(&m->io.com1);
	for (size_t i = 0; i < m->n_transports; i++)
		vdev_stop(m->args.devices[i]);
}

/* Loop's thread: a vCPU has recorded the machine's end. */
static void on_wake(void *ctx)
{
	struct kvm_machine *m = ctx;

	/* Our own stop came first: nothing to report. */
	if (m->stopped)
		return;
	stop(m);
	/* The vCPUs' threads are gone: no lock. */
	m->args.ended(m->args.ctx, m->end, &m->why);
}

/* In the order of making backwards; the vCPUs' threads have ended before anything they call goes. */
static void machine_free(void *engine)
{
	struct kvm_machine *m = engine;

	if (!m)
		return;
	stop(m);
	if (m->vcpus_made)
		kvm_vcpus_done(&m->vcpus);
	for (size_t i = m->n_transports; i > 0; i--)
		virtio_pci_free(m->transports[i - 1]);
	if (m->vm_made)
		kvm_vm_done(&m->vm);
	pci_root_free(m->pci);
	legacy_io_done(&m->io);
	ioapic_done(&m->ioapic);
	loop_remove(m->wake);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static void cleanup_machine(struct kvm_machine **m)
{
	machine_free(*m);
}

static int create(const struct engine_args *args, void **ret_engine, struct err *err)
{
	_cleanup_(cleanup_machine) struct kvm_machine *m = NULL;
	uint64_t entry;
	int r;

	m = calloc(1, sizeof(*m));
	if (!m)
		return err_set(err, -ENOMEM, "out of memory");
	m->args = *args;
	pthread_mutex_init(&m->lock, NULL);
	legacy_io_init(&m->io, args->console, kvm_machine_off, m);
	ioapic_init(&m->ioapic);
	r = loop_add_wake(args->loop, on_wake, m, &m->wake);
	if (r < 0)
		return err_set_errno(err, r, "KVM engine");

	m->vm_made = true;
	r = kvm_vm_init(&m->vm, args->spec->memory, err);
	if (r == 0)
		r = load_image(m, &entry, err);
	if (r == 0)
		r = make_pci(m, err);
	if (r < 0)
		return r;
	m->vcpus_made = true;
	r = kvm_vcpus_init(&m->vcpus, &m->vm, args->spec->cpus, entry, &kvm_machine_handlers, m, err);
	if (r < 0)
		return r;
	*ret_engine = TAKE_PTR(m);
	return 0;
}

static int run(void *engine, struct err *err)
{
	struct kvm_machine *m = engine;

	return kvm_vcpus_run(&m->vcpus, err);
}

static int engine_pause(void *engine, struct err *err)
{
	struct kvm_machine *m = engine;

	(void)err;
	kvm_vcpus_pause(&m->vcpus);
	return 0;
}

static bool show_late(void *engine)
{
	struct kvm_machine *m = engine;

	for (size_t i = m->n_transports - m->args.n_late; i < m->n_transports; i++)
		virtio_pci_show(m->transports[i]);
	return m->args.n_late > 0;
}

static size_t exits(const void *engine, char *buf, size_t size)
{
	const struct kvm_machine *m = engine;

	return kvm_vcpus_exits(&m->vcpus, buf, size);
}

const struct engine_ops kvm_engine = {
	.name = "kvm",
	.create = create,
	.run = run,
	.pause = engine_pause,
	.resume = run,
	.stop = stop,
	.free = machine_free,
	.show_late = show_late,
	.exits = exits,
};
