/* SPDX-License-Identifier: Apache-2.0 */
/* terminal: see terminal.h. */
#include "agent/terminal.h"

#include "agent/rootfs.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/rootpath.h"

#include <asm/ioctls.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <termios.h>

#include <linux/magic.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

int terminal_resize(int master, uint16_t rows, uint16_t cols)
{
	struct winsize ws = { .ws_row = rows, .ws_col = cols };

	return ioctl(master, TIOCSWINSZ, &ws) < 0 ? -errno : 0;
}

int terminal_open(int root, uint16_t rows, uint16_t cols, int *ret_master, int *ret_slave, struct err *err)
{
	/*
	 * Not by "/dev/ptmx": that is a symlink or, in a foreign /dev, anything. Only
	 * a devpts' own ptmx may give out what the agent is going to read from.
	 */
	_cleanup_close_ int master = root_open(root, "dev/pts/ptmx", O_RDWR | O_NOCTTY), slave = -EBADF;
	struct statfs fs;
	int unlock = 0;

	if (master < 0)
		return err_set_errno(err, master, "opening /dev/pts/ptmx for the terminal");
	if (fstatfs(master, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC)
		return err_set(err, -ENODEV, "the terminal needs a devpts on /dev/pts");
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return err_set_errno(err, -errno, "unlocking the terminal");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_set_errno(err, -errno, "opening the terminal");
	if (rows && cols)
		(void)terminal_resize(master, rows, cols);
	*ret_master = TAKE_FD(master);
	*ret_slave = TAKE_FD(slave);
	return 0;
}

int terminal_bind_console(int root, int slave, struct err *err)
{
	_cleanup_close_ int target = rootfs_make(root, "dev/console", false, 0666);
	_cleanup_close_ int tree = -EBADF;
	int r;

	if (target < 0)
		return err_set_errno(err, target, "making /dev/console");
	tree = mount_clone(slave, "", false);
	if (tree < 0)
		return err_set_errno(err, tree, "binding the terminal");
	r = mount_attach(tree, target);
	return r < 0 ? err_set_errno(err, r, "mounting /dev/console") : 0;
}
