/* SPDX-License-Identifier: Apache-2.0 */
/* bundle: the config.json of a step, made from the user's. See compare.h. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "cmd/compare/compare.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Members that are written anew or not at all. */
static bool is_one_of(const char *key, const char *const *keys)
{
	for (; *keys; keys++) {
		if (!strcmp(*keys, key))
			return true;
	}
	return false;
}

static void copy_members(struct json_out *out, const struct json *object, const char *const *but)
{
	for (size_t i = 0; i < json_length(object); i++) {
		if (is_one_of(json_key_at(object, i), but))
			continue;
		json_out_key(out, json_key_at(object, i));
		json_out_node(out, json_at(object, i));
	}
}

static void write_strings(struct json_out *out, const char *key, const char *const *values)
{
	json_out_key(out, key);
	json_out_array(out);
	for (; values && *values; values++)
		json_out_string(out, *values);
	json_out_array_end(out);
}

/* All that any step asks for; Linux knows more, which no step does. */
static const char *const all_capabilities[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_PTRACE",
	"CAP_SYS_TIME",
	"CAP_SYSLOG",
	"CAP_MKNOD",
	NULL,
};

static void write_process(struct json_out *out, const struct json *process,
			  const struct bundle_change *change)
{
	static const char *const ours[] = { "args",	   "commandLine",  "terminal",
					    "consoleSize", "capabilities", NULL };
	static const char *const plain[] = { "args", "commandLine", "terminal", "consoleSize", NULL };
	static const char *const sets[] = { "bounding", "effective", "permitted", NULL };

	json_out_key(out, "process");
	json_out_object(out);
	copy_members(out, process, change->everything ? ours : plain);
	json_out_key(out, "terminal");
	json_out_bool(out, false);
	json_out_key(out, "args");
	json_out_array(out);
	json_out_string(out, PROBE_DIR "/probe");
	for (const char *const *a = change->args; *a; a++)
		json_out_string(out, *a);
	json_out_array_end(out);
	if (change->everything) {
		json_out_key(out, "capabilities");
		json_out_object(out);
		for (const char *const *set = sets; *set; set++)
			write_strings(out, *set, all_capabilities);
		json_out_object_end(out);
	}
	json_out_object_end(out);
}

static int write_root(struct json_out *out, const struct compare *c, const struct json *root, struct err *err)
{
	static const char *const ours[] = { "path", NULL };
	_cleanup_free_ char *joined = NULL;
	_cleanup_free_ char *real = NULL;
	const char *path;
	int r;

	r = json_to_string(json_get(root, "path"), &path, err);
	if (r < 0)
		return r;
	if (asprintf(&joined, "%s%s%s", path[0] == '/' ? "" : c->bundle, path[0] == '/' ? "" : "/", path) <
	    0) {
		joined = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	real = realpath(joined, NULL);
	if (!real)
		return err_set_errno(err, -errno, "root.path %s", joined);
	json_out_key(out, "root");
	json_out_object(out);
	json_out_key(out, "path");
	json_out_string(out, real);
	copy_members(out, root, ours);
	json_out_object_end(out);
	return 0;
}

/* The probe's directory lies in /dev, so that no mount point is made in the user's root file system. */
static void write_mounts(struct json_out *out, const struct compare *c, const struct json *mounts)
{
	static const char *const options[] = { "bind", "rw", "exec", NULL };
	char share[sizeof(c->work) + 8];
	bool has_dev = false;

	json_out_key(out, "mounts");
	json_out_array(out);
	for (size_t i = 0; i < json_length(mounts); i++) {
		const char *destination;

		json_out_node(out, json_at(mounts, i));
		has_dev |= json_to_string(json_get(json_at(mounts, i), "destination"), &destination, NULL) ==
				   0 &&
			   !strcmp(destination, "/dev");
	}
	if (!has_dev) {
		json_out_object(out);
		json_out_key(out, "destination");
		json_out_string(out, "/dev");
		json_out_key(out, "type");
		json_out_string(out, "tmpfs");
		json_out_key(out, "source");
		json_out_string(out, "tmpfs");
		json_out_object_end(out);
	}
	snprintf(share, sizeof(share), "%s/share", c->work);
	json_out_object(out);
	json_out_key(out, "destination");
	json_out_string(out, PROBE_DIR);
	json_out_key(out, "type");
	json_out_string(out, "bind");
	json_out_key(out, "source");
	json_out_string(out, share);
	write_strings(out, "options", options);
	json_out_object_end(out);
	json_out_array_end(out);
}

static void write_limit(struct json_out *out, const char *key, int64_t limit)
{
	json_out_key(out, key);
	json_out_object(out);
	json_out_key(out, "limit");
	json_out_i64(out, limit);
	json_out_object_end(out);
}

static void write_linux(struct json_out *out, const struct json *node, const struct bundle_change *change)
{
	static const char *const always[] = { "resources", "cgroupsPath", NULL };
	static const char *const open[] = { "resources",     "cgroupsPath", "maskedPaths",
					    "readonlyPaths", "seccomp",	    NULL };
	const char *limits[3] = { NULL };
	size_t n = 0;

	if (change->pids)
		limits[n++] = "pids";
	if (change->memory_mib)
		limits[n++] = "memory";
	json_out_key(out, "linux");
	json_out_object(out);
	copy_members(out, node, change->everything ? open : always);
	json_out_key(out, "resources");
	json_out_object(out);
	copy_members(out, json_get(node, "resources"), limits);
	if (change->pids)
		write_limit(out, "pids", change->pids);
	if (change->memory_mib)
		write_limit(out, "memory", (int64_t)change->memory_mib << 20);
	json_out_object_end(out);
	json_out_object_end(out);
}

int bundle_make(const struct compare *c, const char *name, const struct bundle_change *change, char *ret_dir,
		struct err *err)
{
	static const char *const ours[] = { "ociVersion", "process", "root", "mounts", "linux", "hooks", NULL };
	const struct json *config = json_root(c->config);
	_cleanup_free_ char *text = NULL;
	char dir[PATH_MAX], path[PATH_MAX + 16];
	struct json_out *out;
	size_t len;
	int r;

	snprintf(dir, sizeof(dir), "%s/%s", c->work, name);
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_set_errno(err, -errno, "%s", dir);
	if (json_out_new(true, &out) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	json_out_object(out);
	/* Debian 12's crun refuses any newer one; none of them gates a field by it. */
	json_out_key(out, "ociVersion");
	json_out_string(out, "1.0.2");
	copy_members(out, config, ours);
	write_process(out, json_get(config, "process"), change);
	r = write_root(out, c, json_get(config, "root"), err);
	write_mounts(out, c, json_get(config, "mounts"));
	write_linux(out, json_get(config, "linux"), change);
	json_out_object_end(out);
	if (r == 0 && json_out_finish(out, &text, &len) < 0)
		r = err_set(err, -ENOMEM, "out of memory");
	json_out_free(out);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/config.json", dir);
	r = file_write_atomic(AT_FDCWD, path, text, len, 0600);
	if (r < 0)
		return err_set_errno(err, r, "%s", path);
	strcpy(ret_dir, dir);
	return 0;
}
