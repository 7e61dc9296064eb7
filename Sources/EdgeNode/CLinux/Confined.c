// A child that may compute, answer over one socket, and nothing else.
#define _GNU_SOURCE
#include "CLinux.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
// A sanitizer maps terabytes that it hardly touches.
#define UNLIMITED_MEMORY 1
#endif
#endif

static void limit(int resource, rlim_t soft, rlim_t hard) {
  struct rlimit value = {soft, hard};
  setrlimit(resource, &value);
}

// In the child, which shares its parent's memory until it has become another program: system calls alone.
static void become_confined(const struct strait_confinement *bounds) {
  setpgid(0, 0);
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  setpriority(PRIO_PROCESS, 0, bounds->niceness);
  limit(RLIMIT_CORE, 0, 0);
  limit(RLIMIT_FSIZE, 0, 0);
  limit(RLIMIT_NOFILE, bounds->descriptors, bounds->descriptors);
  limit(RLIMIT_CPU, bounds->processor_seconds, bounds->processor_seconds + 1);
#ifndef UNLIMITED_MEMORY
  limit(RLIMIT_AS, bounds->memory_bytes, bounds->memory_bytes);
#endif
}

static int keep_descriptors(int channel) {
  int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (null < 0 || dup2(channel, 0) < 0 || dup2(channel, 1) < 0 || dup2(null, 2) < 0) return -1;
  // Marked rather than closed, so that they are there should this fail; they go when the program starts.
  if (syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */) == 0) return 0;
  for (int descriptor = 3; descriptor < 65536; descriptor++) fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  return 0;
}

int strait_start_confined(
    const char *program, char *const arguments[], char *const environment[], int channel,
    const struct strait_confinement *bounds, pid_t *child) {
  // What happens in the child before it is another program is written here by it.
  volatile int failure = 0;
  sigset_t all, before;
  sigfillset(&all);
  // A handler that ran in the child would run on its parent's memory.
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t parent = getpid();
  // Not fork: that would copy the page tables of a process with a million keys, and have its workers fault for it.
  pid_t made = vfork();
  if (made == 0) {
    // Before the limit of descriptors holds: those of a busy edge are far beyond it.
    if (keep_descriptors(channel) == 0) {
      become_confined(bounds);
      if (getppid() == parent) execve(program, arguments, environment);
    }
    failure = errno;
    _exit(127);
  }
  int refused = made < 0 ? errno : 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (refused) return refused;
  if (failure) {
    while (waitpid(made, NULL, 0) < 0 && errno == EINTR) {}
    return failure;
  }
  *child = made;
  return 0;
}

void strait_end_child(pid_t child, int *status) {
  kill(-child, SIGKILL);
  kill(child, SIGKILL);
  while (waitpid(child, status, 0) < 0 && errno == EINTR) {}
}

int strait_child_ended(pid_t child, int *status) {
  siginfo_t end = {0};
  if (waitid(P_PID, (id_t)child, &end, WEXITED | WNOHANG | WNOWAIT) == 0 && end.si_pid == 0) return 0;
  // Before its number is free for another process.
  strait_end_child(child, status);
  return 1;
}
