/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server: a FUSE server (protocol 7.31 to 7.38, linux/fuse.h) for requests that
 * are iovecs in guest memory. It knows no ring and makes no thread.
 *
 * Everything in a request is hostile: it is copied once and checked; only file
 * data goes straight between the host's files and guest memory.
 */
#ifndef VRUN_VMM_VIRTIO_FS_SERVER_H
#define VRUN_VMM_VIRTIO_FS_SERVER_H

#include "vmm/virtio/fs.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct fs_server;
struct fs_worker; /* what a thread needs to serve: its identity and buffers */

/* A request: what the driver wrote, and the room for the reply. */
struct fs_chain {
	const struct iovec *in, *out;
	unsigned n_in, n_out;
	size_t in_len, out_len;
	uint64_t token; /* the caller's, for `complete` */
};

struct fs_server_ops {
	/*
	 * A request that was kept back has its reply of `len` bytes in place. Called by
	 * fs_server_handle(), fs_server_retry_locks() and fs_server_interrupt_locks(), in whichever
	 * thread, with no lock of the caller's needed.
	 */
	void (*complete)(void *ctx, uint64_t token, uint32_t len);
};

/* As virtio_fs_new(). `ops` is borrowed. */
int fs_server_new(const struct vfs_config *config, const struct fs_server_ops *ops, void *ctx,
		  struct fs_server **ret, struct err *err);
/* All workers are gone. NULL is fine. */
void fs_server_free(struct fs_server *server);

/* Make the calling thread fit to serve: see creds.h. Call in that thread. */
int fs_worker_new(struct fs_server *server, struct fs_worker **ret);
void fs_worker_free(struct fs_worker *worker);

/* The request waits for a lock; `complete` comes later. The iovecs' memory must stay till then. */
enum { FS_KEPT = -529 };

/*
 * Serve one request. Returns the length of the reply (0 where the protocol has
 * none), FS_KEPT, or -EPROTO for what no FUSE driver sends: no whole header, no
 * room for a reply's header. Then *ret_why says so (static text).
 */
ssize_t fs_server_handle(struct fs_server *server, struct fs_worker *worker, const struct fs_chain *chain,
			 const char **ret_why);

/* Requests that wait for locks: when to try again, in milliseconds; -1: there are none. */
int fs_server_retry_ms(struct fs_server *server);
void fs_server_retry_locks(struct fs_server *server);
/* Drop them without a reply: guest memory goes away. */
void fs_server_drop_kept(struct fs_server *server);

#endif
