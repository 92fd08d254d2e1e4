/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slots: numbers for objects that a guest may name.
 *
 * The guest gets an id, never a pointer: the low 32 bits are an index (from 1),
 * the high 32 bits the slot's generation, which changes each time the slot is
 * given away again, so that a stale id finds nothing. The first object ever
 * added gets id 1.
 *
 * No lock: the table that owns the slots has one.
 */
#ifndef VRUN_VMM_VIRTIO_FS_SLOTS_H
#define VRUN_VMM_VIRTIO_FS_SLOTS_H

#include <stdint.h>

struct fs_slot;

struct fs_slots {
	struct fs_slot **chunks;
	uint32_t max; /* objects at most */
	uint32_t fresh; /* index of the first slot that was never used, less 1 */
	uint32_t free; /* head of the list of free slots; 0: none */
};

/* 0 or -ENOMEM. `max` below 2^31. */
int fs_slots_init(struct fs_slots *slots, uint32_t max);
/* The objects are the caller's. NULL and a zeroed table are fine. */
void fs_slots_done(struct fs_slots *slots);

/* `obj` not NULL. -ENFILE when `max` objects are there, -ENOMEM. */
int fs_slots_add(struct fs_slots *slots, void *obj, uint64_t *ret_id);
/* NULL when `id` names nothing. */
void *fs_slots_get(const struct fs_slots *slots, uint64_t id);
/* `id` names an object. */
void fs_slots_del(struct fs_slots *slots, uint64_t id);

/* Each object in turn: *iter starts at 0; NULL at the end. Deleting the one just returned is fine. */
void *fs_slots_next(const struct fs_slots *slots, uint32_t *iter);

#endif
