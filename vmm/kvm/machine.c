/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine: what the vCPU threads call: accesses to ports and to addresses without
 * memory, and the machine's end, which they only record and hand to the loop.
 */
#include "vmm/kvm/machine.h"

#include "base/log.h"
#include "base/loop.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/pci/pci.h"

#include <string.h>

static void machine_end(struct kvm_machine *m, enum vmm_end end, const struct err *why)
{
	pthread_mutex_lock(&m->lock);
	if (!m->ended) {
		m->ended = true;
		m->end = end;
		if (why)
			m->why = *why;
	}
	pthread_mutex_unlock(&m->lock);
	serial8250_flush(&m->io.com1);
	kvm_vcpus_end(&m->vcpus);
	loop_wake(m->wake);
}

void kvm_machine_off(void *ctx, bool reset, const char *how)
{
	log_debug("guest: %s", how);
	machine_end(ctx, reset ? VMM_END_RESET : VMM_END_OFF, NULL);
}

static void on_crashed(void *ctx, const struct err *why)
{
	machine_end(ctx, VMM_END_CRASHED, why);
}

/*
 * Linux prefers configuration mechanism #1, two exits an access, to ECAM, whose
 * reads cost none. So the ports answer only a guest that goes without our ACPI
 * tables, and with them ECAM: one that has looked for the 8259, which these say is absent.
 */
static bool is_config_port(struct kvm_machine *m, uint16_t port)
{
	return port >= LAYOUT_PCI_CONFIG_ADDRESS && port < LAYOUT_PCI_CONFIG_DATA + 4 &&
	       legacy_io_saw_pic(&m->io);
}

static void on_pio(void *ctx, uint16_t port, void *data, unsigned len, bool is_write)
{
	struct kvm_machine *m = ctx;

	if (is_config_port(m, port) && pci_root_pio(m->pci, port, data, len, is_write))
		return;
	legacy_io_access(&m->io, port, data, len, is_write);
}

static void on_mmio(void *ctx, uint64_t gpa, void *data, unsigned len, bool is_write)
{
	struct kvm_machine *m = ctx;

	if (gpa >= LAYOUT_IOAPIC && gpa < LAYOUT_IOAPIC + IOAPIC_SIZE)
		ioapic_access(&m->ioapic, (unsigned)(gpa - LAYOUT_IOAPIC), data, len, is_write);
	else if (!pci_root_mmio(m->pci, gpa, data, len, is_write) && !is_write)
		memset(data, 0xff, len);
}

const struct kvm_vcpu_handlers kvm_machine_handlers = {
	.pio = on_pio,
	.mmio = on_mmio,
	.crashed = on_crashed,
};
