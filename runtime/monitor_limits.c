/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_limits: new limits for the container in the guest, what it uses, and its
 * want of memory: between control connections and the agent. And all requests to the agent that
 * have a number.
 *
 * A request has a number by which the agent's answer finds it. A connection that
 * closes leaves its request behind, for the answer that still comes.
 */
#include "runtime/monitor_internal.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "oci/agent_proto.h"
#include "oci/agent_stats.h"
#include "runtime/guest.h"
#include "runtime/proc_fs.h"
#include "runtime/text.h"
#include "vmm/vmm.h"

#include <stdio.h>
#include <string.h>

enum { REQUESTS_MAX = 256, TEXT_MAX = 1024 };

struct monitor_request {
	struct monitor_request *next;
	uint32_t number;
	enum agent_msg type;
	struct control_conn *conn; /* NULL: nobody waits */
};

struct monitor_listener {
	struct monitor_listener *next;
	struct control_conn *conn;
};

/* --- requests --- */

int monitor_ask(struct monitor *m, enum agent_msg type, const void *payload, size_t len,
		struct control_conn *conn, struct err *err)
{
	struct monitor_request *request;
	unsigned n = 0;
	int r;

	for (request = m->requests; request; request = request->next)
		n++;
	if (n >= REQUESTS_MAX)
		return err_set(err, -EBUSY, "the guest's agent has not answered %u requests", n);
	request = calloc(1, sizeof(*request));
	if (!request)
		return err_set(err, -ENOMEM, "out of memory");
	r = guest_request(m->guest, type, m->next_request, payload, len);
	if (r < 0) {
		free(request);
		return err_set_errno(err, r, "the guest's agent");
	}
	*request = (struct monitor_request){ m->requests, m->next_request++, type, conn };
	m->requests = request;
	return conn ? CONTROL_LATER : 0;
}

static void tell(struct control_conn *conn, int error, const char *text)
{
	const struct message msg = {
		.type = error ? MESSAGE_ERROR : MESSAGE_OK,
		.number = error,
		.text = text,
	};

	if (conn)
		control_reply(conn, &msg);
}

/* The shape is checked here, and what goes on is written anew. */
static void tell_stats(struct control_conn *conn, const uint8_t *body, size_t len)
{
	_cleanup_agent_stats_ struct agent_stats stats = { .pids = 0 };
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;
	size_t text_len;
	int r;

	r = agent_stats_parse((const char *)body, len, &stats, &err);
	if (r == 0)
		r = agent_stats_write(&stats, &text, &text_len);
	if (r == 0 && text_len > MESSAGE_TEXT_MAX)
		r = -EMSGSIZE;
	if (r < 0)
		log_debug("statistics of the guest: %s", err.code ? err.text : strerrorname_np(-r));
	tell(conn, -r, r < 0 ? "the guest's statistics can't be read" : text);
}

int monitor_answered(void *ctx, uint32_t number, int error, const uint8_t *body, size_t len)
{
	struct monitor *m = ctx;
	struct monitor_request **link = &m->requests, *request;
	char text[TEXT_MAX];
	int r = 0;

	while (*link && (*link)->number != number)
		link = &(*link)->next;
	request = *link;
	if (!request)
		return -EPROTO;
	*link = request->next;
	if (request->type == AGENT_MSG_PROC) {
		r = proc_fs_answer(m->proc, number, error, body, len);
	} else if (error) {
		text_from_guest(body, len, text, sizeof(text));
		tell(request->conn, error, text[0] ? text : strerror(error));
		if (!request->conn)
			log_error("the container's new limits: %s", text);
	} else if (request->type == AGENT_MSG_STATS) {
		tell_stats(request->conn, body, len);
	} else {
		tell(request->conn, 0, NULL);
	}
	free(request);
	return r;
}

/* --- limits --- */

