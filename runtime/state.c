/* SPDX-License-Identifier: Apache-2.0 */
/* state: state.json and the status that is derived from it. See state.h. */
#include "runtime/state.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "runtime/proc.h"

#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { STATE_SIZE_MAX = 4 << 20 };

static int map_copy(const struct oci_map *from, struct oci_map *to)
{
	to->v = calloc(from->n ? from->n : 1, sizeof(*to->v));
	if (!to->v)
		return -ENOMEM;
	for (size_t i = 0; i < from->n; i++) {
		struct oci_pair *pair = &to->v[to->n++];

		pair->key = strdup(from->v[i].key);
		pair->value = strdup(from->v[i].value);
		if (!pair->key || !pair->value)
			return -ENOMEM;
	}
	return 0;
}

static void map_done(struct oci_map *map)
{
	for (size_t i = 0; i < map->n; i++) {
		free(map->v[i].key);
		free(map->v[i].value);
	}
	free(map->v);
}

static char *now_text(void)
{
	char date[32], text[64];
	struct timespec ts;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%09ldZ", date, ts.tv_nsec);
	return strdup(text);
}

/*
 * runc names the owner of the state directory; that is who runs us. And it looks in this file alone, as we do:
 * getpwuid() loads glibc's name services, which end the process when they get no memory.
 */
static char *owner_name(void)
{
	_cleanup_fclose_ FILE *users = fopen("/etc/passwd", "re");
	const struct passwd *pw;

	while (users && (pw = fgetpwent(users)))
		if (pw->pw_uid == geteuid())
			return strdup(pw->pw_name);
	return strdup("");
}

int state_new(const char *id, const char *bundle, const struct oci_spec *spec, struct state **ret)
{
	_cleanup_state_ struct state *state = calloc(1, sizeof(*state));

	if (!state)
		return -ENOMEM;
	state->oci_version = strdup(spec->oci_version);
	state->id = strdup(id);
	state->bundle = strdup(bundle);
	state->created = now_text();
	state->owner = owner_name();
	if (!state->oci_version || !state->id || !state->bundle || !state->created || !state->owner)
		return -ENOMEM;
	if (map_copy(&spec->annotations, &state->annotations) < 0)
		return -ENOMEM;
	*ret = TAKE_PTR(state);
	return 0;
}

void state_free(struct state *state)
{
	if (!state)
		return;
	free(state->oci_version);
	free(state->id);
	free(state->bundle);
	free(state->rootfs);
	free(state->created);
	free(state->owner);
	free(state->engine);
	free(state->net_owner);
	free(state->net_path);
	map_done(&state->annotations);
	free(state);
}

static void put_string(struct json_out *out, const char *key, const char *value)
{
	json_out_key(out, key);
	json_out_string(out, value ? value : "");
}

static void put_network(const struct state *state, struct json_out *out)
{
	if (!state->net_owner)
		return;
	put_string(out, "netOwner", state->net_owner);
	if (state->net_path)
		put_string(out, "netPath", state->net_path);
	json_put_bool(out, "netWaits", state->net_waits);
}

static void put_annotations(const struct state *state, struct json_out *out)
{
	if (state->annotations.n == 0)
		return;
	json_out_key(out, "annotations");
	json_out_object(out);
	for (size_t i = 0; i < state->annotations.n; i++)
		put_string(out, state->annotations.v[i].key, state->annotations.v[i].value);
	json_out_object_end(out);
}

int state_write(const struct state *state, char **ret_text, size_t *ret_len)
{
	struct json_out *out;
	int r;

	r = json_out_new(false, &out);
	if (r < 0)
		return r;
	json_out_object(out);
	put_string(out, "ociVersion", state->oci_version);
	put_string(out, "id", state->id);
	json_put_i64(out, "pid", state->pid);
	put_string(out, "bundle", state->bundle);
	put_string(out, "rootfs", state->rootfs);
	put_string(out, "created", state->created);
	put_annotations(state, out);
	put_string(out, "owner", state->owner);
	json_out_key(out, "vrun");
	json_out_object(out);
	json_put_i64(out, "format", STATE_FORMAT);
	json_put_u64(out, "pidStart", state->pid_start);
	put_string(out, "engine", state->engine);
	json_put_u64(out, "cpus", state->cpus);
	put_network(state, out);
	json_out_object_end(out);
	json_out_object_end(out);
	r = json_out_finish(out, ret_text, ret_len);
	json_out_free(out);
	return r;
}

int state_save(const struct state *state, int dirfd, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	r = state_write(state, &text, &len);
	if (r == 0)
		r = file_write_atomic(dirfd, "state.json", text, len, 0600);
	return r < 0 ? err_set_errno(err, r, "write the container's state") : 0;
}

