/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleanup: scope-bound ownership, after systemd's habit.
 *
 * Every `_cleanup_*_` variable needs an initialiser (NULL, -EBADF). Ownership
 * is handed over with TAKE_PTR() or TAKE_FD().
 */
#ifndef VRUN_BASE_CLEANUP_H
#define VRUN_BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_ptr(void *p)
{
	free(*(void **)p);
}

/* close() is never retried: on Linux the descriptor is gone even on EINTR. */
static inline int close_fd(int fd)
{
	if (fd >= 0) {
		int saved = errno;

		close(fd);
		errno = saved;
	}
	return -EBADF;
}

static inline void cleanup_close_fd(const int *fd)
{
	close_fd(*fd);
}

static inline void cleanup_close_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void cleanup_close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _cleanup_free_ _cleanup_(cleanup_free_ptr)
#define _cleanup_close_ _cleanup_(cleanup_close_fd)
#define _cleanup_fclose_ _cleanup_(cleanup_close_file)
#define _cleanup_closedir_ _cleanup_(cleanup_close_dir)

#define TAKE_PTR(p)                       \
	({                                \
		__typeof__(p) take_ = (p); \
		(p) = NULL;               \
		take_;                    \
	})

#define TAKE_FD(fd)              \
	({                       \
		int take_ = (fd); \
		(fd) = -EBADF;   \
		take_;           \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
