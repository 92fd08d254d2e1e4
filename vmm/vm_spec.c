/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm_spec: the machine's description as JSON, both ways, and its limits.
 *
 * The planner writes it and vrun-vmm reads it, both of one build: an unknown key is
 * a mistake of ours and is refused.
 */
#include "vmm/vm_spec.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

static const char *const engine_names[] = { [VM_ENGINE_KVM] = "kvm", [VM_ENGINE_QEMU] = "qemu" };
static const char *const cache_names[] = {
	[VM_SHARE_CACHE_AUTO] = "auto",
	[VM_SHARE_CACHE_NONE] = "none",
	[VM_SHARE_CACHE_ALWAYS] = "always",
};

static const char *const kind_names[] = {
	[VM_PLACE_FILE] = "file",
	[VM_PLACE_CLOSED] = "closed",
	[VM_PLACE_EMPTY] = "empty",
	[VM_PLACE_PROC] = "proc",
};

const char *vm_engine_name(enum vm_engine engine)
{
	return (size_t)engine < ARRAY_SIZE(engine_names) ? engine_names[engine] : "unknown";
}

void vm_spec_free(struct vm_spec *spec)
{
	if (!spec)
		return;
	for (size_t i = 0; i < spec->n_shares; i++) {
		free(spec->shares[i].name);
		free(spec->shares[i].path);
	}
	free(spec->shares);
	for (size_t i = 0; i < spec->view.n_places; i++)
		free(spec->view.places[i].path);
	free(spec->view.places);
	for (size_t i = 0; i < spec->n_sockets; i++)
		free(spec->sockets[i]);
	free(spec->sockets);
	for (size_t i = 0; i < spec->n_nets; i++)
		free(spec->nets[i].name);
	free(spec->nets);
	free(spec->id);
	free(spec->kernel);
	free(spec->initrd);
	free(spec->cmdline);
	free(spec->console_path);
	free(spec->qemu_path);
	free(spec->qemu_accel);
	free(spec);
}

static void cleanup_vm_spec(struct vm_spec **spec)
{
	vm_spec_free(*spec);
}

/* --- Reading --- */

/* Absent leaves *ret NULL. */
static int take_string(const struct json *obj, const char *key, char **ret, struct err *err)
{
	const struct json *node = json_get(obj, key);
	const char *text;
	int r;

	if (!node)
		return 0;
	r = json_to_string(node, &text, err);
	if (r < 0)
		return r;
	*ret = strdup(text);
	return *ret ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int take_bool(const struct json *obj, const char *key, bool *ret, struct err *err)
{
	const struct json *node = json_get(obj, key);

	return node ? json_to_bool(node, ret, err) : 0;
}

static int take_u64(const struct json *obj, const char *key, uint64_t max, uint64_t *ret, struct err *err)
{
	const struct json *node = json_get(obj, key);

	return node ? json_to_u64(node, max, ret, err) : 0;
}

/* Absent leaves *ret alone. */
static int take_name(const struct json *obj, const char *key, const char *const *names, size_t n_names,
		     unsigned *ret, struct err *err)
{
	const struct json *node = json_get(obj, key);
	const char *text;
	int r;

	if (!node)
		return 0;
	r = json_to_string(node, &text, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n_names; i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = (unsigned)i;
			return 0;
		}
	}
	return err_set(err, -EINVAL, "%s: unknown value \"%s\"", json_path(node), text);
}

static int check_keys(const struct json *obj, const char *const *keys, size_t n_keys, struct err *err)
{
	for (size_t i = 0; i < json_length(obj); i++) {
		const char *key = json_key_at(obj, i);
		bool known = false;

		for (size_t k = 0; k < n_keys && !known; k++)
			known = strcmp(key, keys[k]) == 0;
		if (!known)
			return err_set(err, -EINVAL, "%s: unknown key", json_path(json_at(obj, i)));
	}
	return 0;
}

/*
 * An array of at most `max` objects of `size` bytes each, into memory of its own. What was made before an error is
 * counted, and so freed.
 */
static int take_array(const struct json *node, size_t max, size_t size,
		      int (*parse)(const struct json *node, void *ret, struct err *err), void **ret,
		      size_t *ret_n, struct err *err)
{
	size_t n;
	int r;

	if (!node)
		return 0;
	r = json_expect(node, JSON_ARRAY, err);
	if (r < 0)
		return r;
	n = json_length(node);
	if (n > max)
		return json_error(node, err, "at most %zu", max);
	if (n == 0)
		return 0;
	*ret = calloc(n, size);
	if (!*ret)
		return err_set(err, -ENOMEM, "out of memory");
	*ret_n = n;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = parse(json_at(node, i), (char *)*ret + i * size, err);
	return r;
}

