/* SPDX-License-Identifier: Apache-2.0 */
/* agent_link: frames cross whole however the stream cuts them, and bad ones end the link. */
#include "base/cleanup.h"
#include "base/fd.h"
#include "oci/agent_proto.h"
#include "tests/unit/test.h"

#include <poll.h>
#include <sys/socket.h>

struct peer {
	struct agent_link *link;
	int fd; /* the other end */
	unsigned frames;
	enum agent_msg type;
	uint32_t process;
	uint8_t *payload;
	size_t len;
	int answer; /* what the handler returns */
};

static int on_frame(void *ctx, enum agent_msg type, uint32_t process, const uint8_t *payload, size_t len)
{
	struct peer *p = ctx;

	p->frames++;
	p->type = type;
	p->process = process;
	free(p->payload);
	p->payload = malloc(len + 1);
	assert_non_null(p->payload);
	memcpy(p->payload, payload, len);
	p->len = len;
	return p->answer;
}

static const struct agent_link_handlers handlers = { .frame = on_frame };

static void peer_open(struct peer *p, size_t max_in)
{
	int fds[2];

	*p = (struct peer){ 0 };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(agent_link_new(fds[0], max_in, &handlers, p, &p->link), 0);
	p->fd = fds[1];
}

static void peer_close(struct peer *p)
{
	agent_link_free(p->link);
	close_fd(p->fd);
	free(p->payload);
}

static void put_frame(uint8_t *buf, uint32_t len, uint16_t type, uint16_t reserved, uint32_t process,
		      uint32_t reserved2)
{
	put_le32(buf, len);
	put_le16(buf + 4, type);
	put_le16(buf + 6, reserved);
	put_le32(buf + 8, process);
	put_le32(buf + 12, reserved2);
}

static void a_frame_arrives_byte_by_byte(void **state)
{
	uint8_t buf[16 + 8];
	struct peer p;

	(void)state;
	peer_open(&p, AGENT_FRAME_MAX_TO_GUEST);
	put_frame(buf, 8, AGENT_MSG_SIGNAL, 0, 7, 0);
	put_le32(buf + 16, 15);
	put_le32(buf + 20, 1);
	for (size_t i = 0; i < sizeof(buf); i++) {
		assert_int_equal(p.frames, 0);
		assert_int_equal(fd_write_all(p.fd, buf + i, 1), 0);
		assert_int_equal(agent_link_on_readable(p.link), 0);
	}
	assert_int_equal(p.frames, 1);
	assert_int_equal(p.type, AGENT_MSG_SIGNAL);
	assert_int_equal(p.process, 7);
	assert_int_equal(p.len, 8);
	assert_memory_equal(p.payload, buf + 16, 8);
	assert_int_equal(agent_link_on_readable(p.link), 0);
	peer_close(&p);
}

static void several_frames_arrive_in_one_read(void **state)
{
	uint8_t buf[3 * 16];
	struct peer p;

	(void)state;
	peer_open(&p, AGENT_FRAME_MAX_TO_GUEST);
	put_frame(buf, 0, AGENT_MSG_START, 0, 0, 0);
	put_frame(buf + 16, 0, AGENT_MSG_SYNC, 0, 0, 0);
	put_frame(buf + 32, 0, AGENT_MSG_START, 0, 5, 0);
	assert_int_equal(fd_write_all(p.fd, buf, sizeof(buf)), 0);
	assert_int_equal(agent_link_on_readable(p.link), 0);
	assert_int_equal(p.frames, 3);
	assert_int_equal(p.process, 5);
	peer_close(&p);
}

