/* SPDX-License-Identifier: Apache-2.0 */
/* vmm: which devices a machine gets, and what becomes of engine and callbacks; over engines of the test's own. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/loop.h"
#include "vmm/console_log.h"
#include "vmm/engine.h"
#include "vmm/virtio/vdev.h"
#include "vmm/vm_spec.h"
#include "vmm/vmm.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_ids.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

static struct {
	struct engine_args args;
	const char *which;
	unsigned creates, runs, stops, frees;
	int create_result, run_result;
} fake;

static struct {
	unsigned calls;
	enum vmm_end end;
	char text[ERR_TEXT_MAX];
} ended;

static struct loop *loop;
static struct vmm *vmm;
static bool have_taps;
static char dir[] = "/tmp/test_vmm.XXXXXX";

static int create(const char *which, const struct engine_args *args, void **ret, struct err *err)
{
	fake.creates++;
	fake.which = which;
	fake.args = *args;
	if (fake.create_result < 0)
		return err_set(err, fake.create_result, "no engine today");
	*ret = &fake;
	return 0;
}

static int create_kvm(const struct engine_args *args, void **ret, struct err *err)
{
	return create("kvm", args, ret, err);
}

static int create_qemu(const struct engine_args *args, void **ret, struct err *err)
{
	return create("qemu", args, ret, err);
}

static int fake_run(void *engine, struct err *err)
{
	(void)engine, (void)err;
	fake.runs++;
	return fake.run_result;
}

static int fake_pause(void *engine, struct err *err)
{
	(void)engine, (void)err;
	return 0;
}

static void fake_stop(void *engine)
{
	(void)engine;
	fake.stops++;
}

static void fake_free(void *engine)
{
	(void)engine;
	/* The devices are still there. */
	for (size_t i = 0; i < fake.args.n_devices; i++)
		assert_non_null(fake.args.devices[i]->ops);
	fake.frees++;
}

#define ENGINE(fn, ...)                                                                                           \
	{                                                                                                    \
		.name = "fake", .create = fn, .run = fake_run, .pause = fake_pause, .resume = fake_pause,    \
		.stop = fake_stop, .free = fake_free, __VA_ARGS__                                            \
	}

/* In the place of the real ones, which the linker then leaves out. */
static bool fake_show_late(void *engine);
const struct engine_ops kvm_engine = ENGINE(create_kvm, .show_late = fake_show_late);
const struct engine_ops qemu_engine = ENGINE(create_qemu);

static void on_ended(void *ctx, enum vmm_end end, const struct err *err)
{
	assert_ptr_equal(ctx, &ended);
	ended.calls++;
	ended.end = end;
	snprintf(ended.text, sizeof(ended.text), "%s", err ? err->text : "");
}

static const struct vmm_callbacks callbacks = { .ended = on_ended };
static struct vm_share shares[2];
static struct vm_spec spec;

static char *path(const char *name)
{
	static char paths[4][64];
	static unsigned next;
	char *p = paths[next++ % 4];

	snprintf(p, sizeof(paths[0]), "%s/%s", dir, name);
	return p;
}

static int set_up(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	memset(&ended, 0, sizeof(ended));
	spec = (struct vm_spec){
		.id = (char *)"t", .kernel = (char *)"/k", .cpus = 1, .memory = 64 << 20, .cid = 7
	};
	vmm = NULL;
	return loop_new(&loop);
}

static int tear_down(void **state)
{
	(void)state;
	vmm_free(vmm);
	loop_free(loop);
	return 0;
}

static void make(void)
{
	struct err err = ERR_INIT;

	if (vmm_new(loop, &spec, &callbacks, &ended, &vmm, &err) < 0)
		fail_msg("%s", err.text);
}

static int make_fails(const char *words)
{
	struct err err = ERR_INIT;
	int r = vmm_new(loop, &spec, &callbacks, &ended, &vmm, &err);

	assert_true(r < 0);
	assert_null(vmm);
	if (!strstr(err.text, words))
		fail_msg("\"%s\" doesn't say \"%s\"", err.text, words);
	return r;
}

static void devices_come_in_slot_order(void **state)
{
	(void)state;
	shares[0] = (struct vm_share){ .name = (char *)"rootfs", .path = dir };
	shares[1] = (struct vm_share){ .name = (char *)"file", .path = path("file"), .readonly = true };
	spec.shares = shares;
	spec.n_shares = 2;
	make();
	assert_string_equal(fake.which, "kvm");
	assert_int_equal(fake.args.n_devices, 4);
	assert_int_equal(fake.args.devices[0]->ops->type, VIRTIO_ID_VSOCK);
	assert_int_equal(fake.args.devices[1]->ops->type, VIRTIO_ID_FS);
	assert_int_equal(fake.args.devices[2]->ops->type, VIRTIO_ID_CONSOLE);
	assert_int_equal(fake.args.devices[3]->ops->type, VIRTIO_ID_BALLOON);
	assert_ptr_equal(vmm_vsock(vmm), fake.args.devices[0]);
	assert_memory_equal(fake.args.devices[0]->config, "\7\0\0\0\0\0\0\0", 8);
	assert_memory_equal(fake.args.devices[1]->config, "vrun\0", 5);
	assert_ptr_equal(vmm_console(vmm), fake.args.console);
}

