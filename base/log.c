/* SPDX-License-Identifier: Apache-2.0 */
/* log: text on standard error, text or JSON lines in a file; see log.h. */
#include "base/log.h"

#include "base/cleanup.h"
#include "base/fd.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

enum { LINE_MAX_BYTES = 4096, RATELIMIT_PER_SECOND = 10 };

static const char *prefix;
static enum log_level max_level = LOG_LEVEL_WARN;
static int file_fd = -1;
static enum log_format file_format;
static bool stderr_on = true;

void log_set_prefix(const char *p)
{
	prefix = p;
}

void log_set_level(enum log_level max)
{
	max_level = max;
}

bool log_enabled(enum log_level level)
{
	return level <= max_level;
}

void log_set_file(int take_fd, enum log_format format)
{
	close_fd(file_fd);
	file_fd = take_fd;
	file_format = format;
}

void log_set_stderr(bool on)
{
	stderr_on = on;
}

static const char *level_name(enum log_level level)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };

	return names[level];
}

/* RFC 3339 in UTC, as runc's log files have it. */
static void format_time(char *buf, size_t size)
{
	struct timespec ts;
	uint64_t days, era_day, year_of_era, day_of_year, month;
	unsigned seconds;

	/*
	 * By hand, since gmtime_r() takes a lock and reads the time zone's file: a line may
	 * come from a signal handler, and from a process without files. The year is counted from 1 March
	 * of year 0, so that a leap day is the last one; 400 years are 146,097 days.
	 */
	clock_gettime(CLOCK_REALTIME, &ts);
	seconds = (unsigned)((uint64_t)ts.tv_sec % 86400);
	days = (uint64_t)ts.tv_sec / 86400 + 719468;
	era_day = days % 146097;
	year_of_era = (era_day - era_day / 1460 + era_day / 36524 - era_day / 146096) / 365;
	day_of_year = era_day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	month = (5 * day_of_year + 2) / 153; /* from March */
	snprintf(buf, size, "%04u-%02u-%02uT%02u:%02u:%02uZ",
		 (unsigned)(days / 146097 * 400 + year_of_era + (month >= 10)),
		 (unsigned)(month < 10 ? month + 3 : month - 9),
		 (unsigned)(day_of_year - (153 * month + 2) / 5 + 1), seconds / 3600, seconds / 60 % 60,
		 seconds % 60);
}

/* `text` as the inside of a JSON string; cut where it does not fit. */
static size_t escape_json(const char *text, char *out, size_t size)
{
	size_t n = 0;

	for (; *text && n + 7 < size; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\') {
			out[n++] = '\\';
			out[n++] = (char)c;
		} else if (c < 0x20 || c == 0x7f) {
			n += (size_t)snprintf(out + n, size - n, "\\u%04x", c);
		} else {
			out[n++] = (char)c;
		}
	}
	out[n] = '\0';
	return n;
}

static void write_file_line(enum log_level level, const char *msg)
{
	char line[2 * LINE_MAX_BYTES + 128], escaped[2 * LINE_MAX_BYTES], when[32];
	int len;

	format_time(when, sizeof(when));
	escape_json(msg, escaped, sizeof(escaped));
	if (file_format == LOG_FORMAT_JSON)
		len = snprintf(line, sizeof(line), "{\"level\":\"%s\",\"msg\":\"%s\",\"time\":\"%s\"}\n",
			       level_name(level), escaped, when);
	else
		len = snprintf(line, sizeof(line), "time=\"%s\" level=%s msg=\"%s\"\n", when,
			       level_name(level), escaped);
	if (len > 0)
		(void)fd_write_all(file_fd, line, (size_t)len);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	char msg[LINE_MAX_BYTES], line[LINE_MAX_BYTES + 128];
	int len, saved = errno;
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (file_fd >= 0)
		write_file_line(level, msg);
	/* Standard error is the container's as well: with a file, what is no trouble goes there alone, as with runc. */
	if (stderr_on && (file_fd < 0 || level <= LOG_LEVEL_WARN)) {
		len = snprintf(line, sizeof(line), "%s%s%s%s\n", prefix ? prefix : "", prefix ? ": " : "",
			       level == LOG_LEVEL_WARN	  ? "warning: "
			       : level == LOG_LEVEL_DEBUG ? "debug: "
							  : "",
			       msg);
		if (len > 0)
			(void)fd_write_all(STDERR_FILENO, line,
					   (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1);
	}
	errno = saved;
}

bool log_ratelimit_pass(struct log_ratelimit *rl)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((unsigned long)now.tv_sec != rl->window) {
		unsigned dropped = rl->dropped;

		rl->window = (unsigned long)now.tv_sec;
		rl->count = 0;
		rl->dropped = 0;
		if (dropped)
			log_write(LOG_LEVEL_WARN, "%u like the next line were dropped", dropped);
	}
	if (rl->count >= RATELIMIT_PER_SECOND) {
		rl->dropped++;
		return false;
	}
	rl->count++;
	return true;
}
