/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_balloon: pages inflated, deflated and reported, of all kinds of numbers. */
#include "tests/fuzz/fuzz.h"

#include "base/loop.h"
#include "vmm/virtio/balloon.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct ring_host host;
	struct loop *loop;
	struct vdev *dev;

	FUZZ_REQUIRE(loop_new(&loop) == 0);
	FUZZ_REQUIRE(virtio_balloon_new(loop, &dev, NULL) == 0);
	fuzz_device_start(&host, dev, ~0ULL);
	while (in.left > 0)
		fuzz_device_step(&host, fuzz_u8(&in), &in);
	ring_host_done(&host);
	vdev_free(dev);
	loop_free(loop);
	return 0;
}
