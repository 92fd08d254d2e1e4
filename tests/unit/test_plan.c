/* SPDX-License-Identifier: Apache-2.0 */
/* plan: shares from root and mounts, sizes, mount points, and what is refused. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "oci/spec.h"
#include "runtime/config.h"
#include "runtime/mountpoints.h"
#include "runtime/plan.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

static char bundle[64];

static void in_bundle(char path[static 256], const char *name)
{
	snprintf(path, 256, "%s/%s", bundle, name);
}

static void make_dir(const char *name)
{
	char path[256];

	in_bundle(path, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

static void make_file(const char *name)
{
	char path[256];

	in_bundle(path, name);
	assert_int_equal(file_write_atomic(AT_FDCWD, path, "x", 1, 0644), 0);
}

static void make_link(const char *target, const char *name)
{
	char path[256];

	in_bundle(path, name);
	assert_int_equal(symlink(target, path), 0);
}

static bool is_there(const char *name, mode_t type)
{
	char path[256];
	struct stat st;

	in_bundle(path, name);
	return lstat(path, &st) == 0 && (st.st_mode & S_IFMT) == type;
}

static int set_up(void **state)
{
	(void)state;
	strcpy(bundle, "/tmp/vrun-test-plan-XXXXXX");
	assert_non_null(mkdtemp(bundle));
	make_dir("rootfs");
	make_dir("data");
	make_file("file");
	make_link("data", "link");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return dir_remove_all(AT_FDCWD, bundle);
}

#define NAMESPACES "\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"mount\"}]"
#define PROCESS "\"process\":{\"cwd\":\"/srv/work\",\"args\":[\"sh\"],\"user\":{\"uid\":0,\"gid\":0}}"

static struct oci_spec *parse(const char *fmt, ...)
{
	struct oci_spec *spec;
	struct err err = ERR_INIT;
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (oci_spec_parse(text, strlen(text), "config.json", &spec, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return spec;
}

/* A spec with these members of its root and mounts. */
static struct oci_spec *with_mounts(const char *root, const char *mounts)
{
	return parse("{\"ociVersion\":\"1.2.0\"," PROCESS
		     ",\"root\":%s,\"mounts\":[%s],\"linux\":{" NAMESPACES "}}",
		     root, mounts);
}

struct shares {
	struct vm_spec *vm;
	char *rootfs;
	int r;
	struct err err;
};

static void plan_shares(struct shares *s, struct oci_spec *spec)
{
	*s = (struct shares){ .vm = calloc(1, sizeof(struct vm_spec)) };
	s->r = plan_mounts(bundle, VM_SHARE_CACHE_AUTO, spec, s->vm, &s->rootfs, &s->err);
}

static void shares_done(struct shares *s)
{
	vm_spec_free(s->vm);
	free(s->rootfs);
}

static void expect_place(const struct shares *s, size_t i, const char *path, int share, bool readonly)
{
	assert_true(i < s->vm->view.n_places);
	assert_string_equal(s->vm->view.places[i].path, path);
	assert_int_equal(s->vm->view.places[i].share, share);
	assert_int_equal(s->vm->view.places[i].readonly, readonly);
}

static void root_and_binds_become_shares(void **state)
{
	_cleanup_oci_spec_ struct oci_spec *spec = NULL;
	char path[256];
	struct shares s;

	(void)state;
	spec = with_mounts(
		"{\"path\":\"rootfs\"}",
		"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
		"{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"data\",\"options\":[\"rbind\",\"ro\"]},"
		"{\"destination\":\"/f\",\"source\":\"file\",\"options\":[\"bind\"]},"
		"{\"destination\":\"/n\",\"type\":\"none\",\"source\":\"/dev/null\",\"options\":[\"bind\"]}");
	plan_shares(&s, spec);
	assert_int_equal(s.r, 0);
	assert_int_equal(s.vm->n_shares, 3);
	in_bundle(path, "rootfs");
	assert_string_equal(s.rootfs, path);
	assert_string_equal(s.vm->shares[0].path, path);
	assert_string_equal(s.vm->shares[0].name, "root");
	assert_false(s.vm->shares[0].readonly);
	in_bundle(path, "data");
	assert_string_equal(s.vm->shares[1].path, path);
	assert_true(s.vm->shares[1].readonly);
	assert_false(s.vm->shares[2].readonly);
	assert_string_equal(spec->root.path, AGENT_SHARE_DIR "/root");
	assert_string_equal(spec->mounts[0].source, "proc");
	assert_string_equal(spec->mounts[1].source, AGENT_SHARE_DIR "/m1");
	assert_string_equal(spec->mounts[2].source, AGENT_SHARE_DIR "/m2");
	assert_string_equal(spec->mounts[3].source, "/dev/null");
	assert_true(s.vm->shares[0].submounts && s.vm->shares[1].submounts && !s.vm->shares[2].submounts);
	/* The same for those who look from the host: the shares, and what is the guest's own. */
	expect_place(&s, 0, "/", 0, false);
	expect_place(&s, 1, "/proc", -1, true);
	expect_place(&s, 2, "/a", 1, true);
	expect_place(&s, 3, "/f", 2, false);
	expect_place(&s, 4, "/n", -1, true);
	assert_int_equal(s.vm->view.n_places, 5);
	assert_int_equal(s.vm->view.places[1].kind, VM_PLACE_PROC);
	assert_int_equal(s.vm->view.places[4].kind, VM_PLACE_FILE);
	shares_done(&s);
}

