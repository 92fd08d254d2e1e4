/* SPDX-License-Identifier: Apache-2.0 */
/* spec: what config.json says arrives in the structs, and comes back as it was when written. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "oci/spec.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define DATA "tests/unit/data/"

static char *read_data(const char *path, size_t *ret_len)
{
	char *text = NULL;

	if (file_read(AT_FDCWD, path, 1 << 20, &text, ret_len) < 0)
		fail_msg("%s can't be read: tests run from the repository's top folder", path);
	return text;
}

static struct oci_spec *parse(const char *text, size_t len)
{
	struct oci_spec *spec = NULL;
	struct err err = ERR_INIT;

	if (oci_spec_parse(text, len, "config.json", &spec, &err) < 0)
		fail_msg("%s", err.text);
	return spec;
}

static struct oci_spec *parse_data(const char *path)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	text = read_data(path, &len);
	return parse(text, len);
}

static void assert_strings(const struct oci_strings *list, size_t n, ...)
{
	va_list ap;

	assert_int_equal(list->n, n);
	va_start(ap, n);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(list->v[i], va_arg(ap, const char *));
	va_end(ap);
	if (n)
		assert_null(list->v[n]);
	else
		assert_null(list->v);
}

static void writing_and_reading_again_changes_nothing(void **state)
{
	static const char *const files[] = {
		DATA "spec-minimal.json", DATA "spec-default.json", DATA "spec-full.json",
		DATA "spec-vm.json",	  DATA "spec-podman.json",  DATA "spec-docker.json",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_oci_spec_ struct oci_spec *first = parse_data(files[i]), *second = NULL;
		_cleanup_free_ char *text = NULL, *again = NULL;
		size_t len, again_len;

		assert_int_equal(oci_spec_write(first, &text, &len), 0);
		assert_int_equal(len, strlen(text));
		second = parse(text, len);
		assert_int_equal(oci_spec_write(second, &again, &again_len), 0);
		assert_string_equal(again, text);
	}
}

/* The written text holds each value of the document that was read: nothing is dropped by reading. */
static void the_full_config_is_written_as_it_should_be(void **state)
{
	_cleanup_oci_spec_ struct oci_spec *spec = parse_data(DATA "spec-full.json");
	_cleanup_free_ char *text = NULL, *expected = NULL;
	size_t len, expected_len;

	(void)state;
	assert_int_equal(oci_spec_write(spec, &text, &len), 0);
	expected = read_data(DATA "spec-full.written.json", &expected_len);
	expected[strcspn(expected, "\n")] = 0;
	assert_string_equal(text, expected);
}

static void process_is_read(void **state)
{
	_cleanup_oci_spec_ struct oci_spec *spec = parse_data(DATA "spec-full.json");
	const struct oci_process *p = &spec->process;

	(void)state;
	assert_string_equal(spec->oci_version, "1.2.1-rc.1+build.7");
	assert_true(spec->has_process);
	assert_true(p->terminal);
	assert_true(p->has_console_size);
	assert_int_equal(p->console_height, 25);
	assert_int_equal(p->console_width, 80);
	assert_string_equal(p->cwd, "/work dir");
	assert_strings(&p->args, 4, "sh", "-c", "", "echo \"\xc3\xa9\xf0\x9f\x98\x80\"");
	assert_strings(&p->env, 3, "PATH=/usr/bin:/bin", "EMPTY=", "EQUALS=a=b");
	assert_int_equal(p->n_rlimits, 2);
	assert_int_equal(p->rlimits[0].resource, RLIMIT_CORE);
	assert_int_equal(p->rlimits[0].soft, 1024);
	assert_true(p->rlimits[0].hard == UINT64_MAX);
	assert_int_equal(p->rlimits[1].resource, RLIMIT_NOFILE);
	assert_string_equal(p->apparmor_profile, "acme_secure_profile");
	assert_true(p->no_new_privileges);
	assert_true(p->oom_score_adj.has);
	assert_int_equal(p->oom_score_adj.v, -100);
	assert_int_equal(p->user.uid, 1);
	assert_int_equal(p->user.gid, 2);
	assert_true(p->user.umask.has);
	assert_int_equal(p->user.umask.v, 077);
	assert_int_equal(p->user.n_additional_gids, 3);
	assert_true(p->user.additional_gids[2] == UINT32_MAX);
	assert_string_equal(p->user.username, "someone");
	assert_true(p->io_priority.has);
	assert_string_equal(p->io_priority.class_name, "IOPRIO_CLASS_IDLE");
	assert_int_equal(p->io_priority.priority, 4);
	assert_true(p->scheduler.has);
	assert_int_equal(p->scheduler.nice, -19);
	assert_true(p->scheduler.period == UINT64_MAX);
	assert_strings(&p->scheduler.flags, 2, "SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_DL_OVERRUN");
	assert_strings(&p->exec_cpu_affinity, 2, "0-1", "");
}

