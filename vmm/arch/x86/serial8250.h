/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serial8250: COM1 as a 16550A whose output goes to a console_log; for messages
 * before virtio-console is up. Nothing is ever received and no interrupt sent:
 * Linux polls the line status when it prints.
 *
 * Threads: any vCPU; it has its own lock.
 */
#ifndef VRUN_VMM_ARCH_X86_SERIAL8250_H
#define VRUN_VMM_ARCH_X86_SERIAL8250_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct console_log;

enum { SERIAL8250_PORTS = 8, SERIAL8250_LINE = 256 };

struct serial8250 {
	pthread_mutex_t lock;
	struct console_log *log; /* borrowed */
	uint8_t ier, fcr, lcr, mcr, scr;
	uint16_t divisor;
	uint8_t line[SERIAL8250_LINE]; /* output goes on line by line, not by the byte */
	size_t line_len;
};

void serial8250_init(struct serial8250 *s, struct console_log *log);
void serial8250_done(struct serial8250 *s);

/* One register, `offset` below SERIAL8250_PORTS. */
uint8_t serial8250_read(struct serial8250 *s, unsigned offset);
void serial8250_write(struct serial8250 *s, unsigned offset, uint8_t value);

/* Hand over what is not a whole line yet. */
void serial8250_flush(struct serial8250 *s);

#endif
