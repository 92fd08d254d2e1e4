/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_redirect: tc at an interface's ingress: a qdisc with one filter that takes
 * every frame and one action, mirred, that sends it out of another interface.
 *
 * The filter is `matchall`, or `u32` without a key where the kernel lacks that; one
 * of the two is in every kernel that vrun has met, none is in all.
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "runtime/net_internal.h"
#include "runtime/netlink.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <string.h>

#define INGRESS_HANDLE TC_H_MAKE(TC_H_INGRESS, 0)

enum { FILTER_PRIORITY = 1 };

/* The action's cookie is at most 16 bytes (TC_COOKIE_MAX_SIZE): a mark and the owner. */
struct cookie {
	char mark[4];
	struct net_owner owner;
};
_Static_assert(sizeof(struct cookie) == 16, "TC_COOKIE_MAX_SIZE");
static const char cookie_mark[4] = { 'v', 'r', 'u', 'n' };

/* --- adding --- */

static struct nlmsghdr *begin(struct netlink *nl, uint16_t type, uint16_t flags, int index, uint32_t handle,
			      uint32_t parent, uint32_t info)
{
	struct tcmsg *tcm;
	struct nlmsghdr *nlh = netlink_begin(nl, type, flags, sizeof(*tcm), &tcm);

	tcm->tcm_ifindex = index;
	tcm->tcm_handle = handle;
	tcm->tcm_parent = parent;
	tcm->tcm_info = info;
	return nlh;
}

static int add_qdisc(struct netlink *nl, int index)
{
	struct nlmsghdr *nlh =
		begin(nl, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, index, INGRESS_HANDLE, TC_H_INGRESS, 0);

	mnl_attr_put_strz(nlh, TCA_KIND, "ingress");
	return netlink_talk(nl, nlh);
}

static void put_redirect(struct nlmsghdr *nlh, uint16_t type, int to, const struct net_owner *owner)
{
	const struct tc_mirred parms = {
		.action = TC_ACT_STOLEN,
		.eaction = TCA_EGRESS_REDIR,
		.ifindex = (uint32_t)to,
	};
	struct cookie cookie = { .owner = *owner };
	struct nlattr *actions = mnl_attr_nest_start(nlh, type);
	struct nlattr *first = mnl_attr_nest_start(nlh, 1);
	struct nlattr *options;

	memcpy(cookie.mark, cookie_mark, sizeof(cookie.mark));
	mnl_attr_put_strz(nlh, TCA_ACT_KIND, "mirred");
	mnl_attr_put(nlh, TCA_ACT_COOKIE, sizeof(cookie), &cookie);
	options = mnl_attr_nest_start(nlh, TCA_ACT_OPTIONS);
	mnl_attr_put(nlh, TCA_MIRRED_PARMS, sizeof(parms), &parms);
	mnl_attr_nest_end(nlh, options);
	mnl_attr_nest_end(nlh, first);
	mnl_attr_nest_end(nlh, actions);
}

static int add_filter(struct netlink *nl, const char *kind, int from, int to, const struct net_owner *owner)
{
	struct nlmsghdr *nlh = begin(nl, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, from, 0, INGRESS_HANDLE,
				     TC_H_MAKE(FILTER_PRIORITY << 16, htons(ETH_P_ALL)));
	struct nlattr *options;

	mnl_attr_put_strz(nlh, TCA_KIND, kind);
	options = mnl_attr_nest_start(nlh, TCA_OPTIONS);
	if (!strcmp(kind, "u32")) {
		const struct tc_u32_sel all = { .flags = TC_U32_TERMINAL };

		mnl_attr_put(nlh, TCA_U32_SEL, sizeof(all), &all);
		put_redirect(nlh, TCA_U32_ACT, to, owner);
	} else {
		put_redirect(nlh, TCA_MATCHALL_ACT, to, owner);
	}
	mnl_attr_nest_end(nlh, options);
	return netlink_talk(nl, nlh);
}

int net_redirect_add(struct netlink *nl, int from, int to, const struct net_owner *owner, struct err *err)
{
	int r = add_qdisc(nl, from);

	if (r == -EEXIST)
		return err_set(err, -EBUSY, "tc is in use on it");
	if (r < 0)
		return err_set(err, r, "adding tc's ingress qdisc: %s%s", strerror(-r), netlink_text(nl));
	r = add_filter(nl, "matchall", from, to, owner);
	if (r == -ENOENT)
		r = add_filter(nl, "u32", from, to, owner);
	if (r < 0) {
		err_set(err, r,
			"adding a tc filter (matchall or u32, with mirred; does the host's kernel have them?): "
			"%s%s",
			r == -ENOENT ? "unknown to the kernel" : strerror(-r), netlink_text(nl));
		net_redirect_remove(nl, from);
	}
	return r;
}

