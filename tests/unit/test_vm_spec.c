/* SPDX-License-Identifier: Apache-2.0 */
/* vm_spec: round trips, and every way in which a spec is refused. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/vm_spec.h"

static struct vm_spec *parse(const char *text)
{
	struct vm_spec *spec = NULL;
	struct err err = ERR_INIT;

	if (vm_spec_parse(text, strlen(text), &spec, &err) < 0)
		fail_msg("%s", err.text);
	return spec;
}

static void expect_refused(const char *text, const char *words)
{
	struct vm_spec *spec = NULL;
	struct err err = ERR_INIT;

	assert_true(vm_spec_parse(text, strlen(text), &spec, &err) < 0);
	assert_null(spec);
	assert_true(err.code < 0);
	if (!strstr(err.text, words))
		fail_msg("\"%s\" doesn't say \"%s\"", err.text, words);
}

#define HEAD "\"id\":\"c1\",\"kernel\":\"/k\",\"cid\":3"

static void absent_fields_get_defaults(void **state)
{
	struct vm_spec *spec = parse("{" HEAD "}");

	(void)state;
	assert_int_equal(spec->engine, VM_ENGINE_KVM);
	assert_int_equal(spec->cpus, VM_CPUS_DEFAULT);
	assert_int_equal(spec->memory, VM_MEMORY_DEFAULT);
	assert_int_equal(spec->n_shares, 0);
	assert_int_equal(spec->n_nets, 0);
	assert_null(spec->initrd);
	assert_null(spec->cmdline);
	assert_null(spec->console_path);
	assert_false(spec->debug);
	assert_false(spec->console);
	assert_false(spec->jail);
	vm_spec_free(spec);
}

static void every_field_survives_a_round_trip(void **state)
{
	struct vm_share shares[] = {
		{ .name = (char *)"rootfs", .path = (char *)"/r\"\\\xc3\xa9\n" },
		{ .name = (char *)"b",
		  .path = (char *)"/b",
		  .readonly = true,
		  .trusted = true,
		  .cache = VM_SHARE_CACHE_NONE },
		{ .name = (char *)"c",
		  .path = (char *)"/b",
		  .submounts = true,
		  .cache = VM_SHARE_CACHE_ALWAYS },
	};
	struct vm_place places[] = {
		{ .path = (char *)"/", .share = 0 },
		{ .path = (char *)"/a \"b\"", .share = 2, .readonly = true },
		{ .path = (char *)"/proc", .share = -1, .readonly = true, .kind = VM_PLACE_PROC },
	};
	struct vm_net nets[] = {
		{ .name = (char *)"eth0",
		  .mac = { 0x02, 0, 0x5e, 0xab, 9, 0xff },
		  .mtu = VM_NET_MTU_MAX,
		  .tap_fds = { 3, 9, 2147483647, 4, 5, 6, 7, 8 },
		  .n_pairs = VM_NET_PAIRS_MAX },
		{ .name = (char *)"lan",
		  .mac = { 0xfe, 0, 0, 0, 0, 0 },
		  .mtu = VM_NET_MTU_MIN,
		  .tap_fds = { 10 },
		  .n_pairs = 1,
		  .in_process = true },
	};
	const struct vm_spec spec = {
		.id = (char *)"abc",
		.engine = VM_ENGINE_QEMU,
		.kernel = (char *)"/boot/vmlinux",
		.initrd = (char *)"/boot/initrd",
		.cmdline = (char *)"a=\"b c\"",
		.cpus = VM_CPUS_MAX,
		.memory = VM_MEMORY_MAX,
		.cid = 0xfffffffe,
		.shares = shares,
		.n_shares = ARRAY_SIZE(shares),
		.view = { .places = places,
			  .n_places = ARRAY_SIZE(places),
			  .uid = 100000,
			  .gid = 0xfffffffe },
		.sockets = (char *[]){ (char *)"/run/a b", (char *)"/c" },
		.n_sockets = 2,
		.nets = nets,
		.n_nets = ARRAY_SIZE(nets),
		.debug = true,
		.console = true,
		.jail = true,
		.console_path = (char *)"/tmp/console",
		.qemu_path = (char *)"qemu",
		.qemu_accel = (char *)"kvm",
	};
	struct vm_spec *copy;
	char *text, *again;
	size_t len;

	(void)state;
	assert_int_equal(vm_spec_write(&spec, &text, &len), 0);
	assert_int_equal(strlen(text), len);
	copy = parse(text);
	assert_string_equal(copy->id, spec.id);
	assert_int_equal(copy->engine, spec.engine);
	assert_string_equal(copy->kernel, spec.kernel);
	assert_string_equal(copy->initrd, spec.initrd);
	assert_string_equal(copy->cmdline, spec.cmdline);
	assert_int_equal(copy->cpus, spec.cpus);
	assert_int_equal(copy->memory, spec.memory);
	assert_int_equal(copy->cid, spec.cid);
	assert_true(copy->debug);
	assert_true(copy->console);
	assert_true(copy->jail);
	assert_string_equal(copy->console_path, spec.console_path);
	assert_string_equal(copy->qemu_path, spec.qemu_path);
	assert_string_equal(copy->qemu_accel, spec.qemu_accel);
	assert_int_equal(copy->n_shares, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(copy->shares[i].name, shares[i].name);
		assert_string_equal(copy->shares[i].path, shares[i].path);
		assert_int_equal(copy->shares[i].readonly, shares[i].readonly);
		assert_int_equal(copy->shares[i].submounts, shares[i].submounts);
		assert_int_equal(copy->shares[i].trusted, shares[i].trusted);
		assert_int_equal(copy->shares[i].cache, shares[i].cache);
	}
	assert_int_equal(copy->view.n_places, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(copy->view.places[i].path, places[i].path);
		assert_int_equal(copy->view.places[i].share, places[i].share);
		assert_int_equal(copy->view.places[i].readonly, places[i].readonly);
		assert_int_equal(copy->view.places[i].kind, places[i].kind);
	}
	assert_int_equal(copy->n_sockets, 2);
	assert_string_equal(copy->sockets[0], "/run/a b");
	assert_string_equal(copy->sockets[1], "/c");
	assert_int_equal(copy->view.uid, 100000);
	assert_int_equal(copy->view.gid, 0xfffffffe);
	assert_int_equal(copy->n_nets, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(copy->nets[i].name, nets[i].name);
		assert_memory_equal(copy->nets[i].mac, nets[i].mac, VM_MAC_LEN);
		assert_int_equal(copy->nets[i].mtu, nets[i].mtu);
		assert_int_equal(copy->nets[i].n_pairs, nets[i].n_pairs);
		assert_int_equal(copy->nets[i].in_process, nets[i].in_process);
		assert_memory_equal(copy->nets[i].tap_fds, nets[i].tap_fds, sizeof(nets[i].tap_fds));
	}
	assert_int_equal(vm_spec_write(copy, &again, &len), 0);
	assert_string_equal(again, text);
	free(text);
	free(again);
	vm_spec_free(copy);
}

static void wrong_shapes_are_refused(void **state)
{
	(void)state;
	expect_refused("", "");
	expect_refused("[]", "object");
	expect_refused("{" HEAD, "");
	expect_refused("{" HEAD ",\"cpu\":1}", "cpu: unknown key");
	expect_refused("{" HEAD ",\"cpus\":\"1\"}", "cpus");
	expect_refused("{" HEAD ",\"cpus\":1.5}", "cpus");
	expect_refused("{" HEAD ",\"cpus\":-1}", "cpus");
	expect_refused("{" HEAD ",\"cpus\":4294967297}", "cpus");
	expect_refused("{" HEAD ",\"debug\":1}", "debug");
	expect_refused("{" HEAD ",\"initrd\":[]}", "initrd");
	expect_refused("{" HEAD ",\"engine\":\"xen\"}", "engine: unknown value \"xen\"");
	expect_refused("{" HEAD ",\"shares\":{}}", "shares");
	expect_refused("{" HEAD ",\"shares\":[1]}", "shares[0]");
	expect_refused("{" HEAD ",\"shares\":[{\"name\":\"a\",\"path\":\"/\",\"x\":1}]}",
		       "shares[0].x: unknown key");
	expect_refused("{" HEAD ",\"shares\":[{\"name\":\"a\",\"path\":\"/\",\"cache\":\"x\"}]}",
		       "shares[0].cache: unknown value");
	expect_refused("{" HEAD ",\"sockets\":[1]}", "sockets[0]");
	expect_refused("{" HEAD ",\"sockets\":[\"a\"]}", "sockets[0]: must be an absolute path");
	expect_refused("{" HEAD ",\"view\":[]}", "view");
	expect_refused("{" HEAD ",\"view\":{\"places\":{}}}", "view.places");
	expect_refused("{" HEAD ",\"view\":{\"uid\":4294967296}}", "view.uid");
	expect_refused("{" HEAD ",\"view\":{\"x\":1}}", "view.x: unknown key");
	expect_refused("{" HEAD ",\"view\":{\"places\":[{\"path\":\"/\",\"x\":1}]}}",
		       "view.places[0].x: unknown key");
}

static void places_of_the_view_are_shares_or_nothing(void **state)
{
#define SHARE ",\"shares\":[{\"path\":\"/\",\"name\":\"a\"}]"
	(void)state;
	expect_refused("{" HEAD SHARE ",\"view\":{\"places\":[{\"path\":\"/\",\"share\":1}]}}",
		       "view.places[0].share: there is no such share");
	expect_refused("{" HEAD SHARE ",\"view\":{\"places\":[{\"path\":\"/\",\"share\":-2}]}}", "share");
	/* The root is one in any case. */
	expect_refused("{" HEAD SHARE ",\"view\":{\"places\":[{\"path\":\"/\"}]}}",
		       "view.places[0].share: there is no such share");
	expect_refused("{" HEAD SHARE ",\"view\":{\"places\":[{\"share\":0}]}}",
		       "view.places[0].path: missing");
	expect_refused("{" HEAD SHARE ",\"view\":{\"places\":[{\"share\":0,\"path\":\"a\"}]}}",
		       "view.places[0].path: must be an absolute path");
	vm_spec_free(parse("{" HEAD SHARE ",\"view\":{\"places\":[{\"path\":\"/\",\"share\":0},"
			   "{\"path\":\"/dev\",\"kind\":\"empty\"}]}}"));
	expect_refused("{" HEAD SHARE ",\"view\":{\"places\":[{\"path\":\"/\",\"share\":0,\"kind\":\"x\"}]}}",
		       "view.places[0].kind: unknown value");
}

