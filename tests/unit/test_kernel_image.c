/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "base/err.h"
#include "vmm/arch/x86/kernel_image.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/guest_mem.h"
#include "vmm/vm_spec.h"
#include "vmm/vmm.h"

#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

/* 8 MiB of guest RAM from 0; kernels here are loaded at 2 MiB and up. */
#define RAM (8ULL << 20)
#define KERNEL 0x200000ULL

struct fixture {
	struct guest_mem mem;
	uint8_t *ram;
	uint8_t file[64 << 10];
	struct image_file image;
	struct kernel_image kernel;
	struct err err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct guest_mem_region region = { .gpa = 0, .size = RAM };

	assert_non_null(f);
	/* From the allocator, so that a byte written outside is seen. */
	f->ram = calloc(1, RAM);
	assert_non_null(f->ram);
	region.hva = f->ram;
	assert_int_equal(guest_mem_add(&f->mem, &region), 0);
	f->image = (struct image_file){ .name = "kernel", .fd = -1, .bytes = f->file };
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	guest_mem_done(&f->mem);
	free(f->ram);
	free(f);
	return 0;
}

static int load(struct fixture *f)
{
	f->err = (struct err)ERR_INIT;
	return kernel_image_load(&f->image, &f->mem, &f->kernel, &f->err);
}

/* A refused image has a message, and leaves the result alone. */
static void assert_refused(struct fixture *f, int code)
{
	memset(&f->kernel, 0x5a, sizeof(f->kernel));
	assert_int_equal(load(f), code);
	assert_int_equal(f->err.code, code);
	assert_true(strlen(f->err.text) > 0);
	for (size_t i = 0; i < sizeof(f->kernel); i++)
		assert_int_equal(((uint8_t *)&f->kernel)[i], 0x5a);
}

static Elf64_Ehdr *elf_header(struct fixture *f)
{
	return (Elf64_Ehdr *)f->file;
}

static Elf64_Phdr *elf_segment(struct fixture *f, unsigned i)
{
	return (Elf64_Phdr *)(f->file + sizeof(Elf64_Ehdr)) + i;
}

/* Two segments: 4 KiB of 0x11 at 2 MiB, and 16 bytes of 0x22 with 4 KiB of bss at 3 MiB. */
static void make_elf(struct fixture *f)
{
	Elf64_Ehdr *eh = elf_header(f);

	memset(f->file, 0, sizeof(f->file));
	memcpy(eh->e_ident, ELFMAG, SELFMAG);
	eh->e_ident[EI_CLASS] = ELFCLASS64;
	eh->e_ident[EI_DATA] = ELFDATA2LSB;
	eh->e_machine = EM_X86_64;
	eh->e_type = ET_EXEC;
	eh->e_entry = KERNEL + 0x10;
	eh->e_phoff = sizeof(*eh);
	eh->e_phentsize = sizeof(Elf64_Phdr);
	eh->e_phnum = 3;
	*elf_segment(f, 0) = (Elf64_Phdr){ .p_type = PT_LOAD,
					   .p_offset = 0x1000,
					   .p_paddr = KERNEL,
					   .p_filesz = 0x1000,
					   .p_memsz = 0x1000 };
	*elf_segment(f, 1) = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_offset = 0x2000, .p_paddr = 0x300000, .p_filesz = 16, .p_memsz = 0x1010
	};
	/* Anything but PT_LOAD is not looked at. */
	*elf_segment(f, 2) = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = ~0ULL, .p_filesz = ~0ULL };
	memset(f->file + 0x1000, 0x11, 0x1000);
	memset(f->file + 0x2000, 0x22, 16);
	f->image.size = 0x2010;
}

static void test_elf_segments_go_to_their_physical_addresses(void **state)
{
	struct fixture *f = *state;

	make_elf(f);
	assert_int_equal(load(f), 0);
	assert_string_equal(f->kernel.format, "ELF");
	assert_int_equal(f->kernel.entry, KERNEL + 0x10);
	assert_int_equal(f->kernel.start, KERNEL);
	assert_int_equal(f->kernel.end, 0x301010);
	assert_int_equal(f->kernel.header_len, 0);
	assert_int_equal(f->ram[KERNEL - 1], 0);
	assert_int_equal(f->ram[KERNEL], 0x11);
	assert_int_equal(f->ram[KERNEL + 0xfff], 0x11);
	assert_int_equal(f->ram[KERNEL + 0x1000], 0);
	assert_int_equal(f->ram[0x30000f], 0x22);
	assert_int_equal(f->ram[0x300010], 0);
}

