/* SPDX-License-Identifier: Apache-2.0 */
/* pool: see pool.h */
#include "vmm/virtio/fs/pool.h"

#include "base/cleanup.h"
#include "vmm/jail/jail.h"
#include "vmm/virtio/fs/server.h"
#include "vmm/virtio/virtqueue.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	IDLE_MS = 5000,
	WORKERS_MAX = 64,
	STACK_SIZE = JAIL_WORKER_STACK,
	START_TRIES = 3,
	/* epoll data: a queue's number, or one of these */
	EVENT_HELP = 1000,
	EVENT_STOP,
};

enum slot_state { SLOT_FREE, SLOT_RUNNING, SLOT_ENDED };

struct worker_slot {
	struct fs_pool *pool;
	pthread_t thread;
	enum slot_state state; /* ENDED: to be joined */
};

struct queue {
	pthread_mutex_t lock;
	struct virtqueue *vq;
};

struct fs_pool {
	struct fs_server *server;
	struct queue *queues;
	unsigned n_queues;
	fs_pool_failed_fn failed_fn;
	void *ctx;

	int epoll_fd;
	int help_fd; /* eventfd: chains are left for another worker */
	int stop_fd; /* eventfd, level-triggered: all end */
	atomic_bool stopping;
	atomic_bool failed;

	pthread_mutex_t lock; /* what follows */
	struct worker_slot slots[WORKERS_MAX];
	unsigned max_workers, n_workers, n_idle;
	bool started;
};

static void *run_worker(void *arg);

/* With the pool's lock held. */
static int start_worker(struct fs_pool *pool)
{
	struct worker_slot *slot = NULL;
	pthread_attr_t attr;
	sigset_t all, old;
	int r;

	for (unsigned i = 0; i < pool->max_workers && !slot; i++)
		if (pool->slots[i].state != SLOT_RUNNING)
			slot = &pool->slots[i];
	if (!slot || pool->stopping)
		return -EAGAIN;
	if (slot->state == SLOT_ENDED)
		pthread_join(slot->thread, NULL);
	slot->state = SLOT_FREE;
	slot->pool = pool;

	/* Signals are the loop's; a blocked SIGXFSZ is no more than EFBIG. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	r = jail_thread_create_worker(&slot->thread, &attr, run_worker, slot);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r < 0)
		return r;
	slot->state = SLOT_RUNNING;
	pool->n_workers++;
	/* It will look at all queues: as good as one that waits. */
	pool->n_idle++;
	return 0;
}

/*
 * This worker has a chain: from now on it is busy, and somebody else has to look at the
 * queues; `now`: chains wait already. One that looks and found nothing yet counts as idle.
 */
static void set_busy(struct fs_pool *pool, bool was_busy, bool now)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&pool->lock);
	if (!was_busy)
		pool->n_idle--;
	if (pool->n_idle == 0)
		start_worker(pool); /* or, if that fails, this worker goes on after its request */
	else if (now && write(pool->help_fd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN); /* full: the workers are awake anyway */
	pthread_mutex_unlock(&pool->lock);
}

static void set_idle(struct fs_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->n_idle++;
	pthread_mutex_unlock(&pool->lock);
}

static void fail(struct fs_pool *pool, const char *why)
{
	if (!atomic_exchange(&pool->failed, true))
		pool->failed_fn(pool->ctx, why);
}

/* The next chain of a queue; false if there is none. Afterwards the driver kicks for more. */
static bool take_chain(struct fs_pool *pool, struct queue *queue, struct vq_chain *chain, bool *ret_more)
{
	const char *why = NULL;
	int r = 0;

	pthread_mutex_lock(&queue->lock);
	if (!pool->stopping && !pool->failed) {
		r = virtqueue_pop(queue->vq, chain);
		if (r > 0)
			*ret_more = virtqueue_kicks_on(queue->vq);
		else if (r < 0)
			why = queue->vq->broken_why;
	}
	pthread_mutex_unlock(&queue->lock);
	if (r < 0)
		fail(pool, why ? why : "broken queue");
	return r > 0;
}

