#include "CNghttp2.h"

#include "CLinux.h"

static void *take(size_t count, void *unused) {
  (void)unused;
  return strait_pool_take(count);
}

static void give(void *memory, void *unused) {
  (void)unused;
  if (memory == NULL) return;
  strait_cleanse(memory, strait_pool_size(memory));
  strait_pool_give(memory);
}

static void *take_cleared(size_t count, size_t size, void *unused) {
  (void)unused;
  if (size != 0 && count > SIZE_MAX / size) return NULL;
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

nghttp2_mem *strait_nghttp2_memory(void) {
  static nghttp2_mem memory = {NULL, take, give, take_cleared, take_again};
  return &memory;
}