static void test_elf_is_read_from_a_descriptor_too(void **state)
{
	struct fixture *f = *state;
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	make_elf(f);
	assert_int_equal(write(fd, f->file, f->image.size), (ssize_t)f->image.size);
	f->image.bytes = NULL;
	f->image.fd = fd;
	assert_int_equal(load(f), 0);
	assert_int_equal(f->ram[KERNEL + 0xfff], 0x11);

	/* The file shrinks after its size was taken. */
	assert_int_equal(ftruncate(fd, 0x2008), 0);
	assert_refused(f, -ENOEXEC);
	close(fd);
}

static void test_elf_cut_short_at_any_byte_is_refused(void **state)
{
	struct fixture *f = *state;

	make_elf(f);
	for (uint64_t size = 0; size < 0x2010; size += size < 0x200 ? 1 : 0x5f) {
		f->image.size = size;
		assert_refused(f, -ENOEXEC);
	}
}

static void test_elf_of_another_kind_is_refused(void **state)
{
	struct fixture *f = *state;

	make_elf(f);
	elf_header(f)->e_ident[EI_CLASS] = ELFCLASS32;
	assert_refused(f, -ENOEXEC);
	make_elf(f);
	elf_header(f)->e_ident[EI_DATA] = ELFDATA2MSB;
	assert_refused(f, -ENOEXEC);
	make_elf(f);
	elf_header(f)->e_machine = EM_AARCH64;
	assert_refused(f, -ENOEXEC);
	make_elf(f);
	elf_header(f)->e_type = ET_REL;
	assert_refused(f, -ENOEXEC);
}

static void test_elf_program_headers_out_of_range_are_refused(void **state)
{
	struct fixture *f = *state;
	static const uint64_t offsets[] = { 0x2010, 0x2010 - 100, 1ULL << 40, ~0ULL, ~0ULL - 100 };

	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		make_elf(f);
		elf_header(f)->e_phoff = offsets[i];
		assert_refused(f, -ENOEXEC);
	}
	make_elf(f);
	elf_header(f)->e_phnum = 0;
	assert_refused(f, -ENOEXEC);
	make_elf(f);
	elf_header(f)->e_phnum = 0xffff;
	assert_refused(f, -ENOEXEC);
	make_elf(f);
	elf_header(f)->e_phentsize = 32;
	assert_refused(f, -ENOEXEC);
}

static void test_elf_segment_outside_the_file_is_refused(void **state)
{
	struct fixture *f = *state;

	make_elf(f);
	elf_segment(f, 1)->p_offset = 0x2001;
	assert_refused(f, -ENOEXEC);
	make_elf(f);
	elf_segment(f, 1)->p_offset = ~0ULL - 3;
	assert_refused(f, -ENOEXEC);
	make_elf(f);
	elf_segment(f, 1)->p_filesz = 0x1011;
	assert_refused(f, -ENOEXEC);
}

static void test_elf_segment_outside_memory_is_refused(void **state)
{
	struct fixture *f = *state;
	static const struct {
		uint64_t paddr, memsz;
		int code;
	} bad[] = {
		{ RAM, 0x1000, -ENOMEM },
		{ RAM - 0xfff, 0x1000, -ENOMEM },
		{ ~0ULL, 0x1000, -ENOMEM },
		{ ~0ULL - 0xfff, 0x1000, -ENOMEM },
		{ KERNEL, ~0ULL, -ENOMEM },
		{ KERNEL, RAM, -ENOMEM },
		/* The boot protocol's own tables are there. */
		{ 0, 0x1000, -ENOEXEC },
		{ LAYOUT_ZERO_PAGE, 0x1000, -ENOEXEC },
		{ LAYOUT_HIGH_RAM - 1, 0x1000, -ENOEXEC },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		make_elf(f);
		elf_segment(f, 1)->p_paddr = bad[i].paddr;
		elf_segment(f, 1)->p_memsz = bad[i].memsz;
		assert_refused(f, bad[i].code);
	}
	/* The last byte of memory is memory. */
	make_elf(f);
	elf_segment(f, 1)->p_paddr = RAM - 0x1010;
	assert_int_equal(load(f), 0);
	assert_int_equal(f->kernel.end, RAM);
}

static void test_elf_entry_outside_its_segments_is_refused(void **state)
{
	struct fixture *f = *state;
	static const uint64_t entries[] = { 0, KERNEL - 1, KERNEL + 0x1000, 0x301010, ~0ULL };

	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		make_elf(f);
		elf_header(f)->e_entry = entries[i];
		assert_refused(f, -ENOEXEC);
	}
	make_elf(f);
	elf_header(f)->e_phnum = 1;
	elf_segment(f, 0)->p_type = PT_NULL;
	assert_refused(f, -ENOEXEC);
}

