/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc_tree: the names in proc_fs.h's file system. A node is its kind and a process's number, and its id is made of
 * both, so that nothing has to be remembered.
 */
#ifndef VRUN_RUNTIME_PROC_TREE_H
#define VRUN_RUNTIME_PROC_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum proc_kind {
	PROC_TOP,
	PROC_TOP_STAT,
	PROC_PROCESS,
	PROC_STAT,
	PROC_STATUS,
	PROC_CMDLINE,
	PROC_NS,
	PROC_NS_PID,
	PROC_KINDS,
};

struct proc_node {
	enum proc_kind kind;
	uint32_t pid; /* 0 for PROC_TOP and PROC_TOP_STAT only */
};

struct fuse_attr;

uint64_t proc_node_id(struct proc_node node);
/* False: there is no such id. */
bool proc_node_parse(uint64_t id, struct proc_node *ret);
/* By its name in a directory. A process may be there: only the guest knows. False: there can't be such a name. */
bool proc_node_find(struct proc_node parent, const char *name, struct proc_node *ret);
bool proc_node_is_directory(struct proc_node node);
/* What the guest is asked for when it is opened (agent_proto.h); AGENT_PROC_FILES: nothing. */
uint32_t proc_node_file(struct proc_node node);
void proc_node_attr(struct proc_node node, struct fuse_attr *ret);

/* Numbers that can be those of processes: le32[]. */
bool proc_pids_check(const uint8_t *pids, size_t len);
/* A directory's names, those of `n` processes too, as struct fuse_dirent one after the other. NULL: no memory. */
uint8_t *proc_entries(struct proc_node node, const uint8_t *pids, size_t n, size_t *ret_len);
/* The bytes of the one that is `at`. */
size_t proc_entry_size(const uint8_t *at);

#endif
