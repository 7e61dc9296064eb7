#pragma once

// What nghttp2 1.52 allocates for packing frames: a frame's header, a byte of padding's length, the largest payload.
enum { FRAME_BUFFER_BYTES = 9 + 1 + 16384 };
