/* SPDX-License-Identifier: Apache-2.0 */
/* COM1, the other ports, and the IO-APIC. */
#include "tests/unit/test.h"

#include "vmm/arch/x86/acpi.h"
#include "vmm/arch/x86/ioapic.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/arch/x86/legacy_io.h"
#include "vmm/console_log.h"

struct fixture {
	struct console_log *log;
	struct legacy_io io;
	unsigned offs, resets; /* the second are of the first */
};

static void on_off(void *ctx, bool reset, const char *how)
{
	struct fixture *f = ctx;

	assert_non_null(how);
	f->offs++;
	f->resets += reset;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(console_log_new(-1, &f->log), 0);
	legacy_io_init(&f->io, f->log, on_off, f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	legacy_io_done(&f->io);
	console_log_free(f->log);
	free(f);
	return 0;
}

static uint8_t in(struct fixture *f, uint16_t port)
{
	uint8_t value = 0x5a;

	legacy_io_access(&f->io, port, &value, 1, false);
	return value;
}

static void out(struct fixture *f, uint16_t port, uint8_t value)
{
	legacy_io_access(&f->io, port, &value, 1, true);
}

static const char *console(struct fixture *f)
{
	static char text[1024];

	console_log_tail(f->log, 100, text, sizeof(text));
	return text;
}

enum { DATA = LAYOUT_COM1, IER, IIR, LCR, MCR, LSR, MSR, SCR };

static void put_string(struct fixture *f, const char *text)
{
	for (; *text; text++) {
		/* As a driver does: wait for the transmitter first. */
		assert_int_equal(in(f, LSR) & 0x20, 0x20);
		out(f, DATA, (uint8_t)*text);
	}
}

static void test_output_reaches_the_console_by_lines(void **state)
{
	struct fixture *f = *state;

	put_string(f, "hello\nworld");
	assert_non_null(strstr(console(f), "hello"));
	assert_null(strstr(console(f), "world"));
	serial8250_flush(&f->io.com1);
	assert_non_null(strstr(console(f), "world"));
}

static void test_output_without_a_newline_is_not_held_for_ever(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < SERIAL8250_LINE; i++)
		out(f, DATA, 'x');
	assert_int_equal(strspn(console(f), "x"), SERIAL8250_LINE);
	/* One more starts a new buffer. */
	out(f, DATA, 'y');
	assert_null(strchr(console(f), 'y'));
}

static void test_divisor_shares_two_registers(void **state)
{
	struct fixture *f = *state;

	out(f, LCR, 0x83);
	out(f, DATA, 0x01);
	out(f, IER, 0x02);
	assert_int_equal(in(f, DATA), 0x01);
	assert_int_equal(in(f, IER), 0x02);
	out(f, LCR, 0x03);
	assert_int_equal(in(f, IER), 0);
	serial8250_flush(&f->io.com1);
	assert_string_equal(console(f), "");
	out(f, IER, 0xff);
	assert_int_equal(in(f, IER), 0x0f);
}

/* drivers/tty/serial/8250/8250_port.c, autoconfig() and size_fifo() */
static void test_linux_probe_finds_a_16550a(void **state)
{
	struct fixture *f = *state;

	out(f, IER, 0);
	assert_int_equal(in(f, IER) & 0x0f, 0);
	out(f, IER, 0x0f);
	assert_int_equal(in(f, IER) & 0x0f, 0x0f);
	out(f, MCR, 0x1a); /* loop-back, OUT2, RTS */
	assert_int_equal(in(f, MSR) & 0xf0, 0x90);
	out(f, DATA, 'L');
	out(f, MCR, 0);
	assert_int_equal(in(f, IIR) >> 6, 0);
	out(f, IIR, 0x01);
	assert_int_equal(in(f, IIR) >> 6, 3);
	assert_int_equal(in(f, IIR) & 1, 1);
	out(f, SCR, 0xa5);
	assert_int_equal(in(f, SCR), 0xa5);
	/* What was sent in loop-back stayed inside. */
	serial8250_flush(&f->io.com1);
	assert_string_equal(console(f), "");
}

static void test_status_registers_are_read_only(void **state)
{
	struct fixture *f = *state;

	out(f, LSR, 0);
	out(f, MSR, 0);
	assert_int_equal(in(f, LSR), 0x60);
	assert_int_equal(in(f, MSR), 0xb0);
}

static void test_reset_and_power_off_are_told(void **state)
{
	struct fixture *f = *state;

	/* A driver waits for the input buffer before it pulses the reset line. */
	assert_int_equal(in(f, 0x64) & 0x02, 0);
	out(f, 0x64, 0xaa);
	assert_int_equal(f->offs, 0);
	out(f, 0x64, 0xfe);
	assert_int_equal(f->offs, 1);
	assert_int_equal(f->resets, 1);
	out(f, ACPI_PORT_SLEEP_CONTROL, 5 << 2);
	out(f, ACPI_PORT_SLEEP_STATUS, 0xff);
	out(f, ACPI_PORT_RESET, 0);
	assert_int_equal(f->offs, 1);
	out(f, ACPI_PORT_SLEEP_CONTROL, 5 << 2 | ACPI_SLEEP_ENABLE);
	assert_int_equal(f->offs, 2);
	assert_int_equal(f->resets, 1);
	out(f, ACPI_PORT_RESET, ACPI_RESET_VALUE);
	assert_int_equal(f->offs, 3);
	assert_int_equal(f->resets, 2);
}