static int read_string(const struct json *obj, const char *key, char **ret, struct err *err)
{
	const struct json *node = json_get(obj, key);
	const char *value;
	int r;

	if (!node)
		return err_set(err, -EINVAL, "%s is missing", key);
	r = json_to_string(node, &value, err);
	if (r < 0)
		return r;
	*ret = strdup(value);
	return *ret ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int read_annotations(const struct json *obj, struct oci_map *map, struct err *err)
{
	size_t n = json_length(obj);
	int r;

	if (!obj)
		return 0;
	r = json_expect(obj, JSON_OBJECT, err);
	if (r < 0)
		return r;
	map->v = calloc(n ? n : 1, sizeof(*map->v));
	for (size_t i = 0; map->v && i < n; i++) {
		const char *value;

		r = json_to_string(json_at(obj, i), &value, err);
		if (r < 0)
			return r;
		map->v[map->n++] = (struct oci_pair){ strdup(json_key_at(obj, i)), strdup(value) };
		if (!map->v[i].key || !map->v[i].value)
			return err_set(err, -ENOMEM, "out of memory");
	}
	return map->v ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int read_machine(const struct json *obj, struct state *state, struct err *err)
{
	uint64_t cpus;
	int r = 0;

	if (json_get(obj, "cpus")) {
		r = json_to_u64(json_get(obj, "cpus"), UINT_MAX, &cpus, err);
		if (r < 0)
			return r;
		state->cpus = (unsigned)cpus;
	}
	if (json_get(obj, "netOwner"))
		r = read_string(obj, "netOwner", &state->net_owner, err);
	if (r == 0 && json_get(obj, "netPath"))
		r = read_string(obj, "netPath", &state->net_path, err);
	if (r == 0 && json_get(obj, "netWaits"))
		r = json_to_bool(json_get(obj, "netWaits"), &state->net_waits, err);
	return r;
}

static int read_ours(const struct json *obj, struct state *state, struct err *err)
{
	int64_t format;
	int r;

	if (!json_get(obj, "format"))
		return err_set(err, -EINVAL, "it was not written by vrun");
	r = json_to_i64(json_get(obj, "format"), 0, INT32_MAX, &format, err);
	if (r < 0)
		return r;
	if (format != STATE_FORMAT)
		return err_set(err, -EINVAL, "it is of format %d, this vrun knows format %d", (int)format,
			       STATE_FORMAT);
	r = read_string(obj, "engine", &state->engine, err);
	if (r == 0)
		r = read_machine(obj, state, err);
	if (r < 0)
		return r;
	if (!json_get(obj, "pidStart"))
		return err_set(err, -EINVAL, "pidStart is missing");
	return json_to_u64(json_get(obj, "pidStart"), UINT64_MAX, &state->pid_start, err);
}

static int read_state(const struct json *root, struct state *state, struct err *err)
{
	const struct {
		const char *key;
		char **field;
	} strings[] = {
		{ "ociVersion", &state->oci_version }, { "id", &state->id },
		{ "bundle", &state->bundle },	       { "rootfs", &state->rootfs },
		{ "created", &state->created },	       { "owner", &state->owner },
	};
	int64_t pid;
	int r;

	r = json_expect(root, JSON_OBJECT, err);
	if (r < 0)
		return r;
	/* First, so that a file of another version is called that. */
	r = read_ours(json_get(root, "vrun"), state, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		r = read_string(root, strings[i].key, strings[i].field, err);
		if (r < 0)
			return r;
	}
	if (!json_get(root, "pid"))
		return err_set(err, -EINVAL, "pid is missing");
	r = json_to_i64(json_get(root, "pid"), 0, INT32_MAX, &pid, err);
	if (r < 0)
		return r;
	state->pid = (pid_t)pid;
	return read_annotations(json_get(root, "annotations"), &state->annotations, err);
}

int state_load(int dirfd, struct state **ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_doc_ struct json_doc *doc = NULL;
	_cleanup_state_ struct state *state = NULL;
	size_t len;
	int r;

	r = file_read(dirfd, "state.json", STATE_SIZE_MAX, &text, &len);
	if (r == -ENOENT)
		return err_set(err, r, "container does not exist");
	if (r < 0)
		return err_set_errno(err, r, "state.json");
	r = json_parse(text, len, "state.json", &doc, err);
	if (r < 0)
		return err_wrap(err, r, "the container's state can't be read");
	state = calloc(1, sizeof(*state));
	if (!state)
		return err_set(err, -ENOMEM, "out of memory");
	r = read_state(json_root(doc), state, err);
	if (r < 0)
		return err_wrap(err, r, "the container's state.json can't be used");
	*ret = TAKE_PTR(state);
	return 0;
}

enum container_status state_status(const struct state *state, int dirfd, char *text, size_t size)
{
	enum container_status status = status_read(dirfd, text, size);

	/* Before it is started there is no process yet: the one that creates it holds the lock. */
	if (state->pid == 0)
		return status == STATUS_CREATING ? STATUS_CREATING : STATUS_STOPPED;
	return proc_is_alive(state->pid, state->pid_start) ? status : STATUS_STOPPED;
}

void state_put_members(const struct state *state, enum container_status status, bool runc_extras,
		       struct json_out *out)
{
	put_string(out, "ociVersion", state->oci_version);
	put_string(out, "id", state->id);
	json_put_i64(out, "pid", status == STATUS_STOPPED ? 0 : state->pid);
	put_string(out, "status", status_name(status));
	put_string(out, "bundle", state->bundle);
	if (runc_extras) {
		put_string(out, "rootfs", state->rootfs);
		put_string(out, "created", state->created);
	}
	put_annotations(state, out);
	if (runc_extras)
		put_string(out, "owner", state->owner);
}

void state_put(const struct state *state, enum container_status status, bool runc_extras,
	       struct json_out *out)
{
	json_out_object(out);
	state_put_members(state, status, runc_extras, out);
	json_out_object_end(out);
}

int state_text(const struct state *state, enum container_status status, char **ret_text, size_t *ret_len)
{
	struct json_out *out;
	int r;

	r = json_out_new(false, &out);
	if (r < 0)
		return r;
	state_put(state, status, false, out);
	r = json_out_finish(out, ret_text, ret_len);
	json_out_free(out);
	return r;
}
