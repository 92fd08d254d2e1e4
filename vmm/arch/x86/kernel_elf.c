/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel_elf: load an uncompressed vmlinux.
 *
 * Linux's ELF file has physical load addresses and a physical entry point
 * (startup_64), which is the 64-bit entry of the boot protocol: RSI holds the
 * zero page. Only PT_LOAD segments are looked at.
 */
#include "vmm/arch/x86/kernel_image.h"

#include "base/endian.h"
#include "base/err.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/guest_mem.h"
#include "vmm/vm_spec.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

enum { SEGMENTS_MAX = 64 };

static int check_header(const struct image_file *file, const Elf64_Ehdr *eh, struct err *err)
{
	if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB ||
	    le16toh(eh->e_machine) != EM_X86_64)
		return err_set(err, -ENOEXEC, "%s: an ELF file, but not for x86-64", file->name);
	if (le16toh(eh->e_type) != ET_EXEC && le16toh(eh->e_type) != ET_DYN)
		return err_set(err, -ENOEXEC, "%s: an ELF file, but not an executable one", file->name);
	if (le16toh(eh->e_phentsize) != sizeof(Elf64_Phdr) || le16toh(eh->e_phnum) == 0 ||
	    le16toh(eh->e_phnum) > SEGMENTS_MAX)
		return err_set(err, -ENOEXEC, "%s: %u ELF program headers of %u bytes", file->name,
			       le16toh(eh->e_phnum), le16toh(eh->e_phentsize));
	return 0;
}

/* Read one segment into place; the part beyond the file's bytes is zero, as guest RAM starts out. */
static int load_segment(const struct image_file *file, const struct guest_mem *mem, const Elf64_Phdr *ph,
			struct kernel_image *image, struct err *err)
{
	uint64_t gpa = le64toh(ph->p_paddr);
	uint64_t in_file = le64toh(ph->p_filesz);
	uint64_t in_mem = le64toh(ph->p_memsz);
	uint8_t *hva;
	int r;

	if (in_mem == 0 && in_file == 0)
		return 0;
	if (in_file > in_mem)
		return err_set(err, -ENOEXEC, "%s: an ELF segment with more bytes in the file than in memory",
			       file->name);
	/* Below is what the boot protocol's own tables take. */
	if (gpa < LAYOUT_HIGH_RAM)
		return err_set(err, -ENOEXEC, "%s: an ELF segment at %#llx, below 1 MiB", file->name,
			       (unsigned long long)gpa);
	hva = guest_mem_slice(mem, gpa, in_mem);
	if (!hva)
		return err_set(err, -ENOMEM,
			       "%s: %llu KiB at %#llx do not fit into the VM's memory; give it more",
			       file->name, (unsigned long long)(in_mem >> 10), (unsigned long long)gpa);
	if (in_file > 0) {
		r = image_file_read(file, le64toh(ph->p_offset), hva, in_file, err);
		if (r < 0)
			return r;
	}
	if (image->end == 0 || gpa < image->start)
		image->start = gpa;
	if (gpa + in_mem > image->end)
		image->end = gpa + in_mem;
	return 0;
}

static int read_headers(const struct image_file *file, Elf64_Ehdr *ret_eh,
			Elf64_Phdr ret_phdrs[static SEGMENTS_MAX], struct err *err)
{
	int r = image_file_read(file, 0, ret_eh, sizeof(*ret_eh), err);

	if (r == 0)
		r = check_header(file, ret_eh, err);
	if (r == 0)
		r = image_file_read(file, le64toh(ret_eh->e_phoff), ret_phdrs,
				    le16toh(ret_eh->e_phnum) * sizeof(*ret_phdrs), err);
	return r;
}

int kernel_image_end_elf(const struct image_file *file, uint64_t *ret_end, struct err *err)
{
	Elf64_Phdr phdrs[SEGMENTS_MAX];
	Elf64_Ehdr eh;
	uint64_t last = 0;
	int r = read_headers(file, &eh, phdrs, err);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < le16toh(eh.e_phnum); i++) {
		uint64_t end;

		if (le32toh(phdrs[i].p_type) != PT_LOAD)
			continue;
		if (__builtin_add_overflow(le64toh(phdrs[i].p_paddr), le64toh(phdrs[i].p_memsz), &end))
			return err_set(err, -ENOEXEC, "%s: an ELF segment beyond all memory", file->name);
		if (end > last)
			last = end;
	}
	*ret_end = last;
	return 0;
}

int kernel_image_load_elf(const struct image_file *file, const struct guest_mem *mem,
			  struct kernel_image *ret, struct err *err)
{
	/* ELF files say nothing about these two; they are what every 64-bit kernel takes. */
	struct kernel_image image = { .format = "ELF",
				      .cmdline_max = VM_CMDLINE_MAX - 1,
				      .initrd_max = LAYOUT_HOLE_START - 1 };
	Elf64_Phdr phdrs[SEGMENTS_MAX];
	Elf64_Ehdr eh;
	bool entry_inside = false;
	int r;

	r = read_headers(file, &eh, phdrs, err);
	if (r < 0)
		return r;
	image.entry = le64toh(eh.e_entry);
	for (unsigned i = 0; i < le16toh(eh.e_phnum); i++) {
		const Elf64_Phdr *ph = &phdrs[i];

		if (le32toh(ph->p_type) != PT_LOAD)
			continue;
		r = load_segment(file, mem, ph, &image, err);
		if (r < 0)
			return r;
		/* p_paddr + p_memsz was found to be RAM: no overflow. */
		if (image.entry >= le64toh(ph->p_paddr) &&
		    image.entry < le64toh(ph->p_paddr) + le64toh(ph->p_memsz))
			entry_inside = true;
	}
	if (!entry_inside)
		return err_set(err, -ENOEXEC, "%s: the ELF entry point %#llx is in none of its segments",
			       file->name, (unsigned long long)image.entry);
	*ret = image;
	return 0;
}
