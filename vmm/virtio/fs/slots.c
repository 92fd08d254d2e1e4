/* SPDX-License-Identifier: Apache-2.0 */
/* slots: see slots.h. Chunks keep the slots in place while the table grows. */
#include "vmm/virtio/fs/slots.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { CHUNK = 1024 };

struct fs_slot {
	void *obj; /* NULL: free */
	uint32_t gen;
	uint32_t next; /* of the free list */
};

static struct fs_slot *slot_at(const struct fs_slots *slots, uint32_t index)
{
	return &slots->chunks[(index - 1) / CHUNK][(index - 1) % CHUNK];
}

int fs_slots_init(struct fs_slots *slots, uint32_t max)
{
	*slots = (struct fs_slots){ .max = max };
	slots->chunks = calloc((max + CHUNK - 1) / CHUNK, sizeof(*slots->chunks));
	return slots->chunks ? 0 : -ENOMEM;
}

void fs_slots_done(struct fs_slots *slots)
{
	if (!slots || !slots->chunks)
		return;
	for (uint32_t i = 0; i < (slots->max + CHUNK - 1) / CHUNK; i++)
		free(slots->chunks[i]);
	free(slots->chunks);
	*slots = (struct fs_slots){ 0 };
}

int fs_slots_add(struct fs_slots *slots, void *obj, uint64_t *ret_id)
{
	struct fs_slot *slot;
	uint32_t index = slots->free;

	assert(obj);
	if (index) {
		slot = slot_at(slots, index);
		slots->free = slot->next;
		slot->gen++;
	} else {
		struct fs_slot **chunk;

		if (slots->fresh == slots->max)
			return -ENFILE;
		index = slots->fresh + 1;
		chunk = &slots->chunks[(index - 1) / CHUNK];
		if (!*chunk)
			*chunk = calloc(CHUNK, sizeof(**chunk));
		if (!*chunk)
			return -ENOMEM;
		slots->fresh++;
		slot = slot_at(slots, index);
	}
	slot->obj = obj;
	*ret_id = (uint64_t)slot->gen << 32 | index;
	return 0;
}

void *fs_slots_get(const struct fs_slots *slots, uint64_t id)
{
	uint32_t index = (uint32_t)id;
	const struct fs_slot *slot;

	if (index == 0 || index > slots->fresh)
		return NULL;
	slot = slot_at(slots, index);
	return slot->gen == id >> 32 ? slot->obj : NULL;
}

void fs_slots_del(struct fs_slots *slots, uint64_t id)
{
	uint32_t index = (uint32_t)id;
	struct fs_slot *slot;

	assert(fs_slots_get(slots, id));
	slot = slot_at(slots, index);
	slot->obj = NULL;
	slot->next = slots->free;
	slots->free = index;
}

void *fs_slots_next(const struct fs_slots *slots, uint32_t *iter)
{
	while (*iter < slots->fresh) {
		void *obj = slot_at(slots, ++*iter)->obj;

		if (obj)
			return obj;
	}
	return NULL;
}
