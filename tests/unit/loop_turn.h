/* SPDX-License-Identifier: Apache-2.0 */
/* loop_turn: let a loop handle what is there, and what that brings within a few milliseconds. */
#ifndef VRUN_TESTS_UNIT_LOOP_TURN_H
#define VRUN_TESTS_UNIT_LOOP_TURN_H

#include "base/loop.h"
#include "tests/unit/test.h"

static inline void loop_turn_stop(void *ctx)
{
	loop_quit(ctx, 0);
}

static inline void loop_turn(struct loop *which)
{
	struct loop_source *timer;

	assert_int_equal(loop_add_timer(which, 5, loop_turn_stop, which, &timer), 0);
	assert_int_equal(loop_run(which), 0);
	loop_remove(timer);
}

#endif