static void capabilities_are_masks_and_unknown_ones_are_dropped(void **state)
{
	_cleanup_oci_spec_ struct oci_spec *spec = parse_data(DATA "spec-full.json");
	const struct oci_capabilities *c = &spec->process.capabilities;

	(void)state;
	assert_true(c->has);
	assert_true(c->bounding == (1ull << CAP_CHOWN | 1ull << CAP_CHECKPOINT_RESTORE));
	assert_true(c->effective == (1ull << CAP_KILL | 1ull << CAP_NET_ADMIN));
	assert_true(c->permitted == 1ull << CAP_KILL);
	assert_true(c->inheritable == 0);
	assert_true(c->ambient == 1ull << CAP_NET_BIND_SERVICE);
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
		assert_int_equal(oci_capability_number(oci_capability_name(cap)), cap);
	assert_null(oci_capability_name(CAP_LAST_CAP + 1));
	assert_int_equal(oci_capability_number("CAP_"), -ENOENT);
}

static void mounts_and_hooks_are_read(void **state)
{
	_cleanup_oci_spec_ struct oci_spec *spec = parse_data(DATA "spec-full.json");
	const struct oci_mount *m;

	(void)state;
	assert_string_equal(spec->root.path, "rootfs");
	assert_true(spec->root.readonly);
	assert_int_equal(spec->n_mounts, 2);
	m = &spec->mounts[0];
	assert_string_equal(m->type, "proc");
	assert_strings(&m->options, 0);
	m = &spec->mounts[1];
	assert_string_equal(m->destination, "/data");
	assert_null(m->type);
	assert_string_equal(m->source, "/volumes/testing");
	assert_strings(&m->options, 3, "rbind", "rw", "idmap");
	assert_int_equal(m->uid_mappings.n, 1);
	assert_int_equal(m->gid_mappings.n, 2);
	assert_int_equal(m->gid_mappings.v[1].host_id, 5);
	assert_int_equal(spec->hooks.prestart.n, 2);
	assert_strings(&spec->hooks.prestart.v[0].args, 2, "fix-mounts", "arg1");
	assert_strings(&spec->hooks.prestart.v[0].env, 1, "key1=value1");
	assert_false(spec->hooks.prestart.v[0].timeout.has);
	assert_int_equal(spec->hooks.create_runtime.v[0].timeout.v, 5);
	assert_string_equal(spec->hooks.create_container.v[0].path, "/usr/bin/b");
	assert_string_equal(spec->hooks.start_container.v[0].path, "/usr/bin/refresh-ldcache");
	assert_int_equal(spec->hooks.poststart.n, 1);
	assert_int_equal(spec->hooks.poststop.n, 1);
}

static void annotations_are_found(void **state)
{
	_cleanup_oci_spec_ struct oci_spec *spec = parse_data(DATA "spec-full.json");

	(void)state;
	assert_string_equal(oci_spec_annotation(spec, "com.example.key1"), "value1");
	assert_string_equal(oci_spec_annotation(spec, "com.example.key2"), "");
	assert_null(oci_spec_annotation(spec, "com.example.key3"));
}

