/* SPDX-License-Identifier: Apache-2.0 */
/* text: see text.h. */
#include "runtime/text.h"

#include "base/cleanup.h"

#include <stdint.h>
#include <string.h>

/* The length of the UTF-8 sequence at `p`, 0 when it is none (RFC 3629 §4, overlong forms refused). */
static size_t utf8_length(const uint8_t *p, size_t left)
{
	uint32_t c, min;
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if ((p[0] & 0xe0) == 0xc0) {
		n = 2, c = p[0] & 0x1f, min = 0x80;
	} else if ((p[0] & 0xf0) == 0xe0) {
		n = 3, c = p[0] & 0x0f, min = 0x800;
	} else if ((p[0] & 0xf8) == 0xf0) {
		n = 4, c = p[0] & 0x07, min = 0x10000;
	} else {
		return 0;
	}
	if (n > left)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	/* C1 controls move a terminal's cursor as escape sequences do. */
	if (c < min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) || (c >= 0x80 && c < 0xa0))
		return 0;
	return n;
}

void text_from_guest(const void *bytes, size_t len, char *buf, size_t size)
{
	const uint8_t *p = bytes;
	size_t out = 0;

	if (size == 0)
		return;
	for (size_t i = 0; i < len;) {
		size_t n = utf8_length(p + i, len - i);

		if (out + (n ? n : 1) >= size)
			break;
		if (n == 0 || (n == 1 && (p[i] < 0x20 || p[i] == 0x7f))) {
			buf[out++] = '?';
			i++;
			continue;
		}
		memcpy(buf + out, p + i, n);
		out += n;
		i += n;
	}
	buf[out] = '\0';
}

void text_hide_phrases(char *text)
{
	/* Each replacement is shorter than its phrase. */
	static const struct {
		const char *phrase, *instead;
	} table[] = {
		{ "no such file or directory", "ENOENT" },
		{ "executable file not found", "no executable" },
		{ "permission denied", "EACCES" },
		{ "operation not permitted", "EPERM" },
		{ "no such process", "ESRCH" },
		{ "container does not exist", "no container" },
		{ "container not running", "not running" },
		{ "is a directory", "EISDIR" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		size_t from = strlen(table[i].phrase), to = strlen(table[i].instead);
		char *p = text;

		while ((p = strcasestr(p, table[i].phrase))) {
			memcpy(p, table[i].instead, to);
			memmove(p + to, p + from, strlen(p + from) + 1);
			p += to;
		}
	}
}
