/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec: an OCI bundle's config.json (runtime-spec 1.2) as typed structs.
 *
 * oci_spec_parse() reads and validates in one go: every message names the JSON
 * path ("process.cwd: must be an absolute path"). Unknown fields are ignored, as
 * config.md ("Extensibility") asks. All strings and arrays belong to the spec
 * and end with oci_spec_free(); an absent (or empty) string is NULL, an absent array has
 * n == 0, an absent number has its `has_` flag unset. Arrays of strings are
 * NULL-terminated as well as counted.
 *
 * What the spec says is kept here even where a VM can't honour it: refusing is
 * the planner's work (runtime/plan.h), as the guest's agent reads this too.
 */
#ifndef VRUN_OCI_SPEC_H
#define VRUN_OCI_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

struct oci_strings {
	char **v; /* NULL-terminated, or NULL when n == 0 */
	size_t n;
};

struct oci_i64 {
	bool has;
	int64_t v;
};

struct oci_u64 {
	bool has;
	uint64_t v;
};

/* config.md, "Annotations" and other string maps; in document order. */
struct oci_pair {
	char *key;
	char *value;
};
struct oci_map {
	struct oci_pair *v;
	size_t n;
};

/* --- process (config.md, "Process") --- */

struct oci_rlimit {
	char *type; /* "RLIMIT_NOFILE" */
	int resource; /* RLIMIT_NOFILE */
	uint64_t soft, hard; /* UINT64_MAX is RLIM_INFINITY */
};

/* Capability sets as bit masks, 1 << CAP_x. Unknown names are warned about and dropped, as runc does. */
struct oci_capabilities {
	bool has;
	uint64_t bounding, effective, inheritable, permitted, ambient;
};

struct oci_user {
	uint32_t uid, gid;
	struct oci_i64 umask;
	uint32_t *additional_gids;
	size_t n_additional_gids;
	char *username; /* Windows; kept, unused */
};

struct oci_io_priority {
	bool has;
	char *class_name; /* IOPRIO_CLASS_RT, _BE, _IDLE */
	int priority;
};

struct oci_scheduler {
	bool has;
	char *policy; /* SCHED_OTHER, … */
	int32_t nice, priority;
	struct oci_strings flags;
	uint64_t runtime, deadline, period;
};

struct oci_process {
	bool terminal;
	bool has_console_size;
	uint16_t console_height, console_width;
	char *cwd;
	struct oci_strings env; /* "NAME=value" */
	struct oci_strings args; /* args[0] non-empty */
	struct oci_rlimit *rlimits;
	size_t n_rlimits;
	char *apparmor_profile;
	char *selinux_label;
	struct oci_capabilities capabilities;
	bool no_new_privileges;
	struct oci_i64 oom_score_adj;
	struct oci_user user;
	struct oci_io_priority io_priority;
	struct oci_scheduler scheduler;
	struct oci_strings exec_cpu_affinity; /* { initial, final }: n is 0 or 2, entries may be "" */
};

/* --- root, mounts (config.md, "Root", "Mounts") --- */

struct oci_root {
	char *path; /* as written: absolute or relative to the bundle */
	bool readonly;
};

struct oci_id_mapping {
	uint32_t container_id, host_id, size;
};

struct oci_id_mappings {
	struct oci_id_mapping *v;
	size_t n;
};

struct oci_mount {
	char *destination; /* relative ones are made absolute, as runc does */
	char *type; /* NULL when absent */
	char *source; /* NULL when absent */
	struct oci_strings options;
	struct oci_id_mappings uid_mappings, gid_mappings;
};

/* --- hooks (config.md, "POSIX-platform Hooks") --- */

struct oci_hook {
	char *path;
	struct oci_strings args, env;
	struct oci_i64 timeout; /* seconds, > 0 */
};

struct oci_hook_list {
	struct oci_hook *v;
	size_t n;
};

