/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pump: one direction of a standard stream, from one descriptor to another
 * inside the loop, with a bounded buffer: a side that does not take its bytes
 * stops the other one, and nothing is lost.
 *
 * A pump ends at end of file (EIO of a terminal's master counts as that), when
 * the writing side has gone, or on an error. Then the writing side is shut down
 * after the last byte, both descriptors are closed, and `done` is called, from
 * the loop.
 */
#ifndef VRUN_AGENT_PUMP_H
#define VRUN_AGENT_PUMP_H

struct loop;
struct pump;

typedef void (*pump_done_fn)(void *ctx, struct pump *pump);

/* Takes both descriptors (made non-blocking), even on failure. They must not be in the loop otherwise. */
int pump_new(struct loop *loop, int take_in, int take_out, pump_done_fn done, void *ctx, struct pump **ret);

/*
 * The process that wrote has ended: stop as soon as there is nothing more to
 * read, though others may hold the writing end. `done` may be called at once.
 */
void pump_drain(struct pump *pump);

/* Without `done`. NULL is fine. */
void pump_free(struct pump *pump);

#endif