static int parse_share(const struct json *node, void *ret, struct err *err)
{
	struct vm_share *share = ret;
	static const char *const keys[] = { "name", "path", "readonly", "submounts", "trusted", "cache" };
	unsigned cache = VM_SHARE_CACHE_AUTO;
	int r;

	r = json_expect(node, JSON_OBJECT, err);
	if (r < 0)
		return r;
	if ((r = check_keys(node, keys, ARRAY_SIZE(keys), err)) < 0 ||
	    (r = take_string(node, "name", &share->name, err)) < 0 ||
	    (r = take_string(node, "path", &share->path, err)) < 0 ||
	    (r = take_bool(node, "readonly", &share->readonly, err)) < 0 ||
	    (r = take_bool(node, "submounts", &share->submounts, err)) < 0 ||
	    (r = take_bool(node, "trusted", &share->trusted, err)) < 0 ||
	    (r = take_name(node, "cache", cache_names, ARRAY_SIZE(cache_names), &cache, err)) < 0)
		return r;
	share->cache = cache;
	return 0;
}

static int parse_place(const struct json *node, void *ret, struct err *err)
{
	struct vm_place *place = ret;
	static const char *const keys[] = { "path", "share", "readonly", "kind" };
	const struct json *share;
	unsigned kind = VM_PLACE_FILE;
	int64_t number = -1;
	int r;

	r = json_expect(node, JSON_OBJECT, err);
	if (r < 0)
		return r;
	share = json_get(node, "share");
	if ((r = check_keys(node, keys, ARRAY_SIZE(keys), err)) < 0 ||
	    (r = take_string(node, "path", &place->path, err)) < 0 ||
	    (share && (r = json_to_i64(share, -1, VM_SHARES_MAX, &number, err)) < 0) ||
	    (r = take_bool(node, "readonly", &place->readonly, err)) < 0 ||
	    (r = take_name(node, "kind", kind_names, ARRAY_SIZE(kind_names), &kind, err)) < 0)
		return r;
	place->kind = kind;
	place->share = (int)number;
	return 0;
}

static int parse_view(const struct json *node, struct vm_view *view, struct err *err)
{
	static const char *const keys[] = { "places", "uid", "gid" };
	uint64_t uid = 0, gid = 0;
	int r;

	if (!node)
		return 0;
	r = json_expect(node, JSON_OBJECT, err);
	if (r < 0)
		return r;
	if ((r = check_keys(node, keys, ARRAY_SIZE(keys), err)) < 0 ||
	    (r = take_u64(node, "uid", UINT32_MAX, &uid, err)) < 0 ||
	    (r = take_u64(node, "gid", UINT32_MAX, &gid, err)) < 0)
		return r;
	view->uid = (uint32_t)uid;
	view->gid = (uint32_t)gid;
	return take_array(json_get(node, "places"), VM_PLACES_MAX, sizeof(*view->places), parse_place,
			  (void **)&view->places, &view->n_places, err);
}

static int parse_socket(const struct json *node, void *ret, struct err *err)
{
	const char *text;
	int r = json_to_string(node, &text, err);

	if (r < 0)
		return r;
	*(char **)ret = strdup(text);
	return *(char **)ret ? 0 : err_set(err, -ENOMEM, "out of memory");
}

/* Six bytes as "02:00:5e:10:00:01". */
static bool mac_from_text(const char *text, uint8_t mac[VM_MAC_LEN])
{
	uint8_t bytes[VM_MAC_LEN];
	int end = 0;

	/* %2hhx would skip white space and take a sign: the shape is checked first. */
	for (size_t i = 0; i < 3 * VM_MAC_LEN - 1; i++)
		if (i % 3 == 2 ? text[i] != ':' : !isxdigit((unsigned char)text[i]))
			return false;
	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &bytes[0], &bytes[1], &bytes[2], &bytes[3],
		   &bytes[4], &bytes[5], &end) != VM_MAC_LEN ||
	    text[end] != '\0')
		return false;
	memcpy(mac, bytes, sizeof(bytes));
	return true;
}

static int take_mac(const struct json *obj, uint8_t mac[VM_MAC_LEN], struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int r;

	r = take_string(obj, "mac", &text, err);
	if (r < 0 || !text)
		return r;
	if (!mac_from_text(text, mac))
		return json_error(json_get(obj, "mac"), err, "must be six bytes like 02:00:5e:10:00:01");
	return 0;
}

