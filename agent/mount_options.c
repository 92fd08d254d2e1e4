/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount_options: see mount_options.h. A name that is in no table is data for
 * the file system, as for runc.
 */
#include "agent/mount_options.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "oci/spec.h"

#include <string.h>
#include <sys/mount.h>

/* linux/mount.h can't be included beside sys/mount.h; the values are kernel ABI. */
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif
#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif
#ifndef MS_LAZYTIME
#define MS_LAZYTIME (1 << 25)
#endif

/* An option as a mount flag and as an attribute of one mount; 0: there is no such thing. */
struct flag_option {
	const char *name;
	bool clear;
	unsigned long flag;
	uint64_t attr;
};

static const struct flag_option flag_options[] = {
	{ "acl", false, MS_POSIXACL, 0 },
	{ "async", true, MS_SYNCHRONOUS, 0 },
	{ "atime", true, MS_NOATIME, MOUNT_ATTR_NOATIME },
	{ "defaults", false, 0, 0 },
	{ "dev", true, MS_NODEV, MOUNT_ATTR_NODEV },
	{ "diratime", true, MS_NODIRATIME, MOUNT_ATTR_NODIRATIME },
	{ "dirsync", false, MS_DIRSYNC, 0 },
	{ "exec", true, MS_NOEXEC, MOUNT_ATTR_NOEXEC },
	{ "iversion", false, MS_I_VERSION, 0 },
	{ "lazytime", false, MS_LAZYTIME, 0 },
	{ "loud", true, MS_SILENT, 0 },
	{ "mand", false, MS_MANDLOCK, 0 },
	{ "noacl", true, MS_POSIXACL, 0 },
	{ "noatime", false, MS_NOATIME, MOUNT_ATTR_NOATIME },
	{ "nodev", false, MS_NODEV, MOUNT_ATTR_NODEV },
	{ "nodiratime", false, MS_NODIRATIME, MOUNT_ATTR_NODIRATIME },
	{ "noexec", false, MS_NOEXEC, MOUNT_ATTR_NOEXEC },
	{ "noiversion", true, MS_I_VERSION, 0 },
	{ "nolazytime", true, MS_LAZYTIME, 0 },
	{ "nomand", true, MS_MANDLOCK, 0 },
	{ "norelatime", true, MS_RELATIME, 0 },
	{ "nostrictatime", true, MS_STRICTATIME, MOUNT_ATTR_STRICTATIME },
	{ "nosuid", false, MS_NOSUID, MOUNT_ATTR_NOSUID },
	{ "nosymfollow", false, MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW },
	{ "relatime", false, MS_RELATIME, MOUNT_ATTR_RELATIME },
	{ "ro", false, MS_RDONLY, MOUNT_ATTR_RDONLY },
	{ "rw", true, MS_RDONLY, MOUNT_ATTR_RDONLY },
	{ "silent", false, MS_SILENT, 0 },
	{ "strictatime", false, MS_STRICTATIME, MOUNT_ATTR_STRICTATIME },
	{ "suid", true, MS_NOSUID, MOUNT_ATTR_NOSUID },
	{ "symfollow", true, MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW },
	{ "sync", false, MS_SYNCHRONOUS, 0 },
};

static const struct {
	const char *name;
	unsigned long flags;
} propagations[] = {
	{ "private", MS_PRIVATE },	 { "rprivate", MS_PRIVATE | MS_REC },
	{ "shared", MS_SHARED },	 { "rshared", MS_SHARED | MS_REC },
	{ "slave", MS_SLAVE },		 { "rslave", MS_SLAVE | MS_REC },
	{ "unbindable", MS_UNBINDABLE }, { "runbindable", MS_UNBINDABLE | MS_REC },
};

unsigned long mount_propagation_flags(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(propagations); i++)
		if (strcmp(propagations[i].name, name) == 0)
			return propagations[i].flags;
	return 0;
}

static const struct flag_option *find_flag(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(flag_options); i++)
		if (strcmp(flag_options[i].name, name) == 0)
			return &flag_options[i];
	return NULL;
}

/*
 * Later options win over earlier ones. The atime modes are one field of the
 * mount, which mount_setattr(2) only changes when all of it is cleared.
 */
static void apply_attr(uint64_t *set, uint64_t *clear, const struct flag_option *option)
{
	bool atime_mode = option->attr == MOUNT_ATTR_NOATIME || option->attr == MOUNT_ATTR_STRICTATIME ||
			  strcmp(option->name, "relatime") == 0;

	if (atime_mode) {
		*set &= ~(uint64_t)MOUNT_ATTR__ATIME;
		*clear |= MOUNT_ATTR__ATIME;
		if (!option->clear)
			*set |= option->attr;
	} else if (option->clear) {
		*set &= ~option->attr;
		*clear |= option->attr;
	} else {
		*set |= option->attr;
		*clear &= ~option->attr;
	}
}

static int append_data(struct mount_options *o, const char *option)
{
	size_t have = o->data ? strlen(o->data) : 0, len = strlen(option);
	char *data = realloc(o->data, have + len + 2);

	if (!data)
		return -ENOMEM;
	o->data = data;
	if (have)
		data[have++] = ',';
	memcpy(data + have, option, len + 1);
	return 0;
}

static int parse_one(struct mount_options *o, const char *name, struct err *err)
{
	const struct flag_option *flag = find_flag(name);
	unsigned long propagation = mount_propagation_flags(name);

	if (flag) {
		if (flag->clear)
			o->flags &= ~flag->flag;
		else
			o->flags |= flag->flag;
		apply_attr(&o->attr_set, &o->attr_clear, flag);
		return 0;
	}
	if (propagation) {
		if (o->n_propagation == MOUNT_PROPAGATIONS_MAX)
			return err_set(err, -EINVAL, "too many propagation options");
		o->propagation[o->n_propagation++] = propagation;
		return 0;
	}
	if (strcmp(name, "bind") == 0 || strcmp(name, "rbind") == 0) {
		o->bind = true;
		o->recursive = o->recursive || name[0] == 'r';
		return 0;
	}
	if (strcmp(name, "remount") == 0) {
		o->remount = true;
		return 0;
	}
	if (strcmp(name, "tmpcopyup") == 0) {
		o->copy_up = true;
		return 0;
	}
	if (strcmp(name, "idmap") == 0 || strcmp(name, "ridmap") == 0)
		return err_set(err, -ENOTSUP, "idmapped mounts are not supported");
	/* "rro", "rnosuid": the attribute for the whole tree */
	flag = name[0] == 'r' ? find_flag(name + 1) : NULL;
	if (flag && (flag->attr || flag->flag == MS_RELATIME)) {
		apply_attr(&o->rec_set, &o->rec_clear, flag);
		return 0;
	}
	return append_data(o, name);
}

int mount_options_parse(const struct oci_strings *options, struct mount_options *ret, struct err *err)
{
	*ret = (struct mount_options){ 0 };
	for (size_t i = 0; i < options->n; i++) {
		int r = parse_one(ret, options->v[i], err);

		if (r < 0) {
			mount_options_done(ret);
			return r;
		}
	}
	return 0;
}

void mount_options_done(struct mount_options *options)
{
	free(TAKE_PTR(options->data));
}
