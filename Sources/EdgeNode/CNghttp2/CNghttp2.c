// Memory for nghttp2: the calling thread's pool, and one piece that all sessions of a thread share.
#include "CNghttp2.h"

#include "CLinux.h"
#include "nghttp2_frame_buffer.h"

#include <stdatomic.h>

// A session allocates the buffer into which it packs its frames when it is made, and keeps it: a page for every idle
// connection. What is in it is needed only from packing a frame until `nghttp2_session_mem_send` has returned it and the
// caller has copied it, so one buffer serves all sessions of a thread. The one exception would be a DATA frame whose
// callback asks to be called again; ours lets no DATA frame begin that would not find room (NGHTTP2_ERR_PAUSE).
static __thread unsigned char *shared;
static __thread int making_session;

enum { THREADS = 1024 };
static _Atomic(unsigned char *) all_shared[THREADS];
static atomic_int shared_count;

static int is_shared(const void *memory) {
  if (memory == shared) return 1;
  int count = atomic_load_explicit(&shared_count, memory_order_acquire);
  for (int index = 0; index < count && index < THREADS; index++)
    if (atomic_load_explicit(&all_shared[index], memory_order_acquire) == memory) return 1;
  return 0;
}

static void *take_shared(void) {
  if (shared != NULL) return shared;
  int index = atomic_fetch_add(&shared_count, 1);
  if (index >= THREADS) return malloc(FRAME_BUFFER_BYTES);
  shared = malloc(FRAME_BUFFER_BYTES);
  atomic_store_explicit(&all_shared[index], shared, memory_order_release);
  return shared;
}

static void *take(size_t count, void *unused) {
  (void)unused;
  if (making_session && count == FRAME_BUFFER_BYTES) return take_shared();
  return strait_pool_take(count);
}

static void give(void *memory, void *unused) {
  (void)unused;
  if (memory == NULL) return;
  size_t size = strait_pool_size(memory);
  if (size >= FRAME_BUFFER_BYTES && is_shared(memory)) return;
  strait_cleanse(memory, size);
  strait_pool_give(memory);
}

static void *take_cleared(size_t count, size_t size, void *unused) {
  (void)unused;
  if (size != 0 && count > SIZE_MAX / size) return NULL;
  // Large tables are mostly never looked at; memory that is fresh from the system is clear and stays untouched.
  if (count * size >= 2048) return calloc(count, size);
  void *memory = strait_pool_take(count * size);
  if (memory != NULL) memset(memory, 0, count * size);
  return memory;
}

static void *take_again(void *memory, size_t count, void *unused) {
  if (memory == NULL) return take(count, unused);
  size_t held = strait_pool_size(memory);
  if (held >= count) return memory;
  void *larger = strait_pool_take(count);
  if (larger == NULL) return NULL;
  memcpy(larger, memory, held);
  give(memory, unused);
  return larger;
}

static nghttp2_mem memory = {NULL, take, give, take_cleared, take_again};

int strait_nghttp2_session_new(nghttp2_session **session, int is_server, const nghttp2_session_callbacks *callbacks,
                               void *owner, const nghttp2_option *option) {
  making_session = 1;
  int result = is_server ? nghttp2_session_server_new3(session, callbacks, owner, option, &memory)
                         : nghttp2_session_client_new3(session, callbacks, owner, option, &memory);
  making_session = 0;
  return result;
}
