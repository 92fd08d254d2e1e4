/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_pci_msix: see the header. */
#include "vmm/pci/virtio_pci_msix.h"

#include "base/cleanup.h"
#include "base/endian.h"
#include "base/log.h"
#include "vmm/pci/pci.h"

#include <assert.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct msix_line {
	int fd;
	int gsi; /* the host's, -1 until the first connect */
	uint16_t vector;
	bool connected;
	uint64_t address; /* of the message that it is connected to */
	uint32_t data;
};

void *msix_pages(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *pages;

	size = (size + page - 1) & ~(page - 1);
	pages = aligned_alloc(page, size);
	if (pages)
		memset(pages, 0, size);
	return pages;
}

int msix_init(struct msix *msix, const struct pci_host_ops *host_ops, void *host, unsigned n,
	      unsigned n_vectors)
{
	assert(n_vectors <= MSIX_VECTORS_MAX);
	*msix = (struct msix){ .host_ops = host_ops, .host = host, .n_vectors = n_vectors };
	msix->lines = calloc(n, sizeof(*msix->lines));
	msix->table = msix_pages((size_t)n_vectors * MSIX_ENTRY_SIZE);
	if (!msix->lines || !msix->table) {
		msix_done(msix);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < n; i++) {
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		if (fd < 0) {
			int r = -errno;

			msix_done(msix);
			return r;
		}
		msix->lines[i] = (struct msix_line){ .fd = fd, .gsi = -1, .vector = MSIX_NO_VECTOR };
		msix->n++;
	}
	for (unsigned i = 0; i < n_vectors; i++)
		put_le32(msix->table + (size_t)i * MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL,
			 PCI_MSIX_ENTRY_CTRL_MASKBIT);
	return 0;
}

static void disconnect(struct msix *msix, struct msix_line *line)
{
	if (!line->connected)
		return;
	line->connected = false;
	(void)msix->host_ops->msi_disconnect(msix->host, line->gsi, line->fd);
}

void msix_done(struct msix *msix)
{
	for (unsigned i = 0; i < msix->n; i++) {
		disconnect(msix, &msix->lines[i]);
		close_fd(msix->lines[i].fd);
	}
	free(msix->lines);
	free(msix->table);
	*msix = (struct msix){ .n = 0 };
}

int msix_fd(const struct msix *msix, unsigned line)
{
	return msix->lines[line].fd;
}

/* A full counter (EAGAIN) is pending all the same. */
static void signal_fd(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		log_debug("msi-x: eventfd: %m");
}

static bool drain_fd(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count);
}

void msix_signal(const struct msix *msix, unsigned line)
{
	signal_fd(msix->lines[line].fd);
}

bool msix_take_pending(struct msix *msix, unsigned line)
{
	return !msix->lines[line].connected && drain_fd(msix->lines[line].fd);
}

static const uint8_t *entry(const struct msix *msix, uint16_t vector)
{
	return msix->table + (size_t)vector * MSIX_ENTRY_SIZE;
}

