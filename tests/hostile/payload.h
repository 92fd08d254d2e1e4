/* SPDX-License-Identifier: Apache-2.0 */
/* payload: requests that are nearly right. */
#ifndef VRUN_TESTS_HOSTILE_PAYLOAD_H
#define VRUN_TESTS_HOSTILE_PAYLOAD_H

#include <stdint.h>

enum payload { PAYLOAD_FUSE, PAYLOAD_VSOCK, PAYLOAD_NET_CONTROL, PAYLOAD_FRAME, PAYLOAD_BALLOON, PAYLOAD_RANDOM, PAYLOADS };

/* Returns the length, at most `size`, which is at least 4096. */
uint32_t payload_fill(enum payload kind, uint8_t *buf, uint32_t size);

#endif
