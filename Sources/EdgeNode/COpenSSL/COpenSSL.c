#define OPENSSL_SUPPRESS_DEPRECATED
#include "COpenSSL.h"

#include <string.h>

static int buffers_read(BIO *bio, char *into, int wanted) {
  strait_tls_buffers *buffers = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (buffers->input_count == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  size_t count = (size_t)wanted < buffers->input_count ? (size_t)wanted : buffers->input_count;
  memcpy(into, buffers->input, count);
  buffers->input += count;
  buffers->input_count -= count;
  return (int)count;
}

static int buffers_write(BIO *bio, const char *from, int offered) {
  strait_tls_buffers *buffers = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  size_t room = buffers->output_capacity - buffers->output_count;
  if (room == 0) {
    BIO_set_retry_write(bio);
    return -1;
  }
  size_t count = (size_t)offered < room ? (size_t)offered : room;
  memcpy(buffers->output + buffers->output_count, from, count);
  buffers->output_count += count;
  return (int)count;
}

static long buffers_control(BIO *bio, int command, long number, void *pointer) {
  (void)bio;
  (void)number;
  (void)pointer;
  // OpenSSL takes any other answer to a flush for a failure of the connection.
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *method;

__attribute__((constructor)) static void make_method(void) {
  method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "strait buffers");
  if (method == NULL) return;
  BIO_meth_set_read(method, buffers_read);
  BIO_meth_set_write(method, buffers_write);
  BIO_meth_set_ctrl(method, buffers_control);
}

BIO *strait_bio_new(strait_tls_buffers *buffers) {
  BIO *bio = method == NULL ? NULL : BIO_new(method);
  if (bio == NULL) return NULL;
  BIO_set_data(bio, buffers);
  BIO_set_init(bio, 1);
  return bio;
}

int strait_ssl_ctx_trust_pem(SSL_CTX *context, const char *pem, int count) {
  BIO *source = BIO_new_mem_buf(pem, count);
  if (source == NULL) return -1;
  X509_STORE *store = SSL_CTX_get_cert_store(context);
  int added = 0;
  X509 *certificate;
  while ((certificate = PEM_read_bio_X509(source, NULL, NULL, NULL)) != NULL) {
    if (X509_STORE_add_cert(store, certificate) == 1) added += 1;
    X509_free(certificate);
  }
  // The end of the text is reported as an error; the queue must be empty before the next SSL call.
  ERR_clear_error();
  BIO_free(source);
  return added;
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_count, const unsigned char *in,
                       unsigned int in_count, void *unused) {
  static const unsigned char ours[] = "\x02h2\x08http/1.1";
  (void)ssl;
  (void)unused;
  int found = SSL_select_next_proto((unsigned char **)out, out_count, ours, sizeof(ours) - 1, in, in_count);
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

void strait_ssl_ctx_select_alpn(SSL_CTX *context) { SSL_CTX_set_alpn_select_cb(context, select_alpn, NULL); }

void strait_sha256(const void *bytes, size_t count, uint8_t digest[32]) {
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, bytes, count);
  SHA256_Final(digest, &context);
  OPENSSL_cleanse(&context, sizeof(context));
}
