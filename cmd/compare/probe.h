/* SPDX-License-Identifier: Apache-2.0 */
/* probe: the verbs of vrun-probe; see probe.c. Each returns an exit status. */
#ifndef VRUN_CMD_COMPARE_PROBE_H
#define VRUN_CMD_COMPARE_PROBE_H

/* A line of output. Keys hold no blank. */
void say(const char *key, const char *value);
void say_number(const char *key, double value);

/* What is seen: kernel, processes, devices, logs, symbols, mounts, ids. Looks only. */
int probe_facts(int argc, char **argv);

/* What a container should not be able to do, tried so that it changes nothing where it succeeds. */
int probe_attempts(int argc, char **argv);

/* Crash this kernel by sysrq. Returns only when it could not. */
int probe_panic(int argc, char **argv);

/* Start processes until one is refused, at most argv[0]; says how many there were. */
int probe_bomb(int argc, char **argv);

/* Use memory, MiB by MiB, at most argv[0]; says after each how much. */
int probe_memory(int argc, char **argv);

/* A little of everything that programs do, in directory argv[0]; the same each time. */
int probe_work(int argc, char **argv);

/* How fast: each measure PROBE_ROUNDS times, in directory argv[0]. Keys are those of cost.c. */
int probe_bench(int argc, char **argv);

enum { PROBE_ROUNDS = 5 };

#endif
