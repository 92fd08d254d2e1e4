/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log: one line a message, lower case, no trailing newline in `fmt`.
 *
 * Library code logs at debug level only; main() and long-lived processes may
 * log higher. Two sinks: standard error (text) and an optional --log file in
 * text or JSON form ({"level":…,"msg":…,"time":RFC 3339}, as runc's). A
 * message that a guest can cause goes through LOG_RATELIMITED().
 * Thread-safe: a line is one write().
 */
#ifndef VRUN_BASE_LOG_H
#define VRUN_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* `prefix` ("vrun", a container id) is borrowed and must outlive the logging. Default: none. */
void log_set_prefix(const char *prefix);
/* Default LOG_LEVEL_WARN on standard error. */
void log_set_level(enum log_level max);
bool log_enabled(enum log_level level);
/*
 * Also write to `take_fd` (-1: no file). It gets all that is enabled; standard error then only errors
 * and warnings.
 */
void log_set_file(int take_fd, enum log_format format);
/* Stop or resume writing to standard error (once it belongs to the container). */
void log_set_stderr(bool on);

void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                            \
	do {                                                      \
		if (log_enabled(LOG_LEVEL_DEBUG))                 \
			log_write(LOG_LEVEL_DEBUG, __VA_ARGS__);  \
	} while (0)

/* At most ten lines a second from each place; what was dropped is counted in the next line. */
struct log_ratelimit {
	unsigned long window;
	unsigned count, dropped;
};
bool log_ratelimit_pass(struct log_ratelimit *rl);
#define LOG_RATELIMITED(level, ...)                                \
	do {                                                       \
		static struct log_ratelimit rl_;                   \
		if (log_ratelimit_pass(&rl_))                      \
			log_write(level, __VA_ARGS__);             \
	} while (0)

#endif