int net_redirect_remove(struct netlink *nl, int from)
{
	int r = netlink_talk(nl, begin(nl, RTM_DELQDISC, 0, from, INGRESS_HANDLE, TC_H_INGRESS, 0));

	return r == -ENOENT || r == -ENODEV || r == -EINVAL ? 0 : r;
}

/* --- looking --- */

struct finder {
	int index;
	struct net_redirect *found;
};

static int on_qdisc(void *ctx, const struct nlmsghdr *nlh)
{
	const struct tcmsg *tcm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[TCA_KIND + 1] = { NULL };
	struct finder *finder = ctx;

	/* clsact has the same parent: TC_H_CLSACT is TC_H_INGRESS. */
	if (nlh->nlmsg_type != RTM_NEWQDISC || tcm->tcm_ifindex != finder->index ||
	    tcm->tcm_parent != TC_H_INGRESS)
		return 0;
	netlink_attrs(nlh, sizeof(*tcm), tb, TCA_KIND);
	finder->found->used = true;
	snprintf(finder->found->kind, sizeof(finder->found->kind), "%s", netlink_str(tb[TCA_KIND]));
	return 0;
}

static void read_action(const struct nlattr *actions, struct net_redirect *found)
{
	const struct nlattr *list[2] = { NULL }, *act[TCA_ACT_COOKIE + 1] = { NULL };
	const struct nlattr *options[TCA_MIRRED_PARMS + 1] = { NULL };
	struct tc_mirred parms;
	struct cookie cookie;

	netlink_nested(actions, list, 1);
	netlink_nested(list[1], act, TCA_ACT_COOKIE);
	if (!act[TCA_ACT_COOKIE] || mnl_attr_get_payload_len(act[TCA_ACT_COOKIE]) != sizeof(cookie) ||
	    strcmp(netlink_str(act[TCA_ACT_KIND]), "mirred") != 0)
		return;
	memcpy(&cookie, mnl_attr_get_payload(act[TCA_ACT_COOKIE]), sizeof(cookie));
	if (memcmp(cookie.mark, cookie_mark, sizeof(cookie.mark)) != 0)
		return;
	netlink_nested(act[TCA_ACT_OPTIONS], options, TCA_MIRRED_PARMS);
	if (!options[TCA_MIRRED_PARMS] || mnl_attr_get_payload_len(options[TCA_MIRRED_PARMS]) < sizeof(parms))
		return;
	memcpy(&parms, mnl_attr_get_payload(options[TCA_MIRRED_PARMS]), sizeof(parms));
	found->vrun = true;
	found->owner = cookie.owner;
	/* What it redirected to is gone: act_mirred.c, mirred_device_event() */
	found->stale = parms.ifindex == 0;
}

static int on_filter(void *ctx, const struct nlmsghdr *nlh)
{
	const struct tcmsg *tcm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[TCA_OPTIONS + 1] = { NULL }, *options[TCA_U32_ACT + 1] = { NULL };
	struct finder *finder = ctx;

	netlink_attrs(nlh, sizeof(*tcm), tb, TCA_OPTIONS);
	/* u32 lists its hash table too, without a word of what is in it. */
	netlink_nested(tb[TCA_OPTIONS], options, TCA_U32_ACT);
	if (!strcmp(netlink_str(tb[TCA_KIND]), "u32") && options[TCA_U32_ACT])
		read_action(options[TCA_U32_ACT], finder->found);
	else if (!strcmp(netlink_str(tb[TCA_KIND]), "matchall"))
		read_action(options[TCA_MATCHALL_ACT], finder->found);
	return 0;
}

int net_redirect_find(struct netlink *nl, int from, struct net_redirect *ret)
{
	struct net_redirect found = { 0 };
	struct finder finder = { .index = from, .found = &found };
	int r;

	r = netlink_dump(nl, begin(nl, RTM_GETQDISC, 0, from, 0, 0, 0), on_qdisc, &finder);
	if (r == 0 && found.used && !strcmp(found.kind, "ingress"))
		r = netlink_dump(nl, begin(nl, RTM_GETTFILTER, 0, from, 0, INGRESS_HANDLE, 0), on_filter,
				 &finder);
	if (r == 0)
		*ret = found;
	return r;
}