static void test_absent_ports_read_ones_and_take_writes(void **state)
{
	struct fixture *f = *state;
	uint8_t data[4] = { 0 };

	for (unsigned port = 0; port < 0x10000; port++) {
		if (port == 0x64 || port == ACPI_PORT_SLEEP_CONTROL || port == ACPI_PORT_RESET)
			continue;
		out(f, (uint16_t)port, 0xff);
		(void)in(f, (uint16_t)port);
	}
	assert_int_equal(in(f, 0x80), 0xff);
	assert_int_equal(in(f, 0x2f8 + 5), 0xff);
	legacy_io_access(&f->io, 0xffff, data, 4, false);
	assert_int_equal(data[0], 0xff);
	assert_int_equal(data[3], 0xff);
	assert_int_equal(f->offs, 0);
}

static void test_wide_access_is_one_per_byte(void **state)
{
	struct fixture *f = *state;
	uint8_t data[4] = { 0 };

	legacy_io_access(&f->io, MCR, data, 4, false);
	assert_int_equal(data[1], 0x60);
	assert_int_equal(data[2], 0xb0);
}

static void test_cmos_never_keeps_a_reader_waiting(void **state)
{
	struct fixture *f = *state;

	out(f, 0x70, 0x8a);
	assert_int_equal(in(f, 0x71) & 0x80, 0);
	out(f, 0x70, 0x0d);
	assert_int_equal(in(f, 0x71), 0x80);
}

static void test_guest_that_looks_for_a_pic_is_known(void **state)
{
	struct fixture *f = *state;

	(void)in(f, 0x21);
	assert_false(legacy_io_saw_pic(&f->io));
	out(f, 0x21, 0xfb);
	assert_true(legacy_io_saw_pic(&f->io));
	/* And it finds none: what it wrote does not come back. */
	assert_int_equal(in(f, 0x21), 0xff);
}

static uint32_t ioapic_get(struct ioapic *io, uint8_t index)
{
	uint32_t value = index;

	ioapic_access(io, 0, &value, 4, true);
	ioapic_access(io, 0x10, &value, 4, false);
	return value;
}

static void ioapic_put(struct ioapic *io, uint8_t index, uint32_t value)
{
	uint32_t select = index;

	ioapic_access(io, 0, &select, 4, true);
	ioapic_access(io, 0x10, &value, 4, true);
}

static void test_ioapic_has_one_masked_pin(void **state)
{
	struct ioapic io;

	(void)state;
	ioapic_init(&io);
	assert_int_equal(ioapic_get(&io, 1), 0x11);
	assert_int_equal(ioapic_get(&io, 0x10), 0x10000);
	ioapic_put(&io, 0x10, 0x30);
	ioapic_put(&io, 0x11, 0x02000000);
	assert_int_equal(ioapic_get(&io, 0x10), 0x30);
	assert_int_equal(ioapic_get(&io, 0x11), 0x02000000);
	ioapic_put(&io, 0, 0x05000000);
	assert_int_equal(ioapic_get(&io, 0), 0x05000000);
	ioapic_done(&io);
}

static void test_ioapic_ignores_what_it_has_not(void **state)
{
	struct ioapic io;
	uint64_t wide = ~0ULL;

	(void)state;
	ioapic_init(&io);
	for (unsigned index = 0x12; index < 0x100; index++) {
		ioapic_put(&io, (uint8_t)index, 0xffffffff);
		assert_int_equal(ioapic_get(&io, (uint8_t)index), 0);
	}
	ioapic_put(&io, 1, 0);
	assert_int_equal(ioapic_get(&io, 1), 0x11);
	for (unsigned offset = 0; offset < IOAPIC_SIZE; offset++)
		for (unsigned len = 1; len <= 8; len *= 2) {
			ioapic_access(&io, offset, &wide, len, true);
			ioapic_access(&io, offset, &wide, len, false);
		}
	ioapic_done(&io);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_output_reaches_the_console_by_lines),
		TEST(test_output_without_a_newline_is_not_held_for_ever),
		TEST(test_divisor_shares_two_registers),
		TEST(test_linux_probe_finds_a_16550a),
		TEST(test_status_registers_are_read_only),
		TEST(test_reset_and_power_off_are_told),
		TEST(test_absent_ports_read_ones_and_take_writes),
		TEST(test_wide_access_is_one_per_byte),
		TEST(test_cmos_never_keeps_a_reader_waiting),
		TEST(test_guest_that_looks_for_a_pic_is_known),
		cmocka_unit_test(test_ioapic_has_one_masked_pin),
		cmocka_unit_test(test_ioapic_ignores_what_it_has_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