struct oci_hooks {
	struct oci_hook_list prestart, create_runtime, create_container, start_container, poststart,
		poststop;
};

/* --- linux (config-linux.md) --- */

enum oci_namespace_type {
	OCI_NS_PID,
	OCI_NS_NETWORK,
	OCI_NS_MOUNT,
	OCI_NS_IPC,
	OCI_NS_UTS,
	OCI_NS_USER,
	OCI_NS_CGROUP,
	OCI_NS_TIME,
	OCI_NS_COUNT,
};

/* "pid", "network", … and CLONE_NEWPID, … */
const char *oci_namespace_name(enum oci_namespace_type type);
int oci_namespace_clone_flag(enum oci_namespace_type type);

struct oci_namespace {
	bool wanted;
	char *path; /* NULL: a new one */
};

struct oci_device {
	char *path;
	char type; /* 'c', 'b', 'u' or 'p' */
	int64_t major, minor;
	struct oci_i64 file_mode;
	bool has_uid, has_gid;
	uint32_t uid, gid;
};

struct oci_device_rule {
	bool allow;
	char type; /* 'a', 'b' or 'c' */
	struct oci_i64 major, minor; /* absent: all */
	char access[4]; /* of "rwm" */
};

struct oci_memory {
	struct oci_i64 limit, reservation, swap, kernel, kernel_tcp; /* bytes, -1 unlimited */
	struct oci_u64 swappiness;
	bool has_disable_oom_killer, disable_oom_killer;
	bool use_hierarchy;
	bool check_before_update;
};

struct oci_cpu {
	struct oci_u64 shares, period, realtime_period;
	struct oci_i64 quota, realtime_runtime, idle;
	struct oci_u64 burst;
	char *cpus, *mems;
};

struct oci_weight_device {
	int64_t major, minor;
	struct oci_u64 weight, leaf_weight;
};

struct oci_throttle_device {
	int64_t major, minor;
	uint64_t rate;
};

struct oci_throttle_list {
	struct oci_throttle_device *v;
	size_t n;
};

struct oci_block_io {
	struct oci_u64 weight, leaf_weight;
	struct oci_weight_device *weight_devices;
	size_t n_weight_devices;
	struct oci_throttle_list read_bps, write_bps, read_iops, write_iops;
};

struct oci_hugepage_limit {
	char *page_size; /* "2MB" */
	uint64_t limit;
};

struct oci_rdma_limit {
	char *device;
	struct oci_u64 hca_handles, hca_objects;
};

struct oci_if_priority {
	char *name;
	uint32_t priority;
};

struct oci_resources {
	bool has;
	struct oci_device_rule *devices;
	size_t n_devices;
	struct oci_memory memory;
	struct oci_cpu cpu;
	struct oci_i64 pids_limit;
	struct oci_block_io block_io;
	struct oci_hugepage_limit *hugepage_limits;
	size_t n_hugepage_limits;
	struct oci_u64 net_class_id;
	struct oci_if_priority *net_priorities;
	size_t n_net_priorities;
	struct oci_rdma_limit *rdma;
	size_t n_rdma;
	struct oci_map unified;
};

struct oci_seccomp_arg {
	uint32_t index;
	uint64_t value, value_two;
	char *op; /* SCMP_CMP_EQ, … */
};

struct oci_seccomp_rule {
	struct oci_strings names;
	char *action; /* SCMP_ACT_ALLOW, … */
	struct oci_u64 errno_ret;
	struct oci_seccomp_arg *args;
	size_t n_args;
};

struct oci_seccomp {
	bool has;
	char *default_action;
	struct oci_u64 default_errno_ret;
	struct oci_strings architectures; /* SCMP_ARCH_X86_64, … */
	struct oci_strings flags; /* SECCOMP_FILTER_FLAG_LOG, … */
	char *listener_path, *listener_metadata;
	struct oci_seccomp_rule *rules;
	size_t n_rules;
};

