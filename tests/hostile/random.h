/* SPDX-License-Identifier: Apache-2.0 */
/* random: numbers that a seed repeats (xorshift64*). */
#ifndef VRUN_TESTS_HOSTILE_RANDOM_H
#define VRUN_TESTS_HOSTILE_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

void random_seed(uint64_t seed);
uint64_t random_u64(void);
/* 0 to n - 1; 0 for n = 0. */
unsigned random_below(unsigned n);
bool one_in(unsigned n);

#endif
