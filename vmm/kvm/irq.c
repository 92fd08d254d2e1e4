/* SPDX-License-Identifier: Apache-2.0 */
/*
 * irq: eventfds in both directions. A guest's write to a notification address
 * signals one (ioeventfd); signalling one sends the guest a message interrupt
 * (irqfd over a routed GSI). No VM exit reaches us for either.
 *
 * The IO-APIC's pins are not routed: no device of ours uses them.
 */
#include "vmm/kvm/vm.h"

#include "base/cleanup.h"
#include "vmm/pci/pci.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/ioctl.h>

static int host_ioeventfd(void *host, uint64_t gpa, unsigned len, int fd, bool add)
{
	struct kvm_vm *vm = host;
	const struct kvm_ioeventfd io = {
		.addr = gpa,
		.len = len,
		.fd = fd,
		.flags = add ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN,
	};

	return ioctl(vm->fd, KVM_IOEVENTFD, &io) < 0 ? -errno : 0;
}

/* The whole table each time: that is KVM's interface. Only connected vectors are in it. */
static int set_routes(struct kvm_vm *vm)
{
	_cleanup_free_ struct kvm_irq_routing *table = NULL;
	struct kvm_irq_routing_entry *entry;

	table = calloc(1, sizeof(*table) + vm->n_routes * sizeof(*entry));
	if (!table)
		return -ENOMEM;
	for (unsigned i = 0; i < vm->n_routes; i++) {
		const struct kvm_msi_route *route = &vm->routes[i];

		if (route->address == 0)
			continue;
		entry = &table->entries[table->nr++];
		entry->gsi = KVM_GSI_MSI_FIRST + i;
		entry->type = KVM_IRQ_ROUTING_MSI;
		entry->u.msi.address_lo = (uint32_t)route->address;
		entry->u.msi.address_hi = (uint32_t)(route->address >> 32);
		entry->u.msi.data = route->data;
	}
	return ioctl(vm->fd, KVM_SET_GSI_ROUTING, table) < 0 ? -errno : 0;
}

static int set_irqfd(struct kvm_vm *vm, unsigned index, int fd, bool add)
{
	const struct kvm_irqfd irqfd = {
		.fd = (uint32_t)fd,
		.gsi = KVM_GSI_MSI_FIRST + index,
		.flags = add ? 0 : KVM_IRQFD_FLAG_DEASSIGN,
	};

	return ioctl(vm->fd, KVM_IRQFD, &irqfd) < 0 ? -errno : 0;
}

static int disconnect(struct kvm_vm *vm, struct kvm_msi_route *route)
{
	int r;

	if (route->fd < 0)
		return 0;
	r = set_irqfd(vm, (unsigned)(route - vm->routes), route->fd, false);
	route->fd = -1;
	return r;
}

/* The route comes before the irqfd: an eventfd that is already signalled is delivered at once. */
static int connect_route(struct kvm_vm *vm, struct kvm_msi_route *route, uint64_t address, uint32_t data,
			 int fd)
{
	int r;

	if (route->address != address || route->data != data) {
		struct kvm_msi_route old = *route;

		route->address = address;
		route->data = data;
		r = set_routes(vm);
		if (r < 0) {
			*route = old;
			return r;
		}
	}
	if (route->fd == fd)
		return 0;
	r = disconnect(vm, route);
	if (r == 0)
		r = set_irqfd(vm, (unsigned)(route - vm->routes), fd, true);
	if (r == 0)
		route->fd = fd;
	return r;
}

static int host_msi_connect(void *host, int *gsi, uint64_t address, uint32_t data, int fd)
{
	struct kvm_vm *vm = host;
	unsigned index;
	int r;

	/* Anything else is no interrupt message, and 0 marks an unused route (Intel SDM 3A §11.11.1). */
	if (address >> 20 != 0xfee)
		return -EINVAL;
	pthread_mutex_lock(&vm->irq_lock);
	if (*gsi >= 0) {
		index = (unsigned)*gsi - KVM_GSI_MSI_FIRST;
		r = index < vm->n_routes ? connect_route(vm, &vm->routes[index], address, data, fd) : -EINVAL;
	} else if (vm->n_routes == KVM_MSI_VECTORS_MAX) {
		r = -ENOSPC;
	} else {
		index = vm->n_routes++;
		vm->routes[index] = (struct kvm_msi_route){ .fd = -1 };
		r = connect_route(vm, &vm->routes[index], address, data, fd);
		if (r < 0)
			vm->n_routes--;
		else
			*gsi = (int)(KVM_GSI_MSI_FIRST + index);
	}
	pthread_mutex_unlock(&vm->irq_lock);
	return r;
}

static int host_msi_disconnect(void *host, int gsi, int fd)
{
	struct kvm_vm *vm = host;
	unsigned index = (unsigned)gsi - KVM_GSI_MSI_FIRST;
	int r = -EINVAL;

	pthread_mutex_lock(&vm->irq_lock);
	if (index < vm->n_routes && vm->routes[index].fd == fd)
		r = disconnect(vm, &vm->routes[index]);
	pthread_mutex_unlock(&vm->irq_lock);
	return r;
}

const struct pci_host_ops kvm_pci_host_ops = {
	.ioeventfd = host_ioeventfd,
	.msi_connect = host_msi_connect,
	.msi_disconnect = host_msi_disconnect,
	.map = kvm_vm_map,
};
