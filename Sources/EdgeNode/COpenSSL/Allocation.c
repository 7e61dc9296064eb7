// OpenSSL's memory. Small blocks come from the thread's pool. A handshake's large buffers and the buffers of records live
// for moments, and each in a slot of its own: between the small blocks that stay with a connection they would leave holes,
// and what an idle connection costs would be more holes than connection.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "Allocation.h"

#include <CLinux.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
  // An SSL is just below it and stays; what is larger goes soon.
  LARGEST_SMALL = 8192,
  SLOT_BYTES = 32768,
  // Address space only: pages come when they are touched.
  SLOTS = 1 << 19,
  // What a thread keeps ready; the memory of others goes back to the system.
  KEPT_SLOTS = 32,
};

typedef struct slot {
  struct slot *next;
  // Bytes from the slot's start that have held what a peer sent.
  size_t filled;
  // Blocks are as well aligned as a cache line.
  char padding[48];
} slot;

static char *region;
static size_t region_bytes;
static size_t slots_begun;
static slot *returned;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread slot *kept;
static __thread int kept_count;

static int is_slot(const void *memory) { return (size_t)((const char *)memory - region) < region_bytes; }
static slot *slot_of(const void *memory) {
  return (slot *)(region + ((size_t)((const char *)memory - region) & ~(size_t)(SLOT_BYTES - 1)));
}

static slot *take_slot(void) {
  slot *taken = kept;
  if (taken != NULL) {
    kept = taken->next;
    kept_count -= 1;
    return taken;
  }
  pthread_mutex_lock(&lock);
  taken = returned;
  if (taken != NULL) {
    returned = taken->next;
  } else if (slots_begun < SLOTS && region_bytes > 0) {
    taken = (slot *)(region + slots_begun * SLOT_BYTES);
    slots_begun += 1;
  }
  pthread_mutex_unlock(&lock);
  return taken;
}

static void give_slot(slot *given) {
  if (given->filled > sizeof(slot)) memset(given + 1, 0, given->filled - sizeof(slot));
  given->filled = 0;
  if (kept_count < KEPT_SLOTS) {
    given->next = kept;
    kept = given;
    kept_count += 1;
    return;
  }
  // The first page stays: it holds the list.
  madvise((char *)given + 4096, SLOT_BYTES - 4096, MADV_DONTNEED);
  pthread_mutex_lock(&lock);
  given->next = returned;
  returned = given;
  pthread_mutex_unlock(&lock);
}

static void *take(size_t count, const char *file, int line) {
  (void)file, (void)line;
  if (count == 0) return NULL;
  if (count <= LARGEST_SMALL) return strait_pool_take(count);
  slot *taken = count <= SLOT_BYTES - sizeof(slot) ? take_slot() : NULL;
  if (taken == NULL) return malloc(count);
  taken->filled = 0;
  return taken + 1;
}

static void give(void *memory, const char *file, int line) {
  (void)file, (void)line;
  if (memory == NULL) return;
  if (is_slot(memory)) {
    give_slot(slot_of(memory));
  } else {
    strait_pool_give(memory);
  }
}

static void *resize(void *memory, size_t count, const char *file, int line) {
  if (memory == NULL) return take(count, file, line);
  if (count == 0) {
    give(memory, file, line);
    return NULL;
  }
  size_t room = is_slot(memory) ? SLOT_BYTES - sizeof(slot) : strait_pool_size(memory);
  if (count <= room) return memory;
  void *moved = take(count, file, line);
  if (moved == NULL) return NULL;
  memcpy(moved, memory, room);
  give(memory, file, line);
  return moved;
}

void strait_note_received(const void *memory, size_t count) {
  if (!is_slot(memory)) return;
  slot *filled = slot_of(memory);
  size_t end = (size_t)((const char *)memory + count - (const char *)filled);
  if (end > filled->filled) filled->filled = end;
}

void strait_use_own_allocation(void) {
  region = mmap(NULL, (size_t)SLOTS * SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                -1, 0);
  // Without the address space, large blocks come from the C library.
  region_bytes = region == MAP_FAILED ? 0 : (size_t)SLOTS * SLOT_BYTES;
  // A huge page would make the first touch of a slot cost that of 64.
  if (region_bytes > 0) madvise(region, region_bytes, MADV_NOHUGEPAGE);
  CRYPTO_set_mem_functions(take, resize, give);
}
