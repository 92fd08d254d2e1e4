/* SPDX-License-Identifier: Apache-2.0 */
/* spec: what is wrong in a config.json is refused, and the message names the place. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "oci/spec.h"

#include <errno.h>

struct invalid {
	const char *text, *message;
};

/* A later member of the same name wins, so that one here replaces the sound one before it. */
#define DOC(members) "{\"ociVersion\":\"1.2.0\"," members "}"
#define PROCESS(members) DOC("\"process\":{\"cwd\":\"/\",\"args\":[\"a\"]," members "}")
#define LINUX(members) DOC("\"linux\":{" members "}")
#define RESOURCES(members) LINUX("\"resources\":{" members "}")
#define SECCOMP(members) LINUX("\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\"," members "}")
#define RULE(members) SECCOMP("\"syscalls\":[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_TRAP\"," members "}]")
#define DEVICE(members)                                                                                      \
	LINUX("\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\",\"major\":1,\"minor\":2," members "}]")
#define MAP(c, h, s) "{\"containerID\":" #c ",\"hostID\":" #h ",\"size\":" #s "}"

static void expect_refused(const struct invalid *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct oci_spec *spec = NULL;
		struct err err = ERR_INIT;
		int r = oci_spec_parse(cases[i].text, strlen(cases[i].text), "config.json", &spec, &err);

		if (r != -EINVAL || spec)
			fail_msg("not refused: %s", cases[i].text);
		if (strcmp(err.text, cases[i].message))
			fail_msg("%s\n  gives: %s\n  not: %s", cases[i].text, err.text, cases[i].message);
	}
}

#define EXPECT_REFUSED(cases) expect_refused(cases, ARRAY_SIZE(cases))

static void the_document(void **state)
{
	static const struct invalid cases[] = {
		{ "", "config.json: line 1, column 1: parse error: premature EOF" },
		{ "[]", "config.json: must be an object, not an array" },
		{ "{}", "ociVersion: is required" },
		{ "{\"ociVersion\":null}", "ociVersion: is required" },
		{ "{\"ociVersion\":1}", "ociVersion: must be a string, not a number" },
		{ "{\"ociVersion\":\"\"}", "ociVersion: must not be empty" },
		{ "{\"ociVersion\":\"2.0.0\"}", "ociVersion: must be a version 1.x.y, not \"2.0.0\"" },
		{ "{\"ociVersion\":\"1.0\"}", "ociVersion: must be a version 1.x.y, not \"1.0\"" },
		{ "{\"ociVersion\":\"1.0.\"}", "ociVersion: must be a version 1.x.y, not \"1.0.\"" },
		{ "{\"ociVersion\":\"1.01.0\"}", "ociVersion: must be a version 1.x.y, not \"1.01.0\"" },
		{ "{\"ociVersion\":\"1.0.0x\"}", "ociVersion: must be a version 1.x.y, not \"1.0.0x\"" },
		{ "{\"ociVersion\":\"1.0.0-\"}", "ociVersion: must be a version 1.x.y, not \"1.0.0-\"" },
		{ "{\"ociVersion\":\"1.0.0+a+b\"}",
		  "ociVersion: must be a version 1.x.y, not \"1.0.0+a+b\"" },
		{ "{\"ociVersion\":\"10.0.0\"}", "ociVersion: must be a version 1.x.y, not \"10.0.0\"" },
		{ "{\"ociVersion\":\"v1.0.0\"}", "ociVersion: must be a version 1.x.y, not \"v1.0.0\"" },
		{ DOC("\"hostname\":1"), "hostname: must be a string, not a number" },
		{ DOC("\"annotations\":[]"), "annotations: must be an object, not an array" },
		{ DOC("\"annotations\":{\"a.b\":1}"),
		  "annotations[\"a.b\"]: must be a string, not a number" },
		{ DOC("\"annotations\":{\"a\":null}"), "annotations.a: must be a string, not null" },
		{ DOC("\"annotations\":{\"\":\"x\"}"), "annotations[\"\"]: the key must not be empty" },
	};

	(void)state;
	EXPECT_REFUSED(cases);
}