static void what_the_guest_mounts_itself_is_shown_by_its_kind(void **state)
{
	static const struct {
		const char *path, *type;
		enum vm_place_kind kind;
	} cases[] = {
		{ "/proc", "proc", VM_PLACE_PROC },	      { "/mnt/proc", "proc", VM_PLACE_CLOSED },
		{ "/dev", "tmpfs", VM_PLACE_EMPTY },	      { "/dev/pts", "devpts", VM_PLACE_EMPTY },
		{ "/dev/mqueue", "mqueue", VM_PLACE_CLOSED }, { "/tmp", "tmpfs", VM_PLACE_CLOSED },
	};
	_cleanup_oci_spec_ struct oci_spec *spec = NULL;
	char mounts[1024] = "";
	struct shares s;
	size_t len = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		len += (size_t)snprintf(mounts + len, sizeof(mounts) - len,
					"%s{\"destination\":\"%s\",\"type\":\"%s\",\"source\":\"x\"}",
					i ? "," : "", cases[i].path, cases[i].type);
	spec = with_mounts("{\"path\":\"rootfs\"}", mounts);
	plan_shares(&s, spec);
	assert_int_equal(s.r, 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		expect_place(&s, i + 1, cases[i].path, -1, true);
		assert_int_equal(s.vm->view.places[i + 1].kind, cases[i].kind);
	}
	shares_done(&s);
}

static void one_source_is_shared_once_and_writable_if_any_is(void **state)
{
	_cleanup_oci_spec_ struct oci_spec *spec = NULL;
	struct shares s;

	(void)state;
	spec = with_mounts(
		"{\"path\":\"rootfs\",\"readonly\":true}",
		"{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"data\",\"options\":[\"ro\"]},"
		"{\"destination\":\"/b\",\"type\":\"bind\",\"source\":\"link\",\"options\":[\"ro\",\"rw\"]},"
		"{\"destination\":\"/c\",\"type\":\"bind\",\"source\":\"data/../data\",\"options\":[\"ro\"]}");
	plan_shares(&s, spec);
	assert_int_equal(s.r, 0);
	assert_int_equal(s.vm->n_shares, 2);
	assert_true(s.vm->shares[0].readonly);
	assert_false(s.vm->shares[1].readonly);
	assert_string_equal(spec->mounts[1].source, AGENT_SHARE_DIR "/m0");
	assert_string_equal(spec->mounts[2].source, AGENT_SHARE_DIR "/m0");
	/* Whoever looks from the host may write where the container may. */
	expect_place(&s, 0, "/", 0, true);
	expect_place(&s, 1, "/a", 1, true);
	expect_place(&s, 2, "/b", 1, false);
	expect_place(&s, 3, "/c", 1, true);
	shares_done(&s);
}