static void required_fields_are_required(void **state)
{
	(void)state;
	expect_refused("{\"kernel\":\"/k\",\"cid\":3}", "id: missing");
	expect_refused("{\"id\":\"\",\"kernel\":\"/k\",\"cid\":3}", "id: missing");
	expect_refused("{\"id\":\"c\",\"cid\":3}", "kernel: missing");
	expect_refused("{\"id\":\"c\",\"kernel\":\"/k\"}", "cid: must be 3");
	expect_refused("{" HEAD ",\"shares\":[{\"name\":\"a\"}]}", "shares[0].path: missing");
	expect_refused("{" HEAD ",\"shares\":[{\"path\":\"/\"}]}", "shares[0].name: missing");
}

static void values_out_of_range_are_refused(void **state)
{
	char text[8192], long_text[5000];

	(void)state;
	expect_refused("{\"id\":\"c\",\"kernel\":\"k\",\"cid\":3}", "kernel: must be an absolute path");
	expect_refused("{" HEAD ",\"initrd\":\"i\"}", "initrd: must be an absolute path");
	expect_refused("{" HEAD ",\"consolePath\":\"\"}", "consolePath: must be an absolute path");
	expect_refused("{" HEAD ",\"cpus\":0}", "cpus: must be 1 to 32");
	expect_refused("{" HEAD ",\"cpus\":33}", "cpus: must be 1 to 32");
	expect_refused("{" HEAD ",\"memory\":0}", "memory: at least 64 MiB");
	expect_refused("{" HEAD ",\"memory\":67108863}", "memory: at least 64 MiB");
	expect_refused("{" HEAD ",\"memory\":68157440}", "memory: must be a multiple of 2 MiB");
	expect_refused("{" HEAD ",\"memory\":18446744073707454464}", "memory: at most 1024 GiB");
	expect_refused("{\"id\":\"c\",\"kernel\":\"/k\",\"cid\":2}", "cid: must be 3");
	expect_refused("{\"id\":\"c\",\"kernel\":\"/k\",\"cid\":4294967295}", "cid: must be 3");
	expect_refused("{\"id\":\"c\",\"kernel\":\"/k\",\"cid\":4294967299}", "cid");
	expect_refused("{" HEAD ",\"qemuPath\":\"\"}", "qemuPath: empty");
	expect_refused("{" HEAD ",\"qemuAccel\":\"xen\"}", "qemuAccel: must be tcg or kvm");

	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	snprintf(text, sizeof(text), "{" HEAD ",\"cmdline\":\"%s\"}", long_text);
	expect_refused(text, "cmdline: at most 2047 bytes");
	snprintf(text, sizeof(text), "{" HEAD ",\"initrd\":\"/%s\"}", long_text);
	expect_refused(text, "initrd: longer than");
	snprintf(text, sizeof(text), "{" HEAD ",\"shares\":[{\"path\":\"/\",\"name\":\"%.256s\"}]}",
		 long_text);
	expect_refused(text, "shares[0].name: must be one path component");
}

