/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store: the containers that exist on this host, one directory each below
 * --root (default /run/vrun), mode 0711.
 *
 *   ROOT/ID/state.json     what is fixed at creation (state.h)
 *   ROOT/ID/status         one byte and a text that vrun-vmm writes (status.h)
 *   ROOT/ID/timeline.json  how long its start took (timeline.h)
 *   ROOT/ID/control        vrun-vmm's control socket (control.h)
 *
 * A directory appears with its state.json in place and disappears whole: it is
 * made and torn down under names that no id can have ("@…").
 *
 * Locks: flock() on the container's directory. A command that changes a
 * container holds it exclusively; commands that only look take none. After
 * waiting, the directory is checked to be still the one of that name, so a
 * container deleted meanwhile is "does not exist", and one made anew is found.
 */
#ifndef VRUN_RUNTIME_STORE_H
#define VRUN_RUNTIME_STORE_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct store;

enum { STORE_ID_MAX = 1024 };
#define STORE_ROOT_DEFAULT "/run/vrun"

/* An open container directory; holds the lock, if any, until it is closed. */
struct store_dir {
	char *id;
	int fd; /* O_DIRECTORY, close-on-exec */
};

/* Makes the directory (0700) if it is missing. */
int store_open(const char *path, struct store **ret, struct err *err);
/* The same over a directory that is already open. */
int store_from_fd(int take_fd, struct store **ret);
void store_free(struct store *store);
static inline void cleanup_store(struct store **p)
{
	store_free(*p);
}
#define _cleanup_store_ __attribute__((cleanup(cleanup_store)))
int store_fd(const struct store *store); /* borrowed */

void store_dir_close(struct store_dir *dir);
static inline void cleanup_store_dir(struct store_dir **p)
{
	store_dir_close(*p);
}
#define _cleanup_store_dir_ __attribute__((cleanup(cleanup_store_dir)))

/* runc's rule: letters, digits, "_+,-.", not "." or "..", at most STORE_ID_MAX bytes. */
int store_check_id(const char *id, struct err *err);

/*
 * Make a container's directory, locked exclusively, with `state` as its
 * state.json. -EEXIST: "container with given ID already exists".
 */
int store_create(struct store *store, const char *id, const char *state, size_t state_len,
		 struct store_dir **ret, struct err *err);

/* -ENOENT: "container does not exist". With `lock`, waits for the exclusive lock. */
int store_find(struct store *store, const char *id, bool lock, struct store_dir **ret, struct err *err);

/* Let others at it; the directory stays open. */
void store_unlock(struct store_dir *dir);

/* Whether both are one directory, and not two that had one name in turn. */
bool store_is_same(const struct store_dir *a, const struct store_dir *b);

/* Take the directory away, whole. The caller holds its lock. */
int store_remove(struct store *store, struct store_dir *dir, struct err *err);

/* Take away what was being made or removed by a vrun that was killed; nothing of one that lives. */
void store_sweep(struct store *store);

/* The ids, sorted; NULL-terminated, freed with store_list_free(). */
int store_list(struct store *store, char ***ret_ids, size_t *ret_n, struct err *err);
void store_list_free(char **ids);

#endif
