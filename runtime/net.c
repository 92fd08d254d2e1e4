/* SPDX-License-Identifier: Apache-2.0 */
/* net: see net.h. */
#include "runtime/net.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "runtime/net_internal.h"
#include "runtime/netlink.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>

/* How often a namespace that keeps changing is read. */
enum { READ_TRIES = 10 };

struct net_capture {
	int ns_fd;
	struct netlink *nl;
	struct net_links links;
	struct guest_net config;
	struct net_tap *taps;
	size_t n_attached; /* interfaces whose frames are redirected */
	bool keep;
};

int net_owner_new(struct net_owner *ret)
{
	struct net_owner owner;

	if (getrandom(owner.id, sizeof(owner.id), 0) != sizeof(owner.id))
		return -EIO;
	*ret = owner;
	return 0;
}

int net_ns_open(const char *path, int *ret_fd, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_set_errno(err, -errno, "network namespace %s", path);
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return err_set(err, -EINVAL, "%s: not a network namespace", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int bring_lo_up(int ns_fd)
{
	_cleanup_netlink_ struct netlink *nl = NULL;
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh;
	int r = netlink_open(ns_fd, &nl);

	if (r < 0)
		return r;
	nlh = netlink_begin(nl, RTM_NEWLINK, 0, sizeof(*ifi), &ifi);
	/* The first in every namespace (LOOPBACK_IFINDEX). */
	ifi->ifi_index = 1;
	ifi->ifi_flags = ifi->ifi_change = IFF_UP;
	return netlink_talk(nl, nlh);
}

int net_ns_new(int *ret_fd)
{
	_cleanup_close_ int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), fd = -EBADF;
	int r;

	if (home < 0 || unshare(CLONE_NEWNET) < 0)
		return -errno;
	fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : 0;
	if (setns(home, CLONE_NEWNET) < 0)
		return -errno;
	if (r == 0)
		r = bring_lo_up(fd);
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

/* --- reading --- */

static int check_use(struct netlink *nl, const struct net_link *link, struct err *err)
{
	struct net_redirect use;
	int r = net_redirect_find(nl, link->index, &use);

	if (r < 0)
		return err_set_errno(err, r, "network interface %s: reading its tc settings", link->name);
	if (!use.used || (use.vrun && use.stale))
		return 0;
	if (use.vrun)
		return err_set(err, -EBUSY, "network interface %s belongs to another container's VM",
			       link->name);
	return err_set(
		err, -EBUSY,
		"network interface %s: tc is in use on it (a %s qdisc), which a VM's network needs for "
		"itself",
		link->name, use.kind);
}

static int read_once(struct net_capture *c, struct err *err)
{
	struct net_links all = { 0 };
	int r = net_links_read(c->nl, &all, err);

	if (r == 0)
		r = net_links_select(&all, &c->links, err);
	if (r == 0)
		r = net_config_read(c->nl, &all, &c->links, &c->config, err);
	net_links_done(&all);
	if (r < 0)
		net_links_done(&c->links);
	return r;
}

static int read_all(struct net_capture *c, struct err *err)
{
	struct err why = ERR_INIT;
	int r = -EINTR;

	/* The error of a try that is repeated is none. */
	for (int i = 0; r == -EINTR && i < READ_TRIES; i++)
		r = read_once(c, &why);
	if (r < 0)
		return err_set(err, r, "%s", why.text);
	for (size_t i = 0; r == 0 && i < c->links.n; i++)
		r = check_use(c->nl, &c->links.v[i], err);
	return r;
}

int net_capture_open(int ns_fd, struct net_capture **ret, struct err *err)
{
	_cleanup_net_capture_ struct net_capture *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_set(err, -ENOMEM, "out of memory");
	c->ns_fd = fcntl(ns_fd, F_DUPFD_CLOEXEC, 3);
	if (c->ns_fd < 0)
		return err_set_errno(err, -errno, "network namespace");
	r = netlink_open(c->ns_fd, &c->nl);
	if (r < 0)
		return err_set_errno(err, r, "entering the network namespace");
	r = read_all(c, err);
	if (r < 0)
		return r;
	c->taps = calloc(c->links.n ? c->links.n : 1, sizeof(*c->taps));
	if (!c->taps)
		return err_set(err, -ENOMEM, "out of memory");
	*ret = TAKE_PTR(c);
	return 0;
}

/* --- attaching --- */

/* Those that nobody took. */
static void close_taps(struct net_capture *c)
{
	for (size_t i = 0; c->taps && i < c->links.n; i++) {
		struct net_tap *tap = &c->taps[i];

		for (; tap->n_fds > 0; tap->n_fds--)
			close_fd(tap->fds[tap->n_fds - 1]);
	}
}

/* What a VM left behind that was killed goes first; only a stranger could come in between. */
static int redirect(struct netlink *nl, int from, int to, const struct net_owner *owner, struct err *err)
{
	struct net_redirect use;

	if (net_redirect_find(nl, from, &use) == 0 && use.vrun && use.stale)
		net_redirect_remove(nl, from);
	return net_redirect_add(nl, from, to, owner, err);
}

static int attach_one(struct net_capture *c, const struct net_link *link, struct net_tap *tap,
		      const struct net_owner *owner, unsigned queues, struct err *err)
{
	char name[IFNAMSIZ];
	int index, r;

	strcpy(tap->name, link->name);
	memcpy(tap->mac, link->mac, sizeof(tap->mac));
	tap->mtu = link->mtu;
	r = net_tap_open(c->ns_fd, queues, name, tap->fds, err);
	if (r < 0)
		return r;
	tap->n_fds = queues;
	r = net_tap_up(c->nl, name, link->mtu, &index, err);
	if (r == 0)
		r = redirect(c->nl, index, link->index, owner, err);
	return r < 0 ? r : redirect(c->nl, link->index, index, owner, err);
}

static void detach(struct net_capture *c)
{
	while (c->n_attached > 0) {
		const struct net_link *link = &c->links.v[--c->n_attached];
		int r = net_redirect_remove(c->nl, link->index);

		if (r < 0)
			log_warn("network interface %s: its tc settings can't be put back: %s", link->name,
				 strerror(-r));
	}
}

int net_capture_attach(struct net_capture *capture, const struct net_owner *owner, unsigned cpus,
		       struct err *err)
{
	unsigned queues = cpus < 1 ? 1 : cpus > NET_QUEUES_MAX ? NET_QUEUES_MAX : cpus;
	int r;

	for (size_t i = 0; i < capture->links.n; i++) {
		const struct net_link *link = &capture->links.v[i];

		r = attach_one(capture, link, &capture->taps[i], owner, queues, err);
		if (r < 0) {
			detach(capture);
			close_taps(capture);
			return err_wrap(err, r, "network interface %s", link->name);
		}
		capture->n_attached = i + 1;
	}
	return 0;
}

const struct guest_net *net_capture_config(const struct net_capture *capture)
{
	return &capture->config;
}

size_t net_capture_count(const struct net_capture *capture)
{
	return capture->links.n;
}

struct net_tap *net_capture_tap(struct net_capture *capture, size_t i)
{
	return &capture->taps[i];
}

void net_capture_keep(struct net_capture *capture)
{
	capture->keep = true;
}

void net_capture_free(struct net_capture *capture)
{
	if (!capture)
		return;
	if (!capture->keep)
		detach(capture);
	close_taps(capture);
	free(capture->taps);
	guest_net_done(&capture->config);
	net_links_done(&capture->links);
	netlink_free(capture->nl);
	close_fd(capture->ns_fd);
	free(capture);
}

/* --- later --- */

static int read_links(struct netlink *nl, struct net_links *ret)
{
	int r = -EINTR;

	for (int i = 0; r == -EINTR && i < READ_TRIES; i++)
		r = net_links_read(nl, ret, NULL);
	return r;
}

static bool is_of(struct netlink *nl, const struct net_link *link, const struct net_owner *owner)
{
	struct net_redirect use;

	return net_redirect_find(nl, link->index, &use) == 0 && use.vrun &&
	       !memcmp(&use.owner, owner, sizeof(*owner));
}

int net_check_complete(int ns_fd, const struct net_owner *owner, struct err *err)
{
	_cleanup_netlink_ struct netlink *nl = NULL;
	struct net_links all = { 0 }, links = { 0 };
	int r;

	r = netlink_open(ns_fd, &nl);
	if (r == 0)
		r = read_links(nl, &all);
	if (r < 0)
		return err_set_errno(err, r, "looking for new network interfaces");
	r = net_links_select(&all, &links, err);
	for (size_t i = 0; r == 0 && i < links.n; i++) {
		if (!is_of(nl, &links.v[i], owner))
			r = err_set(
				err, -EBUSY,
				"network interface %s came after the container was created; its VM can't be "
				"given one any more",
				links.v[i].name);
	}
	net_links_done(&links);
	net_links_done(&all);
	return r;
}

int net_release(int ns_fd, const struct net_owner *owner)
{
	_cleanup_netlink_ struct netlink *nl = NULL;
	struct net_links links = { 0 };
	int r, first = 0;

	r = netlink_open(ns_fd, &nl);
	if (r == 0)
		r = read_links(nl, &links);
	if (r < 0)
		return r;
	for (size_t i = 0; i < links.n; i++) {
		if (!is_of(nl, &links.v[i], owner))
			continue;
		r = net_redirect_remove(nl, links.v[i].index);
		if (r < 0 && first == 0)
			first = r;
	}
	net_links_done(&links);
	return first;
}
