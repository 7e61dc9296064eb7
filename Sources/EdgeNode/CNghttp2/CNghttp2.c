// Memory for nghttp2: the calling thread's pool, and pages of their own for what a session at rest can do without.
#include "CNghttp2.h"

#include "CLinux.h"
#include "Pages.h"

// What nghttp2 1.52 takes for the buffer in which a session packs frames (a header, a byte of padding's length, the largest
// payload), and for its first table of streams. Other sizes come from the pool, so another version costs memory only.
enum { FRAMES_BYTES = 9 + 1 + 16384, TABLE_ENTRIES = 256, TABLE_ENTRY_BYTES = 16 };

static __thread void *latest_frames;
static __thread void *latest_table;

static void *take(size_t count, void *unused) {
  (void)unused;
  if (count == FRAMES_BYTES) {
    latest_frames = pages_take(PAGES_FRAMES);
    if (latest_frames != NULL) return latest_frames;
  }
  return strait_pool_take(count);
}

static void give(void *memory, void *unused) {
  (void)unused;
  if (memory == NULL) return;
  int kind = pages_kind_of(memory);
  if (kind >= 0) {
    pages_give(memory, kind);
    return;
  }
  size_t size = strait_pool_size(memory);
  strait_cleanse(memory, size);
  strait_pool_give(memory);
}

static void *take_cleared(size_t count, size_t size, void *unused) {
  (void)unused;
  if (size != 0 && count > SIZE_MAX / size) return NULL;
  if (count == TABLE_ENTRIES && size == TABLE_ENTRY_BYTES) {
    latest_table = pages_take(PAGES_TABLE);
    if (latest_table != NULL) return latest_table;
  }
  // Large tables are mostly never looked at; memory that is fresh from the system is clear and stays untouched.
  if (count * size >= 2048) return calloc(count, size);
  void *memory = strait_pool_take(count * size);
  if (memory != NULL) memset(memory, 0, count * size);
  return memory;
}

static void *take_again(void *memory, size_t count, void *unused) {
  if (memory == NULL) return take(count, unused);
  int kind = pages_kind_of(memory);
  size_t held = kind >= 0 ? pages_size(kind) : strait_pool_size(memory);
  if (held >= count) return memory;
  void *larger = strait_pool_take(count);
  if (larger == NULL) return NULL;
  memcpy(larger, memory, held);
  give(memory, unused);
  return larger;
}

static nghttp2_mem memory = {NULL, take, give, take_cleared, take_again};

int strait_nghttp2_server_new(nghttp2_session **session, const nghttp2_session_callbacks *callbacks, void *owner,
                              const nghttp2_option *option, void **frames) {
  latest_frames = NULL;
  latest_table = NULL;
  int result = nghttp2_session_server_new3(session, callbacks, owner, option, &memory);
  *frames = latest_frames;
  return result;
}

int strait_nghttp2_inflater_new(nghttp2_hd_inflater **inflater) { return nghttp2_hd_inflate_new2(inflater, &memory); }

void *strait_nghttp2_latest_table(void) {
  void *table = latest_table;
  latest_table = NULL;
  return table;
}

void strait_nghttp2_rest(void *frames, void *table) {
  if (frames != NULL) pages_rest(frames);
  // A table without a stream is clear, and it stays so if it is another session's by now.
  if (table != NULL && pages_are_clear(table)) pages_rest(table);
}
