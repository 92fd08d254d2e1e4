/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz: see fuzz.h. */
#include "tests/fuzz/fuzz.h"

#include "base/log.h"
#include "base/loop.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	abort();
}

/* Called by libFuzzer before the first input: what the code under test would log is no news here. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	signal(SIGPIPE, SIG_IGN);
	log_set_stderr(false);
	return 0;
}

/* --- The input --- */

const uint8_t *fuzz_bytes(struct fuzz_in *in, size_t max, size_t *ret_len)
{
	const uint8_t *bytes = in->at;

	*ret_len = in->left < max ? in->left : max;
	in->at += *ret_len;
	in->left -= *ret_len;
	return bytes;
}

static uint64_t number(struct fuzz_in *in, size_t size)
{
	uint64_t value = 0;
	size_t len;
	const uint8_t *bytes = fuzz_bytes(in, size, &len);

	for (size_t i = 0; i < len; i++)
		value |= (uint64_t)bytes[i] << (8 * i);
	return value;
}

uint8_t fuzz_u8(struct fuzz_in *in)
{
	return (uint8_t)number(in, 1);
}

uint16_t fuzz_u16(struct fuzz_in *in)
{
	return (uint16_t)number(in, 2);
}

uint32_t fuzz_u32(struct fuzz_in *in)
{
	return (uint32_t)number(in, 4);
}

uint64_t fuzz_u64(struct fuzz_in *in)
{
	return number(in, 8);
}

uint64_t fuzz_number(struct fuzz_in *in)
{
	switch (fuzz_u8(in) % 8) {
	case 0:
		return fuzz_u64(in);
	case 1:
		return fuzz_u32(in);
	case 2:
		return fuzz_u16(in);
	case 3:
		return ~0ULL - fuzz_u8(in);
	case 4:
		return ~0U - (uint64_t)fuzz_u8(in);
	case 5:
		return 1ULL << (fuzz_u8(in) % 64);
	default:
		return fuzz_u8(in);
	}
}

/* --- Loops --- */

struct turns {
	struct loop *loop;
	unsigned left;
};

static void count_turn(void *ctx)
{
	struct turns *turns = ctx;

	if (turns->left-- == 0)
		loop_quit(turns->loop, 0);
}

void fuzz_turn(struct loop *loop, unsigned n)
{
	struct turns turns = { loop, n };
	struct loop_source *source;

	FUZZ_REQUIRE(loop_add_defer(loop, count_turn, &turns, &source) == 0);
	FUZZ_REQUIRE(loop_run(loop) == 0);
	loop_remove(source);
}

/* --- Round trips --- */

void fuzz_round_trip(const uint8_t *data, size_t size,
		     char *(*parse_write)(const char *text, size_t len, size_t *ret_len))
{
	size_t len, again_len;
	char *text = parse_write((const char *)data, size, &len), *again;

	if (!text)
		return;
	again = parse_write(text, len, &again_len);
	if (!again || again_len != len || memcmp(text, again, len) != 0)
		fprintf(stderr, "written: %s\nand then: %s\n", text, again ? again : "(refused)");
	FUZZ_REQUIRE(again && again_len == len && memcmp(text, again, len) == 0);
	free(text);
	free(again);
}
