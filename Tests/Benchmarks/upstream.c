// An upstream that costs next to nothing: answers every request over cleartext HTTP/2 with the same JSON body, once the
// request has ended. One thread, epoll and nghttp2. nghttpd would serve, but says no content type for a path without an
// extension, and then an edge has no JSON to read usage from.
//
//   upstream PORT FILE

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OUTPUT = 256 * 1024, INPUT = 64 * 1024, EVENTS = 256 };

typedef struct {
  int socket;
  nghttp2_session *session;
  size_t used;
  unsigned char output[OUTPUT];
} client;

static char body[65536];
static size_t body_length;
static char length_text[16];

static nghttp2_nv field(const char *name, const char *value) {
  return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *into, size_t room, uint32_t *flags,
                         nghttp2_data_source *source, void *user) {
  size_t *sent = (size_t *)&source->ptr;
  size_t count = body_length - *sent < room ? body_length - *sent : room;
  memcpy(into, body + *sent, count);
  *sent += count;
  if (*sent == body_length) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return (ssize_t)count;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
  if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) return 0;
  nghttp2_nv head[] = {field(":status", "200"), field("content-type", "application/json"),
                       field("content-length", length_text)};
  nghttp2_data_provider provider = {{.ptr = NULL}, read_body};
  return nghttp2_submit_response(session, frame->hd.stream_id, head, 3, &provider);
}

static int write_out(client *self) {
  for (;;) {
    const uint8_t *data;
    ssize_t count = 0;
    while (self->used < OUTPUT - 32768 && (count = nghttp2_session_mem_send(self->session, &data)) > 0) {
      memcpy(self->output + self->used, data, (size_t)count);
      self->used += (size_t)count;
    }
    if (count < 0) return -1;
    if (self->used == 0) return 0;
    ssize_t sent = send(self->socket, self->output, self->used, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN ? 0 : -1;
    self->used -= (size_t)sent;
    memmove(self->output, self->output + sent, self->used);
  }
}

static void take_client(int listener, int loop, nghttp2_session_callbacks *callbacks) {
  int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
  if (socket < 0) return;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  client *self = calloc(1, sizeof *self);
  if (self == NULL) abort();
  self->socket = socket;
  nghttp2_session_server_new(&self->session, callbacks, self);
  nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000},
                                       {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}};
  nghttp2_submit_settings(self->session, NGHTTP2_FLAG_NONE, settings, 2);
  nghttp2_session_set_local_window_size(self->session, NGHTTP2_FLAG_NONE, 0, 1 << 26);
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = self};
  epoll_ctl(loop, EPOLL_CTL_ADD, socket, &event);
}

static int serve(client *self) {
  static unsigned char input[INPUT];
  ssize_t count;
  while ((count = recv(self->socket, input, INPUT, 0)) > 0)
    if (nghttp2_session_mem_recv(self->session, input, (size_t)count) != count) return -1;
  if (count == 0 || errno != EAGAIN) return -1;
  return write_out(self);
}

static int listen_on(int port) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1024) != 0) {
    perror("upstream: cannot listen");
    exit(1);
  }
  return listener;
}

static void read_answer(const char *path) {
  FILE *file = fopen(path, "r");
  if (file == NULL) {
    perror("upstream: cannot read the answer");
    exit(1);
  }
  body_length = fread(body, 1, sizeof body, file);
  fclose(file);
  snprintf(length_text, sizeof length_text, "%zu", body_length);
}

int main(int count, char **arguments) {
  if (count != 3) {
    fprintf(stderr, "usage: upstream PORT FILE\n");
    return 64;
  }
  read_answer(arguments[2]);
  int listener = listen_on(atoi(arguments[1])), loop = epoll_create1(0);
  nghttp2_session_callbacks *callbacks;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  struct epoll_event accepting = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
  epoll_ctl(loop, EPOLL_CTL_ADD, listener, &accepting);
  for (;;) {
    int ready = epoll_wait(loop, events, EVENTS, -1);
    for (int index = 0; index < ready; index++) {
      client *self = events[index].data.ptr;
      if (self == NULL) {
        take_client(listener, loop, callbacks);
      } else if (serve(self) != 0) {
        nghttp2_session_del(self->session);
        close(self->socket);
        free(self);
      }
    }
  }
}
