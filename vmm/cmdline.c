/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmdline: see cmdline.h. Each parameter is here because a guest boots quicker,
 * quieter or at all with it; Linux, Documentation/admin-guide/kernel-parameters.txt.
 */
#include "vmm/cmdline.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/vm_spec.h"

#include <errno.h>
#include <string.h>

/* One space between words; `len` counts on when the buffer is full, so that the caller sees by how much. */
struct words {
	char text[VM_CMDLINE_MAX];
	size_t len;
};

static void words_add(struct words *words, const char *text)
{
	size_t len = strlen(text);
	size_t gap = words->len > 0 ? 1 : 0;

	if (len == 0)
		return;
	if (words->len + gap + len < sizeof(words->text)) {
		if (gap)
			words->text[words->len] = ' ';
		memcpy(words->text + words->len + gap, text, len + 1);
	}
	words->len += gap + len;
}

/*
 * Kept off the console, and first, before a console is there to show what came so far: at two
 * exits a character, only what ends a machine is worth it.
 */
static const char quiet_parameter[] = "loglevel=3";

static const char *const common_parameters[] = {
	/*
	 * Messages before virtio-console is up go to the 8250, by the early console
	 * alone: it probes nothing, and leaves when hvc0 registers.
	 */
	"earlycon=uart8250,io,0x3f8",
	"console=hvc0",
	/* A panic ends the machine at once. */
	"panic=-1",
	/* No self-test of each crypto algorithm. */
	"cryptomgr.notests",
	/* With one CPU, no patching of each of 8,000 lock prefixes away: a change of page tables and back, each. */
	"noreplace-smp",
	/*
	 * Per-CPU memory in units of what it needs, not of 2 MiB: the cgroups' accounting of each further chunk has
	 * twice a unit's size.
	 */
	"percpu_alloc=page",
};

static const char *const kvm_parameters[] = {
	/* No probing of 32 serial ports. */
	"8250.nr_uarts=0",
	/* CPUs are brought up without the 2 to 20 ms of TSC comparison each; KVM keeps the TSCs equal. */
	"tsc=reliable",
	/* No scan of the bus for chipset quirks by port I/O, before ECAM is known. */
	"pci=noearly",
	/* By the keyboard controller's port, in two exits: a triple fault is then always a crash. */
	"reboot=k",
};

static const char *const qemu_parameters[] = {
	"8250.nr_uarts=0",
	"tsc=reliable",
	"no_timer_check",
	/*
	 * Emulation keeps the code that it has translated until the guest writes to its page. A page that a device of
	 * ours fills with another program, and the guest never writes to, would go on with the old one: each page is
	 * cleared when it is allocated. (What is left: code that is read by O_DIRECT over other code.)
	 */
	"init_on_alloc=1",
	/* A triple fault: not each of QEMU's machines has a keyboard controller, and all of them take it for a reset. */
	"reboot=t",
};

static int check_text(const char *text, struct err *err)
{
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return err_set(
				err, -EINVAL,
				"kernel command line: control character at byte %zu of the added parameters",
				(size_t)(p - text));
	return 0;
}

static void add_all(struct words *words, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		words_add(words, list[i]);
}

int vmm_cmdline(const struct vm_spec *spec, char *buf, size_t size, struct err *err)
{
	struct words words = { .len = 0 };
	size_t max = size < VM_CMDLINE_MAX ? size : VM_CMDLINE_MAX;
	int r;

	if (!spec->debug)
		words_add(&words, quiet_parameter);
	add_all(&words, common_parameters, ARRAY_SIZE(common_parameters));
	switch (spec->engine) {
	case VM_ENGINE_KVM:
		add_all(&words, kvm_parameters, ARRAY_SIZE(kvm_parameters));
		break;
	case VM_ENGINE_QEMU:
		add_all(&words, qemu_parameters, ARRAY_SIZE(qemu_parameters));
		break;
	}
	if (spec->cmdline) {
		r = check_text(spec->cmdline, err);
		if (r < 0)
			return r;
		words_add(&words, spec->cmdline);
	}
	if (words.len >= max)
		return err_set(err, -E2BIG, "kernel command line: %zu bytes, at most %zu fit", words.len + 1,
			       max);
	memcpy(buf, words.text, words.len + 1);
	return 0;
}
