// Linux calls that Swift cannot import by itself.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

// Has the processor fetch memory that will be used soon.
static inline void strait_prefetch(const void *memory, size_t bytes) {
  for (size_t offset = 0; offset < bytes; offset += 64) __builtin_prefetch((const char *)memory + offset, 1);
}

// Clears memory that held content. The barrier keeps the compiler from leaving it out.
static inline void strait_cleanse(void *memory, size_t count) {
  memset(memory, 0, count);
  __asm__ __volatile__("" : : "r"(memory) : "memory");
}

// errno is a macro; Swift needs a function to read it right after the call.
static inline int strait_errno(void) { return errno; }

// accept4 is hidden behind _GNU_SOURCE, which a header seen by Swift must not define.
int strait_accept(int listener, struct sockaddr_storage *address);

// Has closing the connection reset it, so that neither side keeps a trace of it, nor the kernel what was not taken.
static inline void strait_close_resets(int descriptor) {
  struct linger none = {1, 0};
  setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
}

// Closes a connection with a reset.
static inline void strait_reset(int descriptor) {
  strait_close_resets(descriptor);
  close(descriptor);
}

// Asks the scheduler for short slices: the thread gets the processor sooner after it has something to do, and its share
// stays the same. From Linux 6.12 (EEVDF) on; elsewhere nothing changes.
void strait_request_short_slices(void);

// Lets the process open as many descriptors as it is allowed to. Returns how many those are.
static inline size_t strait_raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  if (limit.rlim_cur < limit.rlim_max) {
    struct rlimit raised = {limit.rlim_max, limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return limit.rlim_cur;
}

// Has freed memory given back to the system. Left alone, glibc moves both thresholds up with the largest block that was
// ever freed: after one large body each thread's heap would keep 64 MB.
static inline void strait_return_freed_memory(void) {
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
  mallopt(M_TRIM_THRESHOLD, 4 << 20);
}

// A socket of the network namespace that is found by its name: one that listens, or one connected to who does. -1 when
// the name is taken, or nobody's.
int strait_named_socket(const char *name, int listens);
int strait_peer_is_this_user(int descriptor);
// Sends copies of descriptors to the process at the other end. 0, or -1.
int strait_send_descriptors(int socket, const int *descriptors, int count);
// Returns how many came, or -1.
int strait_receive_descriptors(int socket, int *descriptors, int capacity);
// Whether the descriptor is a socket that listens on just this address.
int strait_listens_on(int descriptor, const struct sockaddr *address, socklen_t length);

// Names the calling thread, for whoever looks at the process from outside. At most 15 bytes count.
static inline void strait_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

// Cores off, and no other process of this user may read the memory.
static inline int strait_forbid_memory_dumps(void) {
  struct rlimit none = {0, 0};
  return setrlimit(RLIMIT_CORE, &none) | prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

// What a confined child may have.
struct strait_confinement {
  uint64_t memory_bytes;       // of addresses
  uint64_t processor_seconds;
  uint64_t descriptors;
  int niceness;
};

// Starts a program with `channel` as its input and output and nothing else of this process: no other descriptor, no core,
// no file that it could write, no new privileges. It dies with the thread that started it, which must wait for it.
// Returns 0 or errno.
int strait_start_confined(
    const char *program, char *const arguments[], char *const environment[], int channel,
    const struct strait_confinement *bounds, pid_t *child);

// Whether the child has ended by now; its status as waitpid has it. What it started ends with it.
int strait_child_ended(pid_t child, int *status);

// Kills the child and what it started, and waits for the child's end.
void strait_end_child(pid_t child, int *status);

// epoll_event is packed; its pointer is set and read here so that Swift never takes the address of a packed field.
static inline int strait_epoll_set(int epoll, int operation, int descriptor, uint32_t events, void *owner) {
  struct epoll_event event;
  event.events = events;
  event.data.ptr = owner;
  return epoll_ctl(epoll, operation, descriptor, &event);
}

static inline void *strait_epoll_owner(const struct epoll_event *events, int index) { return events[index].data.ptr; }
static inline uint32_t strait_epoll_events(const struct epoll_event *events, int index) { return events[index].events; }

// Memory from lists of the calling thread; see MemoryPool.c. What one thread takes another may give back. `take` may
// return NULL; `size` is what a block really holds.
void *strait_pool_take(size_t count);
void strait_pool_give(void *memory);
// With the count that was asked for: the block itself need not be looked at.
void strait_pool_give_sized(void *memory, size_t count);
size_t strait_pool_size(const void *memory);
// Gives what the calling thread keeps back to the system.
void strait_pool_trim(void);

// To be called once by a thread that takes much from its pool: its memory comes in large pages where the system has them,
// because what a thousand exchanges need is spread over more small pages than the processor keeps at hand.
void strait_pool_prepare_thread(void);
