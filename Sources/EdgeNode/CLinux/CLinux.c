#define _GNU_SOURCE
#include "CLinux.h"

#include <sched.h>
#include <sys/syscall.h>

// As the kernel has it; glibc 2.36 has no name for it.
struct scheduling {
  uint32_t size;
  uint32_t policy;
  uint64_t flags;
  int32_t niceness;
  uint32_t priority;
  uint64_t runtime;
  uint64_t deadline;
  uint64_t period;
};

void strait_request_short_slices(void) {
  struct scheduling own = {0};
  if (syscall(SYS_sched_getattr, 0, &own, sizeof(own), 0) != 0 || own.policy != SCHED_OTHER) return;
  // Of a fair thread this is the slice, in nanoseconds.
  own.runtime = 300000;
  syscall(SYS_sched_setattr, 0, &own, 0);
}

int strait_accept(int listener, struct sockaddr_storage *address) {
  socklen_t length = sizeof(*address);
  return accept4(listener, (struct sockaddr *)address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}
