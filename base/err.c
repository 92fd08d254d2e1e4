/* SPDX-License-Identifier: Apache-2.0 */
/* err: fixed-size error text; see err.h. Never allocates. */
#include "base/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A text that does not fit is cut, and the cut is shown. */
static void mark_cut(char *text, int len)
{
	if (len >= ERR_TEXT_MAX)
		memcpy(text + ERR_TEXT_MAX - 4, "...", 4);
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	assert(code < 0);
	if (!err)
		return code;
	err->code = code;
	va_start(ap, fmt);
	mark_cut(err->text, vsnprintf(err->text, sizeof(err->text), fmt, ap));
	va_end(ap);
	return code;
}

int err_set_errno(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	assert(code < 0);
	if (!err)
		return code;
	err->code = code;
	va_start(ap, fmt);
	mark_cut(err->text, vsnprintf(err->text, sizeof(err->text), fmt, ap));
	va_end(ap);
	len = strlen(err->text);
	mark_cut(err->text,
		 (int)len + snprintf(err->text + len, sizeof(err->text) - len, ": %s", strerror(-code)));
	return code;
}

int err_wrap(struct err *err, int code, const char *fmt, ...)
{
	char old[ERR_TEXT_MAX];
	va_list ap;
	size_t len;

	assert(code < 0);
	if (!err)
		return code;
	memcpy(old, err->text, sizeof(old));
	err->code = code;
	va_start(ap, fmt);
	mark_cut(err->text, vsnprintf(err->text, sizeof(err->text), fmt, ap));
	va_end(ap);
	len = strlen(err->text);
	mark_cut(err->text, (int)len + snprintf(err->text + len, sizeof(err->text) - len, ": %s", old));
	return code;
}
