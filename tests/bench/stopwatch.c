/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stopwatch: how long a command takes to its first byte of standard output, and to its end.
 *
 *   stopwatch [-m MARK] COMMAND [ARG...]
 *
 * Prints "FIRST-NS TOTAL-NS" and has the command's exit status. With -m the output counts from where it
 * contains MARK: what an emulated machine's firmware says does not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { KEPT_MAX = 1 << 16 };

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static pid_t start(char **argv, int out)
{
	pid_t pid = fork();

	if (pid == 0) {
		dup2(out, STDOUT_FILENO);
		execvp(argv[0], argv);
		fprintf(stderr, "stopwatch: %s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	return pid;
}

int main(int argc, char **argv)
{
	static char kept[KEPT_MAX + 1];
	const char *mark = NULL;
	uint64_t begun, first = 0, ended;
	size_t len = 0;
	int pipe_fds[2], status;
	ssize_t n;
	pid_t pid;

	if (argc > 2 && strcmp(argv[1], "-m") == 0) {
		mark = argv[2];
		argc -= 2;
		argv += 2;
	}
	if (argc < 2 || pipe2(pipe_fds, O_CLOEXEC) < 0) {
		fprintf(stderr, "usage: stopwatch [-m MARK] COMMAND [ARG...]\n");
		return 1;
	}
	begun = now_ns();
	pid = start(argv + 1, pipe_fds[1]);
	if (pid < 0)
		return 1;
	close(pipe_fds[1]);
	/* What does not fit is not looked at; it is read, or the command would wait. */
	while ((n = read(pipe_fds[0], kept + (len < KEPT_MAX ? len : 0), len < KEPT_MAX ? KEPT_MAX - len : KEPT_MAX)) > 0) {
		if (len < KEPT_MAX)
			len += (size_t)n;
		kept[len] = '\0';
		if (!first && (!mark || strstr(kept, mark)))
			first = now_ns();
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	ended = now_ns();
	if (!first) {
		fprintf(stderr, "stopwatch: no output%s%s\n%s", mark ? " with " : "", mark ? mark : "", kept);
		return 1;
	}
	printf("%llu %llu\n", (unsigned long long)(first - begun), (unsigned long long)(ended - begun));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
