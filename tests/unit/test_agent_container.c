/* SPDX-License-Identifier: Apache-2.0 */
/* What a container finds inside, by config.json's fields: the real agent, no VM. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "tests/unit/agent_host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define SH(script) "[\"sh\",\"-c\",\"" script "\"]"

/* Runs `script` to its end; it must exit with 0 and print exactly `expected`. */
static void expect_output(struct agent_host_config config, const char *args, const char *expected)
{
	struct agent_host h;
	_cleanup_free_ char *out = agent_host_output(&h, config, args, 0);

	assert_string_equal(out, expected);
}

static void expect_failure(struct agent_host_config config, int error, const char *text)
{
	struct agent_host h;

	agent_host_begin(&h);
	agent_host_create(&h, &config, 0, true);
	agent_host_expect_failed(&h, 0, error, AGENT_STAGE_SETUP, text);
	agent_host_end(&h);
}

static void first_process_is_pid_1_with_nothing_leaked(void **state)
{
	(void)state;
	/* 3 is the shell's look at the directory */
	expect_output((struct agent_host_config){ 0 },
		      SH("echo $$ /proc/self/fd/*; grep ^0:: /proc/self/cgroup"),
		      "1 /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3\n0::/\n");
	/* no signal blocked or ignored that the agent handles for itself */
	expect_output((struct agent_host_config){ 0 },
		      "[\"grep\",\"-E\",\"Sig(Blk|Ign)\",\"/proc/1/status\"]",
		      "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

static void root_is_the_containers_alone(void **state)
{
	(void)state;
	expect_output((struct agent_host_config){ 0 },
		      SH("grep -c . /proc/mounts; ls -d /work /newroot /run 2>&1; cd ..; pwd"),
		      "5\nls: /work: No such file or directory\nls: /newroot: No such file or directory\nls: "
		      "/run: No such file or directory\n/\n");
}

static void readonly_root_is_readonly(void **state)
{
	(void)state;
	expect_output((struct agent_host_config){ .readonly = true },
		      SH("touch /x 2>&1; touch /dev/shm/x && echo shm"),
		      "touch: /x: Read-only file system\nshm\n");
}

static void devices_and_links_are_there(void **state)
{
	(void)state;
	expect_output(
		(struct agent_host_config){ 0 },
		SH("cd /dev; for d in null zero full random urandom tty; do stat -c '%n %a %t:%T' $d; done; for "
		   "l in fd stdin stdout stderr core ptmx; do echo $l $(readlink $l); done"),
		"null 666 1:3\nzero 666 1:5\nfull 666 1:7\nrandom 666 1:8\nurandom 666 1:9\ntty 666 5:0\n"
		"fd /proc/self/fd\nstdin /proc/self/fd/0\nstdout /proc/self/fd/1\nstderr "
		"/proc/self/fd/2\ncore /proc/kcore\nptmx pts/ptmx\n");
	expect_output(
		(struct agent_host_config){
			.linux_ = "\"devices\":[{\"path\":\"/dev/sub/own\",\"type\":\"c\",\"major\":1,"
				  "\"minor\":3,\"fileMode\":384,\"uid\":5,\"gid\":6},{\"path\":\"/dev/"
				  "pipe\",\"type\":\"p\"}]," },
		SH("stat -c '%a %t:%T %u %g' /dev/sub/own; test -p /dev/pipe && echo pipe"),
		"600 1:3 5 6\npipe\n");
}

static void the_user_can_reopen_its_streams(void **state)
{
	(void)state;
	expect_output((struct agent_host_config){ .user = "{\"uid\":1000,\"gid\":1000}" },
		      SH("echo one > /dev/stdout; echo two > /proc/self/fd/2"), "one\ntwo\n");
}

static void user_groups_and_home(void **state)
{
	(void)state;
	expect_output(
		(struct agent_host_config){
			.user = "{\"uid\":1000,\"gid\":7,\"additionalGids\":[8,9],\"umask\":63}" },
		SH("id -u; id -g; id -G; echo $HOME; umask; grep Cap /proc/self/status"),
		"1000\n7\n7 8 9\n/home/user\n0077\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:"
		"\t0000000000000000\nCapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\n");
	expect_output((struct agent_host_config){ .user = "{\"uid\":4444,\"gid\":7}" }, SH("echo $HOME"),
		      "/\n");
	expect_output((struct agent_host_config){ .env = ",\"HOME=/mine\"" }, SH("echo $HOME; umask"),
		      "/mine\n0022\n");
}

static void capabilities_are_as_asked(void **state)
{
	(void)state;
	/* CAP_KILL is bit 5, CAP_SYS_CHROOT 18, CAP_NET_BIND_SERVICE 10 */
	expect_output(
		(struct agent_host_config){
			.process = "\"capabilities\":{\"bounding\":[\"CAP_KILL\",\"CAP_SYS_CHROOT\"],"
				   "\"permitted\":[\"CAP_KILL\",\"CAP_SYS_CHROOT\"],\"effective\":[\"CAP_"
				   "KILL\"],\"inheritable\":[\"CAP_KILL\"],\"ambient\":[\"CAP_KILL\"]},",
			.user = "{\"uid\":1000,\"gid\":1000}" },
		SH("grep Cap /proc/self/status"),
		"CapInh:\t0000000000000020\nCapPrm:\t0000000000000020\nCapEff:\t0000000000000020\nCapBnd:"
		"\t0000000000040020\nCapAmb:\t0000000000000020\n");
}

static void limits_and_privileges(void **state)
{
	(void)state;
	expect_output(
		(struct agent_host_config){
			.process =
				"\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":50,\"hard\":60},{\"type\":"
				"\"RLIMIT_CORE\",\"soft\":0,\"hard\":0}],\"oomScoreAdj\":77,"
				"\"noNewPrivileges\":true," },
		SH("ulimit -n; ulimit -H -n; ulimit -c; cat /proc/self/oom_score_adj; grep NoNewPrivs "
		   "/proc/self/status"),
		"50\n60\n0\n77\nNoNewPrivs:\t1\n");
}

static void a_missing_cwd_is_made(void **state)
{
	(void)state;
	expect_output((struct agent_host_config){ .cwd = "/a/b" }, SH("pwd"), "/a/b\n");
}

static void names_and_sysctls(void **state)
{
	(void)state;
	expect_output(
		(struct agent_host_config){
			.top = "\"hostname\":\"inside\",\"domainname\":\"dom\",",
			.namespaces =
				"[{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"},"
				"{\"type\":\"network\"}]",
			.linux_ = "\"sysctl\":{\"kernel.msgmax\":\"4321\",\"net/ipv4/ip_forward\":\"1\"}," },
		SH("hostname; cat /proc/sys/kernel/domainname /proc/sys/kernel/msgmax "
		   "/proc/sys/net/ipv4/ip_forward; ip -o link | cut -d, -f2"),
		"inside\ndom\n4321\n1\nUP\n");
}

static void tmpfs_options_and_copy_up(void **state)
{
	(void)state;
	expect_output(
		(struct agent_host_config){
			.mounts = ",{\"destination\":\"/t\",\"type\":\"tmpfs\",\"source\":\"t\",\"options\":["
				  "\"size=64k\",\"mode=1750\",\"nosuid\",\"ro\"]},{\"destination\":\"/etc\","
				  "\"type\":\"tmpfs\",\"options\":[\"tmpcopyup\"]},{\"destination\":\"/tmp\","
				  "\"type\":\"tmpfs\"}" },
		SH("stat -c %a /t; grep ' /t ' /proc/mounts | grep -o 'ro,nosuid,.*size=64k'; touch /t/x 2>&1; "
		   "head -n1 /etc/passwd; touch /etc/new; stat -c %a /tmp"),
		"1750\nro,nosuid,relatime,size=64k\ntouch: /t/x: Read-only file system\nroot:x:0:0::/root:/bin/"
		"sh\n1777\n");
}

static void binds_of_files_and_directories(void **state)
{
	char dir[] = "/tmp/vrun-bind.XXXXXX", mounts[1024], command[128];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(command, sizeof(command), "mkdir %s/d && echo data > %s/d/f && chmod 755 %s", dir, dir, dir);
	assert_int_equal(system(command), 0);
	snprintf(
		mounts, sizeof(mounts),
		",{\"destination\":\"/new/dir\",\"type\":\"bind\",\"source\":\"%s/d\",\"options\":[\"rbind\","
		"\"ro\",\"noexec\"]},{\"destination\":\"/new/file\",\"source\":\"%s/d/f\",\"options\":[\"bind\","
		"\"rprivate\"]}",
		dir, dir);
	expect_output(
		(struct agent_host_config){ .mounts = mounts },
		SH("cat /new/dir/f; echo more >> /new/file; cat /new/file; touch /new/dir/x 2>&1; grep -o "
		   "'/new/dir.*ro,noexec' /proc/mounts | wc -l"),
		"data\ndata\nmore\ntouch: /new/dir/x: Read-only file system\n1\n");
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

/* A mount's destination that leads out of the root by a symlink ends inside the root. */
static void symlinks_do_not_lead_out(void **state)
{
	char outside[] = "/tmp/vrun-outside.XXXXXX", command[512];
	struct agent_host_frame frame;
	struct agent_host h;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(outside));
	agent_host_begin(&h);
	snprintf(command, sizeof(command),
		 "ln -s %s %s/abs; ln -s ../../../../../..%s/deep %s/rel; ln -s loop %s/loop", outside,
		 h.rootfs, outside, h.rootfs, h.rootfs);
	assert_int_equal(system(command), 0);
	agent_host_create(
		&h,
		&(struct agent_host_config){
			.args = SH("grep -c vrun-outside /proc/mounts"),
			.mounts =
				",{\"destination\":\"/abs/a\",\"type\":\"tmpfs\"},{\"destination\":\"/rel/b\","
				"\"type\":\"tmpfs\"},{\"destination\":\"/abs/../../../c\",\"type\":\"tmpfs\"}" },
		WANT_STDOUT, true);
	agent_host_expect(&h, AGENT_MSG_STARTED, 0, &frame);
	agent_host_read_until(h.stream[1], "2\n");
	agent_host_expect_exited(&h, 0, 0, 0);
	snprintf(command, sizeof(command), "%s/a", outside);
	assert_int_equal(stat(command, &st), -1);
	snprintf(command, sizeof(command), "%s/deep", outside);
	assert_int_equal(stat(command, &st), -1);
	snprintf(command, sizeof(command), "%s%s/deep/b", h.rootfs, outside);
	assert_int_equal(stat(command, &st), 0);
	agent_host_end(&h);
	assert_int_equal(rmdir(outside), 0);

	agent_host_begin(&h);
	snprintf(command, sizeof(command), "ln -s loop %s/loop; rm -r %s/proc; ln -s /tmp %s/proc", h.rootfs,
		 h.rootfs, h.rootfs);
	assert_int_equal(system(command), 0);
	/* procfs must not be mounted where a symlink says */
	agent_host_create(&h, &(struct agent_host_config){ 0 }, 0, true);
	agent_host_expect_failed(&h, 0, EINVAL, AGENT_STAGE_SETUP, "mounts[0] /proc");
	agent_host_end(&h);
}

static void a_mount_point_in_a_symlink_loop_fails(void **state)
{
	struct agent_host h;
	char command[128];

	(void)state;
	agent_host_begin(&h);
	snprintf(command, sizeof(command), "ln -s loop %s/loop", h.rootfs);
	assert_int_equal(system(command), 0);
	agent_host_create(
		&h,
		&(struct agent_host_config){ .mounts = ",{\"destination\":\"/loop/a\",\"type\":\"tmpfs\"}" },
		0, true);
	agent_host_expect_failed(&h, 0, ELOOP, AGENT_STAGE_SETUP, "mounts[4] /loop/a");
	agent_host_end(&h);
}

static void masked_and_readonly_paths(void **state)
{
	(void)state;
	expect_output(
		(struct agent_host_config){
			.linux_ =
				"\"maskedPaths\":[\"/proc/keys\",\"/proc/acpi\",\"/proc/bus\",\"/not/there\"],"
				"\"readonlyPaths\":[\"/proc/sys\",\"/etc\",\"/also/not\"]," },
		SH("stat -c %t:%T /proc/keys; ls /proc/bus; (echo x > /proc/sys/kernel/domainname) 2>&1; touch /etc/x "
		   "2>&1; exit 0"),
		"1:3\nsh: can't create /proc/sys/kernel/domainname: Read-only file system\ntouch: /etc/x: "
		"Read-only file system\n");
}

static void propagation_of_the_root(void **state)
{
	(void)state;
	expect_output(
		(struct agent_host_config){ .linux_ = "\"rootfsPropagation\":\"shared\"," },
		SH("grep -c ' / / .*shared' /proc/self/mountinfo; grep -c 'shared' /proc/self/mountinfo; exit 0"),
		"0\n1\n");
	expect_output((struct agent_host_config){ 0 }, SH("grep -c shared /proc/self/mountinfo; exit 0"),
		      "0\n");
}

static void idmapped_mounts_are_refused(void **state)
{
	(void)state;
	expect_failure(
		(struct agent_host_config){
			.mounts = ",{\"destination\":\"/x\",\"source\":\"/tmp\",\"options\":[\"bind\","
				  "\"idmap\"]}" },
		EOPNOTSUPP, "idmapped mounts are not supported");
}

static void user_namespace_maps_ids(void **state)
{
	struct agent_host_frame frame;
	struct agent_host h;
	char command[128];
	_cleanup_free_ char *out = NULL, *err = NULL;

	(void)state;
	agent_host_begin(&h);
	snprintf(command, sizeof(command), "chown -R -h 100000:200000 %s", h.rootfs);
	assert_int_equal(system(command), 0);
	agent_host_create(
		&h,
		&(struct agent_host_config){
			.args = SH(
				"id -u; cat /proc/self/uid_map /proc/self/gid_map | tr -s ' '; stat -c '%u:%g' "
				"/bin/busybox; stat -c '%a %t:%T' /dev/null; echo x > /dev/null; touch /new && stat -c "
				"%u:%g /new; echo again > /dev/stdout; grep ^0:: /proc/1/cgroup; mkdir "
				"/sys/fs/cgroup/own && echo own"),
			.mounts = ",{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\"}",
			.linux_ = "\"uidMappings\":[{\"containerID\":0,\"hostID\":100000,\"size\":65536}],"
				  "\"gidMappings\":[{\"containerID\":0,\"hostID\":200000,\"size\":65536}],",
			.namespaces =
				"[{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"},{"
				"\"type\":\"cgroup\"},{\"type\":\"user\"},{\"type\":\"network\"}]" },
		WANT_ALL, true);
	agent_host_expect(&h, AGENT_MSG_STARTED, 0, &frame);
	out = agent_host_read_all(&h, 1);
	err = agent_host_read_all(&h, 2);
	assert_string_equal(err, "");
	assert_string_equal(out,
			    "0\n 0 100000 65536\n 0 200000 65536\n0:0\n666 1:3\n0:0\nagain\n0::/\nown\n");
	agent_host_expect_exited(&h, 0, 0, 0);
	agent_host_end(&h);
}

static void exec_works_in_a_user_namespace(void **state)
{
	struct agent_host_frame frame;
	struct agent_host h;

	(void)state;
	agent_host_begin_with(
		&h,
		&(struct agent_host_config){
			.args = "[\"sleep\",\"1000\"]",
			.linux_ = "\"uidMappings\":[{\"containerID\":0,\"hostID\":100000,\"size\":65536}],"
				  "\"gidMappings\":[{\"containerID\":0,\"hostID\":100000,\"size\":65536}],",
			.namespaces = "[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"user\"}]",
			.dev_mounts = ",{\"destination\":\"/dev\",\"type\":\"tmpfs\"},{\"destination\":"
				      "\"/dev/pts\",\"type\":\"devpts\",\"options\":[\"newinstance\","
				      "\"ptmxmode=0666\"]}" },
		0);
	agent_host_exec(
		&h, 1,
		"{\"terminal\":true,\"cwd\":\"/\",\"user\":{\"uid\":12,\"gid\":13},\"env\":[\"PATH=/bin\"],"
		"\"args\":[\"sh\",\"-c\",\"id -u; id -g; tty\"]}",
		WANT_TERMINAL);
	agent_host_expect(&h, AGENT_MSG_STARTED, 1, &frame);
	agent_host_read_until(h.stream[0], "12\r\n13\r\n/dev/pts/0\r\n");
	agent_host_expect_exited(&h, 1, 0, 0);
	agent_host_signal(&h, 0, SIGKILL, true);
	agent_host_expect_exited(&h, 0, 0, SIGKILL);
	agent_host_end(&h);
}

static void time_namespace_has_its_offsets(void **state)
{
	(void)state;
	expect_output(
		(struct agent_host_config){
			.linux_ =
				"\"timeOffsets\":{\"boottime\":{\"secs\":100000000},\"monotonic\":{\"secs\":"
				"5}},",
			.namespaces = "[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"time\"}]" },
		SH("test $(cut -d. -f1 /proc/uptime) -gt 100000000 && echo long; cat /proc/self/timens_offsets | "
		   "tr -s ' '"),
		"long\nmonotonic 5 0\nboottime 100000000 0\n");
}

static void start_container_hooks_run_inside(void **state)
{
	(void)state;
	expect_output(
		(struct agent_host_config){
			.top = "\"hooks\":{\"startContainer\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\","
			       "\"cat > /tmp/state; echo $X >> /tmp/state\"],\"env\":[\"PATH=/bin\","
			       "\"X=hooked\"]}]}," },
		SH("grep -o '\\\"status\\\":\\\"created\\\"' /tmp/state; tail -n1 /tmp/state | grep -o hooked"),
		"\"status\":\"created\"\nhooked\n");
	expect_failure(
		(struct agent_host_config){
			.top = "\"hooks\":{\"startContainer\":[{\"path\":\"/bin/false\"}]}," },
		ECANCELED, "error running startContainer hook #0: /bin/false: exit status 1");
	expect_failure(
		(struct agent_host_config){
			.top = "\"hooks\":{\"startContainer\":[{\"path\":\"/bin/sleep\",\"args\":[\"sleep\","
			       "\"100\"],\"timeout\":1}]}," },
		ETIMEDOUT, "error running startContainer hook #0: /bin/sleep");
}

/* mkdir(2) answers ENOTTY, which nothing else would say. */
static const struct sock_filter no_mkdir[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdir, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOTTY),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static void check_seccomp(const char *process, const char *user)
{
	struct {
		le32 flags;
		struct sock_filter filter[ARRAY_SIZE(no_mkdir)];
	} msg = { .flags = le32_make(0) };
	struct agent_host_frame frame;
	struct agent_host h;

	memcpy(msg.filter, no_mkdir, sizeof(no_mkdir));
	agent_host_begin(&h);
	agent_host_send(&h, AGENT_MSG_SECCOMP, 0, &msg, sizeof(msg));
	agent_host_create(
		&h,
		&(struct agent_host_config){
			.process = process,
			.user = user,
			.args = SH("mkdir /tmp/a 2>&1; grep -w Seccomp: /proc/self/status; sleep 1000") },
		WANT_STDOUT, true);
	agent_host_expect(&h, AGENT_MSG_STARTED, 0, &frame);
	agent_host_read_until(h.stream[1], "Inappropriate ioctl for device\nSeccomp:\t2\n");
	agent_host_exec(
		&h, 1,
		"{\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0},\"env\":[\"PATH=/bin\"],\"args\":[\"mkdir\",\"/"
		"tmp/b\"]}",
		WANT_STDERR);
	agent_host_expect(&h, AGENT_MSG_STARTED, 1, &frame);
	agent_host_read_until(h.stream[2], "Inappropriate ioctl for device\n");
	agent_host_expect_exited(&h, 1, 1, 0);
	agent_host_signal(&h, 0, SIGKILL, true);
	agent_host_expect_exited(&h, 0, 0, SIGKILL);
	agent_host_end(&h);
}

static void seccomp_applies_to_all_processes(void **state)
{
	(void)state;
	check_seccomp(NULL, NULL);
	check_seccomp("\"noNewPrivileges\":true,", "{\"uid\":1000,\"gid\":1000}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_process_is_pid_1_with_nothing_leaked),
		cmocka_unit_test(root_is_the_containers_alone),
		cmocka_unit_test(readonly_root_is_readonly),
		cmocka_unit_test(devices_and_links_are_there),
		cmocka_unit_test(the_user_can_reopen_its_streams),
		cmocka_unit_test(user_groups_and_home),
		cmocka_unit_test(capabilities_are_as_asked),
		cmocka_unit_test(limits_and_privileges),
		cmocka_unit_test(a_missing_cwd_is_made),
		cmocka_unit_test(names_and_sysctls),
		cmocka_unit_test(tmpfs_options_and_copy_up),
		cmocka_unit_test(binds_of_files_and_directories),
		cmocka_unit_test(symlinks_do_not_lead_out),
		cmocka_unit_test(a_mount_point_in_a_symlink_loop_fails),
		cmocka_unit_test(masked_and_readonly_paths),
		cmocka_unit_test(propagation_of_the_root),
		cmocka_unit_test(idmapped_mounts_are_refused),
		cmocka_unit_test(user_namespace_maps_ids),
		cmocka_unit_test(exec_works_in_a_user_namespace),
		cmocka_unit_test(time_namespace_has_its_offsets),
		cmocka_unit_test(start_container_hooks_run_inside),
		cmocka_unit_test(seccomp_applies_to_all_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
