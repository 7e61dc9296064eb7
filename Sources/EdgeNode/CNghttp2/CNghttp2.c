// Memory for nghttp2: the calling thread's pool.
#include "CNghttp2.h"

#include "CLinux.h"

static void *take(size_t count, void *unused) {
  (void)unused;
  return strait_pool_take(count);
}

static void give(void *memory, void *unused) {
  (void)unused;
  if (memory == NULL) return;
  size_t size = strait_pool_size(memory);
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
  return is_server ? nghttp2_session_server_new3(session, callbacks, owner, option, &memory)
                         : nghttp2_session_client_new3(session, callbacks, owner, option, &memory);
}
