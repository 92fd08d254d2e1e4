/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe_bench: see probe.h. Each measure runs for a given time, not for a given count, so that all end in
 * time on emulated processors too; compare takes the median of the rounds.
 */
#include "cmd/compare/probe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 64 << 10, FILE_BLOCKS = 128, METADATA_FILES = 50 };

static const double round_seconds = 0.15;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Nanoseconds an iteration of a dependent multiply and add. */
static double cpu_loop(const char *dir)
{
	volatile uint64_t sink;
	uint64_t x = 1, n = 0;
	double begin = now(), t;

	(void)dir;
	do {
		for (int i = 0; i < 20000; i++)
			x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		n += 20000;
	} while ((t = now() - begin) < round_seconds);
	sink = x;
	(void)sink;
	return t * 1e9 / (double)n;
}

/* Nanoseconds a system call that does nothing. */
static double syscall_loop(const char *dir)
{
	double begin = now(), t;
	uint64_t n = 0;

	(void)dir;
	do {
		for (int i = 0; i < 500; i++)
			syscall(SYS_getppid);
		n += 500;
	} while ((t = now() - begin) < round_seconds);
	return t * 1e9 / (double)n;
}

/* Microseconds to start a process and see its end. */
static double fork_loop(const char *dir)
{
	double begin = now(), t;
	uint64_t n = 0;

	(void)dir;
	do {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid < 0 || waitpid(pid, NULL, 0) < 0)
			return -1;
		n++;
	} while ((t = now() - begin) < round_seconds);
	return t * 1e6 / (double)n;
}

/* MB a second of a file that has been read before, as programs mostly find theirs. */
static double read_file(const char *dir)
{
	static char block[BLOCK];
	char path[256];
	double begin, t, bytes = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/data", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	memset(block, 'x', sizeof(block));
	if (lseek(fd, 0, SEEK_END) < (off_t)BLOCK * FILE_BLOCKS) {
		for (int i = 0; i < FILE_BLOCKS; i++) {
			if (pwrite(fd, block, sizeof(block), (off_t)i * BLOCK) != (ssize_t)sizeof(block)) {
				close(fd);
				return -1;
			}
		}
	}
	begin = now();
	do {
		for (int i = 0; i < FILE_BLOCKS; i++) {
			ssize_t n = pread(fd, block, sizeof(block), (off_t)i * BLOCK);

			if (n <= 0) {
				close(fd);
				return -1;
			}
			bytes += (double)n;
		}
	} while ((t = now() - begin) < round_seconds);
	close(fd);
	return bytes / 1e6 / t;
}

/* MB a second, written and on the way to the disk: fsync is not part of it. */
static double write_file(const char *dir)
{
	static char block[BLOCK];
	char path[256];
	double begin = now(), t, bytes = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/written", dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	do {
		for (int i = 0; i < 16; i++) {
			ssize_t n = pwrite(fd, block, sizeof(block), (off_t)(i % FILE_BLOCKS) * BLOCK);

			if (n <= 0) {
				close(fd);
				return -1;
			}
			bytes += (double)n;
		}
	} while ((t = now() - begin) < round_seconds);
	close(fd);
	unlink(path);
	return bytes / 1e6 / t;
}

/* Microseconds to create, stat and remove a file. */
static double metadata(const char *dir)
{
	double begin = now(), t;
	uint64_t n = 0;

	do {
		for (int i = 0; i < METADATA_FILES; i++) {
			char path[256];
			struct stat st;
			int fd;

			snprintf(path, sizeof(path), "%s/f%d", dir, i);
			fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
			if (fd < 0)
				return -1;
			close(fd);
			if (stat(path, &st) < 0 || unlink(path) < 0)
				return -1;
			n++;
		}
	} while ((t = now() - begin) < round_seconds);
	return t * 1e6 / (double)n;
}

/* A child writes until its reader is gone. */
static double stream(int rfd, int wfd)
{
	static char block[BLOCK];
	double begin, t = 0, bytes = 0;
	pid_t pid = fork();

	if (pid < 0)
		return -1;
	if (pid == 0) {
		close(rfd);
		while (write(wfd, block, sizeof(block)) > 0)
			;
		_exit(0);
	}
	close(wfd);
	begin = now();
	do {
		ssize_t n = read(rfd, block, sizeof(block));

		if (n <= 0)
			break;
		bytes += (double)n;
	} while ((t = now() - begin) < round_seconds);
	close(rfd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return t > 0 ? bytes / 1e6 / t : -1;
}

static double pipe_stream(const char *dir)
{
	int fds[2];

	(void)dir;
	return pipe2(fds, O_CLOEXEC) < 0 ? -1 : stream(fds[0], fds[1]);
}

static double tcp_stream(const char *dir)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int in = -1;

	(void)dir;
	if (listener >= 0 && out >= 0 && bind(listener, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
	    listen(listener, 1) == 0 && getsockname(listener, (struct sockaddr *)&addr, &len) == 0 &&
	    connect(out, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		in = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (listener >= 0)
		close(listener);
	if (in < 0) {
		if (out >= 0)
			close(out);
		return -1;
	}
	return stream(in, out);
}

static const struct {
	const char *key;
	double (*run)(const char *dir);
} measures[] = {
	{ "cpu_loop", cpu_loop }, { "syscall", syscall_loop }, { "fork", fork_loop },	{ "read", read_file },
	{ "write", write_file },  { "metadata", metadata },    { "pipe", pipe_stream }, { "tcp", tcp_stream },
};

int probe_bench(int argc, char **argv)
{
	const char *dir = argc > 0 ? argv[0] : "/tmp";

	signal(SIGPIPE, SIG_DFL);
	for (size_t i = 0; i < sizeof(measures) / sizeof(measures[0]); i++) {
		/* One round more, which is not counted: it brings code and data into memory. */
		for (int round = 0; round <= PROBE_ROUNDS; round++) {
			double value = measures[i].run(dir);

			if (round > 0)
				say_number(measures[i].key, value);
		}
	}
	return 0;
}

int probe_work(int argc, char **argv)
{
	const char *dir = argc > 0 ? argv[0] : "/tmp";
	static char block[BLOCK];
	char path[256];
	struct stat st;
	int fds[2], fd;

	snprintf(path, sizeof(path), "%s/work", dir);
	for (int i = 0; i < 20; i++) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			return 1;
		if (write(fd, block, sizeof(block)) < 0 || lseek(fd, 0, SEEK_SET) < 0 ||
		    read(fd, block, sizeof(block)) < 0 || fstat(fd, &st) < 0 || fsync(fd) < 0)
			return 1;
		close(fd);
		stat(path, &st);
		unlink(path);
	}
	for (int i = 0; i < 5; i++) {
		pid_t pid;

		if (pipe2(fds, O_CLOEXEC) < 0)
			return 1;
		pid = fork();
		if (pid == 0)
			_exit(write(fds[1], "x", 1) == 1 ? 0 : 1);
		if (read(fds[0], block, 1) != 1 || waitpid(pid, NULL, 0) < 0)
			return 1;
		close(fds[0]);
		close(fds[1]);
	}
	tcp_stream(dir);
	say("work", "done");
	return 0;
}
