/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail: the stages; see jail.h.
 *
 * Privileges and lists are a thread's own. A worker of the file server has what the
 * loop has given up, so it can't be the loop that makes one: jail_enter() leaves a
 * thread behind that does nothing else, the maker.
 */
#include "vmm/jail/jail.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/jail/internal.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>

struct jail {
	int *shares; /* mounts that are to be attached */
	size_t n_shares;
};

/* What threads need is the process's, and there to its end. */
static struct {
	bool entered; /* before there are other threads */

	pthread_mutex_t lock; /* the maker's; one who asks at a time */
	pthread_cond_t changed;
	bool has_maker, maker_ready;
	int maker_error;
	bool asked; /* for `fn` and `arg` */
	void *(*fn)(void *);
	void *arg;
	bool made; /* the answer: `thread`, or `error` */
	pthread_t thread;
	int error;
} state = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static _Thread_local bool is_worker;

int jail_new(struct jail **ret, struct err *err)
{
	struct jail *jail = calloc(1, sizeof(*jail));
	int r;

	if (!jail)
		return err_set(err, -ENOMEM, "out of memory");
	r = jail_root_new(err);
	if (r < 0) {
		free(jail);
		return r;
	}
	*ret = jail;
	return 0;
}

void jail_free(struct jail *jail)
{
	if (!jail)
		return;
	for (size_t i = 0; i < jail->n_shares; i++)
		close_fd(jail->shares[i]);
	free(jail->shares);
	free(jail);
}

int jail_share(struct jail *jail, int fd, bool readonly, bool submounts, struct err *err)
{
	_cleanup_close_ int tree = -EBADF, copy = -EBADF;
	int *shares;

	tree = jail_root_copy(fd, submounts, JAIL_SHARE_ATTRIBUTES | (readonly ? MOUNT_ATTR_RDONLY : 0));
	if (tree < 0)
		return err_set_errno(err, tree, "a share's mount can't be copied");
	copy = fcntl(tree, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return err_set_errno(err, -errno, "a share");
	shares = realloc(jail->shares, (jail->n_shares + 1) * sizeof(*shares));
	if (!shares)
		return err_set(err, -ENOMEM, "out of memory");
	jail->shares = shares;
	shares[jail->n_shares++] = TAKE_FD(tree);
	return TAKE_FD(copy);
}

int jail_open_proc_fd(void)
{
	int fd = open_tree(AT_FDCWD, "/proc/self/fd", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	/* Without the privilege: there is no jail either. */
	if (fd < 0)
		fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

bool jail_entered(void)
{
	return state.entered;
}

int jail_thread_enter(enum jail_role role)
{
	if (!state.entered)
		return 0;
	jail_violation_thread(role);
	is_worker = role == JAIL_ROLE_FILES;
	return jail_syscalls_load(role);
}

/* --- The maker of workers --- */

static int create(pthread_t *ret, void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, JAIL_WORKER_STACK);
	r = pthread_create(ret, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	return -r;
}

/* The list and the capabilities are inherited; this is not. */
struct worker {
	void *(*fn)(void *);
	void *arg;
};

static void *worker_main(void *arg)
{
	struct worker worker = *(struct worker *)arg;

	free(arg);
	is_worker = true;
	jail_violation_thread(JAIL_ROLE_FILES);
	return worker.fn(worker.arg);
}

static int create_worker(pthread_t *ret, void *(*fn)(void *), void *arg)
{
	struct worker *worker = malloc(sizeof(*worker));
	int r;

	if (!worker)
		return -ENOMEM;
	*worker = (struct worker){ fn, arg };
	r = create(ret, worker_main, worker);
	if (r < 0)
		free(worker);
	return r;
}

static void *maker_main(void *arg)
{
	(void)arg;
	pthread_setname_np(pthread_self(), "files");
	pthread_mutex_lock(&state.lock);
	state.maker_error = jail_thread_enter(JAIL_ROLE_FILES);
	state.maker_ready = true;
	pthread_cond_broadcast(&state.changed);
	for (;;) {
		while (!state.asked || state.made)
			pthread_cond_wait(&state.changed, &state.lock);
		state.error = create_worker(&state.thread, state.fn, state.arg);
		state.made = true;
		pthread_cond_broadcast(&state.changed);
	}
	return NULL;
}

static int start_maker(void)
{
	sigset_t all, old;
	pthread_t thread;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = create(&thread, maker_main, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r < 0)
		return r;
	/* It lives as long as the process. */
	pthread_detach(thread);
	pthread_mutex_lock(&state.lock);
	while (!state.maker_ready)
		pthread_cond_wait(&state.changed, &state.lock);
	r = state.maker_error;
	pthread_mutex_unlock(&state.lock);
	state.has_maker = r == 0;
	return r;
}

static int ask_maker(pthread_t *ret, void *(*fn)(void *), void *arg)
{
	int r;

	pthread_mutex_lock(&state.lock);
	while (state.asked)
		pthread_cond_wait(&state.changed, &state.lock);
	state.asked = true;
	state.made = false;
	state.fn = fn;
	state.arg = arg;
	pthread_cond_broadcast(&state.changed);
	while (!state.made)
		pthread_cond_wait(&state.changed, &state.lock);
	r = state.error;
	if (r == 0)
		*ret = state.thread;
	state.asked = false;
	pthread_cond_broadcast(&state.changed);
	pthread_mutex_unlock(&state.lock);
	return r;
}

int jail_thread_create_worker(pthread_t *ret, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	if (!state.entered)
		return -pthread_create(ret, attr, fn, arg);
	if (is_worker)
		return create_worker(ret, fn, arg);
	return state.has_maker ? ask_maker(ret, fn, arg) : -EPERM;
}

/* --- Entering --- */

static int give_up(enum jail_files files, struct err *err)
{
	int r;

	if ((r = jail_no_dumps()) < 0 || (r = jail_caps_lock()) < 0 ||
	    (r = jail_caps_set(jail_caps_for(files))) < 0)
		return err_set_errno(err, r, "vrun-vmm can't be confined: its privileges");
	state.entered = true;
	if (files != JAIL_FILES_NONE && (r = start_maker()) < 0)
		return err_set_errno(err, r, "vrun-vmm can't be confined: a thread for files");
	r = jail_caps_set(0);
	if (r == 0)
		r = jail_thread_enter(JAIL_ROLE_LOOP);
	return r < 0 ? err_set_errno(err, r, "vrun-vmm can't be confined: system calls") : 0;
}

int jail_enter(struct jail *jail, enum jail_files files, const struct vm_view *view,
	       jail_violation_fn violation, void *ctx, int *ret_proc, struct err *err)
{
	_cleanup_close_ int proc = -EBADF;
	int r;

	jail_syscalls_prepare();
	r = jail_violation_install(violation, ctx, err);
	if (r == 0)
		r = jail_root_enter(jail->shares, jail->n_shares, view, &proc, err);
	if (r == 0)
		r = give_up(files, err);
	if (r == 0 && jail_probe_entered)
		jail_probe_entered();
	if (r == 0)
		*ret_proc = TAKE_FD(proc);
	return r;
}