static void process(void **state)
{
	static const struct invalid cases[] = {
		{ DOC("\"process\":[]"), "process: must be an object, not an array" },
		{ DOC("\"process\":{\"args\":[\"a\"]}"), "process.cwd: is required" },
		{ DOC("\"process\":{\"cwd\":\"/\"}"), "process.args: is required" },
		{ PROCESS("\"cwd\":\"\""), "process.cwd: must not be empty" },
		{ PROCESS("\"cwd\":\"a/b\""), "process.cwd: must be an absolute path, not \"a/b\"" },
		{ PROCESS("\"args\":[]"), "process.args: must not be empty" },
		{ PROCESS("\"args\":\"a\""), "process.args: must be an array, not a string" },
		{ PROCESS("\"args\":[\"\"]"), "process.args[0]: must not be empty" },
		{ PROCESS("\"args\":[\"a\",null]"), "process.args[1]: must be a string, not null" },
		{ PROCESS("\"env\":[\"A=b\",\"NO\"]"), "process.env[1]: must be NAME=value, not \"NO\"" },
		{ PROCESS("\"env\":[\"=x\"]"), "process.env[0]: must be NAME=value, not \"=x\"" },
		{ PROCESS("\"env\":{}"), "process.env: must be an array, not an object" },
		{ PROCESS("\"terminal\":\"true\""), "process.terminal: must be a boolean, not a string" },
		{ PROCESS("\"terminal\":1"), "process.terminal: must be a boolean, not a number" },
		{ PROCESS("\"consoleSize\":{\"height\":1}"), "process.consoleSize.width: is required" },
		{ PROCESS("\"consoleSize\":{\"height\":65536,\"width\":1}"),
		  "process.consoleSize.height: must be an integer from 0 to 65535, not 65536" },
		{ PROCESS("\"noNewPrivileges\":0"),
		  "process.noNewPrivileges: must be a boolean, not a number" },
		{ PROCESS("\"oomScoreAdj\":1001"),
		  "process.oomScoreAdj: must be an integer from -1000 to 1000, not 1001" },
		{ PROCESS("\"oomScoreAdj\":1.0"), "process.oomScoreAdj: must be an integer, not 1.0" },
		{ PROCESS("\"user\":{\"uid\":-1}"),
		  "process.user.uid: must be an integer from 0 to 4294967295, not -1" },
		{ PROCESS("\"user\":{\"gid\":4294967296}"),
		  "process.user.gid: must be an integer from 0 to 4294967295, not 4294967296" },
		{ PROCESS("\"user\":{\"umask\":512}"),
		  "process.user.umask: must be an integer from 0 to 511, not 512" },
		{ PROCESS("\"user\":{\"additionalGids\":[1,\"2\"]}"),
		  "process.user.additionalGids[1]: must be a number, not a string" },
		{ PROCESS("\"user\":{\"additionalGids\":1}"),
		  "process.user.additionalGids: must be an array, not a number" },
		{ PROCESS("\"user\":7"), "process.user: must be an object, not a number" },
		{ PROCESS("\"capabilities\":[]"), "process.capabilities: must be an object, not an array" },
		{ PROCESS("\"capabilities\":{\"bounding\":\"CAP_KILL\"}"),
		  "process.capabilities.bounding: must be an array, not a string" },
		{ PROCESS("\"capabilities\":{\"ambient\":[7]}"),
		  "process.capabilities.ambient[0]: must be a string, not a number" },
		{ PROCESS("\"ioPriority\":{\"priority\":4}"), "process.ioPriority.class: is required" },
		{ PROCESS("\"ioPriority\":{\"class\":\"BE\"}"),
		  "process.ioPriority.class: unknown value \"BE\"" },
		{ PROCESS("\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":8}"),
		  "process.ioPriority.priority: must be an integer from 0 to 7, not 8" },
		{ PROCESS("\"scheduler\":{}"), "process.scheduler.policy: is required" },
		{ PROCESS("\"scheduler\":{\"policy\":\"FIFO\"}"),
		  "process.scheduler.policy: unknown value \"FIFO\"" },
		{ PROCESS("\"scheduler\":{\"policy\":\"SCHED_RR\",\"flags\":[\"X\"]}"),
		  "process.scheduler.flags[0]: unknown value \"X\"" },
		{ PROCESS("\"scheduler\":{\"policy\":\"SCHED_RR\",\"nice\":20}"),
		  "process.scheduler.nice: must be an integer from -20 to 19, not 20" },
		{ PROCESS("\"execCPUAffinity\":[]"),
		  "process.execCPUAffinity: must be an object, not an array" },
		{ PROCESS("\"execCPUAffinity\":{\"initial\":\"all\"}"),
		  "process.execCPUAffinity.initial: must be a list of CPUs, not \"all\"" },
	};

	(void)state;
	EXPECT_REFUSED(cases);
}

