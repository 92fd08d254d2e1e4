/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel_image: the file, the choice of the format, and the initramfs.
 */
#include "vmm/arch/x86/kernel_image.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/guest_mem.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define PAGE 4096ULL
/* Beyond the kernel's image and initramfs: below some 10 MiB Debian's cloud kernel panics before the agent runs. */
#define BOOT_MEMORY (16ULL << 20)
#define MEMORY_STEP (2ULL << 20)
#define MEMORY_SANE (1ULL << 40)

/* The words are ours: the caller's caller takes strerror's texts for the container's own failures. */
static const char *open_failure(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return "there is no such path";
	case EACCES:
	case EPERM:
		return "this user may not read it";
	default:
		return strerror(error);
	}
}

int image_file_open(const char *path, const char *what, struct image_file *ret, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat st;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_set(err, -errno, "%s %s: %s", what, path, open_failure(errno));
	if (fstat(fd, &st) < 0)
		return err_set_errno(err, -errno, "%s %s", what, path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "%s %s: not a regular file", what, path);
	*ret = (struct image_file){ .name = what, .fd = TAKE_FD(fd), .size = (uint64_t)st.st_size };
	return 0;
}

int image_file_read(const struct image_file *file, uint64_t offset, void *buf, uint64_t len, struct err *err)
{
	uint64_t end;
	uint8_t *out = buf;

	if (__builtin_add_overflow(offset, len, &end) || end > file->size)
		return err_set(err, -ENOEXEC, "%s: it ends before byte %llu", file->name,
			       (unsigned long long)offset + len);
	if (file->bytes) {
		memcpy(buf, file->bytes + offset, len);
		return 0;
	}
	while (len > 0) {
		ssize_t n = pread(file->fd, out, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(err, -errno, "%s: read", file->name);
		if (n == 0)
			return err_set(err, -ENOEXEC, "%s: cut short while it was read", file->name);
		out += n;
		offset += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

enum kernel_format { FORMAT_ELF, FORMAT_BZIMAGE };

/* The first sector tells: ELF's magic at 0, "HdrS" at 0x202. An enum kernel_format, or -ENOEXEC. */
static int find_format(const struct image_file *file, struct err *err)
{
	uint8_t head[0x206] = { 0 };
	int r;

	r = image_file_read(file, 0, head, file->size < sizeof(head) ? file->size : sizeof(head), err);
	if (r < 0)
		return r;
	if (memcmp(head, ELFMAG, SELFMAG) == 0)
		return FORMAT_ELF;
	if (memcmp(head + 0x202, "HdrS", 4) == 0)
		return FORMAT_BZIMAGE;
	return err_set(err, -ENOEXEC, "%s: neither an ELF vmlinux nor a bzImage", file->name);
}

int kernel_image_load(const struct image_file *file, const struct guest_mem *mem, struct kernel_image *ret,
		      struct err *err)
{
	int r = find_format(file, err);

	if (r < 0)
		return r;
	return r == FORMAT_ELF ? kernel_image_load_elf(file, mem, ret, err)
			       : kernel_image_load_bzimage(file, mem, ret, err);
}

int kernel_image_least_memory(const char *kernel, const char *initrd, uint64_t *ret, struct err *err)
{
	struct image_file file = { .fd = -EBADF }, initrd_file = { .fd = -EBADF };
	_cleanup_close_ int fd = -EBADF, initrd_fd = -EBADF;
	uint64_t end;
	int r;

	r = image_file_open(kernel, "kernel", &file, err);
	if (r < 0)
		return r;
	fd = file.fd;
	if (initrd) {
		r = image_file_open(initrd, "initramfs", &initrd_file, err);
		if (r < 0)
			return r;
		initrd_fd = initrd_file.fd;
	}
	r = find_format(&file, err);
	if (r >= 0)
		r = r == FORMAT_ELF ? kernel_image_end_elf(&file, &end, err)
				    : kernel_image_end_bzimage(&file, &end, err);
	if (r < 0)
		return r;
	if (end > MEMORY_SANE || initrd_file.size > MEMORY_SANE)
		return err_set(err, -ENOEXEC, "%s: it would need more than %llu GiB of memory", kernel,
			       MEMORY_SANE >> 30);
	*ret = (end + initrd_file.size + BOOT_MEMORY + MEMORY_STEP - 1) / MEMORY_STEP * MEMORY_STEP;
	return 0;
}

/* The lowest page-aligned place at or above `from` with `size` bytes of RAM that end at or below `max`; 0: none. */
static uint64_t find_room(const struct guest_mem *mem, uint64_t from, uint64_t size, uint64_t max)
{
	uint64_t end;

	if (__builtin_add_overflow(from, PAGE - 1, &from))
		return 0;
	from &= ~(PAGE - 1);
	if (__builtin_add_overflow(from, size, &end) || end - 1 > max || !guest_mem_slice(mem, from, size))
		return 0;
	return from;
}

int initrd_load(const struct image_file *file, const struct guest_mem *mem, const struct kernel_image *kernel,
		uint64_t *ret_gpa, struct err *err)
{
	uint64_t gpa;
	int r;

	if (file->size == 0)
		return err_set(err, -ENOEXEC, "%s: the file is empty", file->name);
	/*
	 * Right behind the kernel: what is touched at boot lies together, in as few
	 * large pages as possible. Below it only if it does not fit there.
	 */
	gpa = find_room(mem, kernel->end, file->size, kernel->initrd_max);
	if (gpa == 0) {
		gpa = find_room(mem, LAYOUT_HIGH_RAM, file->size, kernel->initrd_max);
		if (gpa != 0 && gpa + file->size > kernel->start)
			gpa = 0;
	}
	if (gpa == 0)
		return err_set(err, -ENOMEM,
			       "%s: %llu KiB do not fit into the VM's memory beside the kernel; give it more",
			       file->name, (unsigned long long)(file->size >> 10));
	r = image_file_read(file, 0, guest_mem_slice(mem, gpa, file->size), file->size, err);
	if (r < 0)
		return r;
	*ret_gpa = gpa;
	return 0;
}
