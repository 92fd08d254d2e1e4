/* SPDX-License-Identifier: Apache-2.0 */
/* version: the one file that is remade for each version and commit. */
#include "cmd/version.h"

const char vrun_version[] = VRUN_VERSION;
const char vrun_commit[] = VRUN_COMMIT;