static void rlimits(void **state)
{
	static const struct invalid cases[] = {
		{ PROCESS("\"rlimits\":{}"), "process.rlimits: must be an array, not an object" },
		{ PROCESS("\"rlimits\":[null]"), "process.rlimits[0]: must be an object, not null" },
		{ PROCESS("\"rlimits\":[{\"soft\":1,\"hard\":1}]"), "process.rlimits[0].type: is required" },
		{ PROCESS("\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"hard\":1}]"),
		  "process.rlimits[0].soft: is required" },
		{ PROCESS("\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":1}]"),
		  "process.rlimits[0].hard: is required" },
		{ PROCESS("\"rlimits\":[{\"type\":\"NOFILE\",\"soft\":1,\"hard\":1}]"),
		  "process.rlimits[0].type: unknown value \"NOFILE\"" },
		{ PROCESS("\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":2,\"hard\":1}]"),
		  "process.rlimits[0].soft: must not be above the hard limit" },
		{ PROCESS("\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":-1,\"hard\":1}]"),
		  "process.rlimits[0].soft: must be an integer from 0 to 18446744073709551615, not -1" },
		{ PROCESS("\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":1,\"hard\":1},"
			  "{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":1},{\"type\":\"RLIMIT_AS\",\"soft\":1,\"hard\":1}]"),
		  "process.rlimits[2].type: RLIMIT_AS is given twice" },
	};

	(void)state;
	EXPECT_REFUSED(cases);
}

static void root_mounts_and_hooks(void **state)
{
	static const struct invalid cases[] = {
		{ DOC("\"root\":{}"), "root.path: is required" },
		{ DOC("\"root\":{\"path\":\"\"}"), "root.path: must not be empty" },
		{ DOC("\"root\":\"rootfs\""), "root: must be an object, not a string" },
		{ DOC("\"mounts\":{}"), "mounts: must be an array, not an object" },
		{ DOC("\"mounts\":[{\"destination\":\"/a\"},{\"type\":\"proc\"}]"),
		  "mounts[1].destination: is required" },
		{ DOC("\"mounts\":[{\"destination\":\"\"}]"), "mounts[0].destination: must not be empty" },
		{ DOC("\"mounts\":[{\"destination\":\"/a\",\"options\":[1]}]"),
		  "mounts[0].options[0]: must be a string, not a number" },
		{ DOC("\"mounts\":[{\"destination\":\"/a\",\"uidMappings\":[" MAP(0, 0, 0) "]}]"),
		  "mounts[0].uidMappings[0].size: must be at least 1" },
		{ DOC("\"mounts\":[{\"destination\":\"/a\",\"gidMappings\":[" MAP(0, 0, 2) "," MAP(1, 9,
												   1) "]}]"),
		  "mounts[0].gidMappings[1]: overlaps element 0" },
		{ DOC("\"hooks\":[]"), "hooks: must be an object, not an array" },
		{ DOC("\"hooks\":{\"poststop\":{}}"), "hooks.poststop: must be an array, not an object" },
		{ DOC("\"hooks\":{\"prestart\":[{}]}"), "hooks.prestart[0].path: is required" },
		{ DOC("\"hooks\":{\"createRuntime\":[{\"path\":\"x\"}]}"),
		  "hooks.createRuntime[0].path: must be an absolute path, not \"x\"" },
		{ DOC("\"hooks\":{\"createContainer\":[{\"path\":\"/x\",\"timeout\":0}]}"),
		  "hooks.createContainer[0].timeout: must be an integer from 1 to 2147483647, not 0" },
		{ DOC("\"hooks\":{\"startContainer\":[{\"path\":\"/x\",\"timeout\":-1}]}"),
		  "hooks.startContainer[0].timeout: must be an integer from 1 to 2147483647, not -1" },
		{ DOC("\"hooks\":{\"poststart\":[{\"path\":\"/x\",\"env\":\"a\"}]}"),
		  "hooks.poststart[0].env: must be an array, not a string" },
	};

	(void)state;
	EXPECT_REFUSED(cases);
}

