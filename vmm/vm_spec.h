/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm_spec: a virtual machine as the planner asks for it. It crosses to vrun-vmm
 * as JSON on a descriptor. Knows nothing of containers.
 */
#ifndef VRUN_VMM_VM_SPEC_H
#define VRUN_VMM_VM_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

enum vm_engine {
	VM_ENGINE_KVM, /* our own VMM on /dev/kvm */
	VM_ENGINE_QEMU, /* QEMU runs the vCPUs, our devices serve it over vhost-user */
};

enum vm_share_cache { VM_SHARE_CACHE_AUTO, VM_SHARE_CACHE_NONE, VM_SHARE_CACHE_ALWAYS };

struct vm_share {
	char *name; /* one path component, unique */
	char *path; /* absolute host path of a directory or file, symlinks resolved by the planner */
	bool readonly;
	bool submounts; /* with what the host has mounted below, now and later */
	bool trusted; /* trusted.* attributes can be set: the guest's overlayfs keeps its marks there */
	enum vm_share_cache cache;
};

/* What is to be seen where the guest has something of its own. */
enum vm_place_kind {
	VM_PLACE_FILE, /* the mount point itself, a file */
	VM_PLACE_CLOSED, /* a directory in which everything fails */
	VM_PLACE_EMPTY, /* one with nothing but other places */
	VM_PLACE_PROC, /* the processes, if somebody serves them (vmm_take_proc()); else as CLOSED */
};

/* A place in the container's files, for the host's tools that enter vrun-vmm's mount namespace (jail/jail.h). */
struct vm_place {
	char *path; /* absolute, in the container */
	int share; /* number of the share that is there; -1: something of the guest's own */
	bool readonly;
	enum vm_place_kind kind; /* of the guest's own */
};

/* In the order in which the guest mounts; the first is "/", and a share. */
struct vm_view {
	struct vm_place *places;
	size_t n_places;
	uint32_t uid, gid; /* owner of mount points that are missing */
};

enum {
	VM_CPUS_MAX = 32,
	VM_CPUS_DEFAULT = 1,
	VM_SHARES_MAX = 512,
	VM_PLACES_MAX = 1024,
	VM_SOCKETS_MAX = 64,
	VM_NETS_MAX = 16,
	VM_NET_PAIRS_MAX = 8,
	VM_NET_MTU_MIN = 68, /* IPv4's least (RFC 791) */
	VM_NET_MTU_MAX = 65535,
	VM_NET_MTU_DEFAULT = 1500,
	VM_MAC_LEN = 6,
};

/* A network interface of the guest, backed by a tap of the host, or by a socket. */
struct vm_net {
	char *name; /* unique, for messages and statistics: the interface's name */
	uint8_t mac[VM_MAC_LEN];
	unsigned mtu;
	/*
	 * One descriptor for each queue pair, all of the same tap (IFF_TAP | IFF_NO_PI |
	 * IFF_VNET_HDR, and IFF_MULTI_QUEUE for more than one), non-blocking. The numbers are those
	 * in the process that calls vmm_new(), which takes them over; none is standard input, output or
	 * error.
	 */
	int tap_fds[VM_NET_PAIRS_MAX];
	unsigned n_pairs;
	bool stream; /* the one descriptor is a connected stream socket (virtio/net_stream.h), as of passt */
	bool in_process; /* don't let the host's kernel serve it (vhost-net) */
};
#define VM_MEMORY_MIN (64ULL << 20)
#define VM_MEMORY_DEFAULT (512ULL << 20) /* only what is used costs the host */
#define VM_MEMORY_MAX (1ULL << 40)
#define VM_CMDLINE_MAX 2048 /* bytes, NUL included: x86 COMMAND_LINE_SIZE */

struct vm_spec {
	char *id; /* for messages */
	enum vm_engine engine;
	char *kernel; /* absolute path: ELF vmlinux or bzImage */
	char *initrd; /* absolute path, or NULL */
	char *cmdline; /* added to the engine's own parameters, or NULL */
	unsigned cpus; /* 1 to VM_CPUS_MAX */
	uint64_t memory; /* bytes, a multiple of 2 MiB */
	uint32_t cid; /* vsock context id of the guest, ≥ 3 */
	struct vm_share *shares;
	size_t n_shares;
	struct vm_view view; /* without places: nothing is shown */
	char **sockets; /* paths of unix sockets of the host that the guest may connect to, by number */
	size_t n_sockets;
	struct vm_net *nets;
	size_t n_nets;
	bool jail; /* vmm_run() confines the calling process (jail/jail.h) */
	bool debug; /* kernel messages on the console, VM exits counted and logged */
	bool console; /* the guest has its console from the start, not only soon after it */
	char *console_path; /* append the guest's console here, or NULL */
	char *qemu_path; /* QEMU engine: the emulator, NULL: qemu-system-x86_64 in $PATH */
	char *qemu_accel; /* "tcg" (NULL) or "kvm" */
};

int vm_spec_parse(const char *text, size_t len, struct vm_spec **ret, struct err *err);
int vm_spec_write(const struct vm_spec *spec, char **ret_text, size_t *ret_len);
void vm_spec_free(struct vm_spec *spec);

/* Ranges and paths ("memory: at least 64 MiB"); used by parse and by the planner. */
int vm_spec_check(const struct vm_spec *spec, struct err *err);

const char *vm_engine_name(enum vm_engine engine);

#endif
