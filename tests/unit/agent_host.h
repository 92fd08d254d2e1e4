/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent_host: the host's side of the agent's protocol, against the real agent
 * code in a child process with a mount and a cgroup namespace of its own. Needs
 * root, cgroup v2 and busybox; no VM.
 */
#ifndef VRUN_TESTS_UNIT_AGENT_HOST_H
#define VRUN_TESTS_UNIT_AGENT_HOST_H

#include "oci/agent_proto.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct agent_host {
	pid_t agent;
	int link; /* blocking */
	char rootfs[64]; /* busybox, removed in the end */
	unsigned next_port;
	int listening[3]; /* of the request being made */
	int stream[3]; /* of the latest request: stdin, stdout, stderr; a terminal is [0] */
};

struct agent_host_frame {
	enum agent_msg type;
	uint32_t process;
	uint8_t payload[AGENT_FRAME_MAX_TO_HOST];
	size_t len;
};

enum { WANT_STDIN = 1, WANT_STDOUT = 2, WANT_STDERR = 4, WANT_TERMINAL = 8, WANT_ALL = 7 };

/* Parts of a config.json; NULL takes the default, which is close to `runc spec`. */
struct agent_host_config {
	const char *args; /* JSON array; default: ["true"] */
	const char *process; /* more members of process, with a comma at the end */
	const char *env; /* more elements of process.env, each with a comma in front */
	const char *cwd;
	const char *user; /* JSON object */
	const char *mounts; /* more mounts, each with a comma in front */
	const char *dev_mounts; /* instead of the usual /dev, /dev/pts and /dev/shm */
	const char *namespaces; /* JSON array */
	const char *linux_; /* more members of linux, with a comma at the end */
	const char *top; /* more members at the top, with a comma at the end */
	bool readonly;
};

void agent_host_begin(struct agent_host *h);
/* Closes the link and expects the agent to end by itself. */
void agent_host_end(struct agent_host *h);
/* The agent must end the link by itself for a breach of the protocol. */
void agent_host_expect_protocol_error(struct agent_host *h);

void agent_host_send(struct agent_host *h, enum agent_msg type, uint32_t process, const void *payload,
		     size_t len);
void agent_host_create(struct agent_host *h, const struct agent_host_config *config, unsigned want,
		       bool start);
/* agent_host_begin(), and a container that has started. */
void agent_host_begin_with(struct agent_host *h, const struct agent_host_config *config, unsigned want);
/* `process`: the whole object as JSON. */
void agent_host_exec(struct agent_host *h, uint32_t number, const char *process, unsigned want);
/* Take one more connection, as h->listening[i]: its port. */
uint32_t agent_host_listen(struct agent_host *h, int i);
void agent_host_signal(struct agent_host *h, uint32_t number, int signo, bool all);

/* The next frame; fails the test after 30 s. */
void agent_host_next(struct agent_host *h, struct agent_host_frame *ret);
/* The next frame must be of this type and process. */
void agent_host_expect(struct agent_host *h, enum agent_msg type, uint32_t process,
		       struct agent_host_frame *ret);
/* ... an EXITED with this status and signal, or a FAILED with this errno and stage whose text contains `text`. */
void agent_host_expect_exited(struct agent_host *h, uint32_t process, int status, int signo);
void agent_host_expect_failed(struct agent_host *h, uint32_t process, int error, int stage, const char *text);

/* All of a stream up to its end, NUL-terminated; free() it. */
char *agent_host_read_all(struct agent_host *h, int stream);
/* Read until `text` was seen. */
void agent_host_read_until(int fd, const char *text);

/* Run `args` to its end and return what it printed, both streams together; it must exit with `status`. */
char *agent_host_output(struct agent_host *h, struct agent_host_config config, const char *args, int status);

#endif
