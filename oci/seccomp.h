/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp: linux.seccomp (config-linux.md, "Seccomp") compiled to BPF on the
 * host with libseccomp, for the guest's kernel to load.
 *
 * The guest has the host's architecture. System calls that libseccomp does not
 * know are skipped, as runc does. SCMP_ACT_NOTIFY is refused: the listener's
 * descriptor can't leave the guest. Without it listenerPath is of no effect.
 */
#ifndef VRUN_OCI_SECCOMP_H
#define VRUN_OCI_SECCOMP_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct oci_seccomp;

/*
 * *ret_bpf: an array of struct sock_filter as bytes (8 each), freed by the
 * caller; *ret_flags: SECCOMP_FILTER_FLAG_* for seccomp(2). A profile that is
 * absent gives a NULL program and 0.
 */
int oci_seccomp_compile(const struct oci_seccomp *profile, uint8_t **ret_bpf, size_t *ret_len,
			uint32_t *ret_flags, struct err *err);

/* The library's, as "2.5.4". */
void oci_seccomp_version(char buf[static 32]);

#endif
