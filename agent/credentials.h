/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credentials: who the container's process is: user, groups, capabilities
 * (config.md, "User", "Linux Process"), and what it keeps for good. By raw system
 * calls, for the calling process only.
 */
#ifndef VRUN_AGENT_CREDENTIALS_H
#define VRUN_AGENT_CREDENTIALS_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct oci_linux;
struct oci_process;

/*
 * An id that the user namespace just entered has: root, or the first one mapped where 0 is not. An
 * id that it doesn't have could not make files.
 */
void credentials_become_mapped(const struct oci_linux *linux_);

/* The bounding set, the user and its groups, then the other capability sets. No way back. */
int credentials_apply(const struct oci_process *process, struct err *err);

int credentials_set_no_new_privs(struct err *err);

/* `bpf`: an array of struct sock_filter as bytes. Nothing when it is empty. */
int credentials_set_seccomp(const uint8_t *bpf, size_t len, uint32_t flags, struct err *err);

#endif
