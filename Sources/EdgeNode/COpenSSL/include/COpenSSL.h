// OpenSSL 3 as the edge uses it: the library's macros as functions, and a BIO over two plain buffers.
#pragma once

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stddef.h>
#include <stdint.h>

// What OpenSSL reads from and writes to. Both buffers belong to the event loop and are lent for one turn, so that a
// turn takes one recv of many records and one send of many records, whatever OpenSSL does between.
typedef struct {
  const uint8_t *input;
  size_t input_count;
  uint8_t *output;
  size_t output_count;
  size_t output_capacity;
} strait_tls_buffers;

// A BIO over the buffers, which must outlive it. NULL when out of memory.
BIO *strait_bio_new(strait_tls_buffers *buffers);

// SSL_CTX_* and SSL_* that are macros.
static inline long strait_ssl_ctx_set_min_version(SSL_CTX *context, int version) {
  return SSL_CTX_set_min_proto_version(context, version);
}
static inline long strait_ssl_ctx_set_mode(SSL_CTX *context, long mode) { return SSL_CTX_set_mode(context, mode); }
static inline int strait_ssl_ctx_set_groups(SSL_CTX *context, const char *names) {
  return SSL_CTX_set1_groups_list(context, names);
}
static inline long strait_ssl_set_server_name(SSL *ssl, const char *name) { return SSL_set_tlsext_host_name(ssl, name); }

// A mask of the options that a server of ours always sets.
static inline uint64_t strait_ssl_server_options(void) {
  return SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_SSLv3 |
         SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_IGNORE_UNEXPECTED_EOF;
}

// Adds every certificate of a PEM text to the context's trust. Returns how many, or -1.
int strait_ssl_ctx_trust_pem(SSL_CTX *context, const char *pem, int count);

// Makes the server choose h2, then http/1.1, and refuse a client that offers neither.
void strait_ssl_ctx_select_alpn(SSL_CTX *context);

// SHA-256 of at most a few hundred bytes, without the allocation of an EVP context.
void strait_sha256(const void *bytes, size_t count, uint8_t digest[32]);
