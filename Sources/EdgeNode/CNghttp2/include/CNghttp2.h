// nghttp2 1.52 as Debian ships it.
#pragma once

#include <nghttp2/nghttp2.h>
#include <string.h>

static inline nghttp2_data_source strait_nghttp2_source(void *pointer) {
  nghttp2_data_source source;
  memset(&source, 0, sizeof(source));
  source.ptr = pointer;
  return source;
}

static inline void *strait_nghttp2_source_pointer(const nghttp2_data_source *source) { return source->ptr; }

// A server's session on the calling thread's pool of memory; what it frees is cleansed first, because heads hold keys.
// `frames` is set to where it packs its frames, or to NULL.
int strait_nghttp2_server_new(nghttp2_session **session, const nghttp2_session_callbacks *callbacks, void *owner,
                              const nghttp2_option *option, void **frames);

// A decoder of header blocks alone, on the same memory.
int strait_nghttp2_inflater_new(nghttp2_hd_inflater **inflater);

// The table of streams that a session of this thread has taken since this was last asked, or NULL.
void *strait_nghttp2_latest_table(void);

// Gives the system what a session does not need while it has nothing to send and no stream: pages that are there again
// when they are next used.
void strait_nghttp2_rest(void *frames, void *table);

// The parts of a frame union that the edge looks at.
static inline nghttp2_headers_category strait_nghttp2_headers_category(const nghttp2_frame *frame) {
  return frame->headers.cat;
}
static inline uint32_t strait_nghttp2_reset_code(const nghttp2_frame *frame) { return frame->rst_stream.error_code; }
static inline uint32_t strait_nghttp2_goaway_code(const nghttp2_frame *frame) { return frame->goaway.error_code; }
static inline size_t strait_nghttp2_padding(const nghttp2_frame *frame) { return frame->data.padlen; }
