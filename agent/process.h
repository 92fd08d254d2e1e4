/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process: a process of the container as the agent knows it: its standard
 * streams, its way from clone to execve, its end.
 *
 * The owner (agent.c) learns of each step by callbacks, all from the loop:
 *
 *	launched -> ready -> (process_start) -> started -> exited -> settled
 *	         -> failed at any point before `started`
 */
#ifndef VRUN_AGENT_PROCESS_H
#define VRUN_AGENT_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct agent_exec;
struct container;
struct err;
struct loop;
struct oci_process;
struct process;

struct process_handlers {
	/* Set up, waits for process_start(). */
	void (*ready)(void *ctx, struct process *process);
	void (*started)(void *ctx, struct process *process);
	/* `error`: positive errno; `stage`: enum agent_stage. */
	void (*failed)(void *ctx, struct process *process, int error, uint32_t stage, const char *text);
	/* A stream has ended. */
	void (*stream_ended)(void *ctx, struct process *process);
};

/* Begin a connection to one of the host's stream ports: a non-blocking socket or -errno. */
struct stream_connector {
	int (*connect)(void *ctx, uint32_t port);
	void *ctx;
};

struct process_env_of_agent {
	struct loop *loop;
	const struct stream_connector *connector;
	const struct process_handlers *handlers;
	void *ctx;
};

/* Clone it and connect its streams. The request's process is borrowed until the process is freed. */
int process_launch(const struct process_env_of_agent *env, struct container *container, uint32_t number,
		   const struct agent_exec *request, struct process **ret, struct err *err);
/* Kills it if it still runs (the loop reaps it). NULL is fine. */
void process_free(struct process *process);

uint32_t process_number(const struct process *process);
pid_t process_pid(const struct process *process);
bool process_is_started(const struct process *process);
bool process_is_ready(const struct process *process);

/* Let a ready process go on to execve(). */
int process_start(struct process *process);
int process_signal(struct process *process, int signo);
/* Remembered until there is a terminal. */
void process_resize(struct process *process, uint16_t rows, uint16_t cols);

/* It was reaped: take in what it still reported. */
void process_set_exited(struct process *process, int wait_status);
bool process_has_exited(const struct process *process, int *ret_wait_status);
/* No more output can come but what is in the pipes: end the streams when that is through. */
void process_drain(struct process *process);
/* All output was handed over. */
bool process_is_drained(const struct process *process);

#endif
