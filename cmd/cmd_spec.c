/* SPDX-License-Identifier: Apache-2.0 */
/* spec: write a config.json to begin with. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "cmd/cmd.h"
#include "runtime/config.h"
#include "runtime/image.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct options {
	const char *bundle;
	bool rootless, vm;
};

static const struct opt opts[] = {
	{ "bundle", 'b', OPT_STRING, offsetof(struct options, bundle), "DIR",
	  "where to (working directory)" },
	{ "rootless", 0, OPT_FLAG, offsetof(struct options, rootless), NULL,
	  "with a user namespace of the calling user" },
	{ "vm", 0, OPT_FLAG, offsetof(struct options, vm), NULL,
	  "with the `vm` object: kernel, CPUs, memory" },
	OPT_END,
};

#define CAPS "[\"CAP_AUDIT_WRITE\", \"CAP_KILL\", \"CAP_NET_BIND_SERVICE\"]"

static const char begin[] =
	"{\n"
	"	\"ociVersion\": \"1.2.0\",\n"
	"	\"process\": {\n"
	"		\"terminal\": true,\n"
	"		\"user\": { \"uid\": 0, \"gid\": 0 },\n"
	"		\"args\": [\"sh\"],\n"
	"		\"env\": [\n"
	"			\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",\n"
	"			\"TERM=xterm\"\n"
	"		],\n"
	"		\"cwd\": \"/\",\n"
	"		\"capabilities\": {\n"
	"			\"bounding\": " CAPS ",\n"
	"			\"effective\": " CAPS ",\n"
	"			\"permitted\": " CAPS "\n"
	"		},\n"
	"		\"rlimits\": [{ \"type\": \"RLIMIT_NOFILE\", \"hard\": 1024, \"soft\": 1024 }],\n"
	"		\"noNewPrivileges\": true\n"
	"	},\n"
	"	\"root\": { \"path\": \"rootfs\", \"readonly\": true },\n"
	"	\"hostname\": \"vrun\",\n"
	"	\"mounts\": [\n"
	"		{ \"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"proc\" },\n"
	"		{ \"destination\": \"/dev\", \"type\": \"tmpfs\", \"source\": \"tmpfs\",\n"
	"		  \"options\": [\"nosuid\", \"strictatime\", \"mode=755\", \"size=65536k\"] },\n"
	"		{ \"destination\": \"/dev/pts\", \"type\": \"devpts\", \"source\": \"devpts\",\n"
	"		  \"options\": [\"nosuid\", \"noexec\", \"newinstance\", \"ptmxmode=0666\", \"mode=0620\"";

static const char rest[] =
	"] },\n"
	"		{ \"destination\": \"/dev/shm\", \"type\": \"tmpfs\", \"source\": \"shm\",\n"
	"		  \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"mode=1777\", \"size=65536k\"] },\n"
	"		{ \"destination\": \"/dev/mqueue\", \"type\": \"mqueue\", \"source\": \"mqueue\",\n"
	"		  \"options\": [\"nosuid\", \"noexec\", \"nodev\"] },\n"
	"		{ \"destination\": \"/sys\", \"type\": \"sysfs\", \"source\": \"sysfs\",\n"
	"		  \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"ro\"] },\n"
	"		{ \"destination\": \"/sys/fs/cgroup\", \"type\": \"cgroup\", \"source\": \"cgroup\",\n"
	"		  \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"relatime\", \"ro\"] }\n"
	"	],\n"
	"	\"linux\": {\n"
	"%s"
	"		\"namespaces\": [\n"
	"			{ \"type\": \"pid\" }, { \"type\": \"network\" }, { \"type\": \"ipc\" },\n"
	"			{ \"type\": \"uts\" }, { \"type\": \"mount\" }, { \"type\": \"cgroup\" }%s\n"
	"		],\n"
	"		\"maskedPaths\": [\n"
	"			\"/proc/acpi\", \"/proc/asound\", \"/proc/kcore\", \"/proc/keys\",\n"
	"			\"/proc/latency_stats\", \"/proc/timer_list\", \"/proc/timer_stats\",\n"
	"			\"/proc/sched_debug\", \"/sys/firmware\", \"/proc/scsi\"\n"
	"		],\n"
	"		\"readonlyPaths\": [\n"
	"			\"/proc/bus\", \"/proc/fs\", \"/proc/irq\", \"/proc/sys\", \"/proc/sysrq-trigger\"\n"
	"		]\n"
	"	}%s\n"
	"}\n";

static const char resources[] =
	"		\"resources\": { \"devices\": [{ \"allow\": false, \"access\": \"rwm\" }] },\n";

/* The `vm` object as this installation and its configuration file have it, with a comma in front. */
static int format_vm(const char *config_path, char **ret, struct err *err)
{
	_cleanup_free_ char *kernel = NULL, *initrd = NULL, *text = NULL;
	_cleanup_config_ struct config config;
	struct json_out *out;
	int r;

	config_init(&config);
	r = config_read_file(&config, config_path ? config_path : CONFIG_PATH_DEFAULT, config_path, err);
	if (r == 0)
		r = image_find(&config, &kernel, &initrd, err);
	if (r < 0)
		return r;
	r = json_out_new(false, &out);
	if (r < 0)
		return err_set(err, r, "out of memory");
	json_out_object(out);
	json_out_key(out, "kernel");
	json_out_object(out);
	json_out_key(out, "path");
	json_out_string(out, kernel);
	json_out_key(out, "initrd");
	json_out_string(out, initrd);
	json_out_object_end(out);
	json_out_key(out, "hwConfig");
	json_out_object(out);
	json_out_key(out, "vcpus");
	json_out_u64(out, config.cpus);
	json_out_key(out, "memory");
	json_out_u64(out, config.memory);
	json_out_object_end(out);
	json_out_object_end(out);
	r = json_out_finish(out, &text, NULL);
	json_out_free(out);
	if (r < 0 || asprintf(ret, ",\n	\"vm\": %s", text) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

static int format(const struct options *o, const char *vm, char **ret)
{
	char mappings[256] = "";
	int n;

	if (o->rootless)
		snprintf(
			mappings, sizeof(mappings),
			"		\"uidMappings\": [{ \"containerID\": 0, \"hostID\": %u, \"size\": 1 }],\n"
			"		\"gidMappings\": [{ \"containerID\": 0, \"hostID\": %u, \"size\": 1 }],\n",
			geteuid(), getegid());
	n = asprintf(ret, rest, o->rootless ? mappings : resources,
		     o->rootless ? ", { \"type\": \"user\" }" : "", vm ? vm : "");
	return n < 0 ? -ENOMEM : 0;
}

static int spec(const struct cmd_call *call, struct err *err)
{
	const struct options *o = call->opts;
	const char *dir = o->bundle ? o->bundle : ".";
	_cleanup_close_ int dirfd = -EBADF, fd = -EBADF;
	_cleanup_free_ char *tail = NULL, *vm = NULL;
	int r = o->vm ? format_vm(call->globals->config, &vm, err) : 0;

	if (r < 0)
		return r;
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return err_set_errno(err, -errno, "%s", dir);
	if (format(o, vm, &tail) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	fd = openat(dirfd, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 && errno == EEXIST)
		return err_set(err, -EEXIST, "File config.json exists. Remove it first");
	if (fd < 0)
		return err_set_errno(err, -errno, "config.json");
	r = fd_write_all(fd, begin, strlen(begin));
	/* A group that a user namespace of one id does not have. */
	if (r == 0 && !o->rootless)
		r = fd_write_all(fd, ", \"gid=5\"", strlen(", \"gid=5\""));
	if (r == 0)
		r = fd_write_all(fd, tail, strlen(tail));
	if (r < 0) {
		unlinkat(dirfd, "config.json", 0);
		return err_set_errno(err, r, "config.json");
	}
	return 0;
}

const struct command cmd_spec = {
	.name = "spec",
	.words = "",
	.summary = "write a config.json to begin with",
	.examples = "vrun spec --bundle mybundle --vm",
	.opts = opts,
	.opts_size = sizeof(struct options),
	.run = spec,
};
