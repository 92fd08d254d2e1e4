/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fd: small helpers over file descriptors. All return 0 (or a count) or a
 * negative errno, retry EINTR, and make descriptors close-on-exec.
 */
#ifndef VRUN_BASE_FD_H
#define VRUN_BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct err;

/* All of `len` bytes, or an error. -EPIPE rather than SIGPIPE is the caller's concern. */
int fd_write_all(int fd, const void *buf, size_t len);
/* Exactly `len` bytes; -ENODATA at an earlier end of file. */
int fd_read_all(int fd, void *buf, size_t len);

int fd_set_nonblock(int fd, bool on);
int fd_set_cloexec(int fd, bool on);

/*
 * The whole of a file as a NUL-terminated buffer that the caller frees;
 * -EFBIG above `max` bytes. `dirfd` may be AT_FDCWD. ret_len may be NULL.
 */
int file_read(int dirfd, const char *path, size_t max, char **ret_buf, size_t *ret_len);
/* The same of a descriptor, from the file's beginning where it has one. */
int fd_read_whole(int fd, size_t max, char **ret_buf, size_t *ret_len);
/* Replace a file atomically (temporary name, rename) with mode `mode`. */
int file_write_atomic(int dirfd, const char *path, const void *buf, size_t len, mode_t mode);
/* One write() to an existing file, as for /proc and cgroup files. */
int file_write(int dirfd, const char *path, const char *text);

/* A sealed-size, read-only-by-convention memfd holding `len` bytes, offset 0. Returns the fd. */
int fd_from_bytes(const char *name, const void *buf, size_t len);

/* Descriptors over a unix socket (SCM_RIGHTS). At most FD_PASS_MAX. */
enum { FD_PASS_MAX = 16 };
/* Returns the bytes sent. */
ssize_t fd_send(int sock, const void *buf, size_t len, const int *fds, size_t n_fds);
/*
 * Returns the bytes received (0 at end of file). Up to `max_fds` descriptors are
 * stored, *ret_n of them; any more that came are closed and -EPROTO returned.
 */
ssize_t fd_recv(int sock, void *buf, size_t len, int *fds, size_t max_fds, size_t *ret_n);

/* mkdir -p below `dirfd` with mode 0755 for new parts. Follows symlinks: trusted paths only. */
int dir_make_all(int dirfd, const char *path, mode_t mode);
/* rm -rf below `dirfd`, never crossing a mount or following a symlink. 0 when it is not there. */
int dir_remove_all(int dirfd, const char *path);

#endif
