/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeline: how long each phase of a container's start took, and the VM exits
 * by reason: a line each in the debug log, and ROOT/ID/timeline.json, which
 * vrun-vmm writes once the container runs and again at its end.
 *
 *   { "version": 1, "engine": "kvm", "total": NS,
 *     "phases": { "plan": NS, …, "container": NS },
 *     "agent": { "prepare": NS, "mount": NS, "connect": NS },
 *     "exitsToStart": { "io": N, …, "kvm_exits": N, … }, "exits": { … } }
 *
 * The phases follow each other without a gap but for the wait for START, and sum up to the
 * total. The guest's clock tells where the kernel's, the agent's and the container's meet, as the
 * host sees the agent's messages late, and several at once; "agent" is the inside of that
 * phase. "exits" is there after the end; an engine that can't count has none.
 */
#ifndef VRUN_RUNTIME_TIMELINE_H
#define VRUN_RUNTIME_TIMELINE_H

#include "runtime/guest.h"

#include <stddef.h>
#include <stdint.h>

enum timeline_phase {
	TIMELINE_PLAN, /* vrun, from its start to the parameters for vrun-vmm */
	TIMELINE_LAUNCH, /* until vrun-vmm has them */
	TIMELINE_MACHINE, /* until the first instruction of the guest */
	TIMELINE_KERNEL, /* until the agent's first instruction, the firmware's part included */
	TIMELINE_AGENT, /* until its HELLO */
	TIMELINE_CONTAINER, /* until the container's first instruction, or until it waits for START */
	TIMELINE_START, /* from START to the first instruction; 0 when both were asked for at once */
	TIMELINE_PHASES,
};

enum { TIMELINE_EXITS_MAX = 4096 };

/* CLOCK_MONOTONIC, ns. */
struct timeline {
	uint64_t begun, launched; /* by vrun */
	uint64_t received, first_run, created, started;
	/* START came, for a machine that was not there yet, or for a container that was. 0: there was no waiting. */
	uint64_t waited, start;
	struct guest_times guest;
	uint64_t guest_ready; /* the guest's clock at the end of TIMELINE_CONTAINER */
	char exits_to_start[TIMELINE_EXITS_MAX], exits[TIMELINE_EXITS_MAX]; /* vmm_exits()' lines */
};

/* The file in a container's directory; the descriptor. */
int timeline_create(int dirfd);

void timeline_phases(const struct timeline *t, uint64_t ret[static TIMELINE_PHASES]);

/* To the debug log: the phases, or the exits until the end. */
void timeline_log_phases(const struct timeline *t);
void timeline_log_exits(const char *when, const char *exits);

/* The JSON text; the caller frees it. */
int timeline_text(const struct timeline *t, const char *engine, char **ret_text, size_t *ret_len);
/* Written over the file's old text. Nothing depends on it: errors are for the debug log only. */
void timeline_write(const struct timeline *t, const char *engine, int fd);

#endif
