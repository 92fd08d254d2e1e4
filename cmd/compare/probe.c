/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe (vrun-probe): what `vrun compare` runs inside of both containers. Static, so that it runs in any
 * root file system. It prints lines "KEY VALUE" on standard output, and judges nothing.
 *
 * It must do no harm to a host that it shares: what could (panic, all of memory, a bomb of processes)
 * has a verb of its own, and compare.c alone decides where that is run.
 */
#include "cmd/compare/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int wait_forever(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	say("ready", "1");
	/* Until it is killed. */
	while (pause() < 0)
		;
	return 0;
}

static int nothing(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} verbs[] = {
	{ "true", nothing },	    { "wait", wait_forever },
	{ "facts", probe_facts },   { "attempts", probe_attempts },
	{ "panic", probe_panic },   { "bomb", probe_bomb }, /* MAX */
	{ "memory", probe_memory }, /* MAX_MIB */
	{ "work", probe_work }, /* DIR */
	{ "bench", probe_bench }, /* DIR */
};

void say(const char *key, const char *value)
{
	printf("%s %s\n", key, value);
	fflush(stdout);
}

void say_number(const char *key, double value)
{
	printf("%s %.6g\n", key, value);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].run(argc - 2, argv + 2);
	}
	fprintf(stderr, "vrun-probe: run by `vrun compare` inside of containers\n");
	return 1;
}