/* With rbind the container has what the host has mounted below the source, with bind it has not. */
static void with_and_without_submounts_are_two_shares(void **state)
{
	_cleanup_oci_spec_ struct oci_spec *spec = NULL;
	struct shares s;

	(void)state;
	spec = with_mounts("{\"path\":\"rootfs\"}",
			   "{\"destination\":\"/a\",\"source\":\"data\",\"options\":[\"bind\"]},"
			   "{\"destination\":\"/b\",\"source\":\"data\",\"options\":[\"rbind\"]},"
			   "{\"destination\":\"/c\",\"type\":\"bind\",\"source\":\"data\"},"
			   "{\"destination\":\"/d\",\"source\":\"data\",\"options\":[\"bind\",\"rbind\"]}");
	plan_shares(&s, spec);
	assert_int_equal(s.r, 0);
	assert_int_equal(s.vm->n_shares, 3);
	assert_false(s.vm->shares[1].submounts);
	assert_true(s.vm->shares[2].submounts);
	assert_string_equal(spec->mounts[2].source, AGENT_SHARE_DIR "/m0");
	assert_string_equal(spec->mounts[3].source, AGENT_SHARE_DIR "/m1");
	shares_done(&s);
}

static void missing_mount_points_are_of_the_containers_root(void **state)
{
	_cleanup_oci_spec_ struct oci_spec *spec = NULL;
	struct shares s;

	(void)state;
	spec = parse("{\"ociVersion\":\"1.2.0\"," PROCESS ",\"root\":{\"path\":\"rootfs\"},\"linux\":{"
		     "\"uidMappings\":[{\"containerID\":1,\"hostID\":5,\"size\":1},"
		     "{\"containerID\":0,\"hostID\":100000,\"size\":1}],"
		     "\"gidMappings\":[{\"containerID\":0,\"hostID\":200000,\"size\":10}]," NAMESPACES "}}");
	plan_shares(&s, spec);
	assert_int_equal(s.r, 0);
	assert_int_equal(s.vm->view.uid, 100000);
	assert_int_equal(s.vm->view.gid, 200000);
	shares_done(&s);
}