static struct setup_header *bz_header(struct fixture *f)
{
	return (struct setup_header *)(f->file + SETUP_HEADER_OFFSET);
}

enum { BZ_SETUP = 2 * 512, BZ_BODY = 0x1000 };

/* One setup sector, 4 KiB of 0x33 to be loaded at 2 MiB, 1 MiB of room wanted. */
static void make_bzimage(struct fixture *f)
{
	struct setup_header *hdr = bz_header(f);

	memset(f->file, 0, sizeof(f->file));
	hdr->setup_sects = 1;
	hdr->syssize = BZ_BODY / 16;
	hdr->boot_flag = 0xaa55;
	hdr->jump = (uint16_t)(0xeb | (0x268 - 0x202) << 8);
	memcpy(&hdr->header, "HdrS", 4);
	hdr->version = 0x20f;
	hdr->loadflags = LOADED_HIGH;
	hdr->xloadflags = XLF_KERNEL_64;
	hdr->initrd_addr_max = 0x7fffffff;
	hdr->cmdline_size = 2047;
	hdr->pref_address = KERNEL;
	hdr->init_size = 1 << 20;
	hdr->setup_data = 0x1234; /* not ours: must not survive into the zero page */
	memset(f->file + BZ_SETUP, 0x33, BZ_BODY);
	f->image.size = BZ_SETUP + BZ_BODY;
}

static void test_bzimage_goes_where_it_prefers(void **state)
{
	struct fixture *f = *state;
	const struct setup_header *hdr = (const struct setup_header *)f->kernel.header;

	make_bzimage(f);
	assert_int_equal(load(f), 0);
	assert_string_equal(f->kernel.format, "bzImage");
	assert_int_equal(f->kernel.start, KERNEL);
	assert_int_equal(f->kernel.end, KERNEL + (1 << 20));
	assert_int_equal(f->kernel.entry, KERNEL + 0x200);
	assert_int_equal(f->kernel.cmdline_max, 2047);
	assert_int_equal(f->kernel.initrd_max, 0x7fffffff);
	assert_int_equal(f->kernel.header_len, 0x268 - SETUP_HEADER_OFFSET);
	assert_int_equal(hdr->version, 0x20f);
	assert_int_equal(f->ram[KERNEL], 0x33);
	assert_int_equal(f->ram[KERNEL + BZ_BODY - 1], 0x33);
	assert_int_equal(f->ram[KERNEL + BZ_BODY], 0);
}

static void test_bzimage_without_setup_sectors_has_four(void **state)
{
	struct fixture *f = *state;

	make_bzimage(f);
	bz_header(f)->setup_sects = 0;
	f->image.size = 5 * 512 + BZ_BODY;
	assert_int_equal(load(f), 0);
	f->image.size = 5 * 512;
	assert_refused(f, -ENOEXEC);
}

static void test_bzimage_header_faults_are_refused(void **state)
{
	struct fixture *f = *state;

	make_bzimage(f);
	bz_header(f)->boot_flag = 0;
	assert_refused(f, -ENOEXEC);
	make_bzimage(f);
	bz_header(f)->version = 0x20b;
	assert_refused(f, -ENOEXEC);
	make_bzimage(f);
	bz_header(f)->loadflags = 0;
	assert_refused(f, -ENOEXEC);
	make_bzimage(f);
	bz_header(f)->xloadflags = 0;
	assert_refused(f, -ENOEXEC);
	make_bzimage(f);
	bz_header(f)->jump = 0x10eb;
	assert_refused(f, -ENOEXEC);
	make_bzimage(f);
	bz_header(f)->syssize = 0;
	assert_refused(f, -ENOEXEC);
	make_bzimage(f);
	bz_header(f)->syssize = 0x200 / 16;
	assert_refused(f, -ENOEXEC);
	make_bzimage(f);
	bz_header(f)->syssize = 0xffffffff;
	assert_refused(f, -ENOEXEC);
	make_bzimage(f);
	bz_header(f)->setup_sects = 255;
	assert_refused(f, -ENOEXEC);
	make_bzimage(f);
	memcpy(&bz_header(f)->header, "hdrs", 4);
	assert_refused(f, -ENOEXEC);
}

static void test_bzimage_of_the_longest_header_stays_in_its_place(void **state)
{
	struct fixture *f = *state;

	make_bzimage(f);
	bz_header(f)->jump = 0xffeb;
	assert_int_equal(load(f), 0);
	assert_true(f->kernel.header_len <= SETUP_HEADER_MAX);
	assert_int_equal(f->kernel.header_len, sizeof(struct setup_header));
}

