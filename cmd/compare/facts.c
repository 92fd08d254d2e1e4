/* SPDX-License-Identifier: Apache-2.0 */
/* facts: what is seen from inside of each container. See compare.h. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "cmd/compare/compare.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

enum { LIMIT = 60, VALUE_MAX = 512 };

struct facts {
	struct output o[SIDES];
	char host_boot_id[64];
	struct utsname host;
};

static void facts_done(struct facts *f)
{
	for (int s = 0; s < SIDES; s++)
		output_done(&f->o[s]);
}

static const char *value(const struct facts *f, int side, const char *key, char *buf)
{
	return probe_value(f->o[side].text, key, 0, buf, VALUE_MAX);
}

static void add_text(struct group *group, const struct facts *f, const char *probe, const char *key,
		     const char *title, const char *note)
{
	struct row *row = report_add(group, key, title, note);
	char buf[VALUE_MAX];

	for (int s = 0; s < SIDES; s++) {
		if (value(f, s, probe, buf))
			cell_text(&row->cells[s], MOOD_PLAIN, "%s", buf);
	}
}

/* A count; -1 is what could not be read, which is told in `none`'s words. */
static void add_count(struct group *group, const struct facts *f, const char *probe, const char *key,
		      const char *title, const char *note, const char *none)
{
	struct row *row = report_add(group, key, title, note);

	for (int s = 0; s < SIDES; s++) {
		double n = probe_number(f->o[s].text, probe);

		if (n < 0)
			cell_text(&row->cells[s], MOOD_PLAIN, "%s", none);
		else
			cell_number(&row->cells[s], MOOD_PLAIN, n);
	}
}

/* Whose a thing is follows from whose kernel it is, which the boot id tells. */
static bool is_host_kernel(const struct facts *f, int side)
{
	char buf[VALUE_MAX];

	return value(f, side, "boot_id", buf) && !strcmp(buf, f->host_boot_id);
}

static void add_kernel(struct group *group, const struct facts *f)
{
	struct row *release = report_add(group, "kernel.release", "Kernel", "uname -r");
	struct row *build = report_add(group, "kernel.build", "Kernel build", "uname -v");
	struct row *boot = report_add(group, "kernel.boot_id", "Whose kernel",
				      "/proc/sys/kernel/random/boot_id, compared with the host's");
	char buf[VALUE_MAX];

	for (int s = 0; s < SIDES; s++) {
		bool shared = is_host_kernel(f, s);
		enum mood mood = shared ? MOOD_SHARED : MOOD_APART;

		if (value(f, s, "kernel", buf))
			cell_text(&release->cells[s], mood, "%s", buf);
		if (value(f, s, "kernel_build", buf))
			cell_text(&build->cells[s], MOOD_PLAIN, "%s", buf);
		cell_text(&boot->cells[s], mood, "%s", shared ? "the host's" : "its own");
	}
}

static void add_log(struct group *group, const struct facts *f)
{
	struct row *row = report_add(group, "kernel.log", "Kernel log", "syslog(2), then /dev/kmsg");

	for (int s = 0; s < SIDES; s++) {
		double n = probe_number(f->o[s].text, "kernel_log_bytes");
		bool shared = is_host_kernel(f, s);

		if (n > 0)
			cell_text(&row->cells[s], shared ? MOOD_SHARED : MOOD_APART,
				  "%s readable: %.0f bytes", shared ? "the host's," : "its own,", n);
		else
			cell_text(&row->cells[s], MOOD_PLAIN, "not readable");
	}
}

static void add_symbols(struct group *group, const struct facts *f)
{
	struct row *row = report_add(group, "kernel.symbols", "Kernel symbols",
				     "/proc/kallsyms, and those with addresses");

	for (int s = 0; s < SIDES; s++) {
		double n = probe_number(f->o[s].text, "kallsyms"),
		       a = probe_number(f->o[s].text, "kallsyms_addresses");
		char count[32], addresses[32];

		number_text(n, count, sizeof(count));
		number_text(a, addresses, sizeof(addresses));
		if (n < 0)
			cell_text(&row->cells[s], MOOD_PLAIN, "not there");
		else
			cell_text(&row->cells[s], a > 0 && is_host_kernel(f, s) ? MOOD_SHARED : MOOD_PLAIN,
				  "%s of %s kernel, %s with their addresses", count,
				  is_host_kernel(f, s) ? "the host's" : "its own",
				  a > 0 ? addresses : "none");
	}
}

static void add_memory(struct group *group, const struct facts *f)
{
	struct row *row = report_add(group, "memory", "Memory seen", "MemTotal of /proc/meminfo");

	row->unit = "MiB";
	for (int s = 0; s < SIDES; s++) {
		double kib = probe_number(f->o[s].text, "memory");

		if (kib > 0)
			cell_number(&row->cells[s], MOOD_PLAIN, (double)(long)(kib / 1024));
	}
}

