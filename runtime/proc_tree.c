/* SPDX-License-Identifier: Apache-2.0 */
/* proc_tree: see proc_tree.h. */
#include "runtime/proc_tree.h"

#include "oci/agent_proto.h"

#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	NAME_BYTES = 16,
	KIND_BITS = 4, /* of an id; the process's number is above */
};

static const struct {
	const char *name; /* NULL: it is not known by its name */
	enum proc_kind parent;
	uint32_t mode;
	uint32_t file;
} kinds[PROC_KINDS] = {
	[PROC_TOP] = { NULL, PROC_TOP, S_IFDIR | 0555, AGENT_PROC_DIRECTORY },
	[PROC_TOP_STAT] = { "stat", PROC_TOP, S_IFREG | 0444, AGENT_PROC_STAT },
	[PROC_PROCESS] = { NULL, PROC_TOP, S_IFDIR | 0555, AGENT_PROC_FILES },
	[PROC_STAT] = { "stat", PROC_PROCESS, S_IFREG | 0444, AGENT_PROC_STAT },
	[PROC_STATUS] = { "status", PROC_PROCESS, S_IFREG | 0444, AGENT_PROC_STATUS },
	[PROC_CMDLINE] = { "cmdline", PROC_PROCESS, S_IFREG | 0444, AGENT_PROC_CMDLINE },
	[PROC_NS] = { "ns", PROC_PROCESS, S_IFDIR | 0555, AGENT_PROC_FILES },
	[PROC_NS_PID] = { "pid", PROC_NS, S_IFLNK | 0777, AGENT_PROC_FILES },
};

uint64_t proc_node_id(struct proc_node node)
{
	return ((uint64_t)node.pid << KIND_BITS | node.kind) + FUSE_ROOT_ID;
}

bool proc_node_parse(uint64_t id, struct proc_node *ret)
{
	uint64_t pid = (id - FUSE_ROOT_ID) >> KIND_BITS;
	unsigned kind = (id - FUSE_ROOT_ID) % (1U << KIND_BITS);

	if (id < FUSE_ROOT_ID || pid > AGENT_PID_MAX || kind >= PROC_KINDS ||
	    (kind < PROC_PROCESS) != (pid == 0))
		return false;
	*ret = (struct proc_node){ kind, (uint32_t)pid };
	return true;
}

/* 0: not a process's number. */
static uint32_t parse_pid(const char *name)
{
	unsigned long number;

	if (name[0] < '1' || strlen(name) >= NAME_BYTES || name[strspn(name, "0123456789")])
		return 0;
	number = strtoul(name, NULL, 10);
	return number <= AGENT_PID_MAX ? (uint32_t)number : 0;
}

bool proc_node_find(struct proc_node parent, const char *name, struct proc_node *ret)
{
	uint32_t pid;

	for (enum proc_kind kind = 0; kind < PROC_KINDS; kind++) {
		if (!kinds[kind].name || kinds[kind].parent != parent.kind || strcmp(kinds[kind].name, name))
			continue;
		*ret = (struct proc_node){ kind, parent.pid };
		return true;
	}
	pid = parent.kind == PROC_TOP ? parse_pid(name) : 0;
	if (pid)
		*ret = (struct proc_node){ PROC_PROCESS, pid };
	return pid;
}

bool proc_node_is_directory(struct proc_node node)
{
	return S_ISDIR(kinds[node.kind].mode);
}

uint32_t proc_node_file(struct proc_node node)
{
	return kinds[node.kind].file;
}

void proc_node_attr(struct proc_node node, struct fuse_attr *ret)
{
	*ret = (struct fuse_attr){
		.ino = proc_node_id(node), .mode = kinds[node.kind].mode, .nlink = 1, .blksize = 4096
	};
}

bool proc_pids_check(const uint8_t *pids, size_t len)
{
	if (len % sizeof(le32))
		return false;
	for (size_t i = 0; i < len; i += sizeof(le32)) {
		if (get_le32(pids + i) == 0 || get_le32(pids + i) > AGENT_PID_MAX)
			return false;
	}
	return true;
}

static size_t put_entry(uint8_t *buf, size_t len, struct proc_node node, const char *name)
{
	struct fuse_dirent entry = {
		.ino = proc_node_id(node),
		.namelen = (uint32_t)strlen(name),
		.type = (kinds[node.kind].mode & S_IFMT) >> 12,
	};
	size_t size = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + strlen(name));

	/* The next one's place. */
	entry.off = len + size;
	memcpy(buf + len, &entry, FUSE_NAME_OFFSET);
	memcpy(buf + len + FUSE_NAME_OFFSET, name, strlen(name));
	return len + size;
}

uint8_t *proc_entries(struct proc_node node, const uint8_t *pids, size_t n, size_t *ret_len)
{
	uint8_t *buf = calloc(n + PROC_KINDS, FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + NAME_BYTES));
	char name[NAME_BYTES];
	size_t len = 0;

	for (size_t i = 0; buf && i < n; i++) {
		struct proc_node process = { PROC_PROCESS, get_le32(pids + i * sizeof(le32)) };

		snprintf(name, sizeof(name), "%u", process.pid);
		len = put_entry(buf, len, process, name);
	}
	for (enum proc_kind kind = 0; buf && kind < PROC_KINDS; kind++) {
		if (kinds[kind].name && kinds[kind].parent == node.kind)
			len = put_entry(buf, len, (struct proc_node){ kind, node.pid }, kinds[kind].name);
	}
	*ret_len = len;
	return buf;
}

size_t proc_entry_size(const uint8_t *at)
{
	struct fuse_dirent entry;

	memcpy(&entry, at, FUSE_NAME_OFFSET);
	return FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + entry.namelen);
}