static void sockets_of_the_host_become_the_agents(void **state)
{
	static const char mounts[] =
		"{\"destination\":\"/a\",\"source\":\"socket\",\"options\":[\"bind\"]},"
		"{\"destination\":\"/b\",\"source\":\"socket\",\"options\":[\"bind\",\"ro\"]}";
	_cleanup_oci_spec_ struct oci_spec *spec = NULL, *userns = NULL;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char path[256];
	struct shares s;

	(void)state;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/socket", bundle);
	assert_int_equal(bind(sock, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(sock);
	assert_int_equal(chmod(addr.sun_path, 02640), 0);
	assert_int_equal(chown(addr.sun_path, 1234, 5678), 0);
	assert_int_equal(chmod(addr.sun_path, 02640), 0);
	spec = with_mounts("{\"path\":\"rootfs\"}", mounts);
	plan_shares(&s, spec);
	assert_int_equal(s.r, 0);
	assert_int_equal(s.vm->n_shares, 1);
	assert_int_equal(s.vm->n_sockets, 2);
	in_bundle(path, "socket");
	assert_string_equal(s.vm->sockets[0], path);
	assert_string_equal(s.vm->sockets[1], path);
	assert_string_equal(spec->mounts[0].source, AGENT_SOCKET_DIR "/0-2640-1234-5678");
	assert_string_equal(spec->mounts[1].source, AGENT_SOCKET_DIR "/1-2640-1234-5678");
	expect_place(&s, 1, "/a", -1, true);
	assert_int_equal(s.vm->view.places[1].kind, VM_PLACE_FILE);
	shares_done(&s);

	userns = parse("{\"ociVersion\":\"1.2.0\"," PROCESS ",\"root\":{\"path\":\"rootfs\"},\"mounts\":[%s],"
		       "\"linux\":{\"namespaces\":[{\"type\":\"user\"}]}}",
		       mounts);
	plan_shares(&s, userns);
	assert_int_equal(s.r, -ENOTSUP);
	assert_non_null(strstr(s.err.text, "mounts[0].source: "));
	shares_done(&s);
}

static void sources_that_no_vm_can_have(void **state)
{
	static const struct {
		const char *source, *message;
		int r;
	} bad[] = {
		{ "nothere", "mounts[0].source: nothere: No such file or directory", -ENOENT },
		{ "/dev/mem", "is a device of the host", -ENOTSUP },
		{ "disk", "is a device of the host", -ENOTSUP },
		{ "loop", "mounts[0].source: loop", -ELOOP },
	};
	char path[256];

	(void)state;
	in_bundle(path, "disk");
	if (mknod(path, S_IFBLK | 0600, makedev(7, 0)) < 0)
		make_link("/dev/mem", "disk");
	make_link("loop", "loop");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_oci_spec_ struct oci_spec *spec = NULL;
		char mount[256];
		struct shares s;

		if (bad[i].source[0] == '/' && access(bad[i].source, F_OK) < 0)
			continue;
		snprintf(mount, sizeof(mount), "{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"%s\"}",
			 bad[i].source);
		spec = with_mounts("{\"path\":\"rootfs\"}", mount);
		plan_shares(&s, spec);
		if (!strstr(s.err.text, bad[i].message))
			fail_msg("\"%s\" is not in \"%s\"", bad[i].message, s.err.text);
		assert_int_equal(s.r, bad[i].r);
		shares_done(&s);
	}
}

static void a_root_that_is_none(void **state)
{
	static const char *const roots[] = { "{\"path\":\"nothere\"}", "{\"path\":\"file\"}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		_cleanup_oci_spec_ struct oci_spec *spec = with_mounts(roots[i], "");
		struct shares s;

		plan_shares(&s, spec);
		assert_int_equal(s.r, i ? -ENOTDIR : -ENOENT);
		assert_non_null(strstr(s.err.text, "root.path: "));
		shares_done(&s);
	}
}

static void what_a_vm_cant_honour_is_refused_by_its_path(void **state)
{
	static const struct {
		const char *linux_, *message;
	} bad[] = {
		{ "\"namespaces\":[{\"type\":\"network\"},{\"type\":\"ipc\",\"path\":\"/proc/1/ns/ipc\"}]",
		  "linux.namespaces[ipc].path" },
		{ NAMESPACES ",\"intelRdt\":{\"closID\":\"x\"}", "linux.intelRdt" },
		{ NAMESPACES ",\"resources\":{\"rdma\":{\"x\":{\"hcaHandles\":3}}}", "linux.resources.rdma" },
		{ NAMESPACES ",\"resources\":{\"network\":{\"classID\":3}}",
		  "linux.resources.network.classID" },
		{ NAMESPACES
		  ",\"resources\":{\"network\":{\"priorities\":[{\"name\":\"e\",\"priority\":1}]}}",
		  "linux.resources.network.priorities" },
		{ NAMESPACES ",\"devices\":[{\"path\":\"/dev/sda\",\"type\":\"b\",\"major\":8,\"minor\":0}]",
		  "linux.devices[0]" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_oci_spec_ struct oci_spec *spec =
			parse("{\"ociVersion\":\"1.2.0\"," PROCESS
			      ",\"root\":{\"path\":\"rootfs\"},\"linux\":{%s}}",
			      bad[i].linux_);
		struct err err = ERR_INIT;

		assert_int_equal(plan_check(spec, &err), -ENOTSUP);
		if (!strstr(err.text, bad[i].message))
			fail_msg("\"%s\" is not in \"%s\"", bad[i].message, err.text);
	}
}

static void parts_that_every_container_needs(void **state)
{
	static const struct {
		const char *text, *message;
	} bad[] = {
		{ "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"},\"linux\":{" NAMESPACES "}}",
		  "process: is missing" },
		{ "{\"ociVersion\":\"1.2.0\"," PROCESS ",\"linux\":{" NAMESPACES "}}", "root: is missing" },
		{ "{\"ociVersion\":\"1.2.0\"," PROCESS ",\"root\":{\"path\":\"r\"}}", "linux: is missing" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_oci_spec_ struct oci_spec *spec = parse("%s", bad[i].text);
		struct err err = ERR_INIT;

		assert_int_equal(plan_check(spec, &err), -EINVAL);
		assert_string_equal(err.text, bad[i].message);
	}
}

static void size_vm(const char *resources, const char *memory, enum config_source source, struct vm_spec *vm)
{
	_cleanup_oci_spec_ struct oci_spec *spec =
		parse("{\"ociVersion\":\"1.2.0\",\"linux\":{\"resources\":{%s}}}", resources);
	_cleanup_config_ struct config config;

	config_init(&config);
	if (memory)
		assert_int_equal(config_set(&config, CONFIG_MEMORY, memory, source, NULL), 0);
	plan_size(&config, spec, vm);
}

static void limits_give_the_size_unless_somebody_names_one(void **state)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct vm_spec vm = { 0 };

	(void)state;
	size_vm("", NULL, CONFIG_FILE, &vm);
	assert_int_equal(vm.memory, VM_MEMORY_DEFAULT);
	assert_int_equal(vm.cpus, VM_CPUS_DEFAULT);
	size_vm("\"memory\":{\"limit\":134217728}", NULL, CONFIG_FILE, &vm);
	/* The limit is the container's: the guest's kernel comes on top. */
	assert_int_equal(vm.memory, (128ULL + 2 + 64) << 20);
	size_vm("\"memory\":{\"limit\":1000000}", NULL, CONFIG_FILE, &vm);
	assert_true(vm.memory >= VM_MEMORY_MIN && vm.memory % (2 << 20) == 0);
	size_vm("\"memory\":{\"limit\":-1}", NULL, CONFIG_FILE, &vm);
	assert_int_equal(vm.memory, VM_MEMORY_DEFAULT);
	size_vm("\"memory\":{\"limit\":134217728}", "1G", CONFIG_FILE, &vm);
	assert_int_equal(vm.memory, (128ULL + 2 + 64) << 20);
	size_vm("\"memory\":{\"limit\":134217728}", "1G", CONFIG_OPTION, &vm);
	assert_int_equal(vm.memory, 1ULL << 30);
	/* Beyond what the host has, a limit limits nothing. */
	size_vm("\"memory\":{\"limit\":9223372036854775807}", NULL, CONFIG_FILE, &vm);
	assert_true(vm.memory <= VM_MEMORY_MAX);
	size_vm("\"cpu\":{\"quota\":150000,\"period\":100000}", NULL, CONFIG_FILE, &vm);
	assert_int_equal(vm.cpus, cpus < 2 ? cpus : 2);
	size_vm("\"cpu\":{\"quota\":50000}", NULL, CONFIG_FILE, &vm);
	assert_int_equal(vm.cpus, 1);
	size_vm("\"cpu\":{\"quota\":-1,\"period\":100000}", NULL, CONFIG_FILE, &vm);
	assert_int_equal(vm.cpus, 1);
	size_vm("\"cpu\":{\"cpus\":\"0-1\"}", NULL, CONFIG_FILE, &vm);
	assert_int_equal(vm.cpus, cpus < 2 ? cpus : 2);
	size_vm("\"cpu\":{\"cpus\":\"0-1\",\"quota\":50000}", NULL, CONFIG_FILE, &vm);
	assert_int_equal(vm.cpus, 1);
	size_vm("\"cpu\":{\"cpus\":\"0\",\"quota\":400000}", NULL, CONFIG_FILE, &vm);
	assert_int_equal(vm.cpus, 1);
	size_vm("\"unified\":{\"memory.max\":\"134217728\"}", NULL, CONFIG_FILE, &vm);
	assert_int_equal(vm.memory, (128ULL + 2 + 64) << 20);
}

static void a_vm_holds_what_its_limit_says(void **state)
{
	struct vm_spec vm = { 0 };

	(void)state;
	for (uint64_t limit = 1 << 20; limit < 1ULL << 32; limit = limit * 3 / 2) {
		char resources[64];

		snprintf(resources, sizeof(resources), "\"memory\":{\"limit\":%llu}",
			 (unsigned long long)limit);
		size_vm(resources, NULL, CONFIG_FILE, &vm);
		assert_true(plan_memory_capacity(vm.memory) >= limit);
		assert_true(plan_memory_capacity(vm.memory) < limit + (64 << 20));
	}
	assert_int_equal(plan_memory_capacity(0), 0);
}

static void emulation_costs_the_host_more(void **state)
{
	struct vm_spec vm = { .engine = VM_ENGINE_KVM, .memory = 512 << 20 };
	uint64_t kvm = plan_host_overhead(&vm), qemu;

	(void)state;
	vm.engine = VM_ENGINE_QEMU;
	qemu = plan_host_overhead(&vm);
	assert_true(kvm < qemu);
	vm.qemu_accel = (char *)(uintptr_t) "kvm";
	assert_true(plan_host_overhead(&vm) < qemu);
	vm.memory *= 2;
	assert_true(plan_host_overhead(&vm) > kvm);
}

static void ports_differ_and_a_terminal_has_one(void **state)
{
	struct oci_process process = { .has_console_size = true, .console_height = 24, .console_width = 80 };
	struct agent_stdio stdio;

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(plan_stdio(&process, &stdio), 0);
		assert_true(stdio.stdin_port > UINT16_MAX && stdio.stdout_port > UINT16_MAX &&
			    stdio.stderr_port > UINT16_MAX);
		assert_true(stdio.stdin_port != stdio.stdout_port && stdio.stdout_port != stdio.stderr_port);
	}
	process.terminal = true;
	assert_int_equal(plan_stdio(&process, &stdio), 0);
	assert_true(stdio.stdin_port && !stdio.stdout_port && !stdio.stderr_port);
	assert_int_equal(stdio.rows, 24);
	assert_int_equal(stdio.cols, 80);
}

