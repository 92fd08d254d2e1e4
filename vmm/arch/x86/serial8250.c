/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serial8250: the registers of a 16550A that Linux looks at when it probes and
 * prints (National Semiconductor PC16550D data sheet, §8).
 */
#include "vmm/arch/x86/serial8250.h"

#include "vmm/console_log.h"

enum { DATA, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR };

enum {
	IER_MASK = 0x0f,
	IIR_NONE = 0x01, /* no interrupt pending */
	IIR_FIFO = 0xc0, /* FIFOs on: how a 16550A is told from its elders */
	FCR_ENABLE = 0x01,
	LCR_DLAB = 0x80, /* registers 0 and 1 are the divisor */
	MCR_MASK = 0x1f,
	MCR_LOOP = 0x10,
	LSR_IDLE = 0x60, /* transmitter empty: output never blocks */
	MSR_CONNECTED = 0xb0, /* carrier, data set ready, clear to send */
	DIVISOR_9600 = 12,
};

void serial8250_init(struct serial8250 *s, struct console_log *log)
{
	*s = (struct serial8250){ .log = log, .divisor = DIVISOR_9600 };
	pthread_mutex_init(&s->lock, NULL);
}

static void flush(struct serial8250 *s)
{
	console_log_write(s->log, s->line, s->line_len);
	s->line_len = 0;
}

void serial8250_flush(struct serial8250 *s)
{
	pthread_mutex_lock(&s->lock);
	flush(s);
	pthread_mutex_unlock(&s->lock);
}

void serial8250_done(struct serial8250 *s)
{
	serial8250_flush(s);
	pthread_mutex_destroy(&s->lock);
}

/* In loop-back the modem's inputs show our outputs: DTR as DSR, RTS as CTS, OUT1 as RI, OUT2 as DCD. */
static uint8_t modem_status(const struct serial8250 *s)
{
	uint8_t mcr = s->mcr;

	if (!(mcr & MCR_LOOP))
		return MSR_CONNECTED;
	return (uint8_t)((mcr & 1) << 5 | (mcr & 2) << 3 | (mcr & 4) << 4 | (mcr & 8) << 4);
}

uint8_t serial8250_read(struct serial8250 *s, unsigned offset)
{
	uint8_t value = 0;

	pthread_mutex_lock(&s->lock);
	switch (offset) {
	case DATA:
		value = s->lcr & LCR_DLAB ? (uint8_t)s->divisor : 0;
		break;
	case IER:
		value = s->lcr & LCR_DLAB ? (uint8_t)(s->divisor >> 8) : s->ier;
		break;
	case IIR_FCR:
		value = s->fcr & FCR_ENABLE ? IIR_NONE | IIR_FIFO : IIR_NONE;
		break;
	case LCR:
		value = s->lcr;
		break;
	case MCR:
		value = s->mcr;
		break;
	case LSR:
		value = LSR_IDLE;
		break;
	case MSR:
		value = modem_status(s);
		break;
	case SCR:
		value = s->scr;
		break;
	}
	pthread_mutex_unlock(&s->lock);
	return value;
}

static void transmit(struct serial8250 *s, uint8_t value)
{
	if (s->mcr & MCR_LOOP)
		return;
	s->line[s->line_len++] = value;
	if (value == '\n' || s->line_len == sizeof(s->line))
		flush(s);
}

void serial8250_write(struct serial8250 *s, unsigned offset, uint8_t value)
{
	pthread_mutex_lock(&s->lock);
	switch (offset) {
	case DATA:
		if (s->lcr & LCR_DLAB)
			s->divisor = (uint16_t)((s->divisor & 0xff00) | value);
		else
			transmit(s, value);
		break;
	case IER:
		if (s->lcr & LCR_DLAB)
			s->divisor = (uint16_t)((s->divisor & 0xff) | value << 8);
		else
			s->ier = value & IER_MASK;
		break;
	case IIR_FCR:
		s->fcr = value;
		break;
	case LCR:
		s->lcr = value;
		break;
	case MCR:
		s->mcr = value & MCR_MASK;
		break;
	case SCR:
		s->scr = value;
		break;
	default: /* LSR and MSR are read-only */
		break;
	}
	pthread_mutex_unlock(&s->lock);
}
