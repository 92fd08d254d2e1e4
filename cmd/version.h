/* SPDX-License-Identifier: Apache-2.0 */
/* version: what `vrun --version` says; compiled in by the Makefile. */
#ifndef VRUN_CMD_VERSION_H
#define VRUN_CMD_VERSION_H

extern const char vrun_version[]; /* "0.1.0" */
extern const char vrun_commit[]; /* "" when built outside a repository */

#endif