static void share_names_are_single_unique_components(void **state)
{
	static const char *const bad[] = { ".", "..", "a/b", "/", "a/" };
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "{" HEAD ",\"shares\":[{\"path\":\"/\",\"name\":\"%s\"}]}",
			 bad[i]);
		expect_refused(text, "shares[0].name: must be one path component");
	}
	expect_refused("{" HEAD ",\"shares\":[{\"path\":\"r\",\"name\":\"a\"}]}",
		       "shares[0].path: must be an absolute path");
	expect_refused("{" HEAD
		       ",\"shares\":[{\"path\":\"/\",\"name\":\"a\"},{\"path\":\"/\",\"name\":\"a\"}]}",
		       "shares[1].name: \"a\" is there twice");
	vm_spec_free(parse("{" HEAD ",\"shares\":[{\"path\":\"/\",\"name\":\"...\"}]}"));
}

static void too_many_shares_are_refused(void **state)
{
	char *text, *p;
	struct vm_spec *spec;

	(void)state;
	p = text = malloc(64 * (VM_SHARES_MAX + 2));
	assert_non_null(text);
	p += sprintf(p, "{" HEAD ",\"shares\":[");
	for (int i = 0; i < VM_SHARES_MAX; i++)
		p += sprintf(p, "%s{\"name\":\"%d\",\"path\":\"/\"}", i ? "," : "", i);
	strcpy(p, "]}");
	spec = parse(text);
	assert_int_equal(spec->n_shares, VM_SHARES_MAX);
	vm_spec_free(spec);
	strcpy(p, ",{\"name\":\"x\",\"path\":\"/\"}]}");
	expect_refused(text, "shares: at most 512");
	free(text);
}

