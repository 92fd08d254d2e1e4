/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iov: copies and sub-ranges of a chain's iovecs (contract in virtqueue.h).
 */
#include "vmm/virtio/virtqueue.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

/* Skip `offset` bytes: the entry to start at; *offset becomes the offset in it. */
static unsigned iov_seek(const struct iovec *iov, unsigned n, size_t *offset)
{
	unsigned i = 0;

	while (i < n && *offset >= iov[i].iov_len) {
		*offset -= iov[i].iov_len;
		i++;
	}
	return i;
}

size_t iov_read(const struct iovec *iov, unsigned n, size_t offset, void *buf, size_t len)
{
	size_t done = 0;

	for (unsigned i = iov_seek(iov, n, &offset); i < n && done < len; i++, offset = 0) {
		size_t part = iov[i].iov_len - offset;

		if (part > len - done)
			part = len - done;
		if (part == 0)
			continue;
		memcpy((uint8_t *)buf + done, (const uint8_t *)iov[i].iov_base + offset, part);
		done += part;
	}
	/* The copy is what gets checked: the compiler must not read the guest's bytes again. */
	atomic_signal_fence(memory_order_acq_rel);
	return done;
}

size_t iov_write(const struct iovec *iov, unsigned n, size_t offset, const void *buf, size_t len)
{
	size_t done = 0;

	for (unsigned i = iov_seek(iov, n, &offset); i < n && done < len; i++, offset = 0) {
		size_t part = iov[i].iov_len - offset;

		if (part > len - done)
			part = len - done;
		if (part == 0)
			continue;
		memcpy((uint8_t *)iov[i].iov_base + offset, (const uint8_t *)buf + done, part);
		done += part;
	}
	return done;
}

int iov_slice(const struct iovec *iov, unsigned n, size_t offset, size_t len, struct iovec *out, unsigned max)
{
	unsigned used = 0;

	for (unsigned i = iov_seek(iov, n, &offset); i < n && len > 0; i++, offset = 0) {
		size_t part = iov[i].iov_len - offset;

		if (part > len)
			part = len;
		if (part == 0)
			continue;
		if (used == max)
			return -ENOBUFS;
		out[used].iov_base = (uint8_t *)iov[i].iov_base + offset;
		out[used].iov_len = part;
		used++;
		len -= part;
	}
	return (int)used;
}
