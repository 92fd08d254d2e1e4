/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay: our own standard input and output joined to the master of a terminal
 * pair; our terminal, if we have one, is raw meanwhile and its size is copied.
 */
#ifndef VRUN_RUNTIME_RELAY_H
#define VRUN_RUNTIME_RELAY_H

struct loop;
struct relay;

/* The terminal is raw from here to relay_free(). */
int relay_new(struct loop *loop, int take_master, struct relay **ret);
/* Our terminal's size to the master: at first, and on SIGWINCH. */
void relay_resize(struct relay *relay);
/* The other side is gone: write out what it left. */
void relay_drain(struct relay *relay);
/* Puts the terminal back. NULL is fine. */
void relay_free(struct relay *relay);

#endif
