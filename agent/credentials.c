/* SPDX-License-Identifier: Apache-2.0 */
/* credentials: see credentials.h; capabilities(7) for the order. */
#include "agent/credentials.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "oci/spec.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* 0 where the maps have it; the capabilities are kept either way, as no uid of ours is the namespace's root yet. */
static uint32_t first_mapped(const struct oci_id_mappings *maps)
{
	for (size_t i = 0; i < maps->n; i++)
		if (maps->v[i].container_id == 0 && maps->v[i].size)
			return 0;
	return maps->n ? maps->v[0].container_id : 0;
}

void credentials_become_mapped(const struct oci_linux *linux_)
{
	uint32_t uid = first_mapped(&linux_->uid_mappings), gid = first_mapped(&linux_->gid_mappings);

	/* setgroups() needs its right in the namespace; neither failure changes who we are. */
	(void)syscall(SYS_setgroups, 0, NULL);
	(void)syscall(SYS_setresgid, gid, gid, gid);
	(void)syscall(SYS_setresuid, uid, uid, uid);
}

static int drop_bounding(uint64_t keep, struct err *err)
{
	/* Up to the kernel's last capability, which PR_CAPBSET_READ tells by EINVAL. */
	for (int cap = 0; cap < 64; cap++) {
		int have = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (have < 0)
			break;
		if (have && !(keep & (1ULL << cap)) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return err_set_errno(err, -errno, "dropping capability %d from the bounding set",
					     cap);
	}
	return 0;
}

static int set_user(const struct oci_user *user, struct err *err)
{
	_cleanup_free_ char *setgroups_state = NULL;
	bool denied;

	/* user_namespaces(7): where setgroups is denied, the groups can't change and need not. */
	denied = file_read(AT_FDCWD, "/proc/self/setgroups", 64, &setgroups_state, NULL) == 0 &&
		 strncmp(setgroups_state, "deny", 4) == 0;
	if (!denied && syscall(SYS_setgroups, user->n_additional_gids, user->additional_gids) < 0)
		return err_set_errno(err, -errno, "process.user.additionalGids: setgroups");
	if (syscall(SYS_setresgid, user->gid, user->gid, user->gid) < 0)
		return err_set_errno(err, -errno, "process.user.gid: setting group %u", user->gid);
	if (syscall(SYS_setresuid, user->uid, user->uid, user->uid) < 0)
		return err_set_errno(err, -errno, "process.user.uid: setting user %u", user->uid);
	return 0;
}

static int set_capabilities(const struct oci_capabilities *caps, struct err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	struct oci_capabilities have = *caps;

	/* What the bounding set or the namespace does not hold can't be had: capset() would refuse all of it. */
	if (syscall(SYS_capget, &header, data) < 0)
		return err_set_errno(err, -errno, "reading the capabilities");
	have.permitted &= ((uint64_t)data[1].permitted << 32) | data[0].permitted;
	have.inheritable &= ((uint64_t)data[1].permitted << 32) | data[0].permitted;
	have.effective &= have.permitted;
	for (int i = 0; i < 2; i++) {
		data[i].permitted = (uint32_t)(have.permitted >> (32 * i));
		data[i].effective = (uint32_t)(have.effective >> (32 * i));
		data[i].inheritable = (uint32_t)(have.inheritable >> (32 * i));
	}
	if (syscall(SYS_capset, &header, data) < 0)
		return err_set_errno(err, -errno, "process.capabilities");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_set_errno(err, -errno, "clearing the ambient capabilities");
	for (int cap = 0; cap < 64; cap++) {
		/* One that is not permitted and inheritable can't be raised; runc leaves it out as well. */
		if ((have.ambient & have.permitted & have.inheritable & (1ULL << cap)) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return err_set_errno(err, -errno, "raising ambient capability %d", cap);
	}
	return 0;
}

int credentials_apply(const struct oci_process *process, struct err *err)
{
	/* No capabilities object means none, as for runc. */
	struct oci_capabilities none = { 0 };
	const struct oci_capabilities *caps = process->capabilities.has ? &process->capabilities : &none;
	int r;

	r = drop_bounding(caps->bounding, err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_set_errno(err, -errno, "keeping the capabilities");
	r = set_user(&process->user, err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return err_set_errno(err, -errno, "keeping the capabilities");
	return set_capabilities(caps, err);
}

int credentials_set_no_new_privs(struct err *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set_errno(err, -errno, "process.noNewPrivileges");
	return 0;
}

int credentials_set_seccomp(const uint8_t *bpf, size_t len, uint32_t flags, struct err *err)
{
	_cleanup_free_ struct sock_filter *filter = NULL;
	struct sock_fprog prog;

	if (len == 0)
		return 0;
	/* A listener's descriptor could not leave the guest. */
	flags &= ~(uint32_t)SECCOMP_FILTER_FLAG_NEW_LISTENER;
	/* A copy, for alignment. */
	filter = malloc(len);
	if (!filter)
		return -ENOMEM;
	memcpy(filter, bpf, len);
	prog.len = (unsigned short)(len / sizeof(*filter));
	prog.filter = filter;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog) != 0)
		return err_set_errno(err, -errno, "loading the seccomp filter");
	return 0;
}
