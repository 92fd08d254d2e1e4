/* SPDX-License-Identifier: Apache-2.0 */
/* hooks: see hooks.h. */
#include "agent/hooks.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "oci/agent_proto.h"
#include "oci/hook.h"
#include "oci/spec.h"

#include <string.h>

static int write_state(const struct oci_spec *spec, char **ret_text, size_t *ret_len)
{
	const char *id = oci_spec_annotation(spec, AGENT_ANNOTATION_ID);
	const char *bundle = oci_spec_annotation(spec, AGENT_ANNOTATION_BUNDLE);
	struct json_out *out = NULL;
	int r = json_out_new(false, &out);

	if (r < 0)
		return r;
	json_out_object(out);
	json_out_key(out, "ociVersion");
	json_out_string(out, spec->oci_version);
	json_out_key(out, "id");
	json_out_string(out, id ? id : "");
	json_out_key(out, "status");
	json_out_string(out, "created");
	json_put_i64(out, "pid", getpid());
	json_out_key(out, "bundle");
	json_out_string(out, bundle ? bundle : "");
	json_out_key(out, "annotations");
	json_out_object(out);
	for (size_t i = 0; i < spec->annotations.n; i++) {
		if (strncmp(spec->annotations.v[i].key, AGENT_ANNOTATIONS, strlen(AGENT_ANNOTATIONS)) == 0)
			continue;
		json_out_key(out, spec->annotations.v[i].key);
		json_out_string(out, spec->annotations.v[i].value);
	}
	json_out_object_end(out);
	json_out_object_end(out);
	r = json_out_finish(out, ret_text, ret_len);
	json_out_free(out);
	return r;
}

int hooks_run(const struct oci_hook_list *hooks, const char *kind, const struct oci_spec *spec,
	      struct err *err)
{
	struct oci_hook_env env = { .netns = -EBADF, .environment = spec->process.env.v };
	_cleanup_free_ char *text = NULL;
	int r;

	if (hooks->n == 0)
		return 0;
	r = write_state(spec, &text, &env.state_len);
	if (r < 0)
		return err_set_errno(err, r, "writing the container's state");
	env.state = text;
	for (size_t i = 0; i < hooks->n; i++) {
		r = oci_hook_run(&hooks->v[i], &env, err);
		if (r < 0)
			return err_wrap(err, r, "error running %s hook #%zu", kind, i);
	}
	return 0;
}