static int take_taps(const struct json *node, struct vm_net *net, struct err *err)
{
	int64_t fd;
	int r;

	if (!node)
		return 0;
	r = json_expect(node, JSON_ARRAY, err);
	if (r < 0)
		return r;
	if (json_length(node) > VM_NET_PAIRS_MAX)
		return json_error(node, err, "at most %d", VM_NET_PAIRS_MAX);
	for (size_t i = 0; i < json_length(node); i++) {
		r = json_to_i64(json_at(node, i), 0, INT_MAX, &fd, err);
		if (r < 0)
			return r;
		net->tap_fds[net->n_pairs++] = (int)fd;
	}
	return 0;
}

static int parse_net(const struct json *node, void *ret, struct err *err)
{
	struct vm_net *net = ret;
	static const char *const keys[] = { "name", "mac", "mtu", "taps", "stream", "inProcess" };
	uint64_t mtu = VM_NET_MTU_DEFAULT;
	int r;

	r = json_expect(node, JSON_OBJECT, err);
	if (r < 0)
		return r;
	if ((r = check_keys(node, keys, ARRAY_SIZE(keys), err)) < 0 ||
	    (r = take_string(node, "name", &net->name, err)) < 0 || (r = take_mac(node, net->mac, err)) < 0 ||
	    (r = take_u64(node, "mtu", UINT_MAX, &mtu, err)) < 0 ||
	    (r = take_taps(json_get(node, "taps"), net, err)) < 0 ||
	    (r = take_bool(node, "stream", &net->stream, err)) < 0 ||
	    (r = take_bool(node, "inProcess", &net->in_process, err)) < 0)
		return r;
	net->mtu = (unsigned)mtu;
	return 0;
}

static int parse_object(const struct json *root, struct vm_spec *spec, struct err *err)
{
	static const char *const keys[] = {
		"id",	  "engine", "kernel",  "initrd",      "cmdline",  "cpus",
		"memory", "cid",    "shares",  "view",	      "sockets",  "nets",
		"jail",	  "debug",  "console", "consolePath", "qemuPath", "qemuAccel",
	};
	uint64_t cpus = VM_CPUS_DEFAULT, cid = 0;
	unsigned engine = VM_ENGINE_KVM;
	int r;

	r = json_expect(root, JSON_OBJECT, err);
	if (r < 0)
		return r;
	spec->memory = VM_MEMORY_DEFAULT;
	if ((r = check_keys(root, keys, ARRAY_SIZE(keys), err)) < 0 ||
	    (r = take_string(root, "id", &spec->id, err)) < 0 ||
	    (r = take_name(root, "engine", engine_names, ARRAY_SIZE(engine_names), &engine, err)) < 0 ||
	    (r = take_string(root, "kernel", &spec->kernel, err)) < 0 ||
	    (r = take_string(root, "initrd", &spec->initrd, err)) < 0 ||
	    (r = take_string(root, "cmdline", &spec->cmdline, err)) < 0 ||
	    (r = take_u64(root, "cpus", UINT_MAX, &cpus, err)) < 0 ||
	    (r = take_u64(root, "memory", UINT64_MAX, &spec->memory, err)) < 0 ||
	    (r = take_u64(root, "cid", UINT32_MAX, &cid, err)) < 0 ||
	    (r = take_array(json_get(root, "shares"), VM_SHARES_MAX, sizeof(*spec->shares), parse_share,
			    (void **)&spec->shares, &spec->n_shares, err)) < 0 ||
	    (r = parse_view(json_get(root, "view"), &spec->view, err)) < 0 ||
	    (r = take_array(json_get(root, "sockets"), VM_SOCKETS_MAX, sizeof(*spec->sockets), parse_socket,
			    (void **)&spec->sockets, &spec->n_sockets, err)) < 0 ||
	    (r = take_array(json_get(root, "nets"), VM_NETS_MAX, sizeof(*spec->nets), parse_net,
			    (void **)&spec->nets, &spec->n_nets, err)) < 0 ||
	    (r = take_bool(root, "jail", &spec->jail, err)) < 0 ||
	    (r = take_bool(root, "debug", &spec->debug, err)) < 0 ||
	    (r = take_bool(root, "console", &spec->console, err)) < 0 ||
	    (r = take_string(root, "consolePath", &spec->console_path, err)) < 0 ||
	    (r = take_string(root, "qemuPath", &spec->qemu_path, err)) < 0 ||
	    (r = take_string(root, "qemuAccel", &spec->qemu_accel, err)) < 0)
		return r;
	spec->engine = engine;
	spec->cpus = (unsigned)cpus;
	spec->cid = (uint32_t)cid;
	return 0;
}

