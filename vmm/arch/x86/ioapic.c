/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ioapic: see ioapic.h.
 */
#include "vmm/arch/x86/ioapic.h"

#include "base/endian.h"

#include <string.h>

/* Memory-mapped registers, and the indirect ones behind them (82093AA §3.1, §3.2). */
enum { REG_SELECT = 0x00, REG_WINDOW = 0x10 };
enum { INDEX_ID = 0x00, INDEX_VERSION = 0x01, INDEX_ARBITRATION = 0x02, INDEX_REDIRECTION = 0x10 };
enum { REDIRECTION_MASKED = 1 << 16, ID_SHIFT = 24, ID_MASK = 0x0f };

void ioapic_init(struct ioapic *io)
{
	*io = (struct ioapic){ .index = 0 };
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
		io->redirection[2 * pin] = REDIRECTION_MASKED;
	pthread_mutex_init(&io->lock, NULL);
}

void ioapic_done(struct ioapic *io)
{
	pthread_mutex_destroy(&io->lock);
}

static uint32_t *find_redirection(struct ioapic *io)
{
	unsigned i = io->index - (unsigned)INDEX_REDIRECTION;

	return io->index >= INDEX_REDIRECTION && i < 2 * IOAPIC_PINS ? &io->redirection[i] : NULL;
}

static uint32_t read_window(struct ioapic *io)
{
	const uint32_t *redirection = find_redirection(io);

	if (redirection)
		return *redirection;
	switch (io->index) {
	case INDEX_ID:
	case INDEX_ARBITRATION:
		return io->id << ID_SHIFT;
	case INDEX_VERSION:
		return (uint32_t)(IOAPIC_PINS - 1) << 16 | IOAPIC_VERSION;
	default:
		return 0;
	}
}

static void write_window(struct ioapic *io, uint32_t value)
{
	uint32_t *redirection = find_redirection(io);

	if (redirection)
		*redirection = value;
	else if (io->index == INDEX_ID)
		io->id = value >> ID_SHIFT & ID_MASK;
}

void ioapic_access(struct ioapic *io, unsigned offset, void *data, unsigned len, bool is_write)
{
	uint8_t reg[8] = { 0 };

	if (is_write)
		memcpy(reg, data, len);
	pthread_mutex_lock(&io->lock);
	if (offset == REG_SELECT && is_write)
		io->index = reg[0];
	else if (offset == REG_SELECT)
		reg[0] = io->index;
	else if (offset == REG_WINDOW && is_write)
		write_window(io, get_le32(reg));
	else if (offset == REG_WINDOW)
		put_le32(reg, read_window(io));
	pthread_mutex_unlock(&io->lock);
	if (!is_write)
		memcpy(data, reg, len);
}
