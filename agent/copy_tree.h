/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy_tree: the contents of one directory into another, for tmpcopyup:
 * directories, files, symlinks and special files with mode and owner, not
 * times, links or extended attributes. Never leaves either tree.
 */
#ifndef VRUN_AGENT_COPY_TREE_H
#define VRUN_AGENT_COPY_TREE_H

/* Both are directories opened for reading; borrowed. -ELOOP below 64 levels. */
int copy_tree(int from, int to);

#endif
