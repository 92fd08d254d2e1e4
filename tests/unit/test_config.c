/* SPDX-License-Identifier: Apache-2.0 */
/* config: sizes, the file, annotations and the vm object, and who wins. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "oci/spec.h"
#include "runtime/config.h"

#include <fcntl.h>

static void sizes_in_all_notations(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "1048576", 1 << 20 },
		{ "512M", 512ULL << 20 },
		{ "512m", 512ULL << 20 },
		{ "2G", 2ULL << 30 },
		{ "2GiB", 2ULL << 30 },
		{ "2gb", 2ULL << 30 },
		{ "100b", 100 },
		{ "1T", 1ULL << 40 },
	};
	static const char *const bad[] = { "",	       "M",    "-1",  "1x",
					   "1MM",      "0x10", "1 M", "99999999999999999999",
					   "20000000T" };
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(config_parse_size(good[i].text, &bytes), 0);
		assert_int_equal(bytes, good[i].bytes);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(config_parse_size(bad[i], &bytes), -EINVAL);
	assert_int_equal(config_parse_size("1.5G", &bytes), 0);
	assert_in_range(bytes, (1536ULL << 20) - 1024, 1536ULL << 20);
}

static char *write_file(const char *text)
{
	static char path[] = "/tmp/vrun-test-config-XXXXXX";
	int fd;

	strcpy(path, "/tmp/vrun-test-config-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	close(fd);
	return path;
}

static void the_file_sets_keys_and_names_the_line_of_a_mistake(void **state)
{
	static const struct {
		const char *text, *message;
	} bad[] = {
		{ "memory = 1G\nmemroy = 2G\n", ":2: unknown key \"memroy\"" },
		{ "\n\nnonsense\n", ":3: expected key = value" },
		{ "engine = xen", ":1: engine: \"xen\" is not one of auto, kvm or qemu" },
		{ "memory = lots", ":1: memory: \"lots\" is not a size" },
		{ "memory = 1M", ":1: memory: 1M is not between 64M and 1024G" },
		{ "cpus = 0", ":1: cpus: \"0\" is not a number from 1 to 32" },
		{ "cpus = 33", ":1: cpus: \"33\" is not a number from 1 to 32" },
		{ "cpus = 2x", ":1: cpus: \"2x\" is not a number" },
		{ "kernel = vmlinux", ":1: kernel: \"vmlinux\" is not an absolute path" },
	};
	_cleanup_config_ struct config config;
	const char *path;

	(void)state;
	config_init(&config);
	assert_int_equal(config.memory, VM_MEMORY_DEFAULT);
	path = write_file("# comment\n\n  engine = qemu   # here too\nmemory=1G\n cpus = 4\n"
			  "kernel_params = a=b#c d\ncache = none\nqemu.accel = kvm\nboot_timeout = 7\n");
	assert_int_equal(config_read_file(&config, path, true, NULL), 0);
	unlink(path);
	assert_int_equal(config.engine, CONFIG_ENGINE_QEMU);
	assert_int_equal(config.memory, 1ULL << 30);
	assert_int_equal(config.cpus, 4);
	assert_string_equal(config.kernel_params, "a=b#c d");
	assert_int_equal(config.cache, VM_SHARE_CACHE_NONE);
	assert_string_equal(config.qemu_accel, "kvm");
	assert_int_equal(config.boot_timeout, 7);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;

		path = write_file(bad[i].text);
		assert_int_equal(config_read_file(&config, path, true, &err), -EINVAL);
		unlink(path);
		if (!strstr(err.text, bad[i].message))
			fail_msg("\"%s\" is not in \"%s\"", bad[i].message, err.text);
	}
	assert_int_equal(config_read_file(&config, "/nonexistent/vrun.conf", false, NULL), 0);
	assert_int_equal(config_read_file(&config, "/nonexistent/vrun.conf", true, NULL), -ENOENT);
}

static void read_spec(struct config *config, const char *members, int expect, const char *message)
{
	_cleanup_oci_spec_ struct oci_spec *spec = NULL;
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;

	assert_true(asprintf(&text, "{\"ociVersion\":\"1.2.0\",%s}", members) > 0);
	if (oci_spec_parse(text, strlen(text), "config.json", &spec, &err) < 0)
		fail_msg("%s", err.text);
	err = (struct err)ERR_INIT;
	if (config_read_spec(config, spec, &err) != expect)
		fail_msg("%s: %s", text, err.text);
	if (message && !strstr(err.text, message))
		fail_msg("\"%s\" is not in \"%s\"", message, err.text);
}

static void later_sources_win(void **state)
{
	_cleanup_config_ struct config config;

	(void)state;
	config_init(&config);
	assert_int_equal(config_set(&config, CONFIG_CPUS, "2", CONFIG_FILE, NULL), 0);
	assert_int_equal(config_set(&config, CONFIG_MEMORY, "128M", CONFIG_OPTION, NULL), 0);
	read_spec(
		&config,
		"\"annotations\":{\"org.vrun.cpus\":\"3\",\"org.vrun.memory\":\"256M\",\"org.vrun.engine\":\"kvm\"},"
		"\"vm\":{\"kernel\":{\"path\":\"/k\",\"parameters\":[\"a\",\"b=c\"],\"initrd\":\"/i\"},"
		"\"hwConfig\":{\"vcpus\":5,\"memory\":1073741824}}",
		0, NULL);
	assert_int_equal(config.memory, 128ULL << 20);
	assert_int_equal(config.cpus, 5);
	assert_int_equal(config.engine, CONFIG_ENGINE_KVM);
	assert_string_equal(config.kernel, "/k");
	assert_string_equal(config.initrd, "/i");
	assert_string_equal(config.kernel_params, "a b=c");
	/* A lower source comes too late. */
	assert_int_equal(config_set(&config, CONFIG_CPUS, "1", CONFIG_FILE, NULL), 0);
	assert_int_equal(config.cpus, 5);
}

