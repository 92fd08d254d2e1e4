/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostile: process 1 of a guest that does its worst to its VMM. No driver of the
 * kernel's is bound to the devices: registers are reached through sysfs' mappings of the BARs, rings and
 * buffers are in memory that the kernel leaves alone, as of mem=256M, so that what the devices write there does
 * not end the guest at once.
 *
 *   hostile.seconds=N   how long (5)
 *   hostile.seed=N      of the random numbers (1)
 *
 * on the kernel's command line. Each round takes a device up by the book as far as chance lets it, then
 * does a few hundred random things: descriptors, indices, registers, MSI-X entries, configuration space, I/O
 * ports; and requests that are well-formed but for some of their fields, so that they get past the
 * first checks: FUSE, vsock, network control. The console says how many of each; "hostile: done" is the last
 * line, then the machine is powered off.
 */
#include "tests/hostile/payload.h"
#include "tests/hostile/pci.h"
#include "tests/hostile/random.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <time.h>
#include <unistd.h>

enum {
	DEVICES_MAX = 16,
	QUEUES_MAX = 8, /* of a device, that are played with */
	PAGES = 1024, /* ours, for rings and buffers */
	PAGE = 4096,
	MEMORY = 256 << 20, /* physical address of our pages */
	RING_MAX = 128, /* so that each part of a ring is in one page */
	ACTIONS = 300, /* in a round */
};

static struct pci_device devices[DEVICES_MAX];
static unsigned n_devices;
static uint8_t *pages;

static struct {
	unsigned long rounds, registers, config, msix, descriptors, kicks, ports, requests[PAYLOADS];
} count;