static void id_mappings(void **state)
{
	static const struct invalid cases[] = {
		{ LINUX("\"uidMappings\":[{\"hostID\":1,\"size\":1}]"),
		  "linux.uidMappings[0].containerID: is required" },
		{ LINUX("\"uidMappings\":[{\"containerID\":1,\"size\":1}]"),
		  "linux.uidMappings[0].hostID: is required" },
		{ LINUX("\"uidMappings\":[{\"containerID\":1,\"hostID\":1}]"),
		  "linux.uidMappings[0].size: is required" },
		{ LINUX("\"gidMappings\":[" MAP(0, 0, 0) "]"),
		  "linux.gidMappings[0].size: must be at least 1" },
		{ LINUX("\"gidMappings\":[" MAP(1, 0, 4294967295) "]"),
		  "linux.gidMappings[0].size: the range goes beyond 4294967294" },
		{ LINUX("\"gidMappings\":[" MAP(0, 4294967295, 1) "]"),
		  "linux.gidMappings[0].size: the range goes beyond 4294967294" },
		{ LINUX("\"uidMappings\":[" MAP(0, 0, 10) "," MAP(9, 100, 1) "]"),
		  "linux.uidMappings[1]: overlaps element 0" },
		{ LINUX("\"uidMappings\":[" MAP(0, 1000, 10) "," MAP(50, 0, 5) "," MAP(100, 995, 6) "]"),
		  "linux.uidMappings[2]: overlaps element 0" },
	};

	(void)state;
	EXPECT_REFUSED(cases);
}

static void too_many_id_mappings(void **state)
{
	_cleanup_free_ char *text = malloc(64 << 10);
	struct oci_spec *spec = NULL;
	struct err err = ERR_INIT;
	char *p;

	(void)state;
	assert_non_null(text);
	p = stpcpy(text, "{\"ociVersion\":\"1.0.0\",\"linux\":{\"uidMappings\":[" MAP(0, 0, 1));
	for (int i = 1; i <= 340; i++)
		p += sprintf(p, ",{\"containerID\":%d,\"hostID\":%d,\"size\":1}", i, i);
	strcpy(p, "]}}");
	assert_int_equal(oci_spec_parse(text, strlen(text), "config.json", &spec, &err), -EINVAL);
	assert_string_equal(err.text, "linux.uidMappings: must have at most 340 elements, not 341");
}

