/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_kernel_image: files that may be kernels, ELF or bzImage, and an initramfs behind them.
 *
 * The input's last byte is the MiB of guest memory, up to 4.
 */
#include "tests/fuzz/fuzz.h"

#include "base/err.h"
#include "vmm/arch/x86/kernel_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t initrd_bytes[5000];
	const struct image_file initrd = {
		.name = "initrd", .fd = -1, .bytes = initrd_bytes, .size = sizeof(initrd_bytes)
	};
	struct image_file file = { .name = "kernel", .fd = -1, .bytes = data };
	uint64_t ram = size > 0 ? (1 + data[size - 1] % 4ULL) << 20 : 0, gpa, end;
	struct err err = ERR_INIT;
	struct kernel_image image;
	struct ring_mem rm;
	int r;

	if (size == 0)
		return 0;
	file.size = size - 1;
	ring_mem_init(&rm);
	ring_mem_add(&rm, 0, ram);
	r = kernel_image_load(&file, &rm.mem, &image, &err);
	FUZZ_REQUIRE(r == 0 || (r < 0 && err.code == r && err.text[0]));
	if (r == 0) {
		FUZZ_REQUIRE(image.start < image.end && image.end <= ram);
		FUZZ_REQUIRE(image.header_len <= sizeof(image.header));
		if (initrd_load(&initrd, &rm.mem, &image, &gpa, &err) == 0) {
			FUZZ_REQUIRE(gpa % 4096 == 0 && gpa + initrd.size <= ram);
			FUZZ_REQUIRE(gpa >= image.end || gpa + initrd.size <= image.start);
		}
	}
	(void)kernel_image_end_elf(&file, &end, &err);
	(void)kernel_image_end_bzimage(&file, &end, &err);
	ring_mem_done(&rm);
	return 0;
}