static void bad_headers_end_the_link(void **state)
{
	static const struct {
		uint32_t len;
		uint16_t type, reserved;
		uint32_t reserved2;
	} cases[] = {
		{ 0, 0, 0, 0 },
		{ 0, 32, 0, 0 },
		{ 1, AGENT_MSG_PS, 0, 0 },
		{ 0, 63, 0, 0 },
		{ 0, 128, 0, 0 },
		{ 0, 65535, 0, 0 },
		{ 0, AGENT_MSG_START, 1, 0 },
		{ 0, AGENT_MSG_START, 0, 1 },
		{ 1, AGENT_MSG_START, 0, 0 },
		{ 1, AGENT_MSG_SYNC, 0, 0 },
		{ 1, AGENT_MSG_DEVICES, 0, 0 },
		{ 7, AGENT_MSG_CREATED, 0, 0 },
		{ 9, AGENT_MSG_STARTED, 0, 0 },
		{ 1, AGENT_MSG_SYNCED, 0, 0 },
		{ 0, AGENT_MSG_CREATE, 0, 0 },
		{ 0, AGENT_MSG_EXEC, 0, 0 },
		{ 7, AGENT_MSG_SIGNAL, 0, 0 },
		{ 9, AGENT_MSG_SIGNAL, 0, 0 },
		{ 3, AGENT_MSG_RESIZE, 0, 0 },
		{ 4, AGENT_MSG_PROC, 0, 0 },
		{ 12, AGENT_MSG_PROC, 0, 0 },
		{ 3, AGENT_MSG_HELLO, 0, 0 },
		{ 7, AGENT_MSG_FAILED, 0, 0 },
		{ 4, AGENT_MSG_EXITED, 0, 0 },
		{ 0, AGENT_MSG_UPDATE, 0, 0 },
		{ 1, AGENT_MSG_STATS, 0, 0 },
		{ 7, AGENT_MSG_ANSWER, 0, 0 },
		{ 4, AGENT_MSG_OOM, 0, 0 },
		{ 12, AGENT_MSG_OPEN, 0, 0 },
		{ 4, AGENT_MSG_OPENED, 0, 0 },
		{ 4, AGENT_MSG_SECCOMP, 0, 0 },
		{ 4 + 7, AGENT_MSG_SECCOMP, 0, 0 },
		{ 4 + 8 * 4097, AGENT_MSG_SECCOMP, 0, 0 },
		{ 65537, AGENT_MSG_LOG, 0, 0 },
		{ UINT32_MAX, AGENT_MSG_CREATE, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t buf[16];
		struct peer p;

		peer_open(&p, AGENT_FRAME_MAX_TO_HOST);
		put_frame(buf, cases[i].len, cases[i].type, cases[i].reserved, 0, cases[i].reserved2);
		assert_int_equal(fd_write_all(p.fd, buf, sizeof(buf)), 0);
		if (agent_link_on_readable(p.link) != -EPROTO)
			fail_msg("header %zu was taken", i);
		assert_int_equal(p.frames, 0);
		/* For good. */
		assert_int_equal(agent_link_on_readable(p.link), -EPROTO);
		assert_int_equal(agent_link_send(p.link, AGENT_MSG_START, 0, NULL, 0), -EPIPE);
		assert_false(agent_link_wants_write(p.link));
		peer_close(&p);
	}
}

static void the_handlers_error_ends_the_link(void **state)
{
	uint8_t buf[2 * 16];
	struct peer p;

	(void)state;
	peer_open(&p, AGENT_FRAME_MAX_TO_HOST);
	p.answer = -ESRCH;
	put_frame(buf, 0, AGENT_MSG_STARTED, 0, 0, 0);
	put_frame(buf + 16, 0, AGENT_MSG_STARTED, 0, 0, 0);
	assert_int_equal(fd_write_all(p.fd, buf, sizeof(buf)), 0);
	assert_int_equal(agent_link_on_readable(p.link), -ESRCH);
	assert_int_equal(p.frames, 1);
	assert_int_equal(agent_link_on_readable(p.link), -ESRCH);
	assert_int_equal(p.frames, 1);
	peer_close(&p);
}

static void end_of_file_is_reported(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, AGENT_FRAME_MAX_TO_HOST);
	p.fd = close_fd(p.fd);
	assert_int_equal(agent_link_on_readable(p.link), -ENODATA);
	peer_close(&p);
}