static bool fake_show_late(void *engine)
{
	assert_ptr_equal(engine, &fake);
	return fake.args.n_late > 0;
}

static void what_a_start_can_do_without_comes_late(void **state)
{
	(void)state;
	make();
	assert_int_equal(fake.args.n_late, 2); /* the console's and the balloon */
	assert_true(vmm_show_late_devices(vmm));
	vmm_free(TAKE_PTR(vmm));
	/* Whoever wants the console gets it at once. */
	spec.console = true;
	make();
	assert_int_equal(fake.args.n_late, 1);
	vmm_free(TAKE_PTR(vmm));
	spec.console = false;
	spec.debug = true;
	make();
	assert_int_equal(fake.args.n_late, 1);
	vmm_free(TAKE_PTR(vmm));
	spec.debug = false;
	spec.console_path = path("file");
	make();
	assert_int_equal(fake.args.n_late, 1);
	vmm_free(TAKE_PTR(vmm));
	/* An engine that hides none. */
	spec.console_path = NULL;
	spec.engine = VM_ENGINE_QEMU;
	make();
	assert_false(vmm_show_late_devices(vmm));
}

static void without_shares_there_is_no_fs(void **state)
{
	(void)state;
	spec.engine = VM_ENGINE_QEMU;
	make();
	assert_string_equal(fake.which, "qemu");
	assert_int_equal(fake.args.n_devices, 3);
	assert_int_equal(fake.args.devices[1]->ops->type, VIRTIO_ID_CONSOLE);
}

static void a_share_that_is_not_there_is_refused(void **state)
{
	(void)state;
	shares[0] = (struct vm_share){ .name = (char *)"a", .path = path("missing") };
	spec.shares = shares;
	spec.n_shares = 1;
	assert_int_equal(make_fails("can't open share"), -ENOENT);
	assert_int_equal(fake.creates, 0);
}

static void a_share_behind_a_symlink_is_refused(void **state)
{
	(void)state;
	spec.shares = shares;
	spec.n_shares = 1;
	shares[0] = (struct vm_share){ .name = (char *)"a", .path = path("link") };
	assert_int_equal(make_fails("/link: "), -ELOOP);
	shares[0] = (struct vm_share){ .name = (char *)"a", .path = path("link/..") };
	assert_int_equal(make_fails("can't open share"), -ELOOP);
}

static void the_console_is_appended_to_its_file(void **state)
{
	char text[16] = { 0 };
	int fd;

	(void)state;
	spec.console_path = path("file");
	make();
	console_log_write(vmm_console(vmm), "boot\n", 5);
	vmm_free(TAKE_PTR(vmm));
	make();
	console_log_write(vmm_console(vmm), "again\n", 6);
	fd = open(path("file"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, text, sizeof(text)), 11);
	assert_string_equal(text, "boot\nagain\n");
	close(fd);
	spec.console_path = path("no/file");
	vmm_free(TAKE_PTR(vmm));
	make_fails("can't open the console file");
}

static void a_failing_engine_leaves_nothing(void **state)
{
	(void)state;
	fake.create_result = -ENODEV;
	assert_int_equal(make_fails("no engine today"), -ENODEV);
	assert_int_equal(fake.stops + fake.frees, 0);
	spec.engine = (enum vm_engine)9;
	make_fails("unknown engine");
}

static void the_end_is_told_once(void **state)
{
	const struct err err = { .code = -EIO, .text = "triple fault" };

	(void)state;
	make();
	fake.args.ended(fake.args.ctx, VMM_END_CRASHED, &err);
	fake.args.ended(fake.args.ctx, VMM_END_OFF, NULL);
	assert_int_equal(ended.calls, 1);
	assert_int_equal(ended.end, VMM_END_CRASHED);
	assert_string_equal(ended.text, "triple fault");
}

static void after_a_stop_no_end_is_told(void **state)
{
	(void)state;
	make();
	vmm_stop(vmm);
	vmm_stop(vmm);
	fake.args.ended(fake.args.ctx, VMM_END_OFF, NULL);
	assert_int_equal(ended.calls, 0);
	assert_int_equal(fake.stops, 2);
	vmm_free(TAKE_PTR(vmm));
	assert_int_equal(fake.frees, 1);
}

static int open_tap(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	assert_true(fd >= 0 && ioctl(fd, TUNSETIFF, &ifr) == 0);
	return fd;
}

