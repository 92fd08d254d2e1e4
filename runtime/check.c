/* SPDX-License-Identifier: Apache-2.0 */
/* check: see check.h. Each probe fills in one row. */
#include "runtime/check.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "runtime/config.h"
#include "runtime/image.h"
#include "vmm/kvm/kvm.h"
#include "vmm/kvm/timed_guest.h"
#include "vmm/qemu/qemu.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

enum { CPUINFO_MAX = 4 << 20 };

static struct check_row *add(struct check_report *report, const char *key, const char *title)
{
	struct check_row *row = &report->rows[report->n];

	assert(report->n < CHECK_ROWS_MAX);
	report->n++;
	*row = (struct check_row){ .key = key, .title = title };
	return row;
}

static void say(struct check_row *row, enum check_result result, const char *mend, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void say(struct check_row *row, enum check_result result, const char *mend, const char *fmt, ...)
{
	va_list ap;

	row->result = result;
	va_start(ap, fmt);
	vsnprintf(row->value, sizeof(row->value), fmt, ap);
	va_end(ap);
	snprintf(row->mend, sizeof(row->mend), "%s", mend);
}

/* --- The processor --- */

struct cpu {
	bool known, vmx, svm, hypervisor;
};

static struct cpu read_cpu(void)
{
	_cleanup_free_ char *text = NULL;
	struct cpu cpu = { 0 };
	char *flags, *rest;

	if (file_read(AT_FDCWD, "/proc/cpuinfo", CPUINFO_MAX, &text, NULL) < 0)
		return cpu;
	flags = strstr(text, "\nflags");
	flags = flags ? strtok_r(flags + 1, "\n", &rest) : NULL;
	if (!flags)
		return cpu;
	cpu.known = true;
	for (char *word = strtok_r(flags, " \t:", &rest); word; word = strtok_r(NULL, " \t:", &rest)) {
		cpu.vmx |= !strcmp(word, "vmx");
		cpu.svm |= !strcmp(word, "svm");
		cpu.hypervisor |= !strcmp(word, "hypervisor");
	}
	return cpu;
}

static void check_cpu(struct check_report *report, const struct cpu *cpu)
{
	struct check_row *row = add(report, "cpu.virtualization", "processor");

	if (!cpu->known)
		say(row, CHECK_NOTE, "", "its flags can't be read from /proc/cpuinfo");
	else if (cpu->vmx || cpu->svm)
		say(row, CHECK_OK, "", "%s", cpu->vmx ? "vmx (Intel VT-x)" : "svm (AMD-V)");
	else if (cpu->hypervisor)
		say(row, CHECK_MISSING, "",
		    "neither vmx nor svm: this machine is a VM, and its host does not offer nested virtualization");
	else
		say(row, CHECK_MISSING, "", "neither vmx nor svm: virtualization is off in the firmware");

	row = add(report, "cpu.nested", "this machine");
	say(row, CHECK_NOTE, "", "%s",
	    cpu->hypervisor ? "a virtual machine itself: VMs in it are nested" : "real hardware");
}

/* --- KVM --- */

static void check_kvm_device(struct check_report *report)
{
	struct check_row *row = add(report, "kvm.device", "/dev/kvm");
	_cleanup_close_ int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		say(row, CHECK_OK, "", "opens for reading and writing");
	else if (errno == EACCES || errno == EPERM)
		say(row, CHECK_MISSING, "usermod -aG kvm \"$USER\"", "this user may not open it");
	else
		say(row, CHECK_MISSING, "modprobe kvm_intel || modprobe kvm_amd", "%s", strerror(errno));
}

static void check_kvm_usable(struct check_report *report)
{
	struct check_row *row = add(report, "kvm.usable", "KVM engine");
	struct err err = ERR_INIT;

	report->kvm_works = kvm_usable(&err) == 0;
	if (report->kvm_works)
		say(row, CHECK_OK, "", "API version and all capabilities are there");
	else
		say(row, CHECK_MISSING, "", "%s", err.text);
}

/* The clearest sign of a KVM that emulates: the time that an instruction takes. */
static void check_kvm_speed(struct check_report *report)
{
	_cleanup_close_ int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	struct err err = ERR_INIT;
	struct check_row *row;
	uint64_t ps;

	if (fd < 0)
		return;
	row = add(report, "kvm.speed", "guest code");
	if (timed_guest_run(fd, &ps, &err) < 0) {
		say(row, CHECK_MISSING, "", "a small test guest failed: %s", err.text);
	} else if (ps > TIMED_GUEST_SLOW_PS) {
		say(row, CHECK_MISSING, "", "%lu ns an instruction: this KVM emulates guests in software",
		    (unsigned long)(ps / 1000));
		report->kvm_works = false;
	} else {
		say(row, CHECK_OK, "", "%lu.%lu ns an instruction: runs in hardware",
		    (unsigned long)(ps / 1000), (unsigned long)(ps / 100 % 10));
	}
}

/* --- QEMU, images --- */

static void check_qemu(struct check_report *report, const struct config *config)
{
	struct check_row *row = add(report, "qemu", "QEMU engine");
	struct err err = ERR_INIT;
	char version[128];

	report->qemu_works = qemu_probe(config->qemu_path, version, sizeof(version), &err) == 0;
	if (report->qemu_works)
		say(row, CHECK_OK, "", "%s", version);
	else
		say(row, CHECK_MISSING, "apt-get install qemu-system-x86", "%s", err.text);
}

static bool check_images(struct check_report *report, const struct config *config)
{
	struct check_row *kernel_row = add(report, "guest.kernel", "guest kernel");
	struct check_row *initrd_row = add(report, "guest.initrd", "guest initramfs");
	_cleanup_free_ char *kernel = NULL;
	_cleanup_free_ char *initrd = NULL;
	struct err err = ERR_INIT;

	if (image_find(config, &kernel, &initrd, &err) < 0) {
		say(kernel_row, CHECK_MISSING, "make guest", "%s", err.text);
		say(initrd_row, CHECK_MISSING, "make guest", "goes with the kernel");
		return false;
	}
	say(kernel_row, CHECK_OK, "", "%s", kernel);
	say(initrd_row, CHECK_OK, "", "%s", initrd);
	return true;
}

/* --- What containers use beside the processor --- */

static void check_device(struct check_report *report, const char *key, const char *path, const char *use,
			 enum check_result without, const char *mend)
{
	struct check_row *row = add(report, key, path);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		say(row, CHECK_OK, "", "opens (%s)", use);
	else
		say(row, without, mend, "%s (%s)", strerror(errno), use);
}

static void check_iommu(struct check_report *report)
{
	struct check_row *row = add(report, "iommu.groups", "IOMMU");
	_cleanup_closedir_ DIR *dir = opendir("/sys/kernel/iommu_groups");
	struct dirent *e;
	unsigned n = 0;

	while (dir && (e = readdir(dir)))
		n += e->d_name[0] != '.';
	if (n)
		say(row, CHECK_OK, "", "%u groups (device passthrough)", n);
	else
		say(row, CHECK_NOTE, "", "no groups: no device passthrough");
}

static void check_cgroups(struct check_report *report)
{
	struct check_row *row = add(report, "cgroup", "cgroups");
	struct statfs fs;

	if (statfs("/sys/fs/cgroup", &fs) < 0)
		say(row, CHECK_MISSING, "mount -t cgroup2 none /sys/fs/cgroup",
		    "not mounted: no limits for containers");
	else if ((unsigned long)fs.f_type == CGROUP2_SUPER_MAGIC)
		say(row, CHECK_OK, "", "version 2");
	else if (access("/sys/fs/cgroup/unified", F_OK) == 0)
		say(row, CHECK_OK, "", "version 1, hybrid");
	else
		say(row, CHECK_OK, "", "version 1");
}

static void choose(struct check_report *report, const struct config *config, bool images)
{
	const char *asked = config->engine == CONFIG_ENGINE_AUTO ? "" : ", as the settings ask for";
	bool kvm = config->engine == CONFIG_ENGINE_KVM ||
		   (config->engine == CONFIG_ENGINE_AUTO && report->kvm_works);

	report->engine = kvm ? VM_ENGINE_KVM : VM_ENGINE_QEMU;
	if (!images)
		snprintf(report->why, sizeof(report->why), "none works: the guest's images are missing");
	else if (kvm ? !report->kvm_works : !report->qemu_works)
		snprintf(report->why, sizeof(report->why), "%s%s, but it does not work here",
			 vm_engine_name(report->engine), asked);
	else
		snprintf(report->why, sizeof(report->why), "%s%s%s", vm_engine_name(report->engine), asked,
			 kvm || asked[0] ? ""
					 : ": no usable KVM, so QEMU emulates the VM's processors (slower)");
	report->kvm_works &= images;
	report->qemu_works &= images;
}

void check_run(const struct config *config, struct check_report *ret)
{
	const struct cpu cpu = read_cpu();
	bool images;

	*ret = (struct check_report){ .n = 0 };
	check_cpu(ret, &cpu);
	check_kvm_device(ret);
	check_kvm_usable(ret);
	check_kvm_speed(ret);
	check_qemu(ret, config);
	images = check_images(ret, config);
	check_device(ret, "net.tun", "/dev/net/tun", "container networks", CHECK_MISSING, "modprobe tun");
	check_device(ret, "net.vhost", "/dev/vhost-net", "faster networks on the KVM engine", CHECK_NOTE,
		     "modprobe vhost_net");
	check_iommu(ret);
	check_cgroups(ret);
	choose(ret, config, images);
}
