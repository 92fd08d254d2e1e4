/* SPDX-License-Identifier: Apache-2.0 */
/* oom: tells when the kernel kills processes of the container for want of memory. */
#ifndef VRUN_AGENT_OOM_H
#define VRUN_AGENT_OOM_H

#include <stdint.h>

struct loop;

/*
 * Watch a cgroup; `killed` gets how many were killed so far. -ENOENT: this kernel does not
 * count them.
 */
struct oom_watch;
typedef void (*oom_fn)(void *ctx, uint64_t kills);
int oom_watch_new(struct loop *loop, int cgroup, oom_fn killed, void *ctx, struct oom_watch **ret);
/* Look now, so that nothing that has happened is told late. NULL is fine. */
void oom_watch_check(struct oom_watch *watch);
void oom_watch_free(struct oom_watch *watch);

#endif