static void add_ids(struct group *group, const struct facts *f)
{
	struct row *row = report_add(group, "ids.root", "Container's uid 0 is",
				     "/proc/self/uid_map, and whose kernel keeps it");
	char buf[VALUE_MAX];

	for (int s = 0; s < SIDES; s++) {
		unsigned long inside = 0, outside = 0;
		bool shared = is_host_kernel(f, s);

		if (!value(f, s, "uid_map", buf) || sscanf(buf, "%lu %lu", &inside, &outside) != 2)
			continue;
		if (!shared)
			cell_text(&row->cells[s], MOOD_APART, "root of its own kernel only");
		else if (outside == 0)
			cell_text(&row->cells[s], MOOD_SHARED, "uid 0 of the host");
		else
			cell_text(&row->cells[s], MOOD_PLAIN, "uid %lu of the host", outside);
	}
}

static void add_cgroup(struct group *group, const struct facts *f)
{
	struct row *row = report_add(group, "cgroup", "Cgroup seen", "/proc/self/cgroup, first line");
	char buf[VALUE_MAX];

	for (int s = 0; s < SIDES; s++) {
		if (value(f, s, "cgroup", buf))
			cell_text(&row->cells[s], is_host_kernel(f, s) ? MOOD_SHARED : MOOD_APART, "%s (%s)",
				  buf, is_host_kernel(f, s) ? "the host's hierarchy" : "its own hierarchy");
	}
}

int compare_facts(struct compare *c, struct group *group, struct err *err)
{
	static const char *const args[] = { "facts", NULL };
	_cleanup_(facts_done) struct facts f = { .host_boot_id = "" };
	_cleanup_free_ char *boot_id = NULL;
	char buf[VALUE_MAX];
	int r;

	*group = (struct group){ .key = "seen",
				 .title = "What is seen from inside",
				 .intro = "A static program ran in both containers and looked around." };
	if (file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &boot_id, NULL) == 0)
		snprintf(f.host_boot_id, sizeof(f.host_boot_id), "%.*s", (int)strcspn(boot_id, "\n"),
			 boot_id);
	uname(&f.host);
	for (int s = 0; s < SIDES; s++) {
		compare_progress(c, "%s: what is seen from inside", c->stacks[s].name);
		r = stack_probe(c, (enum side)s, s == SIDE_NS ? "facts-ns" : "facts-vm",
				&(struct bundle_change){ .args = args }, LIMIT, &f.o[s], err);
		if (r < 0)
			return r;
	}
	snprintf(c->report.host_kernel, sizeof(c->report.host_kernel), "%s", f.host.release);
	if (value(&f, SIDE_VM, "kernel", buf))
		snprintf(c->report.guest_kernel, sizeof(c->report.guest_kernel), "%.120s", buf);
	if (value(&f, SIDE_NS, "cpu_model", buf))
		snprintf(c->report.cpu, sizeof(c->report.cpu), "%.120s", buf);
	add_kernel(group, &f);
	add_log(group, &f);
	add_symbols(group, &f);
	add_count(group, &f, "modules", "kernel.modules", "Loaded modules listed", "/proc/modules",
		  "no list (kernel without modules)");
	add_count(group, &f, "filesystems", "kernel.filesystems", "File systems the kernel offers",
		  "/proc/filesystems", "not readable");
	add_count(group, &f, "processes", "processes", "Processes visible", "numbers in /proc",
		  "not readable");
	add_text(group, &f, "load", "load", "Load average",
		 "/proc/loadavg: the load of whoever shares the kernel");
	add_count(group, &f, "dev_open", "devices.open", "Devices that open",
		  "nodes of /dev, opened for reading", "not readable");
	add_count(group, &f, "block_devices", "devices.block", "Disks listed", "/sys/block", "no list");
	add_count(group, &f, "pci_devices", "devices.pci", "PCI devices listed", "/sys/bus/pci/devices",
		  "no list");
	add_count(group, &f, "interrupts", "interrupts", "Interrupt lines seen", "/proc/interrupts",
		  "not readable");
	add_text(group, &f, "cpu_model", "cpu.model", "Processor seen", "/proc/cpuinfo");
	add_count(group, &f, "cpu_flags", "cpu.flags", "Processor flags", "/proc/cpuinfo", "not readable");
	add_count(group, &f, "cpus", "cpus", "Processors seen", "sysconf(_SC_NPROCESSORS_ONLN)", "not known");
	add_memory(group, &f);
	add_count(group, &f, "mounts", "mounts", "Mounts seen", "/proc/self/mountinfo", "not readable");
	add_cgroup(group, &f);
	add_ids(group, &f);
	for (int s = 0; s < SIDES; s++)
		c->facts[s] = TAKE_PTR(f.o[s].text);
	return 0;
}
