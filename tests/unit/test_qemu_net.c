/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's network device: its command line, and the socket that it connects to itself. */
#include "tests/unit/loop_turn.h"
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/loop.h"
#include "vmm/qemu/command.h"
#include "vmm/qemu/listener.h"
#include "vmm/virtio/vdev.h"
#include "vmm/vm_spec.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static struct loop *loop;
static struct qemu_listener *listener;
static int connected; /* the socket, -EBADF: none yet */
static unsigned connections;

static void on_connected(void *ctx, int take_sock)
{
	assert_ptr_equal(ctx, &connections);
	connections++;
	connected = take_sock;
	qemu_listener_free(TAKE_PTR(listener));
}

static int set_up(void **state)
{
	(void)state;
	connected = -EBADF;
	connections = 0;
	listener = NULL;
	if (loop_new(&loop) < 0)
		return -1;
	return qemu_listener_new(loop, on_connected, &connections, &listener);
}

static int tear_down(void **state)
{
	(void)state;
	close_fd(connected);
	qemu_listener_free(listener);
	loop_free(loop);
	return 0;
}

static int try_connect(const char *address)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(sock >= 0);
	strcpy(addr.sun_path + 1, address);
	if (connect(sock, (struct sockaddr *)&addr,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(address))) < 0) {
		close(sock);
		return -errno;
	}
	return sock;
}

static void expect_hung_up(int sock)
{
	char byte;

	loop_turn(loop);
	assert_int_equal(recv(sock, &byte, 1, 0), 0);
	assert_int_equal(connections, 0);
	close(sock);
}

static void the_expected_process_connects_once(void **state)
{
	char address[128];
	int sock;

	(void)state;
	strcpy(address, qemu_listener_address(listener));
	qemu_listener_expect(listener, getpid());
	sock = try_connect(address);
	assert_true(sock >= 0);
	loop_turn(loop);
	assert_int_equal(connections, 1);
	assert_int_equal(send(connected, "x", 1, 0), 1);
	assert_int_equal(recv(sock, &(char){ 0 }, 1, 0), 1);
	/* Nobody listens any more. */
	assert_true(try_connect(address) < 0);
	close(sock);
}

static void anybody_else_is_hung_up_on(void **state)
{
	int sock;

	(void)state;
	/* Nobody is expected yet, */
	sock = try_connect(qemu_listener_address(listener));
	assert_true(sock >= 0);
	expect_hung_up(sock);
	/* or another process is. */
	qemu_listener_expect(listener, getppid());
	sock = try_connect(qemu_listener_address(listener));
	assert_true(sock >= 0);
	expect_hung_up(sock);
	/* The right one still gets through. */
	qemu_listener_expect(listener, getpid());
	sock = try_connect(qemu_listener_address(listener));
	loop_turn(loop);
	assert_int_equal(connections, 1);
	close(sock);
}

static void listeners_have_addresses_of_their_own(void **state)
{
	struct qemu_listener *other;

	(void)state;
	assert_int_equal(qemu_listener_new(loop, on_connected, NULL, &other), 0);
	assert_string_not_equal(qemu_listener_address(other), qemu_listener_address(listener));
	assert_true(strlen(qemu_listener_address(other)) > 0);
	qemu_listener_free(other);
	qemu_listener_free(NULL);
}

/* --- The command line --- */

static const struct vdev_ops net_ops = { .name = "virtio-net", .type = VIRTIO_ID_NET };

static char *build(unsigned pairs, const char *accel)
{
	static char text[16384];
	static uint8_t config[12] = { 2, 0, 0x5e, 0x10, 0, 0xab };
	static struct virtqueue vqs[9];
	struct vdev dev = { .ops = &net_ops,
			    .tag = "eth0",
			    .config = config,
			    .config_len = sizeof(config),
			    .vqs = vqs,
			    .n_vqs = 2 * pairs + 1 };
	struct vdev *devices[] = { &dev };
	const struct vm_spec spec = { .id = (char *)"t",
				      .engine = VM_ENGINE_QEMU,
				      .kernel = (char *)"/k",
				      .cpus = 1,
				      .memory = 64 << 20,
				      .cid = 3,
				      .qemu_accel = (char *)accel };
	int none = -EBADF;
	const char *address = "0001f";
	const struct qemu_fds fds = { 10, 11, 12, &none, &address };
	struct qemu_command command = QEMU_COMMAND_INIT;
	struct err err = ERR_INIT;
	size_t n = 0;

	put_le16(config + 10, 9000);
	vqs[0].max_size = 256;
	vqs[1].max_size = 128;
	if (qemu_command_build(&command, "/qemu", &spec, devices, 1, &fds, &err) < 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < command.n; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s ", command.argv[i]);
	assert_true(n < sizeof(text));
	qemu_command_done(&command);
	return text;
}

static void expect_words(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("no \"%s\" in %s", words, text);
}

static void a_net_is_told_its_address_mtu_and_queues(void **state)
{
	char *text = build(2, "kvm");

	(void)state;
	expect_words(text, "-chardev socket,id=dev0,path=0001f,abstract=on ");
	expect_words(text, "-netdev vhost-user,id=net0,chardev=dev0,queues=2 ");
	expect_words(text, "-device virtio-net-pci,netdev=net0,addr=01.0,mac=02:00:5e:10:00:ab,host_mtu=9000,"
			   "mq=on,vectors=6,rx_queue_size=256,tx_queue_size=128,");
}

/* With MSI-X this QEMU ends by a signal when it has no KVM. The line is right in even slots only. */
static void without_kvm_a_net_has_no_vectors(void **state)
{
	char *text = build(1, NULL);

	(void)state;
	expect_words(text, "netdev=net0,addr=02.0,");
	expect_words(text, "host_mtu=9000,mq=off,vectors=0,");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_expected_process_connects_once),
		TEST(anybody_else_is_hung_up_on),
		TEST(listeners_have_addresses_of_their_own),
		cmocka_unit_test(a_net_is_told_its_address_mtu_and_queues),
		cmocka_unit_test(without_kvm_a_net_has_no_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