#define NETS(nets) "{" HEAD ",\"nets\":[" nets "]}"
#define NET(name, mac, taps) "{\"name\":\"" name "\",\"mac\":\"" mac "\",\"taps\":[" taps "]}"
#define MAC "02:00:5e:10:00:01"

static void a_net_has_an_mtu_by_default(void **state)
{
	struct vm_spec *spec = parse(NETS(NET("eth0", "02:0A:fF:10:00:01", "3")));

	(void)state;
	assert_int_equal(spec->n_nets, 1);
	assert_int_equal(spec->nets[0].mtu, VM_NET_MTU_DEFAULT);
	assert_memory_equal(spec->nets[0].mac, "\x02\x0a\xff\x10\0\1", VM_MAC_LEN);
	vm_spec_free(spec);
}

static void nets_of_wrong_shape_are_refused(void **state)
{
	static const char *const bad_macs[] = {
		"",
		"02:00:5e:10:00",
		"02:00:5e:10:00:0",
		"02:00:5e:10:00:01:",
		"02:00:5e:10:00:012",
		"02-00-5e-10-00-01",
		"02: 0:5e:10:00:01",
		"02:+1:5e:10:00:01",
		"02:00:5e:10:00:0g",
		" 02:00:5e:10:00:01",
	};
	char text[256];

	(void)state;
	expect_refused("{" HEAD ",\"nets\":{}}", "nets");
	expect_refused(NETS("1"), "nets[0]");
	expect_refused(NETS("{\"name\":\"a\",\"x\":1}"), "nets[0].x: unknown key");
	expect_refused(NETS("{\"name\":1}"), "nets[0].name");
	expect_refused(NETS("{\"name\":\"a\",\"mac\":1}"), "nets[0].mac");
	expect_refused(NETS("{\"name\":\"a\",\"mtu\":-1}"), "nets[0].mtu");
	expect_refused(NETS("{\"name\":\"a\",\"taps\":3}"), "nets[0].taps");
	expect_refused(NETS(NET("a", MAC, "\"3\"")), "nets[0].taps[0]");
	expect_refused(NETS(NET("a", MAC, "3,-1")), "nets[0].taps[1]");
	expect_refused(NETS(NET("a", MAC, "2147483648")), "nets[0].taps[0]");
	for (size_t i = 0; i < ARRAY_SIZE(bad_macs); i++) {
		snprintf(text, sizeof(text), NETS(NET("a", "%s", "3")), bad_macs[i]);
		expect_refused(text, "nets[0].mac: must be six bytes");
	}
}

