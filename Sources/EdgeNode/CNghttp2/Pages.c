// Memory by the page for what a session keeps as long as it lives and seldom needs, so that a session at rest can give it
// to the system: the buffer in which it packs frames, and its table of streams.
#define _GNU_SOURCE
#include "Pages.h"

#include "CLinux.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
  PAGE_BYTES = 4096,
  // Freed blocks of a thread beyond these are given to the system.
  WARM_BLOCKS = 64,
  // So many blocks are taken from the region at once, so that threads seldom meet.
  RUN_BLOCKS = 16,
};

// Addresses alone: pages are the system's until they are written.
#define REGION_BYTES (8ull << 30)

typedef struct {
  size_t block_bytes;
  char *base;
  _Atomic size_t used;
} region;

static region regions[PAGES_KINDS] = {{.block_bytes = PAGES_TABLE_BYTES}, {.block_bytes = PAGES_FRAMES_BYTES}};
static pthread_once_t reserved = PTHREAD_ONCE_INIT;

// Those that were freed, and those of the run that have never been used. All are clear.
static __thread struct {
  char **freed;
  size_t count;
  size_t room;
  char *fresh;
  int fresh_count;
} lists[PAGES_KINDS];

// A sanitizer follows each block from malloc to free: where there is one, there are no regions.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
static void reserve(void) {}
#else
static void reserve(void) {
  for (int kind = 0; kind < PAGES_KINDS; kind++) {
    void *base = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) continue;
    madvise(base, REGION_BYTES, MADV_NOHUGEPAGE);
    regions[kind].base = base;
  }
}
#endif

void *pages_take(enum pages_kind kind) {
  pthread_once(&reserved, reserve);
  if (lists[kind].count > 0) return lists[kind].freed[--lists[kind].count];
  if (lists[kind].fresh_count == 0) {
    region *from = &regions[kind];
    if (from->base == NULL) return NULL;
    size_t run = RUN_BLOCKS * from->block_bytes;
    size_t start = atomic_fetch_add(&from->used, run);
    if (start + run > REGION_BYTES) return NULL;
    lists[kind].fresh = from->base + start;
    lists[kind].fresh_count = RUN_BLOCKS;
  }
  char *block = lists[kind].fresh;
  lists[kind].fresh += regions[kind].block_bytes;
  lists[kind].fresh_count--;
  return block;
}

int pages_kind_of(const void *block) {
  for (int kind = 0; kind < PAGES_KINDS; kind++)
    if (regions[kind].base != NULL && (size_t)((const char *)block - regions[kind].base) < REGION_BYTES) return kind;
  return -1;
}

size_t pages_size(int kind) { return regions[kind].block_bytes; }

void pages_give(void *block, int kind) {
  size_t bytes = regions[kind].block_bytes;
  if (lists[kind].count == lists[kind].room) {
    size_t room = lists[kind].room * 2 + WARM_BLOCKS;
    char **larger = realloc(lists[kind].freed, room * sizeof(char *));
    if (larger == NULL) {
      madvise(block, bytes, MADV_DONTNEED);
      return;
    }
    lists[kind].freed = larger;
    lists[kind].room = room;
  }
  if (lists[kind].count < WARM_BLOCKS) {
    // Hardly ever more than the first page was written.
    strait_cleanse(block, PAGE_BYTES);
    if (bytes > PAGE_BYTES) madvise((char *)block + PAGE_BYTES, bytes - PAGE_BYTES, MADV_DONTNEED);
  } else {
    madvise(block, bytes, MADV_DONTNEED);
  }
  lists[kind].freed[lists[kind].count++] = block;
}

void pages_rest(void *block) {
  int kind = pages_kind_of(block);
  if (kind >= 0) madvise(block, regions[kind].block_bytes, MADV_DONTNEED);
}

int pages_are_clear(const void *block) {
  int kind = pages_kind_of(block);
  if (kind < 0) return 0;
  const unsigned long *words = block;
  for (size_t index = 0; index < regions[kind].block_bytes / sizeof(unsigned long); index++)
    if (words[index] != 0) return 0;
  return 1;
}
