/* SPDX-License-Identifier: Apache-2.0 */
/*
 * twins: two programs that differ in one constant of their code, at the same address.
 *
 *   /twins ROUNDS	(a copy of either) runs /twin1 and /twin2 in turn, each in pages that the other may have just had: its own
 *			are given back after it; says how many did not end with their own number
 *   /twinN		ends with its number
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef TWIN
#define TWIN 1
#endif

__attribute__((noinline)) static int number(void)
{
	return TWIN;
}

static int run(const char *path)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execl(path, path, NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(int argc, char **argv)
{
	static const char *const paths[] = { "/twin1", "/twin2" };
	int wrong = 0;

	if (argc < 2)
		return number();
	for (int round = atoi(argv[1]); round > 0; round--) {
		for (int i = 0; i < 2; i++) {
			int fd = open(paths[i], O_RDONLY | O_CLOEXEC);

			wrong += run(paths[i]) != i + 1;
			if (fd < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
				return 1;
			close(fd);
		}
	}
	printf("%d wrong\n", wrong);
	return wrong > 0;
}
