/* SPDX-License-Identifier: Apache-2.0 */
/* events: what a container uses and what befalls it, in runc's JSON (its types/events.go). */
#ifndef VRUN_RUNTIME_EVENTS_H
#define VRUN_RUNTIME_EVENTS_H

#include <stddef.h>
#include <stdint.h>

struct agent_stats;
struct err;
struct json_out;
struct lookup;

/* Ask the guest; waits some seconds for it. The caller ends *ret. */
int events_stats(const struct lookup *container, struct agent_stats *ret, struct err *err);

/*
 * The network interfaces alone, as vrun-vmm counts them: a paused container's, too, and without waiting
 * for longer than a moment. The rest of *ret is 0.
 */
int events_links(const struct lookup *container, struct agent_stats *ret, struct err *err);
/* They as the member "network_interfaces" of the object that is being written. */
void events_put_links(struct json_out *out, const struct agent_stats *stats);

/* One line of JSON without its newline; the caller frees it. `stats` NULL: an "oom" event. */
int events_text(const char *id, const struct agent_stats *stats, char **ret_text, size_t *ret_len);

/* A connection that gets a packet for each want of memory, and ends with the container. Descriptor or -errno. */
int events_subscribe(const struct lookup *container, struct err *err);

/* "5s", "100ms", "1m30s", "1.5h" as Go has them. -EINVAL. */
int events_parse_interval(const char *text, uint64_t *ret_ns);

#endif
