/* SPDX-License-Identifier: Apache-2.0 */
/* term: see term.h. */
#include "cmd/term.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool term_colours(int fd)
{
	const char *no = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return isatty(fd) && !(no && no[0]) && !(term && !strcmp(term, "dumb"));
}
