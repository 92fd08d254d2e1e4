/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm: makes the devices that a spec asks for and gives them to its engine.
 *
 * Nothing here knows KVM or QEMU. The devices outlive the engine, which hosts
 * them: it is freed first, and has stopped them by then.
 */
#include "vmm/vmm.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "vmm/console_log.h"
#include "vmm/engine.h"
#include "vmm/jail/jail.h"
#include "vmm/virtio/balloon.h"
#include "vmm/virtio/console.h"
#include "vmm/virtio/fs.h"
#include "vmm/virtio/net.h"
#include "vmm/virtio/vdev.h"
#include "vmm/virtio/vsock.h"
#include "vmm/vm_spec.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

/* The tag that the agent mounts (oci/agent_proto.h). */
#define SHARE_TAG "vrun"

enum { DEVICES_MAX = 4 + VM_NETS_MAX };

static_assert((int)VM_NET_PAIRS_MAX == (int)VNET_PAIRS_MAX, "queue pairs of a net");
static_assert((int)VM_NET_MTU_MIN == (int)VNET_MTU_MIN && (int)VM_NET_MTU_MAX == (int)VNET_MTU_MAX,
	      "MTU of a net");

struct vmm {
	const struct vm_spec *spec;
	struct loop *loop;
	struct vmm_callbacks callbacks;
	void *ctx;

	struct jail *jail; /* NULL: none, or entered */
	struct console_log *console;
	struct vdev *devices[DEVICES_MAX]; /* in PCI slot order */
	size_t n_devices;
	size_t n_late; /* the last so many of them */
	struct vdev *vsock, *console_dev; /* two of the above */
	struct vdev *nets[VM_NETS_MAX]; /* others of them, in the spec's order */
	size_t n_nets;
	size_t n_taken; /* of the spec's nets, those whose descriptors have been consumed */

	const struct engine_ops *ops;
	void *engine;
	bool over; /* stopped or ended: nothing is reported any more */
	int proc; /* vmm_take_proc() */
	struct vmm_timeline timeline;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static const struct engine_ops *find_engine(enum vm_engine engine)
{
	switch (engine) {
	case VM_ENGINE_KVM:
		return &kvm_engine;
	case VM_ENGINE_QEMU:
		return &qemu_engine;
	}
	return NULL;
}

static int make_console(struct vmm *vmm, struct err *err)
{
	const char *path = vmm->spec->console_path;
	int fd = -1, r;

	if (path) {
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
		if (fd < 0)
			return err_set_errno(err, -errno, "can't open the console file %s", path);
	}
	r = console_log_new(fd, &vmm->console);
	return r < 0 ? err_set_errno(err, r, "can't make the console") : 0;
}

static int make_vsock(struct vmm *vmm, struct err *err)
{
	const struct vsock_config config = { .guest_cid = vmm->spec->cid };
	int r;

	r = virtio_vsock_new(vmm->loop, &config, &vmm->vsock, err);
	if (r < 0)
		return err_wrap(err, r, "vsock");
	vmm->devices[vmm->n_devices++] = vmm->vsock;
	return 0;
}

/* The planner has resolved symlinks: one that is there now was put there since, and is not followed. */
static int open_share(const struct vm_share *share, struct err *err)
{
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	fd = syscall(SYS_openat2, AT_FDCWD, share->path, &how, sizeof(how));
	if (fd < 0)
		return err_set_errno(err, -errno, "can't open share %s", share->path);
	return (int)fd;
}

static int add_share(struct vmm *vmm, const struct vm_share *share, struct err *err)
{
	_cleanup_close_ int fd = open_share(share, err);
	int r = fd;

	if (fd < 0 || (!vmm->jail && share->submounts))
		return TAKE_FD(fd);
	if (!vmm->jail) {
		r = jail_copy(fd, false);
		return r < 0 ? err_set_errno(err, r, "share %s: without the mounts below it", share->path)
			     : r;
	}
	r = jail_share(vmm->jail, fd, share->readonly, share->submounts, err);
	return r < 0 ? err_wrap(err, r, "share %s", share->path) : r;
}

static enum vfs_cache vfs_cache(enum vm_share_cache cache)
{
	switch (cache) {
	case VM_SHARE_CACHE_NONE:
		return VFS_CACHE_NONE;
	case VM_SHARE_CACHE_ALWAYS:
		return VFS_CACHE_ALWAYS;
	case VM_SHARE_CACHE_AUTO:
		break;
	}
	return VFS_CACHE_AUTO;
}

static int make_fs(struct vmm *vmm, struct err *err)
{
	const struct vm_spec *spec = vmm->spec;
	_cleanup_free_ struct vfs_share *shares = NULL;
	struct vfs_config config = { .tag = SHARE_TAG, .no_handles = spec->jail };
	struct vdev *dev;
	int r = 0;

	if (spec->n_shares == 0)
		return 0;
	shares = calloc(spec->n_shares, sizeof(*shares));
	if (!shares)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < spec->n_shares; i++) {
		const struct vm_share *share = &spec->shares[i];

		r = add_share(vmm, share, err);
		if (r < 0)
			goto out;
		shares[config.n_shares++] = (struct vfs_share){
			.name = share->name,
			.fd = r,
			.readonly = share->readonly,
			.cache = vfs_cache(share->cache),
		};
	}
	config.shares = shares;
	r = virtio_fs_new(vmm->loop, &config, &dev, err);
	if (r < 0)
		err_wrap(err, r, "file sharing");
	else
		vmm->devices[vmm->n_devices++] = dev;
out:
	for (size_t i = 0; i < config.n_shares; i++)
		close_fd(shares[i].fd);
	return r < 0 ? r : 0;
}

