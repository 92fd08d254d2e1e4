/* SPDX-License-Identifier: Apache-2.0 */
/* text: words from a guest, and words for callers that match messages. */
#ifndef VRUN_RUNTIME_TEXT_H
#define VRUN_RUNTIME_TEXT_H

#include <stddef.h>

/*
 * Copy `len` bytes that a guest sent as text of at most `size` bytes with its NUL:
 * control characters and what is no UTF-8 become '?', nothing is cut inside a character.
 */
void text_from_guest(const void *bytes, size_t len, char *buf, size_t size);

/*
 * Callers take some phrases ("no such file or directory", "permission denied",
 * "executable file not found", …) for a fault of the container's command; podman
 * makes exit status 126 and 127 of them. A message about our own machinery, a
 * guest's console above all, must not hold them: they are replaced in place by
 * the errno's name.
 */
void text_hide_phrases(char *text);

#endif
