/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock_stream_fixture: one device, one guest and one stream between PORT and
 * HOST_PORT, for the tests of streams; what they send, and what they expect.
 */
#ifndef VRUN_TESTS_UNIT_VSOCK_STREAM_FIXTURE_H
#define VRUN_TESTS_UNIT_VSOCK_STREAM_FIXTURE_H

#include "tests/unit/vsock_guest.h"

enum { PORT = 1000, HOST_PORT = 5000 };

extern struct guest g;
extern struct guest_packet packet; /* the last one received */

/* How the stream's end was reported. */
struct end_report {
	unsigned calls;
	enum vsock_end why;
};
extern struct end_report end;

/* Our ends of the two pipes: what the guest gets is written to `in`, what it sends is read from `out`. */
struct pipe_ends {
	int in, out;
};
extern struct pipe_ends ends;

/* A vsock_end_fn that fills `end`. */
void on_end(void *ctx, enum vsock_end why);

/* cmocka set-up and tear-down: a started device with 16 rx buffers. */
int set_up(void **state);
int tear_down(void **state);

/* The guest sends; then the device has its turns. */
void send_op(uint16_t op, uint32_t flags);
void send_data(const void *data, uint32_t len);
void send_credit(uint32_t buf_alloc, uint32_t fwd_cnt);

/* The next packet to the guest: of any stream, then of ours. */
void expect_packet(uint16_t op);
void expect_op(uint16_t op);
void expect_shutdown(uint32_t flags);
void expect_nothing(void);
void expect_end(enum vsock_end why);

/* The guest opens our stream over these descriptors, two pipes, or a socket pair. */
void open_stream(int rfd, int wfd);
void open_piped(void);
void close_ends(void);
void open_socket(int *ret_fd);

/* What the host reads and writes at its ends. */
void expect_text(int fd, const char *text);
void expect_eof(int fd);
void write_text(int fd, const char *text);
void expect_data(const char *text);

#endif
