/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool: the threads that serve a device's queues.
 *
 * Theory of operation
 *
 * All workers wait on one epoll descriptor with the queues' kick eventfds,
 * edge-triggered, so that a kick wakes one of them; the one that slept last, which has
 * its data in the caches. It takes a chain, and before it serves it (which may take as
 * long as a disk does) it makes sure that somebody waits for the next one: another
 * worker is woken if chains are left, or started if none is idle. A worker that
 * found nothing to do for some seconds ends, unless it is the last. An idle device
 * therefore has one thread, a busy one as many as there are requests that block.
 *
 * A queue's ring is touched only under its mutex. Kicks are asked for again after
 * every pop; with the event index that is a store.
 */
#ifndef VRUN_VMM_VIRTIO_FS_POOL_H
#define VRUN_VMM_VIRTIO_FS_POOL_H

#include <stdint.h>

struct fs_pool;
struct fs_server;
struct virtqueue;

/* A violation was found: called once, in a worker; the workers serve no more. `why` is static text. */
typedef void (*fs_pool_failed_fn)(void *ctx, const char *why);

int fs_pool_new(struct fs_server *server, struct virtqueue *vqs, unsigned n_vqs, unsigned max_workers,
		fs_pool_failed_fn failed, void *ctx, struct fs_pool **ret);
/* Stopped. NULL is fine. */
void fs_pool_free(struct fs_pool *pool);

/* Start serving: what is available now, and what is kicked for. */
int fs_pool_start(struct fs_pool *pool);
/*
 * Wait for the workers to end; requests in service are completed, those that wait
 * for a lock are dropped. Idempotent.
 */
void fs_pool_stop(struct fs_pool *pool);

/* Return a chain that was kept back; token as the pool gave it. */
void fs_pool_complete(struct fs_pool *pool, uint64_t token, uint32_t len);

/* How many threads there are now; for tests. */
unsigned fs_pool_workers(struct fs_pool *pool);

#endif
