/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aml: see aml.h. Numbers in comments are sections of ACPI 6.4.
 */
#include "vmm/arch/x86/aml.h"

#include "base/endian.h"

#include <string.h>

enum {
	NAME_OP = 0x08,
	BYTE_PREFIX = 0x0a,
	WORD_PREFIX = 0x0b,
	DWORD_PREFIX = 0x0c,
	SCOPE_OP = 0x10,
	BUFFER_OP = 0x11,
	PACKAGE_OP = 0x12,
	EXT_OP = 0x5b,
	DEVICE_OP = 0x82, /* after EXT_OP */
};

void aml_bytes(struct aml *aml, const void *bytes, size_t len)
{
	if (len > aml->size - aml->len) {
		aml->overflow = true;
		return;
	}
	memcpy(aml->buf + aml->len, bytes, len);
	aml->len += len;
}

void aml_u8(struct aml *aml, uint8_t value)
{
	aml_bytes(aml, &value, sizeof(value));
}

void aml_u16(struct aml *aml, uint16_t value)
{
	le16 v = le16_make(value);

	aml_bytes(aml, &v, sizeof(v));
}

void aml_u32(struct aml *aml, uint32_t value)
{
	le32 v = le32_make(value);

	aml_bytes(aml, &v, sizeof(v));
}

void aml_u64(struct aml *aml, uint64_t value)
{
	le64 v = le64_make(value);

	aml_bytes(aml, &v, sizeof(v));
}

void aml_zero(struct aml *aml, size_t len)
{
	while (len-- > 0)
		aml_u8(aml, 0);
}

uint8_t aml_checksum(const uint8_t *bytes, size_t len)
{
	uint8_t sum = 0;

	while (len-- > 0)
		sum = (uint8_t)(sum + *bytes++);
	return (uint8_t)-sum;
}

/* Always the two-byte form, up to 4095 bytes: four bits in the first byte, eight in the second. */
size_t aml_open(struct aml *aml)
{
	size_t mark = aml->len;

	aml_u16(aml, 0);
	return mark;
}

void aml_close(struct aml *aml, size_t mark)
{
	size_t len = aml->len - mark;

	if (aml->overflow)
		return;
	if (len > 0xfff) {
		aml->overflow = true;
		return;
	}
	aml->buf[mark] = (uint8_t)(0x40 | (len & 0xf));
	aml->buf[mark + 1] = (uint8_t)(len >> 4);
}

size_t aml_scope(struct aml *aml, const char *name)
{
	size_t mark;

	aml_u8(aml, SCOPE_OP);
	mark = aml_open(aml);
	aml_u8(aml, '\\');
	aml_bytes(aml, name, 4);
	return mark;
}

size_t aml_device(struct aml *aml, const char *name)
{
	size_t mark;

	aml_u8(aml, EXT_OP);
	aml_u8(aml, DEVICE_OP);
	mark = aml_open(aml);
	aml_bytes(aml, name, 4);
	return mark;
}

static void aml_name(struct aml *aml, const char *name)
{
	aml_u8(aml, NAME_OP);
	aml_bytes(aml, name, 4);
}

void aml_name_integer(struct aml *aml, const char *name, uint8_t value)
{
	aml_name(aml, name);
	aml_u8(aml, BYTE_PREFIX);
	aml_u8(aml, value);
}

static unsigned hex_digit(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'A' + 10);
}

/* Three letters of five bits each and four hex digits, big-endian (§19.3.4, EISAID). */
void aml_name_eisa(struct aml *aml, const char *name, const char *id)
{
	unsigned letters =
		(unsigned)(id[0] - '@') << 10 | (unsigned)(id[1] - '@') << 5 | (unsigned)(id[2] - '@');

	aml_name(aml, name);
	aml_u8(aml, DWORD_PREFIX);
	aml_u8(aml, (uint8_t)(letters >> 8));
	aml_u8(aml, (uint8_t)letters);
	aml_u8(aml, (uint8_t)(hex_digit(id[3]) << 4 | hex_digit(id[4])));
	aml_u8(aml, (uint8_t)(hex_digit(id[5]) << 4 | hex_digit(id[6])));
}

void aml_name_package(struct aml *aml, const char *name, const uint8_t *values, uint8_t n)
{
	size_t mark;

	aml_name(aml, name);
	aml_u8(aml, PACKAGE_OP);
	mark = aml_open(aml);
	aml_u8(aml, n);
	for (uint8_t i = 0; i < n; i++) {
		aml_u8(aml, BYTE_PREFIX);
		aml_u8(aml, values[i]);
	}
	aml_close(aml, mark);
}

struct aml_crs aml_crs_open(struct aml *aml)
{
	struct aml_crs crs;

	aml_name(aml, "_CRS");
	aml_u8(aml, BUFFER_OP);
	crs.package = aml_open(aml);
	aml_u8(aml, WORD_PREFIX);
	crs.length_at = aml->len;
	aml_u16(aml, 0);
	crs.start = aml->len;
	return crs;
}

void aml_crs_close(struct aml *aml, struct aml_crs crs)
{
	/* End tag, checksum not used (§6.4.2.9). */
	aml_u8(aml, 0x79);
	aml_u8(aml, 0);
	if (!aml->overflow)
		put_le16(aml->buf + crs.length_at, (uint16_t)(aml->len - crs.start));
	aml_close(aml, crs.package);
}

/* §6.4.3.5.3: producer, both ends fixed. */
void aml_word_bus(struct aml *aml, uint16_t min, uint16_t max)
{
	static const uint8_t head[] = { 0x88, 13, 0, 2 /* bus numbers */, 0x0c, 0 };

	aml_bytes(aml, head, sizeof(head));
	aml_u16(aml, 0);
	aml_u16(aml, min);
	aml_u16(aml, max);
	aml_u16(aml, 0);
	aml_u16(aml, (uint16_t)(max - min + 1));
}

/* §6.4.3.5.2: producer, both ends fixed, read-write. */
void aml_dword_memory(struct aml *aml, uint32_t base, uint32_t size)
{
	static const uint8_t head[] = { 0x87, 23, 0, 0 /* memory */, 0x0c, 1 };

	aml_bytes(aml, head, sizeof(head));
	aml_u32(aml, 0);
	aml_u32(aml, base);
	aml_u32(aml, base + size - 1);
	aml_u32(aml, 0);
	aml_u32(aml, size);
}

/* §6.4.3.4 */
void aml_memory32_fixed(struct aml *aml, uint32_t base, uint32_t size)
{
	static const uint8_t head[] = { 0x86, 9, 0, 0 /* read-only */ };

	aml_bytes(aml, head, sizeof(head));
	aml_u32(aml, base);
	aml_u32(aml, size);
}