static void linux_is_read(void **state)
{
	_cleanup_oci_spec_ struct oci_spec *spec = parse_data(DATA "spec-full.json");
	const struct oci_linux *l = &spec->linux_;

	(void)state;
	assert_true(spec->has_linux);
	assert_int_equal(l->uid_mappings.n, 2);
	assert_true(l->gid_mappings.v[0].size == UINT32_MAX);
	assert_int_equal(l->sysctl.n, 2);
	assert_string_equal(l->sysctl.v[1].key, "net.core.somaxconn");
	assert_string_equal(l->cgroups_path, "/myRuntime/myContainer");
	for (int type = 0; type < OCI_NS_COUNT; type++)
		assert_true(l->namespaces[type].wanted);
	assert_string_equal(l->namespaces[OCI_NS_PID].path, "/proc/1234/ns/pid");
	assert_null(l->namespaces[OCI_NS_IPC].path);
	assert_int_equal(l->n_devices, 4);
	assert_int_equal(l->devices[0].type, 'c');
	assert_int_equal(l->devices[0].minor, 229);
	assert_int_equal(l->devices[0].file_mode.v, 0666);
	assert_true(l->devices[0].has_uid);
	assert_int_equal(l->devices[1].file_mode.v, S_IFBLK | 0660);
	assert_false(l->devices[1].has_gid);
	assert_int_equal(l->devices[3].type, 'p');
	assert_string_equal(l->rootfs_propagation, "rslave");
	assert_strings(&l->masked_paths, 2, "/proc/kcore", "/proc/latency_stats");
	assert_strings(&l->readonly_paths, 2, "/proc/asound", "/proc/bus");
	assert_true(l->has_intel_rdt);
	assert_strings(&l->intel_rdt_fields, 2, "closID", "l3CacheSchema");
	assert_string_equal(l->personality_domain, "LINUX32");
	assert_true(l->monotonic_offset.has);
	assert_int_equal(l->monotonic_offset.secs, -172800);
	assert_int_equal(l->monotonic_offset.nanosecs, 999999999);
	assert_int_equal(l->boottime_offset.secs, 604800);
	assert_strings(&spec->foreign_platforms, 2, "windows", "zos");
}

static void resources_are_read(void **state)
{
	_cleanup_oci_spec_ struct oci_spec *spec = parse_data(DATA "spec-full.json");
	const struct oci_resources *r = &spec->linux_.resources;

	(void)state;
	assert_true(r->has);
	assert_int_equal(r->n_devices, 3);
	assert_false(r->devices[0].allow);
	assert_int_equal(r->devices[0].type, 'a');
	assert_string_equal(r->devices[0].access, "rwm");
	assert_false(r->devices[0].major.has);
	assert_int_equal(r->devices[1].major.v, 10);
	assert_string_equal(r->devices[1].access, "rw");
	assert_true(r->devices[2].major.has);
	assert_false(r->devices[2].minor.has);
	assert_int_equal(r->memory.limit.v, 536870912);
	assert_int_equal(r->memory.swap.v, -1);
	assert_true(r->memory.kernel_tcp.v == INT64_MAX);
	assert_true(r->memory.swappiness.has);
	assert_true(r->memory.has_disable_oom_killer);
	assert_false(r->memory.disable_oom_killer);
	assert_true(r->memory.use_hierarchy);
	assert_true(r->memory.check_before_update);
	assert_int_equal(r->cpu.quota.v, -1);
	assert_int_equal(r->cpu.burst.v, 1000000);
	assert_true(r->cpu.idle.has);
	assert_string_equal(r->cpu.cpus, "2-3");
	assert_int_equal(r->pids_limit.v, -1);
	assert_int_equal(r->block_io.leaf_weight.v, 65535);
	assert_false(r->block_io.weight_devices[1].leaf_weight.has);
	assert_int_equal(r->block_io.read_bps.v[0].rate, 600);
	assert_int_equal(r->block_io.write_bps.v[0].rate, 601);
	assert_int_equal(r->block_io.read_iops.v[0].rate, 602);
	assert_int_equal(r->block_io.write_iops.v[0].minor, 3);
	assert_string_equal(r->hugepage_limits[1].page_size, "64KB");
	assert_int_equal(r->net_class_id.v, 1048577);
	assert_string_equal(r->net_priorities[0].name, "eth0");
	assert_int_equal(r->n_rdma, 3);
	assert_string_equal(r->rdma[1].device, "rxe3");
	assert_false(r->rdma[1].hca_handles.has);
	assert_true(r->rdma[1].hca_objects.has);
	assert_int_equal(r->unified.n, 2);
}

