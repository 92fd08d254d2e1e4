/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command: see command.h.
 */
#include "vmm/qemu/command.h"

#include "base/cleanup.h"
#include "base/endian.h"
#include "base/err.h"
#include "vmm/cmdline.h"
#include "vmm/qemu/tsc.h"
#include "vmm/virtio/vdev.h"
#include "vmm/vm_spec.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <stdarg.h>
#include <string.h>

/* virtio 1.2 §5.11.4: struct virtio_fs_config */
enum { FS_TAG_LEN = 36, FS_CONFIG_LEN = 40 };

static void add(struct qemu_command *command, char *take_arg)
{
	if (!take_arg || command->n == QEMU_ARGS_MAX) {
		free(take_arg);
		command->failed = true;
		return;
	}
	command->argv[command->n++] = take_arg;
}

__attribute__((format(printf, 2, 3))) static void addf(struct qemu_command *command, const char *fmt, ...)
{
	char *arg = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&arg, fmt, ap) < 0)
		arg = NULL;
	va_end(ap);
	add(command, arg);
}

static void add_all(struct qemu_command *command, const char *const *args)
{
	for (; *args; args++)
		addf(command, "%s", *args);
}

/* In an option's value a comma is written twice. */
static char *escape(const char *value, size_t len)
{
	char *text = malloc(2 * len + 1);
	size_t n = 0;

	if (!text)
		return NULL;
	for (size_t i = 0; i < len && value[i]; i++) {
		if (value[i] == ',')
			text[n++] = ',';
		text[n++] = value[i];
	}
	text[n] = '\0';
	return text;
}

static bool is_kvm(const struct vm_spec *spec)
{
	return spec->qemu_accel && strcmp(spec->qemu_accel, "kvm") == 0;
}

static void add_machine(struct qemu_command *command, const struct vm_spec *spec)
{
	/*
	 * q35 is the machine that every kernel boots on: with ACPI, or without it by the MP
	 * table and PCI's I/O ports. What it has
	 * beyond a PCI root only costs probing time. qboot does no more than load the kernel
	 * (SeaBIOS takes 0.1 s), and makes both kinds of tables. Without hot-plug the ACPI code
	 * is a fraction as long.
	 */
	static const char *const machine[] = {
		"-M",
		"q35,smm=off,vmport=off,hpet=off,graphics=off,sata=off,smbus=off,i8042=off,memory-backend=ram",
		"-bios",
		"qboot.rom",
		"-global",
		"ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",
		"-global",
		"ICH9-LPC.disable_s3=1",
		"-global",
		"ICH9-LPC.disable_s4=1",
		NULL
	};

	add_all(command, machine);
	addf(command, "-accel");
	addf(command, "%s", is_kvm(spec) ? "kvm" : "tcg,thread=multi,tb-size=256");
	/*
	 * What x86-64-v2 asks for, as distributions are built for it, and little more: what the
	 * kernel would use for itself may cost a lot under emulation. `max` copies memory three
	 * times slower (ERMS) and starts processes half as fast (5-level tables, SMAP, XSAVE).
	 */
	addf(command, "-cpu");
	addf(command, "%s",
	     is_kvm(spec)
		     ? "host"
		     : "qemu64,-svm,+cx16,+lahf-lm,+popcnt,+ssse3,+sse4.1,+sse4.2,+aes,+pclmulqdq,+rdrand,"
		       "+fsgsbase,+movbe,+rdtscp");
	addf(command, "-smp");
	addf(command, "%u", spec->cpus);
	addf(command, "-m");
	addf(command, "%lluM", (unsigned long long)(spec->memory >> 20));
	/* Sealed by default, which our back-end asks for. */
	addf(command, "-object");
	addf(command, "memory-backend-memfd,id=ram,share=on,size=%llu", (unsigned long long)spec->memory);
}

static int add_kernel(struct qemu_command *command, const struct vm_spec *spec, unsigned tsc_khz,
		      struct err *err)
{
	char cmdline[VM_CMDLINE_MAX];
	char extra[64] = "";
	int r;

