/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpu: the threads, their modes, and the dispatch of exits; see vcpu.h.
 */
#include "vmm/kvm/vcpu.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/jail/jail.h"
#include "vmm/kvm/kvm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

enum { THREAD_STACK = 256 << 10 };

static void on_kick(int signo)
{
	(void)signo;
}

/* Without SA_RESTART: the signal's only purpose is EINTR. */
int kvm_vcpu_install_kick(struct err *err)
{
	struct sigaction sa = { .sa_handler = on_kick };

	sigfillset(&sa.sa_mask);
	if (sigaction(KVM_KICK_SIGNAL, &sa, NULL) < 0)
		return err_set_errno(err, -errno, "signal for the vCPUs");
	return 0;
}

/* Wait while paused. True: go on in the guest. */
static bool pass_gate(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpus *set = vcpu->set;
	bool go_on;

	pthread_mutex_lock(&set->lock);
	while (set->mode == KVM_VCPU_PAUSED) {
		vcpu->parked = true;
		pthread_cond_broadcast(&set->changed);
		pthread_cond_wait(&set->changed, &set->lock);
	}
	vcpu->parked = false;
	go_on = set->mode == KVM_VCPU_RUNNING;
	if (go_on)
		vcpu->run->immediate_exit = 0;
	pthread_mutex_unlock(&set->lock);
	return go_on;
}

static void dispatch_pio(struct kvm_vcpu *vcpu)
{
	const struct kvm_vcpus *set = vcpu->set;
	struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	/* A string instruction comes as several accesses of one port. */
	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size)
		set->handlers->pio(set->ctx, run->io.port, data, run->io.size,
				   run->io.direction == KVM_EXIT_IO_OUT);
}

/* False: the machine is over. */
static bool dispatch(struct kvm_vcpu *vcpu)
{
	const struct kvm_vcpus *set = vcpu->set;
	struct kvm_run *run = vcpu->run;
	struct err why = ERR_INIT;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		dispatch_pio(vcpu);
		return true;
	case KVM_EXIT_MMIO:
		set->handlers->mmio(set->ctx, run->mmio.phys_addr, run->mmio.data, run->mmio.len,
				    run->mmio.is_write);
		return true;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return true;
	default:
		kvm_vcpu_describe_crash(vcpu, &why);
		set->handlers->crashed(set->ctx, &why);
		return false;
	}
}

static void count(_Atomic uint64_t *counter)
{
	/* One writer: no read-modify-write on the bus. */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

static void run_until_kicked(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct err why = ERR_INIT;

	for (;;) {
		if (ioctl(vcpu->fd, KVM_RUN, 0) == 0) {
			count(&vcpu->exits[run->exit_reason < KVM_EXITS_MAX ? run->exit_reason : 0]);
			if (!dispatch(vcpu))
				return;
			continue;
		}
		if (errno == EINTR) {
			count(&vcpu->interrupted);
			return;
		}
		if (errno == EAGAIN)
			continue;
		/* EFAULT: the host could not give the memory that the guest touched. */
		err_set_errno(&why, -errno, "vCPU %u: KVM_RUN", vcpu->id);
		vcpu->set->handlers->crashed(vcpu->set->ctx, &why);
		return;
	}
}

static void *vcpu_main(void *arg)
{
	struct kvm_vcpu *vcpu = arg;
	struct err why = ERR_INIT;
	char name[16];
	sigset_t kick;
	int r;

	snprintf(name, sizeof(name), "vcpu%u", vcpu->id);
	pthread_setname_np(pthread_self(), name);
	sigemptyset(&kick);
	sigaddset(&kick, KVM_KICK_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &kick, NULL);
	r = jail_thread_enter(JAIL_ROLE_VCPU);
	if (r < 0) {
		err_set_errno(&why, r, "vCPU %u: its system calls", vcpu->id);
		vcpu->set->handlers->crashed(vcpu->set->ctx, &why);
		return NULL;
	}
	while (pass_gate(vcpu))
		run_until_kicked(vcpu);
	return NULL;
}

/* Threads start with all signals blocked: the process's signals are the loop's. */
static int start_threads(struct kvm_vcpus *set, struct err *err)
{
	sigset_t all, old;
	pthread_attr_t attr;
	int r = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	for (unsigned i = 0; i < set->n && r == 0; i++) {
		struct kvm_vcpu *vcpu = &set->vcpu[i];

		if (vcpu->has_thread)
			continue;
		r = pthread_create(&vcpu->thread, &attr, vcpu_main, vcpu);
		vcpu->has_thread = r == 0;
	}
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r ? err_set_errno(err, -r, "thread for a vCPU") : 0;
}

/* With set->lock held. */
static void kick_all(struct kvm_vcpus *set)
{
	for (unsigned i = 0; i < set->n; i++) {
		struct kvm_vcpu *vcpu = &set->vcpu[i];

		if (!vcpu->run || !vcpu->has_thread)
			continue;
		/* Before the signal: a thread that has not entered KVM_RUN yet finds it there. */
		__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_RELEASE);
		pthread_kill(vcpu->thread, KVM_KICK_SIGNAL);
	}
}

int kvm_vcpus_run(struct kvm_vcpus *set, struct err *err)
{
	int r;

	r = start_threads(set, err);
	if (r < 0)
		return r;
	/* Tell the guest's watchdogs that it was us who slept; fails where it has no kvmclock yet. */
	for (unsigned i = 0; i < set->n; i++)
		(void)ioctl(set->vcpu[i].fd, KVM_KVMCLOCK_CTRL, 0);
	pthread_mutex_lock(&set->lock);
	if (set->mode == KVM_VCPU_PAUSED)
		set->mode = KVM_VCPU_RUNNING;
	pthread_cond_broadcast(&set->changed);
	pthread_mutex_unlock(&set->lock);
	return 0;
}

static bool all_parked(const struct kvm_vcpus *set)
{
	for (unsigned i = 0; i < set->n; i++)
		if (set->vcpu[i].has_thread && !set->vcpu[i].parked)
			return false;
	return true;
}

void kvm_vcpus_pause(struct kvm_vcpus *set)
{
	pthread_mutex_lock(&set->lock);
	if (set->mode == KVM_VCPU_RUNNING) {
		set->mode = KVM_VCPU_PAUSED;
		kick_all(set);
	}
	/* A crash meanwhile makes it stopped: then nothing parks any more. */
	while (set->mode == KVM_VCPU_PAUSED && !all_parked(set))
		pthread_cond_wait(&set->changed, &set->lock);
	pthread_mutex_unlock(&set->lock);
}

void kvm_vcpus_end(struct kvm_vcpus *set)
{
	pthread_mutex_lock(&set->lock);
	set->mode = KVM_VCPU_STOPPED;
	kick_all(set);
	pthread_cond_broadcast(&set->changed);
	pthread_mutex_unlock(&set->lock);
}

void kvm_vcpus_stop(struct kvm_vcpus *set)
{
	kvm_vcpus_end(set);
	for (unsigned i = 0; i < set->n; i++) {
		struct kvm_vcpu *vcpu = &set->vcpu[i];

		if (!vcpu->has_thread)
			continue;
		pthread_join(vcpu->thread, NULL);
		vcpu->has_thread = false;
	}
}