static void return_chain(struct queue *queue, uint16_t head, uint32_t len)
{
	pthread_mutex_lock(&queue->lock);
	virtqueue_push(queue->vq, head, len);
	virtqueue_call(queue->vq);
	pthread_mutex_unlock(&queue->lock);
}

void fs_pool_complete(struct fs_pool *pool, uint64_t token, uint32_t len)
{
	return_chain(&pool->queues[token >> 16], (uint16_t)token, len);
}

static void serve_queue(struct fs_pool *pool, struct fs_worker *worker, struct vq_chain *chain, unsigned q)
{
	struct queue *queue = &pool->queues[q];
	bool more, busy = false;

	if (!queue->vq->enabled)
		return;
	while (take_chain(pool, queue, chain, &more)) {
		const struct fs_chain request = {
			.in = chain->readable,
			.n_in = chain->n_readable,
			.in_len = chain->readable_len,
			.out = chain->writable,
			.n_out = chain->n_writable,
			.out_len = chain->writable_len,
			.token = (uint64_t)q << 16 | chain->head,
		};
		const char *why = NULL;
		ssize_t len;

		set_busy(pool, busy, more);
		busy = true;
		len = fs_server_handle(pool->server, worker, &request, &why);
		if (len >= 0)
			return_chain(queue, chain->head, (uint32_t)len);
		else if (len != FS_KEPT)
			fail(pool, why);
	}
	if (busy)
		set_idle(pool);
}

/* An idle worker ends if `keep` others are idle too; from now on nobody counts on it. */
static bool count_out(struct fs_pool *pool, unsigned keep)
{
	bool out;

	pthread_mutex_lock(&pool->lock);
	out = pool->n_idle > keep;
	if (out) {
		pool->n_workers--;
		pool->n_idle--;
	}
	pthread_mutex_unlock(&pool->lock);
	return out;
}

/* Wait for something to do. The event's number; EVENT_STOP: end, counted out already. */
static unsigned wait_for_work(struct fs_pool *pool)
{
	struct epoll_event event;
	int waited = 0;

	for (;;) {
		int retry = fs_server_retry_ms(pool->server);
		int n = epoll_wait(pool->epoll_fd, &event, 1, retry < 0 ? IDLE_MS : retry);

		if (n > 0 && event.data.u32 == EVENT_STOP)
			(void)count_out(pool, 0);
		if (n > 0)
			return event.data.u32;
		if (n < 0)
			continue; /* EINTR: a debugger */
		waited += retry < 0 ? IDLE_MS : retry;
		if (retry >= 0)
			fs_server_retry_locks(pool->server);
		if (waited < IDLE_MS)
			continue;
		/* Somebody has to wait, and one is enough. */
		if (count_out(pool, 1))
			return EVENT_STOP;
		waited = 0;
	}
}

static void serve(struct fs_pool *pool, struct fs_worker *worker, struct vq_chain *chain)
{
	unsigned event =
		EVENT_HELP; /* look at everything first: it may have been kicked for before we watched */

	for (;;) {
		for (unsigned q = 0; q < pool->n_queues; q++)
			if (event == EVENT_HELP || event == q)
				serve_queue(pool, worker, chain, q);
		event = wait_for_work(pool);
		if (event == EVENT_STOP)
			return;
	}
}

/* Without a worker the guest waits for its files for ever: what is short is asked for more than once. */
static struct fs_worker *new_worker(struct fs_pool *pool, struct vq_chain **ret_chain)
{
	struct fs_worker *worker = NULL;

	for (unsigned i = 0; i < START_TRIES && !(worker && *ret_chain); i++) {
		if (!*ret_chain)
			*ret_chain = malloc(sizeof(**ret_chain));
		if (!worker && fs_worker_new(pool->server, &worker) < 0)
			worker = NULL;
	}
	return worker;
}

