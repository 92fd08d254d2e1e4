/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_peer: one end of a conversation over a network, for tests: in a container
 * as on the host. Static, without a library.
 *
 *   net-peer sink PORT                   take a TCP connection's bytes, check each, answer, print their number
 *   net-peer source ADDR PORT BYTES      send that many by TCP and wait for the answer
 *   net-peer echo PORT                   send UDP datagrams back, until killed
 *   net-peer datagrams ADDR PORT SIZE N  send N of SIZE bytes there, one after the other, and check what comes back
 *
 * Servers listen on all IPv4 and IPv6 addresses. Exit status 0: all was as it should be.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * The bytes repeat after a prime number of them, which no buffer or segment has as its size: what
 * is lost, doubled or moved does not go unseen.
 */
enum { PERIOD = 1048583, CHUNK = 256 << 10, CONNECT_TRIES = 300, LOST_MAX = 5, ANSWER_MS = 3000 };

static uint8_t pattern[PERIOD + CHUNK];

static _Noreturn __attribute__((format(printf, 1, 2))) void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "net-peer: ");
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

static void make_pattern(void)
{
	uint64_t x = 88172645463325252ULL;

	for (size_t i = 0; i < PERIOD; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		pattern[i] = (uint8_t)(x >> 32);
	}
	memcpy(pattern + PERIOD, pattern, CHUNK);
}

/* An address with its family: numbers only, as there is no resolver in a static program. */
static socklen_t parse(const char *text, const char *port, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *in = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)atoi(port));
		return sizeof(*in);
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) != 1)
		die("%s is no address", text);
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((uint16_t)atoi(port));
	return sizeof(*in6);
}

static int listen_on(int type, const char *port)
{
	const struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET6, type, 0), on = 1, off = 0;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0 ||
	    bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 1) < 0))
		die("port %s: %s", port, strerror(errno));
	return fd;
}

static int sink(const char *port)
{
	static uint8_t buf[CHUNK];
	int fd = accept(listen_on(SOCK_STREAM, port), NULL, NULL);
	uint64_t total = 0;
	ssize_t n;

	if (fd < 0)
		die("accept: %s", strerror(errno));
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		if (memcmp(buf, pattern + total % PERIOD, (size_t)n) != 0)
			die("wrong bytes after %llu", (unsigned long long)total);
		total += (uint64_t)n;
	}
	if (n < 0)
		die("after %llu bytes: %s", (unsigned long long)total, strerror(errno));
	if (write(fd, &total, sizeof(total)) != sizeof(total))
		die("answering: %s", strerror(errno));
	printf("%llu bytes\n", (unsigned long long)total);
	return 0;
}

/* The other end may not listen yet. */
static int connect_to(const char *address, const char *port)
{
	struct sockaddr_storage to;
	socklen_t len = parse(address, port, &to);

	for (int i = 0; i < CONNECT_TRIES; i++) {
		int fd = socket(to.ss_family, SOCK_STREAM, 0);

		if (fd >= 0 && connect(fd, (struct sockaddr *)&to, len) == 0)
			return fd;
		close(fd);
		usleep(100000);
	}
	die("connecting to %s, port %s: %s", address, port, strerror(errno));
}

static int source(const char *address, const char *port, uint64_t total)
{
	int fd = connect_to(address, port);
	uint64_t sent = 0, answer = 0;

	while (sent < total) {
		size_t len = total - sent < CHUNK ? (size_t)(total - sent) : CHUNK;
		ssize_t n = write(fd, pattern + sent % PERIOD, len);

		if (n < 0)
			die("after %llu bytes: %s", (unsigned long long)sent, strerror(errno));
		sent += (uint64_t)n;
	}
	shutdown(fd, SHUT_WR);
	if (read(fd, &answer, sizeof(answer)) != sizeof(answer) || answer != total)
		die("%llu bytes were sent, %llu arrived", (unsigned long long)total,
		    (unsigned long long)answer);
	return 0;
}

static _Noreturn void echo(const char *port)
{
	static uint8_t buf[65536];
	int fd = listen_on(SOCK_DGRAM, port);

	for (;;) {
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);

		if (n >= 0)
			sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
	}
}

/* One datagram there and back; false when it was lost. */
static bool exchange(int fd, const uint8_t *data, size_t size)
{
	static uint8_t buf[65536];
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (send(fd, data, size, 0) != (ssize_t)size)
		return false;
	while (poll(&pfd, 1, ANSWER_MS) == 1) {
		n = recv(fd, buf, sizeof(buf), 0);
		if (n < 0)
			return false;
		if ((size_t)n != size || memcmp(buf, data, size) != 0)
			die("a datagram of %zu bytes came back changed, with %zd", size, n);
		return true;
	}
	return false;
}

static int datagrams(const char *address, const char *port, size_t size, unsigned count)
{
	struct sockaddr_storage to;
	socklen_t len = parse(address, port, &to);
	int fd = socket(to.ss_family, SOCK_DGRAM, 0);
	unsigned lost = 0;

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, len) < 0)
		die("%s: %s", address, strerror(errno));
	for (unsigned i = 0; i < count;) {
		/* All the same: one that comes late is as good as the one that is due. */
		if (exchange(fd, pattern, size))
			i++;
		else if (++lost > LOST_MAX)
			die("%u of %u datagrams came back, then %u were lost (%s)", i, count, lost,
			    strerror(errno));
	}
	return 0;
}

int main(int argc, char **argv)
{
	make_pattern();
	if (argc == 3 && !strcmp(argv[1], "sink"))
		return sink(argv[2]);
	if (argc == 5 && !strcmp(argv[1], "source"))
		return source(argv[2], argv[3], strtoull(argv[4], NULL, 10));
	if (argc == 3 && !strcmp(argv[1], "echo"))
		echo(argv[2]);
	if (argc == 6 && !strcmp(argv[1], "datagrams"))
		return datagrams(argv[2], argv[3], strtoull(argv[4], NULL, 10),
				 (unsigned)strtoul(argv[5], NULL, 10));
	die("see the head of tests/vm/net_peer.c");
}
