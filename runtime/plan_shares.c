/* SPDX-License-Identifier: Apache-2.0 */
/* plan_shares: see plan_shares.h. */
#include "runtime/plan_shares.h"

#include "base/cleanup.h"
#include "oci/agent_proto.h"
#include "oci/spec.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

int plan_share_resolve(const char *bundle, const char *path, char **ret)
{
	_cleanup_free_ char *joined = NULL;

	if (path[0] != '/') {
		if (asprintf(&joined, "%s/%s", bundle, path) < 0) {
			joined = NULL;
			return -ENOMEM;
		}
		path = joined;
	}
	*ret = realpath(path, NULL);
	return *ret ? 0 : -errno;
}

static struct vm_share *find_share(struct vm_spec *vm, const struct vm_share *like)
{
	for (size_t i = 0; i < vm->n_shares; i++) {
		struct vm_share *share = &vm->shares[i];

		if (!strcmp(share->path, like->path) && share->submounts == like->submounts)
			return share;
	}
	return NULL;
}

int plan_share_add(struct vm_spec *vm, const struct vm_share *like, struct vm_share **ret)
{
	struct vm_share *share = find_share(vm, like);

	if (share) {
		share->readonly = share->readonly && like->readonly;
		*ret = share;
		return 0;
	}
	share = realloc(vm->shares, (vm->n_shares + 1) * sizeof(*share));
	if (!share)
		return -ENOMEM;
	vm->shares = share;
	share += vm->n_shares;
	*share = *like;
	share->name = strdup(like->name);
	share->path = strdup(like->path);
	if (!share->name || !share->path) {
		free(share->name);
		free(share->path);
		return -ENOMEM;
	}
	vm->n_shares++;
	*ret = share;
	return 0;
}

int plan_share_point(char **field, const struct vm_share *share)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), AGENT_SHARE_DIR "/%s", share->name);
	return oci_string_set(field, path);
}