static void seccomp_is_read(void **state)
{
	_cleanup_oci_spec_ struct oci_spec *spec = parse_data(DATA "spec-full.json");
	const struct oci_seccomp *s = &spec->linux_.seccomp;

	(void)state;
	assert_true(s->has);
	assert_string_equal(s->default_action, "SCMP_ACT_ERRNO");
	assert_int_equal(s->default_errno_ret.v, 38);
	assert_int_equal(s->architectures.n, 3);
	assert_int_equal(s->flags.n, 2);
	assert_string_equal(s->listener_path, "/run/seccomp.sock");
	assert_int_equal(s->n_rules, 2);
	assert_strings(&s->rules[0].names, 2, "getcwd", "chmod");
	assert_false(s->rules[0].errno_ret.has);
	assert_int_equal(s->rules[1].n_args, 2);
	assert_true(s->rules[1].args[0].value == UINT64_MAX);
	assert_int_equal(s->rules[1].args[0].value_two, 1);
	assert_int_equal(s->rules[1].args[1].index, 5);
}

static void vm_is_read(void **state)
{
	_cleanup_oci_spec_ struct oci_spec *spec = parse_data(DATA "spec-vm.json");
	const struct oci_vm *vm = &spec->vm;

	(void)state;
	assert_true(vm->has);
	assert_string_equal(vm->hypervisor_path, "/usr/bin/some-vmm");
	assert_strings(&vm->hypervisor_parameters, 2, "opt1=foo", "opt2=bar");
	assert_string_equal(vm->kernel_path, "/boot/vmlinuz");
	assert_strings(&vm->kernel_parameters, 3, "foo=bar", "hello", "world");
	assert_string_equal(vm->initrd, "/boot/initrd.img");
	assert_string_equal(vm->image_format, "raw");
	assert_string_equal(vm->device_tree, "/boot/guest.dtb");
	assert_int_equal(vm->vcpus.v, 2);
	assert_true(vm->memory.v == 4294967296);
	assert_true(vm->has_passthrough);
}

static void absence_is_visible(void **state)
{
	_cleanup_oci_spec_ struct oci_spec *spec = parse_data(DATA "spec-minimal.json");

	(void)state;
	assert_true(spec->has_process);
	assert_true(spec->has_root);
	assert_false(spec->has_linux);
	assert_false(spec->vm.has);
	assert_null(spec->hostname);
	assert_int_equal(spec->n_mounts, 0);
	assert_false(spec->process.terminal);
	assert_false(spec->process.has_console_size);
	assert_false(spec->process.capabilities.has);
	assert_false(spec->process.oom_score_adj.has);
	assert_false(spec->process.user.umask.has);
	assert_int_equal(spec->process.exec_cpu_affinity.n, 0);
	assert_int_equal(spec->foreign_platforms.n, 0);
}

static void empty_optional_strings_are_absent(void **state)
{
	static const char text[] =
		"{\"ociVersion\":\"1.0.0\",\"hostname\":\"\",\"process\":null,\"linux\":"
		"{\"cgroupsPath\":\"\",\"rootfsPropagation\":\"\",\"mountLabel\":null,"
		"\"maskedPaths\":null,\"resources\":{\"devices\":[{\"allow\":true,\"type\":\"\"}]}}}";
	_cleanup_oci_spec_ struct oci_spec *spec = parse(text, strlen(text));

	(void)state;
	assert_false(spec->has_process);
	assert_null(spec->hostname);
	assert_null(spec->linux_.cgroups_path);
	assert_null(spec->linux_.rootfs_propagation);
	assert_int_equal(spec->linux_.resources.devices[0].type, 'a');
	assert_string_equal(spec->linux_.resources.devices[0].access, "rwm");
}

