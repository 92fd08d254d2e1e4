/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz: what the fuzzers share: an input read from front to end, turns of a loop, and
 * a virtio device whose driver does what the input says.
 *
 * A fuzzer is one file with LLVMFuzzerTestOneInput() over a real entry point. It
 * keeps nothing from one input to the next, so that an input which was found can be
 * run again alone. tests/fuzz/run starts them in a sandbox.
 */
#ifndef VRUN_TESTS_FUZZ_FUZZ_H
#define VRUN_TESTS_FUZZ_FUZZ_H

#include "tests/unit/ring_driver.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Our own expectations: abort with the place, which libFuzzer keeps the input of. */
#define FUZZ_REQUIRE(x)                                                                                      \
	do {                                                                                                 \
		if (!(x))                                                                                    \
			fuzz_failed(#x, __FILE__, __LINE__);                                                 \
	} while (0)
_Noreturn void fuzz_failed(const char *what, const char *file, int line);

struct fuzz_in {
	const uint8_t *at;
	size_t left;
};

/* Little-endian numbers; past the end zeros come. */
uint8_t fuzz_u8(struct fuzz_in *in);
uint16_t fuzz_u16(struct fuzz_in *in);
uint32_t fuzz_u32(struct fuzz_in *in);
uint64_t fuzz_u64(struct fuzz_in *in);
/* Up to `max` of what is left, *ret_len of it; inside of the input. */
const uint8_t *fuzz_bytes(struct fuzz_in *in, size_t max, size_t *ret_len);
/* A number whose size is chosen by the input too, so that small and edge values are as likely as large ones. */
uint64_t fuzz_number(struct fuzz_in *in);

/* Let the loop turn `n` times; never waits. */
void fuzz_turn(struct loop *loop, unsigned n);

/*
 * A text that was read and written must be read again, and written the same: `parse_write` reads `text`
 * and gives back what was written of it (the caller frees it), or NULL when it is refused.
 */
void fuzz_round_trip(const uint8_t *data, size_t size,
		     char *(*parse_write)(const char *text, size_t len, size_t *ret_len));

/* --- A device --- */

enum { FUZZ_REGION = 256 << 10, FUZZ_QUEUE_SIZE = 16 };

/* Hosts `dev` (borrowed) in regions of FUZZ_REGION bytes and starts it. */
void fuzz_device_start(struct ring_host *host, struct vdev *dev, uint64_t features);
/* Give the device `n` bytes, in pieces as the input says, and room for a reply, in one chain; kicks. */
void fuzz_device_send(struct ring_host *host, unsigned q, struct fuzz_in *in, const void *bytes, size_t n);
/*
 * One step of a driver, as `op` says: chains good and bad, indirect tables, anything in the rings,
 * a reset and new start. Then the loop turns.
 */
void fuzz_device_step(struct ring_host *host, uint8_t op, struct fuzz_in *in);

#endif
