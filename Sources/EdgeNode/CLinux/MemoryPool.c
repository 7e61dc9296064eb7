// Freed blocks wait in lists by their exact size, one set of lists a thread, so that a loop which needs the same few
// sizes over and over pays for a push and a pop. What the C library's allocator pays for is kept small: blocks are its
// own, and it knows their sizes.
#include "CLinux.h"

#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>

enum {
  GRAIN = 16,
  LARGEST = 4096,
  LISTS = LARGEST / GRAIN + 1,
  HEAP_BYTES = 64 * 1024 * 1024,
  // Beyond this a thread gives freed blocks back, so that a burst does not stay for ever.
  KEPT_BYTES = 8 * 1024 * 1024,
};

// A sanitizer follows each block from malloc to free: where there is one, no block is kept.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { KEEPS_BLOCKS = 0 };
#else
enum { KEEPS_BLOCKS = 1 };
#endif

typedef struct block {
  struct block *next;
} block;

static __thread block *lists[LISTS];
static __thread size_t kept_bytes;

// malloc's blocks hold 16 * n + 8 bytes; rounding to that makes the size of a freed block its list.
static size_t list_of(size_t count) { return count <= 24 ? 1 : (count + 7) / GRAIN; }

void *strait_pool_take(size_t count) {
  size_t list = list_of(count);
  if (list >= LISTS || !KEEPS_BLOCKS) return malloc(count);
  block *first = lists[list];
  if (first == NULL) return malloc(list * GRAIN + 8);
  block *next = first->next;
  lists[list] = next;
  // Between two turns of a stream its memory leaves the cache: the next taker would wait for what stands here.
  strait_prefetch(next, list * GRAIN < 1024 ? list * GRAIN : 1024);
  kept_bytes -= list * GRAIN;
  return first;
}

static void give(void *memory, size_t list) {
  if (list >= LISTS || kept_bytes > KEPT_BYTES || !KEEPS_BLOCKS) {
    free(memory);
    return;
  }
  block *freed = memory;
  freed->next = lists[list];
  lists[list] = freed;
  kept_bytes += list * GRAIN;
}

void strait_pool_give(void *memory) {
  if (memory != NULL) give(memory, malloc_usable_size(memory) / GRAIN);
}

void strait_pool_give_sized(void *memory, size_t count) { give(memory, list_of(count)); }

size_t strait_pool_size(const void *memory) { return malloc_usable_size((void *)memory); }

void strait_pool_trim(void) {
  for (size_t list = 0; list < LISTS; list++) {
    while (lists[list] != NULL) {
      block *first = lists[list];
      lists[list] = first->next;
      free(first);
    }
  }
  kept_bytes = 0;
  malloc_trim(0);
}

void strait_pool_prepare_thread(void) {
  if (!KEEPS_BLOCKS) return;
  // A heap grows by more than a large page at a time, so that its memory can come in large pages.
  mallopt(M_TOP_PAD, 4 * 1024 * 1024);
  void *sample = malloc(1024);
  if (sample == NULL) return;
  // A thread's heap begins where glibc puts it: at a multiple of its largest size. Where that is not so, the advice is for
  // other memory or for none, and does no harm.
  uintptr_t heap = (uintptr_t)sample & ~(uintptr_t)(HEAP_BYTES - 1);
  madvise((void *)heap, HEAP_BYTES, MADV_HUGEPAGE);
  free(sample);
}
