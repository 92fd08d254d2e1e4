/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor: vrun-vmm's life: one VM, one container.
 *
 * Theory of operation
 *
 * vrun gives it all it needs over the sync socket (launch_params.h). It builds
 * the machine, queues what the agent is to do, lets the CPUs run, and from then
 * on is one epoll loop: the devices, the agent's link, the control socket,
 * signals, and the sync socket.
 *
 * Until vrun says RELEASE it belongs to that vrun: when the socket closes first,
 * vrun was killed, and the container ends and its directory goes. A `vrun run` in
 * the foreground never says RELEASE.
 *
 * It ends with the container's exit status (128 + signal), after all output was
 * delivered; 127 or 126 when the command could not be run; 1 when the VM failed.
 */
#ifndef VRUN_RUNTIME_MONITOR_H
#define VRUN_RUNTIME_MONITOR_H

/* Never fails to the caller: whatever goes wrong is told over `sync`. Returns the exit status. */
int monitor_main(int take_sync);

#endif
