/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acpi: see acpi.h. Numbers in comments are sections of ACPI 6.4.
 */
#include "vmm/arch/x86/acpi.h"

#include "vmm/arch/x86/aml.h"
#include "vmm/arch/x86/layout.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum {
	RSDP_LEN = 36,
	HEADER_LEN = 36,
	HEADER_LENGTH_AT = 4,
	HEADER_CHECKSUM_AT = 9,
	FADT_LEN = 276,
	TABLES = 3, /* that the XSDT names */
};

/* §5.2.6; the length and checksum are table_end()'s. */
static size_t table_begin(struct aml *t, const char *signature, uint8_t revision)
{
	size_t start;

	aml_zero(t, -t->len % 16);
	start = t->len;
	aml_bytes(t, signature, 4);
	aml_u32(t, 0);
	aml_u8(t, revision);
	aml_u8(t, 0);
	aml_bytes(t, "VRUN  ", 6);
	aml_bytes(t, "VRUNVM  ", 8);
	aml_u32(t, 1);
	aml_bytes(t, "VRUN", 4);
	aml_u32(t, 1);
	return start;
}

static void table_end(struct aml *t, size_t start)
{
	size_t len = t->len - start;

	if (t->overflow)
		return;
	for (unsigned i = 0; i < 4; i++)
		t->buf[start + HEADER_LENGTH_AT + i] = (uint8_t)(len >> (8 * i));
	t->buf[start + HEADER_CHECKSUM_AT] = aml_checksum(t->buf + start, len);
}

static void write_dsdt(struct aml *t)
{
	/* SLP_TYP of S5; any will do, as the sleep control register takes no other state. */
	static const uint8_t s5[] = { 5, 5, 0, 0 };
	size_t start = table_begin(t, "DSDT", 2);
	size_t scope, device;
	struct aml_crs crs;

	aml_name_package(t, "_S5_", s5, sizeof(s5));
	scope = aml_scope(t, "_SB_");

	device = aml_device(t, "PCI0");
	aml_name_eisa(t, "_HID", "PNP0A08");
	aml_name_eisa(t, "_CID", "PNP0A03");
	aml_name_integer(t, "_UID", 0);
	aml_name_integer(t, "_SEG", 0);
	aml_name_integer(t, "_BBN", 0);
	crs = aml_crs_open(t);
	aml_word_bus(t, 0, 0);
	aml_dword_memory(t, LAYOUT_PCI_MMIO, LAYOUT_PCI_MMIO_SIZE);
	aml_crs_close(t, crs);
	aml_close(t, device);

	/* Linux takes MMCONFIG only when a motherboard device claims it (PCI Firmware 3.2 §4.1.2). */
	device = aml_device(t, "ECAM");
	aml_name_eisa(t, "_HID", "PNP0C02");
	aml_name_integer(t, "_UID", 0);
	crs = aml_crs_open(t);
	aml_memory32_fixed(t, LAYOUT_ECAM, LAYOUT_ECAM_SIZE);
	aml_crs_close(t, crs);
	aml_close(t, device);

	aml_close(t, scope);
	table_end(t, start);
}

/* A generic address structure for an 8-bit port (§5.2.3.2). */
static void write_port(struct aml *t, uint16_t port)
{
	static const uint8_t io_byte[] = { 1, 8, 0, 1 };

	aml_bytes(t, io_byte, sizeof(io_byte));
	aml_u64(t, port);
}