static void *run_worker(void *arg)
{
	struct worker_slot *slot = arg;
	struct fs_pool *pool = slot->pool;
	struct vq_chain *chain = NULL;
	struct fs_worker *worker = new_worker(pool, &chain);

	if (chain && worker) {
		serve(pool, worker, chain);
	} else {
		fail(pool, "no worker can be started");
		(void)count_out(pool, 0);
	}
	fs_worker_free(worker);
	free(chain);

	pthread_mutex_lock(&pool->lock);
	slot->state = SLOT_ENDED;
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

static int watch(struct fs_pool *pool, int fd, uint32_t events, unsigned what)
{
	struct epoll_event event = { .events = events, .data.u32 = what };

	return epoll_ctl(pool->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int fs_pool_start(struct fs_pool *pool)
{
	int r = 0;

	pool->started = true;
	pool->stopping = false;
	pool->failed = false;
	for (unsigned q = 0; q < pool->n_queues && r == 0; q++)
		if (pool->queues[q].vq->enabled && pool->queues[q].vq->kick_fd >= 0)
			r = watch(pool, pool->queues[q].vq->kick_fd, EPOLLIN | EPOLLET, q);
	if (r == 0) {
		pthread_mutex_lock(&pool->lock);
		r = start_worker(pool);
		pthread_mutex_unlock(&pool->lock);
	}
	if (r < 0)
		fs_pool_stop(pool);
	return r;
}

void fs_pool_stop(struct fs_pool *pool)
{
	uint64_t one = 1;

	if (!pool->started)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_mutex_unlock(&pool->lock);
	if (write(pool->stop_fd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN);
	/* No slot is taken any more. */
	for (unsigned i = 0; i < pool->max_workers; i++) {
		bool used;

		pthread_mutex_lock(&pool->lock);
		used = pool->slots[i].state != SLOT_FREE;
		pthread_mutex_unlock(&pool->lock);
		if (used)
			pthread_join(pool->slots[i].thread, NULL);
		pool->slots[i].state = SLOT_FREE;
	}
	assert(pool->n_workers == 0 && pool->n_idle == 0);
	fs_server_drop_kept(pool->server);
	for (unsigned q = 0; q < pool->n_queues; q++)
		epoll_ctl(pool->epoll_fd, EPOLL_CTL_DEL, pool->queues[q].vq->kick_fd, NULL);
	if (read(pool->stop_fd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN);
	pool->started = false;
}

int fs_pool_new(struct fs_server *server, struct virtqueue *vqs, unsigned n_vqs, unsigned max_workers,
		fs_pool_failed_fn failed, void *ctx, struct fs_pool **ret)
{
	struct fs_pool *pool = calloc(1, sizeof(*pool));
	int r;

	if (!pool)
		return -ENOMEM;
	pool->server = server;
	pool->failed_fn = failed;
	pool->ctx = ctx;
	pool->max_workers = max_workers < WORKERS_MAX ? max_workers : WORKERS_MAX;
	pthread_mutex_init(&pool->lock, NULL);
	pool->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	pool->help_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pool->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pool->queues = calloc(n_vqs, sizeof(*pool->queues));
	if (pool->epoll_fd < 0 || pool->help_fd < 0 || pool->stop_fd < 0 || !pool->queues) {
		r = pool->queues ? -errno : -ENOMEM;
		fs_pool_free(pool);
		return r;
	}
	pool->n_queues = n_vqs;
	for (unsigned q = 0; q < n_vqs; q++) {
		pool->queues[q].vq = &vqs[q];
		pthread_mutex_init(&pool->queues[q].lock, NULL);
	}
	r = watch(pool, pool->help_fd, EPOLLIN | EPOLLET, EVENT_HELP);
	if (r == 0)
		r = watch(pool, pool->stop_fd, EPOLLIN, EVENT_STOP);
	if (r < 0) {
		fs_pool_free(pool);
		return r;
	}
	*ret = pool;
	return 0;
}

void fs_pool_free(struct fs_pool *pool)
{
	if (!pool)
		return;
	for (unsigned q = 0; q < pool->n_queues; q++)
		pthread_mutex_destroy(&pool->queues[q].lock);
	free(pool->queues);
	close_fd(pool->epoll_fd);
	close_fd(pool->help_fd);
	close_fd(pool->stop_fd);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

unsigned fs_pool_workers(struct fs_pool *pool)
{
	unsigned n;

	pthread_mutex_lock(&pool->lock);
	n = pool->n_workers;
	pthread_mutex_unlock(&pool->lock);
	return n;
}
