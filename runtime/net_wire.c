/* SPDX-License-Identifier: Apache-2.0 */
/* net_wire: see net_wire.h. */
#include "runtime/net_wire.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "vmm/vm_spec.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

_Static_assert((int)NET_QUEUES_MAX <= (int)MESSAGE_FDS_MAX, "one message carries a tap");
_Static_assert((int)NET_QUEUES_MAX <= (int)VM_NET_PAIRS_MAX, "a device takes a tap");
_Static_assert(sizeof(((struct net_tap *)0)->mac) == VM_MAC_LEN, "one kind of address");

static void hex_write(const uint8_t *bytes, size_t len, char *ret)
{
	for (size_t i = 0; i < len; i++)
		sprintf(ret + 2 * i, "%02x", bytes[i]);
}

static int hex_read(const char *text, uint8_t *ret, size_t len)
{
	char pair[3] = "";

	if (strlen(text) != 2 * len)
		return -EINVAL;
	for (size_t i = 0; i < 2 * len; i++)
		if (!isxdigit((unsigned char)text[i]))
			return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		memcpy(pair, text + 2 * i, 2);
		ret[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return 0;
}

void net_owner_text(const struct net_owner *owner, char ret[static NET_OWNER_TEXT_LEN + 1])
{
	hex_write(owner->id, sizeof(owner->id), ret);
}

int net_owner_parse(const char *text, struct net_owner *ret)
{
	struct net_owner owner;
	int r = hex_read(text, owner.id, sizeof(owner.id));

	if (r == 0)
		*ret = owner;
	return r;
}

/* --- one interface --- */

int net_wire_message(const struct net_tap *tap, const struct net_owner *owner, struct message *ret,
		     char **ret_text)
{
	struct message msg = { .type = MESSAGE_NET, .n_fds = tap->n_fds };
	char mac[2 * sizeof(tap->mac) + 1], id[NET_OWNER_TEXT_LEN + 1];
	struct json_out *out;
	size_t len;
	int r = json_out_new(false, &out);

	if (r < 0)
		return r;
	hex_write(tap->mac, sizeof(tap->mac), mac);
	net_owner_text(owner, id);
	json_out_object(out);
	json_put_string(out, "name", tap->name);
	json_put_string(out, "mac", mac);
	json_put_u64(out, "mtu", tap->mtu);
	json_put_string(out, "owner", id);
	json_put_bool(out, "stream", tap->stream);
	json_out_object_end(out);
	r = json_out_finish(out, ret_text, &len);
	json_out_free(out);
	if (r < 0)
		return r;
	memcpy(msg.fds, tap->fds, tap->n_fds * sizeof(tap->fds[0]));
	msg.text = *ret_text;
	*ret = msg;
	return 0;
}

static int get_string(const struct json *obj, const char *key, const char **ret, struct err *err)
{
	const struct json *node = json_get(obj, key);

	return node ? json_to_string(node, ret, err) : err_set(err, -EINVAL, "%s is missing", key);
}

static int get_hex(const struct json *obj, const char *key, uint8_t *ret, size_t len, struct err *err)
{
	const char *text;
	int r = get_string(obj, key, &text, err);

	if (r == 0 && hex_read(text, ret, len) < 0)
		r = err_set(err, -EINVAL, "%s: must be %zu hexadecimal digits", key, 2 * len);
	return r;
}

static int read_fields(const struct json *root, struct vm_net *net, struct net_owner *owner, struct err *err)
{
	const char *name;
	uint64_t mtu;
	int r;

	r = get_string(root, "name", &name, err);
	if (r == 0)
		r = get_hex(root, "mac", net->mac, sizeof(net->mac), err);
	if (r == 0)
		r = get_hex(root, "owner", owner->id, sizeof(owner->id), err);
	if (r == 0 && !json_get(root, "mtu"))
		r = err_set(err, -EINVAL, "mtu is missing");
	if (r == 0)
		r = json_to_u64(json_get(root, "mtu"), VM_NET_MTU_MAX, &mtu, err);
	if (r < 0)
		return r;
	net->mtu = (unsigned)mtu;
	if (json_get(root, "stream"))
		r = json_to_bool(json_get(root, "stream"), &net->stream, err);
	if (r < 0)
		return r;
	net->name = strdup(name);
	return net->name ? 0 : err_set(err, -ENOMEM, "out of memory");
}

int net_wire_read(struct message *msg, struct vm_net *ret, struct net_owner *ret_owner, struct err *err)
{
	_cleanup_json_doc_ struct json_doc *doc = NULL;
	struct vm_net net = { .name = NULL };
	struct net_owner owner;
	int r;

	if (msg->type != MESSAGE_NET || !msg->text || msg->n_fds == 0 || msg->n_fds > NET_QUEUES_MAX)
		return err_set(err, -EPROTO, "expected a network interface");
	r = json_parse(msg->text, strlen(msg->text), "network interface", &doc, err);
	if (r == 0)
		r = read_fields(json_root(doc), &net, &owner, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < msg->n_fds; i++)
		net.tap_fds[net.n_pairs++] = message_take_fd(msg, i);
	*ret = net;
	*ret_owner = owner;
	return 0;
}

/* --- the configuration --- */

int net_wire_config_fd(const struct guest_net *net)
{
	_cleanup_free_ char *text = NULL;
	struct json_out *out;
	size_t len;
	int r = json_out_new(false, &out);

	if (r < 0)
		return r;
	guest_net_write(net, out);
	r = json_out_finish(out, &text, &len);
	json_out_free(out);
	return r < 0 ? r : fd_from_bytes("network", text, len);
}

int net_wire_config_read(int fd, struct guest_net *ret, struct err *err)
{
	_cleanup_json_doc_ struct json_doc *doc = NULL;
	_cleanup_free_ char *text = NULL;
	char path[32];
	size_t len;
	int r;

	/* Opened anew: the sender's offset is at the end. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = file_read(AT_FDCWD, path, JSON_SIZE_MAX, &text, &len);
	if (r < 0)
		return err_set_errno(err, r, "the network's configuration");
	r = json_parse(text, len, "network", &doc, err);
	return r < 0 ? r : guest_net_read(json_root(doc), ret, err);
}
