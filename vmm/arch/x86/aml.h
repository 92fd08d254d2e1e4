/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aml: a byte buffer for firmware tables, and the few words of ACPI Machine
 * Language (ACPI 6.4 §20) that the DSDT needs.
 *
 * Writing past the end sets `overflow` and drops the bytes: check it once, at the end.
 */
#ifndef VRUN_VMM_ARCH_X86_AML_H
#define VRUN_VMM_ARCH_X86_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aml {
	uint8_t *buf;
	size_t size, len;
	bool overflow;
};

void aml_bytes(struct aml *aml, const void *bytes, size_t len);
void aml_u8(struct aml *aml, uint8_t value);
void aml_u16(struct aml *aml, uint16_t value);
void aml_u32(struct aml *aml, uint32_t value);
void aml_u64(struct aml *aml, uint64_t value);
void aml_zero(struct aml *aml, size_t len);

/* What makes the sum of all bytes 0, as firmware tables want it, where the checksum's own byte is still 0. */
uint8_t aml_checksum(const uint8_t *bytes, size_t len);

/* A package-length field, to be closed once what it covers is written (§20.2.4). Nests. */
size_t aml_open(struct aml *aml);
void aml_close(struct aml *aml, size_t mark);

/* Scope (\_SB) and Device (name); `name` is four characters. Close with aml_close(). */
size_t aml_scope(struct aml *aml, const char *name);
size_t aml_device(struct aml *aml, const char *name);

/* Name (name, value), and Name (name, EisaId (id)) with an id such as "PNP0A08". */
void aml_name_integer(struct aml *aml, const char *name, uint8_t value);
void aml_name_eisa(struct aml *aml, const char *name, const char *id);
/* Name (name, Package () {values}). */
void aml_name_package(struct aml *aml, const char *name, const uint8_t *values, uint8_t n);

/* Name (_CRS, ResourceTemplate () {…}); write descriptors (§6.4) between the two. */
struct aml_crs {
	size_t package, length_at, start;
};
struct aml_crs aml_crs_open(struct aml *aml);
void aml_crs_close(struct aml *aml, struct aml_crs crs);
void aml_word_bus(struct aml *aml, uint16_t min, uint16_t max);
void aml_dword_memory(struct aml *aml, uint32_t base, uint32_t size);
void aml_memory32_fixed(struct aml *aml, uint32_t base, uint32_t size);

#endif
