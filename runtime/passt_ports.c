/* SPDX-License-Identifier: Apache-2.0 */
/* passt_ports: see passt_ports.h. */
#include "runtime/passt_ports.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static int bad(const char *entry, struct err *err)
{
	return err_set(err, -EINVAL, "\"%s\" is not [ADDRESS:]PORT:PORT[/tcp|/udp], such as 8080:80", entry);
}

static bool parse_port(const char **text, uint16_t *ret)
{
	unsigned long v = 0;

	if (!isdigit((unsigned char)**text))
		return false;
	for (; isdigit((unsigned char)**text); (*text)++) {
		v = v * 10 + (unsigned)(**text - '0');
		if (v > UINT16_MAX)
			return false;
	}
	*ret = (uint16_t)v;
	return v > 0;
}

/* "80" or "80-90", all of it. */
static bool parse_range(const char *text, uint16_t *first, uint16_t *last)
{
	if (!parse_port(&text, first))
		return false;
	*last = *first;
	if (*text == '-') {
		text++;
		if (!parse_port(&text, last))
			return false;
	}
	return !*text && *first <= *last;
}

/* "192.0.2.1" or "[2001:db8::1]" */
static bool parse_address(char *text, char ret[static INET6_ADDRSTRLEN])
{
	uint8_t bytes[16];
	size_t len = strlen(text);
	int family = AF_INET;

	if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
		text[len - 1] = '\0';
		text++;
		family = AF_INET6;
	}
	return inet_pton(family, text, bytes) == 1 && inet_ntop(family, bytes, ret, INET6_ADDRSTRLEN);
}

/* `text` is taken apart. */
static int parse_entry(char *text, const char *entry, struct passt_ports *ret, struct err *err)
{
	struct passt_ports p = { .udp = false };
	char *slash = strchr(text, '/'), *guest, *host;
	uint16_t to_last;

	if (slash) {
		*slash++ = '\0';
		p.udp = !strcmp(slash, "udp");
		if (!p.udp && strcmp(slash, "tcp") != 0)
			return bad(entry, err);
	}
	guest = strrchr(text, ':');
	if (!guest)
		return bad(entry, err);
	*guest++ = '\0';
	host = strrchr(text, ':');
	if (host) {
		*host++ = '\0';
		if (!parse_address(text, p.address))
			return bad(entry, err);
	} else {
		host = text;
	}
	if (!parse_range(host, &p.first, &p.last) || !parse_range(guest, &p.to, &to_last))
		return bad(entry, err);
	if (p.last - p.first != to_last - p.to)
		return err_set(err, -EINVAL, "\"%s\" has ranges of different lengths", entry);
	*ret = p;
	return 0;
}

int passt_ports_parse(const char *publish, struct passt_ports ret[static PASST_PORTS_MAX], unsigned *ret_n,
		      struct err *err)
{
	_cleanup_free_ char *copy = strdup(publish ? publish : "");
	unsigned n = 0;
	char *next, *entry;

	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	for (next = copy; *copy && (entry = strsep(&next, ","));) {
		_cleanup_free_ char *text = strdup(entry);
		int r;

		if (!text)
			return err_set(err, -ENOMEM, "out of memory");
		if (n == PASST_PORTS_MAX)
			return err_set(err, -E2BIG, "more than %d entries; a range is one", PASST_PORTS_MAX);
		r = parse_entry(text, entry, &ret[n], err);
		if (r < 0)
			return r;
		n++;
	}
	*ret_n = n;
	return 0;
}

void passt_ports_spec(const struct passt_ports *ports, char ret[static PASST_SPEC_MAX])
{
	snprintf(ret, PASST_SPEC_MAX, "%s%s%u-%u:%u-%u", ports->address, ports->address[0] ? "/" : "",
		 ports->first, ports->last, ports->to, (unsigned)(ports->to + ports->last - ports->first));
}

/* --- whether they are free --- */

static int try_bind(const struct passt_ports *ports, int family, const void *address, uint16_t port)
{
	_cleanup_close_ int fd = socket(family, (ports->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int on = 1, r;

	/* A host without IPv6 */
	if (fd < 0)
		return errno == EAFNOSUPPORT ? 0 : -errno;
	if (!ports->udp && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (family == AF_INET) {
		memcpy(&in.sin_addr, address, sizeof(in.sin_addr));
		r = bind(fd, (const struct sockaddr *)&in, sizeof(in));
	} else {
		memcpy(&in6.sin6_addr, address, sizeof(in6.sin6_addr));
		if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
			return -errno;
		r = bind(fd, (const struct sockaddr *)&in6, sizeof(in6));
	}
	return r < 0 ? -errno : 0;
}

static int check_port(const struct passt_ports *ports, uint16_t port)
{
	uint8_t address[16] = { 0 };
	int r;

	if (ports->address[0] && inet_pton(AF_INET, ports->address, address) == 1)
		return try_bind(ports, AF_INET, address, port);
	if (ports->address[0] && inet_pton(AF_INET6, ports->address, address) == 1)
		return try_bind(ports, AF_INET6, address, port);
	r = try_bind(ports, AF_INET, address, port);
	return r < 0 ? r : try_bind(ports, AF_INET6, address, port);
}

int passt_ports_check_free(const struct passt_ports *ports, struct err *err)
{
	for (unsigned port = ports->first; port <= ports->last; port++) {
		int r = check_port(ports, (uint16_t)port);

		if (r < 0)
			return err_set_errno(err, r, "publishing %s port %s%s%u", ports->udp ? "UDP" : "TCP",
					     ports->address, ports->address[0] ? ":" : "", port);
	}
	return 0;
}
