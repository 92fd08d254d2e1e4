/* SPDX-License-Identifier: Apache-2.0 */
/* pci: see pci.h. */
#include "tests/hostile/pci.h"

#include "tests/hostile/random.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	VENDOR_VIRTIO = 0x1af4,
	DEVICE_MODERN = 0x1040, /* and the type */
	CAP_POINTER = 0x34,
	CAP_VENDOR = 0x09,
	CAP_MSIX = 0x11,
	/* virtio 1.2 §4.1.4 */
	CFG_COMMON = 1,
	CFG_NOTIFY = 2,
	COMMAND = 4,
	COMMAND_ON = 0x406, /* memory, bus master, no INTx */
};

void mkdir_all(void)
{
	mkdir("/dev", 0755);
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
}

int memory_get(uint64_t phys, size_t len, uint8_t **ret)
{
	int fd = open("/dev/mem", O_RDWR);
	uint8_t *p = fd < 0 ? MAP_FAILED : mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)phys);

	close(fd);
	if (p == MAP_FAILED)
		return -1;
	memset(p, 0, len);
	*ret = p;
	return 0;
}

static int open_file(const struct pci_device *dev, const char *file)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", dev->name, file);
	return open(path, O_RDWR);
}

int pci_refresh(struct pci_device *dev)
{
	const uint16_t command = COMMAND_ON;
	int fd = open_file(dev, "config"), r = 0;

	if (fd < 0)
		return -1;
	/* BARs, then the command register. */
	if (pwrite(fd, dev->config + 0x10, 24, 0x10) != 24 || pwrite(fd, &command, 2, COMMAND) != 2)
		r = -1;
	/* MSI-X on. */
	for (unsigned at = dev->config[CAP_POINTER]; at >= 0x40 && at < 0xf8; at = dev->config[at + 1]) {
		const uint16_t on = 0x8000;

		if (dev->config[at] == CAP_MSIX && pwrite(fd, &on, 2, at + 2) != 2)
			r = -1;
	}
	close(fd);
	return r;
}

static uint32_t config32(const struct pci_device *dev, unsigned at)
{
	uint32_t v;

	memcpy(&v, dev->config + at, sizeof(v));
	return v;
}

/* Where things are in the BAR that has the common configuration. */
static int find_parts(struct pci_device *dev)
{
	int bar = -1;

	for (unsigned at = dev->config[CAP_POINTER], n = 0; at >= 0x40 && at < 0xf0 && n < 48;
	     at = dev->config[at + 1], n++) {
		const uint8_t *cap = dev->config + at;

		if (cap[0] == CAP_VENDOR && cap[3] == CFG_COMMON) {
			bar = cap[4];
			dev->common = config32(dev, at + 8);
		} else if (cap[0] == CAP_VENDOR && cap[3] == CFG_NOTIFY) {
			dev->notify = config32(dev, at + 8);
			dev->notify_multiplier = config32(dev, at + 16);
		} else if (cap[0] == CAP_MSIX) {
			/* In QEMU's devices it is in another BAR: then these are just other registers. */
			dev->msix_table = config32(dev, at + 4) & ~7U;
		}
	}
	return bar;
}

static int map_bar(struct pci_device *dev, int bar)
{
	char file[16];
	struct stat st;
	void *p;
	int fd;

	snprintf(file, sizeof(file), "resource%d", bar);
	fd = open_file(dev, file);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0)
		return -1;
	dev->bar_size = (unsigned)st.st_size;
	p = mmap(NULL, dev->bar_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return -1;
	dev->bar = p;
	return 0;
}

static int probe(struct pci_device *dev)
{
	int fd = open_file(dev, "config");
	ssize_t n = fd < 0 ? -1 : pread(fd, dev->config, sizeof(dev->config), 0);
	uint32_t id = config32(dev, 0);
	int bar;

	close(fd);
	if (n != sizeof(dev->config) || (id & 0xffff) != VENDOR_VIRTIO || id >> 16 < DEVICE_MODERN)
		return -1;
	dev->type = (id >> 16) - DEVICE_MODERN;
	bar = find_parts(dev);
	return bar < 0 ? -1 : map_bar(dev, bar);
}

unsigned pci_find(struct pci_device *devices, unsigned max)
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	struct dirent *entry;
	unsigned n = 0;

	while (dir && n < max && (entry = readdir(dir))) {
		struct pci_device dev = { .bar = NULL };

		if (entry->d_name[0] == '.')
			continue;
		snprintf(dev.name, sizeof(dev.name), "%.31s", entry->d_name);
		if (probe(&dev) == 0)
			devices[n++] = dev;
	}
	if (dir)
		closedir(dir);
	return n;
}

void device_poke(struct pci_device *dev, unsigned offset, unsigned size, uint64_t value)
{
	volatile uint8_t *p = dev->bar + (offset % dev->bar_size & ~(size - 1));

	if (size == 1)
		*p = (uint8_t)value;
	else if (size == 2)
		*(volatile uint16_t *)p = (uint16_t)value;
	else
		*(volatile uint32_t *)p = (uint32_t)value;
}

uint64_t device_peek(struct pci_device *dev, unsigned offset, unsigned size)
{
	const volatile uint8_t *p = dev->bar + (offset % dev->bar_size & ~(size - 1));

	if (size == 1)
		return *p;
	return size == 2 ? *(const volatile uint16_t *)p : *(const volatile uint32_t *)p;
}

uint64_t common_read(struct pci_device *dev, unsigned offset, unsigned size)
{
	return device_peek(dev, dev->common + offset, size);
}

void common_write(struct pci_device *dev, unsigned offset, unsigned size, uint64_t value)
{
	device_poke(dev, dev->common + offset, size, value);
}

void common_write64(struct pci_device *dev, unsigned offset, uint64_t value)
{
	common_write(dev, offset, 4, value);
	common_write(dev, offset + 4, 4, value >> 32);
}

void config_poke(struct pci_device *dev, bool header)
{
	unsigned size = 1U << random_below(3), at = header ? random_below(64) : 64 + random_below(192);
	uint64_t value = random_u64();
	int fd = open_file(dev, "config");

	if (fd >= 0 && pwrite(fd, &value, size, at & ~(size - 1)) < 0)
		value = 0;
	/* Reads are served by the device, too. */
	if (fd >= 0 && pread(fd, &value, size, at & ~(size - 1)) < 0)
		value = 0;
	close(fd);
	/* Without memory accesses the next ones would go nowhere. */
	if (header)
		pci_refresh(dev);
}