	r = vmm_cmdline(spec, cmdline, sizeof(cmdline), err);
	if (r < 0)
		return r;
	if (tsc_khz)
		snprintf(extra, sizeof(extra), "tsc_early_khz=%u ", tsc_khz);
	if (strlen(extra) + strlen(cmdline) >= VM_CMDLINE_MAX)
		return err_set(err, -E2BIG, "kernel command line: too long");
	addf(command, "-kernel");
	addf(command, "%s", spec->kernel);
	if (spec->initrd) {
		addf(command, "-initrd");
		addf(command, "%s", spec->initrd);
	}
	/* In front, so that the caller's own parameters stay the last word. */
	addf(command, "-append");
	addf(command, "%s%s", extra, cmdline);
	return 0;
}

static void add_socket(struct qemu_command *command, const char *id, int fd)
{
	addf(command, "-chardev");
	addf(command, "socket,id=%s,fd=%d", id, fd);
}

static void add_consoles(struct qemu_command *command, const struct qemu_fds *fds, unsigned slot)
{
	add_socket(command, "qmp", fds->qmp);
	addf(command, "-mon");
	addf(command, "chardev=qmp,mode=control");
	add_socket(command, "early", fds->early_console);
	addf(command, "-serial");
	addf(command, "chardev:early");
	addf(command, "-device");
	addf(command, "virtio-serial-pci,disable-legacy=on,max_ports=1,addr=%02x.0", slot);
	add_socket(command, "console", fds->console);
	addf(command, "-device");
	addf(command, "virtconsole,chardev=console");
}

static int add_fs(struct qemu_command *command, const struct vdev *dev, size_t index, unsigned slot,
		  struct err *err)
{
	_cleanup_free_ char *tag = NULL;

	if (dev->config_len < FS_CONFIG_LEN)
		return err_set(err, -EINVAL, "%s: config space is too short", dev->tag);
	tag = escape((const char *)dev->config, FS_TAG_LEN);
	if (!tag)
		return err_set(err, -ENOMEM, "out of memory");
	addf(command, "-device");
	addf(command,
	     "vhost-user-fs-pci,chardev=dev%zu,addr=%02x.0,tag=%s,num-request-queues=%u,queue-size=%u", index,
	     slot, tag, get_le32(dev->config + FS_TAG_LEN), dev->vqs[0].max_size);
	return 0;
}

/*
 * QEMU is the control queue itself. What it would need to tell us for it, or never
 * does anything about with such a back-end, is left out: filters, offloads that
 * change, queues that are reset alone. The other features are ours to offer.
 */
static int add_net(struct qemu_command *command, const struct vm_spec *spec, const struct vdev *dev,
		   size_t index, unsigned slot, struct err *err)
{
	const uint8_t *mac = dev->config + offsetof(struct virtio_net_config, mac);
	unsigned pairs = (dev->n_vqs - 1) / 2;

	if (dev->config_len < offsetof(struct virtio_net_config, speed))
		return err_set(err, -EINVAL, "%s: config space is too short", dev->tag);
	addf(command, "-netdev");
	addf(command, "vhost-user,id=net%zu,chardev=dev%zu,queues=%u", index, index, pairs);
	addf(command, "-device");
	addf(command,
	     "virtio-net-pci,netdev=net%zu,addr=%02x.0,mac=%02x:%02x:%02x:%02x:%02x:%02x,host_mtu=%u,mq=%s,"
	     "vectors=%u,rx_queue_size=%u,tx_queue_size=%u,disable-legacy=on,romfile=,queue_reset=off,"
	     "ctrl_rx=off,ctrl_rx_extra=off,ctrl_vlan=off,ctrl_guest_offloads=off,guest_announce=off",
	     index, slot, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
	     get_le16(dev->config + offsetof(struct virtio_net_config, mtu)), pairs > 1 ? "on" : "off",
	     /*
	      * Without KVM, QEMU 7.2 crashes when this one of its vhost-user devices is
	      * started with MSI-X: it wants the irqfds that it didn't make.
	      */
	     is_kvm(spec) ? 2 * pairs + 2 : 0, dev->vqs[0].max_size, dev->vqs[1].max_size);
	return 0;
}

bool qemu_has_own(const struct vdev *dev)
{
	return dev->ops->type == VIRTIO_ID_CONSOLE || dev->ops->type == VIRTIO_ID_BALLOON;
}

bool qemu_connects(const struct vdev *dev)
{
	return dev->ops->type == VIRTIO_ID_NET;
}

/* With message-signalled interrupts the line does not matter. */
static bool uses_line(const struct vm_spec *spec, const struct vdev *dev)
{
	return dev->ops->type == VIRTIO_ID_BALLOON || (dev->ops->type == VIRTIO_ID_NET && !is_kvm(spec));
}

