/* SPDX-License-Identifier: Apache-2.0 */
/* passwd: a user's home from the text of an /etc/passwd (passwd(5)), without NSS. */
#ifndef VRUN_AGENT_PASSWD_H
#define VRUN_AGENT_PASSWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The home of the first entry with this uid; false when there is none or it is empty or does not fit. */
bool passwd_find_home(const char *text, uint32_t uid, char *ret_home, size_t size);

#endif