/* A failed vmm_new() consumes what no device has. */
static void close_taps(const struct vm_spec *spec, size_t first)
{
	for (size_t i = first; i < spec->n_nets; i++)
		for (unsigned k = 0; k < spec->nets[i].n_pairs && k < VM_NET_PAIRS_MAX; k++)
			close_fd(spec->nets[i].tap_fds[k]);
}

static int make_net(struct vmm *vmm, const struct vm_net *net, struct err *err)
{
	struct vnet_config config = {
		.tag = net->name,
		.mtu = (uint16_t)net->mtu,
		.n_pairs = net->n_pairs,
		.stream = net->stream,
		/* Not with vhost-user, whose front-end changes a running queue's call descriptor. */
		.vhost = vmm->spec->engine == VM_ENGINE_KVM && !net->in_process,
	};
	struct vdev *dev;
	int r;

	memcpy(config.mac, net->mac, sizeof(config.mac));
	memcpy(config.take_tap_fds, net->tap_fds, sizeof(config.take_tap_fds));
	vmm->n_taken++;
	r = virtio_net_new(vmm->loop, &config, &dev, err);
	if (r < 0)
		return err_wrap(err, r, "network interface");
	vmm->nets[vmm->n_nets++] = dev;
	vmm->devices[vmm->n_devices++] = dev;
	return 0;
}