/* To the serial port by hand: the kernel's consoles are drivers of what is attacked. */
static void say(const char *fmt, ...)
{
	enum { DATA = 0x3f8, LINE_CONTROL = 0x3fb, MODEM_CONTROL = 0x3fc };
	char line[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	/* 8 bits, the data register at its place; no loop back. */
	outb(3, LINE_CONTROL);
	outb(0, MODEM_CONTROL);
	for (const char *p = line; *p; p++)
		outb((unsigned char)*p, DATA);
}

static long parameter(const char *name, long value)
{
	char text[4096] = "", *at;
	FILE *f = fopen("/proc/cmdline", "r");

	if (f && fgets(text, sizeof(text), f) && (at = strstr(text, name)))
		value = strtol(at + strlen(name), NULL, 0);
	if (f)
		fclose(f);
	return value;
}

static uint64_t phys(unsigned page)
{
	return MEMORY + (uint64_t)page * PAGE;
}

/* A physical address: of a page of ours, or one that leads astray. */
static uint64_t address(void)
{
	static const uint64_t bad[] = {
		0,		     0xa0000,		    0xfee00000,		   0xfec00000,	  0xe0000000,
		0xffffffff,	     0xfffff000,	    0x100000000,	   1ULL << 40,	  1ULL << 63,
		0xffffffffffffffffULL, 0xfffffffffffff000ULL, 0xfffffffffffffff0ULL, 0x7fffffffffffffffULL,
	};

	if (one_in(8))
		return random_u64();
	if (one_in(4))
		return bad[random_below(sizeof(bad) / sizeof(bad[0]))] + (one_in(2) ? random_below(64) : 0);
	return phys(random_below(PAGES)) + (one_in(2) ? 0 : random_below(PAGE));
}

/* --- A queue --- */

struct queue {
	uint16_t size, index; /* the next available one */
	unsigned desc, driver, device; /* pages of ours */
	uint16_t notify_off;
};

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static struct desc *table(const struct queue *q)
{
	return (struct desc *)(pages + (size_t)q->desc * PAGE);
}

static uint32_t length(void)
{
	static const uint32_t lengths[] = { 0,	  1,	   4,	      16,	  40,	      44,	  64, 104,
					    4096, 65536, 0x10000000, 0x7fffffff, 0x80000000, 0xffffffff };

	return one_in(6) ? (uint32_t)random_u64() : lengths[random_below(14)];
}

/* The chain from descriptor `head` becomes available; the index may jump. */
static void offer(struct queue *q, uint16_t head)
{
	uint16_t *avail = (uint16_t *)(pages + (size_t)q->driver * PAGE);

	avail[2 + q->index % (q->size ? q->size : 1)] = head;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	q->index = one_in(60) ? (uint16_t)random_u64() : (uint16_t)(q->index + 1);
	avail[0] = one_in(30) ? (uint16_t)random_u64() : 0;
	avail[1] = q->index;
}

static void random_chain(struct queue *q)
{
	struct desc *d = table(q);
	unsigned n = 1 + random_below(one_in(10) ? RING_MAX : 6);

	for (unsigned i = 0; i < n; i++) {
		unsigned at = random_below(q->size ? q->size : 1);

		d[at] = (struct desc){ address(), length(), (uint16_t)(one_in(4) ? random_u64() : random_below(8)),
				       (uint16_t)(one_in(4) ? random_u64() : random_below(RING_MAX)) };
	}
	count.descriptors += n;
	offer(q, (uint16_t)(one_in(10) ? random_u64() : random_below(RING_MAX)));
}

/* A request in one readable piece, or several, and room for an answer. */
static void payload_chain(struct queue *q, enum payload kind)
{
	unsigned in = random_below(PAGES), out = random_below(PAGES), n = 0, at = random_below(RING_MAX / 2);
	struct desc *d = table(q) + at;
	uint32_t len, left;

	/* Not over a ring of ours. */
	if (in <= q->device || out <= q->device)
		return;
	len = payload_fill(kind, pages + (size_t)in * PAGE, PAGE);
	for (left = len; n < 3 && left > 0; n++) {
		uint32_t part = n == 2 || one_in(2) ? left : 1 + random_below(left);

		d[n] = (struct desc){ phys(in) + (len - left), part, 1, (uint16_t)(at + n + 1) };
		left -= part;
	}
	d[n++] = (struct desc){ phys(out), one_in(8) ? length() : PAGE, 2, 0 };
	/* Without an answer's room, as FORGET and what a guest sends on a stream. */
	if (n >= 2 && one_in(4))
		d[n - 2].flags = 0;
	if (one_in(20))
		d[random_below(n)].flags ^= (uint16_t)(1 << random_below(3));
	count.requests[kind]++;
	offer(q, (uint16_t)at);
}

/* --- A device --- */

/* By the book, unless chance has it otherwise. */
static unsigned bring_up(struct pci_device *dev, struct queue *queues)
{
	unsigned n, page = 0;

	common_write(dev, COMMON_STATUS, 1, 0);
	common_write(dev, COMMON_STATUS, 1, 1);
	common_write(dev, COMMON_STATUS, 1, 3);
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t offered;

		common_write(dev, COMMON_DEVICE_SELECT, 4, i);
		offered = (uint32_t)common_read(dev, COMMON_DEVICE_FEATURES, 4);
		common_write(dev, COMMON_DRIVER_SELECT, 4, i);
		if (one_in(2))
			offered &= (uint32_t)random_u64() | (i == 1 ? 1U : 0);
		common_write(dev, COMMON_DRIVER_FEATURES, 4, one_in(20) ? (uint32_t)random_u64() : offered);
	}
	common_write(dev, COMMON_STATUS, 1, 11);
	n = (unsigned)common_read(dev, COMMON_QUEUES, 2);
	if (n > QUEUES_MAX)
		n = QUEUES_MAX;
	for (unsigned i = 0; i < n; i++) {
		struct queue *q = &queues[i];
		unsigned max;

		common_write(dev, COMMON_QUEUE_SELECT, 2, i);
		max = (unsigned)common_read(dev, COMMON_QUEUE_SIZE, 2);
		*q = (struct queue){ (uint16_t)(max < RING_MAX ? max : RING_MAX), 0, page, page + 1, page + 2,
				     (uint16_t)common_read(dev, COMMON_QUEUE_NOTIFY, 2) };
		memset(pages + (size_t)page * PAGE, 0, 3 * PAGE);
		page += 3;
		common_write(dev, COMMON_QUEUE_SIZE, 2, one_in(30) ? random_u64() : q->size);
		common_write64(dev, COMMON_QUEUE_DESC, one_in(20) ? address() : phys(q->desc));
		common_write64(dev, COMMON_QUEUE_DRIVER, one_in(20) ? address() : phys(q->driver));
		common_write64(dev, COMMON_QUEUE_DEVICE, one_in(20) ? address() : phys(q->device));
		common_write(dev, COMMON_QUEUE_MSIX, 2, one_in(4) ? random_u64() : i);
		if (!one_in(20))
			common_write(dev, COMMON_QUEUE_ENABLE, 2, 1);
	}
	common_write(dev, COMMON_STATUS, 1, 15);
	return n;
}

static enum payload payload_of(const struct pci_device *dev, unsigned q)
{
	switch (dev->type) {
	case TYPE_FS:
		return PAYLOAD_FUSE;
	case TYPE_VSOCK:
		return PAYLOAD_VSOCK;
	case TYPE_BALLOON:
		return PAYLOAD_BALLOON;
	case TYPE_NET:
		return q >= 2 ? PAYLOAD_NET_CONTROL : PAYLOAD_FRAME;
	default:
		return PAYLOAD_RANDOM;
	}
}

/*
 * Not those that end the machine (keyboard controller, resets, power management). Those that keep the kernel's
 * time and interrupts are only read: we need both.
 */
