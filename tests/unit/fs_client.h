/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_client: the driver's side of the FUSE protocol, for unit tests: builds a
 * request, gives it to the server split into odd pieces, takes the reply apart.
 */
#ifndef VRUN_TESTS_UNIT_FS_CLIENT_H
#define VRUN_TESTS_UNIT_FS_CLIENT_H

#include "vmm/virtio/fs/server.h"

#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FS_CLIENT_MAX = 1 << 21 };

struct fs_client {
	char dir[64]; /* a temporary directory, shared as "rw" and, read-only, as "ro" */
	char file[80]; /* a single file beside it, shared as "file" */
	struct fs_server *server;
	struct fs_worker *worker;
	uint64_t unique;
	uint32_t uid, gid; /* the caller's */
	uint32_t init_flags; /* offered by the driver; 0: all that we know */
	size_t room; /* for the reply; 0: plenty */

	uint8_t *in, *out; /* the request and the reply, header included */
	size_t out_len; /* of the reply's payload */

	/* What `complete` reported. */
	unsigned completed;
	uint64_t completed_token;
};

/* The server over both shares, INIT done. `config` may be NULL: shares as above, cache auto. */
void fs_client_start(struct fs_client *c, const struct vfs_config *config);
void fs_client_stop(struct fs_client *c);
/* Only the directory, or remove it. */
void fs_client_make_dir(struct fs_client *c);
void fs_client_remove_dir(struct fs_client *c);

/* cmocka fixtures: `*state` is a started client with both shares. */
int fs_client_setup(void **state);
int fs_client_teardown(void **state);
/* A path on the host below the share; good until the next call. */
const char *fs_client_host(const struct fs_client *c, const char *name);

/* From now on this process can't use file handles: it gives CAP_DAC_READ_SEARCH up. */
void fs_client_no_handles(void);
/* Whether file handles work for this process in the temporary directory. */
bool fs_client_has_handles(void);

/* A request with a body in two parts. Returns 0 or the error of the reply (negative). */
int fs_client_call(struct fs_client *c, uint32_t opcode, uint64_t nodeid, const void *arg, size_t arg_len,
		   const void *rest, size_t rest_len);
/* Any bytes as request; returns what the server returned. */
ssize_t fs_client_raw(struct fs_client *c, const void *in, size_t in_len, size_t out_len);
/* The reply's payload. */
void *fs_client_reply(struct fs_client *c);

/* Common requests; all return 0 or a negative errno. */
int fs_client_init(struct fs_client *c);
int fs_client_lookup(struct fs_client *c, uint64_t parent, const char *name, struct fuse_entry_out *ret);
void fs_client_forget(struct fs_client *c, uint64_t nodeid, uint64_t n);
int fs_client_getattr(struct fs_client *c, uint64_t nodeid, struct fuse_attr *ret);
int fs_client_create(struct fs_client *c, uint64_t parent, const char *name, uint32_t flags, uint32_t mode,
		     struct fuse_entry_out *ret, uint64_t *ret_fh);
int fs_client_mkdir(struct fs_client *c, uint64_t parent, const char *name, uint32_t mode,
		    struct fuse_entry_out *ret);
int fs_client_open(struct fs_client *c, uint64_t nodeid, uint32_t flags, uint64_t *ret_fh);
int fs_client_release(struct fs_client *c, uint64_t nodeid, uint64_t fh);
/* Bytes, or a negative errno. */
int fs_client_write(struct fs_client *c, uint64_t nodeid, uint64_t fh, uint64_t offset, const void *buf,
		    size_t len, uint32_t flags, uint32_t write_flags);
int fs_client_read(struct fs_client *c, uint64_t nodeid, uint64_t fh, uint64_t offset, void *buf, size_t len);

/* Node ids of the shares. */
uint64_t fs_client_rw(struct fs_client *c);
uint64_t fs_client_ro(struct fs_client *c);

#endif