int vm_spec_parse(const char *text, size_t len, struct vm_spec **ret, struct err *err)
{
	_cleanup_(cleanup_vm_spec) struct vm_spec *spec = NULL;
	_cleanup_json_doc_ struct json_doc *doc = NULL;
	int r;

	r = json_parse(text, len, "vm spec", &doc, err);
	if (r < 0)
		return r;
	spec = calloc(1, sizeof(*spec));
	if (!spec)
		return err_set(err, -ENOMEM, "out of memory");
	r = parse_object(json_root(doc), spec, err);
	if (r < 0)
		return err_wrap(err, r, "vm spec");
	r = vm_spec_check(spec, err);
	if (r < 0)
		return err_wrap(err, r, "vm spec");
	*ret = TAKE_PTR(spec);
	return 0;
}

/* --- Writing --- */

static void put_view(struct json_out *out, const struct vm_view *view)
{
	json_out_key(out, "view");
	json_out_object(out);
	json_out_key(out, "places");
	json_out_array(out);
	for (size_t i = 0; i < view->n_places; i++) {
		const struct vm_place *place = &view->places[i];

		json_out_object(out);
		json_put_string(out, "path", place->path);
		json_out_key(out, "share");
		json_out_i64(out, place->share);
		json_put_bool(out, "readonly", place->readonly);
		json_put_string(out, "kind", kind_names[place->kind]);
		json_out_object_end(out);
	}
	json_out_array_end(out);
	json_put_u64(out, "uid", view->uid);
	json_put_u64(out, "gid", view->gid);
	json_out_object_end(out);
}

static void put_nets(struct json_out *out, const struct vm_spec *spec)
{
	json_out_key(out, "nets");
	json_out_array(out);
	for (size_t i = 0; i < spec->n_nets; i++) {
		const struct vm_net *net = &spec->nets[i];
		const uint8_t *mac = net->mac;
		char text[3 * VM_MAC_LEN];

		snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
			 mac[4], mac[5]);
		json_out_object(out);
		json_put_string(out, "name", net->name);
		json_put_string(out, "mac", text);
		json_put_u64(out, "mtu", net->mtu);
		json_out_key(out, "taps");
		json_out_array(out);
		for (unsigned k = 0; k < net->n_pairs && k < VM_NET_PAIRS_MAX; k++)
			json_out_i64(out, net->tap_fds[k]);
		json_out_array_end(out);
		json_put_bool(out, "stream", net->stream);
		json_put_bool(out, "inProcess", net->in_process);
		json_out_object_end(out);
	}
	json_out_array_end(out);
}

int vm_spec_write(const struct vm_spec *spec, char **ret_text, size_t *ret_len)
{
	struct json_out *out;
	int r;

	r = json_out_new(false, &out);
	if (r < 0)
		return r;
	json_out_object(out);
	json_put_string(out, "id", spec->id);
	json_put_string(out, "engine", vm_engine_name(spec->engine));
	json_put_string(out, "kernel", spec->kernel);
	json_put_string(out, "initrd", spec->initrd);
	json_put_string(out, "cmdline", spec->cmdline);
	json_put_u64(out, "cpus", spec->cpus);
	json_put_u64(out, "memory", spec->memory);
	json_put_u64(out, "cid", spec->cid);
	json_out_key(out, "shares");
	json_out_array(out);
	for (size_t i = 0; i < spec->n_shares; i++) {
		const struct vm_share *share = &spec->shares[i];

		json_out_object(out);
		json_put_string(out, "name", share->name);
		json_put_string(out, "path", share->path);
		json_put_bool(out, "readonly", share->readonly);
		json_put_bool(out, "submounts", share->submounts);
		json_put_bool(out, "trusted", share->trusted);
		json_put_string(out, "cache", cache_names[share->cache]);
		json_out_object_end(out);
	}
	json_out_array_end(out);
	put_view(out, &spec->view);
	json_out_key(out, "sockets");
	json_out_array(out);
	for (size_t i = 0; i < spec->n_sockets; i++)
		json_out_string(out, spec->sockets[i]);
	json_out_array_end(out);
	put_nets(out, spec);
	json_put_bool(out, "jail", spec->jail);
	json_put_bool(out, "debug", spec->debug);
	json_put_bool(out, "console", spec->console);
	json_put_string(out, "consolePath", spec->console_path);
	json_put_string(out, "qemuPath", spec->qemu_path);
	json_put_string(out, "qemuAccel", spec->qemu_accel);
	json_out_object_end(out);
	r = json_out_finish(out, ret_text, ret_len);
	json_out_free(out);
	return r;
}