int monitor_update(struct monitor *m, struct control_conn *conn, struct message *msg, struct err *err)
{
	_cleanup_close_ int fd = message_take_fd(msg, 0);
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	if (fd < 0)
		return err_set(err, -EINVAL, "there are no limits");
	r = fd_read_whole(fd, AGENT_FRAME_MAX_TO_GUEST, &text, &len);
	if (r < 0)
		return err_set_errno(err, r, "the new limits");
	if (!m->guest) {
		free(m->update);
		m->update = TAKE_PTR(text);
		return 0;
	}
	return monitor_ask(m, AGENT_MSG_UPDATE, text, len, m->paused ? NULL : conn, err);
}

int monitor_update_late(struct monitor *m)
{
	_cleanup_free_ char *text = TAKE_PTR(m->update);

	return text ? monitor_ask(m, AGENT_MSG_UPDATE, text, strlen(text), NULL, NULL) : 0;
}

/* --- what it uses --- */

/* The interfaces as our devices count them: no guest is asked. */
static int tell_links(const struct monitor *m, struct control_conn *conn, struct err *err)
{
	_cleanup_agent_stats_ struct agent_stats stats = { .pids = 0 };
	_cleanup_free_ char *text = NULL;
	struct vmm_net_stats net;
	size_t len;

	stats.links = calloc(AGENT_STATS_LINKS_MAX, sizeof(*stats.links));
	if (!stats.links)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < AGENT_STATS_LINKS_MAX && vmm_net_stats(m->vmm, i, &net) == 0; i++) {
		struct agent_stats_link *link = &stats.links[stats.n_links++];

		*link = (struct agent_stats_link){
			.name = strdup(net.name),
			.rx_bytes = net.rx_bytes,
			.rx_packets = net.rx_packets,
			.rx_dropped = net.rx_dropped,
			.tx_bytes = net.tx_bytes,
			.tx_packets = net.tx_packets,
			.tx_dropped = net.tx_dropped,
		};
		if (!link->name)
			return err_set(err, -ENOMEM, "out of memory");
	}
	if (agent_stats_write(&stats, &text, &len) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	tell(conn, 0, text);
	return CONTROL_LATER;
}

int monitor_stats(struct monitor *m, struct control_conn *conn, bool only_links, struct err *err)
{
	if (only_links && m->vmm)
		return tell_links(m, conn, err);
	if (m->phase < MONITOR_CREATED)
		return err_set(err, -EAGAIN, "the container's VM has not booted yet");
	if (m->paused)
		return err_set(err, -EAGAIN, "the container is paused: its VM can't be asked");
	return monitor_ask(m, AGENT_MSG_STATS, NULL, 0, conn, err);
}

/* --- want of memory --- */

int monitor_events(struct monitor *m, struct control_conn *conn, struct err *err)
{
	struct monitor_listener *listener = calloc(1, sizeof(*listener));

	if (!listener)
		return err_set(err, -ENOMEM, "out of memory");
	*listener = (struct monitor_listener){ m->listeners, conn };
	m->listeners = listener;
	return 0;
}

void monitor_oom(void *ctx, uint64_t kills)
{
	const struct message msg = { .type = MESSAGE_OOM };
	struct monitor *m = ctx;

	/* The guest's word is good for one event at a time. */
	LOG_RATELIMITED(LOG_LEVEL_WARN, "the container is out of memory: %llu of its processes were killed",
			(unsigned long long)kills);
	for (struct monitor_listener *l = m->listeners; l; l = l->next)
		control_reply(l->conn, &msg);
}

/* --- the end --- */

void monitor_limits_closed(struct monitor *m, const struct control_conn *conn)
{
	for (struct monitor_request *request = m->requests; request; request = request->next)
		if (request->conn == conn)
			request->conn = NULL;
	for (struct monitor_listener **link = &m->listeners; *link;) {
		struct monitor_listener *listener = *link;

		if (listener->conn != conn) {
			link = &listener->next;
			continue;
		}
		*link = listener->next;
		free(listener);
	}
}

void monitor_limits_free(struct monitor *m)
{
	while (m->requests) {
		struct monitor_request *request = m->requests;

		m->requests = request->next;
		free(request);
	}
	while (m->listeners) {
		struct monitor_listener *listener = m->listeners;

		m->listeners = listener->next;
		free(listener);
	}
	free(TAKE_PTR(m->update));
}
