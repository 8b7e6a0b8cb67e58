/* Numbers that headers of older systems lack. From 424 on they are the same everywhere (syscall_64.tbl). */
#ifndef AGENTOPS_EXEC_SYSCALLS_H
#define AGENTOPS_EXEC_SYSCALLS_H

#include <linux/audit.h>
#include <linux/seccomp.h>

#define SYSCALL_PIDFD_SEND_SIGNAL 424
#define SYSCALL_IO_URING_SETUP 425
#define SYSCALL_IO_URING_ENTER 426
#define SYSCALL_IO_URING_REGISTER 427
#define SYSCALL_PIDFD_OPEN 434
#define SYSCALL_OPENAT2 437
#define SYSCALL_PIDFD_GETFD 438

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#define X32_BIT 0x40000000U
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "agent-exec knows x86-64 and aarch64"
#endif

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
/* linux/seccomp.h of Linux 6.6 */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

/* asm-generic/sockios.h; the two are the same call on any descriptor and on sockets */
#define IOCTL_FIOSETOWN 0x8901
#define IOCTL_SIOCSPGRP 0x8902

/* linux/ioprio.h */
#define IOPRIO_PROCESS 1
#define IOPRIO_GROUP 2
#define IOPRIO_USER 3

#endif
