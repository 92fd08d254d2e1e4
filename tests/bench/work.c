/* SPDX-License-Identifier: Apache-2.0 */
/*
 * work: what `make bench` has done inside of each container, and natively. Static: any root file system will do.
 *
 *   work cpu|syscall|read|mmap|write|create|stat|remove|run ARG...
 *
 * Prints the time it took in ns. The sizes are the caller's; the data is made by `write` and `create`.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 128 << 10, NAME_MAX_LEN = 4096 };

static uint8_t block[BLOCK];

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "work: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);

	check(fd >= 0, path);
	return fd;
}

/* Integer arithmetic with a dependency from step to step. */
static void cpu(const char *count)
{
	uint64_t x = 88172645463325252ULL;

	for (unsigned long n = strtoul(count, NULL, 0); n > 0; n--) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	/* Used, or it would not be computed. */
	check(x != 0, "cpu");
}

static void system_calls(const char *count)
{
	for (unsigned long n = strtoul(count, NULL, 0); n > 0; n--)
		check(syscall(SYS_getppid) >= 0, "getppid");
}

static void read_file(const char *path)
{
	int fd = open_file(path, O_RDONLY);
	ssize_t n;

	while ((n = read(fd, block, sizeof(block))) > 0)
		;
	check(n == 0, path);
	close(fd);
}

/* One byte of each page. */
static void map_file(const char *path)
{
	int fd = open_file(path, O_RDONLY);
	const volatile uint8_t *map;
	struct stat st;
	uint64_t sum = 0;

	check(fstat(fd, &st) == 0 && st.st_size > 0, path);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	check(map != MAP_FAILED, "mmap");
	for (off_t i = 0; i < st.st_size; i += 4096)
		sum += map[i];
	check(sum > 0, "an empty file");
	close(fd);
}

static void write_file(const char *path, const char *mib)
{
	int fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);

	memset(block, 'w', sizeof(block));
	for (size_t left = strtoul(mib, NULL, 0) << 20; left > 0; left -= sizeof(block))
		check(write(fd, block, sizeof(block)) == sizeof(block), path);
	check(close(fd) == 0, path);
}

static void each(const char *dir, const char *count, void (*fn)(const char *path))
{
	char path[NAME_MAX_LEN];

	for (unsigned long i = 0, n = strtoul(count, NULL, 0); i < n; i++) {
		snprintf(path, sizeof(path), "%s/f%lu", dir, i);
		fn(path);
	}
}

static void create_one(const char *path)
{
	check(close(open_file(path, O_WRONLY | O_CREAT | O_EXCL)) == 0, path);
}

static void stat_one(const char *path)
{
	struct stat st;

	check(stat(path, &st) == 0, path);
}

static void remove_one(const char *path)
{
	check(unlink(path) == 0, path);
}

/* A program, without its output. */
static void run(char **argv)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		int fd = open_file("/dev/null", O_WRONLY);

		dup2(fd, STDOUT_FILENO);
		execvp(argv[0], argv);
		check(false, argv[0]);
	}
	check(waitpid(pid, &status, 0) == pid, "waitpid");
	errno = 0;
	check(status == 0, "the program failed");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	uint64_t begun = now_ns();

	if (argc == 3 && strcmp(what, "cpu") == 0)
		cpu(argv[2]);
	else if (argc == 3 && strcmp(what, "syscall") == 0)
		system_calls(argv[2]);
	else if (argc == 3 && strcmp(what, "read") == 0)
		read_file(argv[2]);
	else if (argc == 3 && strcmp(what, "mmap") == 0)
		map_file(argv[2]);
	else if (argc == 4 && strcmp(what, "write") == 0)
		write_file(argv[2], argv[3]);
	else if (argc == 4 && strcmp(what, "create") == 0)
		each(argv[2], argv[3], create_one);
	else if (argc == 4 && strcmp(what, "stat") == 0)
		each(argv[2], argv[3], stat_one);
	else if (argc == 4 && strcmp(what, "remove") == 0)
		each(argv[2], argv[3], remove_one);
	else if (argc > 2 && strcmp(what, "run") == 0)
		run(argv + 2);
	else {
		fprintf(stderr, "usage: work cpu|syscall N | read|mmap FILE | write FILE MIB | create|stat|remove DIR N | run PROGRAM...\n");
		return 1;
	}
	printf("%llu\n", (unsigned long long)(now_ns() - begun));
	return 0;
}