/*
 * The tuned kernel, without ACPI, believes the interrupt line that qboot writes into a device's
 * configuration space. qboot takes the slots for a turn further than q35 wires them, so that
 * only in even slots is it the line that the device is on; above 24 q35 wires them otherwise
 * (ICH9's D25IR to D31IR). Slot 0 is the host bridge, 31 is ICH9.
 */
enum { SLOT_MAX = 29, LINE_SLOT_MAX = 24 };

/* `used` has a bit for each slot that is taken. 0: none is left. */
static unsigned take_slot(uint32_t *used, bool line)
{
	unsigned slot = line ? 2 : 1;

	while (*used & (1U << slot))
		slot += 2;
	if (slot > (line ? LINE_SLOT_MAX : SLOT_MAX))
		return 0;
	*used |= 1U << slot;
	return slot;
}

static int add_device(struct qemu_command *command, const struct vm_spec *spec, const struct vdev *dev,
		      size_t index, unsigned slot, const struct qemu_fds *fds, struct err *err)
{
	char id[32];

	if (slot == 0)
		return err_set(err, -E2BIG,
			       "no slot is left for %s: the QEMU engine takes at most 11 network interfaces",
			       dev->tag);
	if (qemu_has_own(dev)) {
		/* There is no balloon over vhost-user. What the guest reports QEMU takes out of the memfd. */
		if (dev->ops->type == VIRTIO_ID_BALLOON) {
			addf(command, "-device");
			addf(command,
			     "virtio-balloon-pci,addr=%02x.0,disable-legacy=on,free-page-reporting=on", slot);
		}
		return 0;
	}
	snprintf(id, sizeof(id), "dev%zu", index);
	if (qemu_connects(dev)) {
		addf(command, "-chardev");
		addf(command, "socket,id=%s,path=%s,abstract=on", id, fds->addresses[index]);
	} else {
		add_socket(command, id, fds->devices[index]);
	}
	switch (dev->ops->type) {
	case VIRTIO_ID_VSOCK:
		addf(command, "-device");
		addf(command, "vhost-user-vsock-pci,chardev=%s,addr=%02x.0", id, slot);
		return 0;
	case VIRTIO_ID_FS:
		return add_fs(command, dev, index, slot, err);
	case VIRTIO_ID_NET:
		return add_net(command, spec, dev, index, slot, err);
	default:
		return err_set(err, -EOPNOTSUPP, "%s: QEMU can't be given a %s device", dev->tag,
			       dev->ops->name);
	}
}

int qemu_command_build(struct qemu_command *command, const char *path, const struct vm_spec *spec,
		       struct vdev *const *devices, size_t n_devices, const struct qemu_fds *fds,
		       struct err *err)
{
	static const char *const base[] = {
		/* Nothing that we didn't ask for, and no window. */
		"-nodefaults", "-no-user-config", "-display", "none",
		/* A guest's reset ends the machine. */
		"-no-reboot",
		/* QEMU's own system call filter: no new processes, no privileges, no priorities. */
		"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		/* Until QMP says `cont`. */
		"-S", NULL
	};
	_cleanup_free_ char *id = NULL;
	unsigned tsc_khz = 0;
	uint32_t slots = 0;
	int r;

	id = escape(spec->id, strlen(spec->id));
	if (!id)
		return err_set(err, -ENOMEM, "out of memory");
	/* Real KVM tells the guest itself. */
	if (!is_kvm(spec))
		(void)tsc_measure_khz(&tsc_khz);

	addf(command, "%s", path);
	addf(command, "-name");
	addf(command, "guest=%s", id);
	add_all(command, base);
	add_machine(command, spec);
	r = add_kernel(command, spec, tsc_khz, err);
	for (size_t i = 0; i < n_devices && r >= 0; i++)
		r = add_device(command, spec, devices[i], i, take_slot(&slots, uses_line(spec, devices[i])),
			       fds, err);
	if (r < 0)
		return r;
	add_consoles(command, fds, take_slot(&slots, false));
	return command->failed ? err_set(err, -ENOMEM, "out of memory") : 0;
}

void qemu_command_done(struct qemu_command *command)
{
	for (size_t i = 0; i < command->n; i++)
		free(command->argv[i]);
	command->n = 0;
}
