/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel_image: put a Linux kernel file and an initramfs into guest memory.
 *
 * Two formats: an uncompressed ELF vmlinux, whose segments go to their physical
 * addresses, and a bzImage, whose protected-mode part unpacks itself (Linux,
 * Documentation/arch/x86/boot.rst). Both are entered in 64-bit mode.
 *
 * The file is hostile input: every offset, size and address in it is checked
 * against the file and guest memory before use. Nothing outside guest RAM is
 * written, whatever the file says.
 */
#ifndef VRUN_VMM_ARCH_X86_KERNEL_IMAGE_H
#define VRUN_VMM_ARCH_X86_KERNEL_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct guest_mem;

/* Where the bytes come from: a file (read straight into guest memory), or a buffer when `bytes` is set. */
struct image_file {
	const char *name; /* for messages */
	int fd; /* borrowed; seekable */
	const uint8_t *bytes;
	uint64_t size;
};

/* Open a regular file. The caller closes file->fd. */
int image_file_open(const char *path, const char *what, struct image_file *ret, struct err *err);
/* Exactly [offset, offset + len), or an error. */
int image_file_read(const struct image_file *file, uint64_t offset, void *buf, uint64_t len, struct err *err);

enum { SETUP_HEADER_OFFSET = 0x1f1, SETUP_HEADER_MAX = 0x290 - 0x1f1 };

struct kernel_image {
	const char *format; /* "ELF" or "bzImage" */
	uint64_t entry; /* gpa of the 64-bit entry point */
	uint64_t start, end; /* memory that the kernel needs from its first instruction on */
	/* The file's setup header for the zero page; absent from an ELF file: len 0. */
	uint8_t header[SETUP_HEADER_MAX];
	size_t header_len;
	uint64_t cmdline_max; /* bytes that the kernel takes, NUL excluded */
	uint64_t initrd_max; /* highest address that the initramfs's last byte may have */
};

/* Find out the format and load. -ENOEXEC with a message for anything that is not a 64-bit x86 Linux kernel. */
int kernel_image_load(const struct image_file *file, const struct guest_mem *mem, struct kernel_image *ret,
		      struct err *err);

/* vmm_least_memory(); `initrd` may be NULL. */
int kernel_image_least_memory(const char *kernel, const char *initrd, uint64_t *ret, struct err *err);

/* The two formats; *ret_end: where the kernel's memory ends, found without loading it. */
int kernel_image_end_elf(const struct image_file *file, uint64_t *ret_end, struct err *err);
int kernel_image_end_bzimage(const struct image_file *file, uint64_t *ret_end, struct err *err);
int kernel_image_load_elf(const struct image_file *file, const struct guest_mem *mem,
			  struct kernel_image *ret, struct err *err);
int kernel_image_load_bzimage(const struct image_file *file, const struct guest_mem *mem,
			      struct kernel_image *ret, struct err *err);

/*
 * Put the initramfs behind the kernel. An empty file is refused. The place is
 * page-aligned and clear of [kernel->start, kernel->end).
 */
int initrd_load(const struct image_file *file, const struct guest_mem *mem, const struct kernel_image *kernel,
		uint64_t *ret_gpa, struct err *err);

#endif