static void namespaces_and_devices(void **state)
{
	static const struct invalid cases[] = {
		{ DOC("\"linux\":[]"), "linux: must be an object, not an array" },
		{ LINUX("\"namespaces\":{}"), "linux.namespaces: must be an array, not an object" },
		{ LINUX("\"namespaces\":[{}]"), "linux.namespaces[0].type: is required" },
		{ LINUX("\"namespaces\":[\"pid\"]"), "linux.namespaces[0]: must be an object, not a string" },
		{ LINUX("\"namespaces\":[{\"type\":\"net\"}]"),
		  "linux.namespaces[0].type: unknown value \"net\"" },
		{ LINUX("\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"uts\"},{\"type\":\"pid\",\"path\":\"/x\"}]"),
		  "linux.namespaces[2].type: pid is given twice" },
		{ LINUX("\"namespaces\":[{\"type\":\"pid\",\"path\":\"ns\"}]"),
		  "linux.namespaces[0].path: must be an absolute path, not \"ns\"" },
		{ LINUX("\"devices\":[{\"type\":\"c\"}]"), "linux.devices[0].path: is required" },
		{ LINUX("\"devices\":[{\"path\":\"/dev/x\"}]"), "linux.devices[0].type: is required" },
		{ LINUX("\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\",\"minor\":1}]"),
		  "linux.devices[0].major: is required" },
		{ LINUX("\"devices\":[{\"path\":\"/dev/x\",\"type\":\"b\",\"major\":1}]"),
		  "linux.devices[0].minor: is required" },
		{ DEVICE("\"path\":\"dev/x\""),
		  "linux.devices[0].path: must be an absolute path, not \"dev/x\"" },
		{ DEVICE("\"type\":\"x\""), "linux.devices[0].type: unknown value \"x\"" },
		{ DEVICE("\"type\":\"cb\""), "linux.devices[0].type: unknown value \"cb\"" },
		{ DEVICE("\"type\":\"\""), "linux.devices[0].type: must not be empty" },
		{ DEVICE("\"major\":-1"),
		  "linux.devices[0].major: must be an integer from 0 to 4294967295, not -1" },
		{ DEVICE("\"minor\":4294967296"),
		  "linux.devices[0].minor: must be an integer from 0 to 4294967295, not 4294967296" },
		{ DEVICE("\"fileMode\":-1"),
		  "linux.devices[0].fileMode: must be an integer from 0 to 4294967295, not -1" },
		{ DEVICE("\"uid\":-1"),
		  "linux.devices[0].uid: must be an integer from 0 to 4294967295, not -1" },
		{ DEVICE("\"gid\":true"), "linux.devices[0].gid: must be a number, not a boolean" },
	};

	(void)state;
	EXPECT_REFUSED(cases);
}

static void other_linux_settings(void **state)
{
	static const struct invalid cases[] = {
		{ LINUX("\"sysctl\":{\"net.ipv4.ip_forward\":1}"),
		  "linux.sysctl[\"net.ipv4.ip_forward\"]: must be a string, not a number" },
		{ LINUX("\"cgroupsPath\":1"), "linux.cgroupsPath: must be a string, not a number" },
		{ LINUX("\"rootfsPropagation\":\"mine\""),
		  "linux.rootfsPropagation: unknown value \"mine\"" },
		{ LINUX("\"maskedPaths\":[\"/a\",\"b\"]"),
		  "linux.maskedPaths[1]: must be an absolute path, not \"b\"" },
		{ LINUX("\"readonlyPaths\":[\"\"]"), "linux.readonlyPaths[0]: must not be empty" },
		{ LINUX("\"intelRdt\":[]"), "linux.intelRdt: must be an object, not an array" },
		{ LINUX("\"personality\":{}"), "linux.personality.domain: is required" },
		{ LINUX("\"personality\":{\"domain\":\"BSD\"}"),
		  "linux.personality.domain: unknown value \"BSD\"" },
		{ LINUX("\"timeOffsets\":{\"monotonic\":{\"nanosecs\":1000000000}}"),
		  "linux.timeOffsets.monotonic.nanosecs: must be an integer from 0 to 999999999, not 1000000000" },
		{ LINUX("\"timeOffsets\":{\"boottime\":{\"secs\":\"1\"}}"),
		  "linux.timeOffsets.boottime.secs: must be a number, not a string" },
		{ LINUX("\"timeOffsets\":{\"boottime\":1}"),
		  "linux.timeOffsets.boottime: must be an object, not a number" },
	};

	(void)state;
	EXPECT_REFUSED(cases);
}

