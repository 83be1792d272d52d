"""A filter of system calls, by libseccomp: no sockets, no other processes, no way to the kernel's other interfaces."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket

LIBRARY = "libseccomp.so.2"
_ALLOW = 0x7FFF0000
_CLONE_THREAD = 0x00010000
_UNCOUNTED = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS
"""Of memory that no limit counts."""
_NOT_EQUAL, _MASKED_EQUAL = 1, 7
_UNKNOWN = -1

_NEVER = """
accept accept4 bind connect listen recvfrom recvmmsg recvmsg sendmmsg sendmsg sendto socket socketpair
execve execveat fork vfork setpgid setsid
kcmp pidfd_getfd pidfd_open pidfd_send_signal process_madvise process_mrelease process_vm_readv process_vm_writev ptrace
rt_sigqueueinfo tkill
chroot fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree open_tree_attr pivot_root
setns umount umount2 unshare
chmod chown fchmod fchmodat fchmodat2 fchown fchownat file_setattr lchown
fremovexattr fsetxattr lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat
futimesat utime utimensat utimes
fanotify_init fanotify_mark inotify_add_watch inotify_init inotify_init1 name_to_handle_at open_by_handle_at
memfd_create memfd_secret mq_open msgctl msgget msgrcv msgsnd semctl semget semop semtimedop shmat shmctl shmdt shmget
add_key keyctl request_key
bpf io_uring_enter io_uring_register io_uring_setup perf_event_open userfaultfd
acct adjtimex clock_adjtime clock_settime delete_module finit_module init_module ioperm iopl kexec_file_load kexec_load
lookup_dcookie modify_ldt quotactl quotactl_fd reboot sethostname setdomainname settimeofday stime swapoff swapon syslog
uselib vhangup
ioprio_set migrate_pages move_pages sched_setattr sched_setparam sched_setscheduler setpriority
""".split()  # noqa: SIM905
_RECENT = {"fchmodat2": 452, "setxattrat": 463, "removexattrat": 466, "open_tree_attr": 467, "file_setattr": 469}
"""Calls that a libseccomp may not know yet; new ones have one number on every kind of processor."""
_OF_OTHERS = {"kill": 0, "tgkill": 0, "rt_tgsigqueueinfo": 0}
"""Calls that name a process first: allowed for this one alone."""
_OF_SELF = {"prlimit64": 0, "sched_setaffinity": 0}
"""Calls for which the process 0 is this one: allowed for that alone."""
_COMMANDS = {"fcntl": (8, 10, 15), "ioctl": (0x5412, 0x8901, 0x8902)}
"""Of calls that do many things: to have others sent signals (`F_SETOWN`, …), and to type in a terminal (`TIOCSTI`)."""


_OF_CUDA = ("socket", "bind", "listen")
"""Without which `cuInit` fails (error 304), seen with driver 580."""


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


def filter_system_calls(for_gpu: bool = False) -> None:
    """Denies this thread, and what it starts from here on, every call in the lists above, for good.

    What is denied fails with `EPERM`, as where rights are lacking. Threads can still be started.

    Args:
        for_gpu: whether to allow what NVIDIA's driver does as it begins: shared memory, and a socket of this machine's
            that it listens at. Nobody is accepted there, and nothing is sent.

    Raises:
        OSError: there is no libseccomp here, or the kernel does not allow it.
    """
    library = ctypes.CDLL(LIBRARY, use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    rules = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_ALLOW)))
    if not rules:
        raise OSError(errno.ENOMEM, "libseccomp made no filter")
    try:
        _fill(library, rules, for_gpu)
        _require(library.seccomp_load(rules))
    finally:
        library.seccomp_release(rules)


def _fill(library: ctypes.CDLL, rules: ctypes.c_void_p, for_gpu: bool) -> None:
    def deny(name: str, *comparisons: _Comparison, error: int = errno.EPERM) -> None:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number == _UNKNOWN:
            number = _RECENT.get(name, _UNKNOWN)
        if number == _UNKNOWN:  # on this kind of processor
            return
        array = (_Comparison * len(comparisons))(*comparisons)
        action = ctypes.c_uint32(0x00050000 | error)
        _require(library.seccomp_rule_add_array(rules, action, number, len(comparisons), array))

    for name in _NEVER:
        if not for_gpu or name not in _OF_CUDA:
            deny(name)
    if for_gpu:
        deny("socket", _Comparison(0, _NOT_EQUAL, socket.AF_UNIX, 0))
    else:
        deny("mmap", _Comparison(3, _MASKED_EQUAL, _UNCOUNTED, _UNCOUNTED))
    for name, argument in _OF_OTHERS.items():
        deny(name, _Comparison(argument, _NOT_EQUAL, os.getpid(), 0))
    for name, argument in _OF_SELF.items():
        deny(name, _Comparison(argument, _NOT_EQUAL, 0, 0))
    for name, commands in _COMMANDS.items():
        for command in commands:
            deny(name, _Comparison(1, _MASKED_EQUAL, 0xFFFFFFFF, command))
    deny("clone", _Comparison(0, _MASKED_EQUAL, _CLONE_THREAD, 0))
    deny("clone3", error=errno.ENOSYS)  # whose flags no filter can see; the C library then falls back to `clone`


def _require(status: int) -> None:
    if status < 0:
        raise OSError(-status, f"libseccomp: {os.strerror(-status)}")
