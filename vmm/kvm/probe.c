/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe: open /dev/kvm and check that it is what we need. Nothing here makes a VM.
 */
#include "vmm/kvm/kvm.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>

static const struct {
	int cap;
	const char *name;
} needed[] = {
	{ KVM_CAP_SPLIT_IRQCHIP, "KVM_CAP_SPLIT_IRQCHIP" },
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR" },
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
	{ KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE" },
	{ KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING" },
	{ KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
	{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
	{ KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI" },
	{ KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
	{ KVM_CAP_TSC_DEADLINE_TIMER, "KVM_CAP_TSC_DEADLINE_TIMER" },
	{ KVM_CAP_GET_TSC_KHZ, "KVM_CAP_GET_TSC_KHZ" },
};

/*
 * Hosts exist that offer /dev/kvm without vmx or svm and emulate the guest's kernel,
 * a thousand times slower and with instructions missing. True when we can't tell.
 */
static bool cpu_has_virtualization(void)
{
	_cleanup_fclose_ FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	f = fopen("/proc/cpuinfo", "re");
	if (!f)
		return true;
	while (getline(&line, &size, f) > 0) {
		char *word, *rest;

		if (strncmp(line, "flags", 5) != 0)
			continue;
		for (word = strtok_r(line, " \t\n:", &rest); word; word = strtok_r(NULL, " \t\n:", &rest))
			if (strcmp(word, "vmx") == 0 || strcmp(word, "svm") == 0)
				return true;
		return false;
	}
	return true;
}

static int open_device(struct err *err)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	/* Not strerror()'s words: callers take those for the container's own failure. */
	switch (errno) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return err_set(err, -errno,
			       "this machine has no usable /dev/kvm (virtualization is off in the firmware, "
			       "or the kvm module is not loaded); use --engine qemu");
	case EACCES:
	case EPERM:
		return err_set(
			err, -errno,
			"this user may not open /dev/kvm: add it to the group that owns it (usually kvm)");
	default:
		return err_set_errno(err, -errno, "can't open /dev/kvm");
	}
}

int kvm_open(struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	int version;

	fd = open_device(err);
	if (fd < 0)
		return fd;
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION)
		return err_set(err, -ENOTSUP, "/dev/kvm has API version %d, %d is needed", version,
			       KVM_API_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (ioctl(fd, KVM_CHECK_EXTENSION, needed[i].cap) <= 0)
			return err_set(err, -ENOTSUP, "this /dev/kvm lacks %s; use --engine qemu",
				       needed[i].name);
	if (!cpu_has_virtualization())
		return err_set(
			err, -ENOTSUP,
			"this /dev/kvm emulates guest code in software (the CPU has neither vmx nor svm): "
			"not usable; use --engine qemu");
	return TAKE_FD(fd);
}

int kvm_usable(struct err *err)
{
	int fd = kvm_open(err);

	if (fd < 0)
		return fd;
	close_fd(fd);
	return 0;
}