static void make_mountpoints(const char *root, const char *mounts)
{
	_cleanup_oci_spec_ struct oci_spec *spec = with_mounts(root, mounts),
					   *guest = with_mounts(root, mounts);
	struct plan plan = { .config = guest };
	struct err err = ERR_INIT;
	struct shares s;

	plan_shares(&s, guest);
	assert_int_equal(s.r, 0);
	plan.vm = s.vm;
	plan.rootfs = s.rootfs;
	assert_int_equal(mountpoints_make(spec, &plan, &err), 0);
	shares_done(&s);
}

#define MOUNTS                                                                                               \
	"{\"destination\":\"/proc\",\"type\":\"proc\"},"                                                     \
	"{\"destination\":\"/proc/sys/x\",\"type\":\"tmpfs\"},"                                              \
	"{\"destination\":\"/etc/hosts\",\"type\":\"bind\",\"source\":\"file\"},"                            \
	"{\"destination\":\"/dev/null\",\"type\":\"bind\",\"source\":\"/dev/null\"},"                        \
	"{\"destination\":\"//mnt//deep/data/\",\"type\":\"bind\",\"source\":\"data\"}"

static void a_read_only_root_gets_its_mount_points(void **state)
{
	(void)state;
	make_mountpoints("{\"path\":\"rootfs\"}", MOUNTS);
	assert_false(is_there("rootfs/proc", S_IFDIR));
	make_mountpoints("{\"path\":\"rootfs\",\"readonly\":true}", MOUNTS);
	assert_true(is_there("rootfs/proc", S_IFDIR));
	assert_false(is_there("rootfs/proc/sys", S_IFDIR));
	assert_true(is_there("rootfs/etc/hosts", S_IFREG));
	assert_true(is_there("rootfs/dev/null", S_IFREG));
	assert_true(is_there("rootfs/mnt/deep/data", S_IFDIR));
	assert_true(is_there("rootfs/srv/work", S_IFDIR));
}