static void resources(void **state)
{
	static const struct invalid cases[] = {
		{ LINUX("\"resources\":[]"), "linux.resources: must be an object, not an array" },
		{ RESOURCES("\"devices\":[{\"access\":\"r\"}]"),
		  "linux.resources.devices[0].allow: is required" },
		{ RESOURCES("\"devices\":[{\"allow\":true,\"access\":\"rx\"}]"),
		  "linux.resources.devices[0].access: must be made of r, w and m, not \"rx\"" },
		{ RESOURCES("\"devices\":[{\"allow\":true,\"access\":\"rwmr\"}]"),
		  "linux.resources.devices[0].access: must be made of r, w and m, not \"rwmr\"" },
		{ RESOURCES("\"devices\":[{\"allow\":true,\"type\":\"p\"}]"),
		  "linux.resources.devices[0].type: unknown value \"p\"" },
		{ RESOURCES("\"devices\":[{\"allow\":true,\"major\":-2}]"),
		  "linux.resources.devices[0].major: must be an integer from -1 to 4294967295, not -2" },
		{ RESOURCES("\"memory\":{\"limit\":-2}"),
		  "linux.resources.memory.limit: must be an integer from -1 to 9223372036854775807, not -2" },
		{ RESOURCES("\"memory\":{\"limit\":18446744073709551615}"),
		  "linux.resources.memory.limit: must be an integer from -1 to 9223372036854775807, not "
		  "18446744073709551615" },
		{ RESOURCES("\"memory\":{\"limit\":1e9}"),
		  "linux.resources.memory.limit: must be an integer, not 1e9" },
		{ RESOURCES("\"memory\":{\"limit\":\"1G\"}"),
		  "linux.resources.memory.limit: must be a number, not a string" },
		{ RESOURCES("\"memory\":{\"swappiness\":101}"),
		  "linux.resources.memory.swappiness: must be an integer from 0 to 100, not 101" },
		{ RESOURCES("\"memory\":{\"disableOOMKiller\":0}"),
		  "linux.resources.memory.disableOOMKiller: must be a boolean, not a number" },
		{ RESOURCES("\"cpu\":{\"shares\":-1}"),
		  "linux.resources.cpu.shares: must be an integer from 0 to 18446744073709551615, not -1" },
		{ RESOURCES("\"cpu\":{\"cpus\":2}"),
		  "linux.resources.cpu.cpus: must be a string, not a number" },
		{ RESOURCES("\"pids\":{\"limit\":\"max\"}"),
		  "linux.resources.pids.limit: must be a number, not a string" },
		{ RESOURCES("\"blockIO\":{\"weight\":65536}"),
		  "linux.resources.blockIO.weight: must be an integer from 0 to 65535, not 65536" },
		{ RESOURCES("\"blockIO\":{\"weightDevice\":[{\"major\":1}]}"),
		  "linux.resources.blockIO.weightDevice[0].minor: is required" },
		{ RESOURCES("\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":1,\"minor\":1}]}"),
		  "linux.resources.blockIO.throttleReadBpsDevice[0].rate: is required" },
		{ RESOURCES("\"blockIO\":{\"throttleWriteIOPSDevice\":[{\"minor\":1,\"rate\":1}]}"),
		  "linux.resources.blockIO.throttleWriteIOPSDevice[0].major: is required" },
		{ RESOURCES("\"hugepageLimits\":[{\"pageSize\":\"2MB\"}]"),
		  "linux.resources.hugepageLimits[0].limit: is required" },
		{ RESOURCES("\"hugepageLimits\":[{\"pageSize\":\"2MiB\",\"limit\":1}]"),
		  "linux.resources.hugepageLimits[0].pageSize: must be a number and KB, MB or GB, not \"2MiB\"" },
		{ RESOURCES("\"hugepageLimits\":[{\"pageSize\":\"02MB\",\"limit\":1}]"),
		  "linux.resources.hugepageLimits[0].pageSize: must be a number and KB, MB or GB, not \"02MB\"" },
		{ RESOURCES("\"hugepageLimits\":[{\"pageSize\":\"MB\",\"limit\":1}]"),
		  "linux.resources.hugepageLimits[0].pageSize: must be a number and KB, MB or GB, not \"MB\"" },
		{ RESOURCES("\"network\":{\"classID\":4294967296}"),
		  "linux.resources.network.classID: must be an integer from 0 to 4294967295, not 4294967296" },
		{ RESOURCES("\"network\":{\"priorities\":[{\"name\":\"eth0\"}]}"),
		  "linux.resources.network.priorities[0].priority: is required" },
		{ RESOURCES("\"rdma\":[]"), "linux.resources.rdma: must be an object, not an array" },
		{ RESOURCES("\"rdma\":{\"a\":{\"hcaHandles\":1},\"b\":2}"),
		  "linux.resources.rdma.b: must be an object, not a number" },
		{ RESOURCES("\"rdma\":{\"a\":{\"hcaHandles\":-1}}"),
		  "linux.resources.rdma.a.hcaHandles: must be an integer from 0 to 4294967295, not -1" },
		{ RESOURCES("\"unified\":{\"memory.max\":1}"),
		  "linux.resources.unified[\"memory.max\"]: must be a string, not a number" },
	};

	(void)state;
	EXPECT_REFUSED(cases);
}

