/* SPDX-License-Identifier: Apache-2.0 */
/*
 * legacy_io: see legacy_io.h.
 */
#include "vmm/arch/x86/legacy_io.h"

#include "vmm/arch/x86/acpi.h"
#include "vmm/arch/x86/layout.h"

enum {
	I8042_DATA = LAYOUT_I8042,
	I8042_COMMAND = LAYOUT_I8042 + 4,
	I8042_PULSE_RESET = 0xfe,
	PIC_MASTER_DATA = 0x21,
	PIC_SLAVE_DATA = 0xa1,
	CMOS_INDEX = 0x70,
	CMOS_DATA = 0x71,
	CMOS_REG_A = 0x0a,
	CMOS_REG_D = 0x0d,
	REG_A_DIVIDER = 0x26, /* 32 kHz base; no update in progress */
	REG_D_VALID = 0x80,
};

void legacy_io_init(struct legacy_io *io, struct console_log *log,
		    void (*off)(void *ctx, bool reset, const char *how), void *ctx)
{
	serial8250_init(&io->com1, log);
	atomic_init(&io->cmos_index, 0);
	atomic_init(&io->saw_pic, false);
	io->off = off;
	io->ctx = ctx;
}

void legacy_io_done(struct legacy_io *io)
{
	serial8250_done(&io->com1);
}

static bool is_com1(unsigned port)
{
	return port >= LAYOUT_COM1 && port < LAYOUT_COM1 + SERIAL8250_PORTS;
}

/* The clock itself is kvmclock's; what is here keeps a kernel that looks from waiting for an update's end. */
static uint8_t cmos_read(uint8_t index)
{
	switch (index) {
	case CMOS_REG_A:
		return REG_A_DIVIDER;
	case CMOS_REG_D:
		return REG_D_VALID;
	default:
		return 0;
	}
}

static uint8_t read_port(struct legacy_io *io, unsigned port)
{
	if (is_com1(port))
		return serial8250_read(&io->com1, port - LAYOUT_COM1);
	switch (port) {
	case I8042_DATA:
	case I8042_COMMAND: /* input buffer empty: ready for a reset command */
	case ACPI_PORT_SLEEP_CONTROL:
	case ACPI_PORT_SLEEP_STATUS:
	case ACPI_PORT_RESET:
		return 0;
	case CMOS_DATA:
		return cmos_read(atomic_load_explicit(&io->cmos_index, memory_order_relaxed));
	default:
		return 0xff;
	}
}

static void write_port(struct legacy_io *io, unsigned port, uint8_t value)
{
	if (is_com1(port)) {
		serial8250_write(&io->com1, port - LAYOUT_COM1, value);
		return;
	}
	switch (port) {
	case I8042_COMMAND:
		if (value == I8042_PULSE_RESET)
			io->off(io->ctx, true, "reset by the keyboard controller's port");
		break;
	case PIC_MASTER_DATA:
	case PIC_SLAVE_DATA:
		atomic_store_explicit(&io->saw_pic, true, memory_order_relaxed);
		break;
	case CMOS_INDEX:
		atomic_store_explicit(&io->cmos_index, value & 0x7f, memory_order_relaxed);
		break;
	case ACPI_PORT_SLEEP_CONTROL:
		if (value & ACPI_SLEEP_ENABLE)
			io->off(io->ctx, false, "powered off by ACPI");
		break;
	case ACPI_PORT_RESET:
		if (value == ACPI_RESET_VALUE)
			io->off(io->ctx, true, "reset by ACPI");
		break;
	default:
		break;
	}
}

void legacy_io_access(struct legacy_io *io, uint16_t port, uint8_t *data, unsigned len, bool is_write)
{
	for (unsigned i = 0; i < len; i++) {
		if (is_write)
			write_port(io, port + i, data[i]);
		else
			data[i] = read_port(io, port + i);
	}
}

bool legacy_io_saw_pic(struct legacy_io *io)
{
	return atomic_load_explicit(&io->saw_pic, memory_order_relaxed);
}
