/* SPDX-License-Identifier: Apache-2.0 */
/*
 * endian: little-endian integers as types of their own, so that a forgotten
 * conversion does not compile, and unaligned get/put for byte buffers.
 */
#ifndef VRUN_BASE_ENDIAN_H
#define VRUN_BASE_ENDIAN_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

typedef struct { uint16_t raw; } le16;
typedef struct { uint32_t raw; } le32;
typedef struct { uint64_t raw; } le64;

static inline uint16_t le16_get(le16 v) { return le16toh(v.raw); }
static inline uint32_t le32_get(le32 v) { return le32toh(v.raw); }
static inline uint64_t le64_get(le64 v) { return le64toh(v.raw); }
static inline le16 le16_make(uint16_t v) { return (le16){ htole16(v) }; }
static inline le32 le32_make(uint32_t v) { return (le32){ htole32(v) }; }
static inline le64 le64_make(uint64_t v) { return (le64){ htole64(v) }; }

static inline uint16_t get_le16(const void *p) { uint16_t v; memcpy(&v, p, sizeof(v)); return le16toh(v); }
static inline uint32_t get_le32(const void *p) { uint32_t v; memcpy(&v, p, sizeof(v)); return le32toh(v); }
static inline uint64_t get_le64(const void *p) { uint64_t v; memcpy(&v, p, sizeof(v)); return le64toh(v); }
static inline void put_le16(void *p, uint16_t v) { v = htole16(v); memcpy(p, &v, sizeof(v)); }
static inline void put_le32(void *p, uint32_t v) { v = htole32(v); memcpy(p, &v, sizeof(v)); }
static inline void put_le64(void *p, uint64_t v) { v = htole64(v); memcpy(p, &v, sizeof(v)); }

#endif
