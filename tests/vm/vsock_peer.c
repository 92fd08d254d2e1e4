/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock_peer: both ends of a vsock connection, for serve.bats.
 *
 *   vsock_peer guest PORT    in the guest: send a line to the host, print the answer
 *   vsock_peer host PATH     on the host: listen on a unix socket, answer one line
 */
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static int guest(const char *port)
{
	const struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_HOST,
		.svm_port = (unsigned)atoi(port),
	};
	char line[128];
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
	ssize_t n;

	if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return fail("connect");
	if (write(fd, "ping\n", 5) != 5)
		return fail("write");
	n = read(fd, line, sizeof(line));
	if (n <= 0)
		return fail("read");
	printf("host says %.*s", (int)n, line);
	return 0;
}

static int host(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char line[128];
	ssize_t n;

	strncpy(addr.sun_path, path, sizeof(addr.sun_path) - 1);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1) < 0)
		return fail(path);
	fd = accept(fd, NULL, NULL);
	if (fd < 0)
		return fail("accept");
	n = read(fd, line, sizeof(line));
	if (n <= 0)
		return fail("read");
	printf("guest says %.*s", (int)n, line);
	return write(fd, "pong\n", 5) != 5;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "guest") == 0)
		return guest(argv[2]);
	if (argc == 3 && strcmp(argv[1], "host") == 0)
		return host(argv[2]);
	return 2;
}