static void a_process_alone_is_read_and_written(void **state)
{
	static const char text[] = "{\"cwd\":\"/tmp\",\"args\":[\"id\"],\"user\":{\"uid\":7,\"gid\":0}}";
	_cleanup_free_ char *again = NULL;
	struct oci_process *p = NULL;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(oci_process_parse(text, strlen(text), "process.json", &p, &err), 0);
	assert_int_equal(p->user.uid, 7);
	assert_int_equal(oci_process_write(p, &again, NULL), 0);
	assert_string_equal(again, text);
	oci_process_free(p);
	oci_process_free(NULL);

	p = NULL;
	assert_int_equal(oci_process_parse("{\"cwd\":\"tmp\"}", 13, "process.json", &p, &err), -EINVAL);
	assert_string_equal(err.text, "process.cwd: must be an absolute path, not \"tmp\"");
	assert_int_equal(oci_process_parse("{\"cwd\":\"/\"}", 11, "process.json", &p, &err), -EINVAL);
	assert_string_equal(err.text, "process.args: is required");
	assert_int_equal(oci_process_parse("[]", 2, "process.json", &p, &err), -EINVAL);
	assert_string_equal(err.text, "process: must be an object, not an array");
	assert_int_equal(oci_process_parse("{", 1, "process.json", &p, &err), -EINVAL);
	assert_string_equal(err.text, "process.json: line 1, column 2: parse error: premature EOF");
	assert_null(p);
}

static void a_bundle_is_loaded(void **state)
{
	char dir[] = "/tmp/test_spec.XXXXXX", path[64];
	_cleanup_oci_spec_ struct oci_spec *spec = NULL;
	struct err err = ERR_INIT;
	char expected[128];

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(oci_spec_load(dir, &spec, &err), -ENOENT);
	snprintf(expected, sizeof(expected), "JSON specification file config.json not found in bundle %s", dir);
	assert_string_equal(err.text, expected);

	snprintf(path, sizeof(path), "%s/config.json", dir);
	assert_int_equal(file_write_atomic(AT_FDCWD, path, "{\"ociVersion\":\"1.0.0\"}", 22, 0600), 0);
	assert_int_equal(oci_spec_load(dir, &spec, &err), 0);
	assert_string_equal(spec->oci_version, "1.0.0");
	unlink(path);
	rmdir(dir);

	assert_int_equal(oci_spec_load(dir, &spec, &err), -ENOENT);
	snprintf(expected, sizeof(expected), "bundle %s: No such file or directory", dir);
	assert_string_equal(err.text, expected);
}

static void a_cut_config_is_refused_at_any_byte(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	(void)state;
	text = read_data(DATA "spec-full.json", &len);
	while (len && (text[len - 1] == '\n' || text[len - 1] == '}'))
		len--;
	for (size_t i = 0; i < len; i += 3) {
		struct oci_spec *spec = NULL;

		assert_int_equal(oci_spec_parse(text, i, "config.json", &spec, NULL), -EINVAL);
		assert_null(spec);
	}
}

static void helpers_own_copies(void **state)
{
	struct oci_strings list = { 0 };
	char *field = NULL;

	(void)state;
	assert_int_equal(oci_string_set(&field, "a"), 0);
	assert_int_equal(oci_string_set(&field, field), 0);
	assert_string_equal(field, "a");
	assert_int_equal(oci_string_set(&field, NULL), 0);
	assert_null(field);
	assert_int_equal(oci_strings_append(&list, "x"), 0);
	assert_int_equal(oci_strings_append(&list, list.v[0]), 0);
	assert_strings(&list, 2, "x", "x");
	free(list.v[0]);
	free(list.v[1]);
	free(list.v);
	assert_string_equal(oci_namespace_name(OCI_NS_NETWORK), "network");
	assert_int_equal(oci_namespace_clone_flag(OCI_NS_UTS), CLONE_NEWUTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writing_and_reading_again_changes_nothing),
		cmocka_unit_test(the_full_config_is_written_as_it_should_be),
		cmocka_unit_test(process_is_read),
		cmocka_unit_test(capabilities_are_masks_and_unknown_ones_are_dropped),
		cmocka_unit_test(mounts_and_hooks_are_read),
		cmocka_unit_test(annotations_are_found),
		cmocka_unit_test(linux_is_read),
		cmocka_unit_test(resources_are_read),
		cmocka_unit_test(seccomp_is_read),
		cmocka_unit_test(vm_is_read),
		cmocka_unit_test(absence_is_visible),
		cmocka_unit_test(empty_optional_strings_are_absent),
		cmocka_unit_test(a_process_alone_is_read_and_written),
		cmocka_unit_test(a_bundle_is_loaded),
		cmocka_unit_test(a_cut_config_is_refused_at_any_byte),
		cmocka_unit_test(helpers_own_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