struct oci_time_offset {
	bool has;
	int64_t secs;
	uint32_t nanosecs;
};

struct oci_linux {
	struct oci_id_mappings uid_mappings, gid_mappings;
	struct oci_map sysctl;
	struct oci_resources resources;
	char *cgroups_path;
	struct oci_namespace namespaces[OCI_NS_COUNT];
	struct oci_device *devices;
	size_t n_devices;
	struct oci_seccomp seccomp;
	char *rootfs_propagation; /* shared, slave, private, unbindable (and r-forms) */
	struct oci_strings masked_paths, readonly_paths;
	char *mount_label;
	bool has_intel_rdt;
	struct oci_strings intel_rdt_fields; /* names of the intelRdt members present */
	char *personality_domain; /* LINUX, LINUX32 */
	struct oci_strings personality_flags;
	struct oci_time_offset monotonic_offset, boottime_offset;
};

/* --- vm (config-vm.md) --- */

struct oci_vm {
	bool has;
	char *hypervisor_path;
	struct oci_strings hypervisor_parameters;
	char *kernel_path;
	struct oci_strings kernel_parameters;
	char *initrd;
	char *image_path, *image_format; /* raw, qcow2, vdi, vmdk, vhd */
	struct oci_u64 vcpus; /* vm.hwConfig, runtime-spec 1.3 */
	struct oci_u64 memory; /* bytes */
	char *device_tree;
	bool has_passthrough; /* dtdevs, iomems or irqs are there */
};

/* --- the whole --- */

struct oci_spec {
	char *oci_version;
	bool has_process;
	struct oci_process process;
	bool has_root;
	struct oci_root root;
	char *hostname, *domainname;
	struct oci_mount *mounts;
	size_t n_mounts;
	struct oci_hooks hooks;
	struct oci_map annotations;
	bool has_linux;
	struct oci_linux linux_; /* `linux` is a predefined macro in gnu11 */
	struct oci_vm vm;
	/* Top-level platform objects that are not ours ("windows", "solaris", "zos"), for the planner to refuse. */
	struct oci_strings foreign_platforms;
};

/*
 * Parse and validate. `what` names the document in messages. On success *ret is
 * the caller's. -EINVAL for a spec that is wrong, -ENOMEM.
 */
int oci_spec_parse(const char *text, size_t len, const char *what, struct oci_spec **ret, struct err *err);

/* BUNDLE/config.json; -ENOENT with a message when it is missing. */
int oci_spec_load(const char *bundle, struct oci_spec **ret, struct err *err);

void oci_spec_free(struct oci_spec *spec);
static inline void cleanup_oci_spec(struct oci_spec **p)
{
	oci_spec_free(*p);
}
#define _cleanup_oci_spec_ __attribute__((cleanup(cleanup_oci_spec)))

/*
 * The spec as config.json text (compact), which oci_spec_parse() reads back to
 * the same structs. The caller frees *ret_text.
 */
int oci_spec_write(const struct oci_spec *spec, char **ret_text, size_t *ret_len);

/* A process object alone, as `exec --process FILE` takes it; errors name "process." paths. */
int oci_process_parse(const char *text, size_t len, const char *what, struct oci_process **ret, struct err *err);
int oci_process_write(const struct oci_process *process, char **ret_text, size_t *ret_len);
void oci_process_free(struct oci_process *process);

/* "CAP_CHOWN", …; NULL above the last that we know. */
const char *oci_capability_name(unsigned cap);
/* CAP_x of a name, or -ENOENT. */
int oci_capability_number(const char *name);

/* The value of an annotation, or NULL. Borrowed. */
const char *oci_spec_annotation(const struct oci_spec *spec, const char *key);

/* Replace an owned string; -ENOMEM leaves the old one. `value` is copied and may be NULL. */
int oci_string_set(char **field, const char *value);
int oci_strings_append(struct oci_strings *list, const char *value);

#endif
