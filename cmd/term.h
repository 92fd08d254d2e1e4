/* SPDX-License-Identifier: Apache-2.0 */
/* term: what a person sees where a terminal is, and no program gets to read. */
#ifndef VRUN_CMD_TERM_H
#define VRUN_CMD_TERM_H

#include <stdbool.h>

/* Colours only where a person looks, and did not ask for none (no-color.org). */
bool term_colours(int fd);

#endif