static void test_bzimage_cut_short_is_refused(void **state)
{
	struct fixture *f = *state;

	make_bzimage(f);
	for (uint64_t size = 0; size < BZ_SETUP + BZ_BODY - 15; size += size < BZ_SETUP ? 7 : 0x5f) {
		f->image.size = size;
		assert_refused(f, -ENOEXEC);
	}
	/* The last of syssize's paragraphs need not be whole. */
	f->image.size = BZ_SETUP + BZ_BODY - 15;
	assert_int_equal(load(f), 0);
	assert_int_equal(f->ram[KERNEL + BZ_BODY - 16], 0x33);
	assert_int_equal(f->ram[KERNEL + BZ_BODY - 15], 0);
}

static void test_bzimage_outside_memory_is_refused(void **state)
{
	struct fixture *f = *state;

	make_bzimage(f);
	bz_header(f)->pref_address = RAM - (1 << 20) + 1;
	assert_refused(f, -ENOMEM);
	make_bzimage(f);
	bz_header(f)->pref_address = ~0ULL - 0xfff;
	assert_refused(f, -ENOMEM);
	make_bzimage(f);
	bz_header(f)->init_size = 0xffffffff;
	assert_refused(f, -ENOMEM);
	make_bzimage(f);
	bz_header(f)->pref_address = LAYOUT_PAGE_TABLES;
	assert_refused(f, -ENOEXEC);
	/* Less room asked for than the file has bytes: the bytes count. */
	make_bzimage(f);
	bz_header(f)->init_size = 0;
	bz_header(f)->pref_address = RAM - BZ_BODY;
	assert_int_equal(load(f), 0);
	assert_int_equal(f->kernel.end, RAM);
}

