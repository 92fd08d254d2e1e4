/* SPDX-License-Identifier: Apache-2.0 */
/*
 * terminal: a pseudo terminal of the container's own devpts, for processes with
 * process.terminal.
 */
#ifndef VRUN_AGENT_TERMINAL_H
#define VRUN_AGENT_TERMINAL_H

#include <stdint.h>
#include <sys/types.h>

struct err;

/*
 * Open a new pair through `root`'s /dev/ptmx (O_PATH; "/" once inside). A size of
 * 0 leaves the kernel's. Both descriptors are the caller's.
 */
int terminal_open(int root, uint16_t rows, uint16_t cols, int *ret_master, int *ret_slave, struct err *err);

/* Put the slave at /dev/console, where the container's first process expects it. */
int terminal_bind_console(int root, int slave, struct err *err);

int terminal_resize(int master, uint16_t rows, uint16_t cols);

#endif
