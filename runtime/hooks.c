/* SPDX-License-Identifier: Apache-2.0 */
/* hooks: see hooks.h. */
#include "runtime/hooks.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "oci/hook.h"
#include "oci/spec.h"
#include "runtime/state.h"
#include "runtime/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* Callers must not take a hook's words for those about the container's command. */
static int hook_failed(struct err *err, int r, const char *kind, size_t i)
{
	if (err)
		text_hide_phrases(err->text);
	return err_wrap(err, r, "error running %s hook #%zu", kind, i);
}

static int run_one(const struct oci_hook *hook, const char *kind, size_t i, const struct oci_hook_env *env,
		   struct err *err)
{
	int r;

	log_debug("%s hook #%zu: %s", kind, i, hook->path);
	r = oci_hook_run(hook, env, err);
	return r < 0 ? hook_failed(err, r, kind, i) : 0;
}

static int run_list(const struct oci_hook_list *list, const char *kind, struct oci_hook_env *env,
		    const struct state *state, enum container_status status, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int r;

	if (!list->n)
		return 0;
	r = state_text(state, status, &text, &env->state_len);
	if (r < 0)
		return err_set(err, r, "out of memory");
	env->state = text;
	for (size_t i = 0; r == 0 && i < list->n; i++)
		r = run_one(&list->v[i], kind, i, env, err);
	return r;
}

static int create_container(const struct oci_hook_list *list, const struct state *state, struct err *err)
{
	struct oci_hook_env env = { .cwd = state->rootfs, .netns = -EBADF, .environment = environ };
	_cleanup_close_ int netns = -EBADF;
	char path[64];

	if (!list->n)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)state->pid);
	netns = open(path, O_RDONLY | O_CLOEXEC);
	if (netns < 0)
		return err_set(err, -errno, "createContainer hooks: %s: %s", path, strerrorname_np(errno));
	env.netns = netns;
	return run_list(list, "createContainer", &env, state, STATUS_CREATING, err);
}

int hooks_create(const struct oci_hooks *hooks, const struct state *state, struct err *err)
{
	struct oci_hook_env env = { .cwd = state->bundle, .netns = -EBADF, .environment = environ };
	int r;

	r = run_list(&hooks->prestart, "prestart", &env, state, STATUS_CREATING, err);
	if (r == 0)
		r = run_list(&hooks->create_runtime, "createRuntime", &env, state, STATUS_CREATING, err);
	return r == 0 ? create_container(&hooks->create_container, state, err) : r;
}

int hooks_poststart(const struct oci_hooks *hooks, const struct state *state, struct err *err)
{
	struct oci_hook_env env = { .cwd = state->bundle, .netns = -EBADF, .environment = environ };

	return run_list(&hooks->poststart, "poststart", &env, state, STATUS_RUNNING, err);
}

void hooks_poststop(const struct oci_hooks *hooks, const struct state *state)
{
	struct oci_hook_env env = { .cwd = state->bundle, .netns = -EBADF, .environment = environ };
	const struct oci_hook_list *list = &hooks->poststop;

	for (size_t i = 0; i < list->n; i++) {
		_cleanup_free_ char *text = NULL;
		struct err err = ERR_INIT;

		if (state_text(state, STATUS_STOPPED, &text, &env.state_len) < 0)
			return;
		env.state = text;
		if (run_one(&list->v[i], "poststop", i, &env, &err) < 0)
			log_warn("%s: %s", state->id, err.text);
	}
}

int hooks_load(int dirfd, struct oci_spec **ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	r = file_read(dirfd, "config.json", JSON_SIZE_MAX, &text, &len);
	if (r < 0)
		return err_set(err, r, "the container's config.json: %s", strerrorname_np(-r));
	r = oci_spec_parse(text, len, "config.json", ret, err);
	return r < 0 ? err_wrap(err, r, "the container's config.json") : 0;
}