static void seccomp(void **state)
{
	static const struct invalid cases[] = {
		{ LINUX("\"seccomp\":{}"), "linux.seccomp.defaultAction: is required" },
		{ SECCOMP("\"defaultAction\":\"ALLOW\""),
		  "linux.seccomp.defaultAction: unknown value \"ALLOW\"" },
		{ SECCOMP("\"defaultErrnoRet\":65536"),
		  "linux.seccomp.defaultErrnoRet: must be an integer from 0 to 65535, not 65536" },
		{ SECCOMP("\"architectures\":[\"x86_64\"]"),
		  "linux.seccomp.architectures[0]: unknown value \"x86_64\"" },
		{ SECCOMP("\"flags\":[\"SECCOMP_FILTER_FLAG_NEW\"]"),
		  "linux.seccomp.flags[0]: unknown value \"SECCOMP_FILTER_FLAG_NEW\"" },
		{ SECCOMP("\"listenerPath\":\"x.sock\""),
		  "linux.seccomp.listenerPath: must be an absolute path, not \"x.sock\"" },
		{ SECCOMP("\"listenerMetadata\":\"x\""),
		  "linux.seccomp.listenerMetadata: must not be there without listenerPath" },
		{ SECCOMP("\"syscalls\":[{\"action\":\"SCMP_ACT_TRAP\"}]"),
		  "linux.seccomp.syscalls[0].names: is required" },
		{ SECCOMP("\"syscalls\":[{\"names\":[\"a\"]}]"),
		  "linux.seccomp.syscalls[0].action: is required" },
		{ RULE("\"names\":[]"), "linux.seccomp.syscalls[0].names: must not be empty" },
		{ RULE("\"action\":\"SCMP_ACT_NONE\""),
		  "linux.seccomp.syscalls[0].action: unknown value \"SCMP_ACT_NONE\"" },
		{ RULE("\"args\":[{\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]"),
		  "linux.seccomp.syscalls[0].args[0].index: is required" },
		{ RULE("\"args\":[{\"index\":1,\"op\":\"SCMP_CMP_EQ\"}]"),
		  "linux.seccomp.syscalls[0].args[0].value: is required" },
		{ RULE("\"args\":[{\"index\":1,\"value\":1}]"),
		  "linux.seccomp.syscalls[0].args[0].op: is required" },
		{ RULE("\"args\":[{\"index\":6,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]"),
		  "linux.seccomp.syscalls[0].args[0].index: must be an integer from 0 to 5, not 6" },
		{ RULE("\"args\":[{\"index\":1,\"value\":1,\"op\":\"==\"}]"),
		  "linux.seccomp.syscalls[0].args[0].op: unknown value \"==\"" },
		{ RULE("\"args\":[{\"index\":1,\"value\":-1,\"op\":\"SCMP_CMP_EQ\"}]"),
		  "linux.seccomp.syscalls[0].args[0].value: must be an integer from 0 to 18446744073709551615, not -1" },
	};

	(void)state;
	EXPECT_REFUSED(cases);
}

