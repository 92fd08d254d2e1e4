/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel_bzimage: load a bzImage for its 64-bit entry point.
 *
 * The real-mode part stays out; its setup header goes into the zero page. The
 * protected-mode part is put where it asks to run, with the room that it needs
 * to unpack itself (Linux, Documentation/arch/x86/boot.rst, "64-bit BOOT PROTOCOL").
 */
#include "vmm/arch/x86/kernel_image.h"

#include "base/endian.h"
#include "base/err.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/guest_mem.h"

#include <asm/bootparam.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

enum {
	SECTOR = 512,
	SETUP_SECTS_DEFAULT = 4, /* when the field is 0 */
	JUMP_LENGTH_OFFSET = 0x201, /* the header ends at 0x202 + this byte */
	PROTOCOL_MIN = 0x20c, /* 2.12: xloadflags */
	ENTRY_64 = 0x200, /* from the start of the protected-mode part */
};

/* The header as the file has it, what lies behind its end zeroed. */
static int read_header(const struct image_file *file, struct setup_header *ret, size_t *ret_len,
		       struct err *err)
{
	struct setup_header hdr = { 0 };
	uint8_t jump;
	size_t len;
	int r;

	r = image_file_read(file, JUMP_LENGTH_OFFSET, &jump, 1, err);
	if (r < 0)
		return r;
	len = 0x202U + jump - SETUP_HEADER_OFFSET;
	if (len > sizeof(hdr))
		len = sizeof(hdr);
	if (len < offsetof(struct setup_header, handover_offset))
		return err_set(err, -ENOEXEC, "%s: a setup header of only %zu bytes", file->name, len);
	r = image_file_read(file, SETUP_HEADER_OFFSET, &hdr, len, err);
	if (r < 0)
		return r;
	*ret = hdr;
	*ret_len = len;
	return 0;
}

static int check_header(const struct image_file *file, const struct setup_header *hdr, struct err *err)
{
	if (le16toh(hdr->boot_flag) != 0xaa55)
		return err_set(err, -ENOEXEC, "%s: no boot flag in the setup header", file->name);
	if (le16toh(hdr->version) < PROTOCOL_MIN)
		return err_set(err, -ENOEXEC, "%s: boot protocol %u.%02u, 2.12 or later is needed",
			       file->name, le16toh(hdr->version) >> 8, le16toh(hdr->version) & 0xff);
	if (!(hdr->loadflags & LOADED_HIGH))
		return err_set(err, -ENOEXEC, "%s: a zImage, not a bzImage", file->name);
	if (!(le16toh(hdr->xloadflags) & XLF_KERNEL_64))
		return err_set(err, -ENOEXEC, "%s: it has no 64-bit entry point", file->name);
	return 0;
}

int kernel_image_end_bzimage(const struct image_file *file, uint64_t *ret_end, struct err *err)
{
	struct setup_header hdr;
	size_t len;
	int r = read_header(file, &hdr, &len, err);

	if (r == 0)
		r = check_header(file, &hdr, err);
	if (r < 0)
		return r;
	if (__builtin_add_overflow(le64toh(hdr.pref_address), le32toh(hdr.init_size), ret_end))
		return err_set(err, -ENOEXEC, "%s: it wants to be loaded beyond all memory", file->name);
	return 0;
}

int kernel_image_load_bzimage(const struct image_file *file, const struct guest_mem *mem,
			      struct kernel_image *ret, struct err *err)
{
	struct kernel_image image = { .format = "bzImage" };
	struct setup_header hdr;
	uint64_t offset, len, room;
	unsigned sectors;
	uint8_t *hva;
	int r;

	r = read_header(file, &hdr, &image.header_len, err);
	if (r < 0)
		return r;
	r = check_header(file, &hdr, err);
	if (r < 0)
		return r;

	sectors = hdr.setup_sects ? hdr.setup_sects : SETUP_SECTS_DEFAULT;
	offset = ((uint64_t)sectors + 1) * SECTOR;
	/* syssize counts 16-byte paragraphs; a signature may follow them. */
	len = (uint64_t)le32toh(hdr.syssize) * 16;
	if (len <= ENTRY_64 || offset >= file->size)
		return err_set(err, -ENOEXEC, "%s: it has no protected-mode part", file->name);
	/* The last paragraph may be cut. */
	if (len > file->size - offset + 15)
		return err_set(err, -ENOEXEC, "%s: cut short, %llu of %llu bytes are there", file->name,
			       (unsigned long long)(file->size - offset), (unsigned long long)len);
	if (len > file->size - offset)
		len = file->size - offset;

	image.start = le64toh(hdr.pref_address);
	room = le32toh(hdr.init_size);
	if (room < len)
		room = len;
	if (image.start < LAYOUT_HIGH_RAM)
		return err_set(err, -ENOEXEC, "%s: it wants to be loaded at %#llx, below 1 MiB", file->name,
			       (unsigned long long)image.start);
	hva = guest_mem_slice(mem, image.start, room);
	if (!hva)
		return err_set(err, -ENOMEM,
			       "%s: %llu KiB at %#llx do not fit into the VM's memory; give it more",
			       file->name, (unsigned long long)(room >> 10), (unsigned long long)image.start);
	r = image_file_read(file, offset, hva, len, err);
	if (r < 0)
		return r;

	image.end = image.start + room;
	image.entry = image.start + ENTRY_64;
	memcpy(image.header, &hdr, image.header_len);
	image.cmdline_max = le32toh(hdr.cmdline_size);
	image.initrd_max = le32toh(hdr.initrd_addr_max);
	if (image.initrd_max >= LAYOUT_HOLE_START)
		image.initrd_max = LAYOUT_HOLE_START - 1;
	*ret = image;
	return 0;
}
