/* SPDX-License-Identifier: Apache-2.0 */
/* features: runtime-spec's features document, for callers that ask before they use something. */
#include "base/cleanup.h"
#include "base/err.h"
#include "cmd/cmd.h"
#include "cmd/version.h"
#include "oci/features.h"

#include <stdio.h>

static const struct opt opts[] = { OPT_END };

static int features(const struct cmd_call *call, struct err *err)
{
	const struct oci_features about = { .version = vrun_version, .commit = vrun_commit };
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	(void)call;
	r = oci_features_text(&about, &text, &len);
	if (r < 0)
		return err_set(err, r, "out of memory");
	while (len && text[len - 1] == '\n')
		len--;
	printf("%.*s\n", (int)len, text);
	return 0;
}

const struct command cmd_features = {
	.name = "features",
	.words = "",
	.summary = "print what this runtime supports, as JSON",
	.examples = "vrun features",
	.opts = opts,
	.opts_size = 1,
	.run = features,
};