static void vm(void **state)
{
	static const struct invalid cases[] = {
		{ DOC("\"vm\":[]"), "vm: must be an object, not an array" },
		{ DOC("\"vm\":{\"hypervisor\":{}}"), "vm.hypervisor.path: is required" },
		{ DOC("\"vm\":{\"kernel\":{\"initrd\":\"/x\"}}"), "vm.kernel.path: is required" },
		{ DOC("\"vm\":{\"kernel\":{\"path\":\"vmlinuz\"}}"),
		  "vm.kernel.path: must be an absolute path, not \"vmlinuz\"" },
		{ DOC("\"vm\":{\"kernel\":{\"path\":\"/k\",\"initrd\":\"i\"}}"),
		  "vm.kernel.initrd: must be an absolute path, not \"i\"" },
		{ DOC("\"vm\":{\"kernel\":{\"path\":\"/k\",\"parameters\":\"a b\"}}"),
		  "vm.kernel.parameters: must be an array, not a string" },
		{ DOC("\"vm\":{\"image\":{\"path\":\"/x\"}}"), "vm.image.format: is required" },
		{ DOC("\"vm\":{\"image\":{\"path\":\"/x\",\"format\":\"iso\"}}"),
		  "vm.image.format: unknown value \"iso\"" },
		{ DOC("\"vm\":{\"hwConfig\":{\"vcpus\":0}}"), "vm.hwConfig.vcpus: must be at least 1" },
		{ DOC("\"vm\":{\"hwConfig\":{\"vcpus\":4294967296}}"),
		  "vm.hwConfig.vcpus: must be an integer from 0 to 4294967295, not 4294967296" },
		{ DOC("\"vm\":{\"hwConfig\":{\"memory\":-1}}"),
		  "vm.hwConfig.memory: must be an integer from 0 to 18446744073709551615, not -1" },
		{ DOC("\"vm\":{\"hwConfig\":{\"irqs\":1}}"),
		  "vm.hwConfig.irqs: must be an array, not a number" },
	};

	(void)state;
	EXPECT_REFUSED(cases);
}

/* The base documents of the tables are sound, so that each case fails for its own reason only. */
static void the_sound_parts_are_taken(void **state)
{
	static const char *const texts[] = {
		DOC("\"x\":1"),	    PROCESS("\"x\":1"),
		LINUX("\"x\":1"),   RESOURCES("\"x\":1"),
		SECCOMP("\"x\":1"), RULE("\"x\":1"),
		DEVICE("\"x\":1"),  DOC("\"vm\":{\"hwConfig\":{\"irqs\":[]}}"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_oci_spec_ struct oci_spec *spec = NULL;
		struct err err = ERR_INIT;

		if (oci_spec_parse(texts[i], strlen(texts[i]), "config.json", &spec, &err) < 0)
			fail_msg("%s\n  gives: %s", texts[i], err.text);
		assert_false(spec->vm.has_passthrough);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_document),
		cmocka_unit_test(process),
		cmocka_unit_test(rlimits),
		cmocka_unit_test(root_mounts_and_hooks),
		cmocka_unit_test(id_mappings),
		cmocka_unit_test(too_many_id_mappings),
		cmocka_unit_test(namespaces_and_devices),
		cmocka_unit_test(other_linux_settings),
		cmocka_unit_test(resources),
		cmocka_unit_test(seccomp),
		cmocka_unit_test(vm),
		cmocka_unit_test(the_sound_parts_are_taken),
	};

	return cmocka_run_group_tests_name("invalid config.json", tests, NULL, NULL);
}