static bool can_send(const struct msix *msix, const struct msix_line *line)
{
	return msix->enabled && !msix->masked && line->vector < msix->n_vectors &&
	       !(get_le32(entry(msix, line->vector) + PCI_MSIX_ENTRY_VECTOR_CTRL) &
		 PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

/* Bring a line in accord with its vector's table entry and masks. */
static void update_line(struct msix *msix, struct msix_line *line)
{
	const uint8_t *e;
	uint64_t address;
	uint32_t data;
	bool pending;

	if (!can_send(msix, line)) {
		disconnect(msix, line);
		return;
	}
	e = entry(msix, line->vector);
	address = get_le32(e + PCI_MSIX_ENTRY_LOWER_ADDR) | (uint64_t)get_le32(e + PCI_MSIX_ENTRY_UPPER_ADDR)
								    << 32;
	data = get_le32(e + PCI_MSIX_ENTRY_DATA);
	if (line->connected && line->address == address && line->data == data)
		return;

	/*
	 * What was signalled while masked is sent now. A signal between the two steps stays
	 * in the counter, which KVM looks at when it connects.
	 */
	pending = !line->connected && drain_fd(line->fd);
	if (msix->host_ops->msi_connect(msix->host, &line->gsi, address, data, line->fd) < 0) {
		/* Not the old message either. */
		LOG_RATELIMITED(LOG_LEVEL_DEBUG, "msi-x: can't route vector %u", line->vector);
		disconnect(msix, line);
	} else {
		line->connected = true;
	}
	line->address = address;
	line->data = data;
	if (pending)
		signal_fd(line->fd);
}

static void update_all(struct msix *msix)
{
	for (unsigned i = 0; i < msix->n; i++)
		update_line(msix, &msix->lines[i]);
}

uint16_t msix_vector(const struct msix *msix, unsigned line)
{
	return msix->lines[line].vector;
}

void msix_set_vector(struct msix *msix, unsigned i, uint16_t vector)
{
	struct msix_line *line = &msix->lines[i];

	/* Signals that no vector was there for are nobody's. */
	if (line->vector == MSIX_NO_VECTOR)
		drain_fd(line->fd);
	line->vector = vector < msix->n_vectors ? vector : MSIX_NO_VECTOR;
	update_line(msix, line);
}

void msix_reset_lines(struct msix *msix)
{
	for (unsigned i = 0; i < msix->n; i++) {
		msix->lines[i].vector = MSIX_NO_VECTOR;
		disconnect(msix, &msix->lines[i]);
		drain_fd(msix->lines[i].fd);
	}
}

void msix_set_control(struct msix *msix, uint16_t control)
{
	msix->enabled = control & PCI_MSIX_FLAGS_ENABLE;
	msix->masked = control & PCI_MSIX_FLAGS_MASKALL;
	update_all(msix);
}

void msix_write_table(struct msix *msix, uint64_t offset, const void *data, unsigned len)
{
	/* Double words and quad words only, aligned (§6.8.2). */
	if ((len != 4 && len != 8) || offset % len || offset + len > (uint64_t)msix->n_vectors * MSIX_ENTRY_SIZE)
		return;
	for (unsigned i = 0; i < len; i += 4) {
		uint32_t value = get_le32((const uint8_t *)data + i);

		switch ((offset + i) % MSIX_ENTRY_SIZE) {
		case PCI_MSIX_ENTRY_LOWER_ADDR:
			value &= ~3U;
			break;
		case PCI_MSIX_ENTRY_VECTOR_CTRL:
			value &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
			break;
		}
		put_le32(msix->table + offset + i, value);
	}
	for (unsigned i = 0; i < msix->n; i++) {
		if (msix->lines[i].vector == offset / MSIX_ENTRY_SIZE)
			update_line(msix, &msix->lines[i]);
	}
}

void msix_read_table(const struct msix *msix, uint64_t offset, void *data, unsigned len)
{
	if (offset + len <= (uint64_t)msix->n_vectors * MSIX_ENTRY_SIZE)
		memcpy(data, msix->table + offset, len);
}

/* A line with a vector that can't be sent, and a signal in its counter. */
static bool is_pending(const struct msix_line *line)
{
	struct pollfd p = { .fd = line->fd, .events = POLLIN };

	return !line->connected && poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

void msix_read_pba(const struct msix *msix, uint64_t offset, void *data, unsigned len)
{
	uint8_t bits[MSIX_VECTORS_MAX / 8];
	size_t size = (msix->n_vectors + 63) / 64 * MSIX_PBA_WORD;

	if (offset + len > size)
		return;
	memset(bits, 0, size);
	for (unsigned i = 0; i < msix->n; i++) {
		const struct msix_line *line = &msix->lines[i];

		if (line->vector < msix->n_vectors && is_pending(line))
			bits[line->vector / 8] |= (uint8_t)(1U << line->vector % 8);
	}
	memcpy(data, bits + offset, len);
}