static void write_fadt(struct aml *t, uint64_t dsdt)
{
	enum {
		/* IAPC_BOOT_ARCH, table 5.10: no 8042 and no legacy devices by leaving bits 0 and 1 clear. */
		BOOT_NO_VGA = 1 << 2,
		BOOT_NO_ASPM = 1 << 4,
		BOOT_NO_CMOS_RTC = 1 << 5,
		/* Flags, table 5.11. */
		WBINVD = 1 << 0,
		PROC_C1 = 1 << 2,
		NO_POWER_BUTTON = 1 << 4,
		NO_SLEEP_BUTTON = 1 << 5,
		RESET_REG_SUP = 1 << 10,
		APIC_PHYSICAL = 1 << 19,
		HW_REDUCED = 1 << 20,
		PROFILE_SERVER = 4,
	};
	size_t start = table_begin(t, "FACP", 6);

	aml_u32(t, 0); /* FIRMWARE_CTRL: no FACS */
	aml_u32(t, (uint32_t)dsdt);
	aml_u8(t, 0);
	aml_u8(t, PROFILE_SERVER);
	aml_zero(t, 109 - 46); /* SCI_INT to CENTURY: registers that a hardware-reduced machine lacks */
	aml_u16(t, BOOT_NO_VGA | BOOT_NO_ASPM | BOOT_NO_CMOS_RTC);
	aml_u8(t, 0);
	aml_u32(t, WBINVD | PROC_C1 | NO_POWER_BUTTON | NO_SLEEP_BUTTON | RESET_REG_SUP | APIC_PHYSICAL |
			   HW_REDUCED);
	write_port(t, ACPI_PORT_RESET);
	aml_u8(t, ACPI_RESET_VALUE);
	aml_u16(t, 0); /* ARM_BOOT_ARCH */
	aml_u8(t, 4); /* minor version */
	aml_u64(t, 0); /* X_FIRMWARE_CTRL */
	aml_u64(t, dsdt);
	aml_zero(t, 244 - 148); /* X_PM1a_EVT_BLK to X_GPE1_BLK */
	write_port(t, ACPI_PORT_SLEEP_CONTROL);
	write_port(t, ACPI_PORT_SLEEP_STATUS);
	aml_u64(t, 0); /* hypervisor vendor */
	table_end(t, start);
}

static void write_madt(struct aml *t, unsigned cpus)
{
	enum { ENABLED = 1, LOCAL_APIC = 0, IO_APIC = 1 };
	size_t start = table_begin(t, "APIC", 5);

	aml_u32(t, LAYOUT_LAPIC);
	aml_u32(t, 0); /* flags: no 8259 */
	for (unsigned i = 0; i < cpus; i++) {
		aml_u8(t, LOCAL_APIC);
		aml_u8(t, 8);
		aml_u8(t, (uint8_t)i); /* processor UID */
		aml_u8(t, (uint8_t)i); /* APIC id */
		aml_u32(t, ENABLED);
	}
	aml_u8(t, IO_APIC);
	aml_u8(t, 12);
	aml_u8(t, (uint8_t)cpus); /* an id that no CPU has */
	aml_u8(t, 0);
	aml_u32(t, LAYOUT_IOAPIC);
	aml_u32(t, 0); /* first GSI */
	table_end(t, start);
}

/* PCI Firmware 3.2 §4.1.2 */
static void write_mcfg(struct aml *t)
{
	size_t start = table_begin(t, "MCFG", 1);

	aml_zero(t, 8);
	aml_u64(t, LAYOUT_ECAM);
	aml_u16(t, 0); /* segment */
	aml_u8(t, 0); /* first bus */
	aml_u8(t, 0); /* last bus */
	aml_u32(t, 0);
	table_end(t, start);
}

/* §5.2.5.3 */
static void write_rsdp(uint8_t *rsdp, uint64_t xsdt)
{
	struct aml t = { .buf = rsdp, .size = RSDP_LEN };

	aml_bytes(&t, "RSD PTR ", 8);
	aml_u8(&t, 0);
	aml_bytes(&t, "VRUN  ", 6);
	aml_u8(&t, 2);
	aml_u32(&t, 0); /* no RSDT */
	aml_u32(&t, RSDP_LEN);
	aml_u64(&t, xsdt);
	aml_u32(&t, 0);
	rsdp[8] = aml_checksum(rsdp, 20);
	rsdp[32] = aml_checksum(rsdp, RSDP_LEN);
}

int acpi_build(unsigned cpus, uint64_t gpa, uint8_t *buf, size_t size, size_t *ret_len)
{
	struct aml t = { .buf = buf, .size = size };
	uint64_t tables[TABLES], dsdt;
	size_t xsdt;

	aml_zero(&t, RSDP_LEN);
	aml_zero(&t, -t.len % 16);
	dsdt = gpa + t.len;
	write_dsdt(&t);
	/* table_begin() aligns to 16. */
	tables[0] = gpa + ((t.len + 15) & ~15ULL);
	write_fadt(&t, dsdt);
	tables[1] = gpa + ((t.len + 15) & ~15ULL);
	write_madt(&t, cpus);
	tables[2] = gpa + ((t.len + 15) & ~15ULL);
	write_mcfg(&t);
	xsdt = table_begin(&t, "XSDT", 1);
	for (unsigned i = 0; i < TABLES; i++)
		aml_u64(&t, tables[i]);
	table_end(&t, xsdt);
	if (t.overflow)
		return -ENOSPC;
	write_rsdp(buf, gpa + xsdt);
	*ret_len = t.len;
	return 0;
}
