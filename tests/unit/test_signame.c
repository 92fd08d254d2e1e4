/* SPDX-License-Identifier: Apache-2.0 */
/* signame: all the ways to write a signal, and what is none. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "runtime/signame.h"

#include <signal.h>

static void names_and_numbers(void **state)
{
	static const struct {
		const char *text;
		int signo;
	} good[] = {
		{ "0", 0 },
		{ "9", 9 },
		{ "64", 64 },
		{ "KILL", SIGKILL },
		{ "SIGKILL", SIGKILL },
		{ "sigterm", SIGTERM },
		{ "Hup", SIGHUP },
		{ "USR1", SIGUSR1 },
		{ "SIGWINCH", SIGWINCH },
		{ "CHLD", SIGCHLD },
		{ "CLD", SIGCHLD },
		{ "IOT", SIGABRT },
		{ "IO", SIGIO },
		{ "POLL", SIGPOLL },
		{ "RTMIN", 34 },
		{ "SIGRTMIN+3", 37 },
		{ "rtmin+30", 64 },
		{ "RTMAX", 64 },
		{ "SIGRTMAX-14", 50 },
	};
	static const char *const bad[] = {
		"",
		"65",
		"-9",
		"9x",
		" 9",
		"SIG",
		"KILLED",
		"SIGSIGKILL",
		"NOSUCH",
		"RTMIN-1",
		"RTMIN+31",
		"RTMAX+1",
		"RTMAX-31",
		"RTMIN+",
		"RTMIN3",
		"99999999999999999999",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(signal_from_text(good[i].text), good[i].signo);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (signal_from_text(bad[i]) != -EINVAL)
			fail_msg("\"%s\" is %d", bad[i], signal_from_text(bad[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(names_and_numbers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