static void a_gone_peer_fails_the_send(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, AGENT_FRAME_MAX_TO_HOST);
	p.fd = close_fd(p.fd);
	assert_int_equal(agent_link_send(p.link, AGENT_MSG_START, 0, NULL, 0), -EPIPE);
	assert_int_equal(agent_link_send(p.link, AGENT_MSG_START, 0, NULL, 0), -EPIPE);
	peer_close(&p);
}

/* Larger than any socket buffer: it goes in parts and the order holds. */
static void large_frames_cross_in_parts(void **state)
{
	struct peer to, from;
	size_t len = AGENT_FRAME_MAX_TO_GUEST;
	_cleanup_free_ uint8_t *payload = malloc(len);
	int fds[2];

	(void)state;
	assert_non_null(payload);
	for (size_t i = 0; i < len; i++)
		payload[i] = i * 2654435761u >> 24;
	to = from = (struct peer){ .fd = -EBADF };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(agent_link_new(fds[0], AGENT_FRAME_MAX_TO_HOST, &handlers, &from, &from.link), 0);
	assert_int_equal(agent_link_new(fds[1], AGENT_FRAME_MAX_TO_GUEST, &handlers, &to, &to.link), 0);
	assert_int_equal(agent_link_send(from.link, AGENT_MSG_CREATE, 0, payload, len), 0);
	assert_int_equal(agent_link_send(from.link, AGENT_MSG_START, 9, NULL, 0), 0);
	assert_true(agent_link_wants_write(from.link));
	while (to.frames < 2) {
		struct pollfd pfd = { .fd = agent_link_fd(to.link), .events = POLLIN };

		if (agent_link_wants_write(from.link))
			assert_int_equal(agent_link_on_writable(from.link), 0);
		assert_int_equal(poll(&pfd, 1, 5000), 1);
		assert_int_equal(agent_link_on_readable(to.link), 0);
		if (to.frames == 1 && to.type == AGENT_MSG_CREATE) {
			assert_int_equal(to.len, len);
			assert_memory_equal(to.payload, payload, len);
		}
	}
	assert_false(agent_link_wants_write(from.link));
	assert_int_equal(to.type, AGENT_MSG_START);
	assert_int_equal(to.process, 9);
	peer_close(&to);
	peer_close(&from);
}

static void what_is_too_large_is_not_sent(void **state)
{
	_cleanup_free_ uint8_t *payload = calloc(1, AGENT_FRAME_MAX_TO_GUEST + 1);
	struct peer p;
	int r = 0;

	(void)state;
	peer_open(&p, AGENT_FRAME_MAX_TO_HOST);
	assert_int_equal(agent_link_send(p.link, AGENT_MSG_CREATE, 0, payload, AGENT_FRAME_MAX_TO_GUEST + 1),
			 -EMSGSIZE);
	assert_int_equal(agent_link_send(p.link, AGENT_MSG_CREATE, 0, payload, 100), 0);
	/* A peer that never reads: the queue has an end. */
	for (int i = 0; i < 6 && !r; i++)
		r = agent_link_send(p.link, AGENT_MSG_CREATE, 0, payload, AGENT_FRAME_MAX_TO_GUEST);
	assert_int_equal(r, -EPIPE);
	peer_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_arrives_byte_by_byte),
		cmocka_unit_test(several_frames_arrive_in_one_read),
		cmocka_unit_test(bad_headers_end_the_link),
		cmocka_unit_test(the_handlers_error_ends_the_link),
		cmocka_unit_test(end_of_file_is_reported),
		cmocka_unit_test(a_gone_peer_fails_the_send),
		cmocka_unit_test(large_frames_cross_in_parts),
		cmocka_unit_test(what_is_too_large_is_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