/* --- Limits --- */

static int check_path(const char *field, const char *path, bool required, struct err *err)
{
	if (!path)
		return required ? err_set(err, -EINVAL, "%s: missing", field) : 0;
	if (path[0] != '/')
		return err_set(err, -EINVAL, "%s: must be an absolute path", field);
	if (strlen(path) >= PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "%s: longer than %d bytes", field, PATH_MAX - 1);
	return 0;
}

static int check_shares(const struct vm_spec *spec, struct err *err)
{
	if (spec->n_shares > VM_SHARES_MAX)
		return err_set(err, -EINVAL, "shares: at most %d", VM_SHARES_MAX);
	for (size_t i = 0; i < spec->n_shares; i++) {
		const struct vm_share *share = &spec->shares[i];
		char field[40];
		int r;

		snprintf(field, sizeof(field), "shares[%zu].path", i);
		r = check_path(field, share->path, true, err);
		if (r < 0)
			return r;
		if (!share->name || !share->name[0])
			return err_set(err, -EINVAL, "shares[%zu].name: missing", i);
		if (strchr(share->name, '/') || strcmp(share->name, ".") == 0 ||
		    strcmp(share->name, "..") == 0 || strlen(share->name) > NAME_MAX)
			return err_set(err, -EINVAL, "shares[%zu].name: must be one path component", i);
		if ((size_t)share->cache >= ARRAY_SIZE(cache_names))
			return err_set(err, -EINVAL, "shares[%zu].cache: unknown value", i);
		for (size_t k = 0; k < i; k++) {
			if (strcmp(spec->shares[k].name, share->name) == 0)
				return err_set(err, -EINVAL, "shares[%zu].name: \"%s\" is there twice", i,
					       share->name);
		}
	}
	return 0;
}

static int check_view(const struct vm_spec *spec, struct err *err)
{
	const struct vm_view *view = &spec->view;

	if (view->n_places > VM_PLACES_MAX)
		return err_set(err, -EINVAL, "view.places: at most %d", VM_PLACES_MAX);
	for (size_t i = 0; i < view->n_places; i++) {
		const struct vm_place *place = &view->places[i];
		char field[40];
		int r;

		snprintf(field, sizeof(field), "view.places[%zu].path", i);
		r = check_path(field, place->path, true, err);
		if (r < 0)
			return r;
		if (place->share < (i == 0 ? 0 : -1) ||
		    (place->share >= 0 && (size_t)place->share >= spec->n_shares))
			return err_set(err, -EINVAL, "view.places[%zu].share: there is no such share", i);
	}
	return 0;
}