static void annotations_are_checked_and_may_not_name_files(void **state)
{
	_cleanup_config_ struct config config;

	(void)state;
	config_init(&config);
	read_spec(&config, "\"annotations\":{\"org.vrun.memroy\":\"1\"}", -EINVAL,
		  "annotations[\"org.vrun.memroy\"]: there is no such setting");
	read_spec(&config, "\"annotations\":{\"org.vrun.cpus\":\"many\"}", -EINVAL,
		  "annotations[\"org.vrun.cpus\"]");
	read_spec(&config, "\"annotations\":{\"org.vrun.qemu.path\":\"/bin/sh\"}", -EINVAL,
		  "no such setting");
	read_spec(&config, "\"annotations\":{\"org.vrun.annotations\":\"all\"}", -EINVAL, "no such setting");
	read_spec(&config, "\"annotations\":{\"org.vrun.initrd\":\"/etc/shadow\"}", -EPERM,
		  "names a file of the host");
	read_spec(&config, "\"annotations\":{\"org.other.cpus\":\"many\"}", 0, NULL);
	assert_int_equal(config_set(&config, CONFIG_ANNOTATIONS, "all", CONFIG_FILE, NULL), 0);
	read_spec(&config, "\"annotations\":{\"org.vrun.initrd\":\"/i\"}", 0, NULL);
	assert_string_equal(config.initrd, "/i");
	assert_int_equal(config_set(&config, CONFIG_ANNOTATIONS, "none", CONFIG_FILE, NULL), 0);
	read_spec(&config, "\"annotations\":{\"org.vrun.cpus\":\"many\"}", 0, NULL);
}

static void what_the_vm_object_asks_in_vain_is_named(void **state)
{
	static const struct {
		const char *members, *message;
	} refused[] = {
		{ "\"vm\":{\"kernel\":{\"path\":\"/k\"},\"hypervisor\":{\"path\":\"/usr/bin/xl\"}}",
		  "vm.hypervisor.path" },
		{ "\"vm\":{\"kernel\":{\"path\":\"/k\"},\"hypervisor\":{\"path\":\"/q/qemu-system-x86_64\","
		  "\"parameters\":[\"-nodefaults\"]}}",
		  "vm.hypervisor.parameters" },
		{ "\"vm\":{\"kernel\":{\"path\":\"/k\"},\"image\":{\"path\":\"/i\",\"format\":\"raw\"}}",
		  "vm.image" },
		{ "\"vm\":{\"kernel\":{\"path\":\"/k\"},\"hwConfig\":{\"memory\":1}}", "vm.hwConfig.memory" },
	};
	_cleanup_config_ struct config config;

	(void)state;
	config_init(&config);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		read_spec(&config, refused[i].members, i == 3 ? -EINVAL : -ENOTSUP, refused[i].message);
	read_spec(&config,
		  "\"vm\":{\"kernel\":{\"path\":\"/k\"},\"hypervisor\":{\"path\":\"/q/qemu-system-x86_64\"}}",
		  0, NULL);
	assert_int_equal(config.engine, CONFIG_ENGINE_QEMU);
	assert_string_equal(config.qemu_path, "/q/qemu-system-x86_64");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_in_all_notations),
		cmocka_unit_test(the_file_sets_keys_and_names_the_line_of_a_mistake),
		cmocka_unit_test(later_sources_win),
		cmocka_unit_test(annotations_are_checked_and_may_not_name_files),
		cmocka_unit_test(what_the_vm_object_asks_in_vain_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