static void nets_out_of_range_are_refused(void **state)
{
	(void)state;
	expect_refused(NETS("{\"mac\":\"" MAC "\",\"taps\":[3]}"), "nets[0].name: missing");
	expect_refused(NETS(NET("", MAC, "3")), "nets[0].name: missing");
	expect_refused(NETS(NET("sixteen-letters-", MAC, "3")), "nets[0].name: longer than 15");
	expect_refused(NETS("{\"name\":\"a\",\"taps\":[3]}"), "nets[0].mac: missing");
	expect_refused(NETS(NET("a", "00:00:00:00:00:00", "3")), "nets[0].mac: missing");
	expect_refused(NETS(NET("a", "03:00:00:00:00:00", "3")), "nets[0].mac");
	expect_refused(NETS("{\"name\":\"a\",\"mac\":\"" MAC "\",\"taps\":[3],\"mtu\":67}"),
		       "nets[0].mtu: must be 68 to 65535");
	expect_refused(NETS("{\"name\":\"a\",\"mac\":\"" MAC "\",\"taps\":[3],\"mtu\":65536}"),
		       "nets[0].mtu: must be 68 to 65535");
	expect_refused(NETS("{\"name\":\"a\",\"mac\":\"" MAC "\"}"), "nets[0].taps: must be 1 to 8");
	expect_refused(NETS("{\"name\":\"a\",\"mac\":\"" MAC "\",\"taps\":[3,4],\"stream\":true}"),
		       "nets[0].taps: a stream is one descriptor");
	expect_refused(NETS(NET("a", MAC, "")), "nets[0].taps: must be 1 to 8");
	expect_refused(NETS(NET("a", MAC, "3,4,5,6,7,8,9,10,11")), "nets[0].taps: at most 8");
	expect_refused(NETS(NET("a", MAC, "3,2")), "nets[0].taps[1]: must be above 2");
	expect_refused(NETS(NET("a", MAC, "3,4,3")), "nets[0].taps[2]: descriptor 3 is there twice");
	expect_refused(NETS(NET("a", MAC, "3,4") "," NET("b", MAC, "5,4")),
		       "nets[1].taps[1]: descriptor 4 is there twice");
	expect_refused(NETS(NET("a", MAC, "3") "," NET("a", MAC, "4")), "nets[1].name: \"a\" is there twice");
}

static void too_many_nets_are_refused(void **state)
{
	char text[4096], *p = text;
	struct vm_spec *spec;

	(void)state;
	p += sprintf(p, "{" HEAD ",\"nets\":[");
	for (int i = 0; i < VM_NETS_MAX; i++)
		p += sprintf(p, "%s" NET("%d", MAC, "%d"), i ? "," : "", i, i + 3);
	strcpy(p, "]}");
	spec = parse(text);
	assert_int_equal(spec->n_nets, VM_NETS_MAX);
	vm_spec_free(spec);
	strcpy(p, "," NET("x", MAC, "99") "]}");
	expect_refused(text, "nets: at most 16");
}

static void engines_have_names(void **state)
{
	(void)state;
	assert_string_equal(vm_engine_name(VM_ENGINE_KVM), "kvm");
	assert_string_equal(vm_engine_name(VM_ENGINE_QEMU), "qemu");
	assert_string_equal(vm_engine_name((enum vm_engine)7), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(absent_fields_get_defaults),
		cmocka_unit_test(every_field_survives_a_round_trip),
		cmocka_unit_test(wrong_shapes_are_refused),
		cmocka_unit_test(places_of_the_view_are_shares_or_nothing),
		cmocka_unit_test(required_fields_are_required),
		cmocka_unit_test(values_out_of_range_are_refused),
		cmocka_unit_test(share_names_are_single_unique_components),
		cmocka_unit_test(too_many_shares_are_refused),
		cmocka_unit_test(a_net_has_an_mtu_by_default),
		cmocka_unit_test(nets_of_wrong_shape_are_refused),
		cmocka_unit_test(nets_out_of_range_are_refused),
		cmocka_unit_test(too_many_nets_are_refused),
		cmocka_unit_test(engines_have_names),
	};

	vm_spec_free(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