static int check_sockets(const struct vm_spec *spec, struct err *err)
{
	if (spec->n_sockets > VM_SOCKETS_MAX)
		return err_set(err, -EINVAL, "sockets: at most %d", VM_SOCKETS_MAX);
	for (size_t i = 0; i < spec->n_sockets; i++) {
		char field[40];
		int r;

		snprintf(field, sizeof(field), "sockets[%zu]", i);
		r = check_path(field, spec->sockets[i], true, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* True when `fd` is in one of the nets before `net`, or before its queue `pair`. */
static bool tap_is_known(const struct vm_spec *spec, size_t net, unsigned pair)
{
	int fd = spec->nets[net].tap_fds[pair];

	for (size_t i = 0; i <= net; i++) {
		unsigned n = i < net ? spec->nets[i].n_pairs : pair;

		for (unsigned k = 0; k < n; k++)
			if (spec->nets[i].tap_fds[k] == fd)
				return true;
	}
	return false;
}

static int check_net(const struct vm_spec *spec, size_t i, struct err *err)
{
	static const uint8_t no_mac[VM_MAC_LEN];
	const struct vm_net *net = &spec->nets[i];

	if (!net->name || !net->name[0])
		return err_set(err, -EINVAL, "nets[%zu].name: missing", i);
	if (strlen(net->name) >= IFNAMSIZ)
		return err_set(err, -EINVAL, "nets[%zu].name: longer than %d bytes", i, IFNAMSIZ - 1);
	for (size_t k = 0; k < i; k++)
		if (strcmp(spec->nets[k].name, net->name) == 0)
			return err_set(err, -EINVAL, "nets[%zu].name: \"%s\" is there twice", i, net->name);
	/* IEEE 802: a group's address is nobody's */
	if ((net->mac[0] & 1) || memcmp(net->mac, no_mac, sizeof(no_mac)) == 0)
		return err_set(err, -EINVAL, "nets[%zu].mac: missing, or no single station's address", i);
	if (net->mtu < VM_NET_MTU_MIN || net->mtu > VM_NET_MTU_MAX)
		return err_set(err, -EINVAL, "nets[%zu].mtu: must be %d to %d", i, VM_NET_MTU_MIN,
			       VM_NET_MTU_MAX);
	if (net->n_pairs < 1 || net->n_pairs > VM_NET_PAIRS_MAX)
		return err_set(err, -EINVAL, "nets[%zu].taps: must be 1 to %d descriptors", i,
			       VM_NET_PAIRS_MAX);
	if (net->stream && net->n_pairs != 1)
		return err_set(err, -EINVAL, "nets[%zu].taps: a stream is one descriptor", i);
	for (unsigned k = 0; k < net->n_pairs; k++) {
		if (net->tap_fds[k] <= STDERR_FILENO)
			return err_set(err, -EINVAL, "nets[%zu].taps[%u]: must be above %d", i, k,
				       STDERR_FILENO);
		if (tap_is_known(spec, i, k))
			return err_set(err, -EINVAL, "nets[%zu].taps[%u]: descriptor %d is there twice", i, k,
				       net->tap_fds[k]);
	}
	return 0;
}

static int check_nets(const struct vm_spec *spec, struct err *err)
{
	if (spec->n_nets > VM_NETS_MAX)
		return err_set(err, -EINVAL, "nets: at most %d", VM_NETS_MAX);
	for (size_t i = 0; i < spec->n_nets; i++) {
		int r = check_net(spec, i, err);

		if (r < 0)
			return r;
	}
	return 0;
}

int vm_spec_check(const struct vm_spec *spec, struct err *err)
{
	int r;

	if (!spec->id || !spec->id[0])
		return err_set(err, -EINVAL, "id: missing");
	if ((size_t)spec->engine >= ARRAY_SIZE(engine_names))
		return err_set(err, -EINVAL, "engine: unknown value");
	if ((r = check_path("kernel", spec->kernel, true, err)) < 0 ||
	    (r = check_path("initrd", spec->initrd, false, err)) < 0 ||
	    (r = check_path("consolePath", spec->console_path, false, err)) < 0)
		return r;
	if (spec->cmdline && strlen(spec->cmdline) >= VM_CMDLINE_MAX)
		return err_set(err, -EINVAL, "cmdline: at most %d bytes", VM_CMDLINE_MAX - 1);
	if (spec->cpus < 1 || spec->cpus > VM_CPUS_MAX)
		return err_set(err, -EINVAL, "cpus: must be 1 to %d", VM_CPUS_MAX);
	if (spec->memory < VM_MEMORY_MIN)
		return err_set(err, -EINVAL, "memory: at least %llu MiB", VM_MEMORY_MIN >> 20);
	if (spec->memory > VM_MEMORY_MAX)
		return err_set(err, -EINVAL, "memory: at most %llu GiB", VM_MEMORY_MAX >> 30);
	if (spec->memory % (2ULL << 20))
		return err_set(err, -EINVAL, "memory: must be a multiple of 2 MiB");
	/* virtio 1.2 §5.10.4: 0, 1 and 0xffffffff are reserved, 2 is the host. */
	if (spec->cid < 3 || spec->cid == UINT32_MAX)
		return err_set(err, -EINVAL, "cid: must be 3 to %" PRIu32, UINT32_MAX - 1);
	if (spec->qemu_path && !spec->qemu_path[0])
		return err_set(err, -EINVAL, "qemuPath: empty");
	if (spec->qemu_accel && strcmp(spec->qemu_accel, "tcg") != 0 && strcmp(spec->qemu_accel, "kvm") != 0)
		return err_set(err, -EINVAL, "qemuAccel: must be tcg or kvm");
	if ((r = check_shares(spec, err)) < 0 || (r = check_view(spec, err)) < 0 ||
	    (r = check_sockets(spec, err)) < 0)
		return r;
	return check_nets(spec, err);
}
