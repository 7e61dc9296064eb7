// A connection's bytes: TCP, and TLS 1.3 where the URL says https.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"

enum { INPUT = 64 * 1024, OUTPUT = 64 * 1024 };

const mode *the_mode;
static SSL_CTX *context;
static SSL_SESSION *latest;
static char seen_cipher[64];

// MARK: TLS

static int on_new_session(SSL *tls, SSL_SESSION *session) {
  (void)tls;
  SSL_SESSION_free(latest);
  latest = session;
  return 1;
}

static void prepare_tls(void) {
  static const unsigned char alpn[] = {2, 'h', '2'};
  context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
  SSL_CTX_set1_groups_list(context, "X25519");
  SSL_CTX_set_alpn_protos(context, alpn, sizeof alpn);
  SSL_CTX_set_mode(context,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, INPUT);
  if (!asked.resume) return;
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, on_new_session);
}

static void start_tls(connection *self) {
  self->tls = SSL_new(context);
  if (self->tls == NULL || SSL_set_fd(self->tls, self->socket) != 1) fail("OpenSSL made no connection");
  SSL_set_connect_state(self->tls);
  if (!asked.resume || latest == NULL) return;
  // OpenSSL lets a session of TLS 1.3 be resumed once, and several may begin before the next ticket is here.
  SSL_SESSION *copy = SSL_SESSION_dup(latest);
  SSL_set_session(self->tls, copy);
  SSL_SESSION_free(copy);
}

static bool shake_hands(connection *self) {
  ERR_clear_error();
  int result = SSL_do_handshake(self->tls);
  if (result == 1) {
    if (seen_cipher[0] == 0)
      snprintf(seen_cipher, sizeof seen_cipher, "%s %s", SSL_get_version(self->tls), SSL_get_cipher_name(self->tls));
    http2_open(self);
    return true;
  }
  int error = SSL_get_error(self->tls, result);
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) self->is_closing = true;
  return false;
}

bool connection_resumed(const connection *self) { return self->tls && SSL_session_reused(self->tls) == 1; }
const char *cipher_seen(void) { return seen_cipher; }

// MARK: bytes

// How many bytes came; 0: none for now; below 0: the connection has ended.
static ssize_t take(connection *self, uint8_t *into, size_t room) {
  if (self->tls == NULL) {
    ssize_t count = recv(self->socket, into, room, 0);
    return count > 0 ? count : count < 0 && errno == EAGAIN ? 0 : -1;
  }
  ERR_clear_error();
  int count = SSL_read(self->tls, into, (int)room);
  if (count > 0) return count;
  int error = SSL_get_error(self->tls, count);
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t give(connection *self, const uint8_t *bytes, size_t count) {
  if (self->tls == NULL) {
    ssize_t sent = send(self->socket, bytes, count, MSG_NOSIGNAL);
    return sent >= 0 ? sent : errno == EAGAIN ? 0 : -1;
  }
  ERR_clear_error();
  int sent = SSL_write(self->tls, bytes, (int)count);
  if (sent > 0) return sent;
  int error = SSL_get_error(self->tls, sent);
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

void connection_ready(connection *self) {
  static uint8_t input[INPUT];
  if (self->is_closing) return;
  loop_dirty(self);
  if (!self->is_open) {
    if (self->tls == NULL) http2_open(self);
    else if (!shake_hands(self)) return;
  }
  while (!self->is_closing) {
    ssize_t count = take(self, input, sizeof input);
    if (count == 0) return;
    if (count < 0 || !http2_take(self, input, (size_t)count)) self->is_closing = true;
  }
}

static bool flush_rest(connection *self) {
  while (self->rest) {
    ssize_t count = give(self, self->rest + self->rest_offset, self->rest_length - self->rest_offset);
    if (count < 0) self->is_closing = true;
    if (count <= 0) return false;
    self->rest_offset += (size_t)count;
    if (self->rest_offset < self->rest_length) continue;
    free(self->rest);
    self->rest = NULL;
  }
  return true;
}

static void keep(connection *self, const uint8_t *bytes, size_t count) {
  self->rest = malloc(count);
  if (self->rest == NULL) abort();
  memcpy(self->rest, bytes, count);
  self->rest_length = count;
  self->rest_offset = 0;
}

void connection_flush(connection *self) {
  static uint8_t output[OUTPUT];
  if (!self->is_open || !flush_rest(self)) return;
  ssize_t filled;
  while ((filled = http2_fill(self, output, OUTPUT)) > 0) {
    for (ssize_t gone = 0, count; gone < filled; gone += count) {
      count = give(self, output + gone, (size_t)(filled - gone));
      if (count < 0) self->is_closing = true;
      if (count == 0) keep(self, output + gone, (size_t)(filled - gone));
      if (count <= 0) return;
    }
  }
  if (filled < 0 || http2_is_over(self)) self->is_closing = true;
}

// MARK: beginning and end

void connections_prepare(const mode *mode) {
  the_mode = mode;
  if (asked.is_tls) prepare_tls();
}

static void come_from(int socket, int source) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000201 + (uint32_t)source)};
  setsockopt(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
  if (bind(socket, (struct sockaddr *)&address, sizeof address) != 0) fail("cannot bind: %s", strerror(errno));
}

void connection_open(void) {
  static int opened;
  connection *self = calloc(1, sizeof *self);
  if (self == NULL) abort();
  self->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (self->socket < 0) fail("no socket: %s", strerror(errno));
  setsockopt(self->socket, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  if (asked.sources > 0) come_from(self->socket, opened++ % asked.sources);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)asked.port)};
  inet_pton(AF_INET, asked.host, &address.sin_addr);
  if (connect(self->socket, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS)
    fail("cannot connect: %s", strerror(errno));
  if (asked.is_tls) start_tls(self);
  loop_watch(self);
}

void connection_close(connection *self) {
  if (self->is_closing) return;
  self->is_closing = self->is_asked_to_close = true;
  loop_dirty(self);
}

void connection_reap(connection *self) {
  if (!self->is_closing) return;
  if (self->session) http2_close(self);
  if (self->tls) {
    // A connection that ended without it would spoil its session for resuming.
    if (self->is_open) SSL_shutdown(self->tls);
    SSL_free(self->tls);
  }
  close(self->socket);
  free(self->rest);
  if (the_mode->closed) the_mode->closed(self, self->is_asked_to_close);
  free(self);
}