static int make_nets(struct vmm *vmm, struct err *err)
{
	const struct vm_spec *spec = vmm->spec;

	assert(spec->n_nets <= VM_NETS_MAX);
	for (size_t i = 0; i < spec->n_nets; i++) {
		int r = make_net(vmm, &spec->nets[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int make_console_device(struct vmm *vmm, struct err *err)
{
	int r;

	r = virtio_console_new(vmm->loop, vmm->console, &vmm->console_dev, err);
	if (r < 0)
		return err_wrap(err, r, "console");
	vmm->devices[vmm->n_devices++] = vmm->console_dev;
	/* All that a kernel says would cost two exits a byte on the serial port. */
	vmm->n_late += !vmm->spec->debug && !vmm->spec->console && !vmm->spec->console_path;
	return 0;
}

static int make_balloon(struct vmm *vmm, struct err *err)
{
	struct vdev *dev;
	int r;

	r = virtio_balloon_new(vmm->loop, &dev, err);
	if (r < 0)
		return err_wrap(err, r, "balloon");
	vmm->devices[vmm->n_devices++] = dev;
	vmm->n_late++;
	return 0;
}

static void engine_ended(void *ctx, enum vmm_end end, const struct err *err)
{
	struct vmm *vmm = ctx;

	if (vmm->over)
		return;
	vmm->over = true;
	if (vmm->callbacks.ended)
		vmm->callbacks.ended(vmm->ctx, end, err);
}

static int make_engine(struct vmm *vmm, struct err *err)
{
	const struct engine_args args = {
		.loop = vmm->loop,
		.spec = vmm->spec,
		.console = vmm->console,
		.devices = vmm->devices,
		.n_devices = vmm->n_devices,
		.n_late = vmm->n_late,
		.ended = engine_ended,
		.ctx = vmm,
	};

	vmm->ops = find_engine(vmm->spec->engine);
	if (!vmm->ops)
		return err_set(err, -EINVAL, "unknown engine");
	return vmm->ops->create(&args, &vmm->engine, err);
}

static int make_all(struct vmm *vmm, struct err *err)
{
	int r;

	if ((vmm->spec->jail && (r = jail_new(&vmm->jail, err)) < 0) || (r = make_console(vmm, err)) < 0 ||
	    (r = make_vsock(vmm, err)) < 0 || (r = make_fs(vmm, err)) < 0 || (r = make_nets(vmm, err)) < 0 ||
	    (r = make_console_device(vmm, err)) < 0 || (r = make_balloon(vmm, err)) < 0 ||
	    (r = make_engine(vmm, err)) < 0)
		return r;
	return 0;
}

int vmm_new(struct loop *loop, const struct vm_spec *spec, const struct vmm_callbacks *callbacks, void *ctx,
	    struct vmm **ret, struct err *err)
{
	struct vmm *vmm;
	int r;

	vmm = calloc(1, sizeof(*vmm));
	if (!vmm) {
		close_taps(spec, 0);
		return err_set(err, -ENOMEM, "out of memory");
	}
	vmm->loop = loop;
	vmm->spec = spec;
	vmm->proc = -EBADF;
	vmm->callbacks = *callbacks;
	vmm->ctx = ctx;
	r = make_all(vmm, err);
	if (r < 0) {
		close_taps(spec, vmm->n_taken);
		vmm_free(vmm);
		return r;
	}
	vmm->timeline.created = now_ns();
	*ret = vmm;
	return 0;
}

static enum jail_files jail_files(const struct vm_spec *spec)
{
	enum jail_files files = spec->n_shares > 0 ? JAIL_FILES_READ : JAIL_FILES_NONE;

	for (size_t i = 0; i < spec->n_shares; i++) {
		const struct vm_share *share = &spec->shares[i];

		if (!share->readonly && files < JAIL_FILES_WRITE)
			files = JAIL_FILES_WRITE;
		if (share->trusted)
			files = JAIL_FILES_TRUSTED;
	}
	return files;
}

int vmm_run(struct vmm *vmm, struct err *err)
{
	uint64_t now = now_ns();
	int r;

	if (vmm->jail) {
		r = jail_enter(vmm->jail, jail_files(vmm->spec), &vmm->spec->view, vmm->callbacks.violation,
			       vmm->ctx, &vmm->proc, err);
		if (r < 0)
			return r;
		jail_free(TAKE_PTR(vmm->jail));
	} else if ((r = jail_hide_root()) < 0) {
		log_debug("no mount namespace of its own: %s", strerrorname_np(-r));
	}
	r = vmm->ops->run(vmm->engine, err);
	if (r < 0)
		return r;
	vmm->timeline.first_run = now;
	return 0;
}

void vmm_stop(struct vmm *vmm)
{
	vmm->over = true;
	if (vmm->engine)
		vmm->ops->stop(vmm->engine);
}

void vmm_free(struct vmm *vmm)
{
	if (!vmm)
		return;
	vmm_stop(vmm);
	if (vmm->engine)
		vmm->ops->free(vmm->engine);
	for (size_t i = vmm->n_devices; i > 0; i--)
		vdev_free(vmm->devices[i - 1]);
	console_log_free(vmm->console);
	close_fd(vmm->proc);
	jail_free(vmm->jail);
	free(vmm);
}

int vmm_pause(struct vmm *vmm, struct err *err)
{
	return vmm->ops->pause(vmm->engine, err);
}

int vmm_resume(struct vmm *vmm, struct err *err)
{
	return vmm->ops->resume(vmm->engine, err);
}

bool vmm_show_late_devices(struct vmm *vmm)
{
	return vmm->ops->show_late && vmm->ops->show_late(vmm->engine);
}

int vmm_take_proc(struct vmm *vmm)
{
	return TAKE_FD(vmm->proc);
}

struct vdev *vmm_vsock(struct vmm *vmm)
{
	return vmm->vsock;
}

struct console_log *vmm_console(struct vmm *vmm)
{
	return vmm->console;
}

size_t vmm_console_input(struct vmm *vmm, const void *buf, size_t len)
{
	if (vmm->ops->console_input)
		return vmm->ops->console_input(vmm->engine, buf, len);
	return virtio_console_input(vmm->console_dev, buf, len);
}

const struct vmm_timeline *vmm_timeline(const struct vmm *vmm)
{
	return &vmm->timeline;
}

int vmm_net_stats(const struct vmm *vmm, size_t i, struct vmm_net_stats *ret)
{
	struct vnet_stats stats;

	if (i >= vmm->n_nets)
		return -ENOENT;
	virtio_net_stats(vmm->nets[i], &stats);
	*ret = (struct vmm_net_stats){
		.name = vmm->spec->nets[i].name,
		.rx_packets = stats.rx_packets,
		.rx_bytes = stats.rx_bytes,
		.rx_dropped = stats.rx_dropped,
		.tx_packets = stats.tx_packets,
		.tx_bytes = stats.tx_bytes,
		.tx_dropped = stats.tx_dropped,
	};
	return 0;
}

size_t vmm_exits(const struct vmm *vmm, char *buf, size_t size)
{
	return vmm->ops->exits ? vmm->ops->exits(vmm->engine, buf, size) : 0;
}