static void random_port(void)
{
	static const uint16_t ports[] = { 0x20, 0x21, 0xa0, 0xa1, 0x40, 0x43, 0x61, 0x70, 0x71, 0x80, 0x3f9,
					  0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff, 0xcf8, 0xcfc, 0xcfe };
	uint16_t port = ports[random_below(sizeof(ports) / sizeof(ports[0]))];

	count.ports++;
	/* Configuration space by the old way: of any device, any register. */
	if (port == 0xcf8) {
		outl(0x80000000U | (uint32_t)(random_u64() & 0xfffffc), port);
		return;
	}
	if (one_in(2))
		(void)inb(port);
	else if (port >= 0xcfc)
		(void)inl(0xcfc);
	else if (port >= 0x80 && port != 0xa0 && port != 0xa1)
		outb((uint8_t)random_u64(), port);
}

/* An entry's address or its data; seldom an interrupt of a kind that ends or restarts us (INIT, SMI, NMI). */
static void msix_poke(struct pci_device *dev)
{
	unsigned at = random_below(512) & ~3U;
	uint64_t value = one_in(2) ? address() : random_u64();

	if (at % 16 == 8 && !one_in(200))
		value &= 0xff;
	device_poke(dev, dev->msix_table + at, 4, value);
}

static void act(struct pci_device *dev, struct queue *queues, unsigned n)
{
	unsigned i = n ? random_below(n) : 0;

	switch (random_below(16)) {
	case 0:
		count.registers++;
		device_poke(dev, random_below(dev->bar_size), 1U << random_below(3), random_u64());
		break;
	case 1:
		count.registers++;
		common_write(dev, random_below(64), 1U << random_below(3), one_in(2) ? random_below(16) : random_u64());
		break;
	case 2:
		count.msix++;
		msix_poke(dev);
		break;
	case 3:
		count.config++;
		config_poke(dev, one_in(4));
		break;
	case 4:
		random_port();
		break;
	case 5:
		count.registers++;
		(void)device_peek(dev, random_below(dev->bar_size), 1U << random_below(3));
		break;
	case 6:
		if (one_in(40))
			common_write(dev, COMMON_STATUS, 1, one_in(2) ? 0 : random_u64());
		break;
	case 7:
	case 8:
	case 9:
		if (n)
			random_chain(&queues[i]);
		break;
	default:
		if (n)
			payload_chain(&queues[i], payload_of(dev, i));
		break;
	}
	if (n && one_in(2)) {
		count.kicks++;
		device_poke(dev, dev->notify + queues[i].notify_off * dev->notify_multiplier, 2,
			    one_in(20) ? random_u64() : i);
	}
}

static void one_round(void)
{
	struct pci_device *dev = &devices[random_below(n_devices)];
	struct queue queues[QUEUES_MAX];
	unsigned n;

	/* What the last round did to configuration space. */
	if (pci_refresh(dev) < 0)
		return;
	n = bring_up(dev, queues);
	for (unsigned i = 0; i < ACTIONS; i++)
		act(dev, queues, n);
	count.rounds++;
}

/* --- The guest --- */

static int prepare(void)
{
	if (iopl(3) < 0)
		return -1;
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sys", "/sys", "sysfs", 0, NULL);
	if (memory_get(MEMORY, (size_t)PAGES * PAGE, &pages) < 0) {
		say("hostile: no memory at %d MiB: mem=256M is missing\n", MEMORY >> 20);
		return -1;
	}
	n_devices = pci_find(devices, DEVICES_MAX);
	for (unsigned i = 0; i < n_devices; i++)
		say("hostile: device %s, virtio type %u, %u bytes of registers\n", devices[i].name, devices[i].type,
		    devices[i].bar_size);
	return n_devices > 0 ? 0 : -1;
}

static void report(void)
{
	say("hostile: %lu rounds: %lu register accesses, %lu config, %lu msix, %lu ports, %lu descriptors, %lu kicks, "
	    "%lu fuse, %lu vsock, %lu net control, %lu frames, %lu balloon, %lu other\n",
	    count.rounds, count.registers, count.config, count.msix, count.ports, count.descriptors, count.kicks,
	    count.requests[PAYLOAD_FUSE], count.requests[PAYLOAD_VSOCK], count.requests[PAYLOAD_NET_CONTROL],
	    count.requests[PAYLOAD_FRAME], count.requests[PAYLOAD_BALLOON], count.requests[PAYLOAD_RANDOM]);
}

int main(void)
{
	struct timespec now;
	time_t end, next;

	mkdir_all();
	if (prepare() == 0) {
		long seconds = parameter("hostile.seconds=", 5), seed = parameter("hostile.seed=", 1);

		random_seed((uint64_t)seed);
		say("hostile: %ld s, seed %ld\n", seconds, seed);
		clock_gettime(CLOCK_MONOTONIC, &now);
		end = now.tv_sec + seconds;
		next = now.tv_sec + 10;
		while (now.tv_sec < end) {
			one_round();
			clock_gettime(CLOCK_MONOTONIC, &now);
			if (now.tv_sec >= next) {
				report();
				next += 10;
			}
		}
		report();
		say("hostile: done\n");
	} else {
		say("hostile: nothing to do harm to\n");
	}
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}