static void mount_points_stay_below_the_root(void **state)
{
	(void)state;
	make_link("/", "rootfs/abs");
	make_link("../../..", "rootfs/up");
	make_link("../data", "rootfs/out");
	make_mountpoints(
		"{\"path\":\"rootfs\",\"readonly\":true}",
		"{\"destination\":\"/abs/one\",\"type\":\"tmpfs\"},{\"destination\":\"/up/two\",\"type\":\"tmpfs\"}");
	assert_true(is_there("rootfs/one", S_IFDIR));
	assert_true(is_there("rootfs/two", S_IFDIR));
	/* The link's target does not exist below the root: made there, and nowhere else. */
	make_mountpoints("{\"path\":\"rootfs\",\"readonly\":true}",
			 "{\"destination\":\"/out/three\",\"type\":\"tmpfs\"}");
	assert_true(is_there("rootfs/data/three", S_IFDIR));
	assert_false(is_there("data/three", S_IFDIR));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(root_and_binds_become_shares, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sockets_of_the_host_become_the_agents, set_up, tear_down),
		cmocka_unit_test_setup_teardown(with_and_without_submounts_are_two_shares, set_up, tear_down),
		cmocka_unit_test_setup_teardown(missing_mount_points_are_of_the_containers_root, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_the_guest_mounts_itself_is_shown_by_its_kind, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_source_is_shared_once_and_writable_if_any_is, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(sources_that_no_vm_can_have, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_root_that_is_none, set_up, tear_down),
		cmocka_unit_test(what_a_vm_cant_honour_is_refused_by_its_path),
		cmocka_unit_test(parts_that_every_container_needs),
		cmocka_unit_test(limits_give_the_size_unless_somebody_names_one),
		cmocka_unit_test(a_vm_holds_what_its_limit_says),
		cmocka_unit_test(emulation_costs_the_host_more),
		cmocka_unit_test(ports_differ_and_a_terminal_has_one),
		cmocka_unit_test_setup_teardown(a_read_only_root_gets_its_mount_points, set_up, tear_down),
		cmocka_unit_test_setup_teardown(mount_points_stay_below_the_root, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
