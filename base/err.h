/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err: an error that a person will read.
 *
 * Functions return 0 or a negative errno. Where the failure deserves words,
 * their last argument is a `struct err *`: set once where the failure
 * happened, wrapped with context on the way up, printed by main(). Nothing
 * here allocates, so an error can always be reported. A NULL `err` is allowed
 * everywhere and drops the text.
 */
#ifndef VRUN_BASE_ERR_H
#define VRUN_BASE_ERR_H

enum { ERR_TEXT_MAX = 2048 };

struct err {
	int code; /* negative errno, 0 while nothing failed */
	char text[ERR_TEXT_MAX]; /* one message, no trailing newline */
};

#define ERR_INIT { .code = 0 }

/*
 * Record a failure. `code` is a negative errno and is returned, so that
 * `return err_set(err, -EINVAL, "…")` reads well. The text does not repeat
 * strerror(code): say it with err_set_errno() where it helps.
 */
int err_set(struct err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* As err_set(), with ": strerror(-code)" appended. */
int err_set_errno(struct err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Put "context: " before the text. Returns `code` so that it can be returned. */
int err_wrap(struct err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
