/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_vm_spec: what vrun tells vrun-vmm: what is taken must be written and read back to the same. */
#include "tests/fuzz/fuzz.h"

#include "base/err.h"
#include "vmm/vm_spec.h"

static char *parse_write(const char *text, size_t len, size_t *ret_len)
{
	struct vm_spec *spec = NULL;
	struct err err = ERR_INIT;
	char *written = NULL;
	int r = vm_spec_parse(text, len, &spec, &err);

	FUZZ_REQUIRE(r == 0 ? spec != NULL : r < 0 && !spec && err.code == r && err.text[0]);
	if (r < 0)
		return NULL;
	FUZZ_REQUIRE(vm_spec_check(spec, &err) == 0);
	FUZZ_REQUIRE(vm_spec_write(spec, &written, ret_len) == 0);
	vm_spec_free(spec);
	return written;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_round_trip(data, size, parse_write);
	return 0;
}
