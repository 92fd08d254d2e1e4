/* SPDX-License-Identifier: Apache-2.0 */
/* passwd: see passwd.h. The file is the container's: any bytes may be in it. */
#include "agent/passwd.h"

#include <string.h>

enum { FIELD_UID = 2, FIELD_HOME = 5 };

/* The nth field of a line; NULL when the line has fewer. */
static const char *field(const char *line, const char *end, unsigned n, size_t *ret_len)
{
	const char *colon;

	while (n-- > 0) {
		colon = memchr(line, ':', (size_t)(end - line));
		if (!colon)
			return NULL;
		line = colon + 1;
	}
	colon = memchr(line, ':', (size_t)(end - line));
	*ret_len = (size_t)((colon ? colon : end) - line);
	return line;
}

static bool parse_uid(const char *text, size_t len, uint32_t *ret)
{
	uint64_t value = 0;

	if (len == 0 || len > 10)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	*ret = (uint32_t)value;
	return value <= UINT32_MAX;
}

bool passwd_find_home(const char *text, uint32_t uid, char *ret_home, size_t size)
{
	while (*text) {
		const char *end = strchrnul(text, '\n'), *uid_text, *home;
		size_t uid_len, home_len;
		uint32_t found;

		uid_text = field(text, end, FIELD_UID, &uid_len);
		home = field(text, end, FIELD_HOME, &home_len);
		if (uid_text && home && parse_uid(uid_text, uid_len, &found) && found == uid) {
			if (home_len == 0 || home_len >= size)
				return false;
			memcpy(ret_home, home, home_len);
			ret_home[home_len] = '\0';
			return true;
		}
		text = *end ? end + 1 : end;
	}
	return false;
}
