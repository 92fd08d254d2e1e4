/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config: how the VM is to be, from all who have a say. The later wins:
 *
 *   defaults < /etc/vrun/vrun.conf < annotations org.vrun.* < the `vm` object of
 *   config.json < command line
 *
 * The file is lines of `key = value`; `#` begins a comment, white space around
 * key and value is dropped, an unknown key is an error. Keys:
 *
 *   engine        auto, kvm or qemu
 *   kernel        guest kernel, ELF vmlinux or bzImage
 *   initrd        guest initramfs, which holds the agent
 *   memory        guest memory: 512M, 2G, or bytes
 *   cpus          virtual CPUs
 *   kernel_params added to the guest kernel's command line
 *   boot_timeout  seconds until the guest's agent must have answered
 *   cache         what the guest may keep of shared files: auto, none, always
 *   net           namespace: what is in the container's network namespace; none: only loopback;
 *                 passt: user-mode networking (passt.h), from the file only for who has no namespace
 *   publish       with net = passt, the ports that the host hands on (passt.h)
 *   qemu.path     the emulator of the QEMU engine
 *   qemu.accel    tcg or kvm
 *   jail          on or off: whether vrun-vmm is confined on the host (vmm/jail/jail.h)
 *   annotations   which annotations may set the above: none, safe or all
 *
 * Annotations are org.vrun.KEY, but for qemu.*, jail and annotations. An image can
 * bring annotations along, so by default ("safe") those that name a file of the
 * host are refused.
 */
#ifndef VRUN_RUNTIME_CONFIG_H
#define VRUN_RUNTIME_CONFIG_H

#include "vmm/vm_spec.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct oci_spec;

#define CONFIG_PATH_DEFAULT "/etc/vrun/vrun.conf"

enum { BOOT_TIMEOUT_DEFAULT = 60 }; /* seconds; emulated CPUs are slow */

/* In the order in which they win. */
enum config_source { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ANNOTATION, CONFIG_VM, CONFIG_OPTION };

enum config_key {
	CONFIG_ENGINE,
	CONFIG_KERNEL,
	CONFIG_INITRD,
	CONFIG_MEMORY,
	CONFIG_CPUS,
	CONFIG_KERNEL_PARAMS,
	CONFIG_BOOT_TIMEOUT,
	CONFIG_CACHE,
	CONFIG_NET,
	CONFIG_PUBLISH,
	CONFIG_QEMU_PATH,
	CONFIG_QEMU_ACCEL,
	CONFIG_JAIL,
	CONFIG_ANNOTATIONS,
	CONFIG_KEYS,
};

enum config_engine { CONFIG_ENGINE_AUTO, CONFIG_ENGINE_KVM, CONFIG_ENGINE_QEMU };
enum config_net { CONFIG_NET_NAMESPACE, CONFIG_NET_NONE, CONFIG_NET_PASST };
enum config_annotations { CONFIG_ANNOTATIONS_SAFE, CONFIG_ANNOTATIONS_NONE, CONFIG_ANNOTATIONS_ALL };

struct config {
	enum config_engine engine;
	char *kernel, *initrd; /* NULL: search (image.h) */
	uint64_t memory; /* bytes */
	unsigned cpus;
	char *kernel_params;
	unsigned boot_timeout; /* seconds */
	enum vm_share_cache cache;
	enum config_net net;
	char *publish; /* NULL: none */
	char *qemu_path, *qemu_accel;
	bool jail;
	enum config_annotations annotations;
	enum config_source source[CONFIG_KEYS]; /* who set each key */
};

void config_init(struct config *config);
void config_done(struct config *config);
#define _cleanup_config_ __attribute__((cleanup(config_done)))

/* "memory" and so on. */
const char *config_key_name(enum config_key key);

/* Set a key; a lower source than the one that set it is ignored. The message names the key, not the source. */
int config_set(struct config *config, enum config_key key, const char *value, enum config_source source,
	       struct err *err);

/* Read a file. A missing one is fine unless `must_exist`. Messages: "FILE:LINE: …". */
int config_read_file(struct config *config, const char *path, bool must_exist, struct err *err);

/* The annotations org.vrun.* and the `vm` object. */
int config_read_spec(struct config *config, const struct oci_spec *spec, struct err *err);

/* "512M", "2G", "1048576", "1.5g": bytes. -EINVAL. */
int config_parse_size(const char *text, uint64_t *ret);

#endif