/* The kernel's memory ends at `end`; 16 MiB must be left to start in. */
static void assert_least_memory(struct fixture *f, uint64_t end)
{
	const uint64_t least = (end + (16ULL << 20) + 0x1fffff) & ~0x1fffffULL;
	int fd = memfd_create("kernel", MFD_CLOEXEC);
	struct err err = ERR_INIT;
	struct vm_spec spec;
	char path[32], text[64];
	uint64_t got;

	assert_int_equal(write(fd, f->file, f->image.size), (ssize_t)f->image.size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	spec = (struct vm_spec){ .kernel = path, .memory = least };
	assert_int_equal(vmm_least_memory(&spec, &got, NULL), 0);
	assert_int_equal(got, least);
	assert_int_equal(vmm_check(&spec, NULL), 0);
	spec.memory = least - (2 << 20);
	assert_int_equal(vmm_check(&spec, &err), -EINVAL);
	snprintf(text, sizeof(text), "needs at least %llu MiB", (unsigned long long)least >> 20);
	assert_non_null(strstr(err.text, text));
	assert_memory_equal(err.text, "memory: ", 8);
	/* The initramfs counts. */
	assert_int_equal(ftruncate(fd, 4 << 20), 0);
	spec.initrd = path;
	assert_int_equal(vmm_least_memory(&spec, &got, NULL), 0);
	assert_int_equal(got, least + (4 << 20));
	close(fd);
}

static void test_a_vm_too_small_for_the_kernel_is_refused(void **state)
{
	struct fixture *f = *state;

	make_elf(f);
	assert_int_equal(load(f), 0);
	assert_least_memory(f, f->kernel.end);
	elf_segment(f, 0)->p_paddr = htole64(UINT64_MAX - 8);
	assert_int_equal(kernel_image_end_elf(&f->image, &(uint64_t){ 0 }, NULL), -ENOEXEC);
	make_bzimage(f);
	assert_int_equal(load(f), 0);
	assert_least_memory(f, f->kernel.end);
}

static void test_other_files_are_refused(void **state)
{
	struct fixture *f = *state;

	memset(f->file, 0, sizeof(f->file));
	f->image.size = 0;
	assert_refused(f, -ENOEXEC);
	f->image.size = sizeof(f->file);
	assert_refused(f, -ENOEXEC);
	memcpy(f->file, "#!/bin/sh\n", 10);
	f->image.size = 10;
	assert_refused(f, -ENOEXEC);
	memcpy(f->file, ELFMAG, SELFMAG);
	f->image.size = SELFMAG;
	assert_refused(f, -ENOEXEC);
}

static int load_initrd(struct fixture *f, uint64_t size, uint64_t *ret_gpa)
{
	static uint8_t bytes[RAM];
	const struct image_file file = { .name = "initramfs", .fd = -1, .bytes = bytes, .size = size };

	memset(bytes, 0x44, sizeof(bytes));
	return initrd_load(&file, &f->mem, &f->kernel, ret_gpa, &f->err);
}

static void test_initrd_goes_behind_the_kernel(void **state)
{
	struct fixture *f = *state;
	uint64_t gpa = 0;

	f->kernel = (struct kernel_image){ .start = KERNEL,
					   .end = 0x301010,
					   .initrd_max = LAYOUT_HOLE_START - 1 };
	assert_int_equal(load_initrd(f, 0x1234, &gpa), 0);
	assert_int_equal(gpa, 0x302000);
	assert_int_equal(f->ram[gpa - 1], 0);
	assert_int_equal(f->ram[gpa], 0x44);
	assert_int_equal(f->ram[gpa + 0x1233], 0x44);
	assert_int_equal(f->ram[gpa + 0x1234], 0);
	/* Up to the last byte of memory. */
	assert_int_equal(load_initrd(f, RAM - 0x302000, &gpa), 0);
}

static void test_initrd_goes_below_the_kernel_if_it_must(void **state)
{
	struct fixture *f = *state;
	uint64_t gpa = 0;

	f->kernel =
		(struct kernel_image){ .start = 0x400000, .end = RAM, .initrd_max = LAYOUT_HOLE_START - 1 };
	assert_int_equal(load_initrd(f, 0x300000, &gpa), 0);
	assert_int_equal(gpa, LAYOUT_HIGH_RAM);
	/* One byte more would lie in the kernel. */
	assert_int_equal(load_initrd(f, 0x300001, &gpa), -ENOMEM);

	/* The kernel can't reach what is above its limit. */
	f->kernel = (struct kernel_image){ .start = 0x400000, .end = 0x500000, .initrd_max = 0x500fff };
	assert_int_equal(load_initrd(f, 0x1000, &gpa), 0);
	assert_int_equal(gpa, 0x500000);
	assert_int_equal(load_initrd(f, 0x1001, &gpa), 0);
	assert_int_equal(gpa, LAYOUT_HIGH_RAM);
}

static void test_initrd_that_does_not_fit_is_refused(void **state)
{
	struct fixture *f = *state;
	uint64_t gpa = 77;

	f->kernel = (struct kernel_image){ .start = KERNEL, .end = RAM, .initrd_max = LAYOUT_HOLE_START - 1 };
	assert_int_equal(load_initrd(f, 0x200000, &gpa), -ENOMEM);
	assert_int_equal(load_initrd(f, 0, &gpa), -ENOEXEC);
	f->kernel.end = ~0ULL;
	assert_int_equal(load_initrd(f, 0x200000, &gpa), -ENOMEM);
	assert_int_equal(gpa, 77);
}

static void test_missing_file_has_words_of_our_own(void **state)
{
	struct image_file file;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(image_file_open("/nonexistent/vmlinux", "kernel", &file, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/vmlinux"));
	/* Callers take this phrase for the container's own command. */
	assert_null(strcasestr(err.text, "no such file or directory"));
	assert_int_equal(image_file_open("/", "kernel", &file, &err), -EINVAL);
	assert_int_equal(image_file_open("/dev/null", "kernel", &file, &err), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_elf_segments_go_to_their_physical_addresses),
		TEST(test_elf_is_read_from_a_descriptor_too),
		TEST(test_a_vm_too_small_for_the_kernel_is_refused),
		TEST(test_elf_cut_short_at_any_byte_is_refused),
		TEST(test_elf_of_another_kind_is_refused),
		TEST(test_elf_program_headers_out_of_range_are_refused),
		TEST(test_elf_segment_outside_the_file_is_refused),
		TEST(test_elf_segment_outside_memory_is_refused),
		TEST(test_elf_entry_outside_its_segments_is_refused),
		TEST(test_bzimage_goes_where_it_prefers),
		TEST(test_bzimage_without_setup_sectors_has_four),
		TEST(test_bzimage_header_faults_are_refused),
		TEST(test_bzimage_of_the_longest_header_stays_in_its_place),
		TEST(test_bzimage_cut_short_is_refused),
		TEST(test_bzimage_outside_memory_is_refused),
		TEST(test_other_files_are_refused),
		TEST(test_initrd_goes_behind_the_kernel),
		TEST(test_initrd_goes_below_the_kernel_if_it_must),
		TEST(test_initrd_that_does_not_fit_is_refused),
		TEST(test_missing_file_has_words_of_our_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