static void set_nets(const char *a, const char *b)
{
	static char names[2][16];
	static struct vm_net nets[2];

	snprintf(names[0], sizeof(names[0]), "%s", a);
	snprintf(names[1], sizeof(names[1]), "%s", b);
	for (unsigned i = 0; i < 2; i++)
		nets[i] = (struct vm_net){
			.name = names[i], .mac = { 2, 0, 0, 0, 0, (uint8_t)i }, .mtu = 1500 + i, .n_pairs = 1
		};
	nets[0].tap_fds[0] = open_tap(a);
	nets[1].tap_fds[0] = open_tap(b);
	spec.nets = nets;
	spec.n_nets = 2;
}

static void each_net_is_a_device(void **state)
{
	struct vmm_net_stats stats;

	(void)state;
	if (!have_taps)
		skip();
	set_nets("eth0", "lan");
	make();
	assert_int_equal(fake.args.n_devices, 5);
	assert_int_equal(fake.args.devices[1]->ops->type, VIRTIO_ID_NET);
	assert_memory_equal(fake.args.devices[1]->config, "\2\0\0\0\0\0", 6);
	assert_string_equal(fake.args.devices[1]->tag, "eth0");
	assert_memory_equal(fake.args.devices[2]->config, "\2\0\0\0\0\1\1\0\1\0\xdd\5", 12);
	assert_int_equal(fake.args.devices[3]->ops->type, VIRTIO_ID_CONSOLE);
	assert_int_equal(vmm_net_stats(vmm, 1, &stats), 0);
	assert_string_equal(stats.name, "lan");
	assert_int_equal(stats.rx_packets + stats.tx_packets, 0);
	assert_int_equal(vmm_net_stats(vmm, 2, &stats), -ENOENT);
}

static void expect_taps_closed(void)
{
	for (size_t i = 0; i < spec.n_nets; i++)
		assert_int_equal(fcntl(spec.nets[i].tap_fds[0], F_GETFD), -1);
}

static void taps_are_consumed_whatever_comes_of_it(void **state)
{
	(void)state;
	if (!have_taps)
		skip();
	/* Before the devices, */
	set_nets("eth0", "lan");
	spec.console_path = path("no/file");
	make_fails("can't open the console file");
	expect_taps_closed();
	/* at the first of them, */
	set_nets("eth0", "lan");
	spec.console_path = NULL;
	close(spec.nets[0].tap_fds[0]);
	spec.nets[0].tap_fds[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	make_fails("network interface: eth0: descriptor ");
	expect_taps_closed();
	/* after them, */
	set_nets("eth0", "lan");
	fake.create_result = -ENODEV;
	make_fails("no engine today");
	expect_taps_closed();
	/* and with the machine. */
	set_nets("eth0", "lan");
	fake.create_result = 0;
	make();
	vmm_free(TAKE_PTR(vmm));
	expect_taps_closed();
}

static void the_timeline_knows_when_it_ran(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	make();
	assert_true(vmm_timeline(vmm)->created > 0);
	assert_int_equal(vmm_timeline(vmm)->first_run, 0);
	fake.run_result = -EIO;
	assert_int_equal(vmm_run(vmm, &err), -EIO);
	assert_int_equal(vmm_timeline(vmm)->first_run, 0);
	fake.run_result = 0;
	assert_int_equal(vmm_run(vmm, &err), 0);
	assert_true(vmm_timeline(vmm)->first_run >= vmm_timeline(vmm)->created);
	assert_int_equal(vmm_exits(vmm, NULL, 0), 0);
	assert_int_equal(vmm_console_input(vmm, "x", 1), 1);
}

static int make_files(void **state)
{
	(void)state;
	if (!mkdtemp(dir) || symlink(".", path("link")) < 0)
		return -1;
	close(open(path("file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	unlink(path("file"));
	unlink(path("link"));
	return rmdir(dir);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(devices_come_in_slot_order),
		TEST(what_a_start_can_do_without_comes_late),
		TEST(without_shares_there_is_no_fs),
		TEST(a_share_that_is_not_there_is_refused),
		TEST(a_share_behind_a_symlink_is_refused),
		TEST(the_console_is_appended_to_its_file),
		TEST(a_failing_engine_leaves_nothing),
		TEST(the_end_is_told_once),
		TEST(after_a_stop_no_end_is_told),
		TEST(each_net_is_a_device),
		TEST(taps_are_consumed_whatever_comes_of_it),
		TEST(the_timeline_knows_when_it_ran),
	};

	vmm_free(NULL);
	/* In a network namespace of the test's own. */
	have_taps = access("/dev/net/tun", R_OK | W_OK) == 0 && unshare(CLONE_NEWNET) == 0;
	return cmocka_run_group_tests(tests, make_files, remove_files);
}
